"""A page of a registry's tags, read out of its JSON: in small steps where it is large; pure."""

from __future__ import annotations

import json
import re
from typing import Any

from .._gently import STEP, Steps

__all__ = ["decoded", "tags_in"]

SMALL = 2**19
"""Bytes of JSON that are decoded at once: some milliseconds' work."""

MAX_BRACKETS = 50_000
MAX_COMMAS = 200_000
"""What no manifest or configuration comes near. Decoding more of them would stop the event loop for seconds, and a
thread does not help: the decoder lets no other thread run."""

MAX_TAGS = 1_000_000
"""A list of tags that goes on longer than this is not one."""

# Possessive quantifiers, which keep no way back: one text of 30 MB is read in a moment.
_STRING = re.compile(r'\s*+"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"')
_COLON = re.compile(r"\s*+:\s*+")
_COMMA = re.compile(r"\s*+,\s*+")
_OPENING = re.compile(r"\s*+\{")
_CLOSING = re.compile(r"\s*+\}\s*+")
_LIST_END = re.compile(r"\s*+\]")
_SCALAR = re.compile(r'-?[0-9][0-9.eE+-]*+|true|false|null|"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_NESTING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]')


def decoded(body: bytes) -> Any:
    """Return what a JSON document holds.

    Raises
    ------
    ValueError
        Where it is not JSON that can be read, or has more parts than any document of a registry; the message is
        the predicate of a sentence.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS or body.count(b",") > MAX_COMMAS:
        raise ValueError("has too many parts")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None


def tags_in(body: bytes) -> Steps[list[str]]:
    """Return the texts of a page's list of tags, in the registry's order; some may be no tags.

    Raises
    ------
    ValueError
        Where it is not JSON, or has no list of texts in it; the message is the predicate of a sentence.
    """
    yield
    if len(body) > SMALL:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise ValueError("is not JSON") from None
        return (yield from _large(text))
    data = decoded(body)
    listed = data.get("tags", ...) if isinstance(data, dict) else ...
    if listed is None:
        return []  # Docker's registry writes null for none
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise ValueError("has no list of texts in it")
    return listed


def _large(text: str) -> Steps[list[str]]:
    """Read an object's members one by one; what is not the list of tags is skipped, not decoded."""
    found: list[str] | None = None
    opening = _OPENING.match(text)
    place = opening.end() if opening else 0
    members = 0
    while opening:
        if members % STEP == 0:
            yield
        members += 1
        key = _STRING.match(text, place)
        colon = key and _COLON.match(text, key.end())
        if not key or not colon:
            break
        place = colon.end()
        if key[1] == "tags":
            found = []
            place = yield from _texts(text, place, found)
        else:
            place = yield from _skipped(text, place)
        if _CLOSING.fullmatch(text, place):
            if found is None:
                raise ValueError("has no list of texts in it")
            return found
        comma = _COMMA.match(text, place)
        if not comma:
            break
        place = comma.end()
    raise ValueError("is not JSON")


def _texts(text: str, place: int, found: list[str]) -> Steps[int]:
    """Read a list of texts; returns where it ends."""
    if text.startswith("null", place):
        return place + 4
    if not text.startswith("[", place):
        raise ValueError("has no list of texts in it")
    place += 1
    if empty := _LIST_END.match(text, place):
        return empty.end()
    while True:
        if len(found) % STEP == 0:
            yield
        if len(found) > MAX_TAGS:
            raise ValueError(f"has no end: more than {MAX_TAGS} on one page")
        string = _STRING.match(text, place)
        if string is None:
            raise ValueError("has no list of texts in it")
        found.append(decoded(string[0].encode()) if "\\" in string[1] else string[1])
        place = string.end()
        comma = _COMMA.match(text, place)
        if comma is None:
            break
        place = comma.end()
    end = _LIST_END.match(text, place)
    if end is None:
        raise ValueError("is not JSON")
    return end.end()


def _skipped(text: str, place: int) -> Steps[int]:
    """Return where a value ends that begins here."""
    if scalar := _SCALAR.match(text, place):
        return scalar.end()
    if text[place : place + 1] not in ("[", "{"):
        raise ValueError("is not JSON")
    depth = 0
    for count, token in enumerate(_NESTING.finditer(text, place)):
        if count % STEP == 0:
            yield
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if depth == 0:
                return token.end()
    raise ValueError("is not JSON")
