"""The programs that make up a cluster: how each is started, and how it shows that it is ready."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import api
from devcluster.build import binaries
from devcluster.commands import succeeds
from devcluster.configuration import SERVICES, kubeconfig
from devcluster.packages import SYSTEM_PATH
from devcluster.settings import Settings

__all__ = ["Component", "components"]


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One program of the cluster."""

    name: str
    """What a person calls it: in `kill NAME`, and as the name of its log."""

    command: tuple[str, ...]
    """The program and its arguments."""

    ready: Callable[[], bool]
    """Asks it whether it is ready for the next component."""

    broken: Callable[[], bool] = field(default=lambda: False, kw_only=True)
    """Asks it whether it runs and never will be ready, as it should rather have ended."""

    address: str
    """Where it answers, for a person."""

    ports: tuple[tuple[str, int], ...] = ()
    """The addresses that it must be the only one to listen on."""

    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables that it gets besides our own."""

    files: tuple[Path, ...] = ()
    """What it reads when it starts."""

    state: Path | None = None
    """What may be thrown away if it does not start on it any more, as after a crash of the machine."""

    grace: float = 5.0
    """Seconds that it gets to end by itself."""

    @property
    def fingerprint(self) -> str:
        """A hash of how it would be started now: another one means that what runs is out of date."""
        parts = [*self.command, *map(str, self.environ.items()), *(path.read_text() for path in self.files)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def components(settings: Settings) -> tuple[Component, ...]:
    """Return the components in the order in which they start; they end in the other."""
    run, programs, server = settings.run, binaries(settings), api.Api(settings)
    pki, first = run / "pki", settings.first_port
    ctr = ("ctr", "--connect-timeout", "2s", "-a", str(settings.containerd))
    return (
        Component(
            "registry",
            ("docker-registry", "serve", str(run / "registry" / "config.yml")),
            ready=lambda: api.answers(f"http://127.0.0.1:{settings.registry_port}/v2/"),
            address=f"http://{settings.registry}",
            ports=(("127.0.0.1", settings.registry_port),),
            files=(run / "registry" / "config.yml",),
        ),
        Component(
            "etcd",
            (
                "etcd",
                f"--data-dir={run / 'etcd'}",
                f"--listen-client-urls={settings.etcd_url}",
                f"--advertise-client-urls={settings.etcd_url}",
                f"--listen-peer-urls={settings.etcd_peer_url}",
                f"--initial-advertise-peer-urls={settings.etcd_peer_url}",
                f"--initial-cluster=default={settings.etcd_peer_url}",
            ),
            ready=lambda: api.answers(f"{settings.etcd_url}/health"),
            address=settings.etcd_url,
            ports=(("127.0.0.1", first + 1), ("127.0.0.1", first + 2)),
            state=run / "etcd",
        ),
        Component(
            "apiserver",
            (
                str(programs / "kube-apiserver"),
                f"--etcd-servers={settings.etcd_url}",
                f"--bind-address={settings.gateway}",
                f"--secure-port={settings.api_port}",
                "--insecure-port=0",
                f"--advertise-address={settings.gateway}",
                "--endpoint-reconciler-type=none",
                f"--tls-cert-file={pki / 'apiserver.crt'}",
                f"--tls-private-key-file={pki / 'apiserver.key'}",
                f"--client-ca-file={pki / 'ca.crt'}",
                f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
                f"--kubelet-client-key={pki / 'kubelet-client.key'}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--service-account-key-file={pki / 'service-accounts.key'}",
                f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-cluster-ip-range={SERVICES}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                f"--token-auth-file={run / 'tokens' / 'all.csv'}",
                "--allow-privileged",
                f"--audit-policy-file={run / 'apiserver' / 'audit-policy.json'}",
                f"--audit-log-path={settings.audit_log}",
                "--audit-log-maxsize=20",
                "--audit-log-maxbackup=1",
            ),
            ready=server.ready,
            address=settings.api_url,
            ports=((settings.gateway, settings.api_port),),
            files=(run / "apiserver" / "audit-policy.json",),
        ),
        Component(
            "controller-manager",
            (
                str(programs / "kube-controller-manager"),
                f"--kubeconfig={kubeconfig(settings, 'controller-manager')}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={pki / 'service-accounts.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                "--bind-address=127.0.0.1",
                f"--secure-port={settings.controller_manager_port}",
                "--port=0",
                "--leader-elect=false",
                "--enable-hostpath-provisioner",
                # A namespace that was just made can have pods once its account has a token: tests wait for that.
                "--kube-api-qps=100",
                "--kube-api-burst=200",
                "--concurrent-serviceaccount-token-syncs=20",
            ),
            ready=lambda: api.answers(f"https://127.0.0.1:{settings.controller_manager_port}/healthz"),
            address=f"https://127.0.0.1:{settings.controller_manager_port}",
            ports=(("127.0.0.1", settings.controller_manager_port),),
            environ={"DEVCLUSTER_VOLUMES": str(run / "volumes")},
        ),
        Component(
            "scheduler",
            (
                str(programs / "kube-scheduler"),
                f"--kubeconfig={kubeconfig(settings, 'scheduler')}",
                "--bind-address=127.0.0.1",
                f"--secure-port={settings.scheduler_port}",
                "--port=0",
                "--leader-elect=false",
            ),
            ready=lambda: api.answers(f"https://127.0.0.1:{settings.scheduler_port}/healthz"),
            address=f"https://127.0.0.1:{settings.scheduler_port}",
            ports=(("127.0.0.1", settings.scheduler_port),),
        ),
        Component(
            "containerd",
            ("containerd", "--config", str(run / "containerd" / "config.toml")),
            ready=lambda: succeeds(*ctr, "namespaces", "ls", "-q"),
            # Over a database that it cannot read it serves all the same, without what needs the database.
            broken=lambda: succeeds(*ctr, "version") and not succeeds(*ctr, "namespaces", "ls", "-q"),
            address=f"unix://{settings.containerd}",
            environ={"PATH": SYSTEM_PATH},
            files=(run / "containerd" / "config.toml",),
            state=run / "containerd" / "root",
        ),
        Component(
            "kubelet",
            (
                str(programs / "kubelet"),
                f"--config={run / 'kubelet' / 'config.yaml'}",
                f"--kubeconfig={kubeconfig(settings, 'kubelet')}",
                "--container-runtime=remote",
                f"--container-runtime-endpoint=unix://{settings.containerd}",
                f"--root-dir={run / 'kubelet' / 'root'}",
                f"--cert-dir={run / 'kubelet' / 'pki'}",
                "--hostname-override=node1",
                f"--node-ip={settings.gateway}",
                "--register-node",
            ),
            ready=lambda: api.answers(f"http://127.0.0.1:{settings.kubelet_health_port}/healthz"),
            address=f"https://{settings.gateway}:10250",
            ports=((settings.gateway, 10250), ("127.0.0.1", settings.kubelet_health_port)),
            environ={
                "PATH": SYSTEM_PATH,
                "DEVCLUSTER_POD_LOGS": str(run / "logs" / "pods"),
                "DEVCLUSTER_CONTAINER_LOGS": str(run / "logs" / "containers"),
            },
            files=(run / "kubelet" / "config.yaml",),
            state=run / "kubelet" / "root",
        ),
    )
