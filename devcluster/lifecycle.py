"""One component's life: started beside others, waited for, started anew where it hangs, ended."""

from __future__ import annotations

import time
from collections.abc import Iterable

from devcluster import api, leftovers, processes
from devcluster.commands import output, wait_for
from devcluster.components import Component
from devcluster.progress import say
from devcluster.settings import DevClusterError, Settings

__all__ = ["end", "ensure"]

READY_TIMEOUT = 120.0
"""Seconds that a component may take to be ready on a busy machine; it takes 1 to 10."""

HUNG_TIMEOUT = 15.0
"""Seconds that a component which runs already may fail to answer before it is started anew."""


def ensure(settings: Settings, parts: Iterable[Component]) -> set[str]:
    """Return when these components run and are ready, whatever was there before; they start side by side.

    Returns
    -------
    set of str
        The names of those that were started for it.

    Raises
    ------
    DevClusterError
        If one does not start: with the end of its log.
    """
    started = {}
    for part in parts:
        process = processes.alive(settings.run, part.name, part.fingerprint)
        if process and _is_ready(part, process, HUNG_TIMEOUT):
            continue
        if process:
            say(f"{part.name} runs and does not answer: starting it anew")
            processes.end([process], grace=part.grace)
        started[part] = _spawn(settings, part)
    for part, process in started.items():
        if _is_ready(part, process, READY_TIMEOUT):
            continue
        # One that is only slow keeps what it has: a busy machine is no reason to lose anything.
        slow = process.runs and not part.broken()
        processes.end([process], grace=part.grace)
        if slow or part.state is None or not part.state.exists():
            raise DevClusterError(f"{part.name} does not start: {_last_words(settings, part)}")
        _start_on_nothing(settings, part)
    return {part.name for part in started}


def end(settings: Settings, part: Component) -> None:
    """End a component in order, if it runs."""
    if process := processes.alive(settings.run, part.name):
        processes.end([process], grace=part.grace)
    (settings.run / "pids" / f"{part.name}.json").unlink(missing_ok=True)


def _start_on_nothing(settings: Settings, part: Component) -> None:
    """Start a component that ended over what it had kept, as when the machine went down in the middle of a write."""
    say(f"{part.name} does not start on what it had kept: starting it on nothing")
    if part.name == "etcd":
        leftovers.forget(settings)
    elif part.state:
        leftovers.discard(part.state)
    process = _spawn(settings, part)
    if not _is_ready(part, process, READY_TIMEOUT):
        processes.end([process], grace=part.grace)
        raise DevClusterError(f"{part.name} does not start: {_last_words(settings, part)}")


def _spawn(settings: Settings, part: Component) -> processes.Process:
    for host, port in part.ports:
        # The last threads of one that was killed may still be on their way out.
        until = time.monotonic() + 3
        while api.listens(host, port) and time.monotonic() < until:
            time.sleep(0.1)
        if api.listens(host, port):
            raise DevClusterError(
                f"port {port} of {host}, which is for the {part.name}, is taken by "
                f"{_holder(port)}; end that, or choose another with {_port_variable(settings, port)}"
            )
    log = settings.logs / f"{part.name}.log"
    return processes.spawn(
        settings.run, part.name, (*part.inside, *part.command), part.environ, log, part.fingerprint
    )


def _is_ready(part: Component, process: processes.Process, timeout: float) -> bool:
    try:
        wait_for(part.name, part.ready, timeout, lambda: process.runs and not part.broken())
    except DevClusterError:
        return False
    return True


def _last_words(settings: Settings, part: Component) -> str:
    log = settings.logs / f"{part.name}.log"
    last = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([f"see {log}, which ends:", *(f"  {line[:300]}" for line in last)])


def _holder(port: int) -> str:
    line = output("ss", "-Hltnp", "sport", "=", f":{port}").strip()
    return line.partition("users:")[2] or "another program"


def _port_variable(settings: Settings, port: int) -> str:
    if port == settings.registry_port:
        return "JHKUBE_DEV_REGISTRY_PORT"
    return "JHKUBE_DEV_NET" if port == 10250 else "JHKUBE_DEV_FIRST_PORT"
