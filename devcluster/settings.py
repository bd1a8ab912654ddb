"""Where one development cluster lives: its folders, addresses and ports, from the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["VARIABLES", "DevClusterError", "Settings"]

VARIABLES: Final = {
    "KUBECONFIG": "use this cluster, and build and start none",
    "JHKUBE_DEV_NAME": "the cluster's name (jhkube); two clusters need two names, nets and ports",
    "JHKUBE_DEV_NET": "the first two numbers of the /16 network of pods and Services (10.246)",
    "JHKUBE_DEV_FIRST_PORT": "the first of ten ports of this machine that the control plane takes (26440)",
    "JHKUBE_DEV_REGISTRY_PORT": "the registry's port on this machine (5050)",
    "JHKUBE_DEV_REGISTRY": "with KUBECONFIG: the registry to push to, as the nodes name it",
    "JHKUBE_DEV_LAB_IMAGE": "with KUBECONFIG: a lab image that is there already; nothing is built or pushed",
    "JHKUBE_DEV_TINY_IMAGE": "with KUBECONFIG: a tiny image that is there already, beside the lab image",
    "JHKUBE_DEV_HOST": "with KUBECONFIG: this machine's address as the pods reach it",
    "JHKUBE_DEV_PREPULL": "no: `up` leaves the demo's image to be pulled by the first start (yes)",
    "XDG_CACHE_HOME": "what is built once is kept in jhkube/ in here (~/.cache)",
}
"""Every environment variable of the development cluster, and what it does (its default)."""


class DevClusterError(Exception):
    """Something that the person at the keyboard can act on; printed as it is, with no traceback."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster's name, folders, addresses and ports."""

    name: str
    """Names the bridge, the cgroup and the folder; so two clusters never touch each other's pods."""

    net: str
    """First two numbers of the pods' network: `10.246` for 10.246.0.0/16."""

    first_port: int
    """First of the ten ports that the control plane takes."""

    registry_port: int
    """The registry's port on this machine's loopback."""

    cache: Path
    """What takes long to make, shared by all clusters and clones: binaries, base image, npm packages."""

    kubeconfig: Path
    """The file a client reads: ours, or the one that KUBECONFIG names."""

    external: bool
    """Whether the cluster is somebody else's (KUBECONFIG), so that nothing is built, started or stopped."""

    registry: str
    """The registry's host and port, as this machine and the nodes name it."""

    host: str
    """This machine's address as the pods reach it."""

    lab_image: str
    """A lab image that is already in a registry, or empty."""

    tiny_image: str
    """A tiny image that is already in a registry, or empty."""

    prepull: bool
    """Whether `up` pulls the demo's image to the node ahead of the first start."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings of this process's environment.

        Raises
        ------
        DevClusterError
            For a value that cannot be; it names the variable and what would be right.
        """
        environ = os.environ if environ is None else environ
        unknown = [n for n in environ if n.startswith("JHKUBE_DEV_") and n not in VARIABLES]
        if unknown:
            raise DevClusterError(
                f"{unknown[0]} is no setting of the development cluster; there are: {', '.join(VARIABLES)}"
            )
        name = environ.get("JHKUBE_DEV_NAME") or "jhkube"
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name):
            raise DevClusterError(f"JHKUBE_DEV_NAME={name}: should be 1 to 12 small letters, digits and -")
        net = environ.get("JHKUBE_DEV_NET") or "10.246"
        try:
            private = ipaddress.ip_network(f"{net}.0.0/16").is_private
        except ValueError:
            private = False
        if not private:
            raise DevClusterError(f"JHKUBE_DEV_NET={net}: should be two numbers of a private net, as 10.246")
        registry_port = _port(environ, "JHKUBE_DEV_REGISTRY_PORT", 5050)
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jhkube"
        own = cache / "clusters" / name / "kubeconfig"
        # A shell in which `devcluster env` was evaluated has our own file there: that is no other cluster.
        given = environ.get("KUBECONFIG", "")
        external = bool(given) and not given.startswith(str(cache / "clusters"))

        def of_others(variable: str) -> str:
            return environ.get(variable, "") if external else ""

        return cls(
            name=name,
            net=net,
            first_port=_port(environ, "JHKUBE_DEV_FIRST_PORT", 26440),
            registry_port=registry_port,
            cache=cache,
            kubeconfig=Path(given) if external else own,
            external=external,
            registry=of_others("JHKUBE_DEV_REGISTRY") if external else f"localhost:{registry_port}",
            host=of_others("JHKUBE_DEV_HOST") if external else f"{net}.0.1",
            lab_image=of_others("JHKUBE_DEV_LAB_IMAGE"),
            tiny_image=of_others("JHKUBE_DEV_TINY_IMAGE"),
            prepull=environ.get("JHKUBE_DEV_PREPULL", "yes").lower() not in ("no", "0", "false"),
        )

    @property
    def missing(self) -> str:
        """The variable that another cluster cannot be used without and that is not set, or an empty text."""
        if not self.external:
            return ""
        if not self.host:
            return "JHKUBE_DEV_HOST"
        return "" if self.registry or (self.lab_image and self.tiny_image) else "JHKUBE_DEV_REGISTRY"

    @property
    def run(self) -> Path:
        """The folder of everything that this one cluster writes."""
        return self.cache / "clusters" / self.name

    @property
    def logs(self) -> Path:
        """The folder of the components' logs."""
        return self.run / "logs"

    @property
    def audit_log(self) -> Path:
        """The API server's notes of what service accounts asked it for, as JSON lines."""
        return self.logs / "audit.log"

    @property
    def link(self) -> str:
        """The network interface by which this machine reaches the node and the pods."""
        return f"{self.name}0"

    @property
    def netns(self) -> str:
        """The node's network namespace: the rules of its Services and policies touch nothing of this machine."""
        return f"devcluster-{self.name}"

    @property
    def node_address(self) -> str:
        """The node's address, which is the pods' way to everything else."""
        return f"{self.net}.0.2"

    @property
    def pods(self) -> str:
        """The addresses of this machine, the node and the pods: the first half of the net."""
        return f"{self.net}.0.0/17"

    @property
    def services(self) -> str:
        """The addresses of Services: the second half of the net."""
        return f"{self.net}.128.0/17"

    @property
    def api_service(self) -> str:
        """The address of the API server's Service, `kubernetes.default`."""
        return f"{self.net}.128.1"

    @property
    def dns_service(self) -> str:
        """The address of the cluster's DNS."""
        return f"{self.net}.128.10"

    @property
    def cgroup(self) -> str:
        """The cgroup below which every pod of this cluster runs, and nothing else does."""
        return f"/devcluster-{self.name}"

    @property
    def etcd_url(self) -> str:
        """Where etcd answers the API server."""
        return f"http://127.0.0.1:{self.first_port + 1}"

    @property
    def etcd_peer_url(self) -> str:
        """Where etcd would answer other members, of which there are none."""
        return f"http://127.0.0.1:{self.first_port + 2}"

    @property
    def api_port(self) -> int:
        """The API server's port, on this machine's address on the pods' network."""
        return self.first_port + 3

    @property
    def api_url(self) -> str:
        """Where the API server answers clients and pods."""
        return f"https://{self.host}:{self.api_port}"

    @property
    def controller_manager_port(self) -> int:
        """The controller manager's port, for its health."""
        return self.first_port + 4

    @property
    def scheduler_port(self) -> int:
        """The scheduler's port, for its health."""
        return self.first_port + 5

    @property
    def kubelet_health_port(self) -> int:
        """The kubelet's port for its health; its own API is on port 10250 of the node's address."""
        return self.first_port + 6

    @property
    def proxy_health_port(self) -> int:
        """The port of kube-proxy on the node for its health."""
        return self.first_port + 7

    @property
    def dns_ready_port(self) -> int:
        """The port of the cluster's DNS on the node that says whether it is ready."""
        return self.first_port + 8

    @property
    def containerd(self) -> Path:
        """The socket of this cluster's own containerd."""
        return self.run / "containerd" / "containerd.sock"


def _port(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable) or str(default)
    if not (text.isdecimal() and 1024 <= int(text) <= 65520):
        raise DevClusterError(f"{variable}={text}: should be a port, from 1024 to 65520")
    return int(text)
