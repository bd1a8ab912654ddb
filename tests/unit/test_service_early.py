"""What is answered while the service is being loaded, and that the socket is then another's."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from jhkube.service.early import early_answers


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def asked(listening, path):
    url = f"http://127.0.0.1:{listening.getsockname()[1]}{path}"
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_hub_that_waits_is_content_and_a_client_is_told_to_wait(listening):
    with early_answers(listening):
        status, page = asked(listening, "/services/jhkube/")
        assert (status, "is starting" in page) == (200, True)
        status, text = asked(listening, "/services/jhkube/api/servers")
        assert (status, '"field": ""' in text) == (503, True)


def test_a_front_door_says_so_in_its_own_frame(listening):
    with early_answers(listening):
        status, text = asked(listening, "/services/jhkube/kubeflow/api/namespaces")
        assert (status, '"success": false' in text) == (504, True)
        status, text = asked(listening, "/services/jhkube/renku/notebooks/servers")
        assert (status, '"code": 3503' in text) == (503, True)


def test_the_socket_goes_on_listening_afterwards(listening):
    with early_answers(listening):
        pass
    with socket.create_connection(listening.getsockname(), timeout=120) as client:
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"later")
            assert client.recv(5) == b"later"


def test_requests_are_checked_without_the_grammar_that_takes_seconds_to_build():
    code = "import sys, jhkube.iri_grammar; jhkube.iri_grammar.leave_out_iri_grammar(); "
    code += "import jhkube.service.validation; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr
