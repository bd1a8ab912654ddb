"""One warning for an outage, and what counts as one."""

from __future__ import annotations

import io
import logging

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from jhkube.login.client import LARGEST_ANSWER, Outage, ProviderClient, asked_wait, is_rate_limit
from jhkube.login.errors import ProviderUnavailable


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def outage(clock):
    return Outage("GitHub", logging.getLogger("outages"), clock=clock)


def levels(caplog):
    return [record.levelname for record in caplog.records]


def test_the_first_failure_is_a_warning_and_the_others_are_not(outage, caplog):
    caplog.set_level("DEBUG")
    for _ in range(100):
        outage.failed("502")
    assert levels(caplog) == ["WARNING"] + ["DEBUG"] * 99


def test_an_answer_in_between_does_not_end_an_outage(outage, clock, caplog):
    for _ in range(10):
        outage.failed("502")
        clock.now += 30
        outage.answered()
    assert levels(caplog) == ["WARNING"]
    assert outage.is_on


def test_an_outage_is_over_after_a_minute_of_calm_and_the_next_is_another(outage, clock, caplog):
    caplog.set_level("INFO")
    outage.failed("502")
    clock.now += 61
    outage.answered()
    assert not outage.is_on
    outage.failed("502")
    assert levels(caplog) == ["WARNING", "INFO", "WARNING"]
    assert "answers again, 61 seconds after it first did not; 1 requests failed" in caplog.text


def response(code, body=b"", **headers):
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    return HTTPResponse(HTTPRequest("http://api.example/user"), code, headers=named, buffer=io.BytesIO(body))


@pytest.mark.parametrize(
    ("answer", "is_limit"),
    [
        (response(403, X_RateLimit_Remaining="0"), True),
        (response(403, Retry_After="60"), True),
        (response(403, b'{"message": "You have exceeded a secondary rate limit."}'), True),
        (response(403, b'{"message": "Resource not accessible"}', X_RateLimit_Remaining="4999"), False),
        (response(401, X_RateLimit_Remaining="0"), False),
    ],
)
def test_a_403_is_a_rate_limit_where_github_says_so(answer, is_limit):
    assert is_rate_limit(answer) is is_limit


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (response(429, Retry_After="30"), 30),
        (response(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="1090"), 90),
        (response(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="900"), 0),
        (response(500, X_RateLimit_Remaining="4999", X_RateLimit_Reset="1090"), 0),
        (response(429, Retry_After="Thu, 01 Jan 1970 00:17:20 GMT"), 40),
        (response(429, Retry_After="999999"), 300),
        (response(429, Retry_After="1e400"), 0),
        (response(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="99999999999"), 300),
        (response(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="soon"), 0),
        (response(503), 0),
    ],
)
def test_the_time_to_wait_is_githubs_but_never_more_than_five_minutes(answer, seconds):
    assert asked_wait(answer, now=1000.0) == seconds


@pytest.mark.parametrize(
    "url", ["None", "", "http://[", "ftp://idp.example/", "http://a..b/", "http://\u2028/"], ids=ascii
)
async def test_an_address_that_cannot_be_asked_is_no_answer(url):
    client = ProviderClient("an idp", AsyncHTTPClient, {}, logging.getLogger("outages"))
    with pytest.raises(ProviderUnavailable):
        await client.json_at(url)


def test_an_answer_with_more_than_there_can_be_is_not_read_and_is_no_outage(caplog):
    client = ProviderClient("an idp", AsyncHTTPClient, {}, logging.getLogger("outages"))
    padding = b" " * (LARGEST_ANSWER - 2)
    assert client.read_json(response(200, b"[]" + padding), list) == []
    with pytest.raises(ProviderUnavailable) as refused:
        client.read_json(response(200, b"[] " + padding), list)
    assert refused.value.what.endswith(": 2097153 bytes, more than 2097152")
    assert not caplog.records
