"""What jhkube counts and times, for Prometheus, on the hub's own `/hub/metrics`.

A label has few values that all come from configuration or code: nobody's name, no pod, no tag.
"""

from __future__ import annotations

import re
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info

from jhkube._version import __version__

__all__ = [
    "AHEAD_MADE",
    "AHEAD_NOT_TAKEN",
    "AHEAD_SECONDS",
    "AHEAD_WAITING",
    "MENU_IMAGES",
    "MENU_REFRESHED",
    "MENU_REFRESH_ERRORS",
    "MENU_REFRESH_SECONDS",
    "OPERATOR_RESOURCES",
    "OPERATOR_SECONDS",
    "OPERATOR_WORK",
    "POD_TOKEN_UPDATES",
    "PROVIDER_AVAILABLE",
    "PROVIDER_FAILURES",
    "PROVIDER_LIMITS",
    "SESSION_REFRESHES",
    "START_FAILURES",
    "START_PHASE_SECONDS",
    "TOKEN_RENEWALS",
    "WATCHES_LOST",
    "WATCH_FAILURES",
    "reason_label",
]

Info("jhkube_build", "The version of jhkube that the hub runs.").info({"version": __version__})

# The image menu, by repository.

MENU_REFRESHED: Final = Gauge(
    "jhkube_menu_refreshed_timestamp_seconds",
    "When a repository's tags were last listed without an error, in Unix time; the menu's age is time() minus this.",
    ["repository"],
)
MENU_IMAGES: Final = Gauge("jhkube_menu_images", "How many images the hub knows of a repository.", ["repository"])
MENU_REFRESH_SECONDS: Final = Histogram(
    "jhkube_menu_refresh_duration_seconds",
    "How long a refresh of a repository took, whether it succeeded or not.",
    ["repository"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
MENU_REFRESH_ERRORS: Final = Counter(
    "jhkube_menu_refresh_errors",
    "Refreshes of a repository that failed: unreachable, denied, notfound or garbled.",
    ["repository", "reason"],
)

# Starts of servers.

START_PHASE_SECONDS: Final = Histogram(
    "jhkube_start_phase_duration_seconds",
    "How long each phase of a start took: created, scheduled, pulled, started, ready; of a failed one, those before.",
    ["phase"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640),
)
START_FAILURES: Final = Counter(
    "jhkube_start_failures",
    "Starts that failed, by Kubernetes' own word for it; Cancelled for those that the hub or their person ended.",
    ["reason"],
)

# Pods that are made before their start.

AHEAD_WAITING: Final = Gauge("jhkube_ahead_waiting", "Pods that wait for their start now.")
AHEAD_MADE: Final = Counter("jhkube_ahead_made", "Pods that were made while their person read the form.")
AHEAD_NOT_TAKEN: Final = Counter(
    "jhkube_ahead_not_taken",
    "Pods that did not become a server, or were not made, by reason: Timeout, OtherChoice, Limit, Room and others.",
    ["reason"],
)
AHEAD_SECONDS: Final = Histogram(
    "jhkube_ahead_duration_seconds",
    "How old pods were when a start took them (what the start did not have to wait for), or when they were deleted.",
    ["result"],
    buckets=(0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 3600),
)

# Logins and tokens.

SESSION_REFRESHES: Final = Counter(
    "jhkube_session_refreshes",
    "Looks at who people at work are: unchanged, changed, ended (logged out) or unknown (the provider is silent).",
    ["provider", "result"],
)
TOKEN_RENEWALS: Final = Counter(
    "jhkube_token_renewals",
    "Exchanges of a refresh token for a new token: renewed, rejected, or unavailable.",
    ["provider", "result"],
)
POD_TOKEN_UPDATES: Final = Counter(
    "jhkube_pod_token_updates", "New tokens for running servers: done or failed.", ["result"]
)
PROVIDER_AVAILABLE: Final = Gauge(
    "jhkube_provider_available", "Whether the identity provider answers: 0 while it has an outage.", ["provider"]
)
PROVIDER_FAILURES: Final = Counter(
    "jhkube_provider_failures", "Requests that the identity provider did not answer as it should.", ["provider"]
)
PROVIDER_LIMITS: Final = Counter(
    "jhkube_provider_limits",
    "Requests that the provider refused because one person's rate limit is used up; not an outage.",
    ["provider"],
)

# The operator, in a process of its own.

OPERATOR_RESOURCES: Final = Gauge(
    "jhkube_operator_resources", "Custom resources that the operator knows, by kind and phase.", ["kind", "phase"]
)
OPERATOR_WORK: Final = Counter(
    "jhkube_operator_reconciliations",
    "Times that the operator looked at a custom resource: done, or failed and tried again later.",
    ["kind", "result"],
)
OPERATOR_SECONDS: Final = Histogram(
    "jhkube_operator_reconciliation_duration_seconds",
    "How long the operator worked on a custom resource at once.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

# Watches of the cluster.

WATCHES_LOST: Final = Gauge(
    "jhkube_watches_lost",
    "Watches of the cluster that have no connection now: the hub is blind there.",
    ["kind"],
)
WATCH_FAILURES: Final = Counter(
    "jhkube_watch_failures", "Times that a watch of the cluster lost its connection or could not get one.", ["kind"]
)


def reason_label(reason: str) -> str:
    """Return a reason as a label: one word as Kubernetes has them; `Other` for a sentence."""
    return reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,59}", reason) else "Other"
