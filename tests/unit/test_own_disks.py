"""Disks of people's own: what is asked for in every spelling, and where it comes into the pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from kubernetes_asyncio.client.models import V1Container, V1VolumeMount

from jhkube.options_form.choice import available_for
from jhkube.options_form.chosen import chosen, nearest_choice
from jhkube.options_form.disks import read_disks
from jhkube.options_form.form import options_from_form, render
from jhkube.options_form.links import check_link
from jhkube.options_form.option_values import OptionError
from jhkube.own_disks import OwnDisk
from jhkube.pod.mounts import own_disk_parts
from jhkube.pod.parts import ChoiceConflict
from tests.unit.pod_security import serialized
from tests.unit.test_kubeflow import json_values

CLAIMS = ("disk-ada--data", "claim-ada")
AVAILABLE = available_for((), None, (), disks=CLAIMS)


@pytest.mark.parametrize(
    ("asked", "disk"),
    [
        ({"name": "disk-ada--data"}, OwnDisk("disk-ada--data", "/disks/data")),
        ("disk-ada--data", OwnDisk("disk-ada--data", "/disks/data")),
        ("claim-ada", OwnDisk("claim-ada", "/disks/claim-ada")),
        ("claim-ada:~/old/", OwnDisk("claim-ada", "~/old")),
        ("claim-ada:/mnt/old:ro", OwnDisk("claim-ada", "/mnt/old", read_only=True)),
        ("claim-ada:ro", OwnDisk("claim-ada", "/disks/claim-ada", read_only=True)),
        ({"name": "claim-ada", "path": "~/.cache", "read_only": True}, OwnDisk("claim-ada", "~/.cache", True)),
        ({"name": "claim-ada", "path": None, "read_only": None}, OwnDisk("claim-ada", "/disks/claim-ada")),
    ],
)
def test_a_disk_is_chosen_by_its_name_and_may_have_a_path(asked: Any, disk: OwnDisk) -> None:
    choice = chosen({"disks": [asked]}, AVAILABLE)
    assert choice.disks == (disk,)
    # What the hub remembers is the same choice at the next start.
    assert chosen(choice.to_options(), AVAILABLE).disks == (disk,)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("data", "The disks should be a list"),
        ([1], "A disk should be an object"),
        ([{"name": "claim-ada", "mount": "/x"}], "no field 'mount'"),
        ([{"path": "/x"}], "You have no disk ''"),
        (["claim-eve"], "You have no disk 'claim-eve'. Did you mean 'claim-ada'?"),
        ([{"name": "claim-ada", "path": 1}], "should be a text"),
        ([{"name": "claim-ada", "read_only": "yes"}], "should be true or false"),
        (["claim-ada", "claim-ada:~/x"], "The disk 'claim-ada' is chosen twice"),
        (["claim-ada:/x", "disk-ada--data:/x/"], "The path '/x' is chosen twice"),
        (["claim-ada"] * 11, "A server can mount 10 disks"),
        *(
            ([{"name": "claim-ada", "path": path}], "cannot be the place of a disk")
            for path in ("", "/", "~", "data", "/a/../b", "/a//b", "~/..", "/a:b", "/a\n", "~eve/x", "/etc", "/usr/x")
        ),
        ([{"name": "claim-ada", "path": "/secrets/x"}], "there is the system of your server"),
    ],
)
def test_what_cannot_be_mounted_is_refused_in_a_sentence(asked: Any, says: str) -> None:
    with pytest.raises(OptionError) as refused:
        chosen({"disks": asked}, AVAILABLE)
    assert (refused.value.field, says in refused.value.message) == ("disks", True), refused.value.message
    assert refused.value.message.endswith((".", "?"))


def test_where_the_operator_does_not_allow_it_no_disk_is_mounted() -> None:
    assert read_disks({"disks": []}, None) == ()
    with pytest.raises(OptionError, match="cannot be mounted on this hub"):
        read_disks({"disks": ["claim-ada"]}, None)
    with pytest.raises(OptionError, match="Make it in My servers"):
        read_disks({"disks": ["claim-ada"]}, ())


@given(json_values)
def test_any_json_is_disks_or_a_sentence(asked: Any) -> None:
    disks: tuple[OwnDisk, ...] = ()
    try:
        disks = read_disks({"disks": asked}, CLAIMS)
    except OptionError as error:
        said = error.message
    else:
        said = "Done."
    assert said.endswith((".", "?"))
    assert {each.claim for each in disks} <= set(CLAIMS)


def test_a_disk_that_is_gone_is_left_out_of_the_next_form_and_said() -> None:
    options = {"disks": ["claim-ada:~/old", {"name": "gone"}]}
    choice, gone = nearest_choice(options, AVAILABLE)
    assert (choice.disks, gone["disks"]) == ((OwnDisk("claim-ada", "~/old"),), "gone")


def test_the_form_has_a_box_for_each_disk_and_keeps_its_place() -> None:
    page = render(AVAILABLE, {"disks": ["claim-ada:~/old"]}, now=0.0)
    assert 'value="claim-ada:~/old"' in page
    assert 'value="disk-ada--data:/disks/data"' in page
    assert "It is mounted at ~/old." in page
    sent = options_from_form({"profile": ["lab"], "disks": ["", "claim-ada:~/old"]})
    assert chosen(sent, AVAILABLE).disks == (OwnDisk("claim-ada", "~/old"),)
    assert 'name="disks"' not in render(available_for((), None, ()), None, now=0.0)


@pytest.mark.parametrize("field", ["disks", "secrets"])
def test_what_is_gone_is_said_even_if_it_was_the_last(field: str) -> None:
    none = available_for((), None, (), disks=(), secrets=())
    assert f'name="{field}"' not in render(none, None, now=0.0)
    page = render(none, {field: ["gone"]}, now=0.0)
    assert "Some of what you chose last time is not available any more." in page
    refused = render(none, {field: ["gone"]}, now=0.0, errors=[OptionError(field, "It is gone.")])
    assert '<p class="jhkube-error"' in refused
    assert f'<input type="hidden" name="{field}" value="">' in refused


def test_a_link_starts_no_server_with_a_disk() -> None:
    with pytest.raises(OptionError, match="your disk claim-ada"):
        check_link(chosen({"disks": ["claim-ada"]}, AVAILABLE), AVAILABLE)


def test_a_disk_is_a_volume_and_a_mount() -> None:
    disks = [OwnDisk("claim-ada", "~/old", read_only=True), OwnDisk("disk-ada--data", "/disks/data")]
    parts = own_disk_parts(disks, "/home/ada", V1Container(name="notebook"))
    assert serialized(list(parts.volumes)) == [
        {"name": "jhkube-disk-0", "persistentVolumeClaim": {"claimName": "claim-ada", "readOnly": True}},
        {"name": "jhkube-disk-1", "persistentVolumeClaim": {"claimName": "disk-ada--data"}},
    ]
    assert serialized(list(parts.volume_mounts)) == [
        {"name": "jhkube-disk-0", "mountPath": "/home/ada/old", "readOnly": True},
        {"name": "jhkube-disk-1", "mountPath": "/disks/data"},
    ]


@pytest.mark.parametrize("path", ["/home/ada", "/data/survey"])
def test_nothing_of_the_server_is_hidden_by_a_disk(path: str) -> None:
    container = V1Container(name="notebook", volume_mounts=[V1VolumeMount(name="x", mount_path="/data/survey/")])
    with pytest.raises(ChoiceConflict, match=f"cannot be mounted at {path}: something else is there"):
        own_disk_parts([OwnDisk("claim-ada", path)], "/home/ada", container)
