"""Kubernetes from Debian's own source package: the binaries that no registry of this project offers."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

from devcluster import packages
from devcluster.commands import locked, run
from devcluster.progress import step
from devcluster.settings import DevClusterError, Settings

__all__ = ["binaries", "build"]

VERSION: Final = "1.20.2"
"""The release in Debian 12's source package."""

COMPONENTS: Final = {
    "kube-apiserver": 110,
    "kube-controller-manager": 35,
    "kube-scheduler": 15,
    "kubelet": 35,
}
"""What is built, with the seconds that it takes on two cores."""

TAGS: Final = "providerless,dockerless"
"""Parts of Kubernetes that are left out: the clouds' own code, and Docker's, for which a kubelet waits 5 s."""

CHANGES: Final = (
    (
        "pkg/kubelet/kuberuntime/kuberuntime_manager.go",
        '\tpodLogsRootDirectory = "/var/log/pods"\n',
        "",
    ),
    (
        "pkg/kubelet/kuberuntime/legacy.go",
        '\tlegacyContainerLogsDir = "/var/log/containers"\n',
        "",
    ),
    (
        "pkg/volume/hostpath/host_path.go",
        'fmt.Sprintf("/tmp/%s/%s", r.basePath, uuid.NewUUID())',
        'fmt.Sprintf("%s/%s", provisionedFolder(), uuid.NewUUID())',
    ),
    (
        "pkg/volume/hostpath/host_path.go",
        "os.MkdirAll(pv.Spec.HostPath.Path, 0750)",
        "makeVolume(pv.Spec.HostPath.Path)",
    ),
    (
        "pkg/volume/hostpath/host_path.go",
        'regexp.MustCompile("/tmp/.+")',
        "regexp.MustCompile(provisionedPattern())",
    ),
    (
        "pkg/kubelet/status/status_manager.go",
        "const syncPeriod = 10 * time.Second",
        "const syncPeriod = 1 * time.Second",
    ),
)
"""Lines of Kubernetes that are replaced: (file, what it says, what it says then); see kubernetes/README.md."""

ADDITIONS: Final = {
    "kuberuntime.go": "pkg/kubelet/kuberuntime/devcluster.go",
    "hostpath.go": "pkg/volume/hostpath/devcluster.go",
}
"""Files of ours that are put beside Kubernetes' own."""

OURS: Final = Path(__file__).parent / "kubernetes"


def binaries(settings: Settings) -> Path:
    """Return the folder of the binaries; it exists only once all of them are built.

    Its name carries the release and a hash of our changes, so that a change of either builds anew.
    """
    digest = hashlib.sha256(repr((CHANGES, TAGS)).encode())
    for name in sorted(ADDITIONS):
        digest.update((OURS / name).read_bytes())
    return settings.cache / "kubernetes" / f"{VERSION}-{os.uname().machine}-{digest.hexdigest()[:12]}"


def build(settings: Settings) -> Path:
    """Build Kubernetes unless it is built already, and return the folder of its binaries.

    An interrupted build goes on where it was: the download and each finished binary are kept, and the compiler's
    cache with them. The folder gets its name by one rename at the end.
    """
    done = binaries(settings)
    if not done.exists():
        with locked(settings.cache / "build.lock"):
            if not done.exists():
                _build(settings, done)
    return done


def _build(settings: Settings, done: Path) -> None:
    work = settings.cache / "build" / done.name
    log = settings.cache / "logs" / "kubernetes.log"
    part = done.with_name(f"{done.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    missing = [name for name in (*COMPONENTS, "pause") if not (part / name).exists()]
    if missing:
        packages.install(packages.BUILD)
        source = _source(work, log)
        environ = {
            "GOPATH": str(work / "go"),
            "GOCACHE": str(work / "go-cache"),
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
        }
        _generate(source, work, log, environ)
    for name in missing:
        # A compiler that outlived a killed build may still write: not to our file.
        target = part / f".{name}.{os.getpid()}.part"
        with step(f"Building {name}", COMPONENTS.get(name, 0)):
            if name == "pause":
                code = source / "build/pause/linux/pause.c"
                run("gcc", "-Os", "-static", "-DVERSION=3.2", "-o", target, code, log=log)
            else:
                package = f"k8s.io/kubernetes/cmd/{name}"
                command = ["build", "-trimpath", "-tags", TAGS, "-ldflags", _link_flags(), "-o", str(target), package]
                run(packages.GO, *command, log=log, cwd=source, environ=environ)
        target.rename(part / name)
    shutil.rmtree(settings.cache / "build", ignore_errors=True)
    for unfinished in part.glob(".*.part"):
        unfinished.unlink()
    part.rename(done)
    for unfinished in done.parent.glob("*.part"):
        shutil.rmtree(unfinished)


def _source(work: Path, log: Path) -> Path:
    """Return the folder of Kubernetes' sources with our changes, in the place where GOPATH wants them."""
    source = work / "go" / "src" / "k8s.io" / "kubernetes"
    if source.exists():
        return source
    download = work / "download"
    with step("Fetching Kubernetes' source package from Debian", 15):
        archive = _download(download, log)
    with step("Unpacking Kubernetes' sources", 10):
        unpacked = work / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        run("tar", "-xzf", archive, "--strip-components=1", "-C", unpacked, log=log)
        for path, before, after in CHANGES:
            file = unpacked / path
            text = file.read_text()
            if text.count(before) != 1:
                raise DevClusterError(f"Kubernetes' {path} no longer says {before!r}: see devcluster/build.py")
            file.write_text(text.replace(before, after))
        for name, path in ADDITIONS.items():
            shutil.copyfile(OURS / name, unpacked / path)
        source.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(source)
    return source


def _download(folder: Path, log: Path) -> Path:
    """Return the source archive, fetched by apt, which checks its hash against the signed index."""
    parts, lists = folder / "sources", folder / "lists"
    parts.mkdir(parents=True, exist_ok=True)
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    for path in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        if path.suffix in (".list", ".sources") and path.exists():
            (parts / path.name).write_text(source_entries(path.read_text()))
    apt = [
        "apt-get",
        "-o",
        "APT::Sandbox::User=root",
        "-o",
        "Dir::Etc::sourcelist=/dev/null",
        "-o",
        f"Dir::Etc::sourceparts={parts}",
        "-o",
        f"Dir::State::lists={lists}",
        "-q",
    ]
    run(*apt, "update", log=log, cwd=folder)
    run(*apt, "source", "--download-only", "kubernetes", log=log, cwd=folder)
    found = sorted(folder.glob("kubernetes_*.orig.tar.gz"))
    if not found or VERSION not in found[-1].name:
        raise DevClusterError(f"Debian's Kubernetes is not {VERSION} any more: {[f.name for f in found]}")
    return found[-1]


def source_entries(text: str) -> str:
    """Return a file of apt's sources with its binary entries made into entries for source packages."""
    text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", text)
    return re.sub(r"(?m)^deb(-src)?\s", "deb-src ", text)


def _generate(source: Path, work: Path, log: Path, environ: dict[str, str]) -> None:
    """Make the one generated file that the source package leaves out: the API's OpenAPI definitions."""
    target = source / "pkg/generated/openapi/zz_generated.openapi.go"
    if target.exists():
        return
    with step("Generating Kubernetes' OpenAPI definitions", 25):
        tool = work / "openapi-gen"
        run(
            packages.GO,
            "build",
            "-o",
            tool,
            "./vendor/k8s.io/kube-openapi/cmd/openapi-gen",
            log=log,
            cwd=source,
            environ=environ,
        )
        # The tool writes below GOPATH as it goes: a target of another name is whole when it is renamed.
        run(
            tool,
            "-i",
            ",".join(_openapi_packages(source)),
            "-p",
            "k8s.io/kubernetes/pkg/generated/openapi",
            "-O",
            "zz_part.openapi",
            "-h",
            "vendor/k8s.io/code-generator/hack/boilerplate.go.txt",
            "-r",
            work / "violations",
            cwd=source,
            environ=environ,
        )
        target.with_name("zz_part.openapi.go").rename(target)


def _openapi_packages(source: Path) -> list[str]:
    """Return the Go packages with types of the API: in Kubernetes itself and in what it vendors of itself."""
    vendored = {path.name for path in (source / "vendor/k8s.io").iterdir() if path.is_symlink()}
    found = set()
    for top in ("pkg", "cmd", "staging/src/k8s.io"):
        for path in (source / top).rglob("*.go"):
            name = str(path.relative_to(source))
            if "_examples" in name or "/testdata/" in name or name.endswith("_test.go"):
                continue
            if b"+k8s:openapi-gen=" not in path.read_bytes():
                continue
            package = str(path.parent.relative_to(source))
            staged = re.match(r"staging/src/k8s\.io/([^/]+)/(.*)", package)
            if not staged:
                found.add(f"k8s.io/kubernetes/{package}")
            elif staged[1] in vendored and staged[1] not in ("code-generator", "sample-apiserver"):
                found.add(f"k8s.io/kubernetes/vendor/k8s.io/{staged[1]}/{staged[2]}")
    return sorted(found)


def _link_flags() -> str:
    major, minor, _ = VERSION.split(".")
    values = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = ["-s", "-w"]
    for package in ("component-base/version", "client-go/pkg/version"):
        prefix = f"k8s.io/kubernetes/vendor/k8s.io/{package}"
        flags += [f"-X {prefix}.{name}={value}" for name, value in values.items()]
    return " ".join(flags)
