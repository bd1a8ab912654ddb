"""How images and repositories are written, and what cannot be one."""

from __future__ import annotations

import pytest

from jhkube.images.image_name import (
    ATTACHED_TAG,
    NoSuchImage,
    full_name,
    is_image,
    is_repository,
    split_image,
    split_repository,
)
from jhkube.pod.build import ServerFacts, label_parts

SHA256, SHA512 = "sha256:" + "a" * 64, "sha512:" + "b" * 128


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("python", ("docker.io", "library/python", "latest")),
        ("docker.io/python:3.12", ("docker.io", "library/python", "3.12")),
        ("index.docker.io/python", ("docker.io", "library/python", "latest")),
        ("Registry.Example:5000/lab", ("registry.example:5000", "lab", "latest")),
        ("[::1]:5000/lab:x", ("[::1]:5000", "lab", "x")),
        (f"quay.io/lab@{SHA256}", ("quay.io", "lab", SHA256)),
        (f"quay.io/lab:tag@{SHA512}", ("quay.io", "lab", SHA512)),
    ],
)
def test_an_image_is_taken_apart_as_a_container_runtime_does(image: str, expected: tuple[str, str, str]) -> None:
    assert split_image(image) == expected


@pytest.mark.parametrize(
    "host",
    [
        "registry.example:99999",
        "registry.example:0",
        "a..b",
        ".a",
        "a.",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "[::::]",
        "[1.2.3.4]",
        "[::1",
        "::1",
    ],
)
def test_a_host_that_cannot_be_asked_is_no_image_and_no_repository(host: str) -> None:
    with pytest.raises(NoSuchImage, match="This is not an image"):
        split_image(f"{host}/x:tag")
    assert not is_repository(f"{host}/x")


def test_a_repository_of_docker_hub_is_asked_for_by_its_whole_name() -> None:
    assert split_repository("docker.io/python") == ("docker.io", "library/python")
    assert split_repository("docker.io/jupyter/lab") == ("docker.io", "jupyter/lab")
    assert split_repository("quay.io/python") == ("quay.io", "python")


def test_a_digest_of_512_bits_is_one_everywhere() -> None:
    assert is_image(f"quay.io/lab@{SHA512}")
    assert full_name(f"quay.io/lab@{SHA512}") == f"quay.io/lab@{SHA512}"
    assert label_parts(ServerFacts(image_digest=SHA512)).labels["jhkube/image-digest"] == "b" * 12


@pytest.mark.parametrize("end", ["", ".sig", ".att", ".sbom", ".cosign.bundle"])
def test_tags_of_signatures_are_known(end: str) -> None:
    assert ATTACHED_TAG.fullmatch(f"sha256-{'a' * 64}{end}")


@pytest.mark.parametrize("tag", ["sha256-abc1234", "sha-" + "a" * 40, "v1.sig", "sha256-" + "a" * 65])
def test_tags_of_commits_are_none_of_them(tag: str) -> None:
    assert not ATTACHED_TAG.fullmatch(tag)
