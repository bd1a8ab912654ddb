"""The pods' network: the node's namespace with its bridge, and this machine's link to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from devcluster.commands import output, run, succeeds
from devcluster.settings import DevClusterError, Settings

__all__ = ["BRIDGE", "clear_leases", "create", "enter", "is_up", "leases", "remove"]

BRIDGE: Final = "pods"
"""The bridge in the node's namespace that the pods hang on, and this machine's link with them."""

RESULTS: Final = Path("/var/lib/cni/results")
"""Where the network plugins' library keeps what it has set up, for all the networks of a machine."""

NODE_SYSCTLS: Final = {
    "net.ipv4.ip_forward": "1",
    # Packets from pod to pod pass the rules of Services and policies, although they only cross the bridge.
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.ipv4.conf.all.send_redirects": "0",
    f"net.ipv4.conf.{BRIDGE}.send_redirects": "0",
}
"""What the node's namespace is told."""


def enter(settings: Settings) -> tuple[str, ...]:
    """Return the words before a command that is to run in the node's network namespace."""
    return ("nsenter", f"--net=/run/netns/{settings.netns}", "--")


def is_up(settings: Settings) -> bool:
    """Return whether this machine and the node are linked, each with its address."""
    here = output("ip", "-o", "-4", "addr", "show", "dev", settings.link)
    there = output("ip", "-n", settings.netns, "-o", "-4", "addr", "show", "dev", BRIDGE)
    return f"inet {settings.host}/17 " in here and f"inet {settings.node_address}/17 " in there


def create(settings: Settings) -> None:
    """Make the node's namespace and the link to it, and let packets through between it and the world.

    Raises
    ------
    DevClusterError
        If another network of this machine has these addresses, or the kernel has no filter for bridges.
    """
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    if not is_up(settings):
        for line in output("ip", "-o", "-4", "addr").splitlines():
            if f"inet {settings.net}." in line and line.split()[1] != settings.link:
                raise DevClusterError(
                    f"{line.split()[1]} has an address of {settings.net}.0.0/16 already; "
                    "set JHKUBE_DEV_NET to another net, such as 10.247"
                )
        _remove_links(settings)
        _create_links(settings)
    run("ip", "route", "replace", settings.services, "via", settings.node_address, "dev", settings.link)
    for table, chain, rule in _rules(settings):
        # A machine without these modules has pods that reach it and each other, and not the world.
        if not succeeds("iptables", "-w", "-t", table, "-C", chain, *rule):
            succeeds("iptables", "-w", "-t", table, "-I", chain, *rule)


def _create_links(settings: Settings) -> None:
    if not Path("/proc/sys/net/bridge").exists() and not succeeds("modprobe", "br_netfilter"):
        raise DevClusterError(
            "This kernel has no br_netfilter, by which packets between pods pass the rules of Services. "
            "Use a kernel that has it (Debian's own do)."
        )
    inside = ("ip", "-n", settings.netns)
    run("ip", "netns", "add", settings.netns)
    run("ip", "link", "add", settings.link, "type", "veth", "peer", "name", "machine", "netns", settings.netns)
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "add", BRIDGE, "type", "bridge")
    run(*inside, "addr", "add", f"{settings.node_address}/17", "dev", BRIDGE)
    run(*inside, "link", "set", "machine", "master", BRIDGE, "up")
    run(*inside, "link", "set", BRIDGE, "up")
    run("ip", "addr", "add", f"{settings.host}/17", "dev", settings.link)
    run("ip", "link", "set", settings.link, "up")
    run(*inside, "route", "replace", "default", "via", settings.host)
    run(*enter(settings), "sysctl", "-qw", *(f"{name}={value}" for name, value in NODE_SYSCTLS.items()))


def remove(settings: Settings) -> None:
    """Take away the namespace, the link and the rules; leave every other network alone."""
    for table, chain, rule in _rules(settings):
        while succeeds("iptables", "-w", "-t", table, "-D", chain, *rule):
            pass
    _remove_links(settings)
    clear_leases(settings)


def _remove_links(settings: Settings) -> None:
    output("ip", "link", "del", settings.link)
    output("ip", "netns", "del", settings.netns)


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
            ["-s", settings.pods, "!", "-d", f"{settings.net}.0.0/16", *mark, "-j", "MASQUERADE"],
        ),
        ("filter", "FORWARD", ["-i", settings.link, *mark, "-j", "ACCEPT"]),
        ("filter", "FORWARD", ["-o", settings.link, *mark, "-j", "ACCEPT"]),
    ]
