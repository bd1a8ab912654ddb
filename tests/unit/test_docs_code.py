"""The documentation's code: every command is run by a test or says why not, every other block is well-formed."""

import ast
import configparser
import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jhkube.checks.configured import load_configuration
from tests.hubs import CONFIG
from tests.pages import ROOT, Block, all_blocks

CONSOLES = all_blocks("console")
MARK = re.compile(
    r"run|run on the cluster|run in a lab|not run: (?P<reason>\S.*\.)|run by (?P<file>tests/\S+\.py)::(?P<test>\w+)"
)


def each(blocks):
    return pytest.mark.parametrize("block", blocks, ids=map(str, blocks))


def test_a_console_is_written_as_one():
    assert [str(block) for block in all_blocks("bash", "sh", "shell", "{code-block} console")] == []
    assert all(block.code.startswith("$ ") for block in CONSOLES)


@each([*CONSOLES, *(block for block in all_blocks("python") if block.mark)])
def test_it_is_run_or_says_why_not(block):
    mark = MARK.fullmatch(block.mark)
    assert mark, f"{block} needs a mark before it, such as <!-- run --> (see tests/pages.py), not: {block.mark!r}"
    if mark["file"]:
        tree = ast.parse((ROOT / mark["file"]).read_text("utf-8"))
        assert mark["test"] in {getattr(node, "name", "") for node in ast.walk(tree)}, f"{block} names no test"


RUN = [block for block in CONSOLES if block.mark == "run"]


@each(RUN)
def test_its_commands_run(block, tmp_path, monkeypatch):
    """Run the commands in one shell; with variables of the hub's, the sample configuration then loads."""
    marker = "-- next --"
    script = "".join(f"{command}\necho '{marker}'\n" for command, _ in block.commands)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JHKUBE_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{script}env -0 >environment"],
        cwd=tmp_path,
        env={**clean, "PATH": path, "JHKUBE_DATA_DIR": str(tmp_path), "OLD_KEY": "0" * 64},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for (command, expected), printed in zip(block.commands, done.stdout.split(f"{marker}\n"), strict=False):
        assert not expected or printed == expected, command
    if re.search(r"^\$ export (JHKUBE|GITHUB|CILOGON|OAUTH|JUPYTERHUB)_", block.code, re.MULTILINE):
        for name in os.environ.keys() - clean.keys():
            monkeypatch.delenv(name)
        for line in (tmp_path / "environment").read_text().split("\0"):
            monkeypatch.setenv(*line.split("=", 1)) if line else None
        assert load_configuration(CONFIG).JupyterHub.spawner_class == "jhkube"


@each([block for block in all_blocks("python") if ">>>" in block.code])
def test_its_examples_of_python_give_what_they_say(block):
    examples = doctest.DocTestParser().get_doctest(block.code, {}, str(block), str(block.page), block.line)
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0


@each([block for block in all_blocks("python") if ">>>" not in block.code])
def test_python_configures_or_is_run(block):
    compile(block.code, str(block), "exec")
    assert re.search(r"^c\.", block.code, re.MULTILINE) or block.mark, f"{block}: nothing loads it; it needs a mark"


@each(all_blocks("yaml", "json", "ini"))
def test_data_is_well_formed(block):
    read = {
        "yaml": lambda text: list(yaml.safe_load_all(text)),
        "json": json.loads,
        "ini": lambda text: configparser.ConfigParser(allow_no_value=True, strict=False).read_string(text),
    }
    read[block.language](block.code)


def test_a_command_has_its_output_and_goes_on_after_a_backslash():
    block = Block(ROOT, 1, "console", "$ a \\\n    -b\nout\n$ c\n", "")
    assert block.commands == [("a \\\n    -b", "out\n"), ("c", "")]
