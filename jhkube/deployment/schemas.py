"""The JSON schemas of the charts' values, from the models that check them in the hub.

`python -m jhkube.deployment.schemas` writes them: `chart/custom-jhkube.schema.json`, which is the schema of
`custom.jhkube` in the values of Zero to JupyterHub, and what `chart/jhkube/values.schema.json` says of jhkube's own
settings. The rest of that file is written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from jhkube.deployment.setting_models import Values
from jhkube.images.offer_rules import OfferRule
from jhkube.operator_models import OperatorModel, schema_definitions
from jhkube.options_form.sizes import Size

__all__ = ["chart_schema", "own_chart_schema", "write_schemas"]

LISTS: Final[dict[str, type[OperatorModel]]] = {"sizes": Size, "offers": OfferRule}
"""The lists of dicts that both charts take, with what one of the dicts is."""


class _WithNulls(GenerateJsonSchema):
    """As in `Settings`, null counts as not set."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        return {**super().model_schema(schema), "type": ["object", "null"]}

    def model_field_schema(self, schema: Any) -> dict[str, Any]:
        value = super().model_field_schema(schema)
        if "$ref" in value:
            return value
        return {"default": value.pop("default"), "anyOf": [value, {"type": "null"}]}


def chart_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `custom.jhkube` in the values of Zero to JupyterHub."""
    schema = Values.model_json_schema(schema_generator=_WithNulls)
    for name in LISTS:
        schema["$defs"]["Menu"]["properties"][name]["anyOf"][0] = _list_of(name)
    return {"$schema": _WithNulls.schema_dialect, **schema, "definitions": _definitions()}


def own_chart_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of our own chart's values, with what the models say in it.

    Parameters
    ----------
    schema
        The schema as it is: draft 7, as Helm reads it.
    """
    classes = schema["properties"]["prepuller"]["properties"]["config"]["properties"]
    for name, owner in {"sizes": "JHKubeSpawner", "offers": "ImageMenu"}.items():
        classes.setdefault(owner, {"type": "object", "properties": {}})["properties"][name] = _list_of(name)
    return {**schema, "definitions": {**schema["definitions"], **_definitions()}}


def write_schemas(charts: Path) -> None:
    """Write the schemas into the folder of the charts."""
    own = charts / "jhkube" / "values.schema.json"
    _write(charts / "custom-jhkube.schema.json", chart_schema())
    _write(own, own_chart_schema(json.loads(own.read_text())))


def _definitions() -> dict[str, Any]:
    """Return the schemas of what the lists are made of; as in the models, null counts as not given."""
    definitions = schema_definitions(*LISTS.values())
    for definition in definitions.values():
        for name, value in definition.get("properties", {}).items():
            # What is there twice in a list of groups is no mistake.
            value.pop("uniqueItems", None)
            if name not in definition.get("required", ()):
                definition["properties"][name] = {"anyOf": [value, {"type": "null"}]}
    return definitions


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/definitions/{LISTS[name].__name__}"}}


def _write(path: Path, schema: dict[str, Any]) -> None:
    path.write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    write_schemas(Path("chart"))
