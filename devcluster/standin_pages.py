"""The frame of the pages that the stand-ins show, and the page that says what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import DictLoader, Environment, select_autoescape

__all__ = ["pages", "problem_page"]

LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %} · {{ service }} stand-in</title>
<style>
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --paper: #fff; --ground: #f6f8fa;
  --line: #8c959f; --accent: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --soft: #9da7b3; --paper: #151b23;
  --ground: #0d1117; --line: #656c76; --accent: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 3rem auto; padding: 2rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 12px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
.note { margin: 0 0 1rem; padding: .5rem .75rem; border-left: 4px solid var(--accent);
  background: var(--ground); }
.people { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: .5rem; }
button { font: inherit; color: inherit; width: 100%; text-align: start; padding: .6rem .9rem; cursor: pointer;
  background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
button:hover { border-color: var(--accent); }
button:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.login { font-weight: 600; }
.soft { color: var(--soft); display: block; font-size: .9rem; }
.cancel { width: auto; }
a { color: var(--accent); }
code { overflow-wrap: anywhere; }
</style>
</head>
<body><main>
<p class="note">This is not {{ service }}: a stand-in for it, with demo accounts only.</p>
{% block content %}{% endblock %}
</main></body>
</html>"""

PROBLEM = """{% extends "layout" %}
{% block title %}{{ heading }}{% endblock %}
{% block content %}<h1>{{ heading }}</h1><p>{{ text }}</p>{% endblock %}"""


def pages(service: str, templates: Mapping[str, str]) -> Environment:
    """Return the templates of a stand-in's pages, which can extend `layout`; everything in them is escaped.

    Parameters
    ----------
    service
        What the stand-in stands in for.
    templates
        Their text, by name.
    """
    environment = Environment(
        loader=DictLoader({"layout": LAYOUT, "problem": PROBLEM, **templates}),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    environment.globals["service"] = service
    return environment


def problem_page(service: str, heading: str, text: str) -> str:
    """Return a page that says why it does not go on."""
    return pages(service, {}).get_template("problem").render(heading=heading, text=text)
