"""What the hub and the tests run with, besides a cluster: virtual environments, npm packages, a browser."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devcluster import packages
from devcluster.commands import locked, output, run, succeeds, write
from devcluster.progress import step
from devcluster.settings import DevClusterError, Settings

__all__ = ["check_node", "node_modules", "virtual_environment"]

ROOT: Final = Path(__file__).parents[1]

NODE: Final = 20
"""The first Node.js that the hub's proxy runs on."""

INPUTS: Final = ("pyproject.toml", "setup.py", "jhkube/_version.py")
"""A change of one of these files installs anew."""


def virtual_environment(settings: Settings, folder: Path, requirements: Sequence[str]) -> None:
    """Make a virtual environment with these requirements, or bring it up to date; return at once if it is.

    `.` in a requirement is this project, installed so that its files stay where they are.
    """
    digest = hashlib.sha256(repr((list(requirements), sys.version_info[:3])).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    stamp, part = folder / "devcluster.stamp", folder / "devcluster.part"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    python, log = folder / "bin" / "python", settings.cache / "logs" / f"{folder.name.lstrip('.')}.log"
    with step(f"Making {folder.name}: {' '.join(requirements)}", 40):
        if part.exists() or not succeeds(python, "-m", "pip", "--version"):
            # An environment that was interrupted may be anything: start from an empty one.
            packages.new_environment(folder, log)
        part.touch()
        if not (folder / "bin" / "uv").exists():
            run(python, "-m", "pip", "install", "-q", "uv", log=log)
        editable = [word for each in requirements for word in (["-e", each] if each.startswith(".") else [each])]
        run(folder / "bin" / "uv", "pip", "install", "-q", "--python", python, *editable, log=log, cwd=ROOT)
        write(stamp, digest.hexdigest())
        part.unlink()


def check_node(version: str | None = None) -> None:
    """Refuse a machine whose Node.js the hub's proxy does not run on; `version` is what `node --version` prints."""
    version = output("node", "--version").strip() if version is None else version
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < NODE:
        found = f"this is {version}" if version else "there is none"
        raise DevClusterError(
            f"Node.js {NODE} or newer is needed for the hub's proxy, and {found}: install it from https://nodejs.org "
            "(Debian 12 has an older one)"
        )
    if not shutil.which("npm"):
        raise DevClusterError("npm is needed, and there is none: it comes with Node.js from https://nodejs.org")


def node_modules(settings: Settings) -> None:
    """Install the npm packages into the cache folder, where all clones find them; return at once if they are."""
    wanted = (Path(__file__).parent / "package.json").read_text()
    stamp = settings.cache / "node_modules" / "devcluster.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with locked(settings.cache / "npm.lock"), step("Installing what the hub and the tests need from npm", 10):
        write(settings.cache / "package.json", wanted)
        # A lock file would hold the addresses that this machine fetches from.
        run(
            *("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"),
            log=settings.cache / "logs" / "npm.log",
            cwd=settings.cache,
        )
        write(stamp, wanted)
