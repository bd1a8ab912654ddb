"""Pure modules: both tools that watch them, import-linter and ruff, watch the same ones."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
PURE = next(contract for contract in CONTRACTS if contract.get("id") == "pure")["source_modules"]
CLOCK = "from datetime import datetime\n\nNOW = datetime.now()\n"


def files_of(module: str) -> list[Path]:
    path = ROOT / module.replace(".", "/")
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def findings(path: Path) -> str:
    """Return what ruff says of a file of that name which reads the clock."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select=TID251",
        f"--stdin-filename={path}",
        "-",
    ]
    return subprocess.run(command, input=CLOCK, capture_output=True, text=True, cwd=ROOT, check=False).stdout


@pytest.mark.parametrize("path", [path for module in PURE for path in files_of(module)], ids=lambda path: path.name)
def test_a_pure_module_that_reads_the_clock_is_told(path: Path) -> None:
    assert path.exists()
    assert "A pure module is told the time" in findings(path)


def test_any_other_module_may_read_the_clock() -> None:
    assert findings(ROOT / "jhkube" / "images" / "menu_source.py") == "All checks passed!\n"
