"""The page on which a person chooses who to be at the CILogon stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devcluster.standin_pages import pages

__all__ = ["choose_page"]

KEPT_PARAMETERS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
"""What the page's form sends back of the request."""

CHOOSE = """{% extends "layout" %}
{% block title %}Log in to {{ client }}{% endblock %}
{% block content %}
<h1>Who would you like to be?</h1>
<p><strong>{{ client }}</strong> asks you to log in.</p>
<form method="post" action="{{ action }}">
{% for key, value in parameters.items() %}<input type="hidden" name="{{ key }}" value="{{ value }}">
{% endfor %}
{% for provider, people in providers.items() %}
<h2 id="provider-{{ loop.index }}">{{ provider }}</h2>
<ul class="people" aria-labelledby="provider-{{ loop.index }}">
{% for login, claims in people %}<li><button type="submit" name="login" value="{{ login }}">
<span class="login">{{ login }}</span>{% if claims.name %} <bdi>{{ claims.name }}</bdi>{% endif %}
<span class="soft">{{ claims.email or "no e-mail" }}</span></button></li>
{% endfor %}</ul>
{% endfor %}
<button class="cancel" type="submit" name="cancel" value="1">Cancel</button>
</form>
{% endblock %}"""

PAGES = pages("CILogon", {"choose": CHOOSE})


def choose_page(client: str, people: Mapping[str, Mapping[str, Any]], action: str, asked: Mapping[str, str]) -> str:
    """Return the page, with the people of the identity providers asked for, those of the first one first.

    Parameters
    ----------
    client
        The client's name.
    people
        Claims by login.
    action
        Where the form goes.
    asked
        The authorize request's parameters; `selected_idp` (or `idphint`) names identity providers.
    """
    wanted = [each for each in asked.get("selected_idp", asked.get("idphint", "")).split(",") if each]
    known = dict.fromkeys(each.get("idp", "") for each in people.values())
    providers = {
        provider: [(login, each) for login, each in people.items() if each.get("idp", "") == provider]
        for provider in (wanted or known)
    }
    kept = {key: asked[key] for key in KEPT_PARAMETERS if key in asked}
    return PAGES.get_template("choose").render(client=client, action=action, parameters=kept, providers=providers)
