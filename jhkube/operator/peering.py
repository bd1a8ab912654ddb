"""Which of several operators works: what kopf's peering objects say, for work that no watch has told of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jhkube.kube import API_ERRORS, error_text
from jhkube.operator.cluster import Cluster

__all__ = ["NotOurs", "Peering", "has_priority"]

GOOD_FOR: Final = 5.0
"""Seconds for which an answer is taken for true."""


class NotOurs(Exception):
    """Another operator works, so this one writes nothing."""


class Peering:
    """Whether this operator is the one that works.

    kopf tells of no changes while another operator works. Timers go on, and ask here.

    Parameters
    ----------
    cluster
        Requests to the API server.
    name
        The name of the peering objects; empty where there is no other operator.
    priority
        This operator's.
    """

    def __init__(self, cluster: Cluster, name: str, priority: int) -> None:
        self._cluster = cluster
        self._name = name
        self._priority = priority
        self._works = True
        self._looked = time.monotonic()
        self._looking = asyncio.Lock()

    def told(self) -> None:
        """Note that kopf tells of changes, which it does for the one that works."""
        self._works, self._looked = True, time.monotonic()

    async def is_ours(self) -> bool:
        """Return whether this operator works.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        async with self._looking:
            if self._name and time.monotonic() - self._looked > GOOD_FOR:
                peerings = await self._cluster.peerings(self._name)
                self._works = has_priority(peerings, self._priority, datetime.now(UTC))
                self._looked = time.monotonic()
            return self._works

    async def before_write(self) -> None:
        """Return where this operator works: whatever was waited for since that was asked last.

        Raises
        ------
        NotOurs
            Where another operator works.
        ConnectionError
            Where the API server does not say.
        """
        try:
            is_ours = await self.is_ours()
        except API_ERRORS as error:
            # It says nothing of what was to be written: a 404 is not that of a resource.
            raise ConnectionError(f"which operator works could not be read: {error_text(error)}") from None
        if not is_ours:
            raise NotOurs


def has_priority(peerings: Iterable[Mapping[str, Any]], priority: int, now: datetime) -> bool:
    """Return whether no other operator that lives comes before one of this priority.

    Parameters
    ----------
    peerings
        The peering objects, as the API's JSON: each operator writes when it was last there, and for how long that is
        true (https://docs.kopf.dev/en/stable/peering/).
    priority
        The operator's.
    now
        The time.
    """
    peers = [peer for each in peerings for peer in (each.get("status") or {}).values()]
    return not any(_comes_before(peer, priority, now) for peer in peers)


def _comes_before(peer: Mapping[str, Any], priority: int, now: datetime) -> bool:
    try:
        seen = datetime.fromisoformat(str(peer["lastseen"]))
        lifetime = timedelta(seconds=float(peer.get("lifetime", 60)))
        lives = (seen if seen.tzinfo else seen.replace(tzinfo=UTC)) + lifetime > now
        return lives and int(peer.get("priority", 0)) > priority
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        # No operator writes this.
        return False
