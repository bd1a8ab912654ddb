"""The hub's log as JSON lines: what `c.JupyterHub.logging_config` needs for it."""

from __future__ import annotations

from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

__all__ = ["JSON_LINES", "JsonLines"]


class JsonLines(JsonFormatter):
    """Writes an event as a line of JSON: `timestamp` (ISO 8601, UTC), `level`, `logger`, `module`, `line`, `message`.

    An exception's traceback is `exc_info`; what a call's `extra` has is added under its own names.
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
