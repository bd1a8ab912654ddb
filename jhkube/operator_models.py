"""What an operator writes, as models: the base of them, how they are read, and mistakes as sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import PydanticCustomError
from traitlets import Float, TraitError

from jhkube.operator_errors import UNKNOWN_FIELD, kind_of, nearest, not_wanted, place_of, sentence_of, shown
from jhkube.operator_types import Flag, Groups, Line, Name

__all__ = [
    "ChoosableModel",
    "ConfigError",
    "FiniteFloat",
    "NamedModel",
    "OperatorModel",
    "checked_trait",
    "read_list",
    "read_model",
    "read_named",
    "schema_definitions",
]


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the field and says what would be right."""


class OperatorModel(BaseModel):
    """One dict of an operator's configuration: unknown fields are refused, and `None` counts as not given."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise not_wanted(f"a dict of fields, not {kind_of(data)}", secret=True)
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        for name in data if cls.model_config["extra"] == "forbid" else ():
            if name not in fields:
                hint = nearest(name, fields) or f"; there are {', '.join(fields)}"
                raise PydanticCustomError(
                    UNKNOWN_FIELD, "there is no field {field}{hint}", {"field": shown(name), "hint": hint}
                )
        required = {name: None for name, field in fields.items() if field.is_required()}
        return required | {name: value for name, value in data.items() if value is not None}


class NamedModel(OperatorModel):
    """A dict with a name, by which people choose it and the pod's label tells it."""

    name: Name
    """What `user_options` and labels carry."""


class ChoosableModel(NamedModel):
    """Something that people choose by name on the form."""

    display_name: Line = Field(default="", validate_default=True)
    """What people read; made of the name where it is not given."""

    description: Line = ""
    """One more line for people: what it is good for."""

    groups: Groups = frozenset()
    """The hub groups that may take it; everybody where empty."""

    is_default: Flag = Field(default=False, alias="default")
    """Whether it is chosen for somebody who has not chosen yet."""

    @field_validator("display_name")
    @classmethod
    def _name_for_people(cls, given: str, info: ValidationInfo) -> str:
        return given or str(info.data.get("name", "")).replace("-", " ").replace("_", " ").capitalize()


Model = TypeVar("Model", bound=OperatorModel)
Named = TypeVar("Named", bound=NamedModel)


def read_model(model: type[Model], where: str, data: Any) -> Model:
    """Return one dict of an operator's as a value.

    Parameters
    ----------
    model
        What the dict is.
    where
        What the errors begin with: `sizes[1]`.
    data
        What the operator wrote.

    Raises
    ------
    ConfigError
        Where something cannot be: `sizes[1] (gpu).cores: should be a number of cores, not 'two'`. It never shows
        the value of a field that may be a secret.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    raise ConfigError(f"{place_of(where, first['loc'], data)}: {sentence_of(first)}")


def read_list(model: type[Model], where: str, config: Any) -> tuple[Model, ...]:
    """Return the dicts of an operator's list as values, in their order.

    Raises
    ------
    ConfigError
        Where it is not a list, or something in it cannot be.
    """
    if not isinstance(config, list | tuple):
        raise ConfigError(f"{where}: should be a list of dicts, not {kind_of(config)}")
    return tuple(read_model(model, f"{where}[{index}]", item) for index, item in enumerate(config))


def read_named(model: type[Named], where: str, config: Any, kind: str) -> tuple[Named, ...]:
    """Return the dicts of a list, each with a name of its own, as values.

    Parameters
    ----------
    model, where, config
        As `read_list` takes them.
    kind
        What one of them is called: `size`.

    Raises
    ------
    ConfigError
        As `read_list`, and where two have one name.
    """
    items = read_list(model, where, config)
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item.name in seen:
            raise ConfigError(f"{where}[{index}].name: {item.name!r} is the name of a {kind} before it")
        seen.add(item.name)
    return items


class FiniteFloat(Float[float, Any]):
    """A Float trait that takes only numbers to calculate with: no infinity, no NaN, no int that no float can hold."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the value as a float; raises TraitError with the name of the class and the trait."""
        try:
            number: float = super().validate(obj, value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise TraitError(
                f"c.{type(obj).__name__}.{self.name}: should be a number, such as {self.default_value:g}"
            )
        return number


def checked_trait(section: str, proposal: Any, parse: Callable[[Any], object]) -> Any:
    """Return the proposed value of a trait as it is, once `parse` has taken it.

    Parameters
    ----------
    section
        Where operators set the trait: `c.JHKubeSpawner`.
    proposal
        What traitlets gives to a `@validate` method.
    parse
        What raises ValueError for a value that cannot be used.

    Raises
    ------
    TraitError
        With the setting's full name: `c.JHKubeSpawner.sizes[1].memory: should be …`.
    """
    name: str = proposal["trait"].name
    try:
        parse(proposal["value"])
    except ValueError as error:
        said = str(error)
    except RecursionError:
        said = f"{name}: is nested too deeply"
    else:
        return proposal["value"]
    names_it = re.match(rf"{re.escape(name)}[\[.:]", said)
    raise TraitError(f"{section}.{said}" if names_it else f"{section}.{name}: {said}")


def schema_definitions(*models: type[OperatorModel]) -> dict[str, Any]:
    """Return the JSON schemas of models and of what they are made of, by name.

    They are for the `definitions` of a schema of draft 7, which is what Helm reads, and refer to each other as
    `#/definitions/Size`.
    """
    _, schema = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/definitions/{model}",
        schema_generator=_PlainSchema,
    )
    definitions: dict[str, Any] = schema["$defs"]
    for definition in definitions.values():
        definition.pop("description", None)
        definition.pop("title", None)
    return definitions


class _PlainSchema(GenerateJsonSchema):
    """Schemas without a title for each field, which would only say its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
