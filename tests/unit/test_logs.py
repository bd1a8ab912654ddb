"""What does not stand in the log."""

import logging

import pytest
from tornado.log import access_log, app_log, gen_log

from jhkube.logs import hide_url_secrets


@pytest.mark.parametrize("log", [access_log, app_log, gen_log, logging.getLogger("a-hub")], ids=str)
def test_no_logger_of_a_hub_writes_them(log, caplog):
    hide_url_secrets(logging.getLogger("a-hub"))
    log.propagate = True
    with caplog.at_level(logging.INFO):
        log.warning("403 GET %s (%s)", "/hub/oauth_callback?code=5f1c", "10.0.0.1")
        log.warning("100 %")
    assert caplog.messages[-2:] == ["403 GET /hub/oauth_callback?code=[secret] (10.0.0.1)", "100 %"]
