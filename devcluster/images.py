"""Images: a Debian base made here, what the project builds on it, and where they are pushed."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devcluster import api, leftovers, packages, processes
from devcluster.build import binaries
from devcluster.commands import locked, output, run, succeeds, write
from devcluster.progress import say, step
from devcluster.settings import DevClusterError, Settings

__all__ = [
    "DEMO_TAG",
    "LAB_TAGS",
    "PLAIN_TAG",
    "build_all",
    "lab_image",
    "pause_archive",
    "prepull",
    "release",
    "tiny_image",
]

ROOT: Final = Path(__file__).parents[1]

BASE: Final = "docker.io/library/debian:bookworm-slim"
"""The name under which Dockerfiles ask for Debian."""

CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""This machine's certificate authorities: a build step reaches the package registries as this machine does."""

LAB_TAGS: Final = {
    "r28_0_0": "2026-07-02",
    "w_2026_45": "2026-11-05",
    "w_2026_46": "2026-11-12",
    "d_2026_11_19": "2026-11-19",
    "exp_w_2026_46_solver": "2026-11-13",
}
"""The lab's tags with the day of each: a release, two weeklies, a daily, an experimental."""

ALIASES: Final = {"recommended": "w_2026_45"}
"""Tags that are other names of a tag above."""

DEMO_TAG: Final = ALIASES["recommended"]
"""The tag that the demo's form offers first."""

TINY_TAG: Final = "1.0"

HUB_TAG: Final = "dev"
"""The tag of the hub with this checkout's jhkube."""

PLAIN_TAG: Final = "1.0"


@dataclass(frozen=True, slots=True)
class Build:
    """One image to be built and pushed."""

    repository: str
    tag: str
    folder: Path
    """Where its Dockerfile is, and by default all that the build may see."""
    arguments: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()
    """What it takes from the checkout besides its folder; the checkout is what the build may see then."""

    @property
    def context(self) -> Path:
        """The folder that the build may see."""
        return ROOT if self.sources else self.folder

    @property
    def key(self) -> str:
        """A hash of everything that goes into the image."""
        digest = hashlib.sha256(repr((self.repository, self.tag, self.arguments)).encode())
        for path in self._files():
            digest.update(f"{path.relative_to(self.context)} {path.stat().st_mode & 0o777}\n".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _files(self) -> list[Path]:
        roots = [self.folder, *(ROOT / source for source in self.sources)]
        paths = {path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))}
        return sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


SECONDS: Final = {"tiny": 8, "hub": 50, "lab": 90, "plain": 50}
"""How long an image takes, in seconds, measured on two cores."""

AGAIN: Final = 5
"""How long the lab takes under another tag, which shares all large layers."""


def builds() -> list[Build]:
    """Return every image of the project."""
    lab = [
        Build(
            "lab",
            tag,
            ROOT / "images" / "lab",
            (("LAB_TAG", tag), ("CREATED", f"{day}T06:00:00Z"), ("REVISION", _revision(tag))),
        )
        for tag, day in LAB_TAGS.items()
    ]
    hub = Build(
        "hub",
        HUB_TAG,
        ROOT / "images" / "hub",
        (("VERSION", HUB_TAG),),
        ("jhkube", "config", "pyproject.toml", "setup.py", "README.md", "LICENSE", ".dockerignore"),
    )
    # After the lab, whose first step it shares.
    plain = Build("plain", PLAIN_TAG, ROOT / "images" / "plain", sources=("images/lab/requirements.txt",))
    return [Build("tiny", TINY_TAG, ROOT / "images" / "tiny"), hub, *lab, plain]


def lab_image(settings: Settings) -> str:
    """Return the lab image that the demo and the tests use."""
    return settings.lab_image or f"{settings.registry}/lab:{DEMO_TAG}"


def tiny_image(settings: Settings) -> str:
    """Return the image of a single-user server that starts at once."""
    return settings.tiny_image or f"{settings.registry}/tiny:{TINY_TAG}"


def build_all(settings: Settings) -> None:
    """Build and push every image that is not in the registry as it would be built now."""
    if settings.lab_image and settings.tiny_image:
        say(f"using the images {settings.lab_image} and {settings.tiny_image}")
        return
    if not settings.external and not processes.alive(settings.run, "registry"):
        # Whoever answers at its address instead is not ours to push to.
        raise DevClusterError("the cluster's registry does not run: `make up` starts it")
    packages.install(packages.IMAGES)
    with locked(settings.cache / "images.lock"):
        made = _noted(settings)
        for build in builds():
            name = f"{build.repository}:{build.tag}"
            key = f"{build.key} {settings.registry}"
            digest = _digest(settings, build.repository, build.tag)
            if digest and made.get(name) == [key, digest]:
                continue
            # What a build that was killed has left in the store; nobody else works in it while we hold the lock.
            if output(*_buildah(settings), "containers", "-q").split():
                run(*_buildah(settings), "rm", "--all")
            _base(settings)
            again = build.repository == "lab" and any(other.startswith("lab:") for other in made)
            with step(f"Building and pushing {name}", AGAIN if again else SECONDS[build.repository]):
                made[name] = [key, _build(settings, build)]
            write(_notes(settings), json.dumps(made, indent=1))
        for alias, tag in ALIASES.items():
            if _digest(settings, "lab", alias) != made[f"lab:{tag}"][1]:
                _retag(settings, "lab", tag, alias)


def digest_of(settings: Settings, repository: str, tag: str) -> str:
    """Return the digest that the registry has for a tag.

    Raises
    ------
    DevClusterError
        If it has none.
    """
    digest = _digest(settings, repository, tag)
    if not digest:
        raise DevClusterError(f"{settings.registry} has no {repository}:{tag}; `make images` builds it")
    return digest


def prepull(settings: Settings) -> None:
    """Pull the demo's image to the node, so that the first start does not wait for it."""
    if settings.external or not settings.prepull:
        return
    ctr = (binaries(settings) / "ctr", "-a", settings.containerd, "-n", "k8s.io")
    name = f"{settings.registry}/lab@{digest_of(settings, 'lab', DEMO_TAG)}"
    if name not in output(*ctr, "images", "ls", "-q").split():
        with step("Pulling the demo's image to the node", 20):
            run(*ctr, "images", "pull", "--local", "--plain-http", name)


def pause_archive(settings: Settings, program: Path, folder: Path) -> Path:
    """Return an archive of the image that holds a pod's network, made in `folder` from the program."""
    shutil.copy2(program, folder / "pause")
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
    packages.install(packages.IMAGES)
    tag = "localhost/devcluster-pause:1"
    with locked(settings.cache / "images.lock"):
        run(*_buildah(settings), "bud", "-q", "-t", tag, folder)
        run(*_buildah(settings), "push", "-q", tag, f"oci-archive:{folder / 'pause.tar'}:{tag}")
    return folder / "pause.tar"


def release(settings: Settings) -> None:
    """Unmount what a build that was killed has left mounted; a build that runs keeps its own."""
    folders = (settings.cache / "containers", settings.cache / "base")
    if any(leftovers.mounts(folder) for folder in folders):
        with locked(settings.cache / "images.lock"):
            for folder in folders:
                leftovers.unmount(folder)


def _buildah(settings: Settings) -> tuple[str, ...]:
    """Return buildah with a store of its own: our base never stands in for Debian's in anybody else's."""
    store = settings.cache / "containers"
    # What is mounted belongs to this boot: its notes go where a reboot clears them, for each store by itself.
    runtime = f"/run/devcluster-{hashlib.sha256(str(store).encode()).hexdigest()[:12]}"
    return ("buildah", "--root", str(store), "--runroot", runtime)


def _base(settings: Settings) -> None:
    """Make the Debian base, from Debian's packages, unless it is there."""
    buildah = _buildah(settings)
    if succeeds(*buildah, "inspect", "--type", "image", BASE):
        return
    folder, log = settings.cache / "base", settings.cache / "logs" / "base.log"
    with step("Making a Debian base image", 40):
        leftovers.discard(folder)
        # Whatever release this machine is of, its mirror has that of the image.
        mirrors = output("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages")
        own = [uri for uri, codename in map(str.split, mirrors.splitlines()) if codename in ("bookworm", "trixie")]
        run("debootstrap", "--variant=minbase", "bookworm", folder, *own[:1], log=log)
        for pattern in (
            "var/cache/apt/archives/*.deb",
            "var/cache/apt/*.bin",
            "var/lib/apt/lists/*_*",
            "var/log/*.log",
        ):
            for path in folder.glob(pattern):
                path.unlink()
        container = run(*buildah, "from", "scratch").split()[-1]
        run(*buildah, "add", "-q", container, folder, "/", log=log)
        search = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        run(*buildah, "config", "--env", search, "--cmd", "/bin/bash", container)
        run(*buildah, "commit", "-q", "--rm", container, BASE, log=log)
        leftovers.discard(folder)


def _build(settings: Settings, build: Build) -> str:
    """Build and push one image; return its digest in the registry."""
    log = settings.cache / "logs" / f"image-{build.repository}-{build.tag}.log"
    target = f"{settings.registry}/{build.repository}:{build.tag}"
    arguments = [word for name, value in build.arguments for word in ("--build-arg", f"{name}={value}")]
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        # A machine with an index of its own says so in its environment; a folder of it is not in the build.
        if os.environ.get(name, "").startswith("http"):
            arguments += ["--build-arg", name]
    run(
        *_buildah(settings),
        "bud",
        *("--isolation=chroot", "--network=host", "--layers", "--pull-never", "--format=oci"),
        *_own_limits(),
        *("--volume", f"{CERTIFICATES}:/host-ca.crt:ro", "--build-arg", "PIP_CERT=/host-ca.crt"),
        *arguments,
        *("-f", build.folder / "Dockerfile", "-t", target, build.context),
        log=log,
    )
    run(*_buildah(settings), "push", "-q", f"--tls-verify={_secure(settings)}", target, log=log)
    return digest_of(settings, build.repository, build.tag)


def _own_limits() -> list[str]:
    """Return the options that leave a build the limits of this process: root in a container may not raise them."""
    words = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        soft, hard = resource.getrlimit(kind)
        words.append(f"--ulimit={name}={soft}:{hard}")
    return words


def _retag(settings: Settings, repository: str, tag: str, alias: str) -> None:
    """Give an image another name in the registry, with the same digest."""
    secure = _secure(settings)
    source, target = (f"docker://{settings.registry}/{repository}:{name}" for name in (tag, alias))
    run(
        "skopeo",
        "copy",
        "--preserve-digests",
        f"--src-tls-verify={secure}",
        f"--dest-tls-verify={secure}",
        source,
        target,
    )


def _digest(settings: Settings, repository: str, tag: str) -> str:
    """Return the digest of a tag in the registry, or an empty text where it has none."""
    if settings.external:
        source = f"docker://{settings.registry}/{repository}:{tag}"
        verify = f"--tls-verify={_secure(settings)}"
        return output("skopeo", "inspect", verify, "--format", "{{.Digest}}", source).strip()
    accept = "application/vnd.oci.image.manifest.v1+json"
    url = f"http://{settings.registry}/v2/{repository}/manifests/{tag}"
    try:
        body = api.fetch(urllib.request.Request(url, headers={"Accept": accept}))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return ""
        raise DevClusterError(f"{url}: {error}") from None
    except OSError as error:
        raise DevClusterError(f"the registry {settings.registry} does not answer: {error}") from None
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _secure(settings: Settings) -> str:
    return "false" if settings.registry.startswith(("localhost:", "127.0.0.1:")) else "true"


def _revision(tag: str) -> str:
    """Return what stands for the commit that an image was built from: the same for the same files."""
    return hashlib.sha1(f"lab {tag}".encode(), usedforsecurity=False).hexdigest()


def _notes(settings: Settings) -> Path:
    return settings.cache / f"images-{settings.registry.replace(':', '-').replace('/', '-')}.json"


def _noted(settings: Settings) -> dict[str, list[str]]:
    try:
        noted: dict[str, list[str]] = json.loads(_notes(settings).read_text())
    except (OSError, ValueError):
        return {}
    return noted
