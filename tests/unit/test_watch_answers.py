"""What the hub learns of a server's answer: on real sockets, with the hub's own check of versions."""

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from jupyterhub import __version__ as hub_version
from jupyterhub import orm
from jupyterhub._version import _check_version
from jupyterhub.objects import Server
from jupyterhub.spawner import SimpleLocalProcessSpawner
from tornado import web

from jhkube.watch.server import CheckedServerMixin, NoAnswer
from tests.ports import free_port


class Checked(CheckedServerMixin, SimpleLocalProcessSpawner):
    """A spawner with checked answers, and no cluster."""


@asynccontextmanager
async def server(head):
    """A server that answers with these header lines; gives the hub's object of it, as a spawner has it."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + head + b"\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield known(listening.sockets[0].getsockname()[1])


def known(port):
    """The hub's object of a server, made as JupyterHub's `User.spawn` makes it."""
    spawner = Checked(user=SimpleNamespace(name="ada"), orm_spawner=orm.Spawner(name=""))
    record = orm.Server(proto="http", ip="", port=1, base_url="/user/ada/", cookie_name="c")
    spawner.server = made = Server(orm_server=record)
    assert spawner.server is spawner.server
    assert spawner.server.orm_server is spawner.orm_spawner.server is record
    # What `User.spawn` does with the URL that a start returns.
    made.proto, made.ip, made.port = "http", "127.0.0.1", port
    return spawner.server


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (b"X-JupyterHub-Version: 6.1.1\r\n", "6.1.1"),
        (b"x-jupyterhub-version: 5.0.0b2\r\n", "5.0.0b2"),
        (b"X-JupyterHub-Version: evil\r\n", None),
        (b"X-JupyterHub-Version: 6.1.1\r\nX-JupyterHub-Version: 6.1.1\r\n", None),
        (b"X-JupyterHub-Version: 6." + b"1" * 5000 + b"\r\n", None),
        (b"X-JupyterHub-Version: 6.1.1 <script>\r\n", None),
        (b"X-JupyterHub-Version: \x1b[31m6\r\n", None),
        (b"Server: lab\r\n", None),
        (b"no header at all\r\n", None),
    ],
)
async def test_the_hub_learns_a_version_that_it_can_read_and_nothing_else(head, version):
    async with server(b"Set-Cookie: a=b\r\n" + head) as checked:
        answer = await checked.wait_up(http=True, timeout=240, extra_path="api")
    assert answer.headers.get("X-JupyterHub-Version") == version
    assert set(answer.headers) <= {"X-JupyterHub-Version"}
    _check_version(hub_version, answer.headers.get("X-JupyterHub-Version"), logging.getLogger())


async def test_a_server_that_stops_answering_is_the_servers_fault_and_a_timeout():
    with pytest.raises(NoAnswer, match=r"no answer within 0\.3 s") as ended:
        await known(free_port()).wait_up(http=True, timeout=0.3, extra_path="api")
    # A hub that restarts expects a TimeoutError, and one that starts a server does not count an answer below 500.
    assert isinstance(ended.value, TimeoutError)
    assert isinstance(ended.value, web.HTTPError)
    assert ended.value.status_code < 500
    assert "stopped answering" in ended.value.jupyterhub_message


async def test_a_server_that_sends_a_byte_a_second_does_not_hold_the_wait_up():
    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as dripping:
        checked = known(dripping.sockets[0].getsockname()[1])
        with pytest.raises(NoAnswer):
            await checked.wait_up(http=True, timeout=0.3, extra_path="api")


async def test_a_port_alone_is_waited_for_as_before():
    async with server(b"") as checked:
        await checked.wait_up(timeout=240)


def test_a_spawner_without_a_server_has_none():
    spawner = Checked(user=SimpleNamespace(name="ada"), orm_spawner=orm.Spawner(name=""))
    assert spawner.server is None
