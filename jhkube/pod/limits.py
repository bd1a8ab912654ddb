"""A ceiling over all of a user's servers: whether one more fits below it, said in numbers; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kubernetes_asyncio.client.models import V1ObjectMeta, V1ResourceQuota, V1ResourceQuotaSpec

from jhkube.pod.quantities import cores_text, memory_text, parse_cores, parse_memory, parse_quantity

__all__ = [
    "GPU_RESOURCES",
    "QUOTA_NAME",
    "Ceiling",
    "Ceilings",
    "Usage",
    "ceiling_for",
    "gpu_count",
    "is_gpu",
    "over_ceiling",
    "parse_ceilings",
    "pod_usage",
    "resource_quota",
]

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi")
"""The resources that a quota counts in any case; see
https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/."""

QUOTA_NAME = "jhkube-ceiling"
"""The ResourceQuota in the namespace of a person."""

# By a resource's name without its vendor: nvidia.com/gpu.shared, nvidia.com/mig-1g.5gb, gpu.intel.com/i915,
# habana.ai/gaudi, and amd.com/cpx_nps1 for a partition of a GPU.
_GPU = re.compile(r"gpu|^mig-|^(i915|xe|gaudi\d*)$|_nps\d$")
# Parts of a device that are requested beside it: aliyun.com/gpu-mem, koordinator.sh/gpu-core.
_PART_OF_GPU = re.compile(r"mem|core|percent|ratio|monitoring")


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


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What all of a user's servers together may use; None is no ceiling."""

    cores: float | None = None
    """Cores."""

    memory: int | None = None
    """Bytes."""

    gpus: int | None = None
    """GPUs of all kinds."""

    servers: int | None = None
    """Servers."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The operator's ceilings; `parse_ceilings` makes them."""

    default: Ceiling
    """For a user whom nothing else names."""

    groups: Mapping[str, Ceiling]
    """For each member, by hub group."""

    users: Mapping[str, Ceiling]
    """By user name; wins over everything."""


def parse_ceilings(config: Mapping[str, Any]) -> Ceilings:
    """Return the ceilings of a configured mapping with `default`, `groups` and `users`.

    Examples
    --------
    >>> parse_ceilings({"default": {"cores": 4, "memory": "16G"}, "groups": {"astro": {"cores": 32}}}).default
    Ceiling(cores=4.0, memory=17179869184, gpus=None, servers=None)

    Raises
    ------
    ValueError
        Where a key or an amount is none; the message says which.
    """
    if unknown := _unknown(_mapping("ceilings", config), ("default", "groups", "users")):
        raise ValueError(f"ceilings: unknown {unknown}; it has default, groups and users")
    return Ceilings(
        default=_parse_ceiling("default", config.get("default", {})),
        groups=_parse_named("groups", config.get("groups", {})),
        users=_parse_named("users", config.get("users", {})),
    )


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

    return Ceiling(**{field.name: highest(field.name) for field in fields(Ceiling)})


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


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: should be a mapping, not {value!r}")
    return value


def _unknown(values: Mapping[str, Any], known: Collection[str]) -> str:
    return ", ".join(sorted(str(name) for name in values if name not in known))


def _parse_named(kind: str, ceilings: Any) -> dict[str, Ceiling]:
    named = _mapping(f"ceilings, {kind}", ceilings)
    return {name: _parse_ceiling(str(name), values) for name, values in named.items()}


def _parse_ceiling(whose: str, values: Any) -> Ceiling:
    readers: dict[str, Callable[[Any], Any]] = {
        "cores": parse_cores,
        "memory": parse_memory,
        "gpus": _whole,
        "servers": _whole,
    }
    if unknown := _unknown(_mapping(f"ceilings, {whose}", values), readers):
        raise ValueError(f"ceilings, {whose}: unknown {unknown}; use {', '.join(readers)}")
    amounts: dict[str, Any] = {}
    for name, value in values.items():
        try:
            amounts[name] = None if value is None else readers[name](value)
        except ValueError as error:
            raise ValueError(f"ceilings, {whose}: {name}: {error}") from None
        if amounts[name] is not None and amounts[name] < 0:
            raise ValueError(f"ceilings, {whose}: {name} is negative")
    return Ceiling(**amounts)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.0)?", str(value)):
        raise ValueError(f"{value!r} is not a whole number such as 2")
    return int(float(value))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _gpus(number: int) -> str:
    return _count(number, "GPU")
