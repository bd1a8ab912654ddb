"""What images are built from: pinned packages, what a build may see, and how the image says what it is."""

import re
import tomllib

import pytest

from devcluster.images import ROOT, builds

IMAGES = ROOT / "images"
LOCKS = ["hub/requirements.txt", "hub/build-requirements.txt", "lab/requirements.txt"]
DOCKERFILES = sorted(IMAGES.glob("*/Dockerfile"))

LABELS = {
    *("created", "authors", "url", "documentation", "source", "version", "revision", "vendor", "licenses"),
    *("ref.name", "title", "description", "base.digest", "base.name"),
}
"""The keys that the OCI image spec knows, below org.opencontainers.image (annotations.md)."""


def pins(lock):
    """Return the version of each package of a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) (?:; .* )?\\$", (IMAGES / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_an_image_has_a_version_and_hashes(lock):
    lines = [line for line in (IMAGES / lock).read_text().splitlines() if not re.match(r"\s*#", line)]
    package, hashed = r"[a-z0-9-]+==\S+ (; .* )?\\", r"    --hash=sha256:[0-9a-f]{64}( \\)?"
    assert all(re.fullmatch(f"{package}|{hashed}", line) for line in lines)
    assert pins(lock)


def wanted(file):
    """Return the packages that a file asks for."""
    lines = [line for line in (IMAGES / file).read_text().splitlines() if re.match(r"\w", line)]
    return {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in lines}


def test_the_hubs_lock_has_what_jhkube_and_the_chart_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in project}
    assert names | wanted("hub/requirements.in") <= pins("hub/requirements.txt").keys()


def test_the_labs_lock_has_what_the_lab_is_made_of():
    assert wanted("lab/requirements.in") <= pins("lab/requirements.txt").keys()


def test_builds_see_what_goes_into_them_and_no_more():
    """Those whose context is the checkout: each sees what any of them takes."""
    wide = [build for build in builds() if build.context == ROOT]
    taken = {source for build in wide for source in (*build.sources, str(build.folder.relative_to(ROOT)))}
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(allowed) == sorted(taken - {".dockerignore"})


def test_no_build_sees_what_python_has_left():
    """BuildKit would give such a folder the mode of the files, so that nobody but root could look into it."""
    contexts = {build.context for build in builds() if list(build.folder.rglob("*.py")) or build.sources}
    assert contexts == {ROOT, ROOT / "images" / "lab"}
    for context in contexts:
        assert "**/__pycache__" in (context / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_build_names_the_registry_of_what_it_begins_with(path):
    """Podman and Buildah know no registry for a short name unless the machine has one configured."""
    text = path.read_text()
    begins = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)
    (base,) = {each for each in begins if each not in stages}
    if base == "${BASE}":
        base = re.search(r"^ARG BASE=(\S+)$", text, re.MULTILINE)[1]
    assert base == "docker.io/library/debian:bookworm-slim"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_says_what_it_is_by_the_labels_of_the_oci_spec(path):
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', path.read_text()))
    assert {"title", "description", "version", "licenses"} <= labels.keys() <= LABELS
    assert all(labels.values())


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_runs_as_a_number_that_is_not_root(path):
    """By number, so that kubelet can tell for `runAsNonRoot`."""
    assert int(re.findall(r"^USER (\d+)", path.read_text(), re.MULTILINE)[-1]) > 0
