"""The nodes that labs can run on, as Kubernetes' scheduler finds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Placement", "SelectsNodes", "placement_of"]

_BARRED = ("NoSchedule", "NoExecute")
"""The effects of a taint that keep a pod away; `PreferNoSchedule` does not."""


class SelectsNodes(Protocol):
    """What a size says about the nodes that its labs run on."""

    @property
    def node_selector(self) -> Mapping[str, str]:
        """The labels of the nodes."""

    @property
    def tolerations(self) -> Sequence[Mapping[str, Any]]:
        """The taints that are tolerated, as Kubernetes writes them."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where pods may run."""

    terms: tuple[Mapping[str, Any], ...] = ()
    """Node selector terms, as Kubernetes writes them, of which one has to match; every node where empty."""

    tolerations: tuple[Mapping[str, Any], ...] = ()
    """The taints that are tolerated, as Kubernetes writes them."""

    def admits(self, node: Mapping[str, Any]) -> bool:
        """Whether a node, as the API's JSON, takes such pods now: it fits, is ready and is not cordoned."""
        spec, conditions = node.get("spec", {}), node.get("status", {}).get("conditions") or ()
        if spec.get("unschedulable") or any(c["type"] == "Ready" and c["status"] != "True" for c in conditions):
            return False
        return self.matches(node)

    def matches(self, node: Mapping[str, Any]) -> bool:
        """Whether a node fits by its labels and taints."""
        taints = node.get("spec", {}).get("taints") or ()
        if any(taint["effect"] in _BARRED and not self._tolerates(taint) for taint in taints):
            return False
        return not self.terms or any(_term_matches(term, node["metadata"]) for term in self.terms)

    def _tolerates(self, taint: Mapping[str, Any]) -> bool:
        return any(
            toleration.get("effect") in (None, "", taint["effect"])
            and (
                (not toleration.get("key") or toleration["key"] == taint["key"])
                if toleration.get("operator") == "Exists"
                else toleration.get("key") == taint["key"]
                and (toleration.get("value") or "") == (taint.get("value") or "")
            )
            for toleration in self.tolerations
        )


def placement_of(
    sizes: Iterable[SelectsNodes],
    *,
    node_selector: Mapping[str, str],
    required_terms: Sequence[Mapping[str, Any]] = (),
    tolerations: Sequence[Mapping[str, Any]] = (),
) -> Placement:
    """Return where labs of any of these sizes can run.

    Parameters
    ----------
    sizes
        Each adds its own node selector and tolerations to those that all labs have.
    node_selector, required_terms, tolerations
        What all labs have: KubeSpawner's `node_selector`, `node_affinity_required` and `tolerations`.

    The tolerations of all sizes are put together: a node that one size fits by its labels and another one by its
    taints is counted although neither fits both.
    """
    sizes = tuple(sizes)
    terms: list[Mapping[str, Any]] = []
    for own in [size.node_selector for size in sizes] or [{}]:
        selector = {**node_selector, **own}
        expressions = [{"key": k, "operator": "In", "values": [v]} for k, v in sorted(selector.items())]
        for term in required_terms or [{}]:
            joined = {**term, "matchExpressions": [*expressions, *(term.get("matchExpressions") or ())]}
            if joined not in terms:
                terms.append(joined)
    if any(not term["matchExpressions"] and not term.get("matchFields") for term in terms):
        # To Kubernetes a term without a condition matches no node; here it stands for any.
        terms = []
    tolerated: list[Mapping[str, Any]] = []
    for toleration in (*tolerations, *(each for size in sizes for each in size.tolerations)):
        if toleration not in tolerated:
            tolerated.append(toleration)
    return Placement(tuple(terms), tuple(tolerated))


def _term_matches(term: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    labels = metadata.get("labels") or {}
    fields = {"metadata.name": metadata["name"]}
    conditions = [(each, labels) for each in term.get("matchExpressions") or ()]
    conditions += [(each, fields) for each in term.get("matchFields") or ()]
    return bool(conditions) and all(_condition_holds(each, values) for each, values in conditions)


def _condition_holds(condition: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    found, wanted = values.get(condition["key"]), condition.get("values") or ()
    match condition["operator"]:
        case "In":
            return found in wanted
        case "NotIn":
            return found not in wanted
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt" as operator:
            try:
                number, bound = int(found or ""), int("".join(wanted))
            except ValueError:
                return False
            return number > bound if operator == "Gt" else number < bound
    return False
