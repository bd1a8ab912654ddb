"""The pages a person sees at the GitHub stand-in: who to be, and who is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devcluster.github_world import Person
from devcluster.standin_pages import pages

__all__ = ["choose_person_page", "home_page"]

SCOPE_MEANINGS = {
    "read:org": "see your organizations and teams, the private memberships too",
    "user:email": "see your e-mail addresses",
    "read:user": "see your whole profile",
    "user": "see and change your profile",
    "public_repo": "read and write your public repositories",
    "repo": "read and write all your repositories, the private ones too",
}

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

HOME = """{% extends "layout" %}
{% block title %}Who is here{% endblock %}
{% block content %}
<h1>Who is here</h1>
<ul>{% for person, places in people %}<li><strong>{{ person.login }}</strong>
{% if person.name %}<bdi>{{ person.name }}</bdi>{% endif %}
<span class="soft">{{ places|join(", ") or "no organization" }}</span></li>{% endfor %}</ul>
<p>The REST API answers under <code>{{ api }}</code>.</p>
{% endblock %}"""

PAGES = pages("GitHub", {"choose": CHOOSE, "home": HOME})


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


def home_page(people: Sequence[tuple[Person, Sequence[str]]], api: str) -> str:
    """Return the page that lists the accounts there are."""
    return PAGES.get_template("home").render(people=people, api=api)
