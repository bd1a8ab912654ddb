"""Sizes: how many cores, how much memory and which GPUs a server gets, by group; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.operator_fields import ConfigError, Fields, read_items

__all__ = [
    "DEFAULT_SIZES",
    "GUARANTEE_RATIO",
    "ConfigError",
    "Size",
    "default_size",
    "memory_text",
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

TOLERATION_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")

FIELDS: Final = (
    "name",
    "display_name",
    "description",
    "cores",
    "memory",
    "cores_guarantee",
    "memory_guarantee",
    "guarantee_ratio",
    "gpus",
    "gpu_resource",
    "node_selector",
    "tolerations",
    "groups",
    "default",
)


@dataclass(frozen=True, slots=True)
class Size:
    """What a server may use, and what is reserved for it."""

    name: str
    """What `user_options` and the pod's label carry."""

    display_name: str
    """What people read."""

    cores: float
    """The CPU limit, in cores."""

    memory: int
    """The memory limit, in bytes."""

    cores_guarantee: float
    """The cores reserved for the pod, at most `cores`."""

    memory_guarantee: int
    """The memory reserved for the pod in bytes, at most `memory`."""

    gpus: int = 0
    """How many GPUs the pod gets, all its own: GPUs are not shared."""

    gpu_resource: str = "nvidia.com/gpu"
    """The extended resource that the vendor's device plugin offers: `nvidia.com/gpu`, `amd.com/gpu`, …"""

    description: str = ""
    """One more line for people: what the size is good for."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    """The labels of the nodes that it runs on."""

    tolerations: tuple[Mapping[str, Any], ...] = ()
    """The taints that it tolerates, as Kubernetes writes them."""

    groups: frozenset[str] = frozenset()
    """The hub groups that may take it; everybody where empty."""

    is_default: bool = False
    """Whether it is preselected; of several, the first one that a person may take."""

    @property
    def summary(self) -> str:
        """What it gives, for people: `2 cores, 4 GiB memory, 1 NVIDIA GPU`."""
        cores = f"{self.cores:g} core{'' if self.cores == 1 else 's'}"
        parts = [cores, f"{memory_text(self.memory)} memory"]
        if self.gpus:
            vendor = self.gpu_resource.partition("/")[0]
            name = GPU_RESOURCES.get(vendor, self.gpu_resource)
            plural = "s" if self.gpus != 1 and vendor in GPU_RESOURCES else ""
            parts.append(f"{self.gpus} {name}{plural}")
        return ", ".join(parts)


def memory_text(size: int) -> str:
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
    sizes = tuple(_parse_size(where, item, guarantee_ratio) for where, item in read_items("sizes", config))
    seen: set[str] = set()
    for index, size in enumerate(sizes):
        if size.name in seen:
            raise ConfigError(f"sizes[{index}].name: {size.name!r} is the name of a size before it")
        seen.add(size.name)
    return sizes


def sizes_for(groups: Collection[str], sizes: Sequence[Size]) -> tuple[Size, ...]:
    """Return the sizes that somebody in these hub groups may take."""
    mine = frozenset(groups)
    return tuple(size for size in sizes if not size.groups or size.groups & mine)


def default_size(sizes: Sequence[Size]) -> Size | None:
    """Return the size that is taken where nobody says anything: the first default, or else the first."""
    return next((size for size in sizes if size.is_default), sizes[0] if sizes else None)


def _parse_size(where: str, item: Any, ratio: float) -> Size:
    fields = Fields(where, item, FIELDS)
    name = fields.name()
    fields.where = f"{where} ({name})"
    cores = fields.number("cores", "a number of cores, such as 2 or 0.5", at_least=0.001)
    memory = fields.bytes("memory")
    if cores is None:
        raise fields.wrong("cores", "a number of cores, such as 2 or 0.5")
    if memory is None:
        raise fields.wrong("memory", "bytes, or a number with K, M, G or T, such as '4G'")
    own_ratio = fields.number("guarantee_ratio", "a number over 0 and at most 1, such as 0.25") or ratio
    if own_ratio > 1:
        raise fields.wrong("guarantee_ratio", "a number over 0 and at most 1, such as 0.25")
    cores_guarantee = fields.number("cores_guarantee", f"a number of cores of at most {cores:g}")
    memory_guarantee = fields.bytes("memory_guarantee")
    if cores_guarantee is not None and cores_guarantee > cores:
        raise fields.wrong("cores_guarantee", f"a number of cores of at most {cores:g}")
    if memory_guarantee is not None and memory_guarantee > memory:
        raise fields.wrong("memory_guarantee", f"an amount of at most {memory_text(memory)}")
    return Size(
        name=name,
        display_name=fields.text("display_name") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=fields.text("description"),
        cores=cores,
        memory=memory,
        cores_guarantee=cores_guarantee or max(round(cores * own_ratio, 3), 0.001),
        memory_guarantee=memory_guarantee or int(memory * own_ratio),
        gpus=fields.count("gpus"),
        gpu_resource=_gpu_resource(fields),
        node_selector=fields.texts("node_selector"),
        tolerations=_tolerations(fields),
        groups=fields.words("groups"),
        is_default=fields.flag("default"),
    )


def _gpu_resource(fields: Fields) -> str:
    resource = fields.text("gpu_resource", "nvidia.com/gpu")
    vendor, slash, kind = resource.partition("/")
    if not (vendor and slash and kind) or " " in resource:
        raise fields.wrong("gpu_resource", "a resource of a device plugin, such as 'amd.com/gpu'")
    return resource


def _tolerations(fields: Fields) -> tuple[Mapping[str, Any], ...]:
    """Refuse what the API server would refuse, at the start of the hub and not at somebody's spawn."""
    tolerations = fields.objects("tolerations")
    for toleration in tolerations:
        Fields(
            f"{fields.where}.tolerations",
            toleration,
            ("key", "operator", "value", "effect", "tolerationSeconds"),
        )
        effect = toleration.get("effect")
        if effect is not None and effect not in TOLERATION_EFFECTS:
            raise fields.wrong("tolerations", f"with an effect of {', '.join(TOLERATION_EFFECTS)}")
        operator = toleration.get("operator", "Equal")
        if operator not in ("Equal", "Exists") or (operator == "Exists" and toleration.get("value")):
            raise fields.wrong("tolerations", "with the operator Equal, or Exists and no value")
        if operator == "Equal" and not toleration.get("key"):
            raise fields.wrong("tolerations", "with a key, or the operator Exists")
    return tolerations
