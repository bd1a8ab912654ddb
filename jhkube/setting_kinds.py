"""What a setting's value can be: how the environment spells it, and the JSON Schema that it is checked by; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator

__all__ = [
    "ADDRESSES",
    "BASE_PATH",
    "BIND_URL",
    "DATABASE_URL",
    "FLAG",
    "HOST",
    "HOST_AND_PORT",
    "OBJECT",
    "OBJECTS",
    "PORT",
    "QUANTITY",
    "SECONDS",
    "SECONDS_BY_NAME",
    "SECRET",
    "TEXT",
    "TEXT_BY_NAME",
    "URL",
    "URLS",
    "WHOLE_SECONDS",
    "WORDS",
    "Kind",
    "choice",
    "count",
]

YEAR: Final = 366 * 24 * 3600
"""Seconds that no setting passes: beyond it somebody has taken another unit for seconds."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value."""

    words: str
    """What a value should be, with an example: the end of "should be …"."""

    schema: Mapping[str, Any]
    """The JSON Schema (draft 2020-12) of a value in the chart."""

    from_text: Callable[[str], Any] = str
    """Returns what the environment's text means; a ValueError where it means nothing."""

    spelled: str = ""
    """How the environment writes it, where that is another way: goes on from `words`."""

    is_secret: bool = False
    """Whether the value is to be shown to nobody."""

    def read(self, text: str) -> Any:
        """Return the value that the environment spells, or raise ValueError with what would be right."""
        try:
            return self.checked(self.from_text(text.strip()))
        except ValueError:
            raise ValueError(f"{self.words}{self.spelled}") from None

    def checked(self, value: Any) -> Any:
        """Return a value of the chart as it is, or raise ValueError with what would be right."""
        if Draft202012Validator(self.schema).is_valid(value):
            return value
        found, wanted = _spoken_type(value), _SPOKEN[self.schema["type"]]
        raise ValueError(self.words if found == wanted else f"{self.words}, and not {found}")


_SPOKEN: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


def _spoken_type(value: Any) -> str:
    return next(words for name, words in _SPOKEN.items() if Draft202012Validator({"type": name}).is_valid(value))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _flag(text: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise ValueError
    return known[text.lower()]


def _text(words: str, pattern: str, **more: Any) -> Kind:
    """Return a kind of text: of a pattern, or empty, which is as if it were not set."""
    return Kind(words, {"type": "string", "pattern": f"^(?:{pattern})?$"}, **more)


def _texts(words: str, pattern: str) -> Kind:
    schema = {"type": "array", "items": {"type": "string", "pattern": f"^{pattern}$"}}
    return Kind(words, schema, _words, ", separated by commas or spaces")


def _object(words: str, values: Mapping[str, Any]) -> Kind:
    return Kind(words, {"type": "object", "additionalProperties": values}, json.loads, ", as JSON")


def choice(*names: str) -> Kind:
    """Return the kind of one of these words; the empty one, where it is among them, is as if it were not set."""
    said = [name for name in names if name]
    return Kind(f"{', '.join(said[:-1])} or {said[-1]}", {"type": "string", "enum": list(names)})


def count(least: int, most: int) -> Kind:
    """Return the kind of a whole number from `least` to `most`."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(f"a whole number from {least} to {most}", schema, json.loads)


_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
_WEB_ADDRESS: Final = rf"https?://{_HOST}(?::{_PORT})?(?:/[^\s?#]*)?"

TEXT: Final = Kind("a text", {"type": "string"})
SECRET: Final = Kind("a text", {"type": "string"}, is_secret=True)
WORDS: Final = _texts("a list of words", r"\S+")
FLAG: Final = Kind("true or false", {"type": "boolean"}, _flag)
PORT: Final = count(1, 65535)
SECONDS: Final = Kind(
    "a number of seconds, such as 60", {"type": "number", "minimum": 0, "maximum": YEAR}, json.loads
)
WHOLE_SECONDS: Final = Kind(
    "a whole number of seconds, such as 60", {"type": "integer", "minimum": 0, "maximum": YEAR}, json.loads
)
HOST: Final = _text("a host's name or address, such as 10.0.0.1, without scheme and port", _HOST)
HOST_AND_PORT: Final = _texts("a list of hosts, such as registry.example.org:5000", rf"{_HOST}(?::{_PORT})?")
ADDRESSES: Final = _texts("a list of IP addresses", r"[0-9A-Fa-f:.]+")
URL: Final = _text("a URL such as https://hub.example.org", _WEB_ADDRESS)
URLS: Final = _texts("a list of URLs such as https://git.example.org", _WEB_ADDRESS)
BIND_URL: Final = _text(
    "a URL such as http://127.0.0.1:8000/, or http://:8000/ for every address of the machine",
    rf"https?://{_HOST}?(?::{_PORT})?(?:/[^\s?#]*)?",
)
BASE_PATH: Final = _text("a path such as /jupyter/", r"/(?:[^\s?#]*/)?")
DATABASE_URL: Final = _text(
    "a database's URL, such as postgresql+psycopg://hub@db.example.org/jupyterhub",
    r"[a-z][a-z0-9]*(?:\+[a-z0-9_]+)?://\S*",
    is_secret=True,
)
QUANTITY: Final = _text("an amount of storage, such as 10Gi", r"[0-9]+(?:\.[0-9]+)?(?:[kMGTPE]|[KMGTPE]i)?")
OBJECT: Final = _object("an object", {})
OBJECTS: Final = Kind("a list of objects", {"type": "array", "items": {"type": "object"}}, json.loads, ", as JSON")
TEXT_BY_NAME: Final = _object('texts by name, such as {"pool": "labs"}', {"type": "string"})
SECONDS_BY_NAME: Final = _object('whole numbers of seconds by name, such as {"gpu": 1800}', WHOLE_SECONDS.schema)
