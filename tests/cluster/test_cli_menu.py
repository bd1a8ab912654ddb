"""`jhkube menu`, asked as an operator would, against the registry."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hubs import CONFIG


@pytest.fixture
def menu(cluster, tmp_path):
    def run(*arguments, **environ):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("JHKUBE_")}
        return subprocess.run(
            [Path(sys.executable).parent / "jhkube", "menu", "--config", CONFIG, *arguments],
            env={
                **clean,
                "JHKUBE_REPOSITORIES": f"{cluster.registry}/lab",
                "JHKUBE_DATA_DIR": str(tmp_path),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_the_table_names_what_is_offered_and_how_it_was_found(menu, cluster):
    shown = menu("--group", "observatory")
    assert shown.returncode == 0, shown.stderr
    assert "Recommended (Weekly 2026, week 45" in shown.stdout
    assert "sha256:" in shown.stdout
    assert f"Asked {cluster.registry}/lab: " in shown.stdout
    assert "no requests" not in shown.stdout


def test_json_is_for_programs(menu):
    shown = json.loads(menu("--json").stdout)
    by_tag = {tag: image for image in shown["images"] for tag in image["tags"]}
    assert by_tag["recommended"]["default"]
    assert by_tag["recommended"]["reference"].endswith(":w_2026_45")
    assert "exp_w_2026_46_solver" not in by_tag
    everything = json.loads(menu("--json", "--all").stdout)
    assert "exp_w_2026_46_solver" in {tag for image in everything["images"] for tag in image["tags"]}


def test_a_registry_that_does_not_answer_is_exit_status_1(menu, cluster):
    shown = menu(JHKUBE_REPOSITORIES=f"{cluster.registry}/lab localhost:1/none")
    assert shown.returncode == 1
    assert "localhost:1 does not answer" in shown.stderr
    assert "Weekly 2026" in shown.stdout, "the other registry's images are shown"


def test_a_wrong_setting_is_exit_status_2_with_its_name(menu):
    shown = menu(JHKUBE_MENU_INTERVAL="soon")
    assert shown.returncode == 2
    assert "JHKUBE_MENU_INTERVAL" in shown.stderr
    assert "Traceback" not in shown.stderr
