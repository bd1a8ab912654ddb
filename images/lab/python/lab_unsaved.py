"""A server extension: tells the hub which repositories at home have work that is nowhere else, and what room is left.

`GET …/jhkube/unsaved`, for whoever may use the server: `{"repositories": [{"path": "paper", "changed": 2,
"unpushed": 1}], "more": 0, "complete": true, "free": 3221225472, "memory": {"ended": "2026-11-30T14:32:07+00:00",
"limit": 4294967296}}`. `changed` or `unpushed` is null where git does not tell. `free` is how many bytes the home has
left. `memory` says when a program was last ended because memory ran out, and how many bytes the server may have; null
where nothing was ended.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from lab_cgroup import MEMORY
from lab_repositories import Repositories
from tornado import web


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab_unsaved"}]


def _load_jupyter_server_extension(server: Any) -> None:
    path = url_path_join(server.web_app.settings["base_url"], "jhkube/unsaved")
    repositories = Repositories(str(Path("~").expanduser().resolve()))
    server.web_app.add_handlers(".*$", [(path, UnsavedHandler, {"repositories": repositories})])


class UnsavedHandler(APIHandler):
    """What is unsaved.

    Parameters
    ----------
    repositories
        What looks for it.
    """

    auth_resource = "contents"

    # A look at a server does not count as its use.
    _track_activity = False

    def initialize(self, repositories: Repositories) -> None:
        """Keep what the rule gives."""
        self._repositories = repositories

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Write it."""
        self.finish(json.dumps({**await self._repositories.unsaved(), "memory": MEMORY.told()}))
