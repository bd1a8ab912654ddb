"""The steps of a start as people see them: which are over, how long each took, and how long it usually takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

__all__ = ["NEXT_SENTENCES", "STEP_TITLES", "USUAL_TIMES", "StartView", "Step", "UsualTimes", "start_view"]

STEP_TITLES: Final = {
    "created": "Ask the cluster for your server",
    "scheduled": "Find a node with room",
    "pulled": "Get the image and your disk",
    "started": "Start the program",
    "ready": "Wait for its first answer",
}
"""What happens in each phase of a start, in their order."""

NEXT_SENTENCES: Final = {
    "": "Your server is starting: waiting for the cluster.",
    "created": "Your server is starting: waiting for a node with room for it.",
    "scheduled": "Your server is starting: the node gets its image.",
    "pulled": "Your server is starting: the image is there.",
    "started": "Your server is starting: its program runs, and has not answered yet.",
    "ready": "Your server is starting: it answers.",
}
"""What is said of a start, by the last phase that is over."""

IMAGE_STEP: Final = "pulled"
"""The phase whose duration depends on the image."""

REMEMBERED: Final = 50
"""How many of the last durations of a phase are kept."""

REMEMBERED_IMAGES: Final = 500
"""Of how many images durations are kept; the one that was first seen longest ago is forgotten first."""

ENOUGH: Final = 3
"""From how many starts on something can be said of what is usual."""


class UsualTimes:
    """How long the phases of the last starts took that succeeded, as far as this process has seen them."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[float]] = {}

    def note(self, image: str, spent: Mapping[str, float]) -> None:
        """Remember a start that succeeded.

        Parameters
        ----------
        image
            The image that was started.
        spent
            How long each phase took, in seconds.
        """
        for phase, seconds in spent.items():
            key = _key(image, phase)
            self._seen.setdefault(key, deque(maxlen=REMEMBERED)).append(seconds)
        while len(self._seen) > REMEMBERED_IMAGES + len(STEP_TITLES):
            del self._seen[next(key for key in self._seen if key[0])]

    def words(self, image: str, phase: str, elapsed: float) -> str:
        """Return how long a phase usually takes, in words; empty where too few starts were seen.

        Whatever ended sooner than this phase has lasted already says nothing about it: of an image that most nodes
        have, a start that still waits for it is compared with those that had to wait too.

        Parameters
        ----------
        image
            The image that is started.
        phase
            The phase that is under way.
        elapsed
            For how many seconds it has been.
        """
        seen = self._seen.get(_key(image, phase), ())
        if len(seen) < ENOUGH:
            return ""
        longer = [seconds for seconds in seen if seconds > elapsed]
        return f"usually about {_rounded(median(longer))}" if longer else "longer than usual"


def _key(image: str, phase: str) -> tuple[str, str]:
    return (image if phase == IMAGE_STEP else "", phase)


def _rounded(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min"


USUAL_TIMES: Final = UsualTimes()
"""What this hub has seen since it started."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a start."""

    name: str
    """The phase: `pulled`."""

    title: str
    """What happens in it."""

    state: str
    """`done`, `current` or `later`."""

    seconds: float | None = None
    """How long it took, in seconds; of the current step, how long it has lasted; None for a later one."""


@dataclass(frozen=True, slots=True)
class StartView:
    """A start under way, for the page that shows it."""

    steps: tuple[Step, ...]
    """All steps, in order."""

    message: str
    """What is waited for, in a sentence."""

    usually: str
    """How long the current step usually takes, in words; empty where that is not known."""

    def to_event(self) -> dict[str, Any]:
        """Return a progress event's fields apart from the message: `steps` that are over, `elapsed`, `usually`."""
        done = [{"name": each.name, "seconds": each.seconds} for each in self.steps if each.state == "done"]
        elapsed = next((each.seconds for each in self.steps if each.state == "current"), None)
        return {"steps": done, "elapsed": elapsed, "usually": self.usually}


def start_view(
    spent: Mapping[str, float], elapsed: float, image: str, meanwhile: str = "", usual: UsualTimes = USUAL_TIMES
) -> StartView:
    """Return a start as people see it.

    Parameters
    ----------
    spent
        How long each phase took that is over, in seconds, in order.
    elapsed
        How many seconds ago the last of them ended.
    image
        The image that is started.
    meanwhile
        What is waited for because of a problem that may pass; mostly empty.
    usual
        What is known of other starts.
    """
    current = next((name for name in STEP_TITLES if name not in spent), "")
    steps = tuple(
        Step(name, title, "done", round(max(spent[name], 0.0), 1))
        if name in spent
        else Step(name, title, "current", round(elapsed, 1))
        if name == current
        else Step(name, title, "later")
        for name, title in STEP_TITLES.items()
    )
    last = next(reversed(tuple(spent)), "")
    message = meanwhile or NEXT_SENTENCES[last]
    return StartView(steps, message, usual.words(image, current, elapsed) if current else "")
