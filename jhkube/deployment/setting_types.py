"""What a setting's value can be, how the environment spells it, and the fields that are made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

YEAR: Final = 366 * 24 * 3600
"""Seconds that no setting passes: beyond it somebody has taken another unit for seconds."""


class FromEnvironment(str):
    """A value as the environment spells it, to be read by its type's `Spelling`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Spelling:
    """What people read about a type's values, and how the environment writes them; pydantic metadata."""

    words: str
    """What a value should be, with an example: the end of "should be …"."""

    from_text: Callable[[str], Any] = str
    """Returns what the environment's text means; raises ValueError where it means nothing."""

    in_text: str = ""
    """How the environment writes it, where that is another way: goes on from `words`."""

    def read(self, value: Any) -> Any:
        """Return the value that the environment spells; a value of the chart as it is."""
        if isinstance(value, FromEnvironment):
            try:
                value = self.from_text(value.strip())
            except RecursionError:
                # JSON that is nested too deeply.
                raise ValueError from None
        # In JSON 5.0 is a whole number.
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _flag(text: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise ValueError
    return known[text.lower()]


def _one(pattern: str) -> Any:
    """Return the constraint to texts of a pattern; the empty one is as if it were not set."""
    return Field(pattern=f"^(?:{pattern})?$")


def _each(pattern: str) -> Any:
    """Return the constraint to texts of a pattern in a list."""
    return Field(pattern=f"^{pattern}$")


def _json(words: str) -> Spelling:
    return Spelling(words, json.loads, ", as JSON")


def _list(words: str) -> Spelling:
    return Spelling(words, _words, ", separated by commas or spaces")


_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
_WEB_ADDRESS: Final = rf"https?://{_HOST}(?::{_PORT})?(?:/[^\s?#]*)?"
_BIND_URL: Final = rf"https?://{_HOST}?(?::{_PORT})?(?:/[^\s?#]*)?"
_DATABASE_URL: Final = r"[a-z][a-z0-9]*(?:\+[a-z0-9_]+)?://\S*"
# A plain number is bytes, so a small one is an amount whose unit was forgotten.
_QUANTITY: Final = r"[0-9]{7,}|[0-9]+(?:\.[0-9]+)?(?:[kMGTPE]|[KMGTPE]i)"

Text = Annotated[str, Spelling("a text")]
Words = Annotated[list[Annotated[str, _each(r"\S+")]], _list("a list of words")]
Flag = Annotated[bool, Spelling("true or false", _flag)]
Port = Annotated[int, Field(ge=1, le=65535), Spelling("a whole number from 1 to 65535", json.loads)]
AtOnce = Annotated[int, Field(ge=1, le=100_000), Spelling("a whole number from 1 to 100000", json.loads)]
ImageCount = Annotated[int, Field(ge=0, le=100), Spelling("a whole number from 0 to 100", json.loads)]
DiskCount = Annotated[int, Field(ge=0, le=1000), Spelling("a whole number from 0 to 1000", json.loads)]
Seconds = Annotated[float, Field(ge=0, le=YEAR), Spelling("a number of seconds, such as 60", json.loads)]
WholeSeconds = Annotated[int, Field(ge=0, le=YEAR), Spelling("a whole number of seconds, such as 60", json.loads)]
Factor = Annotated[float, Field(ge=1, le=100), Spelling("a number from 1 to 100, such as 2", json.loads)]
Host = Annotated[str, _one(_HOST), Spelling("a host's name or address, such as 10.0.0.1, without scheme and port")]
HostAndPort = Annotated[str, _each(rf"{_HOST}(?::{_PORT})?")]
HostsAndPorts = Annotated[list[HostAndPort], _list("a list of hosts, such as registry.example.org:5000")]
Addresses = Annotated[list[Annotated[str, _each("[0-9A-Fa-f:.]+")]], _list("a list of IP addresses")]
Url = Annotated[str, _one(_WEB_ADDRESS), Spelling("a URL such as https://hub.example.org")]
WebAddress = Annotated[str, _each(_WEB_ADDRESS)]
Urls = Annotated[list[WebAddress], _list("a list of URLs such as https://git.example.org")]
BindUrl = Annotated[
    str,
    _one(_BIND_URL),
    Spelling("a URL such as http://127.0.0.1:8000/, or http://:8000/ for every address of the machine"),
]
BasePath = Annotated[str, _one(r"/(?:[^\s?#]*/)?"), Spelling("a path such as /jupyter/")]
DatabaseUrl = Annotated[
    str,
    _one(_DATABASE_URL),
    Spelling("a database's URL, such as postgresql+psycopg://hub@db.example.org/jupyterhub"),
]
HubName = Annotated[
    str, _one(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?"), Spelling("a DNS label of at most 20 characters, such as a")
]
Quantity = Annotated[str, _one(_QUANTITY), Spelling("an amount of storage, such as 10Gi")]
Object = Annotated[dict[str, Any], _json("an object")]
Objects = Annotated[list[dict[str, Any]], _json("a list of objects")]
TextByName = Annotated[dict[str, str], _json('texts by name, such as {"pool": "labs"}')]
SecondsByName = Annotated[dict[str, WholeSeconds], _json('whole numbers of seconds by name, such as {"gpu": 1800}')]
LogFormat = Annotated[Literal["text", "json"], Spelling("text or json")]
LogLevel = Annotated[Literal["", "debug", "info", "warning", "error"], Spelling("debug, info, warning or error")]
Provider = Annotated[
    Literal["github", "cilogon", "oidc", "other"],
    Spelling("github, cilogon, oidc, or other for an authenticator that is configured elsewhere"),
]
GitAccess = Annotated[Literal["none", "public", "all"], Spelling("none, public or all")]
PodDefaults = Annotated[Literal["off", "safe", "all"], Spelling("off, safe or all")]
StartAhead = Annotated[Literal["off", "form", "form-and-changes"], Spelling("off, form or form-and-changes")]
AheadSeconds = Annotated[
    int, Field(ge=10, le=3600), Spelling("a whole number of seconds from 10 to 3600", json.loads)
]
HomeKind = Annotated[Literal["pvc", "nfs", "shared-pvc"], Spelling("pvc, nfs or shared-pvc")]
FolderMaker = Annotated[Literal["", "user", "root", "nobody"], Spelling("user, root or nobody")]


class Section(BaseModel):
    """A level of the chart's `custom.jhkube`; null counts as not set there, as it does for Helm."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in given.items() if value is not None or key not in known}


def setting(variable: str, default: Any, help_text: str) -> Any:
    """Return the field of a setting, which this environment variable sets too; the schema shows it as its title."""
    return Field(default, title=variable, description=help_text)
