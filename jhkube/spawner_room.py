"""Whether there is room for a server: what all servers of a person use, compared with what they may have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from kubespawner import KubeSpawner

from jhkube.identity import is_guest_name
from jhkube.options_form.choice import LAB, Choice
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.sizes import Size
from jhkube.pod.build import PodSettings
from jhkube.pod.home import temporary_home
from jhkube.pod.limits import Ceiling, Usage, ceiling_for, gpu_count, over_ceiling, pod_usage
from jhkube.pod.mounts import Mount, claim_in_use, mounts_for
from jhkube.spawner_config import SpawnerConfig

__all__ = ["CountedSpawner"]


class _ForGroups(Protocol):
    """Something of the operator's that can be for certain groups."""

    @property
    def groups(self) -> frozenset[str]:
        """The hub groups that it is for; empty for everybody."""


_T = TypeVar("_T", bound=_ForGroups)


class CountedSpawner(SpawnerConfig, KubeSpawner):
    """KubeSpawner, counted: below the person's ceiling, and with claims that one pod at a time may use."""

    _choice: Choice | None = None
    """What this start asks for, counted from the moment that there was room for it."""

    _applied: Usage | None = None
    """What KubeSpawner has applied for this start."""

    @property
    def _groups(self) -> tuple[str, ...]:
        return tuple(group.name for group in getattr(self.user, "groups", None) or ())

    @property
    def is_guest(self) -> bool:
        """Whether the person is a guest: what is for everybody is not for them, but only what names their group."""
        return is_guest_name(str(getattr(self.user, "name", "")))

    def _named_ours(self, entries: Iterable[_T]) -> tuple[_T, ...]:
        """Return what may be this person's: all of it, or for a guest what names their group."""
        mine = frozenset(self._groups)
        return tuple(each for each in entries if not self.is_guest or each.groups & mine)

    def pod_settings(self) -> PodSettings:
        """Return the traits about pods as one value; a guest's home goes with the pod."""
        settings = super().pod_settings()
        if not self.is_guest:
            return settings
        home = temporary_home(settings.home, self.guest_home_size)
        return replace(settings, home=home, mounts=self._named_ours(settings.mounts))

    def own_sizes(self) -> tuple[Size, ...]:
        """Return the sizes that are not kept from this person; a guest for whom none is named has the smallest."""
        sizes = self.parsed_sizes()
        named = self._named_ours(sizes)
        if named or not sizes:
            return named
        free = [size for size in sizes if not size.groups]
        return tuple(sorted(free, key=lambda size: (size.gpus, size.memory, size.cores))[:1])

    @property
    def _pod_key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"

    @property
    def ceiling(self) -> Ceiling:
        """What all servers of the person may have together."""
        return ceiling_for(self.parsed_ceilings(), self.user.name, self._groups)

    @property
    def _gpu_resources(self) -> frozenset[str]:
        """What the sizes call a GPU, whatever its name."""
        return frozenset(size.gpu_resource for size in self.parsed_sizes() if size.gpus)

    async def _watch_room(self) -> None:
        """Know which pods there are, where something depends on it."""
        if self.ceilings or self._exclusive_mounts():
            await self._start_watching_pods()

    def _check_room(self, choice: Choice | None) -> None:
        """Refuse a start that is one too many for the person's ceiling, or for a claim of one pod at a time."""
        if self.is_guest and choice is not None and choice.profile == LAB and choice.size is None:
            # It would be as large as its node.
            raise OptionError("size", "This hub has no size for guests. Tell its operators.")
        if self.ceilings and (sentence := over_ceiling(self._others(), self._wanted(choice), self.ceiling)):
            raise OptionError("size", sentence)
        if mounts := self._exclusive_mounts():
            pods = self.pod_reflector.pods.values()
            if sentence := claim_in_use(mounts, pods, namespace=self.namespace, pod_name=self.pod_name):
                raise OptionError("", sentence)

    def _count_applied(self) -> str | None:
        """Count what KubeSpawner has applied from now on; return a sentence where that is over the ceiling.

        What a profile, a group or a hook of the operator's asks for is not known earlier.
        """
        if not self.ceilings:
            return None
        self._applied = self._configured_usage()
        return over_ceiling(self._others(), self._applied, self.ceiling)

    def _exclusive_mounts(self) -> tuple[Mount, ...]:
        if not self.extra_mounts:
            return ()
        return tuple(mount for mount in mounts_for(self.pod_settings().mounts, self._groups) if mount.exclusive)

    def _others(self) -> list[Usage]:
        """Return what the person's other servers may use."""
        return [each._usage() for each in self.user.spawners.values() if each is not self and each.active]

    def _usage(self) -> Usage:
        """Return what a server that is active may use: what was applied, and before that what it asks for.

        After a restart of the hub its pod says what was applied.
        """
        if self._applied is not None:
            return self._applied
        pod = self.pod_reflector.pods.get(self._pod_key) if self._choice is None else None
        return self._wanted(self._choice) if pod is None else pod_usage(pod, self._gpu_resources)

    def _wanted(self, choice: Choice | None) -> Usage:
        """Return what a server may use by its size, or by the limits that are configured for all."""
        if choice is not None and choice.size is not None:
            return Usage(choice.size.cores, choice.size.memory, choice.size.gpus, self.name)
        return self._configured_usage()

    def _configured_usage(self) -> Usage:
        """Return what KubeSpawner's settings are now: limits, or what is guaranteed where there is no limit."""
        more = {**(self.extra_resource_guarantees or {}), **(self.extra_resource_limits or {})}
        return Usage(
            cores=float(self.cpu_limit or self.cpu_guarantee or 0),
            memory=int(self.mem_limit or self.mem_guarantee or 0),
            gpus=gpu_count(more, self._gpu_resources),
            server=self.name,
        )

    def clear_state(self) -> None:
        """Forget what was chosen and applied for the last start."""
        super().clear_state()
        self._choice = self._applied = None
