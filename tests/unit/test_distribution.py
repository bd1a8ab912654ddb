"""What is released: an sdist and a wheel that install and work with no checkout beside them."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from jhkube import __version__

ROOT = Path(__file__).parents[2]

CLONE_ONLY = (".ci/", ".github/", ".gitignore", ".pre-commit-config.yaml")
"""What git has and a release has not."""

STRAYS = (
    "docs/_build/html/index.html",
    "jhkube/__pycache__/cli.cpython-311.pyc",
    "jhkube/options_form/templates/form.html~",
    ".run/demo/hub.log",
    ".venv/pyvenv.cfg",
    "jupyterhub.sqlite",
)
"""Files of the kinds that lie about in a clone in which somebody works."""

LOOK = """
import importlib, json, pkgutil, sys
from importlib.metadata import distributions
import jhkube
for module in pkgutil.walk_packages(jhkube.__path__, "jhkube."):
    importlib.import_module(module.name)
(mine,) = [each for each in distributions(path=[sys.argv[1]]) if each.name == "jhkube"]
points = {f"{point.group}: {point.name}": point.load().__name__ for point in mine.entry_points}
print(json.dumps({"file": jhkube.__file__, "entry points": points}))
"""

RENDER_A_FORM = """
from jhkube.options_form import form
from jhkube.options_form.choice import available_for
from jhkube.options_form.sizes import parse_sizes
sizes = parse_sizes([{"name": "small", "cores": 1, "memory": "2G"}])
print(form.render(available_for((), None, sizes), None, now=0.0))
"""


def run(*command, cwd, **environ):
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def tracked():
    """What git has of the tree as it is."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tracked, tmp_path_factory):
    """The folder with the sdist, and with the wheel that was built from the sdist."""
    tree, dist = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in tracked:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    for name in STRAYS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("stray")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, tree, cwd=tree)
    return dist


@pytest.fixture(scope="module")
def clean(built, tmp_path_factory):
    """Python and site-packages of an environment with the wheel, and with what it depends on from the tests' own."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    (wheel,) = built.glob("*.whl")
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path alone: the .pth files in there, such as the one that leads to this clone, are not read.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python, site


def test_the_sdist_is_what_git_has(built, tracked):
    with tarfile.open(built / f"jhkube-{__version__}.tar.gz") as archive:
        inside = {member.name.partition("/")[2] for member in archive if member.isfile()}
    generated = {name for name in inside if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
    assert inside - generated == {name for name in tracked if not name.startswith(CLONE_ONLY)}


def test_the_wheel_is_the_package_alone(built, tracked):
    with zipfile.ZipFile(built / f"jhkube-{__version__}-py3-none-any.whl") as archive:
        inside = set(archive.namelist())
        about = f"jhkube-{__version__}.dist-info/"
        metadata = archive.read(f"{about}METADATA").decode()
    assert {name for name in inside if not name.startswith(about)} == {n for n in tracked if n.startswith("jhkube/")}
    assert f"{about}licenses/LICENSE" in inside
    assert "Requires-Python: >=3.11" in metadata


def test_everything_of_it_imports_with_no_checkout_beside(clean, tmp_path):
    python, site = clean
    seen = json.loads(run(python, "-c", LOOK, site, cwd=tmp_path))
    assert seen["file"] == str(site / "jhkube" / "__init__.py")
    assert seen["entry points"] == {
        "console_scripts: jhkube": "main",
        "jupyterhub.authenticators: jhkube-cilogon": "CILogonGroupAuthenticator",
        "jupyterhub.authenticators: jhkube-github": "GitHubOrgAuthenticator",
        "jupyterhub.authenticators: jhkube-oidc": "OIDCOrgAuthenticator",
        "jupyterhub.spawners: jhkube": "JHKubeSpawner",
    }


def test_its_form_has_its_templates_and_its_style(clean, tmp_path):
    form = run(clean[0], "-c", RENDER_A_FORM, cwd=tmp_path)
    assert 'name="size"' in form
    assert ".jhkube-choice" in form


def test_its_command_runs(clean, tmp_path):
    command = clean[0].with_name("jhkube")
    assert run(command, "--version", cwd=tmp_path) == f"jhkube {__version__}\n"
