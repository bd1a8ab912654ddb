"""The demo: JupyterHub from the project's own configuration, on the development cluster, until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devcluster import api, build, images, processes
from devcluster.cluster import DEMO_NAMESPACE
from devcluster.commands import output, run, succeeds, write
from devcluster.progress import say, step
from devcluster.settings import DevClusterError, Settings

__all__ = ["Addresses", "main", "operator_program", "write_examples"]

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demo's programs listen."""

    hub: str
    """What a person opens, without a slash at the end."""

    hub_api_port: int
    my_servers_port: int
    proxy_api_port: int
    github: str
    """The GitHub that people log in with."""

    git: str
    """The git host that pods clone from; empty with the real GitHub."""


def main() -> int:
    """Run the demo; return the status that the shell sees."""
    try:
        settings = Settings.load()
        folder = ROOT / ".run" / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DevClusterError("the demo runs already, in another terminal") from None
            # A demo that was killed may have left its programs behind.
            processes.end(processes.marked(folder), grace=5)
            _run(settings, folder)
    except DevClusterError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings, folder: Path) -> None:
    real = bool(os.environ.get("GITHUB_CLIENT_ID") and os.environ.get("GITHUB_CLIENT_SECRET"))
    if real and not os.environ.get("JHKUBE_ALLOWED_ORGANIZATIONS"):
        raise DevClusterError(
            "GITHUB_CLIENT_ID is set, so people log in with the real GitHub: set JHKUBE_ALLOWED_ORGANIZATIONS "
            "to the organizations whose members may come in"
        )
    addresses = _addresses(settings, real)
    stop = _Stop()
    children: dict[str, processes.Process] = {}
    try:
        with step("Starting JupyterHub", 5):
            _make_namespace(settings)
            notebook = write_examples(settings, folder)
            programs = _programs(settings, addresses, folder, real)
            operator = [operator_program(settings, addresses, folder, real)] if notebook else []
            for name, command, environ in [*programs, *operator]:
                log = folder / f"{name}.log"
                log.unlink(missing_ok=True)
                children[name] = processes.spawn(folder, name, command, environ, log, "")
            _wait(addresses, folder, children, stop)
        print(_box(settings, addresses, folder, real, notebook), flush=True)
        while not stop.asked and all(child.runs for child in children.values()):
            time.sleep(0.2)
        if not stop.asked:
            ended = next(name for name, child in children.items() if not child.runs)
            raise DevClusterError(f"{ended} has ended by itself: see {folder / f'{ended}.log'}")
        say("ending the hub; the pods go on, and the next demo finds them again (`make down` ends them)")
    finally:
        # The hub first: it ends its proxy itself.
        for name in ("hub", *children):
            if name in children:
                processes.end([children[name]], grace=15)
        processes.end(processes.marked(folder), grace=5)


class _Stop:
    """Whether somebody has asked for the end, by Ctrl-C or otherwise."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "asked", True))


def _addresses(settings: Settings, real: bool) -> Addresses:
    """Return the demo's addresses: the usual ports where they are free."""
    bind = os.environ.get("JHKUBE_BIND_URL", "").rstrip("/")
    return Addresses(
        hub=bind or f"http://127.0.0.1:{_free_port('127.0.0.1', 8000)}",
        hub_api_port=_free_port(settings.host, 8081),
        my_servers_port=_free_port("127.0.0.1", 8082),
        proxy_api_port=_free_port("127.0.0.1", 8001),
        github=os.environ.get("JHKUBE_GITHUB_URL", "https://github.com")
        if real
        else f"http://127.0.0.1:{_free_port('127.0.0.1', 9010)}",
        git="" if real else f"http://{settings.host}:{_free_port(settings.host, 9011)}",
    )


def _programs(
    settings: Settings, addresses: Addresses, folder: Path, real: bool
) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return what the demo runs: name, command, and environment besides our own."""
    callback = f"{addresses.hub}/hub/oauth_callback"
    python = [sys.executable, "-m"]
    here = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    hub = {
        "PATH": f"{Path(sys.executable).parent}:{settings.cache / 'node_modules' / '.bin'}:{os.environ['PATH']}",
        "KUBECONFIG": str(settings.kubeconfig),
        "JUPYTERHUB_CRYPT_KEY": _kept_secret(folder / "crypt_key"),
        "CONFIGPROXY_AUTH_TOKEN": _kept_secret(folder / "proxy_token"),
        "JHKUBE_DATA_DIR": str(folder),
        "JHKUBE_BIND_URL": f"{addresses.hub}/",
        "JHKUBE_HUB_CONNECT_HOST": settings.host,
        "JHKUBE_HUB_PORT": str(addresses.hub_api_port),
        "JHKUBE_PROXY_API_URL": f"http://127.0.0.1:{addresses.proxy_api_port}",
        "JHKUBE_NAMESPACE": DEMO_NAMESPACE,
        "JHKUBE_REPOSITORIES": images.lab_image(settings).rpartition(":")[0],
        "JHKUBE_HOME_SIZE": "1Gi",
        "JHKUBE_MY_SERVERS": "true",
        "JHKUBE_MY_SERVERS_PORT": str(addresses.my_servers_port),
        "JHKUBE_MY_SERVERS_LARGEST_DISK": "2Gi",
        "OAUTH_CALLBACK_URL": callback,
        "JHKUBE_GITHUB_URL": addresses.github,
        **here,
    }
    programs = []
    if not real:
        # Imported here: the client's id is the stand-in's, which needs more than the standard library.
        from devcluster.github_demo import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET

        hub |= {
            "GITHUB_CLIENT_ID": DEMO_CLIENT_ID,
            "GITHUB_CLIENT_SECRET": DEMO_CLIENT_SECRET,
            "JHKUBE_ALLOWED_ORGANIZATIONS": "observatory telescope-ops",
            "JHKUBE_ADMINS": "ada",
            "JHKUBE_GIT_HOSTS": addresses.git,
            "JHKUBE_OPERATOR_GROUPS": "observatory",
            "JHKUBE_OPERATOR_TOKEN": _kept_secret(folder / "operator_token"),
        }
        github = ["devcluster.github", *_listen(addresses.github), "--callback", callback]
        git = ["devcluster.githttp", *_listen(addresses.git), "--github", addresses.github]
        programs += [
            ("github", [*python, *github], here),
            ("git", [*python, *git, "--root", str(folder / "git")], here),
        ]
    # What the person at the keyboard has set for the hub wins over the demo's own choice.
    own = {name: value for name, value in os.environ.items() if name in hub and name.startswith("JHKUBE_")}
    config = str(ROOT / "config" / "jupyterhub_config.py")
    return [*programs, ("hub", [*python, "jupyterhub", "-f", config], {**hub, **own})]


def _wait(addresses: Addresses, folder: Path, children: Mapping[str, processes.Process], stop: _Stop) -> None:
    until = time.monotonic() + 60
    while not api.answers(f"{addresses.hub}/hub/health"):
        for name, child in children.items():
            if not child.runs:
                log = folder / f"{name}.log"
                end = "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
                raise DevClusterError(f"{name} ended while it was starting: see {log}, which ends:\n{end}")
        if stop.asked:
            raise DevClusterError("stopped")
        if time.monotonic() > until:
            raise DevClusterError(f"the hub does not answer: see {folder / 'hub.log'}")
        time.sleep(0.2)


def _make_namespace(settings: Settings) -> None:
    kubectl = (build.kubectl(settings), "--kubeconfig", str(settings.kubeconfig))
    if not succeeds(*kubectl, "get", "namespace", DEMO_NAMESPACE):
        run(*kubectl, "create", "namespace", DEMO_NAMESPACE)


NOTEBOOK: Final = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: project
  namespace: {namespace}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 100Mi
---
apiVersion: squonk.it/v2
kind: JupyterNotebook
metadata:
  name: study
  namespace: {namespace}
spec:
  imDataManager:
    image: {image}
    project:
      claimName: project
      id: project-1
"""
"""A notebook that `jhkube operator` starts, without a person at the hub."""


SERVER: Final = """\
apiVersion: jhkube.dev/v1
kind: JupyterServer
metadata:
  name: grace-lesson
  namespace: {namespace}
spec:
  user: grace
  server: lesson
  options:
    size: small
  idleSeconds: 3600
"""
"""A server of one of the demo's people, which `jhkube operator` has the hub start once she has logged in."""


def write_examples(settings: Settings, folder: Path, namespace: str = DEMO_NAMESPACE) -> Path | None:
    """Have the cluster know JupyterNotebooks, and write an example of one; None where that is not allowed.

    Beside it is an example of a JupyterServer, `server.yaml`.
    """
    kubectl = (build.kubectl(settings), "--kubeconfig", str(settings.kubeconfig))
    definitions = output(sys.executable, "-m", "jhkube.cli", "operator", "--crds")
    try:
        run(*kubectl, "apply", "-f", "-", stdin=definitions)
    except DevClusterError:
        say("the cluster takes no definitions of custom resources from you, so there is no operator")
        return None
    path = folder / "notebook.yaml"
    write(path, NOTEBOOK.format(namespace=namespace, image=images.lab_image(settings)))
    write(folder / "server.yaml", SERVER.format(namespace=namespace))
    return path


def operator_program(
    settings: Settings, addresses: Addresses, folder: Path, real: bool, namespace: str = DEMO_NAMESPACE
) -> tuple[str, list[str], dict[str, str]]:
    """Return the program that starts notebooks and servers: name, command, and environment besides our own."""
    environ = {
        "KUBECONFIG": str(settings.kubeconfig),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        # Whoever forwards a port to a notebook's Service reaches it by this name.
        "INGRESS_DOMAIN": "localhost",
        "INGRESS_ALLOW_HTTP": "yes",
        "JO_POD_NODE_SELECTOR_KEY": "",
    }
    command = [sys.executable, "-m", "jhkube.cli", "operator", "--namespace", namespace]
    if not real:
        command += [
            *("--hub-url", f"http://{settings.host}:{addresses.hub_api_port}/hub/api"),
            *("--hub-token-file", str(folder / "operator_token"), "--public-url", addresses.hub),
        ]
    return "operator", command, environ


def _box(settings: Settings, addresses: Addresses, folder: Path, real: bool, notebook: Path | None) -> str:
    lines = [f"JupyterHub is ready:  {addresses.hub}/", ""]
    if real:
        lines.append("Log in with GitHub.")
    else:
        lines += [
            "Log in as ada, grace, maryam … (the GitHub stand-in asks who you are).",
            "In the lab's terminal, a private repository to clone and push to:",
            f"  git clone {addresses.git}/observatory/notes.git",
        ]
        if os.environ.get("SSH_CONNECTION"):
            ports = " ".join(f"-L {url.rpartition(':')[2]}:{url[7:]}" for url in (addresses.hub, addresses.github))
            lines += ["", f"From your own machine: ssh {ports} …"]
    if notebook:
        lines += [
            "",
            "A notebook by custom resource, whose URL opens while the port is forwarded:",
            f"  kubectl apply -f {notebook}",
            f"  kubectl -n {DEMO_NAMESPACE} get jupyternotebooks --watch",
            f"  kubectl -n {DEMO_NAMESPACE} port-forward svc/study 80:8888",
        ]
    if notebook and not real:
        lines += [
            "",
            "A server of grace's, which starts once she has logged in:",
            f"  kubectl apply -f {notebook.with_name('server.yaml')}",
            f"  kubectl -n {DEMO_NAMESPACE} get jupyterservers -o wide --watch",
        ]
    lines += [
        "",
        f"Logs:    {folder}/*.log",
        "Cluster: eval $(python3 -m devcluster env)",
        f"         kubectl -n {DEMO_NAMESPACE} get pods",
        "Ctrl-C ends the hub; `make down` takes the cluster down.",
    ]
    width = max(map(len, lines))
    body = [f"│ {line.ljust(width)} │" for line in lines]
    return "\n".join(["", f"╭{'─' * (width + 2)}╮", *body, f"╰{'─' * (width + 2)}╯", ""])


def _kept_secret(path: Path) -> str:
    """Return a secret that stays the same from one demo to the next."""
    if not path.exists():
        write(path, secrets.token_hex(32), 0o600)
    return path.read_text()


def _listen(url: str) -> list[str]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return ["--host", host, "--port", port]


def _free_port(host: str, usual: int) -> int:
    """Return the usual port, or any other where that is taken."""
    for port in (usual, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise DevClusterError(f"{host} is no address of this machine: set JHKUBE_DEV_HOST to one that the pods reach")


if __name__ == "__main__":
    sys.exit(main())
