"""A size for whoever names amounts: the smallest that holds what was asked for in everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from jhkube.options_form.option_values import OptionError, listed, shown
from jhkube.pod.limits import cores_text, memory_text, parse_quantity

__all__ = ["Asked", "count_value", "holds", "quantity_value", "smallest_size"]

LONGEST: Final = 32
"""How many characters an amount may have."""

MOST_GPUS: Final = 1000
"""A number of GPUs that no size has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants of a server; 0 for no matter how much."""

    cores: Decimal = Decimal(0)
    """Cores."""

    memory: Decimal = Decimal(0)
    """Bytes of memory."""

    gpus: int = 0
    """GPUs."""

    gpu_resource: str = ""
    """The extended resource of the GPUs, such as `nvidia.com/gpu`; empty for any."""

    @property
    def text(self) -> str:
        """What it is, for people: `4 cores, 8 GiB memory and 1 GPU`."""
        return _amounts(float(self.cores), float(self.memory), self.gpus)


def quantity_value(value: Any, field: str) -> Decimal:
    """Return an amount as Kubernetes writes it, in its base unit; 0 where nothing is given.

    Raises
    ------
    OptionError
        Where it is no amount.
    """
    if value is None or value == "":
        return Decimal(0)
    if isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) <= LONGEST:
        try:
            amount = parse_quantity(value)
        except ValueError:
            pass
        else:
            if amount >= 0:
                return amount
    raise OptionError(field, f"The value {shown(value)} is not an amount such as 2, 500m or 4Gi.")


def count_value(value: Any, field: str) -> int:
    """Return a number of GPUs; 0 where nothing, or `none`, is given.

    Raises
    ------
    OptionError
        Where it is no whole number.
    """
    if value is None or value in ("", "none"):
        return 0
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise OptionError(field, f"The value {shown(value)} is not a number of GPUs, such as 1.")
    return min(int(text), MOST_GPUS)


def smallest_size(sizes: Sequence[Mapping[str, Any]], asked: Asked) -> str:
    """Return the value of the smallest size that holds what was asked for; empty where there are no sizes.

    Parameters
    ----------
    sizes
        The sizes that the person may choose, by the schema `SizeChoice`.
    asked
        What they want.

    Raises
    ------
    OptionError
        Where no size holds it; the sentence names the largest.
    """
    if not sizes:
        return ""
    ordered = sorted(sizes, key=lambda size: (size["gpus"], size["cores"], size["memory"]))
    found = next((size for size in ordered if holds(size, asked)), None)
    if found is None:
        last = ordered[-1]
        has = _amounts(last["cores"], last["memory"], last["gpus"])
        raise OptionError(
            "size", f"No size has {asked.text}. The largest is “{last['display_name']}” with {has}. Ask for less."
        )
    return str(found["value"])


def holds(size: Mapping[str, Any], asked: Asked) -> bool:
    """Say whether a size has everything that was asked for."""
    is_kind = not asked.gpus or asked.gpu_resource in ("", size["gpu_resource"])
    # A size's cores are a float, and 0.1 as a Decimal would be a little more than that.
    cores = Decimal(str(size["cores"]))
    return is_kind and cores >= asked.cores and size["memory"] >= asked.memory and size["gpus"] >= asked.gpus


def _amounts(cores: float, memory: float, gpus: int) -> str:
    """Return amounts for people, without those that are 0."""
    parts = [cores_text(cores)] if cores else []
    if memory:
        parts.append(f"{memory_text(memory)} memory")
    if gpus:
        parts.append(f"{gpus} GPU{'s' if gpus > 1 else ''}")
    return listed(parts) if parts else "nothing"
