"""The program that waits in a pod, as a process of its own, and who knocks at its port."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import certifi
import pytest

from jhkube.ahead.waiting import LONGEST_BODY, LONGEST_HEAD, PATH, read_authorities
from tests.ports import free_port

KEY = secrets.token_hex(32)

SERVER = """
import json, os, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print(json.dumps([os.getpid(), sys.argv, os.environ.get("TOKEN"), __name__, sys.path[0]]), flush=True)
"""


class Pod:
    """A folder as the Secret's volume is in a pod, and an image's programs on the path."""

    def __init__(self, folder: Path, key: str = KEY) -> None:
        self.folder = folder / "ahead"
        self.folder.mkdir()
        for name in ("wait.sh", "waiting.py"):
            (self.folder / name).write_text((files("jhkube.ahead") / name).read_text())
        (self.folder / "key").write_text(key)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    def program(self, name: str, text: str, shebang: str = sys.executable) -> None:
        path = self.bin / name
        path.write_text(f"#!{shebang}\n{text}")
        path.chmod(0o755)

    def wait(self, *command: str, seconds: float = 600, path: str | None = None) -> subprocess.Popen[str]:
        environ = {"PATH": path or f"{self.bin}:{os.environ['PATH']}", "PORT": str(self.port), "TOKEN": "none"}
        arguments = ["/bin/sh", str(self.folder / "wait.sh"), str(seconds), str(self.port), *command]
        self.process = subprocess.Popen(
            arguments, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self.process

    def connected(self) -> socket.socket:
        until = time.monotonic() + 240
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=240)
            except ConnectionRefusedError:
                assert time.monotonic() < until
                time.sleep(0.02)

    def asked(self, said: bytes) -> bytes:
        """Return everything that is answered; a connection that breaks has answered nothing more."""
        answer = b""
        with self.connected() as connection:
            try:
                connection.sendall(said)
                while data := connection.recv(65536):
                    answer += data
            except ConnectionError:
                pass
        return answer


def request(body: bytes = b'{"TOKEN": "given"}', key: str = KEY, line: str = f"POST {PATH} HTTP/1.1") -> bytes:
    head = f"{line}\r\nHost: pod\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def pod(tmp_path):
    pod = Pod(tmp_path)
    yield pod
    if pod.process is not None:
        pod.process.kill()
        pod.process.communicate()


def test_the_program_becomes_the_server_in_the_same_process_on_the_same_port(pod):
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser", "--flag", "a b")
    assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
    said, errors = process.communicate(timeout=240)
    assert errors == ""
    pid, argv, token, name, folder = json.loads(said)
    assert pid == process.pid
    assert argv == [str(pod.bin / "jupyterhub-singleuser"), "--flag", "a b"]
    assert (token, name) == ("given", "__main__")
    assert folder == str(pod.bin.resolve())


def test_another_command_is_run_in_the_programs_place(pod):
    pod.program("start-server", 'echo "$$ $1 $TOKEN"', shebang="/bin/sh")
    process = pod.wait("start-server", "one")
    assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
    assert process.communicate(timeout=240)[0] == f"{process.pid} one given\n"


STRANGE = {
    "no key": f"POST {PATH} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "another key": request(key=secrets.token_hex(32)),
    "the beginning of the key": request(key=KEY[:-1]),
    "a longer key": request(key=KEY + "0"),
    "an empty key": request(key=""),
    "a look": b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n",
    "a look with the key": request(line=f"GET {PATH} HTTP/1.1"),
    "another path": request(line="POST /user/ada/api HTTP/1.1"),
    "no length": f"POST {PATH} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n{{}}".encode(),
    "a long body": request(b"{" + b" " * LONGEST_BODY + b"}"),
    "an endless head": b"POST / HTTP/1.1\r\nX: " + b"x" * 2 * LONGEST_HEAD,
    "no JSON": request(b"TOKEN=given"),
    "no object": request(b'["TOKEN"]'),
    "no text": request(b'{"TOKEN": 1}'),
    "a name that is none": request(b'{"A=B": "x"}'),
    "a null byte": request(b'{"TOKEN": "a\\u0000b"}'),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
}


def test_whoever_else_knocks_reads_the_same_nothing_and_the_start_still_comes(pod):
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser")
    nothing = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for what, said in STRANGE.items():
        # What has more to say when it is refused may find its connection broken.
        assert pod.asked(said) in (nothing, b""), what
    assert pod.asked(STRANGE["another key"]) == nothing
    assert process.poll() is None
    assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
    assert json.loads(process.communicate(timeout=240)[0])[2] == "given"


def test_who_sends_slowly_is_refused_and_does_not_keep_the_start_out(pod):
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser")
    with pod.connected() as slow:
        slow.sendall(b"POST /jhkube/handover HTTP/1.1\r\n")
        assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
        assert slow.recv(64).startswith(b"HTTP/1.1 503 ")
    assert process.wait(timeout=240) == 0


def test_a_start_is_handed_over_once(pod):
    pod.program("jupyterhub-singleuser", "import sys; print('server', flush=True); sys.stdin.read()")
    process = pod.wait("jupyterhub-singleuser")
    assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", pod.port), timeout=240)
    assert process.stdout is not None
    assert process.stdout.readline() == "server\n"


def test_a_key_that_was_used_is_not_waited_with_again(tmp_path):
    pod = Pod(tmp_path, key="")
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser")
    assert (process.communicate(timeout=240), process.returncode) == (("", ""), 0)


def test_the_certificates_of_authorities_are_read_once_for_the_first_who_asks(monkeypatch):
    make, made = ssl.create_default_context, []

    def counted(*purpose: Any, **sources: Any) -> ssl.SSLContext:
        made.append(sources)
        return make(*purpose, **sources)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    known = {"cafile": certifi.where()}
    read_authorities()
    assert made == [known]
    other = ssl.create_default_context()
    assert made == [known, {}]
    first = ssl.create_default_context(**known)
    assert made == [known, {}]
    assert first is not other
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(first.get_ca_certs()) > 50
    assert ssl.create_default_context(**known) is not first
    assert ssl.create_default_context is counted


def test_after_its_time_it_ends_as_if_it_were_done(pod):
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser", seconds=0.5)
    assert (process.communicate(timeout=240), process.returncode) == (("", ""), 0)


def test_the_time_is_over_for_the_server_that_was_started_no_more(pod):
    # A busy machine takes many seconds until the program listens.
    pod.program("jupyterhub-singleuser", "import time; time.sleep(31); print('still here')")
    process = pod.wait("jupyterhub-singleuser", seconds=30)
    assert pod.asked(request()).startswith(b"HTTP/1.1 204 ")
    assert process.communicate(timeout=240)[0] == "still here\n"


def test_it_ends_when_the_node_asks(pod):
    pod.program("jupyterhub-singleuser", SERVER)
    process = pod.wait("jupyterhub-singleuser")
    pod.connected().close()
    process.terminate()
    assert process.wait(timeout=240) == 0


def test_an_image_without_python_ends_and_says_so(pod):
    for name in ("sh", "head"):
        (pod.bin / name).symlink_to(str(shutil.which(name)))
    pod.program("jupyterhub-singleuser", "", shebang="/missing/python3")
    process = pod.wait("jupyterhub-singleuser", path=str(pod.bin))
    errors = process.communicate(timeout=240)[1]
    assert (process.returncode, errors) == (0, "jhkube: this image has no Python, so nothing can wait in it.\n")
