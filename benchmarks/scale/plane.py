"""A control plane of the benchmark's own, on the loopback: the real API server and etcd, and kwok for the kubelets.

It has no scheduler: the hubs name the node in their pods. Of the controllers it has the garbage collector, which
removes the Secrets of pods that are gone. Nothing of it is kept.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devcluster.build import build, tool
from devcluster.settings import Settings
from tests.ports import free_port

from ..hubs import processor_seconds

__all__ = ["NODE", "ControlPlane"]

HERE = Path(__file__).parent
NODE = "kwok"

HUB = "hub"
"""The hub's user: what it asks for is counted."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["ResponseStarted", "ResponseComplete"],
    "rules": [{"level": "Metadata", "users": [HUB]}, {"level": "None"}],
}
"""Requests of the hub, as they come."""


class ControlPlane:
    """etcd, an API server, a garbage collector and kwok; within the block they run.

    Parameters
    ----------
    folder
        Where they keep what they write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._settings = folder, Settings.load()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._tokens = {user: secrets.token_hex(16) for user in (HUB, "bench", "controllers", "kwok")}
        self._audited = 0
        self.url = ""

    def __enter__(self) -> ControlPlane:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._programs.values()):
            program.send_signal(signal.SIGTERM)
        for program in self._programs.values():
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def kubeconfig(self, user: str = HUB) -> Path:
        """Return the file by which a program is this user of the API server."""
        path = self._folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self._folder / "certificates" / "apiserver.crt")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": user}}],
            "clusters": [{"name": "bench", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
        }
        path.write_text(json.dumps(content))
        return path

    def processor(self) -> dict[str, float]:
        """Return the seconds of processor that each program has used."""
        return {name: processor_seconds(program.pid) for name, program in self._programs.items()}

    def requests(self) -> Counter[str]:
        """Return the hub's requests since this was last asked: `create pods`, `watch events`, ..."""
        found: Counter[str] = Counter()
        with (self._folder / "audit.log").open("rb") as log:
            log.seek(self._audited)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._audited += len(line)
                entry = json.loads(line)
                found[f"{entry['verb']} {entry.get('objectRef', {}).get('resource', 'other')}"] += 1
        return found

    def _start(self) -> None:
        etcd_url, port = f"http://127.0.0.1:{free_port()}", free_port()
        self.url = f"https://127.0.0.1:{port}"
        binaries, folder = build(self._settings), self._folder
        key = folder / "service-accounts.key"
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        users = [f"{token},{user},{user},system:masters" for user, token in self._tokens.items()]
        (folder / "tokens.csv").write_text("\n".join(users))
        (folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        self._run(
            "etcd",
            *(str(binaries / "etcd"), "--unsafe-no-fsync", f"--data-dir={folder / 'etcd'}"),
            *(f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}"),
            *(f"--listen-peer-urls=http://127.0.0.1:{free_port()}", "--quota-backend-bytes=8589934592"),
        )
        self._run(
            "apiserver",
            *(str(binaries / "kube-apiserver"), f"--etcd-servers={etcd_url}", "--bind-address=127.0.0.1"),
            *(f"--secure-port={port}", f"--cert-dir={folder / 'certificates'}", "--authorization-mode=RBAC"),
            *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
            *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24"),
            *(f"--token-auth-file={folder / 'tokens.csv'}", "--disable-admission-plugins=ServiceAccount"),
            *(f"--audit-policy-file={folder / 'audit-policy.json'}", f"--audit-log-path={folder / 'audit.log'}"),
            *(
                "--max-requests-inflight=0",
                "--max-mutating-requests-inflight=0",
                "--enable-priority-and-fairness=false",
            ),
        )
        self._wait("/readyz", "ok")
        self._run(
            "controllers",
            *(str(binaries / "kube-controller-manager"), f"--kubeconfig={self.kubeconfig('controllers')}"),
            *("--controllers=garbage-collector-controller,namespace-controller", "--leader-elect=false"),
            *("--kube-api-qps=1000", "--kube-api-burst=1000", "--secure-port=0"),
        )
        program = tool(self._settings, HERE / "kwok", "sigs.k8s.io/kwok/cmd/kwok")
        self._run("kwok", str(program), f"--kubeconfig={self.kubeconfig('kwok')}", f"--config={HERE / 'node.yaml'}")
        self._ask("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        self._wait(f"/api/v1/nodes/{NODE}", "KubeletReady")

    def _run(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._programs[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self._folder, start_new_session=True
            )

    def _wait(self, path: str, text: str) -> None:
        """Return once the API server answers with this text."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            for name, program in self._programs.items():
                if program.poll() is not None:
                    raise RuntimeError(f"{name} ended:\n{(self._folder / f'{name}.log').read_text()[-3000:]}")
            with contextlib.suppress(OSError):
                if text in self._ask("GET", path).decode():
                    return
            time.sleep(0.2)
        raise TimeoutError(f"the API server did not answer {path} with {text} in 120 s")

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        certificate = self._folder / "certificates" / "apiserver.crt"
        headers = {"Authorization": f"Bearer {self._tokens['bench']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return bytes(answer.read())
