"""The exception of a start that failed, as the hub shows it."""

from __future__ import annotations

from html import escape
from typing import Any

import jupyterhub.spawner
from tornado import web

from jhkube.watch._failure import Failure

__all__ = ["StartFailed"]

SPAWN_EXCEPTION: Any = getattr(jupyterhub.spawner, "SpawnException", None)
"""The hub's own word for a start that was refused: jupyterhub 6; in 5 an HTTPError says the same."""


class StartFailed(SPAWN_EXCEPTION or web.HTTPError):  # type: ignore[misc]
    """A server that did not start, and why.

    `jupyterhub_message` and `jupyterhub_html_message` are what the hub shows: on the page of the pending start,
    on the page that offers to start again, and in the REST API's answers.
    """

    def __init__(self, failure: Failure, where: str) -> None:
        self._said = f"{where} did not start: {failure.raw}"
        if SPAWN_EXCEPTION:
            super().__init__(failure.message, reason=failure.reason, status_code=failure.status_code)
        else:
            super().__init__(failure.status_code, self._said, reason=failure.reason)
        self.failure = failure
        self.jupyterhub_message = f"{failure.message}\n({failure.raw})"
        self.jupyterhub_html_message = (
            f"{escape(failure.message)}<br><small><code>{escape(failure.raw)}</code></small>"
        )

    def get_message(self) -> str:
        """What is logged."""
        return self._said

    def __str__(self) -> str:
        return self._said
