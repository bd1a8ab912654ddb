"""What is wrong with a start: as a value, and as the exception that the hub shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Any

import jupyterhub.spawner
from tornado import web

from jhkube.redaction import without_secrets

__all__ = ["Failure", "StartFailed", "redacted"]


@dataclass(frozen=True)
class Failure:
    """Why a server does not start."""

    reason: str
    """Kubernetes' own word, as `ImagePullBackOff`: for logs, metrics and searching."""
    message: str
    """What the user reads: what happened, and what to do about it."""
    detail: str = ""
    """What Kubernetes said, with anything secret taken out."""
    patience: float = 0.0
    """For how many seconds this may last before it counts as failed; 0 when waiting cannot help."""
    meanwhile: str = ""
    """What the user reads for as long as it is waited for."""
    status_code: int = 400
    """The HTTP status of the answer. Below 500 throughout: the hub counts higher ones as its own errors and
    ends itself after a number of them in a row (`consecutive_failure_limit`)."""

    @property
    def temporary(self) -> bool:
        """Whether it may pass by itself."""
        return self.patience > 0

    def definite(self) -> Failure:
        """The same, with no more waiting for it."""
        return replace(self, patience=0.0, meanwhile="")

    @property
    def raw(self) -> str:
        """Reason and detail on one line, for the operator's log and below the user's sentence."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def redacted(text: str, limit: int = 600) -> str:
    """Text of the cluster on one line, with what may be a secret replaced by "…"."""
    text = " ".join(without_secrets(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


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
