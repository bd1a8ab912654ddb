"""The types of an operator's fields: numbers, names, lists and texts, with the words for what each should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    Strict,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import CoreSchema, core_schema

from jhkube.operator_errors import NAME_PATTERN, NOT_WANTED, UNKNOWN_FIELD, not_wanted

__all__ = [
    "Bytes",
    "Cores",
    "Count",
    "EnoughMemory",
    "Environment",
    "Flag",
    "Groups",
    "HostAndPort",
    "KubernetesObjects",
    "Line",
    "Memory",
    "Name",
    "ObjectName",
    "Regex",
    "Seconds",
    "Text",
    "TextList",
    "Texts",
    "Wanted",
]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
OBJECT_NAME: Final = r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"

# "4G", "4Gi", "512 MB", "0.5T": a number and a binary unit, as JupyterHub's `mem_limit` reads it.
BYTES: Final = r"(\d+(?:\.\d+)?)\s*(?:([KMGTPkmgtp])[iI]?)?[Bb]?"
UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}

LEAST_MEMORY: Final = 16 * 2**20
"""Bytes that any container of a server needs: a limit below is a number whose unit was forgotten."""

# A lower-case name or address, and a port.
HOST: Final = r"(?=.{1,200}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?"

ENVIRONMENT_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words for what a field should be, as the last annotation of its type.

    They replace what pydantic says of the value as a whole. What is wrong deeper inside keeps its own place and
    words.
    """

    words: str
    """What would be right: `a number of cores, such as 2 or 0.5`."""

    secret: bool = False
    """Whether the value may be a secret, which is never shown."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, validate: Callable[[Any], Any]) -> Any:
            try:
                return validate(value)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                if first["loc"] or first["type"] in (NOT_WANTED, UNKNOWN_FIELD):
                    raise
            raise not_wanted(self.words, secret=self.secret)

        return core_schema.no_info_wrap_validator_function(check, handler(source))


def _number(value: Any) -> Any:
    """Read `500m` as 0.5, as Kubernetes does, and refuse what is only taken for a number by Python."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**60:
        raise ValueError
    return float(value)


def _bytes(value: Any) -> Any:
    """Read `4G` and `4Gi` as 4 × 1024³, as JupyterHub's `mem_limit` does."""
    if isinstance(value, str):
        match = re.fullmatch(BYTES, value.strip())
        if not match:
            raise ValueError
        value = float(match[1]) * UNITS[(match[2] or "").upper()]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 2**60:
        raise ValueError
    return int(value)


def _enough_memory(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Refuse a limit that no container runs with; 0, where it is allowed, stands for none at all."""
    amount = validate(value)
    if 0 < amount < LEAST_MEMORY:
        meant = ""
        if re.fullmatch(r"\d+(\.\d+)?", number := str(value).strip()):
            meant = f" (a plain number is bytes: did you mean '{number}{'G' if amount < 512 else 'M'}'?)"
        raise not_wanted(f"at least 16M{meant}")
    return amount


def _whole(pattern: str) -> Callable[[str], str]:
    """Return a check that a text matches a pattern as a whole."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return check


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    return pattern


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _listed(value: Any) -> Any:
    """Take a list, tuple or set, and nothing else that can be iterated."""
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError
    return value


def _environment(variables: dict[str, str]) -> dict[str, str]:
    for name in variables:
        if not re.fullmatch(ENVIRONMENT_NAME, name):
            raise not_wanted(f"a dict of environment variables ({name!r} cannot be one)", secret=True)
    return variables


Text = Annotated[str, Strict(), Field(min_length=1), Wanted("a text")]
"""A text that is not empty."""

Line = Annotated[str, Strict(), AfterValidator(_one_line), Wanted("a text")]
"""A text on one line; line breaks and double spaces become one space."""

Name = Annotated[
    str,
    Strict(),
    AfterValidator(_whole(NAME_PATTERN)),
    Wanted("a short name of letters, digits, '-', '_' and '.', such as 'small'"),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"}),
]
"""A name that can be a label of a pod."""

Regex = Annotated[Line, AfterValidator(_compiles)]
"""A regular expression on one line."""

HostAndPort = Annotated[
    str,
    Strict(),
    AfterValidator(_whole(HOST)),
    # It may be a whole URL, with a password in it.
    Wanted("a lower-case name with an optional port, such as 'git.example.org:3000'", secret=True),
]
"""A host that is reached by HTTP; its port only where that is not the scheme's own."""

ObjectName = Annotated[
    str,
    Strict(),
    AfterValidator(_whole(OBJECT_NAME)),
    Wanted("the name of a Kubernetes object: small letters, digits, '-' and '.', such as 'survey-data'"),
    WithJsonSchema({"type": "string", "pattern": f"^{OBJECT_NAME}$"}),
]
"""The name of a claim, a Secret or another object of Kubernetes."""

Flag = Annotated[bool, Strict(), Wanted("True or False")]
"""True or false, and nothing that Python or YAML might take for it."""

Cores = Annotated[
    float,
    BeforeValidator(_number),
    Field(ge=0.001, lt=1e6),
    Wanted("a number of cores, such as 2 or 0.5"),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0.001}, {"type": "string", "pattern": r"^[0-9.]+m?$"}]}),
]
"""A number of cores; `500m` stands for 0.5, as in Kubernetes."""

Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    Wanted("bytes, or a number with K, M, G or T, such as '4G'"),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": f"^{BYTES}$"}]}
    ),
]
"""An amount in bytes; `4G` and `4Gi` are both 4 × 1024³, as in JupyterHub's `mem_limit`."""

EnoughMemory: Final = WrapValidator(_enough_memory)
"""For a limit of memory in bytes: refuses less than `LEAST_MEMORY`, and asks which unit was meant."""

Memory = Annotated[
    Bytes,
    EnoughMemory,
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": LEAST_MEMORY}, {"type": "string", "pattern": f"^{BYTES}$"}]}
    ),
]
"""A limit of memory in bytes, written as `Bytes` are."""

Count = Annotated[int, Strict(), Field(ge=0, lt=10_000), Wanted("a whole number, such as 1")]
"""A whole number of at least 0."""

Seconds = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False), Wanted("a number of seconds, such as 60")]
"""A time span in seconds."""

Groups = Annotated[
    frozenset[Text],
    BeforeValidator(_listed),
    Wanted("a list of texts, such as ['physics', 'physics:staff']"),
]
"""The hub groups that something is for."""

TextList = Annotated[tuple[Text, ...], Wanted("a list of texts")]
"""Texts in the operator's order."""

Texts = Annotated[
    dict[Annotated[str, Strict()], Annotated[str, Strict(), Wanted("a text", secret=True)]],
    Wanted("a dict of texts, such as {'NAME_PATTERN': 'value'}", secret=True),
]
"""Texts by name, which may be secrets: no error shows them."""

Environment = Annotated[Texts, AfterValidator(_environment)]
"""Values of environment variables by name, which may be secrets: no error shows them."""

KubernetesObjects = Annotated[
    tuple[Annotated[dict[str, Any], Wanted("a dict", secret=True)], ...],
    Wanted("a list of dicts, as Kubernetes writes them", secret=True),
]
"""Objects as Kubernetes writes them, which may hold secrets: no error shows them."""
