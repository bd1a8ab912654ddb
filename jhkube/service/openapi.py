"""The API's description by OpenAPI 3.1, and its reference page, made from the table of routes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from jhkube._version import __version__
from jhkube.service.routes import ROUTES, Route
from jhkube.service.schema_parts import Schema
from jhkube.service.schemas import COMPONENTS

__all__ = ["openapi", "reference_tables"]

ALWAYS: Final = (400, 403, 404, 503)
"""Statuses of refusals that each route has."""

TEXT: Final = "text/plain; charset=utf-8"


def openapi(prefix: str = "/services/jhkube/") -> dict[str, Any]:
    """Return `openapi.json`.

    Parameters
    ----------
    prefix
        The service's path on the hub's host, with slashes around it.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "My servers", "version": __version__, "summary": "One's servers, their logs and disks."},
        "servers": [{"url": f"{prefix}api"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token` and a token of the hub.",
                }
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Needs one of the hub's scopes {', '.join(route.scopes)}.",
        "parameters": [
            *(_parameter(name, schema, "path") for name, schema in route.parts.items()),
            *(_parameter(name, schema, "query") for name, schema in route.query.items()),
        ],
        "responses": {
            str(route.status): _good(route),
            **{
                str(code): _response(HTTPStatus(code).phrase, COMPONENTS["Error"], by_name="Error")
                for code in (*ALWAYS, *route.errors)
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    return operation


def _good(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "Done."}
    good = _response("Done.", route.answer)
    if "follow" in route.query:
        good["content"][TEXT] = {"schema": {"type": "string"}}
    return good


def _response(description: str, schema: Schema, by_name: str = "") -> dict[str, Any]:
    shown = {"$ref": f"#/components/schemas/{by_name}"} if by_name else schema
    return {"description": description, "content": {"application/json": {"schema": shown}}}


def _parameter(name: str, schema: Schema, where: str) -> dict[str, Any]:
    description = schema.get("description", "")
    return {"name": name, "in": where, "required": where == "path", "description": description, "schema": schema}


def reference_tables() -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return the reference's tables, of Markdown cells, with their titles; the first row of each is its head."""
    routes = ("request", "does", "scope, any of", "answer")
    fields = ("field", "type", "")
    return [
        ("Routes", [routes, *(_row(route) for route in ROUTES)]),
        *((name, [fields, *_fields(schema)]) for name, schema in COMPONENTS.items()),
    ]


def _row(route: Route) -> tuple[str, ...]:
    query = "".join(f"{'&' if index else '?'}{name}" for index, name in enumerate(route.query))
    body = route.body["properties"] if route.body and route.body.get("properties") else {}
    takes = f" with {', '.join(f'`{name}`' for name in body)}" if body else ""
    scopes = ", ".join(f"`{scope}`" for scope in route.scopes)
    answer = f"{route.status} {_answer_name(route)}".strip()
    return f"{route.method} `{route.path}{query}`{takes}", route.summary, scopes, answer


def _answer_name(route: Route) -> str:
    if route.answer is None:
        return ""
    if "$ref" in route.answer:
        return f"`{route.answer['$ref'].rpartition('/')[2]}`"
    lists = route.answer["properties"].items()
    return "; ".join(f"`{name}`, a list of `{items['items']['$ref'].rpartition('/')[2]}`" for name, items in lists)


def _fields(schema: Schema) -> list[tuple[str, ...]]:
    return [(f"`{each}`", _type(value), _description(value)) for each, value in schema["properties"].items()]


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(kinds)


def _description(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    return str(schema.get("description", ""))
