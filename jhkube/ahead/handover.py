"""Handing a start over to the pod that waits for it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from jhkube.ahead.pods import NotTaken, WaitingPod
from jhkube.ahead.waiting import PATH
from jhkube.watch.failures import pod_failure
from jhkube.watch.patience import Patience
from jhkube.watch.probe import Stage, set_within, stage_of

__all__ = ["hand_over"]

_CONNECT_TIMEOUT = 10.0
_ANSWER_TIMEOUT = 15.0
"""Seconds for the answer of a pod that has taken the connection: on a busy node, another pod's would be as late."""

_LATE = 15.0
"""Seconds for a disk or a Secret that comes late; an ordinary start then waits longer, and says what for."""

_BETWEEN_LOOKS = 1.0
"""Seconds between two looks at a pod that has a trouble which may pass."""
_BETWEEN = 0.05
"""Seconds between two tries while the pod runs and does not listen yet."""

_UNSEEN = 15.0
"""Seconds after its creation for which the watch may not show a pod."""


async def hand_over(
    waiting: WaitingPod,
    environment: Mapping[str, str],
    *,
    reflector: Any,
    events_of: Callable[[], list[dict[str, Any]]],
    address: Callable[[Mapping[str, Any]], str],
    patience: Patience,
) -> float:
    """Give a waiting pod the environment of its start, as soon as it listens; returns for how long it has listened.

    Those are seconds, as the pod says them.

    Parameters
    ----------
    waiting
        The pod, which was taken for this start.
    environment
        Names and values; they reach nothing but the pod's program.
    reflector
        The watch of the pods.
    events_of
        Returns the pod's events.
    address
        Returns the URL of a pod that has an address.
    patience
        How long a start waits for what may pass.

    Raises
    ------
    NotTaken
        Where the pod does not take it, or something is wrong with the pod: an ordinary start then shows what.
    """
    # A disk or Secret comes as late to any other pod. For room, an image or a network, a new pod is a new try.
    patience = patience.model_copy(update={"unschedulable": 0.0, "scale_up": 0.0, "pull": 0.0, "node": 0.0})
    since: dict[str, float] = {}
    wake = asyncio.Event()
    with reflector.subscribe(waiting.place, wake):
        while True:
            wake.clear()
            pod = reflector.pods.get(waiting.place)
            if pod is None:
                # The watch shows a pod some time after its creation.
                if time.monotonic() - waiting.made_at > _UNSEEN:
                    raise NotTaken("Ended")
                await set_within(wake, _BETWEEN)
                continue
            events = events_of()
            if finding := pod_failure(pod, events, patience):
                now = time.monotonic()
                if now - since.setdefault(finding.reason, now) >= min(finding.patience, _LATE):
                    raise NotTaken("Failed", finding.raw)
            else:
                since.clear()
            # A pod with a trouble may listen: one of its other containers may have it.
            is_starting = stage_of(pod, events) == Stage.STARTING
            if is_starting and (waited := await _listened(address(pod), waiting.key, environment)) is not None:
                return waited
            await set_within(wake, _BETWEEN if is_starting else _BETWEEN_LOOKS if finding else None)


async def _listened(url: str, key: str, environment: Mapping[str, str]) -> float | None:
    """Return how long the pod that takes a start has listened, in seconds; None where it does not listen yet."""
    # No proxy of the hub's environment stands between the hub and its pods.
    limits = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT, sock_connect=_CONNECT_TIMEOUT)
    session = aiohttp.ClientSession(trust_env=False, timeout=limits)
    async with session:
        try:
            answer = await session.post(
                f"{url.rstrip('/')}{PATH}",
                json=dict(environment),
                headers={"Authorization": f"Bearer {key}"},
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Whether it was heard is unknown. What is in an exception may be in the request too.
            raise NotTaken("Silent", type(error).__name__) from None
        async with answer:
            if answer.status != 204:
                raise NotTaken("Refused", f"it answered {answer.status}")
            said = answer.headers.get("X-Waited", "")
    # It comes from the pod, and decides nothing.
    return float(said) if re.fullmatch(r"[0-9]{1,5}\.[0-9]{1,3}", said) else 0.0
