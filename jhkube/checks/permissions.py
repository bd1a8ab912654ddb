"""What the hub's account must be allowed in the cluster, by configuration: one table, with the reasons.

`permissions` is the only place that says which verbs jhkube and KubeSpawner use: `jhkube check` asks the API server
about each of them, and the Roles that are delivered are compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["HubFacts", "Permission", "operator_permissions", "permissions", "role_rules", "service_permissions"]

STORAGE = "storage.k8s.io"
METRICS = "metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class HubFacts:
    """The configuration, as far as it decides what the hub asks of the API server; by default jhkube's own."""

    namespace: str = "default"
    """Where the pods run (`KubeSpawner.namespace`)."""

    user_namespaces: bool = False
    """Whether every person has a namespace of their own, which the hub makes (`enable_user_namespaces`)."""

    own_claims: bool = True
    """Whether the hub makes a claim for each person: `home = "pvc"`, or KubeSpawner's `storage_pvc_ensure`."""

    deletes_claims: bool = True
    """Whether a claim goes with its person or named server (`delete_pvc`)."""

    events: bool = True
    """Whether people read the cluster's events while their server starts (`events_enabled`)."""

    services: bool = False
    """Whether each pod has a Service (`services_enabled`, `JupyterHub.internal_ssl`)."""

    internal_ssl: bool = False
    """Whether hub and pods speak TLS (`JupyterHub.internal_ssl`): the certificates are in Secrets."""

    reviews_rights: bool = False
    """Whether people need rights in the cluster themselves (`cluster_accounts`), so that the hub asks about them."""

    quotas: bool = False
    """Whether a person's ceiling is a ResourceQuota of their namespace (`ceilings_are_quotas`)."""

    marks_ready: bool = False
    """Whether the form marks the images that are on all nodes (`mark_ready_images`)."""

    starts_ahead: bool = False
    """Whether pods are made while people read the form (`start_ahead`)."""

    waiting_priority_class: str = ""
    """The PriorityClass of those pods (`start_ahead_priority_class`); empty for that of servers."""

    pull_secret: str = ""
    """The Secret with the registry's account, `namespace/name` (`ImageMenu.credentials_secret`)."""

    keeps_logs: bool = False
    """Whether the hub keeps the end of the log of a server that failed (`keep_failed_logs`)."""

    own_secrets: bool = False
    """Whether people can attach secrets of their own (`own_secrets`)."""

    home_leases: bool = False
    """Whether a home is used by one hub at a time (`home_lease`)."""

    home_lease_namespace: str = ""
    """Where the Leases of homes are (`home_lease_namespace`); empty for where the pods run."""

    mounts_own_disks: bool = False
    """Whether people can mount disks of their own (`own_disks`)."""

    reads_pod_defaults: bool = False
    """Whether people can choose Kubeflow's PodDefaults (`pod_defaults`)."""

    runs_my_servers: bool = False
    """Whether the hub runs the service "My servers", which then has the hub's account (`JHKUBE_MY_SERVERS`)."""

    makes_own_disks: bool = False
    """Whether people may make disks with that service (`JHKUBE_MY_SERVERS_OWN_DISKS`)."""


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


_REVIEW = Permission(
    "create",
    "subjectaccessreviews",
    None,
    "ask whether a person may make pods and claims themselves (cluster_accounts)",
    group="authorization.k8s.io",
)


def permissions(facts: HubFacts) -> tuple[Permission, ...]:
    """Return everything that a hub's account must be allowed.

    Examples
    --------
    >>> sorted({each.resource for each in permissions(HubFacts(events=False)) if each.needed})
    ['persistentvolumeclaims', 'pods', 'secrets']
    """
    own = tuple(_table(facts))
    if not facts.runs_my_servers:
        return own
    asked = {(each.verb, each.group, each.resource, each.namespace) for each in own}
    more = service_permissions(
        facts.namespace,
        user_namespaces=facts.user_namespaces,
        own_secrets=facts.own_secrets,
        own_disks=facts.makes_own_disks,
        reviews_rights=facts.reviews_rights,
    )
    return own + tuple(
        replace(each, needed=False)
        for each in more
        if (each.verb, each.group, each.resource, each.namespace) not in asked
    )


def service_permissions(
    namespace: str,
    *,
    user_namespaces: bool = False,
    own_secrets: bool = False,
    own_disks: bool = False,
    reviews_rights: bool = False,
) -> tuple[Permission, ...]:
    """Return everything that the account of the service "My servers" must be allowed.

    Parameters
    ----------
    namespace
        Where the pods run.
    user_namespaces
        Whether every person has a namespace of their own.
    own_secrets
        Whether people can make secrets of their own.
    own_disks
        Whether people may make disks without a server.
    reviews_rights
        Whether people need rights in the cluster themselves.

    Examples
    --------
    >>> sorted({each.resource for each in service_permissions("labs") if each.namespace})
    ['events', 'persistentvolumeclaims', 'pods', 'pods/log']
    """
    where = None if user_namespaces else namespace
    claims = "persistentvolumeclaims"
    keeps = "know which secrets people have, without reading any"
    secrets = (
        *(Permission(verb, "configmaps", where, keeps) for verb in ("get", "create", "update")),
        Permission("create", "secrets", where, "make a secret for the person whose it is"),
        Permission("delete", "secrets", where, "delete a secret for the person whose it is"),
    )
    return (
        *(secrets if own_secrets else ()),
        Permission("list", "pods", where, "see what runs, and which servers use a disk"),
        Permission("get", "pods", where, "see that a log is of the pod that it was asked for"),
        Permission("get", "pods/log", where, "show people the logs of their servers"),
        Permission("list", "events", where, "tell people what the cluster says of their server"),
        Permission("list", "pods", where, "show what servers use now", group=METRICS, needed=False),
        Permission("list", claims, where, "show people their disks"),
        Permission("patch", claims, where, "let a disk grow"),
        Permission("delete", claims, where, "delete a disk for the person whose it is"),
        Permission("list", "storageclasses", None, "know which disks can grow", group=STORAGE),
        *([Permission("create", claims, where, "make a disk without a server (ownDisks)")] if own_disks else ()),
        *([_REVIEW] if reviews_rights else ()),
    )


def operator_permissions(
    namespace: str | None, *, notebooks: bool = True, servers: bool = False
) -> tuple[Permission, ...]:
    """Return everything that the account of `jhkube operator` must be allowed.

    It may not read Secrets: what it has written into one, it makes again from the notebook.

    Parameters
    ----------
    namespace
        Where it works; None for all namespaces.
    notebooks, servers
        Whether it works for JupyterNotebooks, and for JupyterServers.

    Examples
    --------
    >>> sorted({each.verb for each in operator_permissions("labs") if each.resource == "secrets"})
    ['create', 'delete', 'patch']
    >>> any(each.resource == "pods" for each in operator_permissions("labs", notebooks=False, servers=True))
    False
    """
    peerings = "kopfpeerings" if namespace else "clusterkopfpeerings"
    agreed = {
        "list": "see which operator works",
        "watch": "see at once which operator works",
        "create": "have a place to agree with other operators",
        "patch": "agree with other operators on which of them works",
    }
    table = (
        *(_NOTEBOOKS if notebooks else ()),
        *(_SERVERS if servers else ()),
        ("kopf.dev", peerings, agreed),
        ("", "events", {"create": "tell of a resource's failure at the resource"}),
    )
    return tuple(
        Permission(verb, resource, namespace, reason, group=group)
        for group, resource, reasons in table
        for verb, reason in reasons.items()
    )


_SEEN = {"list": "see what there is at the start", "watch": "see what changes"}
_MADE = {"create": "make it for a notebook", "update": "change it with its notebook"}
_TAKEN_BACK = {"delete": "take it back where the rest of a notebook is refused"}
_NOTEBOOKS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "squonk.it",
        "jupyternotebooks",
        {"list": "see which notebooks are asked for", "watch": "see at once what is asked for"},
    ),
    ("squonk.it", "jupyternotebooks/status", {"patch": "tell how a notebook stands, and its URL"}),
    ("apps", "deployments", {**_SEEN, **_MADE}),
    ("networking.k8s.io", "ingresses", {**_SEEN, **_MADE, **_TAKEN_BACK}),
    ("", "services", {**_SEEN, **_MADE, **_TAKEN_BACK}),
    ("", "secrets", {"create": _MADE["create"], "patch": _MADE["update"], **_TAKEN_BACK}),
    ("", "pods", {"list": "see why a notebook does not start", "watch": "see when a notebook is ready"}),
    ("", "persistentvolumeclaims", {"list": "see whether a notebook's claim is there", "watch": _SEEN["watch"]}),
    ("", "events", {"list": "tell why a notebook does not start", "watch": "tell it at once"}),
)
_SERVERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "jhkube.dev",
        "jupyterservers",
        {
            "list": "see which servers are asked for",
            "watch": "see at once what is asked for",
            "patch": "stop a server before its resource goes (a finalizer)",
        },
    ),
    ("jhkube.dev", "jupyterservers/status", {"patch": "tell how a server stands, and its URL"}),
)


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


def _table(facts: HubFacts) -> Iterator[Permission]:
    # The hub watches and writes in namespaces that do not exist yet.
    where = None if facts.user_namespaces else facts.namespace

    def each(resource: str, reasons: dict[str, str], *, needed: bool = True) -> Iterator[Permission]:
        for verb, reason in reasons.items():
            yield Permission(verb, resource, where, reason, needed=needed)

    yield from each(
        "pods",
        {
            "list": "see which servers run",
            "watch": "see when a server is up, and when it ends",
            "create": "start a server",
            "delete": "stop a server",
        },
    )
    yield from each(
        "secrets",
        {
            "create": "give a pod its git configuration, its accounts and its token",
            "delete": "take the place of a Secret that an earlier pod has left",
        },
    )
    hurries = "have a renewed token in its pod at once; without it, that takes kubelet up to a minute and a half"
    if facts.starts_ahead:
        yield from each("pods", {"patch": "give the pod that waits for a start to its server (start_ahead)"})
    else:
        yield from each("pods", {"patch": hurries}, needed=False)
    if facts.keeps_logs:
        keeps = "keep the end of the log of a server that failed; without it the log goes with the pod"
        yield from each("pods/log", {"get": keeps}, needed=False)
    renews = "bring a renewed token into a running pod; without it the Secret is deleted and created again"
    yield from each("secrets", {"patch": renews}, needed=False)
    if facts.events:
        yield from each(
            "events",
            {
                "list": "tell people why their server does not start",
                "watch": "tell people how far their server is",
            },
        )
    if facts.own_claims:
        yield from _claims(facts, where)
    if facts.services or facts.internal_ssl:
        replaced = {
            "get": "see that an old one is gone",
            "create": "reach the pod by it",
            "delete": "replace an old one",
        }
        yield from each("services", replaced)
    if facts.internal_ssl:
        yield from each("secrets", {"get": "see that an old one with certificates is gone"})
    if facts.user_namespaces:
        yield Permission("create", "namespaces", None, "give a person a namespace of their own")
        compares = "see whose a namespace is; without it, one that has a person's name is taken for theirs"
        yield Permission("get", "namespaces", None, compares, needed=False)
    if facts.reviews_rights:
        yield _REVIEW
    if facts.quotas:
        yield from each(
            "resourcequotas",
            {"create": "set a person's ceiling in their namespace", "update": "change a person's ceiling"},
        )
        removes = "take a quota away with its ceiling; without it the quota stays, and an administrator deletes it"
        yield from each("resourcequotas", {"delete": removes}, needed=False)
    if facts.home_leases:
        shares = {
            "get": "know which hub uses a home",
            "create": "have a home that no hub has used yet for this hub alone",
            "update": "have a home that a hub has used before for this hub alone",
        }
        for verb, reason in shares.items():
            yield Permission(verb, "leases", facts.home_lease_namespace or where, reason, group="coordination.k8s.io")
    if facts.own_secrets:
        attaches = "know which secrets a person has, to attach them to a server; without it none can be attached"
        yield from each("configmaps", {"get": attaches}, needed=False)
        deletes = "delete the list of the secrets of a person who is deleted; without it the secrets stay"
        yield from each("configmaps", {"delete": deletes}, needed=False)
    if facts.mounts_own_disks and not facts.own_claims:
        knows = "know which disks a person has, to mount them in a server; without it none can be mounted"
        yield from each("persistentvolumeclaims", {"list": knows}, needed=False)
    if facts.reads_pod_defaults:
        offers = "offer Kubeflow's PodDefaults; without it none is (pod_defaults)"
        yield Permission("list", "poddefaults", where, offers, group="kubeflow.org", needed=False)
    if facts.marks_ready:
        for verb in ("list", "watch"):
            yield Permission(
                verb, "nodes", None, "mark images that are on all nodes; without it none is", needed=False
            )
    if facts.pull_secret:
        namespace, _, name = facts.pull_secret.rpartition("/")
        reason = "read the registry's account, to list its images"
        yield Permission("get", "secrets", namespace, reason, name=name)


def _claims(facts: HubFacts, where: str | None) -> Iterator[Permission]:
    claims = "persistentvolumeclaims"
    yield Permission("list", claims, where, "see which homes there are")
    yield Permission("watch", claims, where, "see when a home is being deleted")
    yield Permission("create", claims, where, "make a person's home")
    yield Permission("get", claims, where, "see whose a home is that is there already, or that a quota has refused")
    if facts.deletes_claims:
        yield Permission("delete", claims, where, "delete the home of a person who is deleted (delete_pvc)")
    grows = "let a home grow, write on an old one whose it is; without it, it stays as large as it is"
    yield Permission("patch", claims, where, grows, needed=False)
    reads = "know whether a home can grow; without it, it stays as large as it is"
    yield Permission("get", "storageclasses", None, reads, group=STORAGE, needed=False)
