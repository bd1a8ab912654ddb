"""The programs that make up a cluster: how each is started, and how it shows that it is ready."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import api
from devcluster.build import binaries
from devcluster.commands import succeeds
from devcluster.configuration import NODE, kubeconfig
from devcluster.network import enter
from devcluster.objects import DRIVER
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

    inside: tuple[str, ...] = ()
    """The words before its command that take it to the node's network, or none."""

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
        parts = [
            *self.inside,
            *self.command,
            *map(str, self.environ.items()),
            *(path.read_text() for path in self.files),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def components(settings: Settings) -> tuple[Component, ...]:
    """Return the components in the order in which they start; they end in the other."""
    run, programs, server = settings.run, binaries(settings), api.Api(settings)
    pki, first, node = run / "pki", settings.first_port, settings.node_address
    # The node's programs look for others beside themselves first: containerd for its shim.
    path = {"PATH": f"{programs}:{SYSTEM_PATH}"}
    ctr = (programs / "ctr", "--connect-timeout", "2s", "-a", settings.containerd)
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
            "relay",
            (
                str(programs / "relay"),
                f"--listen={settings.host}:{settings.registry_port}",
                f"--to=127.0.0.1:{settings.registry_port}",
            ),
            # It listens before the registry does.
            ready=lambda: api.listens(settings.host, settings.registry_port),
            address=f"http://{settings.host}:{settings.registry_port}",
            ports=((settings.host, settings.registry_port),),
        ),
        Component(
            "etcd",
            (
                str(programs / "etcd"),
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
                f"--bind-address={settings.host}",
                f"--secure-port={settings.api_port}",
                f"--advertise-address={settings.host}",
                f"--tls-cert-file={pki / 'apiserver.crt'}",
                f"--tls-private-key-file={pki / 'apiserver.key'}",
                f"--client-ca-file={pki / 'ca.crt'}",
                f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
                f"--kubelet-client-key={pki / 'kubelet-client.key'}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--service-account-key-file={pki / 'service-accounts.key'}",
                f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-cluster-ip-range={settings.services}",
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
            ports=((settings.host, settings.api_port),),
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
                "--leader-elect=false",
                # A namespace that was just made can have pods once its account is there: tests wait for that.
                "--kube-api-qps=100",
                "--kube-api-burst=200",
            ),
            ready=lambda: api.answers(f"https://127.0.0.1:{settings.controller_manager_port}/healthz"),
            address=f"https://127.0.0.1:{settings.controller_manager_port}",
            ports=(("127.0.0.1", settings.controller_manager_port),),
        ),
        Component(
            "scheduler",
            (
                str(programs / "kube-scheduler"),
                f"--kubeconfig={kubeconfig(settings, 'scheduler')}",
                "--bind-address=127.0.0.1",
                f"--secure-port={settings.scheduler_port}",
                "--leader-elect=false",
            ),
            ready=lambda: api.answers(f"https://127.0.0.1:{settings.scheduler_port}/healthz"),
            address=f"https://127.0.0.1:{settings.scheduler_port}",
            ports=(("127.0.0.1", settings.scheduler_port),),
        ),
        Component(
            "containerd",
            (str(programs / "containerd"), "--config", str(run / "containerd" / "config.toml")),
            ready=lambda: succeeds(*ctr, "namespaces", "ls", "-q"),
            # Over a database that it cannot read it serves all the same, without what needs the database.
            broken=lambda: succeeds(*ctr, "version") and not succeeds(*ctr, "namespaces", "ls", "-q"),
            address=f"unix://{settings.containerd}",
            inside=enter(settings),
            environ=path,
            files=(run / "containerd" / "config.toml",),
            state=run / "containerd" / "root",
        ),
        Component(
            "kubelet",
            (
                str(programs / "kubelet"),
                f"--config={run / 'kubelet' / 'config.yaml'}",
                f"--kubeconfig={kubeconfig(settings, 'kubelet')}",
                f"--root-dir={run / 'kubelet' / 'root'}",
                f"--cert-dir={run / 'kubelet' / 'pki'}",
                f"--hostname-override={NODE}",
                f"--node-ip={node}",
            ),
            ready=lambda: api.answers(f"http://{node}:{settings.kubelet_health_port}/healthz"),
            address=f"https://{node}:10250",
            inside=enter(settings),
            ports=((node, 10250), (node, settings.kubelet_health_port)),
            environ=path,
            files=(run / "kubelet" / "config.yaml",),
            state=run / "kubelet" / "root",
        ),
        Component(
            "proxy",
            (str(programs / "kube-proxy"), f"--config={run / 'proxy' / 'config.yaml'}"),
            ready=lambda: api.answers(f"http://{node}:{settings.proxy_health_port}/livez"),
            address=f"http://{node}:{settings.proxy_health_port}",
            inside=enter(settings),
            ports=((node, settings.proxy_health_port),),
            environ=path,
            files=(run / "proxy" / "config.yaml",),
        ),
        Component(
            "dns",
            (str(programs / "coredns"), "-conf", str(run / "dns" / "Corefile")),
            ready=lambda: api.answers(f"http://{node}:{settings.dns_ready_port}/ready"),
            address=f"udp://{node}:53",
            inside=enter(settings),
            ports=((node, 53), (node, settings.dns_ready_port)),
            files=(run / "dns" / "Corefile",),
        ),
        Component(
            "volumes",
            (
                str(programs / "volumes"),
                f"--kubeconfig={kubeconfig(settings, 'volumes')}",
                f"--kubelet={run / 'kubelet' / 'root'}",
                f"--root={run / 'volumes'}",
                f"--node={NODE}",
            ),
            ready=lambda: DRIVER in str(server.get(f"/apis/storage.k8s.io/v1/csinodes/{NODE}")),
            address=f"unix://{run / 'kubelet' / 'root' / 'plugins'}",
        ),
        Component(
            "network-policies",
            (
                str(programs / "network-policies"),
                f"--kubeconfig={kubeconfig(settings, 'network-policies')}",
                f"--services={settings.services}",
                f"--node={NODE}",
            ),
            ready=lambda: succeeds(*enter(settings), "iptables", "-w", "-S", "KUBE-ROUTER-FORWARD"),
            address=f"iptables of {settings.netns}",
            inside=enter(settings),
            environ=path,
        ),
    )
