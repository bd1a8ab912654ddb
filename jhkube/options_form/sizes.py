"""Sizes: how many cores, how much memory and which GPUs a server gets, by group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, Strict, ValidationInfo, field_validator

from jhkube.operator_errors import not_wanted
from jhkube.operator_models import ChoosableModel, ConfigError, OperatorModel, read_named
from jhkube.operator_types import Bytes, Cores, Count, Line, Memory, Texts, Wanted

__all__ = [
    "DEFAULT_SIZES",
    "GUARANTEE_RATIO",
    "Size",
    "bytes_text",
    "default_size",
    "parse_sizes",
    "sizes_for",
]

GUARANTEE_RATIO: Final = 0.25
"""The part of a size that is reserved, unless the operator says otherwise: most notebooks idle most of the
time."""

DEFAULT_SIZES: Final[list[dict[str, Any]]] = [
    {"name": "small", "display_name": "Small", "cores": 1, "memory": "2G", "default": True},
    {"name": "medium", "display_name": "Medium", "cores": 2, "memory": "4G"},
    {"name": "large", "display_name": "Large", "cores": 4, "memory": "8G"},
]
"""The sizes where the operator configures none, in the operator's own shape."""

GPU_RESOURCES: Final = {
    "nvidia.com": "NVIDIA GPU",
    "amd.com": "AMD GPU",
    "gpu.intel.com": "Intel GPU",
    "habana.ai": "Gaudi accelerator",
}
"""How people call the extended resources of https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/."""


class Toleration(OperatorModel):
    """A toleration of user pods, as Kubernetes writes it.

    See https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/. What the API server would
    refuse is refused here, at the start of the hub and not at somebody's spawn.
    """

    operator: Literal["Equal", "Exists"] = "Equal"
    key: Line = Field(default="", validate_default=True)
    value: Line = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: Annotated[int, Strict(), Wanted("a whole number of seconds")] | None = Field(
        default=None, alias="tolerationSeconds"
    )

    @field_validator("key")
    @classmethod
    def _key_unless_exists(cls, key: str, info: ValidationInfo) -> str:
        if not key and info.data.get("operator") == "Equal":
            raise not_wanted("a taint's key, or left out with the operator Exists", secret=True)
        return key

    @field_validator("value")
    @classmethod
    def _no_value_if_exists(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("operator") == "Exists":
            raise not_wanted("left out with the operator Exists")
        return value


def _checked_toleration(written: Any) -> Mapping[str, Any]:
    Toleration.model_validate(written)
    return dict(written)


Ratio = Annotated[float, Strict(), Field(gt=0, le=1), Wanted("a number over 0 and at most 1, such as 0.25")]

Tolerations = Annotated[
    tuple[
        Annotated[Mapping[str, Any], PlainValidator(_checked_toleration, json_schema_input_type=Toleration)],
        ...,
    ],
    Wanted("a list of dicts, as Kubernetes writes them", secret=True),
]


class Size(ChoosableModel):
    """What a server may use, and what is reserved for it."""

    cores: Cores
    """The CPU limit, in cores."""

    memory: Memory
    """The memory limit, in bytes."""

    guarantee_ratio: Ratio = GUARANTEE_RATIO
    """The part of cores and memory that is reserved where the two fields below say nothing."""

    cores_guarantee: Cores = Field(
        default_factory=lambda size: max(round(size["cores"] * size["guarantee_ratio"], 3), 0.001)
    )
    """The cores reserved for the pod, at most `cores`."""

    memory_guarantee: Bytes = Field(default_factory=lambda size: int(size["memory"] * size["guarantee_ratio"]))
    """The memory reserved for the pod in bytes, at most `memory`."""

    gpus: Count = 0
    """How many GPUs the pod gets, all its own: GPUs are not shared."""

    gpu_resource: Annotated[
        str, Strict(), Field(pattern=r"^[^/\s]+/\S+$"), Wanted("a resource of a device plugin, such as 'amd.com/gpu'")
    ] = "nvidia.com/gpu"
    """The extended resource that the vendor's device plugin offers: `nvidia.com/gpu`, `amd.com/gpu`, …"""

    node_selector: Texts = Field(default_factory=dict)
    """The labels of the nodes that it runs on."""

    tolerations: Tolerations = ()
    """The taints that it tolerates, as Kubernetes writes them."""

    @field_validator("cores_guarantee")
    @classmethod
    def _cores_within_limit(cls, cores: float, info: ValidationInfo) -> float:
        limit = info.data.get("cores", cores)
        if cores > limit:
            raise not_wanted(f"a number of cores of at most {limit:g}")
        return cores

    @field_validator("memory_guarantee")
    @classmethod
    def _memory_within_limit(cls, memory: int, info: ValidationInfo) -> int:
        limit = info.data.get("memory", memory)
        if memory > limit:
            raise not_wanted(f"an amount of at most {bytes_text(limit)}")
        return memory

    @property
    def summary(self) -> str:
        """What it gives, for people: `2 cores, 4 GiB memory, 1 NVIDIA GPU`."""
        cores = f"{self.cores:g} core{'' if self.cores == 1 else 's'}"
        parts = [cores, f"{bytes_text(self.memory)} memory"]
        if self.gpus:
            vendor = self.gpu_resource.partition("/")[0]
            name = GPU_RESOURCES.get(vendor, self.gpu_resource)
            plural = "s" if self.gpus != 1 and vendor in GPU_RESOURCES else ""
            parts.append(f"{self.gpus} {name}{plural}")
        return ", ".join(parts)


def bytes_text(size: int) -> str:
    """Return an amount of bytes for people: `4 GiB`, `1.5 GiB`, `512 MiB`."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


def parse_sizes(config: Any, guarantee_ratio: float = GUARANTEE_RATIO) -> tuple[Size, ...]:
    """Return the sizes that an operator configured, in their order.

    Parameters
    ----------
    config
        A list of dicts, as `DEFAULT_SIZES` is one. A size needs `name`, `cores` and `memory`.
    guarantee_ratio
        The part of cores and memory that is reserved where a size says nothing of its own.

    Raises
    ------
    ConfigError
        Where something cannot be; the sentence names the field, and the nearest right one.
    """
    if not 0 < guarantee_ratio <= 1:
        raise ConfigError(f"guarantee_ratio: should be over 0 and at most 1, not {guarantee_ratio!r}")
    if isinstance(config, list | tuple):
        config = [_with_ratio(item, guarantee_ratio) for item in config]
    return read_named(Size, "sizes", config, "size")


def sizes_for(groups: Collection[str], sizes: Sequence[Size]) -> tuple[Size, ...]:
    """Return the sizes that somebody in these hub groups may take."""
    mine = frozenset(groups)
    return tuple(size for size in sizes if not size.groups or size.groups & mine)


def default_size(sizes: Sequence[Size]) -> Size | None:
    """Return the size that is taken where nobody says anything: the first default, or else the first."""
    return next((size for size in sizes if size.is_default), sizes[0] if sizes else None)


def _with_ratio(item: Any, ratio: float) -> Any:
    """Return an item of the operator's list with the ratio that all sizes have, unless it has its own."""
    if not isinstance(item, Mapping) or item.get("guarantee_ratio") is not None:
        return item
    return {**item, "guarantee_ratio": ratio}
