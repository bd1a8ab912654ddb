"""The names that others may rely on: those that the package's docstring lists."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest

import jhkube

NAMES = re.findall(r"^``(jhkube\.[\w.]+)`` +(\S.*)$", jhkube.__doc__ or "", re.MULTILINE)


def test_there_are_some_with_a_line_each() -> None:
    assert 10 <= len(NAMES) <= 16
    assert len({name for name, _ in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_each_name_is_there(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute) is not None


def test_all_has_the_modules_of_the_names() -> None:
    assert set(jhkube.__all__) == {name.split(".")[1] for name, _ in NAMES}


def test_the_package_itself_loads_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import jhkube; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jhkube", "jhkube._version"]
