"""The progress of a start: events in plain words, a bar that moves, and how long each phase took."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from jhkube.metrics import START_PHASE_SECONDS
from jhkube.pod.repository import CLONE_CONTAINER
from jhkube.watch.containers import MAIN_CONTAINER, MAIN_FIELD
from jhkube.watch.failure import redacted
from jhkube.watch.probe import set_within
from jhkube.watch.repository import repository_notice

__all__ = ["PHASES", "PhaseTimes", "phase_of", "progress", "sentence_of", "sentences_of_status"]

_BETWEEN = 0.2
"""Seconds between two looks at what is new, however fast it comes."""
_STILL_EVERY = 15.0
"""After how many seconds of silence it is said what is being waited for."""
_FULLEST = 95
"""How far the bar goes before the server answers."""

# Successfully pulled image "x" in 12.345678901s (12.3s including waiting)
_TOOK = re.compile(r" in (?:(?P<minutes>\d+)m)?(?P<seconds>[\d.]+)(?P<unit>ms|s)\b")
# spec.initContainers{home}
_CONTAINER = re.compile(r"spec\.(?P<kind>initContainers|containers)\{(?P<name>[^}]+)\}")
_IMAGE = re.compile(r"image \"([^\"]+)\"")

_SAID_BY_FINDING = frozenset(
    {"FailedScheduling", "FailedScaleUp", "FailedMount", "FailedAttachVolume", "Failed", "BackOff"}
)
"""Trouble of which the start itself makes a sentence (`Failure.meanwhile`)."""


_NOISE = frozenset({"MissingClusterDNS", "DNSConfigForming", "CheckLimitsForResolvConf", "NodeNotSchedulable"})
"""Warnings about the node's configuration, of no use to whoever waits."""

_STARTED = "Your server's program was started; waiting for it to answer."


def sentence_of(event: Mapping[str, Any]) -> tuple[int | None, str]:
    """How far an event brings the bar (None: not), and what it says in plain words, if anything."""
    reason = event.get("reason") or ""
    text = redacted(event.get("message") or "", 300)
    part = _CONTAINER.search(event.get("involvedObject", {}).get("fieldPath") or "")
    is_init = part is not None and part["kind"] == "initContainers"
    named = f" “{part['name']}”" if part and (is_init or part["name"] != MAIN_CONTAINER) else ""
    match reason:
        case "Scheduled":
            node = text.rpartition(" to ")[2]
            return (
                15,
                f"A place was found for your server, on {node}." if " to " in text else "A place was found.",
            )
        case "TriggeredScaleUp" | "Nominated":
            return 8, "A node is being added to the cluster for your server; this can take some minutes."
        case "NotTriggerScaleUp":
            return None, "No further node can be added to the cluster; waiting for room."
        case "SuccessfulAttachVolume":
            return 20, "The disk with your files is attached."
        case "Pulling":
            return 20 if is_init else 35, f"Getting the image {_image_of(text)}."
        case "Pulled":
            took = _seconds_of(text)
            step = 25 if is_init else 60
            if took is None or took < 1:
                return step, "" if is_init else "The image is there."
            return step, f"The image is there ({_duration(took)})."
        case "Created":
            return (30 if is_init else 65), ""
        case "Started":
            if is_init and part and part["name"] == CLONE_CONTAINER:
                return 33, "Your repository is being cloned."
            if is_init:
                return 32, f"Preparing your server: step{named}."
            if named:
                return 68, ""
            return 70, _STARTED
        case "Preempted" | "Evicted" | "TaintManagerEviction":
            return None, f"The cluster evicted your server: {text}"
    if reason in _SAID_BY_FINDING | _NOISE or event.get("type") != "Warning":
        return None, ""
    return None, f"{reason}: {text}"


def sentences_of_status(pod: Mapping[str, Any] | None) -> list[tuple[int, str]]:
    """What the pod's own status tells: a busy kubelet sends its events late, and a hub may have none."""
    if pod is None or "nodeName" not in pod.get("spec", {}):
        return []
    said = [(15, f"A place was found for your server, on {pod['spec']['nodeName']}.")]
    if notice := repository_notice(pod):
        said.append((34, notice))
    for status in pod["status"].get("containerStatuses") or ():
        if status["name"] == MAIN_CONTAINER and "running" in (status.get("state") or {}):
            said.append((70, _STARTED))
    return said


async def progress(spawner: Any) -> AsyncIterator[dict[str, Any]]:
    """The messages of a spawner's start, for `Spawner.progress`; ends when the start has ended.

    Each is a dict with `message`, mostly with `progress` (0 to 95, never falling), and with `raw_event` where
    an event of Kubernetes is the source, as KubeSpawner's have. KubeSpawner's `slow_spawn_message` is kept. What the
    page of the start shows is in `steps`, `elapsed` and `usually` (`StartView.to_event`).
    """
    began = time.monotonic()
    wake = asyncio.Event()
    reporter = _Reporter(began)
    next_patience = spawner.slow_spawn_message_threshold or float("inf")
    while (future := spawner._start_future) is None or getattr(spawner, "pod_start", None) is None:
        if future is not None and future.done():
            return
        await asyncio.sleep(_BETWEEN)
    start = spawner.pod_start
    future.add_done_callback(lambda _: wake.set())
    with start.subscribe(wake):
        ended = False
        while not ended:
            # What came last before the end is reported too.
            ended = future.done()
            wake.clear()
            for message in reporter.new_messages(start):
                yield {**message, **start.view().to_event()}
            elapsed = time.monotonic() - began
            if elapsed >= next_patience and not ended:
                next_patience = elapsed + spawner.slow_spawn_message_frequency
                yield {"message": spawner.slow_spawn_message.strip().format(seconds=int(elapsed))}
            if ended:
                return
            await asyncio.sleep(_BETWEEN)
            await set_within(wake, min(reporter.silence_left(), max(next_patience - elapsed, _BETWEEN)))


class _Reporter:
    """Remembers which events were reported, and how full the bar is."""

    def __init__(self, began: float) -> None:
        self._bar = 0
        self._reported: set[str] = set()
        self._said: set[str] = set()
        self._meanwhile = ""
        self._doing = "Waiting for the cluster"
        self._doing_since = began
        self._last = began

    def silence_left(self) -> float:
        return max(self._last + _STILL_EVERY - time.monotonic(), 0.0)

    def new_messages(self, start: Any) -> list[dict[str, Any]]:
        """The messages that are due now."""
        messages: list[dict[str, Any]] = []
        for event in start.watched.events:
            uid = event["metadata"].get("uid", "")
            if uid in self._reported:
                continue
            self._reported.add(uid)
            step, sentence = sentence_of(event)
            messages += self._message(step, sentence, raw_event=_without_secrets(event))
            self._note(event, sentence)
        for step, sentence in sentences_of_status(start.watched.pod):
            messages += self._message(step, sentence)
        meanwhile = start.finding.meanwhile if start.finding else ""
        if meanwhile and meanwhile != self._meanwhile:
            messages.append({"progress": self._bar, "message": meanwhile})
        self._meanwhile = meanwhile
        now = time.monotonic()
        if not messages and now - self._last >= _STILL_EVERY:
            doing = self._meanwhile.rstrip(".") or self._doing
            still = f"{doing} ({_duration(now - self._doing_since)})."
            messages.append({"progress": self._creep(), "message": still})
        if messages:
            self._last = now
        return messages

    def _message(self, step: int | None, sentence: str, **more: Any) -> list[dict[str, Any]]:
        """The message of a sentence, if it is worth one and was not said before."""
        bar = self._move(step)
        if not sentence or sentence in self._said:
            return []
        self._said.add(sentence)
        return [{"progress": bar, "message": sentence, **more}]

    def _note(self, event: Mapping[str, Any], sentence: str) -> None:
        doing = {
            "Scheduled": "Waiting for the node",
            "Pulling": "Getting the image; a large one takes some minutes",
            "Pulled": "Waiting for the node",
            "Started": "Waiting for your server to answer",
        }.get(event.get("reason") or "")
        if doing:
            is_init = "initContainers" in (event.get("involvedObject", {}).get("fieldPath") or "")
            if is_init and event.get("reason") == "Started":
                doing = sentence.rstrip(".")
            self._doing, self._doing_since = doing, time.monotonic()

    def _move(self, step: int | None) -> int:
        if step is not None:
            self._bar = max(self._bar, min(step, _FULLEST))
        return self._bar

    def _creep(self) -> int:
        """A little nearer to full, so that the bar moves while nothing can be said."""
        self._bar += max((_FULLEST - self._bar) // 10, 1 if self._bar < _FULLEST else 0)
        return self._bar


def _without_secrets(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "message": redacted(event.get("message") or "", 1024)}


def _image_of(text: str) -> str:
    """The image as people know it: without registry host and digest."""
    found = _IMAGE.search(text)
    if not found:
        return "of your server"
    name = found[1].partition("@")[0]
    first, slash, rest = name.partition("/")
    return rest if slash and re.search(r"[.:]|^localhost$", first) else name


def _seconds_of(text: str) -> float | None:
    took = _TOOK.search(text)
    if not took:
        return None
    seconds = float(took["seconds"]) / (1000 if took["unit"] == "ms" else 1)
    return seconds + 60 * int(took["minutes"] or 0)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


PHASES: Final = ("created", "scheduled", "pulled", "started", "ready")
"""What ends each phase: the pod is made, has a node, has its image, its server's program runs, and answers."""


def phase_of(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    """Return the last phase that a pod has behind it, `ready` excepted."""
    for status in pod["status"].get("containerStatuses") or ():
        if status["name"] == MAIN_CONTAINER and "running" in (status.get("state") or {}):
            return "started"
    if any(e.get("reason") == "Pulled" and e["involvedObject"].get("fieldPath") == MAIN_FIELD for e in events):
        return "pulled"
    return "scheduled" if pod["spec"].get("nodeName") else "created"


class PhaseTimes:
    """Notes when the phases of one start end; as a text, how long each took in seconds.

    Parameters
    ----------
    clock
        The time in seconds; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._spent: dict[str, float] = {}

    def __str__(self) -> str:
        phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in self._spent.items())
        return f"{sum(self._spent.values()):.1f} s ({phases})"

    @property
    def spent(self) -> Mapping[str, float]:
        """How long each phase took that is behind the start, in seconds, in the order of `PHASES`."""
        return dict(self._spent)

    @property
    def elapsed(self) -> float:
        """How many seconds ago the last phase ended that is over."""
        return max(self._clock() - self._since, 0.0)

    def reached(self, phase: str) -> None:
        """Note that a phase has ended, and with it those before; nothing where that is known.

        What comes at once took no time, as far as the watch can tell: a phase that was passed over counts as 0 s.
        """
        for each in PHASES[len(self._spent) : PHASES.index(phase) + 1]:
            now = self._clock()
            self._spent[each] = now - self._since
            START_PHASE_SECONDS.labels(each).observe(self._spent[each])
            self._since = now
