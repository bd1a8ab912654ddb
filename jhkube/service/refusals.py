"""What the service answers where it does not do what it was asked: a status, a sentence, a field."""

from __future__ import annotations

import json
from http import HTTPStatus

from kubernetes_asyncio.client import ApiException
from kubernetes_asyncio.config import ConfigException

from jhkube.watch.failure import redacted

__all__ = ["Refusal", "cluster_refusal", "no_claim", "no_pod", "no_secret", "no_server"]

CLUSTER_AWAY = "The cluster does not answer at the moment. Try again in a minute."


class Refusal(Exception):
    """A request that is not done.

    Parameters
    ----------
    status
        The HTTP status.
    message
        What happened, then what to do; for the person who asked.
    field
        The part of the request that the message is about, such as `options.size`; empty for the whole of it.
    said
        The hub's own words, where it has refused.
    """

    def __init__(self, status: int, message: str, field: str = "", *, said: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.said = status, message, field, said

    def to_json(self) -> dict[str, str]:
        """Return the answer's body."""
        return {"message": self.message, "field": self.field}


def no_server(name: str) -> Refusal:
    """Return the answer where somebody has no server of this name; "" is the default server."""
    said = f"You have no server “{redacted(name, 80)}”." if name else "You have no default server."
    return Refusal(HTTPStatus.NOT_FOUND, f"{said} Choose one from the list of your servers.", "name")


def no_pod() -> Refusal:
    """Return the answer where a server has no pod, or none that says that it is this person's."""
    return Refusal(HTTPStatus.NOT_FOUND, "This server has no pod at the moment, so there is no log. Start it first.")


def no_claim(name: str) -> Refusal:
    """Return the answer where a claim does not exist, or does not say that it is this person's."""
    return Refusal(
        HTTPStatus.NOT_FOUND,
        f"You have no disk “{redacted(name, 80)}”. Choose one from the list of your disks.",
        "name",
    )


def no_secret(name: str) -> Refusal:
    """Return the answer where somebody has no secret of this name."""
    return Refusal(
        HTTPStatus.NOT_FOUND,
        f"You have no secret “{redacted(name, 80)}”. Choose one from the list of your secrets.",
        "name",
    )


def cluster_refusal(error: Exception, doing: str) -> Refusal:
    """Return the answer where the API server refuses, or does not answer at all.

    Parameters
    ----------
    error
        What the client raised.
    doing
        What was asked of it, for the sentence: `change the disk`.
    """
    if isinstance(error, ConfigException):
        text = "The service has no access to a cluster. Tell your administrator."
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, text)
    # A status of success: what answers is not a Kubernetes API server.
    if not isinstance(error, ApiException) or not 300 <= (error.status or 0) < 500:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, CLUSTER_AWAY)
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The service's account is not allowed to {doing}. Tell your administrator: the Role of the service is in"
            " the chart of jhkube.",
        )
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The cluster is busy. Try again in a minute.")
    if error.status == HTTPStatus.NOT_FOUND:
        return Refusal(HTTPStatus.NOT_FOUND, f"The cluster could not {doing}: it is gone. Reload the list.")
    if error.status == HTTPStatus.CONFLICT:
        return Refusal(
            HTTPStatus.CONFLICT, f"The cluster could not {doing}: it has just changed. Reload the list and try again."
        )
    return Refusal(
        HTTPStatus.BAD_REQUEST, f"The cluster could not {doing}: {redacted(_said(error), 300).rstrip('.')}."
    )


def _said(error: ApiException) -> str:
    """Return the API server's own words."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
