"""Reading upstream's code: what a function takes, and what it calls, in which order."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def relies_on(sentence: str) -> Iterator[None]:
    """Within the block anything that fails, fails with the sentence of what jhkube relies on."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        pytest.fail(
            f"jhkube relies on this, and upstream has changed it: {sentence}\n{type(error).__name__}: {error}"
        )


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's parameters, but for `self`."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def tree(function: Callable[..., Any]) -> ast.AST:
    """Return the syntax tree of a function."""
    definition: ast.AST = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    return definition


def calls(node: Callable[..., Any] | ast.AST) -> list[str]:
    """Return what a function or a part of it calls, as it is written, from top to bottom."""
    part = node if isinstance(node, ast.AST) else tree(node)
    found = [each for each in ast.walk(part) if isinstance(each, ast.Call)]
    return [ast.unparse(each.func) for each in sorted(found, key=lambda each: (each.lineno, each.col_offset))]


def names(function: Callable[..., Any]) -> list[str]:
    """Return the methods and functions that a function names, called or handed on, from top to bottom."""
    found = [each for each in ast.walk(tree(function)) if isinstance(each, ast.Attribute)]
    return [each.attr for each in sorted(found, key=lambda each: (each.lineno, each.col_offset))]
