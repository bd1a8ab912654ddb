"""The Debian packages that everything stands on: installed where a program of theirs is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devcluster.commands import output, run, succeeds, write
from devcluster.progress import step
from devcluster.settings import DevClusterError

__all__ = [
    "BUILD",
    "CLUSTER",
    "IMAGES",
    "POSTGRESQL",
    "SYSTEM_PATH",
    "TESTS",
    "install",
    "new_environment",
    "refusal",
]

SYSTEM_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
"""Where programs are looked for: root's own folders too, which a plain `su` leaves out."""

CLUSTER: Final = {
    "runc": "runc",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "ss": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "modprobe": "kmod",
    "mount": "mount",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "openssl": "openssl",
}
"""What a running cluster needs besides what is built: program -> package."""

BUILD: Final = {
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
}
"""What the image that holds a pod's network is compiled with."""

RELEASES: Final = {"12": 15, "13": 17}
"""The releases of Debian that the cluster runs on, each with its PostgreSQL."""

VENV: Final = {"/usr/share/doc/python3-venv": "python3-venv"}
"""What Debian's own Python needs to make virtual environments."""


def _os_release() -> dict[str, str]:
    path = Path("/etc/os-release")
    lines = path.read_text().splitlines() if path.exists() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


_RELEASE: Final = _os_release().get("VERSION_ID", "")

IMAGES: Final = {
    "buildah": "buildah",
    "skopeo": "skopeo",
    "debootstrap": "debootstrap",
    "fuse-overlayfs": "fuse-overlayfs",
    # Buildah 1.31 and newer looks for it at each build, even without a network.
    **({} if _RELEASE == "12" else {"/usr/lib/podman/netavark": "netavark"}),
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
"""What building and pushing images needs."""

POSTGRESQL: Final = Path(f"/usr/lib/postgresql/{RELEASES.get(_RELEASE, 15)}/bin")
"""Where Debian has the programs of PostgreSQL."""

TESTS: Final = {
    "chromium-headless-shell": "chromium-headless-shell",
    "busybox": "busybox-static",
    f"{POSTGRESQL}/postgres": f"postgresql-{POSTGRESQL.parent.name}",
}
"""What the tests need besides: a browser, the smallest of the shells that an image may have, and a database."""

NO_DATABASE: Final = Path("/etc/postgresql-common/createcluster.conf")
"""Where Debian's PostgreSQL is told to make no database of the machine's own: the tests have theirs."""

SERVICES: Final = ("docker-registry",)
"""System services that come with the packages above; we start programs of our own, never those."""


def refusal(system: str | None = None, release: Mapping[str, str] | None = None, uid: int | None = None) -> str:
    """Return why a machine cannot run a cluster of its own, or an empty text where it can.

    Without parameters it is about this machine and user; `release` is what `/etc/os-release` says.
    """
    system = os.uname().sysname if system is None else system
    release = _os_release() if release is None else release
    if system != "Linux" or release.get("ID") != "debian":
        reason = "This is not Debian"
    elif release.get("VERSION_ID") not in RELEASES:
        reason = f"This is Debian {release.get('VERSION_ID', 'testing')}"
    elif (os.geteuid() if uid is None else uid) != 0:
        reason = "You are not root"
    else:
        return ""
    return (
        f"{reason}, and no KUBECONFIG is set. Run this as root on Debian 12 or 13, or set KUBECONFIG to use a "
        "cluster that you have: `python3 -m devcluster --help` lists the variables that go with it."
    )


def install(programs: Mapping[str, str]) -> None:
    """Install the packages of the programs that are missing; return at once where none is.

    Raises
    ------
    DevClusterError
        If apt-get fails, or this machine is not one to install packages on.
    """
    missing = sorted({package for program, package in programs.items() if not _there(program)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise DevClusterError(f"These programs are needed; please install them: {', '.join(missing)}")
    services = [name for name in SERVICES if name in missing]
    active = [name for name in services if succeeds("systemctl", "is-active", name)] if services else []
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if TESTS[f"{POSTGRESQL}/postgres"] in missing and not NO_DATABASE.exists():
        write(NO_DATABASE, "create_main_cluster = false\n")
    with step("Fetching Debian's package lists", 10):
        run("apt-get", "update", "-q")
    with step(f"Installing {', '.join(missing)}", 10 + 4 * len(missing)):
        run(
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=300",
            *missing,
            environ=quiet,
        )
    if Path("/run/systemd/system").exists():
        for name in services:
            if name not in active:
                output("systemctl", "disable", "--now", name)
    absent = [program for program in programs if not _there(program)]
    if absent:
        raise DevClusterError(f"{', '.join(absent)} is still missing after installing {', '.join(missing)}")


def _there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else bool(shutil.which(program, path=SYSTEM_PATH))


def new_environment(folder: Path, log: Path) -> None:
    """Make an empty virtual environment with pip in place of whatever is in the folder.

    Debian's own Python has neither pip nor what it takes to make one; its package is installed where it is missing.

    Raises
    ------
    DevClusterError
        If the package cannot be installed, or the environment cannot be made.
    """
    if not succeeds(sys.executable, "-c", "import ensurepip"):
        install(VENV)
    run(sys.executable, "-m", "venv", "--clear", folder, log=log)
