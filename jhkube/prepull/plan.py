"""Which images are to be on the nodes, and which of them have to wait."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from jhkube.images.entries import Menu
from jhkube.images.offer_rules import OfferRule
from jhkube.images.offers import offered_to_anybody

__all__ = ["Backoff", "Backoffs", "ImageState", "Observed", "Plan", "PulledImage", "plan_of", "wanted_images"]


class ImageState(StrEnum):
    """How far an image is on a node."""

    PRESENT = "present"
    PULLING = "pulling"
    WAITING = "waiting"
    """It comes after another image, or the node's pod has not begun."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pod says of one image."""

    state: ImageState
    why: str = ""
    """What kubelet said about a failure, or what keeps the pod from beginning, with anything secret taken out."""

    patience: float = 0.0
    """For how many seconds the failure may last before the image is skipped; 0 where waiting cannot help."""


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image that is to be on the nodes."""

    image: str
    """As a pod runs it: `localhost:5000/lab@sha256:…`."""

    reference: str
    """As people name it: `localhost:5000/lab:w_2026_46`."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Why an image could not be pulled, and until when it is left out."""

    why: str
    """What the node said."""

    until: float
    """When it is tried again, in seconds since 1970."""

    @property
    def until_text(self) -> str:
        """That time for people: `14:30:05 UTC`."""
        return datetime.fromtimestamp(self.until, UTC).strftime("%H:%M:%S UTC")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the DaemonSet pulls now."""

    images: tuple[PulledImage, ...] = ()
    """In the order in which a node pulls them."""

    skipped: tuple[tuple[PulledImage, Backoff], ...] = ()
    """What is left out for a while, and why."""

    def to_json(self) -> str:
        """Return the plan as the text that the DaemonSet carries."""
        skipped = [asdict(image) | asdict(backoff) for image, backoff in self.skipped]
        return json.dumps({"images": [asdict(image) for image in self.images], "skipped": skipped}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote.

        Raises
        ------
        ValueError
            Where the text is not a plan.
        """
        try:
            data = json.loads(text)
            return cls(
                tuple(PulledImage(each["image"], each["reference"]) for each in data["images"]),
                tuple(
                    (PulledImage(each["image"], each["reference"]), Backoff(each["why"], each["until"]))
                    for each in data["skipped"]
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a plan of jhkube's prepuller: {error}") from None


def wanted_images(
    menu: Menu, rules: Sequence[OfferRule], count: int, groups: Collection[str] | None = None
) -> tuple[PulledImage, ...]:
    """Return the first images of the menu: those chosen beforehand, then the pinned ones, then the others.

    Parameters
    ----------
    menu
        The images there are.
    rules
        The operator's, in their order.
    count
        At most so many.
    groups
        The hub groups whose offers count; everybody's where it is None.
    """
    counted = [rule for rule in rules if groups is None or rule.is_for(groups)]
    wanted: dict[str, PulledImage] = {}
    for entry in offered_to_anybody(menu, counted).values():
        if entry.digest:
            wanted.setdefault(entry.image, PulledImage(entry.image, entry.reference))
    return tuple(wanted.values())[:count]


def plan_of(wanted: Sequence[PulledImage], backoffs: Mapping[str, Backoff], now: float) -> Plan:
    """Return what to pull now; what failed before is tried last, so that it holds nothing up.

    Parameters
    ----------
    wanted
        The images, the most important first.
    backoffs
        What failed, by image.
    now
        The time in seconds since 1970.
    """
    good = [image for image in wanted if image.image not in backoffs]
    failed = [(image, backoffs[image.image]) for image in wanted if image.image in backoffs]
    again = [image for image, backoff in failed if backoff.until <= now]
    return Plan((*good, *again), tuple((image, backoff) for image, backoff in failed if backoff.until > now))


class Backoffs:
    """What failed, and when it is to be tried again.

    An image that failed once stays last even after it was pulled: to move it would change the DaemonSet, and each
    change restarts all of its pods.

    Parameters
    ----------
    retry_after
        Seconds after which an image is tried again.
    """

    def __init__(self, retry_after: float) -> None:
        self.by_image: dict[str, Backoff] = {}
        """The backoffs of images that are wanted."""
        self._retry_after = retry_after
        self._failing: dict[str, float] = {}

    def note(self, seen: Iterable[Mapping[str, Observed]], wanted: Collection[str], now: float) -> list[str]:
        """Note what the pods say; return the images that are left out from now on.

        Parameters
        ----------
        seen
            What each pod says of its images.
        wanted
            The images; others are forgotten.
        now
            The time in seconds since 1970.
        """
        failures: dict[str, Observed] = {}
        somewhere = set()
        for images in seen:
            for image, what in images.items():
                known = failures.get(image)
                if what.state is ImageState.PRESENT:
                    somewhere.add(image)
                elif what.state is ImageState.FAILED and (known is None or what.patience < known.patience):
                    failures[image] = what
        # A temporary failure of an image that another node has concerns one node, where kubelet goes on trying: a
        # single full disk would otherwise empty the plan of all nodes.
        failures = {image: what for image, what in failures.items() if not what.patience or image not in somewhere}
        self.by_image = {image: backoff for image, backoff in self.by_image.items() if image in wanted}
        self._failing = {image: self._failing.get(image, now) for image in failures if image in wanted}
        left_out = []
        for image, since in self._failing.items():
            # The pods from before it was left out go on failing until they are replaced.
            if not self._is_out(image, now) and now - since >= failures[image].patience:
                self.by_image[image] = Backoff(failures[image].why, now + self._retry_after)
                left_out.append(image)
        return left_out

    def next_look(self, patience: float, now: float) -> float | None:
        """Return the seconds until something may change by itself; None where nothing will."""
        times = [backoff.until for backoff in self.by_image.values() if backoff.until > now]
        times += [since + patience for image, since in self._failing.items() if not self._is_out(image, now)]
        return max(min(times) - now, 0.1) if times else None

    def _is_out(self, image: str, now: float) -> bool:
        return image in self.by_image and self.by_image[image].until > now
