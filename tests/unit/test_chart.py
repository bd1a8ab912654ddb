"""What an operator of z2jh is given: the hub's image is pinned."""

import re
import tomllib

import pytest

from devcluster.images import ROOT, builds

HUB_IMAGE = ROOT / "images" / "hub"


def pins(lock):
    """Return the version of each package of a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (HUB_IMAGE / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", ["requirements.txt", "build-requirements.txt"])
def test_every_package_of_the_hubs_image_has_a_version_and_hashes(lock):
    lines = [line for line in (HUB_IMAGE / lock).read_text().splitlines() if not re.match(r"\s*#", line)]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines)
    assert pins(lock)


def test_the_lock_has_what_jhkube_and_the_chart_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    chart = [line for line in (HUB_IMAGE / "requirements.in").read_text().splitlines() if re.match(r"\w", line)]
    names = {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in [*project, *chart]}
    assert names <= pins("requirements.txt").keys()


def test_the_hubs_build_sees_what_goes_into_it_and_no_more():
    (hub,) = (build for build in builds() if build.repository == "hub")
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(allowed) == sorted({*hub.sources, "images/hub"} - {".dockerignore"})
