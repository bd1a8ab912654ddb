"""The pages a person sees at the GitHub stand-in: who to be, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import DictLoader, Environment, select_autoescape

from devcluster.github_world import Person

__all__ = ["choose_person_page", "home_page", "problem_page"]

SCOPE_MEANINGS = {
    "read:org": "see your organizations and teams, the private memberships too",
    "user:email": "see your e-mail addresses",
    "read:user": "see your whole profile",
    "user": "see and change your profile",
    "public_repo": "read and write your public repositories",
    "repo": "read and write all your repositories, the private ones too",
}

LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %} · GitHub stand-in</title>
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
<p class="note">This is not GitHub: a stand-in for it, with demo accounts only.</p>
{% block content %}{% endblock %}
</main></body>
</html>"""

CHOOSE = """{% extends "layout" %}
{% block title %}Authorize {{ application }}{% endblock %}
{% block content %}
<h1>Who would you like to be?</h1>
<p><strong>{{ application }}</strong> asks you to log in. {% if scopes %}It will be able to:{% endif %}</p>
{% if scopes %}<ul>{% for scope in scopes %}
<li>{{ meanings.get(scope, scope) }} <code>({{ scope }})</code></li>{% endfor %}</ul>
{% endif %}
<form method="post" action="{{ action }}">
{% for key, value in parameters.items() %}<input type="hidden" name="{{ key }}" value="{{ value }}">
{% endfor %}
<h2 id="people">Choose a demo account</h2>
<ul class="people" aria-labelledby="people">
{% for person, places in people %}<li><button type="submit" name="login" value="{{ person.login }}">
<span class="login">{{ person.login }}</span>{% if person.name %} <bdi>{{ person.name }}</bdi>{% endif %}
<span class="soft">{% if person.bio %}{{ person.bio }} · {% endif %}
{{ places|join(", ") or "no organization" }}</span></button></li>
{% endfor %}</ul>
<button class="cancel" type="submit" name="cancel" value="1">Cancel</button>
</form>
{% endblock %}"""

PROBLEM = """{% extends "layout" %}
{% block title %}{{ heading }}{% endblock %}
{% block content %}<h1>{{ heading }}</h1><p>{{ text }}</p>{% endblock %}"""

HOME = """{% extends "layout" %}
{% block title %}Who is here{% endblock %}
{% block content %}
<h1>Who is here</h1>
<ul>{% for person, places in people %}<li><strong>{{ person.login }}</strong>
{% if person.name %}<bdi>{{ person.name }}</bdi>{% endif %}
<span class="soft">{{ places|join(", ") or "no organization" }}</span></li>{% endfor %}</ul>
<p>The REST API answers under <code>{{ api }}</code>.</p>
{% endblock %}"""

PAGES = Environment(
    loader=DictLoader({"layout": LAYOUT, "choose": CHOOSE, "problem": PROBLEM, "home": HOME}),
    autoescape=select_autoescape(default=True, default_for_string=True),
)


def choose_person_page(
    application: str,
    scopes: Sequence[str],
    people: Sequence[tuple[Person, Sequence[str]]],
    action: str,
    parameters: Mapping[str, str],
) -> str:
    """Return the page on which a person chooses who to be, and with it agrees to the scopes.

    Parameters
    ----------
    people
        Accounts, each with the names of its organizations.
    action, parameters
        Where the form goes, and what goes with it beside `login` or `cancel`.
    """
    return PAGES.get_template("choose").render(
        application=application,
        scopes=scopes,
        people=people,
        action=action,
        parameters=parameters,
        meanings=SCOPE_MEANINGS,
    )


def problem_page(heading: str, text: str) -> str:
    """Return a page that says why it does not go on."""
    return PAGES.get_template("problem").render(heading=heading, text=text)


def home_page(people: Sequence[tuple[Person, Sequence[str]]], api: str) -> str:
    """Return the page that lists the accounts there are."""
    return PAGES.get_template("home").render(people=people, api=api)
