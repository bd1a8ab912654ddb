"""Run all tests: `python -m tests`, on a cluster that is up.

Strands run at the same time, since most of a test's time is waiting: those with pods, three at a time; those with
hubs, then those with pods and JupyterHub 5; and those with neither. Then come the tests that need the cluster to
themselves.

If tests of a few files failed, these files run once more, with nothing beside them. A test that fails in one of the
two runs only has met a busy machine: it is named in the last lines, so that it is mended, and does not fail the run.
More than a few files are no accident.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = ROOT / ".run"

HUB5 = ROOT / ".venv-hub5" / "bin" / "python"
"""The Python of the environment with jupyterhub 5."""

# A file of tests stays in one process, with the hub that they share.
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile")
THREE_AT_A_TIME = ("-n", "3", "--dist", "loadfile")

FEW = 3
"""At most so many files run once more; tests of a file share what they need, and fail together where that fails."""

FAILED = 1
"""The exit status of pytest where tests failed; others say that it could not run them."""


@dataclass(frozen=True)
class Step:
    """One run of pytest."""

    name: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    marker: str = ""
    python: Path = Path(sys.executable)

    @property
    def cache(self) -> Path:
        """Where pytest notes what failed."""
        return RUN / "pytest" / self.name.replace(" ", "-")

    @property
    def failed(self) -> tuple[str, ...]:
        """The tests that failed."""
        noted = self.cache / "v" / "cache" / "lastfailed"
        return tuple(json.loads(noted.read_text())) if noted.exists() else ()

    async def run(self, log: Path | None, again: Sequence[str] = ()) -> int:
        """Return pytest's exit status; `again` are files, which run one after the other."""
        command = [self.python, "-m", "pytest", "-o", f"cache_dir={self.cache}"]
        command += ["-m", self.marker] if self.marker else []
        command += again or [*self.options, *self.paths]
        with log.open("ab") if log else open(1, "wb", closefd=False) as output:
            process = await asyncio.create_subprocess_exec(*map(str, command), cwd=ROOT, stdout=output, stderr=output)
            return await process.wait()


PODS = ("tests/cluster", "tests/browser")

STRANDS = (
    (Step("cluster and browser", PODS, THREE_AT_A_TIME, "not alone"),),
    (
        Step("hub and registry", ("tests/hub", "tests/registry")),
        Step("cluster and browser with jupyterhub 5", PODS, TWO_AT_A_TIME, "hub_versions", HUB5),
    ),
    (
        Step("unit and contract", ("tests/unit", "tests/contract")),
        Step("contract with jupyterhub 5", ("tests/contract",), python=HUB5),
        Step("hub with jupyterhub 5", ("tests/hub",), marker="hub_versions", python=HUB5),
    ),
)
ALONE = Step("alone", ("tests/cluster",), marker="alone")


async def strand(steps: Sequence[Step], log: Path | None) -> dict[Step, int]:
    """Run the steps one after the other, whatever becomes of them; return their exit statuses."""
    return {step: await step.run(log) for step in steps}


async def main() -> int:
    """Run everything, say what became of it, and return the exit status."""
    shutil.rmtree(RUN / "pytest", ignore_errors=True)
    logs = [None, *(RUN / "logs" / f"tests-{number}.txt" for number in range(1, len(STRANDS)))]
    for log in filter(None, logs):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
    print("The other strands run at the same time as this one; their output follows at the end.", flush=True)
    ended: dict[Step, int] = {}
    for statuses in await asyncio.gather(*map(strand, STRANDS, logs)):
        ended |= statuses
    for log in filter(None, logs):
        print(log.read_text(errors="replace"), flush=True)
    ended |= await strand([ALONE], None)

    failed = {step: set(step.failed) for step, status in ended.items() if status == FAILED}
    once: set[str] = set()
    if 0 < len({_file(test) for tests in failed.values() for test in tests}) <= FEW:
        print("Once more, with nothing beside them:", *sorted(set().union(*failed.values())), sep="\n  ", flush=True)
        for step, tests in ((step, tests) for step, tests in failed.items() if tests):
            status = await step.run(None, sorted(set(map(_file, tests))))
            failed[step] = tests & set(step.failed)
            once |= tests ^ set(step.failed)
            if status in (0, FAILED) and not failed[step]:
                ended[step] = 0
    for step, status in ended.items():
        print(f"{step.name}: {'passed' if status == 0 else f'failed ({status})'}")
    for test in sorted(set().union(*failed.values()) | once):
        print(f"{test}: failed" + (" in one of two runs; mend it" if test in once else ""))
    return int(any(ended.values()))


def _file(test: str) -> str:
    return test.partition("::")[0]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
