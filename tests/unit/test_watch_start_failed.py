"""What the hub makes of a failed start."""

import logging

import jupyterhub.spawner
import pytest
from jupyterhub.utils import format_exception
from tornado import web

from jhkube.watch.failure import Failure, StartFailed

FAILURE = Failure("ErrImagePull", "The image <lab> does not exist.", "100%s of <it>", status_code=404)


@pytest.fixture
def failed():
    return StartFailed(FAILURE, "pod hub/jupyter-ada of ada:")


def test_the_operator_reads_object_and_reason_on_one_line(failed):
    assert str(failed) == "pod hub/jupyter-ada of ada: did not start: ErrImagePull: 100%s of <it>"


def test_the_user_reads_the_sentence_and_below_it_the_raw_reason(failed):
    text, html = format_exception(failed)
    assert text == "The image <lab> does not exist.\n(ErrImagePull: 100%s of <it>)"
    assert html == (
        "The image &lt;lab&gt; does not exist.<br><small><code>ErrImagePull: 100%s of &lt;it&gt;</code></small>"
    )


def test_it_is_an_answer_of_its_own_status(failed):
    assert isinstance(failed, web.HTTPError)
    assert failed.status_code == 404


def test_tornado_can_log_it_whatever_is_in_it(failed, caplog):
    handler = web.RequestHandler.__new__(web.RequestHandler)
    handler.request = type("Request", (), {"method": "GET", "uri": "/", "remote_ip": "::1"})()
    with caplog.at_level(logging.WARNING):
        handler.log_exception(type(failed), failed, None)
    assert "100%s of <it>" in caplog.text


@pytest.mark.skipif(not hasattr(jupyterhub.spawner, "SpawnException"), reason="jupyterhub 6 has it")
def test_to_jupyterhub_6_it_is_no_error_of_the_hubs_own(failed):
    assert isinstance(failed, jupyterhub.spawner.SpawnException)
    assert failed.reason == "ErrImagePull"
