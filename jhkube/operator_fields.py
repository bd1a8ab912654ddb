"""Reading what an operator wrote: typed values out of a dict, or an error that names the field; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["ConfigError", "Fields", "nearest", "read_items"]

# A label value of Kubernetes: names end up as labels of the pod.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

# "4G", "4Gi", "512 MB", "0.5T": a number and a binary unit, as JupyterHub's `mem_limit` reads it.
BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGTP])i?)?B?", re.IGNORECASE)
UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}

ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConfigError(ValueError):
    """Something an operator configured that cannot be; the message names the field and what would be
    right."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'memory'?` for `memmory`, or an empty text where nothing known is near."""
    near = difflib.get_close_matches(word[:100], list(known), 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


class Fields:
    """One dict of an operator's list, read field by field.

    Parameters
    ----------
    where
        What the errors begin with: `sizes[1]`.
    data
        What the operator wrote.
    known
        The names that it may have. Any other is refused at once.
    """

    def __init__(self, where: str, data: Any, known: Iterable[str]) -> None:
        self.where = where
        if not isinstance(data, Mapping):
            raise ConfigError(f"{where}: should be a dict of fields, not {_shown(data)}")
        names = list(known)
        for name in data:
            if name not in names:
                hint = nearest(str(name), names) or f"; there are {', '.join(names)}"
                raise ConfigError(f"{where}: there is no field {name!r}{hint}")
        self._data = data

    def wrong(self, field: str, wanted: str) -> ConfigError:
        """Return the error for a field: `sizes[1].cores: should be a number, not 'two'`."""
        return ConfigError(f"{self.where}.{field}: should be {wanted}, not {_shown(self._data.get(field))}")

    def has(self, field: str) -> bool:
        """Say whether the field was given; `None` counts as not given."""
        return self._data.get(field) is not None

    def name(self, field: str = "name") -> str:
        """Return a name that can be a label of a pod; required."""
        value = self._data.get(field)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise self.wrong(field, "a short name of letters, digits, '-', '_' and '.', such as 'small'")
        return value

    def text(self, field: str, default: str = "") -> str:
        """Return a text of one line."""
        value = self._data.get(field, default)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(field, "a text")
        return " ".join(value.split())

    def flag(self, field: str) -> bool:
        """Return true or false; false where it is not given."""
        value = self._data.get(field)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(field, "True or False")
        return bool(value)

    def number(self, field: str, wanted: str, *, at_least: float = 0.0) -> float | None:
        """Return a number over zero and not under `at_least`; `500m` stands for 0.5, as in Kubernetes."""
        value = self._data.get(field)
        if value is None:
            return None
        if isinstance(value, str):
            milli = value.strip().endswith("m")
            try:
                value = float(value.strip().removesuffix("m")) / (1000 if milli else 1)
            except ValueError:
                raise self.wrong(field, wanted) from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise self.wrong(field, wanted)
        if value < at_least:
            raise self.wrong(field, wanted)
        return float(value)

    def count(self, field: str) -> int:
        """Return a whole number of at least 0; 0 where it is not given."""
        value = self._data.get(field)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10_000:
            raise self.wrong(field, "a whole number, such as 1")
        return value

    def bytes(self, field: str) -> int | None:
        """Return an amount in bytes; `4G` and `4Gi` are both 4 × 1024³, as in JupyterHub's `mem_limit`."""
        value = self._data.get(field)
        if value is None:
            return None
        wanted = "bytes, or a number with K, M, G or T, such as '4G'"
        if isinstance(value, str):
            match = BYTES.fullmatch(value.strip())
            if not match:
                raise self.wrong(field, wanted)
            value = int(float(match[1]) * UNITS[(match[2] or "").upper()])
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**60:
            raise self.wrong(field, wanted)
        return int(value)

    def words(self, field: str) -> frozenset[str]:
        """Return a set of texts, from a list."""
        value = self._data.get(field)
        if value is None:
            return frozenset()
        if not isinstance(value, list | tuple | set | frozenset) or not all(
            isinstance(word, str) and word for word in value
        ):
            raise self.wrong(field, "a list of texts, such as ['physics', 'physics:staff']")
        return frozenset(value)

    def texts(self, field: str, *, environment: bool = False) -> dict[str, str]:
        """Return a dict of texts by text; with `environment`, its keys are names of environment variables."""
        value = self._data.get(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str) and isinstance(text, str) for key, text in value.items()
        ):
            raise self.wrong(field, "a dict of texts, such as {'NAME': 'value'}")
        for key in value:
            if environment and not ENVIRONMENT_NAME.fullmatch(key):
                raise self.wrong(field, f"a dict of environment variables ({key!r} cannot be one)")
        return dict(value)

    def objects(self, field: str, required: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        """Return Kubernetes objects as dicts, each with the keys that are required of it."""
        value = self._data.get(field)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
            raise self.wrong(field, "a list of dicts, as Kubernetes writes them")
        for item in value:
            for key in required:
                if not isinstance(item.get(key), str) or not item[key]:
                    raise self.wrong(field, f"a list of dicts that each have a {key!r}")
        return tuple(dict(item) for item in value)


def read_items(where: str, config: Any) -> list[tuple[str, Any]]:
    """Return `(sizes[0], first item), …` of a configured list, or refuse what is no list."""
    if not isinstance(config, list | tuple):
        raise ConfigError(f"{where}: should be a list of dicts, not {_shown(config)}")
    return [(f"{where}[{index}]", item) for index, item in enumerate(config)]


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
