"""The documentation's blocks of code, with the marks that say how each of them is known to work.

A mark is a comment on the line before the block. What is not run is told to the reader as well.

`<!-- run -->`
    By the unit tests, in a shell in an empty folder. With the hub's variables, the sample configuration then loads.
`<!-- run on the cluster -->`
    By the cluster tests, in a shell with `kubectl`; the namespace `labs` is one of the test's own.
`<!-- run in a lab -->`
    By the cluster tests, in ada's pod.
`<!-- run by tests/unit/test_docs.py::test_name -->`
    By that test.
`<!-- not run: it takes an account at github.com. -->`
    Not at all, and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"))
    if "_build" not in page.relative_to(ROOT).parts
)

FENCE = re.compile(
    r"^(?:[ ]*<!--[ ](?P<mark>[^\n]*?)[ ]-->\n)?"
    r"(?P<indent>[ ]*)(?P<fence>```+)(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console, each with what is printed after it."""
        commands: list[tuple[str, str]] = []
        continues = False
        for line in self.code.splitlines():
            if continues:
                commands[-1] = (f"{commands[-1][0]}\n{line}", "")
            elif line.startswith("$ "):
                commands.append((line[2:], ""))
            else:
                commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
            continues = commands[-1][0].endswith("\\")
        return commands

    def configured(self) -> Config:
        """Return what a block of Python that configures a hub sets."""
        c = Config()
        exec(compile(self.code, str(self), "exec"), {"c": c})
        return c


def blocks_of(page: Path, language: str = "") -> Iterator[Block]:
    """Return a page's blocks, of one language where it is named."""
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        info = found["info"].strip()
        if language in ("", info):
            code = re.sub(f"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
            line = text.count("\n", 0, found.start("fence")) + 1
            yield Block(page, line, info, code, found["mark"] or "")


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of these languages on all pages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def configurations(page: Path) -> Iterator[Config]:
    """Return what each block of a page sets that configures a hub."""
    for block in blocks_of(page, "python"):
        if re.search(r"^c\.", block.code, re.MULTILINE):
            yield block.configured()


def manifests(block: Block) -> list[dict[str, Any]]:
    """Return the Kubernetes objects in a block of YAML; none where it is something else."""
    return [each for each in yaml.safe_load_all(block.code) if isinstance(each, dict) and "apiVersion" in each]
