"""What an operator writes: the base of its pydantic models, the types they share, mistakes as sentences."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from traitlets import TraitError

__all__ = [
    "Bytes",
    "ConfigError",
    "Cores",
    "Count",
    "Environment",
    "Flag",
    "Groups",
    "KubernetesObjects",
    "Line",
    "Name",
    "NamedModel",
    "ObjectName",
    "OperatorModel",
    "Seconds",
    "Text",
    "TextList",
    "Texts",
    "Wanted",
    "checked_trait",
    "nearest",
    "not_wanted",
    "read_list",
    "read_model",
    "read_named",
    "schema_definitions",
    "title_of",
]

# A label value of Kubernetes: names end up as labels of the pod.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
OBJECT_NAME: Final = r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"

# "4G", "4Gi", "512 MB", "0.5T": a number and a binary unit, as JupyterHub's `mem_limit` reads it.
BYTES: Final = r"(\d+(?:\.\d+)?)\s*(?:([KMGTPkmgtp])[iI]?)?[Bb]?"
UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}

ENVIRONMENT_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"

NOT_WANTED: Final = "not_wanted"
"""The type of the errors that say what a value should be."""

UNKNOWN: Final = "unknown_field"
"""The type of the errors about a field that a model does not have."""


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the field and says what would be right."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'memory'?` for `memmory`, or an empty text where nothing known is near."""
    near = difflib.get_close_matches(word[:100], list(known), 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def title_of(name: str) -> str:
    """Return a name as people read it: `Large memory` for `large-memory`."""
    return name.replace("-", " ").replace("_", " ").capitalize()


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
                if first["loc"] or first["type"] in (NOT_WANTED, UNKNOWN):
                    raise
            raise not_wanted(self.words, secret=self.secret)

        return core_schema.no_info_wrap_validator_function(check, handler(source))


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
            raise not_wanted(f"a dict of fields, not {_kind(data)}", secret=True)
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        for name in data if cls.model_config["extra"] == "forbid" else ():
            if name not in fields:
                hint = nearest(str(name), fields) or f"; there are {', '.join(fields)}"
                raise PydanticCustomError(
                    UNKNOWN, "there is no field {field}{hint}", {"field": repr(name), "hint": hint}
                )
        required = {name: None for name, field in fields.items() if field.is_required()}
        return required | {name: value for name, value in data.items() if value is not None}


def _number(value: Any) -> Any:
    """Read `500m` as 0.5, as Kubernetes does, and refuse what is only taken for a number by Python."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _bytes(value: Any) -> Any:
    """Read `4G` and `4Gi` as 4 × 1024³, as JupyterHub's `mem_limit` does."""
    if isinstance(value, str):
        match = re.fullmatch(BYTES, value.strip())
        if not match:
            raise ValueError
        value = float(match[1]) * UNITS[(match[2] or "").upper()]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**60:
        raise ValueError
    return int(value)


def _whole(pattern: str) -> Callable[[str], str]:
    """Return a check that a text matches a pattern as a whole."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return check


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
    AfterValidator(_whole(NAME)),
    Wanted("a short name of letters, digits, '-', '_' and '.', such as 'small'"),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}),
]
"""A name that can be a label of a pod."""

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
    Wanted("a dict of texts, such as {'NAME': 'value'}", secret=True),
]
"""Texts by name, which may be secrets: no error shows them."""

Environment = Annotated[Texts, AfterValidator(_environment)]
"""Values of environment variables by name, which may be secrets: no error shows them."""

KubernetesObjects = Annotated[
    tuple[Annotated[dict[str, Any], Wanted("a dict", secret=True)], ...],
    Wanted("a list of dicts, as Kubernetes writes them", secret=True),
]
"""Objects as Kubernetes writes them, which may hold secrets: no error shows them."""


class NamedModel(OperatorModel):
    """A dict with a name, by which people choose it and the pod's label tells it."""

    name: Name
    """What `user_options` and labels carry."""


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
    raise ConfigError(f"{_place(where, first['loc'], data)}: {_sentence(first)}")


def read_list(model: type[Model], where: str, config: Any) -> tuple[Model, ...]:
    """Return the dicts of an operator's list as values, in their order.

    Raises
    ------
    ConfigError
        Where it is not a list, or something in it cannot be.
    """
    if not isinstance(config, list | tuple):
        raise ConfigError(f"{where}: should be a list of dicts, not {_kind(config)}")
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


def _place(where: str, loc: tuple[int | str, ...], data: Any) -> str:
    """Return `sizes[1] (gpu).tolerations[0].key`."""
    if loc and isinstance(data, Mapping):
        name = data.get("name")
        where += f" ({name})" if isinstance(name, str) and re.fullmatch(NAME, name) and loc[0] != "name" else ""
    # What is wrong with a key is said of its dict.
    for step in loc[:-2] if loc[-1:] == ("[key]",) else loc:
        where += f"[{step}]" if isinstance(step, int) else f".{step}"
    return where


def _sentence(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors says, with the value where that may be shown."""
    context = error.get("ctx", {})
    if error["type"] == UNKNOWN:
        return str(error["msg"])
    if error["type"] == NOT_WANTED:
        return f"should be {context['wanted']}" + ("" if context["secret"] else f", not {_shown(error['input'])}")
    if error["type"] in ("tuple_type", "list_type", "frozen_set_type"):
        return f"should be a list, not {_kind(error['input'])}"
    if error["type"] in ("literal_error", "enum"):
        return f"{error['msg'].removeprefix('Input ')}, not {_shown(error['input'])}"
    if error["type"] == "value_error":
        return str(context["error"])
    return str(error["msg"]).removeprefix("Input ")


def _shown(value: Any) -> str:
    """Return a plain value as it was written, and of a list or a dict no more than that it is one."""
    if not isinstance(value, str | int | float):
        return _kind(value)
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds = {str: "a text", bool: "a truth value", int: "a number", float: "a number", Mapping: "a dict"}
    found = (words for kind, words in kinds.items() if isinstance(value, kind))
    return next(found, "a list" if isinstance(value, list | tuple | set | frozenset) else type(value).__name__)
