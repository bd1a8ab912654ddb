"""Which git repositories in a home have work that is nowhere else: files not committed, commits not pushed.

A repository can come from anywhere, with its own configuration. Nothing that it configures is run: no file system
monitor, no hook, no filter, no transport. It is only read; not even the index is refreshed. Repositories that belong
to another user are left to git, which refuses them unless the person has named them in `safe.directory`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Look", "Repositories", "repositories_below"]

DEEPEST = 5
"""How many folders below the home a repository is looked for."""

MOST_FOLDERS = 20_000
MOST_REPOSITORIES = 200
MOST_LISTED = 50
"""How many repositories an answer lists."""

MOST_COUNTED = 1000
"""Files and commits are counted up to this."""

LONGEST_OUTPUT = 8_000_000
"""How many bytes are read of what git writes."""

GIT_SECONDS = 10.0
"""How long one git command may take."""

LOOK_SECONDS = 60.0
"""How long one look at all repositories may take."""

ANSWER_SECONDS = 2.5
"""How long an answer waits for a look that is not finished."""

FRESH_SECONDS = 5.0
"""For how long a finished look is answered with again."""

KEPT_VARIABLES = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_SYSTEM")

OVERRIDES = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "",
    "credential.helper": "",
    "diff.external": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
}
"""Configuration that wins over a repository's own."""

SETTINGS = {
    "LC_ALL": "C.UTF-8",
    # An object that a partial clone lacks would be fetched, by whatever program the repository names.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "false",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_SSH_COMMAND": "false",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass
class Look:
    """What is found; it fills while the look goes on."""

    found: list[dict[str, Any]] = field(default_factory=list)
    """Repositories with unsaved work, and those of which git does not tell (None)."""

    is_complete: bool = False

    free: int | None = None
    """Bytes that the home has left; None before that is known."""

    def to_json(self) -> dict[str, Any]:
        """Return the answer."""
        unsaved = [each for each in self.found if each["changed"] or each["unpushed"]]
        unknown = [each for each in self.found if not (each["changed"] or each["unpushed"])]
        return {
            "repositories": [*unsaved, *unknown][:MOST_LISTED],
            "more": len(unsaved[MOST_LISTED:]),
            "complete": self.is_complete,
            "free": self.free,
        }


class Repositories:
    """Looks at the repositories below a folder, once at a time."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._look = Look()
        self._looking: asyncio.Task[None] | None = None
        self._ended = float("-inf")

    async def unsaved(self) -> dict[str, Any]:
        """Return what is unsaved; not complete where a look takes longer than an answer may. It goes on then."""
        if self._looking is None and time.monotonic() - self._ended > FRESH_SECONDS:
            self._look = Look()
            self._looking = asyncio.create_task(self._run(self._look))
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=ANSWER_SECONDS)
        return self._look.to_json()

    async def _run(self, look: Look) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                look.free = (await asyncio.to_thread(shutil.disk_usage, self._home)).free
                until = time.monotonic() + LOOK_SECONDS / 2
                paths, is_complete = await asyncio.to_thread(repositories_below, self._home, until)
                for path in paths:
                    changed, unpushed = await _unsaved_in(path)
                    if changed != 0 or unpushed != 0:
                        look.found.append({"path": self._shown(path), "changed": changed, "unpushed": unpushed})
                look.is_complete = is_complete
        except (OSError, TimeoutError):
            pass
        finally:
            self._looking, self._ended = None, time.monotonic()

    def _shown(self, path: str) -> str:
        below = path.removeprefix(self._home).lstrip("/") or "."
        return below.encode(errors="replace").decode()


def repositories_below(home: str, until: float) -> tuple[list[str], bool]:
    """Return the repositories below a folder, the nearest first, and whether these are surely all.

    Folders whose name begins with a dot, links and other file systems are not entered.

    Parameters
    ----------
    home
        The folder.
    until
        When to end, by the monotonic clock in seconds.
    """
    found: list[str] = []
    try:
        device = Path(home).stat().st_dev
    except OSError:
        return found, False
    waiting, looked_at = deque([(home, 0)]), 0
    is_complete = True
    while waiting:
        folder, depth = waiting.popleft()
        looked_at += 1
        if looked_at > MOST_FOLDERS or len(found) >= MOST_REPOSITORIES or time.monotonic() > until:
            return found, False
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name == ".git":
                        found.append(folder)
                    elif entry.name[0] != "." and entry.is_dir(follow_symlinks=False):
                        if entry.stat(follow_symlinks=False).st_dev != device:
                            continue
                        if depth < DEEPEST:
                            waiting.append((entry.path, depth + 1))
        except OSError:
            is_complete = False
    return found, is_complete


async def _unsaved_in(path: str) -> tuple[int | None, int | None]:
    """Return how many files are not committed, and how many commits are not pushed; None where git does not tell."""
    if os.pathsep in path:
        # Git could not be kept from the folders above.
        return None, None
    changed = None
    try:
        environment = _environment(path, OVERRIDES | await _filters_off(path))
        status = ("status", "-z", "--porcelain=v2", "--branch", "--no-renames", "--ignore-submodules=dirty")
        records = await _git(path, environment, *status)
        changed = sum(not each.startswith("# ") for each in records)
        # A commit that no branch has; "(initial)" before the first.
        oid = next((each.split()[-1] for each in records if each.startswith("# branch.oid ")), "")
        heads = [oid] if oid.isalnum() else []
        count = ("rev-list", "--count", f"--max-count={MOST_COUNTED}", *heads, "--branches", "--not", "--remotes")
        return changed, int((await _git(path, environment, *count))[0])
    except (GitError, ValueError, IndexError):
        return changed, None


async def _filters_off(path: str) -> dict[str, str]:
    """Return the configuration with which no filter is run, whatever it is called.

    A file of Git LFS whose content git would have to look at counts as changed then.
    """
    try:
        keys = await _git(
            path, _environment(path, OVERRIDES), "config", "-z", "--name-only", "--get-regexp", r"^filter\."
        )
    except GitError as error:
        if error.status == 1:
            # There are none.
            return {}
        raise
    off = {}
    for name in {key.removeprefix("filter.").rpartition(".")[0] for key in keys}:
        off |= {f"filter.{name}.{what}": "" for what in ("clean", "smudge", "process")}
        off[f"filter.{name}.required"] = "false"
    return off


def _environment(path: str, configuration: dict[str, str]) -> dict[str, str]:
    """Return git's environment; the configuration in it wins over every file."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    pairs = {"GIT_CONFIG_COUNT": str(len(configuration))}
    for number, (key, value) in enumerate(configuration.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    # Where `.git` is not a repository after all, the one around it is not taken for it; and no repository sends git
    # to files that are elsewhere.
    places = {"GIT_CEILING_DIRECTORIES": str(Path(path).parent), "GIT_WORK_TREE": path}
    return {**kept, **SETTINGS, **pairs, **places}


class GitError(Exception):
    """Git failed, or took too long.

    Parameters
    ----------
    status
        Its exit status; None where it did not end by itself.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


async def _git(path: str, environment: dict[str, str], *command: str) -> list[str]:
    """Return the first records that a git command writes, each ended by a NUL or, without `-z`, a newline.

    Raises
    ------
    GitError
        Where the command fails or takes too long.
    """
    end = b"\0" if "-z" in command else b"\n"
    try:
        git = await asyncio.create_subprocess_exec(
            *("git", *command),
            cwd=path,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        raise GitError(None) from None
    assert git.stdout
    written = b""
    try:
        async with asyncio.timeout(GIT_SECONDS):
            while data := await git.stdout.read(65536):
                written += data
                if written.count(end) >= MOST_COUNTED or len(written) > LONGEST_OUTPUT:
                    break
            else:
                if status := await git.wait():
                    raise GitError(status)
    except TimeoutError:
        raise GitError(None) from None
    finally:
        if git.returncode is None:
            os.killpg(git.pid, signal.SIGKILL)
            await git.wait()
    return [os.fsdecode(each) for each in written.split(end)[:-1][:MOST_COUNTED]]
