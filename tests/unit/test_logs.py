"""What does not stand in the log."""

import logging

import pytest
from tornado.log import access_log, app_log, gen_log

from jhkube.logs import hide_url_secrets
from jhkube.redaction import without_url_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "403 GET /hub/oauth_callback?code=5f%3A1c&state=e30 (10.0.0.1): no",
            "403 GET /hub/oauth_callback?code=[secret]&state=[secret] (10.0.0.1): no",
        ),
        (
            "HTTPServerRequest(uri='/hub/oauth_callback?CODE=5f1c', version='HTTP/1.1')",
            "HTTPServerRequest(uri='/hub/oauth_callback?CODE=[secret]', version='HTTP/1.1')",
        ),
        ('"Referer": "https://h/x?a=1&access_token=5f1c"', '"Referer": "https://h/x?a=1&access_token=[secret]"'),
        (
            "/hub/login?next=%2Fx%3Fcode%3D5f1c%26page%3D2&a=1",
            "/hub/login?next=%2Fx%3Fcode%3D[secret]%26page%3D2&a=1",
        ),
        ("GET /hub/spawn?page=2", "GET /hub/spawn?page=2"),
        ("exit code=5", "exit code=5"),
        ("?code=[secret]&state=", "?code=[secret]&state="),
    ],
)
def test_values_that_let_somebody_in_are_taken_out_of_addresses(text, shown):
    assert without_url_secrets(text) == shown


@pytest.mark.parametrize("log", [access_log, app_log, gen_log, logging.getLogger("a-hub")], ids=str)
def test_no_logger_of_a_hub_writes_them(log, caplog):
    hide_url_secrets(logging.getLogger("a-hub"))
    log.propagate = True
    with caplog.at_level(logging.INFO):
        log.warning("403 GET %s (%s)", "/hub/oauth_callback?code=5f1c", "10.0.0.1")
        log.warning("100 %")
    assert caplog.messages[-2:] == ["403 GET /hub/oauth_callback?code=[secret] (10.0.0.1)", "100 %"]
