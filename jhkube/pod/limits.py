"""Amounts of cores, memory and GPUs, and the ceiling over all of a user's servers: whether one more fits below it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any

from kubernetes_asyncio.client.models import V1ObjectMeta, V1ResourceQuota, V1ResourceQuotaSpec
from pydantic import BeforeValidator, Field, Strict

from jhkube.operator_models import OperatorModel, read_model
from jhkube.operator_types import EnoughMemory, Wanted

__all__ = [
    "GPU_RESOURCES",
    "QUOTA_NAME",
    "Ceiling",
    "Ceilings",
    "Usage",
    "ceiling_for",
    "cores_text",
    "gpu_count",
    "is_gpu",
    "memory_text",
    "over_ceiling",
    "parse_ceilings",
    "parse_cores",
    "parse_memory",
    "parse_quantity",
    "parse_storage",
    "pod_usage",
    "resource_quota",
]

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi")
"""The resources that a quota counts in any case; see
https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/."""

QUOTA_NAME = "jhkube-ceiling"
"""The ResourceQuota in the namespace of a person."""

# By a resource's name without its vendor: nvidia.com/gpu.shared, nvidia.com/mig-1g.5gb, gpu.intel.com/i915,
# habana.ai/gaudi, google.com/tpu, aws.amazon.com/neuron, and amd.com/cpx_nps1 for a partition of a GPU.
_GPU = re.compile(r"gpu|^mig-|^(i915|xe|gaudi\d*|tpu|neuron)$|_nps\d$")
# Parts of a device that are requested with it: aliyun.com/gpu-mem, koordinator.sh/gpu-core.
_PART_OF_GPU = re.compile(r"mem|core|percent|ratio|monitoring")


_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkKMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?\Z")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

_LEAST_STORAGE = 10**6
"""Bytes of a disk: a smaller number is one whose unit was forgotten."""


def parse_quantity(text: str | int | float) -> Decimal:
    """Return the number of a Kubernetes quantity, in its base unit.

    See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.

    >>> parse_quantity("1500m"), parse_quantity("2Gi")
    (Decimal('1.500'), Decimal('2147483648'))
    """
    match = _QUANTITY.match(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not an amount such as 2, 500m or 4Gi")
    number, suffix, exponent = match.groups()
    if exponent:
        return Decimal(number).scaleb(int(exponent))
    if suffix in _BINARY:
        return Decimal(number) * Decimal(1024) ** _BINARY[suffix]
    return Decimal(number).scaleb(_DECIMAL[suffix]) if suffix else Decimal(number)


def parse_storage(text: str | int | float) -> Decimal:
    """Return the bytes of a disk: `10Gi`, as a Kubernetes quantity.

    Raises
    ------
    ValueError
        Where it is no quantity, or less than a megabyte: a number whose unit was forgotten.
    """
    if (amount := parse_quantity(text)) < _LEAST_STORAGE:
        raise ValueError(f"{text!r} is less than a megabyte; write a unit, such as 10Gi")
    return amount


def parse_cores(text: str | int | float) -> float:
    """Return a number of cores: `0.5`, `"500m"`, `2`."""
    cores = float(parse_quantity(text))
    if not isfinite(cores):
        raise ValueError(f"{text!r} is more cores than there can be")
    return cores


def parse_memory(text: str | int | float) -> int:
    """Return a number of bytes, by JupyterHub's way of writing where that differs from Kubernetes'.

    JupyterHub's `mem_limit` means 1024³ bytes by `G`, as does `Gi` in both.

    >>> parse_memory("4G") == parse_memory("4Gi") == 4 * 1024**3
    True
    """
    if isinstance(text, str) and text and text[-1] in "KMGT":
        text += "i"
    return int(parse_quantity(text))


def cores_text(cores: float) -> str:
    """Return a number of cores as one reads it: `1 core`, `0.5 cores`."""
    return f"{cores:g} core{'' if cores == 1 else 's'}"


def memory_text(memory: float) -> str:
    """Return bytes as one reads them: `512 MiB`, `1.5 GiB`."""
    for unit, size in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2)):
        if memory >= size:
            return f"{round(memory / size, 2):g} {unit}"
    return f"{int(memory)} bytes"


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d+(\.0)?", str(value)):
        raise ValueError
    return int(str(value).removesuffix(".0"))


Whole = Annotated[int | None, BeforeValidator(_whole_number), Wanted("a whole number, such as 2")]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server may use."""

    cores: float = 0
    """Cores."""

    memory: int = 0
    """Bytes."""

    gpus: int = 0
    """GPUs of all kinds."""

    server: str = ""
    """The server's name, for messages; empty for the default server."""


class Ceiling(OperatorModel):
    """What all of a user's servers together may use; None is no ceiling."""

    cores: Annotated[
        float | None, BeforeValidator(parse_cores), Field(ge=0), Wanted("a number of cores, such as 4 or 0.5")
    ] = None
    """Cores."""

    memory: Annotated[
        int | None,
        BeforeValidator(parse_memory),
        Field(ge=0),
        Wanted("an amount of memory, such as '16G'"),
        EnoughMemory,
    ] = None
    """Bytes."""

    gpus: Whole = None
    """GPUs of all kinds."""

    servers: Whole = None
    """Servers."""


CeilingsByName = dict[Annotated[str, Strict()], Ceiling]


class Ceilings(OperatorModel):
    """The operator's ceilings."""

    default: Ceiling = Ceiling()
    """For a user whom nothing else names."""

    groups: Annotated[CeilingsByName, Wanted("a dict of ceilings by hub group")] = Field(default_factory=dict)
    """For each member, by hub group."""

    users: Annotated[CeilingsByName, Wanted("a dict of ceilings by user name")] = Field(default_factory=dict)
    """By user name; wins over everything."""


def parse_ceilings(config: Any) -> Ceilings:
    """Return the ceilings of a configured mapping with `default`, `groups` and `users`.

    Examples
    --------
    >>> parse_ceilings({"default": {"cores": 4, "memory": "16G"}, "groups": {"astro": {"cores": 32}}}).default
    Ceiling(cores=4.0, memory=17179869184, gpus=None, servers=None)

    Raises
    ------
    ConfigError
        Where a key is not known or an amount is malformed; the message says which.
    """
    return read_model(Ceilings, "ceilings", config)


def ceiling_for(ceilings: Ceilings, username: str, hub_groups: Collection[str]) -> Ceiling:
    """Return the user's ceiling: the user's own, else the most generous of the groups', else the default.

    The groups' amounts are compared one by one; a group that does not name an amount does not lift it. An
    amount that none of the groups names is the default's.
    """
    if username in ceilings.users:
        return ceilings.users[username]
    ours = [ceilings.groups[name] for name in hub_groups if name in ceilings.groups]

    def highest(name: str) -> Any:
        amounts = [amount for amount in (getattr(each, name) for each in ours) if amount is not None]
        return max(amounts) if amounts else getattr(ceilings.default, name)

    return Ceiling(**{name: highest(name) for name in Ceiling.model_fields})


def over_ceiling(running: Collection[Usage], wanted: Usage, ceiling: Ceiling) -> str | None:
    """Return a sentence that says in numbers by what `wanted` passes the `ceiling`, or None where it fits.

    Parameters
    ----------
    running
        The user's other servers.
    wanted
        The server to be started.
    ceiling
        The user's ceiling.

    Examples
    --------
    >>> over_ceiling([Usage(cores=6, server="gpu")], Usage(cores=4), Ceiling(cores=8))
    "This server's 4 cores and the 6 cores of your running server (gpu) are 10 cores; \
your limit is 8 cores. Choose a smaller size or stop a server."
    """
    names = ", ".join(each.server or "the default one" for each in running)
    others = f"your running server{'s' if len(running) > 1 else ''} ({names})"
    if ceiling.servers is not None and len(running) + 1 > ceiling.servers:
        if not ceiling.servers:
            return "You may not run a server. Ask an administrator."
        return (
            f"You have {_count(len(running), 'server')} running ({names}); your limit is {ceiling.servers}."
            " Stop one to start another."
        )
    for name, text in (("cores", cores_text), ("memory", memory_text), ("gpus", _gpus)):
        most = getattr(ceiling, name)
        used = sum(getattr(each, name) for each in running)
        more = getattr(wanted, name)
        if most is None or not more or used + more <= most:
            continue
        of = " of memory" if name == "memory" else ""
        if not used:
            return f"This server asks for {text(more)}{of}; your limit is {text(most)}. Choose a smaller size."
        return (
            f"This server's {text(more)}{of} and the {text(used)} of {others} are {text(used + more)};"
            f" your limit is {text(most)}. Choose a smaller size or stop a server."
        )
    return None


def is_gpu(resource: str) -> bool:
    """Say whether an extended resource is a GPU, a part of one that counts as one, or another accelerator.

    >>> [is_gpu(name) for name in ("nvidia.com/mig-1g.5gb", "gpu.intel.com/i915", "aliyun.com/gpu-mem", "cpu")]
    [True, True, False, False]
    """
    name = resource.rpartition("/")[2].lower()
    return bool(_GPU.search(name)) and not _PART_OF_GPU.search(name)


def gpu_count(amounts: Mapping[str, Any], known: Collection[str] = ()) -> int:
    """Return how many GPUs of all kinds are among a container's resources.

    Parameters
    ----------
    amounts
        The resources of a container, by name.
    known
        Resources that the configuration calls GPUs, whatever their names are.

    Examples
    --------
    >>> gpu_count({"cpu": "2", "nvidia.com/gpu": "1", "amd.com/gpu": 1})
    2
    """
    return sum(int(parse_quantity(amount)) for name, amount in amounts.items() if name in known or is_gpu(name))


def pod_usage(pod: Mapping[str, Any], gpu_resources: Collection[str] = ()) -> Usage:
    """Return what a pod as the reflector has it may use: its limits, or requests where it has none.

    `gpu_resources` are the `known` ones of `gpu_count`.
    """
    cores, memory, gpus = 0.0, 0, 0
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        cores += parse_cores(amounts.get("cpu", 0))
        memory += int(parse_quantity(amounts.get("memory", 0)))
        gpus += gpu_count(amounts, gpu_resources)
    server = (pod["metadata"].get("annotations") or {}).get("hub.jupyter.org/servername", "")
    return Usage(cores=cores, memory=memory, gpus=gpus, server=server)


def resource_quota(ceiling: Ceiling, gpu_resources: Iterable[str] = ()) -> V1ResourceQuota | None:
    """Return the ceiling as a ResourceQuota for the user's own namespace, or None where there is none.

    The API server then holds it, too, against what is started past the hub. It cannot add up resources of
    several names: the ceiling on GPUs is set for each of `GPU_RESOURCES` and `gpu_resources`.
    See https://kubernetes.io/docs/concepts/policy/resource-quotas/.
    """
    hard: dict[str, str] = {}
    if ceiling.cores is not None:
        hard["limits.cpu"] = f"{ceiling.cores:g}"
    if ceiling.memory is not None:
        hard["limits.memory"] = str(ceiling.memory)
    if ceiling.gpus is not None:
        # Of an extended resource only requests can be counted; limits equal them.
        for resource in sorted({*GPU_RESOURCES, *gpu_resources}):
            hard[f"requests.{resource}"] = str(ceiling.gpus)
    if ceiling.servers is not None:
        hard["pods"] = str(ceiling.servers)
    if not hard:
        return None
    return V1ResourceQuota(
        api_version="v1",
        kind="ResourceQuota",
        metadata=V1ObjectMeta(name=QUOTA_NAME),
        spec=V1ResourceQuotaSpec(hard=hard),
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _gpus(number: int) -> str:
    return _count(number, "GPU")
