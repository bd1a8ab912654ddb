"""The hub's log: whose pod an event is about, events as lines of JSON, and no secrets of addresses."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter
from tornado.log import access_log, app_log, gen_log

from jhkube.redaction import without_url_secrets

__all__ = ["JSON_LINES", "JsonLines", "PodLog", "hide_url_secrets"]


class PodLog(logging.LoggerAdapter[Any]):
    """Says with each event whose server and which pod it is about: in the message, and as fields for JSON.

    Parameters
    ----------
    log
        Where events go.
    user, server
        The server: its person's hub user name, and its own name, empty for the default one.
    pod
        `namespace/name`.

    Examples
    --------
    >>> PodLog(logging.getLogger(), "ada", "gpu", "labs/jupyter-ada--gpu").process("made", {})[0]
    'ada:gpu: pod labs/jupyter-ada--gpu: made'
    """

    def __init__(self, log: Any, user: str, server: str, pod: str) -> None:
        super().__init__(log, {"user": user, "server": server, "pod": pod})
        named = f"{user}:{server}" if server else user
        # The message is formatted with its arguments: a percent sign in a name is no placeholder.
        self._prefix = f"{named}: pod {pod}: ".replace("%", "")

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message with its prefix, and the fields."""
        return f"{self._prefix}{msg}", {**kwargs, "extra": self.extra}


class JsonLines(JsonFormatter):
    """Writes an event as a line of JSON: `timestamp` (ISO 8601, UTC), `level`, `logger`, `module`, `line`, `message`.

    An exception's traceback is `exc_info`; what a call's `extra` has, such as `PodLog`'s, has its own names.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        # The format that the hub has for text counts for nothing here.
        super().__init__(
            "%(levelname)s %(name)s %(module)s %(lineno)d %(message)s",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger", "lineno": "line"},
        )


JSON_LINES: Final[dict[str, Any]] = {
    "formatters": {"console": {"class": f"{JsonLines.__module__}.{JsonLines.__name__}"}},
    # What libraries say without the hub's logger, such as asyncio and SQLAlchemy.
    "root": {"handlers": ["console"], "level": "WARNING"},
}
"""For `c.JupyterHub.logging_config`."""


class _UrlSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = without_url_secrets(message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


_URL_SECRETS = _UrlSecrets()


def hide_url_secrets(*loggers: logging.Logger) -> None:
    """Let tornado's loggers, and these, write no authorization codes and tokens of addresses.

    Tornado logs a request that ends in an error with its whole address, in addition to jupyterhub's own line.
    """
    for log in (access_log, app_log, gen_log, *loggers):
        log.addFilter(_URL_SECRETS)
