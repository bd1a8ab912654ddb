"""The Secret of a spawn: what it holds, whose it is, and that nothing shows it."""

from __future__ import annotations

import base64
import logging
import pprint

import pytest
from kubernetes_asyncio.client.models import V1ObjectMeta, V1Pod, V1Secret

from jhkube.pod.secret import SecretFiles, quiet_secret, secret_manifest, secret_parts, secret_patch
from tests.unit.pod_security import serialized

TOKEN = "gho_verysecret"
FILES = SecretFiles({"gitconfig": "[user]\n", "token-github.com": TOKEN}, private=frozenset({"token-github.com"}))
POD = V1Pod(
    metadata=V1ObjectMeta(
        name="jupyter-ada",
        uid="0-1",
        labels={"component": "x", "group.jhkube/astro": "yes"},
        annotations={"jhkube/subject": "github:1", "jhkube/size": "small"},
    )
)


def test_the_pod_owns_it() -> None:
    (owner,) = serialized(secret_manifest(POD, FILES))["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "jupyter-ada",
        "uid": "0-1",
        "blockOwnerDeletion": False,
        "controller": True,
    }


def test_a_pod_that_does_not_exist_owns_nothing() -> None:
    with pytest.raises(ValueError, match="no uid yet"):
        secret_manifest(V1Pod(metadata=V1ObjectMeta(name="jupyter-ada")), FILES)


def test_it_holds_the_files() -> None:
    data = serialized(secret_manifest(POD, FILES))["data"]
    assert {name: base64.b64decode(text).decode() for name, text in data.items()} == dict(FILES.contents)
    patch = secret_patch(FILES, "0-1")
    assert {each["path"]: each["value"] for each in patch if each["op"] == "add"} == {
        f"/data/{name}": text for name, text in data.items()
    }


def test_it_says_whom_it_was_made_for() -> None:
    metadata = serialized(secret_manifest(POD, FILES))["metadata"]
    assert metadata["annotations"] == {"jhkube/subject": "github:1"}
    assert metadata["labels"] == {"component": "x"}


def test_a_patch_is_refused_where_the_secret_of_the_name_is_another_pods() -> None:
    test, *_ = secret_patch(FILES, "0-1")
    assert test == {"op": "test", "path": "/metadata/ownerReferences/0/uid", "value": "0-1"}


def test_nothing_that_prints_it_shows_what_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    manifest = secret_manifest(POD, FILES)
    logging.getLogger("x").error("failed: %s %r", manifest, FILES)
    seen = [
        caplog.text,
        repr(manifest),
        str(manifest),
        f"{manifest}",
        pprint.pformat(manifest),
        repr(FILES),
        str(FILES),
    ]
    assert "jupyter-ada.jhkube" in caplog.text
    for text in seen:
        assert TOKEN not in text
        assert base64.b64encode(TOKEN.encode()).decode() not in text


def test_the_mount_is_a_folder_so_that_kubelet_refreshes_it() -> None:
    parts = secret_parts("jupyter-ada.jhkube", FILES)
    (mount,) = parts.volume_mounts
    assert (mount.mount_path, mount.sub_path, mount.read_only) == ("/etc/jhkube", None, True)
    modes = {item["key"]: item["mode"] for item in serialized(parts.volumes[0])["secret"]["items"]}
    assert modes == {"gitconfig": 0o444, "token-github.com": 0o400}


@pytest.mark.parametrize("name", ["", "..data", "a/b", "a:b", "a b", "x" * 254])
def test_a_name_that_a_secret_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        SecretFiles({name: ""})


def test_without_an_fs_group_the_user_can_read_all_files() -> None:
    parts = secret_parts("jupyter-ada.jhkube", FILES, has_fs_group=False)
    assert {item["mode"] for item in serialized(parts.volumes[0])["secret"]["items"]} == {0o444}


def test_the_files_of_two_are_together_and_stay_private() -> None:
    both = FILES | SecretFiles({"token-b": "other"}, private=frozenset({"token-b"}))
    assert both.contents == {**FILES.contents, "token-b": "other"}
    assert both.private == {"token-github.com", "token-b"}


def test_a_secret_that_others_made_is_as_quiet() -> None:
    made = V1Secret(metadata=V1ObjectMeta(name="theirs"), string_data={"token": TOKEN}, type="Opaque")
    quiet = quiet_secret(made)
    assert TOKEN not in repr(quiet)
    assert "theirs" in repr(quiet)
    assert "'token'" in repr(quiet)
    assert serialized(quiet) == serialized(made)


def test_two_files_of_one_name_are_refused_unseen() -> None:
    with pytest.raises(ValueError, match="two contents") as refused:
        FILES | SecretFiles({"token-github.com": "other"})
    assert TOKEN not in str(refused.value)


def test_a_secret_has_the_labels_of_its_pod_but_for_those_of_groups() -> None:
    # A hub selects by the others; whoever may list Secrets need not read who is in which group.
    assert secret_manifest(POD, SecretFiles({})).metadata.labels == {"component": "x"}
    bare = V1Pod(metadata=V1ObjectMeta(name="jupyter-ada", uid="0-1"))
    assert secret_manifest(bare, SecretFiles({})).metadata.labels == {}
