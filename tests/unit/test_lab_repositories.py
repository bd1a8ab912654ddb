"""What the lab image's extension finds in real git repositories, and that it runs nothing that they configure."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devcluster.images import ROOT

sys.path.insert(0, str(ROOT / "images" / "lab" / "python"))

import lab_repositories
from lab_repositories import Repositories, repositories_below

CONFIGURATION = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always")


def git(folder: Path, *command: str) -> str:
    return subprocess.run(
        ["git", *CONFIGURATION, *command],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    ).stdout


class Home:
    """A home with repositories, and a remote for each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self.remotes = folder / "remotes"
        self.ran = folder / "ran"
        for each in (self.path, self.remotes):
            each.mkdir()

    def clone(self, name: str) -> Path:
        """Return a clone in which everything is pushed."""
        remote = self.remotes / Path(name).name
        remote.mkdir(parents=True)
        git(remote, "init", "-q", "--bare", "-b", "main")
        made = self.path / name
        made.parent.mkdir(parents=True, exist_ok=True)
        git(self.path, "clone", "-q", str(remote), str(made))
        git(made, "switch", "-q", "-c", "main")
        (made / "paper").write_text("one\n")
        git(made, "add", "paper")
        git(made, "commit", "-qm", "Begin")
        git(made, "push", "-q", "-u", "origin", "main")
        return made

    @property
    def program(self) -> str:
        """A command that leaves a trace."""
        program = self.ran.with_name("program")
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.ran}\ncat\n')
        program.chmod(0o755)
        return str(program)

    async def unsaved(self) -> dict[str, tuple[int | None, int | None]]:
        """Return what a complete look finds, by path."""
        found = await Repositories(str(self.path)).unsaved()
        assert found["complete"], found
        return {each["path"]: (each["changed"], each["unpushed"]) for each in found["repositories"]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path)
    monkeypatch.setenv("HOME", str(made.path))
    for name in ("ANSWER_SECONDS", "GIT_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(lab_repositories, name, 240.0)
    return made


async def test_what_is_pushed_is_not_listed(home):
    home.clone("paper")
    assert await home.unsaved() == {}


async def test_changed_and_new_files_and_commits_are_counted(home):
    made = home.clone("work/paper")
    (made / "paper").write_text("two\n")
    (made / "new\nfile").write_text("")
    git(made, "commit", "-q", "--allow-empty", "-m", "More")
    git(made, "switch", "-q", "-c", "idea")
    git(made, "commit", "-q", "--allow-empty", "-m", "An idea")
    assert await home.unsaved() == {"work/paper": (2, 2)}


async def test_a_commit_that_no_branch_has_is_counted(home):
    made = home.clone("paper")
    git(made, "switch", "-q", "--detach")
    git(made, "commit", "-q", "--allow-empty", "-m", "More")
    assert await home.unsaved() == {"paper": (0, 1)}


async def test_a_repository_without_a_remote_or_a_commit_is_unsaved_as_far_as_it_has_work(home):
    for name in ("empty", "new", "alone"):
        (home.path / name).mkdir()
        git(home.path / name, "init", "-q")
    (home.path / "new" / "file").write_text("")
    git(home.path / "alone", "commit", "-q", "--allow-empty", "-m", "Begin")
    assert await home.unsaved() == {"new": (1, 0), "alone": (0, 1)}


async def test_the_home_itself_submodules_and_worktrees_are_looked_at(home):
    made, part = home.clone("paper"), home.clone("part")
    git(home.path, "init", "-q")
    git(home.path, "config", "status.showUntrackedFiles", "no")
    git(home.path, "commit", "-q", "--allow-empty", "-m", "Begin")
    git(made, "submodule", "--quiet", "add", str(home.remotes / "part"))
    git(made, "commit", "-qm", "Add the part")
    git(made, "push", "-q")
    (made / "part" / "paper").write_text("two\n")
    git(part, "worktree", "add", "-q", str(home.path / "tree"))
    (home.path / "tree" / "new").write_text("")
    assert await home.unsaved() == {".": (0, 1), "paper/part": (1, 0), "tree": (1, 0)}


async def test_what_is_not_a_repository_is_not_known_and_the_one_around_it_is_not_asked(home):
    made = home.clone("paper")
    (made / "broken" / ".git").mkdir(parents=True)
    (made / "gone").mkdir()
    (made / "gone" / ".git").write_text("gitdir: /nowhere\n")
    found = await home.unsaved()
    assert (found["paper/broken"], found["paper/gone"]) == ((None, None), (None, None))


@pytest.mark.parametrize(
    "configured",
    [
        "[core]\n\tfsmonitor = {program}",
        "[core]\n\thooksPath = {hooks}",
        '[filter "evil"]\n\tclean = {program}\n\tsmudge = {program}\n\trequired = true',
        '[filter "evil"]\n\tprocess = {program}\n\trequired = true',
        "[include]\n\tpath = included",
        "[core]\n\tsshCommand = {program}\n\tpager = {program}\n\taskPass = {program}\n\teditor = {program}",
        "[diff]\n\texternal = {program}\n[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {program}",
        "[status]\n\tsubmoduleSummary = true\n[submodule]\n\trecurse = true",
        "[alias]\n\tstatus = !{program}\n\trev-list = !{program}\n\tconfig = !{program}",
        "[credential]\n\thelper = {program}\n[gc]\n\tauto = 1",
    ],
)
async def test_nothing_that_a_repository_configures_is_run(home, configured):
    made, part = home.clone("paper"), home.clone("part")
    git(made, "submodule", "--quiet", "add", str(home.remotes / "part"), "sub")
    (made / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(made, "add", ".gitattributes")
    git(made, "commit", "-qm", "Attributes")
    git(made, "push", "-q")
    hooks = made / ".git" / "hooks"
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).write_text(Path(home.program).read_text())
        (hooks / name).chmod(0o755)
    written = configured.format(program=home.program, hooks=hooks)
    (made / ".git" / "included").write_text(f'[filter "evil"]\n\tclean = {home.program}\n\trequired = true\n')
    for config in (made / ".git" / "config", made / ".git" / "modules" / "sub" / "config", part / ".git" / "config"):
        with config.open("a") as file:
            file.write(f"{written}\n")
    # Of another size and time than the index has: git has to look at the content.
    (made / "paper").write_text("three\n")
    (made / "sub" / "paper").write_text("four\n")
    before = (made / ".git" / "index").read_bytes()
    found = await home.unsaved()
    assert found["paper"] == (1, 0)
    assert found["paper/sub"] == (1, 0)
    assert not home.ran.exists(), home.ran.read_text()
    assert (made / ".git" / "index").read_bytes() == before


async def test_an_object_that_a_partial_clone_lacks_is_not_fetched(home):
    made = home.clone("paper")
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{home.program} %S"),
        ("remote.origin.uploadpack", home.program),
        ("protocol.ext.allow", "always"),
    ):
        git(made, "config", key, value)
    # Its tree is gone, so that git would have to ask for it.
    tree = git(made, "rev-parse", "HEAD^{tree}").strip()
    (made / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    found = await home.unsaved()
    assert found["paper"][0] is None
    assert not home.ran.exists()


async def test_a_repository_sends_git_to_no_other_folder(home, tmp_path):
    made, others = home.clone("paper"), tmp_path / "others"
    others.mkdir()
    for number in range(5):
        (others / str(number)).write_text("")
    git(made, "config", "core.worktree", str(others))
    assert await home.unsaved() == {}


async def test_a_filter_of_any_name_is_off(home):
    made = home.clone("paper")
    with (made / ".git" / "config").open("a") as file:
        file.write(f'[filter "a=b.c \\"d\\" É"]\n\tclean = {home.program}\n\trequired = true\n')
        file.write(f'[FILTER "x"]\n\tCLEAN = {home.program}\n')
    (made / ".gitattributes").write_text("* filter=x\n")
    (made / "paper").write_text("three\n")
    assert await home.unsaved() == {"paper": (2, 0)}
    assert not home.ran.exists()


async def test_a_repository_that_takes_long_is_not_known_and_the_others_are(home, monkeypatch):
    made = home.clone("a-slow")
    home.clone("b-new").joinpath("new").write_text("")
    # Reading a named pipe that nobody writes to takes for ever.
    (made / ".gitignore").unlink(missing_ok=True)
    subprocess.run(["mkfifo", made / ".git" / "info" / "attributes"], check=True, timeout=120)
    (made / ".git" / "info" / "exclude").unlink(missing_ok=True)
    subprocess.run(["mkfifo", made / ".git" / "info" / "exclude"], check=True, timeout=120)
    monkeypatch.setattr(lab_repositories, "GIT_SECONDS", 4.0)
    assert await home.unsaved() == {"b-new": (1, 0), "a-slow": (None, None)}


async def test_an_answer_does_not_wait_for_a_long_look_which_goes_on(home, monkeypatch):
    home.clone("paper").joinpath("new").write_text("")
    repositories = Repositories(str(home.path))
    monkeypatch.setattr(lab_repositories, "ANSWER_SECONDS", 0.0)
    assert await repositories.unsaved() == {"repositories": [], "more": 0, "complete": False, "free": None}
    async with asyncio.timeout(240):
        while not (found := await repositories.unsaved())["complete"]:
            await asyncio.sleep(0.05)
    assert [each["path"] for each in found["repositories"]] == ["paper"]
    assert 0 < found["free"] <= shutil.disk_usage(home.path).total


async def test_two_questions_at_once_are_one_look(home, monkeypatch):
    home.clone("paper")
    looks = []
    monkeypatch.setattr(
        lab_repositories, "repositories_below", lambda *args: looks.append(args) or repositories_below(*args)
    )
    repositories = Repositories(str(home.path))
    await asyncio.gather(*(repositories.unsaved() for _ in range(5)))
    await repositories.unsaved()
    assert len(looks) == 1


def test_links_hidden_folders_and_what_is_too_deep_are_not_entered(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for folder in ("near", ".cache/hidden", "1/2/3/4/5", "1/2/3/4/5/6"):
        (home.path / folder / ".git").mkdir(parents=True)
    (elsewhere / ".git").mkdir(parents=True)
    (home.path / "link").symlink_to(elsewhere)
    found, is_complete = repositories_below(str(home.path), time.monotonic() + 240)
    assert [path.removeprefix(f"{home.path}/") for path in found] == ["near", "1/2/3/4/5"]
    assert is_complete


def test_many_folders_and_many_repositories_are_not_all_looked_at(home, monkeypatch):
    for number in range(10):
        (home.path / str(number) / ".git").mkdir(parents=True)
    monkeypatch.setattr(lab_repositories, "MOST_REPOSITORIES", 4)
    found, is_complete = repositories_below(str(home.path), time.monotonic() + 240)
    assert (len(found), is_complete) == (4, False)
    monkeypatch.setattr(lab_repositories, "MOST_FOLDERS", 3)
    assert repositories_below(str(home.path), time.monotonic() + 240)[1] is False
    assert repositories_below(str(home.path), time.monotonic() - 1) == ([], False)
    assert repositories_below("/nowhere", time.monotonic() + 240) == ([], False)
