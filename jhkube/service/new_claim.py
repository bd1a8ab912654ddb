# mypy: allow-untyped-calls
"""A disk that somebody asks for alone, with no server: what it may be, and the claim that it becomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from kubespawner.slugs import is_valid_label, safe_slug

from jhkube.identity import SUBJECT_ANNOTATION
from jhkube.pod.limits import memory_text, parse_quantity, parse_storage
from jhkube.pod.volume_claims import ALONE_ANNOTATION
from jhkube.service.ownership import Object, is_made_alone
from jhkube.service.refusals import Refusal

__all__ = ["check_new_claim", "claim_name", "new_claim", "user_label"]

HUB = "hub.jupyter.org"
"""What KubeSpawner's labels and annotations begin with."""


def user_label(user: str) -> str:
    """Return the value of the label that KubeSpawner gives to what it makes for somebody."""
    return str(safe_slug(user, is_valid=is_valid_label))


def claim_name(user: str, wanted: str, *, own_namespace: bool) -> str:
    """Return what a disk is called: in a namespace of several people it has its person's name in it.

    Nobody can take a name then that another person's disk is to have.

    Examples
    --------
    >>> claim_name("ada", "data", own_namespace=False), claim_name("ada", "data", own_namespace=True)
    ('disk-ada--data', 'data')
    """
    return wanted if own_namespace else f"disk-{safe_slug(user)}--{wanted}"


def check_new_claim(claims: Collection[Object], size: str, *, most: int, largest: str) -> None:
    """Return where one more disk of this size can be made.

    Parameters
    ----------
    claims
        All disks of the person.
    size
        What is asked for, as Kubernetes writes it.
    most
        How many disks of their own people may have; 0 for none.
    largest
        The largest that the operator allows.

    Raises
    ------
    Refusal
        Where it cannot.
    """
    if not most:
        raise Refusal(
            HTTPStatus.FORBIDDEN, "A disk is made with its server on this hub, not alone. Make a server instead."
        )
    if sum(map(is_made_alone, claims)) >= most:
        raise Refusal(HTTPStatus.CONFLICT, f"You may have {most} disks of your own. Delete one that you do not need.")
    try:
        asked = parse_storage(size)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A disk needs a size with a unit, such as 10Gi.", "size") from None
    if asked > parse_quantity(largest):
        text = memory_text(float(parse_quantity(largest)))
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The largest disk here is {text}. Choose less.", "size")


def new_claim(name: str, user: str, subject: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claim of a disk, which says whose it is, as all claims that are made for people do.

    Parameters
    ----------
    name
        The claim's.
    user
        Whose it is, by the hub's name.
    subject
        The provider's immutable id of them.
    asked
        The body, by the schema `MAKE_CLAIM`.
    """
    spec: dict[str, Any] = {
        "accessModes": [asked.get("access_mode", "ReadWriteOnce")],
        "resources": {"requests": {"storage": asked["size"]}},
    }
    if asked.get("storage_class"):
        spec["storageClassName"] = asked["storage_class"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "labels": {"app": "jupyterhub", "component": "own-disk", f"{HUB}/username": user_label(user)},
            "annotations": {f"{HUB}/username": user, SUBJECT_ANNOTATION: subject, ALONE_ANNOTATION: "true"},
        },
        "spec": spec,
    }
