"""The pods' network: a bridge on this machine, and what is left on it when its pods are gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from devcluster.commands import output, run, succeeds
from devcluster.settings import DevClusterError, Settings

__all__ = ["clear_leases", "create", "is_up", "remove"]

RESULTS: Final = Path("/var/lib/cni/results")
"""Where the network plugins' library keeps what it has set up, for all the networks of a machine."""


def is_up(settings: Settings) -> bool:
    """Return whether the bridge is there, with our address on it."""
    return f"inet {settings.gateway}/16 " in output("ip", "-o", "-4", "addr", "show", "dev", settings.bridge)


def create(settings: Settings) -> None:
    """Make the bridge, and let packets through between it and the world.

    Raises
    ------
    DevClusterError
        If another network of this machine has these addresses.
    """
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    if not is_up(settings):
        for line in output("ip", "-o", "-4", "addr").splitlines():
            if f"inet {settings.net}." in line and line.split()[1] != settings.bridge:
                raise DevClusterError(
                    f"{line.split()[1]} has an address of {settings.subnet} already; "
                    "set JHKUBE_DEV_NET to another net, such as 10.247"
                )
        if not succeeds("ip", "link", "show", settings.bridge):
            run("ip", "link", "add", settings.bridge, "type", "bridge")
        run("ip", "addr", "replace", f"{settings.gateway}/16", "dev", settings.bridge)
        run("ip", "link", "set", settings.bridge, "up")
    for table, chain, rule in _rules(settings):
        # A machine without these modules has pods that reach it and each other, and not the world.
        if not succeeds("iptables", "-w", "-t", table, "-C", chain, *rule):
            succeeds("iptables", "-w", "-t", table, "-I", chain, *rule)


def remove(settings: Settings) -> None:
    """Take away the bridge, what hangs on it, and the rules; leave every other network alone."""
    for table, chain, rule in _rules(settings):
        while succeeds("iptables", "-w", "-t", table, "-D", chain, *rule):
            pass
    for line in output("ip", "-o", "link", "show", "master", settings.bridge).splitlines():
        output("ip", "link", "del", line.split(": ")[1].split("@")[0])
    output("ip", "link", "del", settings.bridge)
    clear_leases(settings)


def clear_leases(settings: Settings) -> None:
    """Forget which addresses are given out: right only while no pod of this cluster runs."""
    shutil.rmtree(leases(settings), ignore_errors=True)
    for path in RESULTS.glob("*"):
        try:
            result = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if result.get("networkName") == settings.name:
            for stale in RESULTS.glob(f"*-{result.get('containerId')}-*"):
                stale.unlink(missing_ok=True)


def leases(settings: Settings) -> Path:
    """Return the folder in which the addresses given out are noted."""
    return settings.run / "cni" / "leases"


def _rules(settings: Settings) -> list[tuple[str, str, list[str]]]:
    mark = ["-m", "comment", "--comment", f"devcluster {settings.name}"]
    return [
        (
            "nat",
            "POSTROUTING",
            ["-s", settings.subnet, "!", "-d", settings.subnet, *mark, "-j", "MASQUERADE"],
        ),
        ("filter", "FORWARD", ["-i", settings.bridge, *mark, "-j", "ACCEPT"]),
        ("filter", "FORWARD", ["-o", settings.bridge, *mark, "-j", "ACCEPT"]),
    ]
