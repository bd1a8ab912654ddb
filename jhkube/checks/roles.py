"""A permission, one verb on one resource, and the rules of the Roles that give it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["METRICS", "REVIEW", "STORAGE", "Permission", "role_rules"]

STORAGE = "storage.k8s.io"
METRICS = "metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource."""

    verb: str
    """`create`."""

    resource: str
    """`pods`."""

    namespace: str | None
    """Where; None for what belongs to no namespace, and for all namespaces."""

    reason: str
    """What the hub does with it, or without it."""

    group: str = ""
    """The API group; empty for the core group."""

    name: str = ""
    """The only object that it is needed for; empty for all."""

    needed: bool = True
    """Whether the hub fails without it; else it does without, and the reason says how."""


REVIEW = Permission(
    "create",
    "subjectaccessreviews",
    None,
    "ask whether a person may make pods and claims themselves (cluster_accounts)",
    group="authorization.k8s.io",
)
"""Asking about a person's own rights, which the hub and the service do alike."""


def role_rules(wanted: Iterable[Permission]) -> dict[str | None, list[dict[str, Any]]]:
    """Return the rules of the Roles that allow all this, by namespace; those under None need a ClusterRole.

    Examples
    --------
    >>> role_rules([Permission("list", "pods", "labs", "…"), Permission("watch", "pods", "labs", "…")])
    {'labs': [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['list', 'watch']}]}
    """
    verbs: dict[tuple[str | None, str, str, str], list[str]] = {}
    for each in wanted:
        verbs.setdefault((each.namespace, each.group, each.resource, each.name), []).append(each.verb)
    rules: dict[str | None, list[dict[str, Any]]] = {}
    for (namespace, group, resource, name), allowed in verbs.items():
        rule: dict[str, Any] = {"apiGroups": [group], "resources": [resource]}
        if name:
            rule["resourceNames"] = [name]
        rules.setdefault(namespace, []).append({**rule, "verbs": sorted(set(allowed))})
    return rules
