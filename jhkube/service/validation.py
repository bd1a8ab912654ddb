"""What a request says, by the table of routes: checked, or refused with the field that is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from jhkube.service.refusals import Refusal
from jhkube.service.routes import LONGEST_BODY, ROUTES, Route
from jhkube.service.schema_parts import Schema
from jhkube.service.schemas import COMPONENTS, DEFAULT_SERVER

__all__ = ["Request", "answer_problem", "read_request", "route_named"]

FLAGS = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}
DEEPEST = 20
"""How many levels the JSON of a body may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is as the table says."""

    route: Route
    parts: Mapping[str, str] = field(default_factory=dict)
    """The path's names; a server's is as the hub has it."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """With defaults for what was left out; None where there is none."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The body, as it came."""


def read_request(
    route: Route, parts: Mapping[str, str], query: Mapping[str, Sequence[str]], body: bytes = b""
) -> Request:
    """Return what a request says.

    Parameters
    ----------
    route
        Its row of the table.
    parts
        The path's names, decoded.
    query
        The query's values, decoded, a list each.
    body
        As it came.

    Raises
    ------
    Refusal
        400, or 404 for a name that nothing can have.
    """
    for name, schema in route.parts.items():
        if (problem := _problem(f"{route.name}.{name}", schema, parts[name])) is not None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"This is not a valid name. {_sentence(problem)}", name)
    named = dict(parts)
    if route.parts.get("name") is not None and route.path.startswith("servers/") and named["name"] == DEFAULT_SERVER:
        named["name"] = ""
    return Request(route, named, _read_query(route, query), _read_body(route, body))


def _read_query(route: Route, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    unknown = query.keys() - route.query.keys()
    if unknown:
        name = min(unknown)
        known = ", ".join(route.query) or "none"
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Unknown query parameter. Known here: {known}.", name[:80])
    values = {name: schema.get("default") for name, schema in route.query.items()}
    for name, texts in query.items():
        schema = route.query[name]
        value = _typed(schema, texts[-1])
        if (problem := _problem(f"{route.name}?{name}", schema, value)) is not None:
            raise Refusal(HTTPStatus.BAD_REQUEST, _sentence(problem), name)
        values[name] = value
    return values


def _typed(schema: Schema, text: str) -> Any:
    """Return a query's text as its schema's type; the text itself where it is none of that type."""
    if schema["type"] == "integer" and text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    return FLAGS.get(text.lower(), text) if schema["type"] == "boolean" else text


def _read_body(route: Route, body: bytes) -> dict[str, Any]:
    if route.body is None:
        if body.strip():
            raise Refusal(HTTPStatus.BAD_REQUEST, "This request takes no body. Leave it out.")
        return {}
    if len(body) > LONGEST_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {LONGEST_BODY} bytes.")
    try:
        read = json.loads(body, parse_constant=_refused_number, parse_float=_finite) if body.strip() else {}
    except (ValueError, RecursionError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not valid JSON.") from None
    if _depth(read) > DEEPEST:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The body has more than {DEEPEST} levels.")
    if not isinstance(read, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'The body should be a JSON object, such as {"options": {}}.')
    if (problem := _problem(f"{route.name}:", route.body, read)) is not None:
        raise Refusal(HTTPStatus.BAD_REQUEST, _sentence(problem), _place(problem))
    return read


def _refused_number(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _depth(value: Any) -> int:
    """Return how many levels a value has, without a level of Python's own for each."""
    level, deep = [value], 0
    while level:
        deep += 1
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        level = inside
    return deep


def _problem(key: str, schema: Schema, value: Any) -> ValidationError | None:
    validator = _validators().get(key)
    if validator is None:
        validator = _validators()[key] = Draft202012Validator({**schema, "components": {"schemas": COMPONENTS}})
    found: ValidationError | None = best_match(validator.iter_errors(value))
    return found


@cache
def _validators() -> dict[str, Any]:
    return {}


def _place(problem: ValidationError) -> str:
    return ".".join(str(each) for each in problem.absolute_path)[:200]


def _sentence(problem: ValidationError) -> str:
    """Return what is wrong in a sentence; a value of any length may be in the validator's own words."""
    said = problem.message if len(problem.message) < 200 else f"{problem.message[:80]} … {problem.message[-80:]}"
    return f"The request is not valid: {said}."


def answer_problem(route: Route, answer: Any) -> str:
    """Return what is wrong with an answer by the table; empty where it is right. For the tests."""
    if route.answer is None:
        return "" if answer is None else "there should be no body"
    problem = _problem(f"{route.name}=", route.answer, answer)
    return "" if problem is None else f"{_place(problem)}: {problem.message}"


def route_named(name: str) -> Route:
    """Return the route of a name; there has to be one."""
    return next(route for route in ROUTES if route.name == name)
