"""Troubleshooting: every sentence that a person may read has its entry on the page, and no entry is left over."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from jhkube.watch import failures

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"

LOGS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
GAP = "…"
"""What stands for whatever the code fills in, in its sentences as they are collected and on the page."""

OPERATORS = (
    *("checks", "commands", "cli.py", "configured.py", "metrics.py", "deployment"),
    # The reference of the API, for those who write a front end.
    *("openapi.py", "routes.py", "schemas.py", "choice_schemas.py", "schema_parts.py"),
)
"""Folders and modules that speak to operators alone, in what `jhkube` prints and in help texts."""

NOT_TOLD = (
    "# Written by jhkube",  # a comment in a pod's gitconfig
    "Choose the image and the size yourself.",  # the label of a profile
    f"Release candidate {GAP}",  # the name of an image
)
"""How those of the code's sentences begin that nobody reads as a message."""

HALVES = {
    "menu_reports.py": "Its registry ",
    "progress.py": ("Waiting ", "Getting ", "The "),
    "images.py": "Its ",
    "placement.py": ("No node ", "Every node ", "Your server's disk "),
}
"""Modules that put sentences together, with how their parts begin."""

SHELL_MESSAGE = re.compile(r'(?:fail|home=)\s*"([A-Z][^"]*|\$home [^"]*)"')


def text_of(node):
    """Return a literal's text, with a gap for each part that the code fills in; None where it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    return None


def is_log_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGS


def unseen(tree):
    """Return the nodes of a module that people do not read: docstrings, help texts, what is logged."""
    nodes = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            nodes.add(node.value)
        elif is_log_call(node):
            nodes.update(ast.walk(node))
        elif isinstance(node, ast.keyword) and node.arg in ("help", "description"):
            nodes.update(ast.walk(node.value))
        elif isinstance(node, ast.JoinedStr):
            nodes.update(part for part in node.values if isinstance(part, ast.Constant))
    return nodes


def sentences(module):
    """Return the sentences of a module that a person may read, as the code has them."""
    tree = ast.parse(module.read_text("utf-8"))
    skipped = unseen(tree)
    for node in ast.walk(tree):
        if node in skipped or (text := text_of(node)) is None:
            continue
        text = " ".join(text.split())
        begins = re.match(rf"[A-Z“{GAP}]", text) and len(text.split()) > 3
        if begins and (text.rstrip(f"{GAP} ").endswith((".", "?")) or is_half(module, text)):
            yield text


def is_half(module, text):
    """Say whether a text is the first part of a sentence that the module puts together."""
    return text.startswith(HALVES.get(module.name, ()))


def everything_told():
    for module in sorted((ROOT / "jhkube").rglob("*.py")):
        if module.parent.name not in OPERATORS and module.name not in OPERATORS:
            yield from ((module, said) for said in sentences(module) if not said.startswith(NOT_TOLD))
    scripts = ROOT / "jhkube" / "pod" / "home_scripts.py"
    for said in SHELL_MESSAGE.findall(scripts.read_text("utf-8")):
        if said.endswith((".", "?")):
            yield scripts, re.sub(r"\$\w+", GAP, said.replace("$home", f"The home folder{GAP}"))


TOLD = [(str(module.relative_to(ROOT)), said) for module, said in everything_told()]


@cache
def entries():
    """Return the messages of the page: terms of its lists, and the first cells of its tables of messages."""
    text = PAGE.read_text("utf-8")
    terms = re.findall(r"^([^\n:|#-][^\n]*)\n: ", text, re.MULTILINE)
    cells = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    # Italics are JupyterHub's own messages, and the provider's.
    return [entry for entry in (*terms, *cells) if entry != "Message" and not entry.startswith("*")]


def is_entry_for(entry, said):
    """Say whether an entry of the page has a message, or whole sentences at its beginning.

    An entry that ends in a gap has the first words of a sentence, of which there must be two beside gaps.
    """
    words = entry.removesuffix(GAP).strip()
    found = re.match(".*?".join(map(re.escape, words.split(GAP))), said, re.DOTALL)
    if found is None:
        return False
    rest = said[found.end() :]
    if entry.endswith(GAP):
        return len(re.findall(r"[A-Za-z']+", words)) > 1 and not re.match(r"\w", rest)
    return not rest.strip(f"{GAP} .()") or (words.endswith((".", "?", ";", ":")) and rest[0] in f" {GAP}")


@pytest.mark.parametrize(
    ("entry", "said", "found"),
    [
        ("The cluster did not answer.", "The cluster did not answer. Try again in a minute.", True),
        ("The image … is gone.", f"The image {GAP} is gone. Choose another.", True),
        ("A place was found …", f"A place was found for your server, on {GAP}.", True),
        ("The image is there", f"The image is there ({GAP}).", True),
        ("There is no option …", f"There is no option {GAP}.{GAP}", True),
        ("The", "The cluster did not answer.", False),
        ("The …", "The cluster did not answer.", False),
        ("The clus…", "The cluster did not answer.", False),
        ("…", "The cluster did not answer.", False),
        ("The cluster did not", "The cluster did not answer.", False),
        ("The cluster did not answer", "The cluster did not answer as it should. Try again.", False),
        ("Your server … again.", "Your server stopped.", False),
    ],
)
def test_an_entry_has_whole_sentences(entry, said, found):
    assert is_entry_for(entry, said) == found


@pytest.mark.parametrize(("module", "said"), TOLD, ids=[f"{module}: {said[:40]}" for module, said in TOLD])
def test_what_a_person_reads_has_an_entry(module, said):
    assert any(is_entry_for(entry, said) for entry in entries()), f"{PAGE.name} has no entry for: {said} ({module})"


def test_every_entry_is_still_said():
    said = [text for _, text in TOLD]
    stale = [entry for entry in entries() if not any(is_entry_for(entry, text) for text in said)]
    assert stale == []


def test_the_reasons_that_kubernetes_gives_can_be_found():
    page = PAGE.read_text("utf-8")
    reasons = failures._POD_REASONS.keys() | failures._DISRUPTIONS.keys()
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []
