"""The parts that the API's JSON Schemas are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "BYTES",
    "COUNT",
    "FLAG",
    "SECONDS",
    "TIME",
    "Schema",
    "list_schema",
    "nullable",
    "object_schema",
    "reference",
    "text",
]

Schema = Mapping[str, Any]
"""A JSON Schema."""


def object_schema(required: Mapping[str, Schema], **optional: Schema) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    properties = {**required, **optional}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def list_schema(name: str, of: str) -> dict[str, Any]:
    """Return the schema of an object with one property: a list of what has this name in `openapi.json`."""
    return object_schema({name: {"type": "array", "items": reference(of)}})


def reference(name: str) -> dict[str, str]:
    """Return a reference to the schema of this name in `openapi.json`."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a string."""
    return {"type": "string", "description": description, **more}


def nullable(schema: Schema) -> dict[str, Any]:
    """Return the schema of the same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


TIME: Final = text("A time, by RFC 3339.", format="date-time")
SECONDS: Final = {"type": "number", "minimum": 0, "description": "Seconds."}
BYTES: Final = {"type": "integer", "minimum": 0, "description": "Bytes."}
FLAG: Final = {"type": "boolean"}
COUNT: Final = {"type": "integer", "minimum": 0}
