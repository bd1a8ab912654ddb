"""What a person types: `python3 -m devcluster up`, and the other verbs."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from devcluster import build, cluster, images, packages, tools
from devcluster.commands import succeeds
from devcluster.helm import helm
from devcluster.progress import say
from devcluster.settings import VARIABLES, DevClusterError, Settings

__all__ = ["main"]

ROOM = 8_000_000_000
"""Bytes that the first build takes at most: sources, the compiler's cache, images and what is pushed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one verb; return the status that the shell sees."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.load()
        if options.verb == "venv":
            tools.virtual_environment(settings, options.folder.absolute(), options.requirements)
            return 0
        if options.verb == "tools":
            tools.node_modules(settings)
            return 0
        if options.verb == "browser":
            packages.install(packages.TESTS)
            return 0
        if options.verb == "helm":
            print(helm(settings))
            return 0
        if settings.external:
            return _external(settings, options)
        return _own(settings, options)
    except DevClusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has seen enough of it, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\ndevcluster: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 1


def _own(settings: Settings, options: argparse.Namespace) -> int:
    verb = options.verb
    if verb in ("status", "env", "logs"):
        return _tell(settings, options)
    if reason := packages.refusal():
        raise DevClusterError(reason)
    if verb == "check":
        return _check(settings)
    if verb == "build":
        packages.install({**packages.CLUSTER, **packages.IMAGES})
        say(f"Kubernetes is in {build.build(settings)}")
    elif verb == "up":
        cluster.up(settings)
    elif verb == "images":
        images.build_all(settings)
        images.prepull(settings)
    elif verb == "room":
        cluster.make_room(settings)
    elif verb == "down":
        cluster.down(settings)
    else:
        {"start": cluster.start, "stop": cluster.stop, "kill": cluster.kill}[verb](settings, options.name)
    return 0


def _check(settings: Settings) -> int:
    """Refuse what would fail half an hour from now: an old Node.js, a disk without room for the first build."""
    tools.check_node()
    settings.cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.cache).free
    if not build.binaries(settings).exists() and free < ROOM:
        raise DevClusterError(
            f"{settings.cache} has {free / 1e9:.1f} GB free, and the first build needs {ROOM / 1e9:.0f} GB: "
            "set XDG_CACHE_HOME to a folder on a larger disk"
        )
    return 0


def _external(settings: Settings, options: argparse.Namespace) -> int:
    """Carry out a verb on a cluster that is not ours: look, push images, and touch nothing else."""
    if not settings.kubeconfig.exists():
        raise DevClusterError(f"KUBECONFIG={settings.kubeconfig}: there is no such file")
    if options.verb == "env":
        return _tell(settings, options)
    if options.verb == "check":
        tools.check_node()
    if options.verb == "images":
        images.build_all(settings)
    elif options.verb == "room":
        cluster.make_room(settings)
    elif options.verb in ("check", "up", "status"):
        if missing := settings.missing:
            raise DevClusterError(f"KUBECONFIG is set, so {missing} has to be, too: {VARIABLES[missing]}")
        if not succeeds(build.kubectl(settings), "--kubeconfig", settings.kubeconfig, "get", "--raw", "/version"):
            raise DevClusterError(f"the cluster of KUBECONFIG={settings.kubeconfig} does not answer")
        say(f"using the cluster of KUBECONFIG={settings.kubeconfig}")
    elif options.verb != "down":
        raise DevClusterError(f"KUBECONFIG={settings.kubeconfig} is set: {options.verb} is for our own cluster")
    return 0


def _tell(settings: Settings, options: argparse.Namespace) -> int:
    if options.verb == "env":
        print(f"export KUBECONFIG={settings.kubeconfig}")
        if not settings.external:
            print(f'export PATH="{build.clients(settings)}:$PATH"')
        print(f"export JHKUBE_DEV_REGISTRY={settings.registry} JHKUBE_DEV_HOST={settings.host}")
        return 0
    if options.verb == "logs":
        names = [options.name] if options.name else [part.stem for part in sorted(settings.logs.glob("*.log"))]
        for name in names:
            print(settings.logs / f"{name}.log")
        print(f"{settings.logs / 'pods'}/  (the pods' own)")
        return 0
    rows = cluster.status(settings)
    heads = ("COMPONENT", "STATE", "PID", "UPTIME", "MEMORY", "ADDRESS")
    table = [heads, *((row.name, row.state, row.pid, row.uptime, row.memory, row.address) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"{cluster.pods(settings)}\nlogs: {settings.logs}")
    return 0 if all(row.state == "ready" for row in rows) else 3


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(f"  {name:26} {text}" for name, text in VARIABLES.items())
    parser = argparse.ArgumentParser(
        prog="python3 -m devcluster",
        description="A one-node Kubernetes from Go modules and a registry, for development and tests.",
        epilog=f"settings, from the environment (default):\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("check", "say whether this machine can have a cluster, and change nothing"),
        ("build", "install the packages and build Kubernetes (once, about 12 min)"),
        ("up", "start whatever does not run, after anything that may have happened (about 12 s)"),
        ("images", "build and push the images (once, about 4 min)"),
        ("room", "stop the demo's servers, whose cores the tests need; homes stay"),
        ("status", "show the components; status 3 if one is not ready"),
        ("env", "print the exports of a client's shell"),
        ("down", "end everything; binaries and images stay"),
    ):
        verbs.add_parser(verb, help=text, description=text)
    venv = verbs.add_parser("venv", help="make a virtual environment, or bring it up to date")
    venv.add_argument("folder", type=Path)
    venv.add_argument("requirements", nargs="+", help="what goes into it, such as '.[test,docs]'")
    verbs.add_parser("tools", help="install the hub's proxy from npm")
    verbs.add_parser("helm", help="fetch Helm, which the tests of the chart run, and print its path")
    verbs.add_parser("browser", help="install what the tests need besides: Chromium, PostgreSQL")
    logs = verbs.add_parser("logs", help="print where the logs are")
    logs.add_argument("name", nargs="?", default="")
    for verb, text in (
        ("start", "start one component"),
        ("stop", "end one component in order"),
        ("kill", "end one component without warning, to see what happens"),
    ):
        verbs.add_parser(verb, help=text, description=text).add_argument("name", metavar="NAME")
    return parser
