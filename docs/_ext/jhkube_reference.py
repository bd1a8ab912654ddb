"""Directives that write reference from the code: settings, variables, traits, commands; and lists of pages.

Nothing of that reference is typed by hand, so it cannot say anything but what the code has.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from autodoc_traits import TraitDocumenter
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree
from sphinx.ext.autodoc import AttributeDocumenter
from sphinx.util.docutils import SphinxDirective
from traitlets import DefaultHandler, TraitType

from devcluster.settings import VARIABLES
from jhkube import metrics
from jhkube.cli import COMMANDS, command_line
from jhkube.service.openapi import reference_tables
from jhkube.settings import SETTINGS, Setting

LONGEST_DEFAULT = 60
"""Characters of a default value that a heading shows; a longer one is told by the help text."""


def default_text(setting: Setting) -> str:
    """Return a setting's default as the environment would spell it; a dash where it is nothing."""
    value = setting.default
    if value in ("", [], {}):
        return "–"
    return str(value) if isinstance(value, str) else json.dumps(value)


def own_traits(cls: Any) -> list[TraitType[Any, Any]]:
    """Return the configurable traits of a class that are jhkube's own or that jhkube has redefined."""
    traits = cls.class_traits(config=True).values()
    return sorted(
        (trait for trait in traits if trait.this_class.__module__.startswith("jhkube.")),
        key=lambda trait: (cls.__mro__.index(trait.this_class), list(vars(trait.this_class)).index(trait.name)),
    )


def is_computed(cls: Any, trait: str) -> bool:
    """Say whether a method of the class, and no constant, gives a trait its default."""
    members = (member for each in cls.__mro__ for member in vars(each).values())
    return any(isinstance(member, DefaultHandler) and member.trait_name == trait for member in members)


def table(directive: SphinxDirective, rows: list[tuple[str, ...]]) -> list[nodes.Node]:
    """Return a table of Markdown cells; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    container = nodes.container()
    directive.state.nested_parse(StringList(lines, source=directive.name), 0, container)
    return container.children


class SettingsTable(SphinxDirective):
    """`jhkube-settings`: every setting of the sample configuration as a table."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        # Both names in one cell, so that the table is no wider than the page.
        rows = [("Variable<br/>In the chart, `custom.jhkube.…`", "What it is", "Default")]
        rows += [(f"`{s.variable}`<br/>`{s.name}`", s.help, f"`{default_text(s)}`") for s in SETTINGS]
        return table(self, rows)


class VariablesTable(SphinxDirective):
    """`jhkube-variables`: the environment variables of the development cluster as a table."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows = [("Variable", "What it does (default)")]
        return table(self, rows + [(f"`{name}`", text) for name, text in VARIABLES.items()])


class ServiceApi(SphinxDirective):
    """`jhkube-service-api`: the routes of My servers and what they answer, as tables."""

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        made: list[nodes.Node] = []
        for title, rows in reference_tables():
            made += [nodes.rubric(title, title), *table(self, rows)]
        return made


class MetricsTable(SphinxDirective):
    """`jhkube-metrics`: what jhkube tells Prometheus as a table."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows = [("Metric", "Type", "Labels", "What it is")]
        for metric in (value for name, value in vars(metrics).items() if name in metrics.__all__ and name.isupper()):
            family, labels = next(iter(metric.describe())), ", ".join(f"`{name}`" for name in metric._labelnames)
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((f"`{name}`", family.type, labels, family.documentation))
        return table(self, rows)


class OwnTraits(SphinxDirective):
    """`jhkube-traits MODULE.CLASS`: jhkube's own configurable traits of a class, with their help."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the traits, each by autodoc_traits' `autotrait`."""
        module, _, name = self.arguments[0].rpartition(".")
        lines = ["```{eval-rst}"]
        for trait in own_traits(getattr(import_module(module), name)):
            lines += [f".. autotrait:: {module}.{name}.{trait.name}", "   :no-index-entry:", ""]
        container = nodes.container()
        self.state.nested_parse(StringList([*lines, "```"], source=self.arguments[0]), 0, container)
        return container.children


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return a command line's commands by name."""
    # argparse tells of them by this private class only.
    (action,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return dict(action.choices)


class Commands(SphinxDirective):
    """`jhkube-commands`: what each command of `jhkube` says of itself with `--help`."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command."""
        # argparse folds lines to the terminal's width, and has colours for a terminal from Python 3.14 on.
        os.environ |= {"COLUMNS": "76", "NO_COLOR": "1"}
        sections: list[nodes.Node] = []
        for name, parser in subcommands(command_line(*COMMANDS)).items():
            title = f"jhkube {name}"
            section = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
            section += nodes.title(title, title)
            text = parser.format_help()
            section += nodes.literal_block(text, text, language="text")
            self.state.document.note_explicit_target(section)
            sections.append(section)
        return sections


class Pages(TocTree):
    """`jhkube-pages`: a toctree of those of its pages that are there; the others are still to be written."""

    def run(self) -> list[nodes.Node]:
        """Return the toctree."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        self.content = StringList([page for page in self.content if (here / f"{page}.md").exists()])
        return super().run()


class ShortTraitDocumenter(TraitDocumenter):
    """autodoc_traits' documenter, without defaults that are a page long or that only an instance knows."""

    priority = TraitDocumenter.priority + 1

    def add_directive_header(self, sig: str) -> None:
        """Write the trait's heading: `c.JHKubeSpawner.home = Enum('pvc')`."""
        shown = "" if is_computed(self.parent, self.object.name) else repr(self.object.default())
        shown = "…" if len(shown) > LONGEST_DEFAULT else shown
        self.options.annotation = f" = {type(self.object).__name__}({shown})"
        AttributeDocumenter.add_directive_header(self, sig)

    def format_name(self) -> str:
        """Return the name as a configuration file has it."""
        return f"c.{self.objpath[-2]}.{self.objpath[-1]}"


_as_written: dict[str, list[str]] = {}


def keep_attribute(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep an attribute's docstring from napoleon, which takes all before a colon for its type."""
    if what in ("attribute", "property"):
        _as_written[name] = list(lines)


def restore_attribute(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put back what `keep_attribute` kept."""
    if name in _as_written:
        lines[:] = _as_written.pop(name)


AUTHENTICATOR = re.compile(r"\bc\.(?:GitHubOrg|CILogonGroup|OIDCOrg)Authenticator\.")


def name_own_class(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Have the examples of a trait that several authenticators have name the one that the page is about."""
    if what == "trait" and AUTHENTICATOR.match(own := f"c.{name.split('.')[-2]}."):
        lines[:] = [AUTHENTICATOR.sub(own, line) for line in lines]


NOT_RUN = re.compile(r"^([ ]*)<!-- (not run: [^\n]*?) -->\n", re.MULTILINE)


def show_not_run(app: Sphinx, docname: str, source: list[str]) -> None:
    """Have the reader see which commands were not run, and why: the marks of tests/pages.py are comments."""

    def shown(mark: re.Match[str]) -> str:
        indent, text = mark.groups()
        lines = (":::{container} jhkube-not-run", text[0].upper() + text[1:], ":::")
        return "".join(f"{indent}{line}\n" for line in lines) + "\n"

    source[0] = NOT_RUN.sub(shown, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.setup_extension("autodoc_traits")
    app.add_autodocumenter(ShortTraitDocumenter, override=True)
    app.add_directive("jhkube-commands", Commands)
    app.add_directive("jhkube-metrics", MetricsTable)
    app.add_directive("jhkube-pages", Pages)
    app.add_directive("jhkube-service-api", ServiceApi)
    app.add_directive("jhkube-settings", SettingsTable)
    app.add_directive("jhkube-variables", VariablesTable)
    app.add_directive("jhkube-traits", OwnTraits)
    app.connect("source-read", show_not_run)
    # Before and after napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", keep_attribute, priority=400)
    app.connect("autodoc-process-docstring", restore_attribute, priority=600)
    app.connect("autodoc-process-docstring", name_own_class)
    return {"version": "1", "parallel_read_safe": True}
