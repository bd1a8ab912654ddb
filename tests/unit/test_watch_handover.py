"""What the hub is handed with a server that answers: on JupyterHub's own records, in a real database."""

from __future__ import annotations

import asyncio
import logging

import pytest
from jupyterhub import orm
from jupyterhub.objects import Server
from jupyterhub.spawner import LocalProcessSpawner
from sqlalchemy import event, text
from tornado.httputil import HTTPHeaders

from jhkube.watch._handover import RECORDS, hand_over
from jhkube.watch.readiness import Answer

URL = "http://10.1.2.3:8888"


class Starting(LocalProcessSpawner):
    """A spawner with something to save."""

    def get_state(self):
        return {"pod_name": f"jupyter-{self.user.name}"}


@pytest.fixture
def hub(tmp_path):
    """A hub's session, and all that was written in it."""
    session = orm.new_session_factory(f"sqlite:///{tmp_path}/hub.sqlite")()
    session.execute(text("SELECT 1"))
    session.written = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, many):
        if not statement.startswith(("SELECT", "PRAGMA")):
            session.written.append(statement.split()[1])

    yield session
    session.close()
    session.get_bind().dispose()


def starting(hub, name):
    """A server that starts, as JupyterHub's `User.spawn` makes it."""
    user = orm.User(name=name)
    record = orm.Spawner(name="", user=user)
    server = orm.Server(base_url=f"/user/{name}/")
    hub.add_all([user, record, server])
    hub.commit()
    spawner = Starting(user=user, orm_spawner=record)
    spawner.server = Server(orm_server=server)
    hub.commit()
    hub.written.clear()
    return spawner


def finished(hub, spawner, server):
    """What `User.spawn` does when a start is over."""
    server.proto, server.ip, server.port = "http", "10.1.2.3", 8888
    hub.commit()
    if spawner.user.state is None:
        spawner.user.state = {}
    spawner.orm_spawner.state = spawner.get_state()
    hub.commit()


async def test_records_are_written_together_and_the_hub_has_nothing_left_to_write(hub):
    spawners = [starting(hub, name) for name in ("ada", "eve", "kay")]
    servers = [spawner.server for spawner in spawners]
    commits = []
    event.listen(hub, "after_commit", lambda session: commits.append(1))
    for spawner in spawners:
        RECORDS.know(spawner, URL)
    assert hub.written == []
    await asyncio.sleep(0.2)
    assert len(commits) == 1
    assert sorted(hub.written) == ["servers", "spawners", "users"]
    for spawner in spawners:
        hub.refresh(spawner.orm_spawner)
        assert spawner.orm_spawner.state == {"pod_name": f"jupyter-{spawner.user.name}"}
        assert (spawner.orm_spawner.server.ip, spawner.orm_spawner.server.port) == ("10.1.2.3", 8888)
    hub.written.clear()
    for spawner, server in zip(spawners, servers, strict=True):
        finished(hub, spawner, server)
    assert hub.written == []


async def test_what_could_not_be_written_the_hub_writes(hub, caplog):
    spawner = starting(hub, "ada")
    server = spawner.server
    hub.execute(text("PRAGMA query_only = on"))
    RECORDS.know(spawner, URL)
    with caplog.at_level(logging.WARNING):
        RECORDS.write()
    assert "readonly" in caplog.text
    hub.execute(text("PRAGMA query_only = off"))
    assert not hub.dirty
    hand_over(spawner, URL, Answer(URL, HTTPHeaders()))
    finished(hub, spawner, server)
    hub.refresh(spawner.orm_spawner.server)
    assert spawner.orm_spawner.server.ip == "10.1.2.3"
    assert spawner.server.url == f"{URL}/user/ada/"


async def test_one_whose_state_cannot_be_told_ends_nobody_elses_start(hub, caplog, monkeypatch):
    broken, server = starting(hub, "eve"), starting(hub, "ada")
    monkeypatch.setattr(broken, "get_state", lambda: 1 / 0)
    RECORDS.know(server, URL)
    RECORDS.know(broken, URL)
    with caplog.at_level(logging.WARNING):
        RECORDS.write()
    assert "division by zero" in caplog.text
    assert not hub.dirty
    finished(hub, server, server.server)
    hub.refresh(server.orm_spawner.server)
    assert server.orm_spawner.server.ip == "10.1.2.3"


async def test_a_server_whose_spawner_the_hub_has_deleted_is_passed_over(hub):
    deleted, other = starting(hub, "eve"), starting(hub, "ada")
    RECORDS.know(deleted, URL)
    RECORDS.know(other, URL)
    hub.delete(deleted.orm_spawner)
    hub.commit()
    RECORDS.write()
    hub.refresh(other.orm_spawner.server)
    assert other.orm_spawner.server.ip == "10.1.2.3"


async def test_a_record_that_is_there_is_not_written_again(hub):
    spawner = starting(hub, "ada")
    for _ in range(3):
        RECORDS.know(spawner, URL)
        RECORDS.write()
    assert len(hub.written) == 3


async def test_nothing_is_written_of_a_start_that_is_over(hub):
    stopped, cancelled = starting(hub, "ada"), starting(hub, "eve")
    hub.written.clear()
    RECORDS.know(stopped, URL)
    RECORDS.know(cancelled, URL)
    stopped.server = None
    hub.commit()
    RECORDS.forget(cancelled)
    hub.written.clear()
    RECORDS.write()
    assert hub.written == []
    hand_over(stopped, URL, Answer(URL, HTTPHeaders()))
    assert stopped.server is None


async def test_the_hub_is_told_the_answer_once_and_then_asks_itself(hub, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    spawner = starting(hub, "ada")
    hand_over(spawner, url, Answer(url, HTTPHeaders({"x-jupyterhub-version": "6.1.1"})))
    answer = await spawner.server.wait_up(http=True, timeout=1, extra_path="api")
    assert answer.headers.get("X-JupyterHub-Version") == "6.1.1"
    with pytest.raises(TimeoutError, match="didn't respond"):
        await spawner.server.wait_up(http=True, timeout=0.3, extra_path="api")


async def test_another_address_than_the_one_that_answered_is_left_to_the_hub(hub):
    spawner = starting(hub, "ada")
    server = spawner.server
    hand_over(spawner, "http://10.9.9.9:8888", Answer(URL, HTTPHeaders()))
    assert spawner.server is server
