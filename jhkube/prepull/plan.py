"""Which images are to be on the nodes, and which of them have to wait; pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from jhkube.images.entries import Menu
from jhkube.images.offer_rules import OfferRule
from jhkube.images.offers import offered_to_anybody

__all__ = ["Plan", "PulledImage", "Setback", "plan_of", "wanted_images"]


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image that is to be on the nodes."""

    image: str
    """As a pod runs it: `localhost:5000/lab@sha256:…`."""

    reference: str
    """As people name it: `localhost:5000/lab:w_2026_46`."""


@dataclass(frozen=True, slots=True)
class Setback:
    """An image that could not be had."""

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

    skipped: tuple[tuple[PulledImage, Setback], ...] = ()
    """What is left out for a while, and why."""

    def to_json(self) -> str:
        """Return the plan as the text that the DaemonSet carries."""
        skipped = [asdict(image) | asdict(setback) for image, setback in self.skipped]
        return json.dumps({"images": [asdict(image) for image in self.images], "skipped": skipped}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote.

        Raises
        ------
        ValueError
            Where the text is none.
        """
        try:
            data = json.loads(text)
            return cls(
                tuple(PulledImage(each["image"], each["reference"]) for each in data["images"]),
                tuple(
                    (PulledImage(each["image"], each["reference"]), Setback(each["why"], each["until"]))
                    for each in data["skipped"]
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no plan of jhkube's prepuller: {error}") from None


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


def plan_of(wanted: Sequence[PulledImage], setbacks: Mapping[str, Setback], now: float) -> Plan:
    """Return what to pull now; what failed before is tried last, so that it holds nothing up.

    Parameters
    ----------
    wanted
        The images, the most important first.
    setbacks
        What failed, by image.
    now
        The time in seconds since 1970.
    """
    good = [image for image in wanted if image.image not in setbacks]
    failed = [(image, setbacks[image.image]) for image in wanted if image.image in setbacks]
    again = [image for image, setback in failed if setback.until <= now]
    return Plan((*good, *again), tuple((image, setback) for image, setback in failed if setback.until > now))
