"""What accounts that are not the hub's own must be allowed: that of the service "My servers", and the operator's."""

from __future__ import annotations

from jhkube.checks.roles import METRICS, REVIEW, STORAGE, Permission

__all__ = ["operator_permissions", "service_permissions"]


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
        Permission("create", "secrets", where, "make a secret for its owner"),
        Permission("delete", "secrets", where, "delete a secret for its owner"),
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
        Permission("delete", claims, where, "delete a disk for its owner"),
        Permission("list", "storageclasses", None, "know which disks can grow", group=STORAGE),
        *([Permission("create", claims, where, "make a disk without a server (ownDisks)")] if own_disks else ()),
        *([REVIEW] if reviews_rights else ()),
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
