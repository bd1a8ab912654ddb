"""What an image says of itself: whole and odd manifests, configurations and times, as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jhkube.images.details import (
    MAX_TEXT,
    ImageDetails,
    described_config,
    instant_of,
    platform_digests,
    read_details,
)

LARGEST = 2**63 - 1  # int64, as the OCI specification says of sizes
LABEL = "org.opencontainers.image."


def child(digest: Any, system: Any = "linux", architecture: Any = "amd64", **more: Any) -> dict[str, Any]:
    return {"digest": digest, "platform": {"os": system, "architecture": architecture, **more}}


def test_an_index_names_its_platforms_and_what_is_no_image_is_left_out() -> None:
    children = [
        child("sha256:a"),
        child("sha256:b", architecture="arm", variant="v7"),
        child("sha256:attestation", "unknown", "unknown"),
        child(7),
        child(None),
        child("sha256:c", system=None),
        child("sha256:d", architecture=["amd64"]),
        {"digest": "sha256:e"},
        {"digest": "sha256:f", "platform": "linux/amd64"},
        *("odd", None, []),
        child("sha256:g", architecture="x" * 600),
        child("sha256:h", architecture="\ud800"),
    ]
    assert platform_digests({"manifests": children}) == [
        ("linux/amd64", "sha256:a"),
        ("linux/arm", "sha256:b"),
        (f"linux/{'x' * (MAX_TEXT - 6)}", "sha256:g"),
        ("linux/?", "sha256:h"),
    ]
    assert platform_digests({"manifests": []}) == []
    assert [platform_digests(manifest) for manifest in ({}, {"manifests": {}}, {"layers": []})] == [None] * 3


@pytest.mark.parametrize(
    ("manifest", "digest"),
    [
        ({"config": {"digest": "sha256:a"}}, "sha256:a"),
        ({"config": {"digest": 7}}, None),
        ({"config": {}}, None),
        ({"config": ["sha256:a"]}, None),
        ({}, None),
    ],
)
def test_a_manifest_says_where_its_configuration_is(manifest: dict[str, Any], digest: str | None) -> None:
    assert described_config(manifest) == digest


def test_an_image_is_described_by_its_labels_then_by_annotations() -> None:
    config = {
        "created": "2026-11-20T10:00:00Z",
        "architecture": "arm64",
        "config": {"Labels": {f"{LABEL}title": " The \n lab ", f"{LABEL}version": "  ", "other": "x"}},
    }
    manifest = {
        "config": {"size": 1},
        "layers": [{"size": 20}, {"size": 300}],
        "annotations": {f"{LABEL}title": "not this", f"{LABEL}version": 3, f"{LABEL}description": "d" * 600},
    }
    index = {
        "manifests": [child("sha256:a"), child("sha256:b", architecture="arm64"), child("sha256:c", "windows")],
        "annotations": {f"{LABEL}version": "1.2", f"{LABEL}description": "not this"},
    }
    whole = ImageDetails(
        created=datetime(2026, 11, 20, 10, tzinfo=UTC),
        size=321,
        title="The lab",
        description="d" * MAX_TEXT,
        version="1.2",
        architectures=("amd64", "arm64"),
    )
    assert read_details(config, manifest, index) == whole
    alone = read_details(config, manifest)
    assert (alone.version, alone.architectures) == ("", ("arm64",))


@pytest.mark.parametrize("config", [None, "odd", [], {"config": 3, "architecture": 7, "created": 4}, {"config": {}}])
@pytest.mark.parametrize("manifest", [{}, {"config": 3, "layers": {"size": 4}, "annotations": []}])
def test_what_says_nothing_has_no_details(config: Any, manifest: dict[str, Any]) -> None:
    assert read_details(config, manifest) == ImageDetails()
    assert read_details(config, manifest, {"manifests": "odd", "annotations": None}) == ImageDetails()


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([5, 0, 7], 12),
        ([True, "5", 1.5, None, -4, 3], 3),
        ([LARGEST, 1], LARGEST),
        ([LARGEST + 1, 2], 2),
    ],
)
def test_a_size_is_the_sum_of_what_can_be_one(sizes: list[Any], size: int) -> None:
    layers = [*({"size": each} for each in sizes), "odd"]
    assert read_details({}, {"layers": layers}).size == size


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T12:00:00+02:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)),
        ("1981-01-01T00:00:00Z", datetime(1981, 1, 1, tzinfo=UTC)),
        ("1980-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", None),
        *(("yesterday", None), ("", None), (None, None), (1_795_000_000, None), (["2026-11-20"], None)),
    ],
)
def test_a_time_is_read_or_is_none(text: Any, instant: datetime | None) -> None:
    found = instant_of(text)
    assert found == instant
    assert found is None or found.tzinfo is UTC
