"""All pages of a list, and what is taken from an answer."""

from __future__ import annotations

import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from jhkube.login.errors import ProviderUnavailable, TokenRejected
from jhkube.login.github_api import GitHubApi

URL = "https://api.example/user/orgs"


def answer(url, body, status=200, **headers):
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    return HTTPResponse(HTTPRequest(url), status, headers=named, buffer=io.BytesIO(json.dumps(body).encode()))


def link(number, relation):
    return f'<https://elsewhere.example/orgs?per_page=100&page={number}>; rel="{relation}"'


def read_json(response, kind):
    value = json.loads(response.body)
    assert isinstance(value, kind)
    return value


def api_of(pages, remembered=None, client_id="us"):
    """Return an API whose list has these pages: (items, Link header); and the list of URLs asked for."""
    asked = []

    async def fetch(url, headers):
        asked.append(url)
        number = int(parse_qs(urlsplit(url).query)["page"][0])
        items, links = pages[number - 1]
        return answer(url, items, Link=links, ETag=f'"{number}"')

    return GitHubApi(fetch, read_json, client_id, remembered or {}), asked


def same(item):
    return item


async def test_a_list_without_links_has_one_page():
    api, asked = api_of([([1, 2], "")])
    assert await api.all(URL, same) == [1, 2]
    assert asked == [f"{URL}?per_page=100&page=1"]


async def test_a_list_that_does_not_name_its_end_is_read_page_by_page():
    api, _ = api_of([([1], link(2, "next")), ([2], link(3, "next")), ([3], "")])
    assert await api.all(URL, same) == [1, 2, 3]


async def test_a_list_that_grows_while_it_is_read_is_read_to_its_new_end():
    first, second = f"{link(2, 'next')}, {link(2, 'last')}", f"{link(3, 'next')}, {link(3, 'last')}"
    api, _ = api_of([([1], first), ([2], second), ([3], "")])
    assert await api.all(URL, same) == [1, 2, 3]


@pytest.mark.parametrize(
    "links",
    [
        "<http://[>; rel=next",
        f"<{URL}?page=2>; REL='Next'",
        f'<{URL}?page=2>; rel="next prefetch", <{URL}?page={"9" * 5000}>; rel="last"',
        f'<{URL}?page=1>; rel="first", <{URL}?page=2>; rel="next", <{URL}?page=٢>; rel="last"',
    ],
)
async def test_no_page_is_missed_however_the_link_is_written(links):
    api, _ = api_of([([1], links), ([2], "")])
    assert await api.all(URL, same) == [1, 2]


async def test_an_unchanged_page_hides_no_page_that_has_come_after_it():
    full, pages = list(range(100)), [(list(range(100)), ""), ([100], "")]
    conditions = []

    async def fetch(url, headers):
        number = int(parse_qs(urlsplit(url).query)["page"][0])
        conditions.append(headers.get("If-None-Match"))
        items, links = pages[number - 1]
        is_known = headers.get("If-None-Match") == f'"{len(items)}"'
        return answer(url, None if is_known else items, 304 if is_known else 200, Link=links, ETag=f'"{len(items)}"')

    first = GitHubApi(fetch, read_json, "us", {})
    assert await first.all(URL, same) == full
    # The body of the first page is what it was, and so is its ETag.
    pages[0] = (full, link(2, "next"))
    second = GitHubApi(fetch, read_json, "us", first.learned)
    assert await second.all(URL, same) == [*full, 100]
    pages[1:] = [([100], link(3, "next")), ([101], "")]
    third = GitHubApi(fetch, read_json, "us", second.learned)
    assert await third.all(URL, same) == [*full, 100, 101]
    assert conditions == [None, None, None, '"100"', '"1"', None]


async def test_the_token_is_not_sent_where_a_link_leads():
    api, asked = api_of([([1], f"{link(2, 'next')}, {link(2, 'last')}"), ([2], "")])
    await api.all(URL, same)
    assert all(url.startswith(URL) for url in asked)


async def test_a_list_without_an_end_is_an_error():
    api, _ = api_of([([1], f"{link(2, 'next')}, {link(5000, 'last')}")])
    with pytest.raises(ProviderUnavailable):
        await api.all(URL, same)


async def test_an_item_without_what_is_used_is_an_error():
    api, _ = api_of([([{"login": "lab"}], "")])
    with pytest.raises(ProviderUnavailable):
        await api.all(URL, lambda item: item["id"])


@pytest.mark.parametrize("status", [301, 403, 404, 422])
async def test_a_status_that_is_no_answer_is_an_error(status):
    async def fetch(url, headers):
        return answer(url, [], status)

    with pytest.raises(ProviderUnavailable):
        await GitHubApi(fetch, read_json, "us", {}).all(URL, same)


@pytest.mark.parametrize(("status", "client"), [(401, "us"), (200, "another"), (304, "another")])
async def test_a_token_that_is_over_or_anothers_is_rejected(status, client):
    async def fetch(url, headers):
        return answer(url, [], status, X_OAuth_Client_Id=client)

    with pytest.raises(TokenRejected):
        await GitHubApi(fetch, read_json, "us", {}).all(URL, same)


async def test_the_list_of_last_time_is_known_where_all_of_it_is_remembered():
    api, _ = api_of([([1], f"{link(2, 'next')}, {link(2, 'last')}"), ([2], "")])
    assert api.known(URL) is None
    await api.all(URL, same)
    later = GitHubApi(None, read_json, "us", json.loads(json.dumps(api.learned)))
    assert later.known(URL) == [1, 2]
    assert later.learned == api.learned
    del api.learned[f"{URL}?per_page=100&page=2"]
    assert GitHubApi(None, read_json, "us", api.learned).known(URL) is None
