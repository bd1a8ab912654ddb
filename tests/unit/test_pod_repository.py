"""The init container that clones: its script with the shells that images have and real git, and the pod it is in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio.client import V1EnvVar
from kubespawner.objects import make_pod

from devcluster.githttp import GitServer
from devcluster.github import GitHubStandIn
from devcluster.standin_tls import certificate_file, server_context
from jhkube.identity import UserIdentity
from jhkube.pod.build import PodSettings, ServerFacts, build_pod
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.home import parse_home
from jhkube.pod.parts import script_of
from jhkube.pod.repository import CLONE, CLONE_CONTAINER, CloneEnd, CloneSettings
from jhkube.repository import Repository
from tests.hubs import CACHE
from tests.ports import free_port
from tests.repositories import PLAIN_GIT, add_submodule, git, large_files, pushed
from tests.unit.pod_security import serialized


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    """A git host with one public repository: two commits on main, one on a branch, one that is on no branch."""
    async with GitHubStandIn() as github, GitServer(tmp_path / "host", github_url=github.url) as host:
        token = github.issue_token("grace", ["repo", "read:org"])["access_token"]
        host.token = token  # type: ignore[attr-defined]
        bare = Path(await host.create_repository("observatory", "notes"))
        work = tmp_path / "work"
        git(tmp_path, "clone", "--quiet", str(bare), str(work))
        for branch, text in (("main", "second"), ("plots", "third"), ("lost", "fourth")):
            git(work, "checkout", "--quiet", "-B", branch)
            (work / "night.txt").write_text(text)
            git(work, "add", ".")
            git(work, "commit", "--quiet", "-m", text)
            git(work, "push", "--quiet", "origin", branch)
        git(bare, "update-ref", "refs/pull/1/head", "lost")
        git(bare, "branch", "--quiet", "-D", "lost")
        yield host


class Home:
    """A home, and an image's shell and git that clone into it."""

    def __init__(self, folder: Path, shell: str, server: GitServer) -> None:
        self.shell = [shell, "sh"] if shell == "busybox" else [shell]
        self.path = folder / "home"
        self.path.mkdir()
        self.server = server
        self.log = folder / "log"
        self.environment: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"{self.server.url}/observatory/notes"

    async def clone(self, url: str = "", *, seconds: int = 240, **asked: str) -> int:
        """Run the script as kubelet would, and return its exit code."""
        repository = Repository(url or self.url)
        helper = f"!f() {{ echo username=grace; echo password={self.server.token}; }}; f"  # type: ignore[attr-defined]
        env = {
            "PATH": os.environ["PATH"],
            **PLAIN_GIT,
            "HOME": str(self.path),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"credential.{self.server.url}.helper",
            "GIT_CONFIG_VALUE_0": helper,
            "GIT_ALLOW_PROTOCOL": "http",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "JHKUBE_HOME": str(self.path),
            "JHKUBE_POD": "jupyter-ada",
            "JHKUBE_URL": repository.url,
            "JHKUBE_FOLDER": repository.folder,
            "JHKUBE_SECONDS": str(seconds),
            **{f"JHKUBE_{name}": "" for name in ("BRANCH", "COMMIT", "SUBMODULES", "LFS")},
            **{f"JHKUBE_{name.upper()}": value for name, value in asked.items()},
            **self.environment,
        }
        command = [*self.shell, *(part.replace("$$", "$") for part in script_of(CLONE)[1:])]
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, env=env, stdout=log, stderr=log, start_new_session=True
            )
            try:
                async with asyncio.timeout(300):
                    return await process.wait()
            finally:
                # In a pod everything ends with the script.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def entries(self) -> list[str]:
        return sorted(each.name for each in self.path.iterdir())


@pytest.fixture
async def secure_home(tmp_path: Path) -> AsyncIterator[Home]:
    """A home beside a git host that speaks https, with a certificate that only its clients trust."""
    certificate = certificate_file(tmp_path / "certificate.pem")
    context = server_context(certificate)
    async with (
        GitHubStandIn() as github,
        GitServer(tmp_path / "host", github_url=github.url, ssl_context=context) as host,
    ):
        host.token = github.issue_token("grace", ["repo", "read:org"])["access_token"]  # type: ignore[attr-defined]
        await host.create_repository("observatory", "notes")
        secure = Home(tmp_path, "dash", host)
        secure.environment = {"GIT_ALLOW_PROTOCOL": "https", "GIT_SSL_CAINFO": str(certificate)}
        yield secure


@pytest.fixture(scope="session")
def git_lfs() -> Path:
    """The folder of Debian's git-lfs: not installed, since an image without it is a case of its own."""
    folder = CACHE / "git-lfs"
    if not (folder / "usr" / "bin" / "git-lfs").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "git-lfs"], cwd=folder, check=True, capture_output=True)
        (package,) = folder.glob("git-lfs_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    return folder / "usr" / "bin"


@pytest.fixture(params=["dash", "bash", "busybox"])
async def home(request: pytest.FixtureRequest, tmp_path: Path, server: GitServer) -> Home:
    return Home(tmp_path, request.param, server)


async def test_a_repository_is_cloned_into_a_folder_of_its_name(home: Home) -> None:
    assert await home.clone() == 0, home.log.read_text()
    assert home.entries == ["notes"]
    notes = home.path / "notes"
    assert git(notes, "branch", "--show-current") == "main"
    assert git(notes, "config", "remote.origin.url") == home.url
    assert home.server.token not in (notes / ".git" / "config").read_text()  # type: ignore[attr-defined]


async def test_a_host_is_cloned_from_by_https_if_its_certificate_is_trusted(secure_home: Home) -> None:
    assert secure_home.url.startswith("https://")
    assert await secure_home.clone() == 0, secure_home.log.read_text()
    assert git(secure_home.path / "notes", "config", "remote.origin.url") == secure_home.url
    (secure_home.path / "notes").rename(secure_home.path / "first")
    del secure_home.environment["GIT_SSL_CAINFO"]
    assert await secure_home.clone() == CloneEnd.UNREACHABLE
    assert secure_home.entries == ["first"]


async def test_large_files_are_fetched_by_git_lfs(secure_home: Home, git_lfs: Path, tmp_path: Path) -> None:
    content = b"a large picture of the sky"
    bare, work = await secure_home.server.create_repository("observatory", "notes"), tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    async with large_files(content, tmp_path / "certificate.pem") as served:
        pushed(work, "A picture", served.files)
        assert await secure_home.clone() == 0, secure_home.log.read_text()
        assert (secure_home.path / "notes" / "sky.fits").read_text() == served.pointer
        assert served.asked == []
        (secure_home.path / "notes").rename(secure_home.path / "first")
        secure_home.environment["PATH"] = f"{git_lfs}:{os.environ['PATH']}"
        assert await secure_home.clone(lfs="yes") == 0, secure_home.log.read_text()
        assert (secure_home.path / "notes" / "sky.fits").read_bytes() == content
        assert served.asked == ["download"]
    # A server of large files that is away is told apart from the repository's.
    (secure_home.path / "notes").rename(secure_home.path / "second")
    assert await secure_home.clone(lfs="yes") == CloneEnd.LFS


async def test_a_branch_and_a_commit_of_it_are_checked_out(home: Home) -> None:
    assert await home.clone(branch="plots") == 0
    notes = home.path / "notes"
    assert (notes / "night.txt").read_text() == "third"
    earlier = git(notes, "rev-parse", "HEAD~1")
    notes.rename(home.path / "first")
    assert await home.clone(branch="plots", commit=earlier[:7]) == 0
    assert git(notes, "branch", "--show-current") == "plots"
    assert git(notes, "rev-parse", "HEAD") == earlier
    notes.rename(home.path / "second")
    assert await home.clone(commit=earlier) == 0
    assert git(notes, "branch", "--show-current") == ""
    assert git(notes, "rev-parse", "HEAD") == earlier


async def test_a_commit_on_no_branch_is_fetched_by_its_whole_hash(home: Home) -> None:
    bare = Path(await home.server.create_repository("observatory", "notes"))
    lost = git(bare, "rev-parse", "refs/pull/1/head")
    assert await home.clone(commit=lost[:10]) == CloneEnd.NO_COMMIT
    assert await home.clone(commit=lost) == 0, home.log.read_text()
    assert (home.path / "notes" / "night.txt").read_text() == "fourth"


@pytest.mark.parametrize("there", ["a clone", "a folder", "a file", "a link to nowhere"])
async def test_what_is_there_already_is_never_touched(home: Home, there: str) -> None:
    notes = home.path / "notes"
    if there == "a clone":
        assert await home.clone() == 0
        (notes / "night.txt").write_text("mine")
    elif there == "a folder":
        notes.mkdir()
    elif there == "a file":
        notes.write_text("mine")
    else:
        notes.symlink_to("nowhere")
    before = notes.lstat()
    assert await home.clone(branch="plots") == 0
    assert (notes.lstat().st_ino, notes.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert home.entries == ["notes"]
    if there == "a clone":
        assert (notes / "night.txt").read_text() == "mine"
        assert git(notes, "branch", "--show-current") == "main"


@pytest.mark.parametrize(
    ("path", "asked", "end"),
    [
        ("/observatory/notes", {"branch": "nowhere"}, CloneEnd.NO_BRANCH),
        ("/observatory/notes", {"commit": "0" * 40}, CloneEnd.NO_COMMIT),
        ("/observatory/notes", {"commit": "0" * 7}, CloneEnd.NO_COMMIT),
        ("/nobody/nothing", {}, CloneEnd.REFUSED),
    ],
)
async def test_what_is_not_there_is_told_by_the_exit_code(
    home: Home, path: str, asked: dict[str, str], end: CloneEnd
) -> None:
    assert await home.clone(f"{home.server.url}{path}", **asked) == end, home.log.read_text()
    assert home.entries == []


async def test_a_host_that_is_away_is_told(home: Home) -> None:
    assert await home.clone(f"http://127.0.0.1:{free_port()}/a/notes") == CloneEnd.UNREACHABLE, home.log.read_text()
    assert await home.clone("http://host.invalid/a/notes") == CloneEnd.UNREACHABLE, home.log.read_text()
    assert home.entries == []


async def test_a_repository_that_hangs_is_ended(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a/notes"
        assert await home.clone(url, seconds=2) == CloneEnd.TOO_LONG
    assert "notes" not in home.entries


async def test_what_an_interrupted_clone_left_is_removed_by_the_next(home: Home) -> None:
    left = home.path / ".jhkube-clone-jupyter-ada" / "notes" / "deep"
    left.mkdir(parents=True)
    (left / "half").write_text("x")
    assert await home.clone() == 0
    assert home.entries == ["notes"]


async def test_neither_a_submodule_nor_a_redirect_leads_to_another_protocol(home: Home, tmp_path: Path) -> None:
    bare = Path(await home.server.create_repository("observatory", "notes"))
    work = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    add_submodule(work, "x", f"file://{bare}", git(work, "rev-parse", "HEAD"))
    pushed(work, "A submodule")
    assert await home.clone(submodules="yes") == CloneEnd.SUBMODULES, home.log.read_text()
    assert home.entries == []
    assert await home.clone() == 0
    assert list((home.path / "notes" / "x").iterdir()) == []


async def test_submodules_are_cloned_where_they_are_asked_for(home: Home, tmp_path: Path) -> None:
    bare = Path(await home.server.create_repository("observatory", "notes"))
    await home.server.create_repository("observatory", "handbook")
    work = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    other = git(Path(await home.server.create_repository("observatory", "handbook")), "rev-parse", "main")
    add_submodule(work, "tools", "../handbook", other)
    pushed(work, "A submodule")
    assert await home.clone(submodules="yes") == 0, home.log.read_text()
    assert (home.path / "notes" / "tools" / "README.md").exists()


async def test_an_image_without_git_is_told(home: Home, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("rm", "mkdir", "tail", "mv", "sleep", home.shell[0]):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (programs / name).symlink_to(found)
    home.shell[0] = str(programs / home.shell[0])
    path, os.environ["PATH"] = os.environ["PATH"], str(programs)
    try:
        assert await home.clone() == CloneEnd.NO_GIT
    finally:
        os.environ["PATH"] = path


# The pod.


ADA = UserIdentity("ada", 7001, 7001, "github:1", "Ada Lovelace", "ada@example.org")
NOTES = Repository("https://github.com/observatory/notes", "main", "1f3c9a2", submodules=True)


def built(repository: Repository | None = NOTES, *, image: str = "", **home: Any) -> dict[str, Any]:
    """Return a pod as the API server gets it."""
    pod = make_pod(
        name="jupyter-ada",
        cmd=["jupyterhub-singleuser"],
        port=8888,
        image="registry.example/lab:1",
        mem_limit=1 << 30,
        env={"JUPYTERHUB_API_TOKEN": "secret", "HTTPS_PROXY": "http://proxy:3128", "LABEL": "x"},
    )
    settings = PodSettings(
        home=parse_home("pvc", **home),
        git=GitSettings(parse_git_hosts(["github.com"])),
        clones=CloneSettings(image=image, seconds=90),
    )
    facts = ServerFacts(repository=repository, warning="Not as asked." if repository else "")
    made: dict[str, Any] = serialized(build_pod(pod, settings, ADA, facts, claim_name="claim-ada"))
    return made


def clone_container(pod: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in pod["spec"]["initContainers"] if each["name"] == CLONE_CONTAINER)


def test_a_pod_without_a_repository_has_no_such_container() -> None:
    pod = built(None)
    assert "initContainers" not in pod["spec"]
    assert not [name for name in pod["metadata"]["annotations"] if name.startswith(("jhkube/repo", "jhkube/warn"))]


def test_the_clone_comes_after_the_home_is_made_and_filled() -> None:
    pod = built(sub_path="home", skeleton=True)
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["jhkube-init", CLONE_CONTAINER]


def test_the_clone_runs_as_the_person_and_sees_no_more_than_it_needs() -> None:
    pod = built()
    container, server = clone_container(pod), pod["spec"]["containers"][0]
    assert container["securityContext"] == server["securityContext"]
    assert container["image"] == server["image"]
    assert container["resources"]["limits"] == {"memory": 1 << 30}
    assert sorted(each["mountPath"] for each in container["volumeMounts"]) == [
        "/etc/group", "/etc/jhkube", "/etc/passwd", "/home/ada"
    ]  # fmt: skip
    env = {each["name"]: each.get("value", "") for each in container["env"]}
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    assert "JUPYTERHUB_API_TOKEN" not in env
    assert "LABEL" not in env
    assert env["GIT_ALLOW_PROTOCOL"] == "https"
    assert env["GIT_CONFIG_SYSTEM"] == "/etc/jhkube/gitconfig"
    assert (env["JHKUBE_URL"], env["JHKUBE_BRANCH"], env["JHKUBE_COMMIT"]) == (NOTES.url, "main", "1f3c9a2")
    assert (env["HOME"], env["JHKUBE_HOME"], env["JHKUBE_POD"]) == ("/home/ada", "/home/ada", pod["metadata"]["name"])
    # Nobody could answer a question of git's, and the script reads what git says in English.
    assert (env["GIT_TERMINAL_PROMPT"], env["GIT_LFS_SKIP_SMUDGE"], env["LC_ALL"]) == ("0", "1", "C")
    assert container["workingDir"] == "/"
    assert (env["JHKUBE_SUBMODULES"], env["JHKUBE_LFS"], env["JHKUBE_SECONDS"]) == ("yes", "", "90")


def test_the_clone_has_the_certificates_that_the_server_has() -> None:
    pod = make_pod(
        **{"name": "jupyter-ada", "cmd": ["sh"], "port": 8888, "image": "registry.example/lab:1"},
        env={"GIT_SSL_CAINFO": "/etc/ours/ca.pem", "SSL_CERT_DIR": "/etc/ssl/certs:/var/certs"},
        volumes=[{"name": name, "emptyDir": {}} for name in ("ours", "more", "data")],
        volume_mounts=[
            {"name": "ours", "mountPath": "/etc/ours/"},
            {"name": "more", "mountPath": "/var/certs"},
            {"name": "data", "mountPath": "/etc/our"},
        ],
    )
    made = build_pod(pod, PodSettings(home=parse_home("pvc")), ADA, ServerFacts(repository=NOTES), claim_name="x")
    container = clone_container(serialized(made))
    assert {each["name"] for each in container["env"]} >= {"GIT_SSL_CAINFO", "SSL_CERT_DIR"}
    names = [each["name"] for each in container["volumeMounts"]]
    assert {"ours", "more"} <= set(names)
    assert "data" not in names


def test_another_image_can_clone() -> None:
    assert clone_container(built(image="registry.example/git:1"))["image"] == "registry.example/git:1"


def test_the_pod_says_what_it_was_made_from() -> None:
    annotations = built()["metadata"]["annotations"]
    assert annotations["jhkube/repository"] == NOTES.url
    assert annotations["jhkube/repository-branch"] == "main"
    assert annotations["jhkube/repository-commit"] == "1f3c9a2"
    assert annotations["jhkube/repository-folder"] == "notes"
    assert annotations["jhkube/warning"] == "Not as asked."


def test_what_somebody_named_is_not_expanded_by_kubelet() -> None:
    pod = built(Repository("https://github.com/a/b", "$(HOME)"))
    assert V1EnvVar(name="JHKUBE_BRANCH", value="$$(HOME)").to_dict() in [
        {"name": each["name"], "value": each.get("value"), "value_from": None} for each in clone_container(pod)["env"]
    ]
    assert yaml.safe_dump(pod)
