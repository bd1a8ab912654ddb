"""The Lease of a home as a value: what a home is, what another hub reads, and for how long a start has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jhkube.identity import UserIdentity
from jhkube.pod.home import parse_home
from jhkube.pod.home_lease import (
    RESERVED_FOR,
    HomeLease,
    HomePod,
    home_key,
    lease_manifest,
    lease_name,
    parse_lease,
)

ADA = UserIdentity("ada", 7001, 7001, "github:1")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
START = HomePod("labs", "jupyter-a-ada")
POD = replace(START, uid="0-1")
NEW = HomeLease(name="jhkube-home-1", home="claim/labs/claim-ada", subject="github:1", hub="a", pods=frozenset())
NFS = {"server": "files.example.org", "path": "/export/home"}


@pytest.mark.parametrize(
    ("home", "key"),
    [
        (parse_home("pvc"), "claim/labs/claim-ada"),
        (parse_home("pvc", sub_path="home"), "claim/labs/claim-ada"),
        (parse_home("shared-pvc", claim="homes"), "claim/labs/homes/ada"),
        (parse_home("nfs", nfs=NFS), "nfs/files.example.org/export/home/ada"),
        # Its claim has another name in each namespace.
        (parse_home("nfs", nfs=NFS | {"mount_options": ["nfsvers=4.1"]}), "nfs/files.example.org/export/home/ada"),
    ],
)
def test_a_home_is_called_the_same_on_every_hub(home, key):
    assert home_key(home, ADA, "labs", "claim-ada") == key
    assert lease_name(key) != lease_name(key + "l")


def read_again(lease):
    manifest = lease_manifest(lease)
    manifest["metadata"]["resourceVersion"] = lease.version or "1"
    return parse_lease(manifest)


def test_what_is_written_is_read_by_another_hub():
    lease = NEW.taken("a", POD, [replace(POD, name="jupyter-a-ada--second", uid="0-2")], NOW)
    assert read_again(lease) == replace(lease, version="1")
    spec = lease_manifest(lease)["spec"]
    assert (spec["holderIdentity"], spec["renewTime"]) == ("a", "2026-11-30T12:00:00.000000Z")


def test_a_start_has_the_home_for_a_time_and_its_pod_for_as_long_as_it_is_there():
    start = NEW.taken("a", START, (), NOW)
    assert start.is_reserved(NOW + RESERVED_FOR - timedelta(seconds=1))
    assert not start.is_reserved(NOW + RESERVED_FOR)
    made = start.taken("a", POD, [START], NOW)
    assert made.pods == {POD}
    assert not made.is_reserved(NOW)


def test_a_pod_of_the_same_name_from_before_stays_named_while_it_is_there():
    made = NEW.taken("a", POD, (), NOW)
    again = made.taken("a", START, [POD], NOW)
    assert again.pods == {POD, START}
    assert (again.transitions, again.taken("b", START, (), NOW).transitions) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {}}},
        {"metadata": {"annotations": {"jhkube/home-pods": "{"}}},
        {"metadata": {"annotations": {"jhkube/home-pods": '[["labs"]]'}}},
        {"metadata": {"annotations": {"jhkube/home-pods": "[" * 100_000}}},
        {"spec": {"renewTime": "yesterday"}},
        {"spec": {"holderIdentity": None, "renewTime": None}},
    ],
)
def test_a_lease_that_says_nothing_leaves_no_home_free(change):
    manifest = lease_manifest(NEW.taken("a", POD, (), NOW))
    for part, fields in change.items():
        manifest[part] = manifest[part] | fields
    with pytest.raises(ValueError, match="jhkube-home-1 was not written by jhkube"):
        parse_lease(manifest)
