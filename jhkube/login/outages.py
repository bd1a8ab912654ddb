"""One warning when a provider stops answering, one line when it is back, however many people it concerns."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from jhkube.metrics import PROVIDER_AVAILABLE, PROVIDER_FAILURES, PROVIDER_LIMITS

__all__ = ["Outage"]


class Outage:
    """Whether a provider answers, as far as this process has seen.

    Parameters
    ----------
    provider
        Its name, for the log.
    log
        Where the lines go.
    calm
        Seconds without a failure after which an answer ends the outage: a provider that fails every other
        request has one outage, not hundreds.
    clock
        The time in seconds; monotonic.
    """

    def __init__(
        self,
        provider: str,
        log: logging.Logger,
        *,
        calm: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._log, self._calm, self._clock = provider, log, calm, clock
        self._since: float | None = None
        self._last = 0.0
        PROVIDER_AVAILABLE.labels(provider).set(1)
        PROVIDER_FAILURES.labels(provider)
        PROVIDER_LIMITS.labels(provider)
        self._failures = 0

    @property
    def is_on(self) -> bool:
        """Whether the provider failed and has not been calm since."""
        return self._since is not None

    def failed(self, reason: str) -> None:
        """Note a failure; the first of an outage is a warning in the log."""
        self._last = self._clock()
        self._failures += 1
        PROVIDER_FAILURES.labels(self._provider).inc()
        if self._since is None:
            self._since = self._last
            PROVIDER_AVAILABLE.labels(self._provider).set(0)
            self._log.warning(
                "%s does not answer: %s. People stay logged in with what is known of them.", self._provider, reason
            )
        else:
            self._log.debug("%s still does not answer: %s", self._provider, reason)

    def limited(self) -> None:
        """Note an answer that one person's rate limit was instead of: it says nothing about the provider."""
        PROVIDER_LIMITS.labels(self._provider).inc()

    def answered(self) -> None:
        """Note an answer."""
        if self._since is None or self._clock() - self._last < self._calm:
            return
        self._log.info(
            "%s answers again, %.0f seconds after it first did not; %d requests failed",
            self._provider,
            self._clock() - self._since,
            self._failures,
        )
        self._since, self._failures = None, 0
        PROVIDER_AVAILABLE.labels(self._provider).set(1)
