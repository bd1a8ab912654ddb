"""The hub of the form's browser tests: a process of its own, and a world that tests write."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.hub_command import HUB
from tests.ports import free_port

CONFIG = Path(__file__).with_name("form_hub_config.py")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jhkube"
"""Where `make setup` has put the proxy and axe-core."""

REPOSITORY = "registry.example/sciplat/lab"


def digest(letter: str) -> str:
    """Return a digest that reads as one."""
    return f"sha256:{letter * 64}"


def usual_world() -> dict[str, Any]:
    """Return a menu of a few kinds, three sizes and two presets."""
    weeklies = {f"w_2026_{week:02}": "" for week in range(1, 47)}
    dailies = {f"d_2026_11_{day:02}": "" for day in range(1, 21)}
    tags = {
        **weeklies,
        **dailies,
        **{"recommended": digest("a"), "w_2026_46": digest("a"), "latest_daily": digest("b")},
        **{"d_2026_11_20": digest("b"), "r27_0_0": digest("c"), "r26_0_0": digest("d")},
        **{"r28_0_0_rc1": digest("e"), "w_2026_45": digest("f"), "w_2026_44": digest("9")},
        **{"exp_w_2026_40_bold": "", "my-test": ""},
    }
    details = {
        digest("a"): {"days": 5, "size": 3_120_000_000, "description": "JupyterLab with the science pipelines"},
        digest("b"): {"days": 0.2, "size": 3_160_000_000},
        digest("c"): {"days": 120, "size": 2_900_000_000, "description": "For papers: this image stays"},
        digest("d"): {"days": 400, "size": 2_700_000_000},
        digest("e"): {"days": 9, "size": 3_000_000_000},
        digest("f"): {"days": 12, "size": 3_110_000_000},
        digest("9"): {"days": 19, "size": 3_100_000_000},
    }
    return {
        "has_menu": True,
        "repositories": {REPOSITORY: tags},
        "details": details,
        "refreshed_ago": 130,
        "errors": [],
        "offers": [
            {
                "kinds": {"alias": None, "release": 2, "candidate": 1, "weekly": 3, "daily": 2},
                "default": ["recommended"],
                "all_tags": True,
            },
            {"groups": ["builders"], "custom_images": [r"registry\.example/.+"]},
        ],
        "sizes": [
            {"name": "small", "display_name": "Small", "cores": 1, "memory": "4G", "default": True},
            {"name": "medium", "display_name": "Medium", "cores": 2, "memory": "8G"},
            {"name": "large", "display_name": "Large", "cores": 4, "memory": "16G"},
            {
                **{"name": "gpu", "display_name": "GPU", "cores": 8, "memory": "32G", "gpus": 1, "groups": ["gpu"]},
                "description": "For training; please stop it when done",
            },
        ],
        "presets": [
            {
                "name": "scratch",
                "display_name": "Mount the scratch disk",
                "description": "Fast, shared by everybody, emptied every Sunday.",
                "groups": ["gpu"],
            }
        ],
        "profiles": [],
        "repository_hosts": [],
        "environment_names": [],
        "disks": None,
        "groups": {"ada": ["gpu"], "grace": ["builders", "gpu"], "olga": ["gpu"]},
    }


class FormHub:
    """A running hub whose form shows the world in a file.

    Parameters
    ----------
    folder
        Where the world, the log and the hub's secrets are.
    python
        The Python of an environment with a JupyterHub.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        self._world = folder / "world.json"
        self.set_world(usual_world())
        ports = [free_port() for _ in range(3)]
        self.url = f"http://127.0.0.1:{ports[0]}"
        self._log = (folder / "hub.log").open("wb")
        self._process = subprocess.Popen(
            [python, *HUB[1:], "-f", str(CONFIG)],
            cwd=folder,
            env=os.environ
            | {
                "FORM_WORLD": str(self._world),
                "FORM_HUB_PORTS": " ".join(map(str, ports)),
                "FORM_HUB_TOKEN": self.token,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PATH": f"{CACHE / 'node_modules' / '.bin'}:{os.environ['PATH']}",
            },
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def set_world(self, world: dict[str, Any]) -> None:
        """Change what there is to choose from; the next form shows it."""
        self._world.write_text(json.dumps(world))

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of a call of the hub's REST API."""
        request = urllib.request.Request(
            f"{self.url}/hub/api{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"token {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=240) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def user_options(self, name: str, server: str = "") -> dict[str, Any]:
        """Return the options with which somebody's server runs."""
        status, user = self.call("GET", f"/users/{name}")
        assert status == 200, user
        options: dict[str, Any] = user["servers"][server]["user_options"]
        return options

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(120)
        self._log.close()

    def _wait(self) -> None:
        until = time.monotonic() + 240
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/hub/api/", timeout=60).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self.folder / "hub.log").read_text()[-4000:])
