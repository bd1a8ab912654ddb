"""A JupyterServer as its author means it: the properties of the resource, checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, Strict

from jhkube.operator_models import OperatorModel, read_model
from jhkube.operator_types import Flag, Wanted

__all__ = ["AskedServer", "read_server"]

# Both become a part of a path: without a slash, and neither "." nor "..".
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f]{1,255}")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError
    return text


Name = Annotated[str, Strict(), AfterValidator(_name), Wanted("a name at the hub, such as 'ada', without '/'")]
Options = Annotated[
    dict[str, Any], Field(max_length=100), Wanted("options of the hub by name, such as {size: small}, at most 100")
]
IdleSeconds = Annotated[
    int,
    Strict(),
    Field(ge=60, le=31_536_000),
    Wanted("a whole number of seconds from 60 to 31536000, which is a year"),
]


class AskedServer(OperatorModel):
    """What a resource asks for."""

    # The API server drops unknown properties, and a newer definition may have some.
    model_config = ConfigDict(extra="ignore")

    user: Name
    """The person's name at the hub."""

    server: Name | None = None
    """The server's name; None for the default server."""

    options: Options | None = None
    """What it starts with; None for what it was last started with."""

    running: Flag = True
    """Whether it should run."""

    idle_seconds: IdleSeconds | None = Field(default=None, alias="idleSeconds")
    """After how many seconds without use it is stopped; None for never."""

    @property
    def name(self) -> str:
        """The server's name as the hub has it: empty for the default server."""
        return self.server or ""

    @property
    def options_hash(self) -> str:
        """A hash of the options, which tells whether they were changed."""
        return hashlib.sha256(json.dumps(self.options, sort_keys=True).encode()).hexdigest()[:32]


def read_server(body: Mapping[str, Any]) -> AskedServer:
    """Return what a resource asks for.

    Parameters
    ----------
    body
        The resource, as the API's JSON.

    Raises
    ------
    ConfigError
        Where something cannot be; the message names the property and says what would be right.

    Examples
    --------
    >>> read_server({"spec": {"user": "ada", "server": ""}}).name
    ''
    """
    spec = body.get("spec") or {}
    return read_model(AskedServer, "spec", {**spec, "server": spec.get("server") or None})
