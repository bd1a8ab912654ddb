"""Mistakes in what an operator writes, as sentences: the place, what would be right, and no secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic_core import PydanticCustomError

__all__ = [
    "NAME_PATTERN",
    "NOT_WANTED",
    "UNKNOWN_FIELD",
    "kind_of",
    "nearest",
    "not_wanted",
    "place_of",
    "sentence_of",
    "shown",
]

# A label value of Kubernetes: names end up as labels of the pod.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
NAME_PATTERN: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"

NOT_WANTED: Final = "not_wanted"
"""The type of the errors that say what a value should be."""

UNKNOWN_FIELD: Final = "unknown_field"
"""The type of the errors about a field that a model does not have."""


def nearest(word: Any, known: Iterable[str]) -> str:
    """Return `; did you mean 'memory'?` for `memmory`, or an empty text where nothing known is near."""
    near = difflib.get_close_matches(word[:100], list(known), 1, 0.5) if isinstance(word, str) else ()
    return f"; did you mean {near[0]!r}?" if near else ""


def not_wanted(wanted: str, *, secret: bool = False) -> PydanticCustomError:
    """Return the error for a validator to raise: `should be a whole number, not 'two'`.

    Parameters
    ----------
    wanted
        What would be right: `a whole number`.
    secret
        Whether the value may be a secret, so that the sentence must not show it.
    """
    return PydanticCustomError(NOT_WANTED, "should be {wanted}", {"wanted": wanted, "secret": secret})


def place_of(where: str, loc: tuple[int | str, ...], data: Any) -> str:
    """Return `sizes[1] (gpu).tolerations[0].key`."""
    if loc and isinstance(data, Mapping):
        name = data.get("name")
        where += (
            f" ({name})" if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) and loc[0] != "name" else ""
        )
    # What is wrong with a key is said of its dict.
    for step in loc[:-2] if loc[-1:] == ("[key]",) else loc:
        where += f"[{step}]" if isinstance(step, int) else f".{step}"
    return where


def sentence_of(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors says, with the value where that may be shown."""
    context = error.get("ctx", {})
    if error["type"] == UNKNOWN_FIELD:
        return str(error["msg"])
    if error["type"] == NOT_WANTED:
        return f"should be {context['wanted']}" + ("" if context["secret"] else f", not {shown(error['input'])}")
    if error["type"] in ("tuple_type", "list_type", "frozen_set_type"):
        return f"should be a list, not {kind_of(error['input'])}"
    if error["type"] in ("literal_error", "enum"):
        return f"{error['msg'].removeprefix('Input ')}, not {shown(error['input'])}"
    if error["type"] == "value_error":
        return str(context["error"])
    return str(error["msg"]).removeprefix("Input ")


def shown(value: Any) -> str:
    """Return a plain value as it was written, and of a list or a dict no more than that it is one.

    A list may be nested more deeply, and a number have more digits, than Python can write.
    """
    is_plain = isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**64)
    if not is_plain:
        return kind_of(value)
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def kind_of(value: Any) -> str:
    """Return what sort of value something is: `a dict`, `nothing`."""
    if value is None:
        return "nothing"
    kinds = {str: "a text", bool: "a truth value", int: "a number", float: "a number", Mapping: "a dict"}
    found = (words for kind, words in kinds.items() if isinstance(value, kind))
    return next(found, "a list" if isinstance(value, list | tuple | set | frozenset) else type(value).__name__)
