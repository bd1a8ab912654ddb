"""Which images are left out for a while, because they could not be pulled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from jhkube.prepull.observed import ImageState, Observed
from jhkube.prepull.plan import Setback

__all__ = ["Setbacks"]


class Setbacks:
    """What failed, and when it is to be tried again.

    An image that failed once keeps its place at the end of the row also when it has come: to move it would change
    the DaemonSet, and each change starts all of its pods anew.

    Parameters
    ----------
    retry_after
        Seconds after which an image is tried again.
    """

    def __init__(self, retry_after: float) -> None:
        self.by_image: dict[str, Setback] = {}
        """The setbacks of images that are wanted."""
        self._retry_after = retry_after
        self._failing: dict[str, float] = {}

    def note(self, seen: Iterable[Mapping[str, Observed]], wanted: Collection[str], now: float) -> list[str]:
        """Take in what the pods say; return the images that are left out from now on.

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
        # What can pass, of an image that another node has, is the trouble of one node, where kubelet goes on trying:
        # a single disk that is full would empty the plan of all.
        failures = {image: what for image, what in failures.items() if not what.patience or image not in somewhere}
        self.by_image = {image: setback for image, setback in self.by_image.items() if image in wanted}
        self._failing = {image: self._failing.get(image, now) for image in failures if image in wanted}
        left_out = []
        for image, since in self._failing.items():
            # The pods from before it was left out go on failing until they are replaced.
            if not self._is_out(image, now) and now - since >= failures[image].patience:
                self.by_image[image] = Setback(failures[image].why, now + self._retry_after)
                left_out.append(image)
        return left_out

    def next_look(self, patience: float, now: float) -> float | None:
        """Return in how many seconds something may change by itself; None where nothing will."""
        times = [setback.until for setback in self.by_image.values() if setback.until > now]
        times += [since + patience for image, since in self._failing.items() if not self._is_out(image, now)]
        return max(min(times) - now, 0.1) if times else None

    def _is_out(self, image: str, now: float) -> bool:
        return image in self.by_image and self.by_image[image].until > now
