# mypy: allow-untyped-calls
"""Whether the provider answers, and takes this hub for a client of its own; asked without anybody's login."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import jwt
from tornado.httpclient import HTTPResponse

from jhkube.checks.configured import ConfiguredHub
from jhkube.checks.result import Result, Subject
from jhkube.login.errors import ProviderUnavailable
from jhkube.login.github_traits import GitHubTraits
from jhkube.login.openid import OpenIDAuthenticator, configuration_url

__all__ = ["PROVIDER", "provider_results"]

PROVIDER = Subject("provider")

NO_CODE = "jhkube-check"
"""A code that no provider has given: what it answers tells whether it knows the client."""

TIMEOUTS = {"connect_timeout": 10.0, "request_timeout": 20.0}
"""Seconds."""

HEADERS = {"Accept": "application/json", "User-Agent": "JupyterHub"}

WRONG_CLIENT = frozenset(
    {"incorrect_client_credentials", "invalid_client", "unauthorized_client", "Not Found", "application_suspended"}
)
"""Errors of token endpoints about the client: GitHub's, RFC 6749's, and what GitHub says of an unknown id."""


async def provider_results(hub: ConfiguredHub) -> AsyncIterator[Result]:
    """Yield what can be known of the provider without a person."""
    authenticator = hub.authenticator
    if not isinstance(authenticator, GitHubTraits | OpenIDAuthenticator):
        yield PROVIDER.skipped(f"{type(authenticator).__name__} is none of jhkube's authenticators")
        return
    prefix = f"c.{type(authenticator).__name__}"
    missing = [name for name in ("client_id", "client_secret") if not getattr(authenticator, name)]
    if missing:
        yield PROVIDER.failed(
            f"{' and '.join(f'{prefix}.{name}' for name in missing)}: not set",
            "Register this hub with the provider, and set what it gave you.",
        )
        return
    look = _github if isinstance(authenticator, GitHubTraits) else _openid
    try:
        async for result in look(authenticator, prefix):
            yield result
    except ProviderUnavailable as error:
        setting = next(each for each in ("github_url", "cilogon_host", "issuer") if authenticator.has_trait(each))
        place = getattr(authenticator, "issuer" if setting == "cilogon_host" else setting)
        yield PROVIDER.failed(
            f"{place} does not answer as it should: {error.what}",
            f"If {prefix}.{setting} is right, look whether this machine reaches it (proxy, firewall, DNS, "
            "certificates), and at the provider's status page.",
        )


async def _github(authenticator: Any, prefix: str) -> AsyncIterator[Result]:
    response = await _ask(authenticator, f"{authenticator.github_api}/meta")
    if response.code == 404:
        yield PROVIDER.warning(
            f"{authenticator.github_api} answers, but not as GitHub's API does",
            f"Look at {prefix}.github_url: the address that a browser opens, without a path.",
        )
    async for result in _client(authenticator, prefix, "GitHub"):
        yield result
    async for result in _organizations(authenticator, prefix):
        yield result


async def _organizations(authenticator: Any, prefix: str) -> AsyncIterator[Result]:
    """Yield whether the organizations and teams of the configuration are who they are taken for.

    Asked as anybody may ask: GitHub describes a team only to members of its organization.
    """
    entries = {
        entry: trait
        for trait in ("denied_organizations", "admin_organizations", "allowed_teams", "allowed_organizations")
        for entry in sorted(getattr(authenticator, trait))
    }
    ids: dict[str, int | None] = {}
    for entry, trait in entries.items():
        organization, _, team = entry.partition("#")[0].partition(":")
        if organization.lower() not in ids:
            try:
                ids[organization.lower()] = await _organization_id(authenticator, organization)
            except ProviderUnavailable as error:
                yield PROVIDER.skipped(f"the ids of organizations: GitHub does not tell them now ({error.what})")
                return
        found = ids[organization.lower()]
        if found is not None:
            judge = _judged_team if team else _judged_organization
            yield judge(f"{prefix}.{trait}", entry, found)


async def _organization_id(authenticator: Any, name: str) -> int | None:
    """Return the id of GitHub's organization of this name; 0 where there is none, None where GitHub does not say."""
    response = await _ask(authenticator, f"{authenticator.github_api}/orgs/{name}")
    if response.code == 404:
        return 0
    found = _json(response).get("id") if response.code == 200 else None
    return found if isinstance(found, int) else None


def _judged_organization(setting: str, entry: str, found: int) -> Result:
    """Return what `org` or `org#id` comes to, where the organization of that name has the id `found`."""
    name, _, number = entry.partition("#")
    if not found or (number and str(found) != number):
        now = f"the organization {name}#{found}" if found else "no organization"
        return PROVIDER.warning(
            f"{setting}: {name} is the name of {now} at GitHub",
            f"The organization you mean was renamed or deleted, or {name} is misspelled. "
            + ("Its id still counts; correct the name." if number else "Take the entry out, or correct it."),
        )
    if number:
        return PROVIDER.passed(f"{setting}: {entry} is {name}")
    return PROVIDER.passed(f"{setting}: {name} is {name}#{found}, and with that id nobody else's")


def _judged_team(setting: str, entry: str, found: int) -> Result:
    """Return what `org:team` or `org:team#id` comes to, where the organization of that name has the id `found`."""
    name, _, number = entry.partition("#")
    organization, _, team = name.partition(":")
    if not found:
        return PROVIDER.warning(
            f"{setting}: {entry} is a team of {organization}, which is the name of no organization at GitHub",
            f"The organization was renamed or deleted, or {organization} is misspelled. "
            + ("The team's id still counts; correct the name." if number else "Take the entry out, or correct it."),
        )
    told = f"A member of {organization} sees the id: gh api orgs/{organization}/teams/{team} --jq .id"
    if number:
        return PROVIDER.skipped(
            f"{setting}: {entry} is a team of {organization}#{found}; GitHub does not tell the hub the team's id",
            told,
        )
    return PROVIDER.skipped(
        f"{setting}: {entry} is a team of {organization}#{found}, and counts by its name, which may change hands",
        f"Write {entry}#id, and only the id counts. {told}",
    )


async def _openid(authenticator: Any, prefix: str) -> AsyncIterator[Result]:
    url = configuration_url(authenticator.issuer)
    found = _json(await _ask(authenticator, url))
    is_cilogon = authenticator.has_trait("cilogon_host")
    name = "CILogon" if is_cilogon else authenticator.login_service
    remedy = f"Look at {prefix}.cilogon_host (such as cilogon.org) and {prefix}.issuer."
    if not is_cilogon:
        remedy = f"Look at {prefix}.issuer: it is the `issuer` in the provider's configuration, to the letter."
    if not found.get("jwks_uri"):
        yield PROVIDER.failed(f"{url} is not the configuration of an OpenID provider", remedy)
        return
    if found.get("issuer") != authenticator.issuer:
        yield PROVIDER.failed(
            f"the provider calls itself {found.get('issuer')}, and this hub expects {authenticator.issuer}: "
            "no id token would be accepted",
            remedy,
        )
        if not is_cilogon:
            return
    if not is_cilogon:
        await authenticator.discover()
    for trait, key in (("authorize_url", "authorization_endpoint"), ("token_url", "token_endpoint")):
        if found.get(key) and found[key] != getattr(authenticator, trait):
            yield PROVIDER.warning(
                f"{prefix}.{trait} is {getattr(authenticator, trait)}, and the provider says {found[key]}",
                "Take the setting out, unless you know better.",
            )
    try:
        keys = jwt.PyJWKSet.from_dict(_json(await _ask(authenticator, found["jwks_uri"]))).keys
    except jwt.PyJWTError as error:
        yield PROVIDER.failed(f"{found['jwks_uri']} has no keys that id tokens can be checked with: {error}", remedy)
    else:
        yield PROVIDER.passed(f"{authenticator.issuer} signs id tokens with {len(keys)} known keys")
    async for result in _client(authenticator, prefix, name):
        yield result


async def _client(authenticator: Any, prefix: str, name: str) -> AsyncIterator[Result]:
    """Ask whether the provider knows this client and its callback, as a login would, without a person."""
    callback = {"redirect_uri": authenticator.oauth_callback_url} if authenticator.oauth_callback_url else {}
    # Asked first: what a person's browser would be answered.
    asked = {
        "client_id": authenticator.client_id,
        "response_type": "code",
        "scope": " ".join(authenticator.scope),
        "state": NO_CODE,
        **callback,
    }
    page = await _ask(authenticator, f"{authenticator.authorize_url}?{urlencode(asked)}", follow_redirects=False)
    error = await _token_error(authenticator, callback)
    unknown = page.code == 404 and name == "GitHub"
    if error in WRONG_CLIENT or unknown:
        what = "no application with this client_id" if unknown else "another client_id or client_secret"
        yield PROVIDER.failed(
            f"{name} does not take this hub's credentials: it knows {what}",
            f"Compare {prefix}.client_id and client_secret with the registration; if in doubt make a new secret.",
        )
        return
    if "redirect_uri_mismatch" in page.headers.get("Location", "") + error or page.code in (400, 404):
        yield PROVIDER.failed(
            f"{name} would not send people back to {authenticator.oauth_callback_url or 'this hub'}",
            f"Register that address with {name} as it is written here, or set {prefix}.oauth_callback_url to the "
            "registered one.",
        )
        return
    yield PROVIDER.passed(f"{name} answers, and takes this hub for its client {authenticator.client_id}")


async def _token_error(authenticator: Any, callback: Mapping[str, str]) -> str:
    """Return the error of a token endpoint that is asked with a code that is none."""
    asked = {
        "grant_type": "authorization_code",
        "code": NO_CODE,
        "client_id": authenticator.client_id,
        "client_secret": authenticator.client_secret,
        **callback,
    }
    headers = authenticator.build_token_info_request_headers()
    body = urlencode(asked).encode()
    return str(
        _json(await _ask(authenticator, authenticator.token_url, headers, method="POST", body=body)).get("error")
    )


async def _ask(
    authenticator: Any, url: str, headers: Mapping[str, str] | None = None, **request: Any
) -> HTTPResponse:
    response: HTTPResponse = await authenticator.client.ask(url, headers or HEADERS, **TIMEOUTS, **request)
    return response


def _json(response: HTTPResponse) -> dict[str, Any]:
    try:
        value = json.loads(response.body or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
