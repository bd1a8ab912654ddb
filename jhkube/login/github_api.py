"""What GitHub's REST API says about the person whose token it is: all pages, at once, asked again for free."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import HTTPResponse

from jhkube.login.errors import ProviderUnavailable, TokenRejected
from jhkube.login.github_account import GitHubAccount, Hidden, email_fields, organization_fields, team_fields

__all__ = ["GitHubApi", "account_at"]

PAGE_SIZE = 100
"""Items on a page; GitHub gives no more."""

MOST_PAGES = 100
"""A list with more pages is taken for an error."""

# <https://api.github.com/user/orgs?per_page=100&page=2>; rel="next"
_LINK = re.compile(r"""<([^>]*)>\s*;\s*rel\s*=\s*["']?([\w -]*)""", re.IGNORECASE)

Fetch = Callable[[str, Mapping[str, str]], Awaitable[HTTPResponse]]
Fields = Callable[[Mapping[str, Any]], Any]


class GitHubApi:
    """One person's view of the API, with what was answered last time.

    Conditional requests make an unchanged answer free of the rate limit; GitHub's ETags hold for one token.

    Parameters
    ----------
    fetch
        Makes a request of a URL with more headers; returns every answer that decides something, and raises
        `ProviderUnavailable` otherwise.
    read_json
        Returns an answer's body as a JSON value of a type.
    client_id
        The hub's own client: an answer that GitHub gives to another's token is not taken.
    remembered
        The `learned` of the last visit; empty at a login.
    github_url
        Where people go for single sign-on.
    """

    def __init__(
        self,
        fetch: Fetch,
        read_json: Callable[[HTTPResponse, type], Any],
        client_id: str,
        remembered: Mapping[str, Any],
        github_url: str = "https://github.com",
    ) -> None:
        self._fetch, self._read_json, self._client_id = fetch, read_json, client_id
        self._remembered, self._github_url = remembered, github_url
        self.hidden: Hidden | None = None
        """What is missing from the answers so far, since it asks for single sign-on."""
        self.is_stale = False
        """Whether one of the lists is as it was the last time, since it did not come now."""
        self.withheld: frozenset[str] = frozenset()
        """Which of `organizations` and `teams` the token's scopes do not show."""
        self.learned: dict[str, Any] = {}
        """By URL: the ETag, the body as far as it is used, and where the list goes on; plain JSON values."""

    async def one(self, url: str) -> dict[str, Any]:
        """Return the object at a URL."""
        return dict((await self._page(url, dict))["body"])

    async def all(self, url: str, fields: Fields, hidden: Collection[int] = ()) -> list[Any] | None:
        """Return all items of the list at a URL, from all of its pages.

        Parameters
        ----------
        url
            The list's address.
        fields
            Returns what is used of an item.
        hidden
            Statuses by which GitHub says that the token's scopes do not show the list: then None is returned.

        Raises
        ------
        ProviderUnavailable
            Where a page is missing, or is no list.
        """
        first = await self._page(_numbered(url, 1), list, fields, hidden)
        if first is None:
            return None
        pages = [first]
        while True:
            # A list can grow while its pages are read; one that does not tell its end is read page by page.
            last = max(page["last"] or 0 for page in pages) or len(pages) + pages[-1]["more"]
            if last > MOST_PAGES:
                raise ProviderUnavailable("GitHub", f"{urlsplit(url).path}: a list of {last} pages")
            if last <= len(pages):
                return [item for page in pages for item in page["body"]]
            missing = range(len(pages) + 1, last + 1)
            pages += await asyncio.gather(*(self._page(_numbered(url, number), list, fields) for number in missing))

    def known(self, url: str, *, is_stale: bool = True) -> list[Any] | None:
        """Return the list at a URL as it was the last time, and keep it; None where not all of it is remembered.

        Parameters
        ----------
        url
            The list's address.
        is_stale
            Whether it may be another list now.
        """
        pages: dict[str, Any] = {}
        while page := self._remembered.get(here := _numbered(url, len(pages) + 1)):
            pages[here] = page
            if not page["more"]:
                self.learned |= pages
                self.is_stale = self.is_stale or is_stale
                for each in pages.values():
                    self._note_hidden(_hidden_in(each))
                return [item for page in pages.values() for item in page["body"]]
        return None

    async def _page(self, url: str, kind: type, fields: Fields | None = None, hidden: Collection[int] = ()) -> Any:
        kept = fields.__name__ if fields else ""
        known = self._remembered.get(url)
        # What an earlier configuration kept of the items may be less than is asked for now.
        known = known if known and known["kept"] == kept and not _is_full_end(known) else None
        response = await self._fetch(url, {"If-None-Match": known["etag"]} if known else {})
        if response.code == 401:
            raise TokenRejected("GitHub does not accept the token of this login any more.")
        if response.headers.get("X-OAuth-Client-Id", self._client_id) != self._client_id:
            raise TokenRejected("GitHub says that the token of this login belongs to another application.")
        missing = Hidden.parse(response.headers.get("X-GitHub-SSO"), self._github_url)
        self._note_hidden(missing)
        if known and response.code == 304:
            if "Link" in response.headers:
                known = {**known, **_links(response)}
            self.learned[url] = known
            self._note_hidden(_hidden_in(known))
            return known
        if response.code in hidden:
            return None
        if response.code != 200:
            raise ProviderUnavailable("GitHub", f"{urlsplit(url).path}: {response.code}")
        body = self._read_json(response, kind)
        if fields is not None:
            try:
                body = [fields(item) for item in body]
            except (KeyError, TypeError, AttributeError) as error:
                raise ProviderUnavailable("GitHub", f"{urlsplit(url).path}: an item without {error}") from None
        page = {"etag": response.headers.get("ETag", ""), "kept": kept, "body": body, **_links(response)}
        if missing is not None:
            page["hidden"] = sorted(missing.ids)
        if page["etag"]:
            self.learned[url] = page
        return page

    def _note_hidden(self, hidden: Hidden | None) -> None:
        if hidden is not None:
            self.hidden = hidden | self.hidden


async def account_at(
    api: GitHubApi, base: str, user: Mapping[str, Any], *, is_same_user: bool = False, whole_teams: bool = False
) -> tuple[GitHubAccount, list[Any]]:
    """Return a person with addresses, organizations and teams, and the teams as GitHub has them.

    A list that does not come is as it was the last time. Organizations and teams decide who may come in, and are
    always asked for; the addresses are for git.

    Parameters
    ----------
    api
        The API, for this person.
    base
        The API's address.
    user
        What `/user` says.
    is_same_user
        Whether it says the same as the last time: then the addresses are those of the last time.
    whole_teams
        Whether everything that GitHub says of a team is kept.

    Raises
    ------
    ProviderUnavailable
        Where a list does not come and is not remembered, and for an answer that is not as GitHub documents it.
    """
    lists: dict[str, tuple[Fields, set[int]]] = {
        f"{base}/user/emails": (email_fields, {403, 404}),
        f"{base}/user/orgs": (organization_fields, {403}),
        f"{base}/user/teams": (dict if whole_teams else team_fields, {403, 404}),
    }
    same = api.known(next(iter(lists)), is_stale=False) if is_same_user else None
    asked = [api.all(url, *how) for number, (url, how) in enumerate(lists.items()) if number or same is None]
    answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    if same is not None:
        answers.insert(0, same)
    has_old_teams = isinstance(answers[2], ProviderUnavailable)
    names = ("addresses", "organizations", "teams")
    api.withheld = frozenset(name for name, found in zip(names, answers, strict=True) if found is None) - {names[0]}
    emails, organizations, teams = (_kept(api, url, found) for url, found in zip(lists, answers, strict=True))
    if organizations is None:
        # Without the scope read:org GitHub lists only what everybody can see.
        organizations = await api.all(f"{base}/users/{user['login']}/orgs", organization_fields)
    if has_old_teams:
        # Who has left an organization has left its teams.
        present = [organization["login"] for organization in organizations]
        teams = [team for team in teams if team["organization"]["login"] in present]
    try:
        return GitHubAccount.parse(user, emails or (), organizations or (), teams or ()), teams or []
    except ValueError as error:
        raise ProviderUnavailable("GitHub", str(error)) from None


def _kept(api: GitHubApi, url: str, found: Any) -> Any:
    if isinstance(found, ProviderUnavailable) and (known := api.known(url)) is not None:
        return known
    if isinstance(found, BaseException):
        raise found
    return found


def _hidden_in(page: Mapping[str, Any]) -> Hidden | None:
    return Hidden(frozenset(page["hidden"])) if page.get("hidden") is not None else None


def _numbered(url: str, number: int) -> str:
    return f"{url}?{urlencode({'per_page': PAGE_SIZE, 'page': number})}"


def _links(response: HTTPResponse) -> dict[str, Any]:
    """Return whether a list goes on after this page, and its last page's number where the Link header has one.

    Only numbers are taken from the header (RFC 8288): a link to elsewhere must not be sent the token.
    """
    links = {
        relation: url
        for url, relations in _LINK.findall(response.headers.get("Link", ""))
        for relation in relations.lower().split()
    }
    last = re.search(r"[?&]page=([0-9]{1,9})(?:&|$)", links.get("last", ""))
    return {"more": "next" in links, "last": int(last[1]) if last else None}


def _is_full_end(page: Mapping[str, Any]) -> bool:
    """Whether a page is the last one of a list and full: its ETag may not tell that a page has come after it."""
    return isinstance(page["body"], list) and len(page["body"]) >= PAGE_SIZE and not page["more"]
