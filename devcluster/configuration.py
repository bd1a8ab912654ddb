"""The files that the components read: certificates, tokens, kubeconfigs and settings of their own."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

from devcluster.build import binaries
from devcluster.commands import run, write
from devcluster.network import BRIDGE, leases
from devcluster.settings import Settings

__all__ = ["NODE", "PAUSE_IMAGE", "kubeconfig", "write_all"]

NODE: Final = "node1"
"""The node's name."""

PAUSE_IMAGE: Final = "localhost/devcluster-pause:1"
"""The image that holds a pod's network while its containers come and go."""

IDENTITIES: Final = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
    "dns": ("devcluster:dns", "system:masters"),
    "volumes": ("devcluster:volumes", "system:masters"),
    "network-policies": ("devcluster:network-policies", "system:masters"),
}
"""Who talks to the API server: file -> (user, groups), the names that Kubernetes' own RBAC rules know."""

AUDIT_POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""What the API server notes: who of the service accounts asked for what, and not what was in it."""


def write_all(settings: Settings) -> None:
    """Write what is missing or has changed; what is there and right stays as it is."""
    _certificates(settings)
    _tokens(settings)
    for name in IDENTITIES:
        _kubeconfig(settings, name)
    run_folder = settings.run
    (settings.logs / "pods").mkdir(parents=True, exist_ok=True)
    write(run_folder / "apiserver" / "audit-policy.json", json.dumps(AUDIT_POLICY, indent=1))
    write(run_folder / "cni" / "conf" / "10-bridge.conflist", json.dumps(_cni(settings), indent=1))
    write(run_folder / "containerd" / "config.toml", _containerd(settings))
    for name in (settings.registry, f"{settings.host}:{settings.registry_port}"):
        # Under its second name pods reach it, too: a hub in a pod asks it for tags.
        write(run_folder / "containerd" / "registries" / name / "hosts.toml", _hosts(settings))
    write(run_folder / "kubelet" / "config.yaml", json.dumps(_kubelet(settings), indent=1))
    write(run_folder / "proxy" / "config.yaml", json.dumps(_proxy(settings), indent=1))
    write(run_folder / "dns" / "Corefile", _corefile(settings))
    write(run_folder / "registry" / "config.yml", json.dumps(_registry(settings), indent=1))


def _certificates(settings: Settings) -> None:
    """Make the authority and what it signs, once for an address of the API server."""
    folder, stamp = settings.run / "pki", f"{settings.host} {settings.api_service} strict"
    if (folder / "stamp").exists() and (folder / "stamp").read_text() == stamp:
        return
    part = settings.run / ".pki.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    new = ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", "ec"]
    new += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    # Python 3.13 and newer trust an authority only if it says what its key is for.
    authority = [*new, "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", "/CN=devcluster"]
    run(*authority, "-keyout", part / "ca.key", "-out", part / "ca.crt")
    sign = [*new, "-CA", str(part / "ca.crt"), "-CAkey", str(part / "ca.key"), "-addext"]
    names = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    names += ",DNS:kubernetes.default.svc.cluster.local"
    addresses = f"IP:{settings.host},IP:{settings.api_service},IP:127.0.0.1"
    run(
        *sign,
        f"subjectAltName={names},{addresses}",
        *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"),
        *("-subj", "/CN=kube-apiserver", "-keyout", part / "apiserver.key", "-out", part / "apiserver.crt"),
    )
    run(
        *sign,
        "extendedKeyUsage=clientAuth",
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-subj", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        *("-keyout", part / "kubelet-client.key", "-out", part / "kubelet-client.crt"),
    )
    run("openssl", "genrsa", "-out", part / "service-accounts.key", "2048")
    (part / "stamp").write_text(stamp)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _tokens(settings: Settings) -> None:
    folder = settings.run / "tokens"
    rows = []
    for name, (user, groups) in IDENTITIES.items():
        if not (folder / name).exists():
            write(folder / name, secrets.token_hex(24), 0o600)
        rows.append(f'{(folder / name).read_text()},{user},{name},"{groups}"\n')
    write(folder / "all.csv", "".join(rows), 0o600)


def kubeconfig(settings: Settings, name: str) -> Path:
    """Return the kubeconfig of one of the cluster's identities."""
    return settings.kubeconfig if name == "admin" else settings.run / "kubeconfigs" / name


def _kubeconfig(settings: Settings, name: str) -> None:
    authority = base64.b64encode((settings.run / "pki" / "ca.crt").read_bytes()).decode()
    token = (settings.run / "tokens" / name).read_text()
    context = {"cluster": settings.name, "user": name, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": settings.name,
                "cluster": {"server": settings.api_url, "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": settings.name, "context": context}],
        "current-context": settings.name,
    }
    write(kubeconfig(settings, name), json.dumps(content, indent=1), 0o600)


def _cni(settings: Settings) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "name": settings.name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(leases(settings)),
                    "ranges": [
                        [
                            {
                                "subnet": settings.pods,
                                "rangeStart": f"{settings.net}.0.10",
                                "gateway": settings.node_address,
                            }
                        ]
                    ],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _containerd(settings: Settings) -> str:
    """Return containerd's settings: everything below our own folder, so that no other containerd shares it.

    `restrict_oom_score_adj`: a machine without CAP_SYS_RESOURCE cannot lower it. runc, not crun: crun refuses
    hybrid cgroups.
    """
    home = settings.run / "containerd"
    return f"""\
version = 3
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{settings.containerd}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  max_concurrent_downloads = 6
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{home}/registries"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{binaries(settings)}/cni"]
    conf_dir = "{settings.run}/cni/conf"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        Root = "{home}/runc"
"""


def _hosts(settings: Settings) -> str:
    """Return where the node finds the registry, whose name is an address of this machine's own loopback."""
    return f"""\
server = "http://{settings.host}:{settings.registry_port}"
[host."http://{settings.host}:{settings.registry_port}"]
  capabilities = ["pull", "resolve"]
"""


def _kubelet(settings: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.node_address,
        "healthzBindAddress": settings.node_address,
        "healthzPort": settings.kubelet_health_port,
        "containerRuntimeEndpoint": f"unix://{settings.containerd}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(settings.run / "pki" / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [settings.dns_service],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": settings.cgroup,
        "failCgroupV1": False,
        # A kubelet deletes the logs of pods that it does not know: two on one machine need a folder each.
        "podLogsDir": str(settings.logs / "pods"),
        "volumePluginDir": str(settings.run / "kubelet" / "plugins-exec"),
        "failSwapOn": False,
        # A developer's disk is often nearly full, and that is no reason to evict pods.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        # A node that has just started is ready at its next status, for which it would otherwise wait 10 s.
        "nodeStatusUpdateFrequency": "2s",
        # Many test runs leave more than the 50 images that a node names unless told otherwise, and these are small.
        "nodeStatusMaxImages": -1,
        "maxPods": 500,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "eventRecordQPS": 50,
        "eventBurst": 100,
    }


def _proxy(settings: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE,
        "clientConnection": {"kubeconfig": str(kubeconfig(settings, "proxy"))},
        "clusterCIDR": settings.pods,
        "bindAddress": settings.node_address,
        "healthzBindAddress": f"{settings.node_address}:{settings.proxy_health_port}",
        # A namespace of its own cannot set the machine's limits.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def _corefile(settings: Settings) -> str:
    nameservers = _nameservers()
    outside = f"forward . {' '.join(nameservers)}" if nameservers else ""
    return f"""\
.:53 {{
    bind {settings.node_address}
    errors
    ready {settings.node_address}:{settings.dns_ready_port}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig(settings, "dns")}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
    {outside}
    cache 5
}}
"""


def _nameservers() -> list[str]:
    """Return the name servers that the cluster's DNS can ask: this machine's, without one on its own loopback."""
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        lines = path.read_text().splitlines() if path.exists() else []
        found = [line.split()[1] for line in lines if re.match(r"nameserver\s+[0-9a-f.:]+", line)]
        if outside := [address for address in found if not address.startswith(("127.", "::1", "fe80"))]:
            return outside[:3]
    return []


def _registry(settings: Settings) -> dict[str, Any]:
    return {
        "version": "0.1",
        "log": {"accesslog": {"disabled": False}, "level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(settings.run / "registry" / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{settings.registry_port}"},
    }
