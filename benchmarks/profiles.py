"""Where the time of the hot paths goes: py-spy's samples, by function.

    python -m benchmarks.profiles menu form spawn

`menu` and `form` are recorded with 10,000 tags, `spawn` as both hubs with 16 starts of 20 s at once. The stacks stay
in `.run/benchmarks/profiles`, a line each as flame graph tools take them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".run" / "benchmarks" / "profiles"
IDLE = ("_worker (concurrent/futures/thread.py", "_ChannelShutdownManager._run_safe_shutdown_loop")
"""Where threads wait for work; py-spy does not know it of them."""

PY_SPY = Path(sys.executable).with_name("py-spy")


def by_function(stacks: str, within: str = "") -> tuple[Counter[str], Counter[str], int]:
    """Return of collapsed stacks the samples in each function itself, in it or below it, and in all.

    Parameters
    ----------
    within
        Count only what a function of a file with this in its path does, or calls; not what a module does when it
        is imported.

    Examples
    --------
    >>> by_function("main;load 3\\nmain 1")[:2] == ({"load": 3, "main": 1}, {"main": 4, "load": 3})
    True
    """
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        names = [re.sub(r"(:\d+)?\)$", ")", name) for name in frames.split(";")]
        if names[-1].startswith(IDLE):
            continue
        if within:
            first = (i for i, name in enumerate(names) if within in name and "<module>" not in name)
            names = names[next(first, len(names)) :]
            if not names or any("importlib" in name for name in names):
                continue
        samples += int(count)
        own[names[-1]] += int(count)
        for name in set(names):
            total[name] += int(count)
    return own, total, samples


def show(path: Path, lines: int) -> None:
    """Print the functions in which most of the time went, by themselves and with all they call."""
    within = "" if "-" in path.stem else "jhkube/"
    own, total, samples = by_function(path.read_text(), within)
    print(f"\n{path.stem}: {samples} samples{f' in functions of {within}' if within else ''}")
    for title, counts in (("itself", own), ("with what it calls", total)):
        print(f"  {title}:")
        for name, count in counts.most_common(lines):
            print(f"    {count / samples:6.1%}  {name}")


HUBS = {"spawn": ["--kind", "slow", "--sizes", "16"], "logins": ["--sizes", "100"]}
"""What is recorded as whole hubs, and how it is run for that."""


def record(name: str) -> list[Path]:
    """Run a benchmark under py-spy, and return the files of stacks."""
    if name in HUBS:
        command = [sys.executable, "-m", f"benchmarks.{name}", *HUBS[name], "--profile", str(FOLDER)]
        began = time.time()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return sorted(path for path in FOLDER.glob("*.txt") if path.stat().st_mtime >= began)
    path = FOLDER / f"{name}.txt"
    spy = [str(PY_SPY), "record", "--rate", "500", "--format", "raw", "--output", str(path), "--"]
    command = [sys.executable, "-m", f"benchmarks.{name}", "--sizes", "10000"]
    subprocess.run([*spy, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return [path]


def main() -> None:
    """Record, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=["menu", "form", "tags", *HUBS])
    parser.add_argument("--lines", type=int, default=25)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        for path in record(name):
            show(path, options.lines)


if __name__ == "__main__":
    main()
