"""The workflows for GitHub Actions: well-formed, and about what is there."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from devcluster.settings import Settings
from jhkube import __version__

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
LINTER = Path(__file__).with_name("lint_workflows.mjs")


def findings(*workflows):
    modules = Settings.load().cache / "node_modules"
    done = subprocess.run(["node", LINTER, modules, *workflows], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def test_workflow():
    return yaml.safe_load((FOLDER / "test.yml").read_text())


def test_actionlint_finds_nothing():
    assert findings(*FOLDER.glob("*.yml")) == []


def test_actionlint_would_find_something(tmp_path):
    spoilt = tmp_path / "spoilt.yml"
    spoilt.write_text((FOLDER / "release.yml").read_text().replace("needs: tag", "needs: tga"))
    assert [each["kind"] for each in findings(spoilt)] == ["job-needs"]


def test_the_matrix_begins_with_the_oldest_versions_that_are_supported(test_workflow):
    matrix = test_workflow["jobs"]["versions"]["strategy"]["matrix"]
    project = (ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={matrix["python"][0]}"' in project
    assert f'"jupyterhub>={matrix["jupyterhub"][0].removesuffix(".*")},' in project


def test_what_its_steps_run_is_there(test_workflow):
    steps = [step.get("run", "") for job in test_workflow["jobs"].values() for step in job["steps"]]
    named = {path for run in steps for path in re.findall(r"(?:tests/\w+|\.ci/\w+)", run)}
    assert {"tests/unit", "tests/contract", "tests/hub", "tests/registry", ".ci/run"} == named
    assert all((ROOT / path).exists() for path in named)


def test_only_the_tag_of_the_version_becomes_a_release(tmp_path):
    steps = yaml.safe_load((FOLDER / "release.yml").read_text())["jobs"]["tag"]["steps"]
    of_version, of_changelog = (step["run"] for step in steps if "run" in step)

    def status(command, tag):
        environ = {"GITHUB_REF_NAME": tag, "PATH": os.environ["PATH"]}
        return subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environ).returncode

    (tmp_path / "jhkube").mkdir()
    (tmp_path / "jhkube" / "_version.py").write_text((ROOT / "jhkube" / "_version.py").read_text())
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__} (2026-12-01)\n")
    assert [status(command, f"v{__version__}") for command in (of_version, of_changelog)] == [0, 0]
    assert [status(command, "v99.0") for command in (of_version, of_changelog)] == [1, 1]
