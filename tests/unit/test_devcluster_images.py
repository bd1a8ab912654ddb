"""The tiny server, as far as it runs without a container."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from devcluster.images import ROOT
from tests.ports import free_port

TINY = ROOT / "images" / "tiny" / "jupyterhub-singleuser"


@pytest.fixture
def tiny():
    started = []

    def start(**environ):
        port = free_port()
        url = f"http://127.0.0.1:{port}/user/someone/"
        environ = {"PATH": os.environ["PATH"], "JUPYTERHUB_SERVICE_URL": url, **environ}
        command = [sys.executable, "-IS", TINY]
        server = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(server)
        return server, url

    yield start
    for server in started:
        server.kill()
        server.communicate()


def test_the_tiny_server_answers_as_a_single_user_server(tiny):
    server, url = tiny(TINY_HUB_VERSION="5.5.0")
    assert b"listening" in server.stdout.readline()
    with urllib.request.urlopen(f"{url}api") as answer:
        assert (answer.status, answer.read()) == (200, b'{"version": "tiny"}')
        assert answer.headers["X-JupyterHub-Version"] == "5.5.0"


def test_a_request_in_two_pieces_is_answered_and_an_idle_one_holds_up_nobody(tiny):
    server, url = tiny()
    assert b"listening" in server.stdout.readline()
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as idle, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /user/someone/api HT")
        idle.sendall(b"GET")
        time.sleep(0.1)
        slow.sendall(b"TP/1.1\r\nHost: tiny\r\n\r\n")
        assert slow.recv(15) == b"HTTP/1.1 200 OK"


def test_the_tiny_server_waits_before_it_listens(tiny):
    began = time.monotonic()
    server, _ = tiny(TINY_DELAY="0.5")
    assert b"listening" in server.stdout.readline()
    assert time.monotonic() - began >= 0.5


def test_the_tiny_server_crashes_as_it_is_told(tiny):
    server, _ = tiny(TINY_EXIT_CODE="42", TINY_MESSAGE="no licence was found")
    output, _ = server.communicate(timeout=120)
    assert (server.returncode, output) == (42, b"no licence was found\n")


def test_the_tiny_server_ends_by_itself_when_it_is_told(tiny):
    server, _ = tiny(TINY_EXIT_AFTER="0.2")
    assert server.wait(240) == 0


def test_the_tiny_server_ends_at_once_when_it_is_asked(tiny):
    server, _ = tiny()
    assert b"listening" in server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
