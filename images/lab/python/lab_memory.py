"""A server extension: tells JupyterLab's page whether a program was ended because memory ran out.

`GET …/jhkube/memory`, for whoever may use the server: `{"message": "The memory of your server (4 GiB) was full …"}`,
empty where none was ended. `lab_notice` shows it.
"""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from lab_cgroup import MEMORY
from tornado import ioloop, web

LOOK_EVERY = 10_000
"""Milliseconds between two looks: the time that people read is right by that much."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab_memory"}]


def _load_jupyter_server_extension(server: Any) -> None:
    path = url_path_join(server.web_app.settings["base_url"], "jhkube/memory")
    server.web_app.add_handlers(".*$", [(path, MemoryHandler)])
    ioloop.PeriodicCallback(MEMORY.look, LOOK_EVERY).start()


class MemoryHandler(APIHandler):
    """What people read about memory that ran out."""

    auth_resource = "contents"

    # A look at a server does not count as its use.
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Write it."""
        self.finish(json.dumps({"message": MEMORY.sentence()}))
