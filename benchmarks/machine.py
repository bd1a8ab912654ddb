"""What a run was made on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["machine", "versions"]

PACKAGES = ("jupyterhub", "jupyterhub-kubespawner", "oauthenticator", "kubernetes_asyncio")


def machine() -> dict[str, Any]:
    """Return what the machine is, as JSON values, without its name."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return {
        "cores": os.cpu_count(),
        "processor": found[1] if found else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": system,
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Return the versions of what is compared."""
    return {name: version(name) for name in PACKAGES}
