"""A hub's database and cluster full of people at work: copies of one person who really logged in and started.

What the copies have is what the real hub wrote for the first person, with another name, number and tokens in it. So
that a refresh finds nothing new, as it does nearly always, the copies are asked of GitHub once for the ETags.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import sqlalchemy as sa
from cryptography.fernet import Fernet
from jupyterhub.orm import new_token
from jupyterhub.utils import hash_token
from kubernetes_asyncio import client

from devcluster.standin import Control
from jhkube.login.authenticator import MEMORY_KEY

from ..hubs import CRYPT_KEY
from .people import FIRST_ID, login_of

__all__ = ["Copies", "pods_of", "remove_pod"]

AT_ONCE = 24


def renamed(text: str, number: int) -> str:
    """Return what is written about the first person as it is for another one."""
    return text.replace(login_of(0), login_of(number)).replace(str(FIRST_ID), str(FIRST_ID + number))


async def pods_of(core: client.CoreV1Api, namespace: str, people: int) -> dict[str, str]:
    """Make the pods of people like that of the first one, where they are missing.

    Returns
    -------
    dict
        The addresses of the pods by the name of the pod, once all of them run.
    """
    pods = json.loads(await _text(core.list_namespaced_pod, namespace))["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    first = next(pod for pod in pods if login_of(0) in pod["metadata"]["name"])
    kept = {key: first["metadata"][key] for key in ("name", "labels", "annotations")}
    model = json.dumps({"metadata": kept, "spec": first["spec"]})
    bodies = (json.loads(renamed(model, number)) for number in range(people))
    missing = (body for body in bodies if body["metadata"]["name"] not in names)

    async def make() -> None:
        for body in missing:
            await _text(core.create_namespaced_pod, namespace, body)

    await asyncio.gather(*(make() for _ in range(AT_ONCE)))
    async with asyncio.timeout(1800):
        while len(known := await _addresses(core, namespace)) < people:  # noqa: ASYNC110
            # A list of all of them takes the API server a while.
            await asyncio.sleep(1 + people / 1000)
    return known


async def remove_pod(core: client.CoreV1Api, namespace: str, number: int) -> None:
    """Remove one person's pod, and return when it is gone."""
    for pod in json.loads(await _text(core.list_namespaced_pod, namespace))["items"]:
        if login_of(number) in pod["metadata"]["name"]:
            await core.delete_namespaced_pod(pod["metadata"]["name"], namespace, grace_period_seconds=0)
    while any(login_of(number) in name for name in await _addresses(core, namespace)):  # noqa: ASYNC110
        await asyncio.sleep(0.2)


async def _addresses(core: client.CoreV1Api, namespace: str) -> dict[str, str]:
    pods = json.loads(await _text(core.list_namespaced_pod, namespace))["items"]
    return {
        pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods if pod["status"].get("phase") == "Running"
    }


async def _text(method: Any, *arguments: Any) -> str:
    """Return an answer as it came: a model of it would cost more than the request."""
    response = await method(*arguments, _preload_content=False)
    async with response:
        text: str = await response.text()
        if response.status >= 300:
            raise RuntimeError(text)
        return text


@dataclass
class Copies:
    """Copies of the first person in a hub's database.

    Parameters
    ----------
    github
        The stand-in.
    github_url
        Its address.
    scopes
        The scopes of the tokens that it gives the copies.
    """

    github: Control
    github_url: str
    scopes: tuple[str, ...]

    def __post_init__(self) -> None:
        self._tokens: dict[int, str] = {}
        self._etags: dict[int, dict[str, str]] = {}

    async def write(self, url: str, people: int, addresses: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Write people 1 to `people` - 1 into a database that knows the first one; the hub must not run.

        Returns
        -------
        dict
            The token of the server and that of the browser, by person.
        """
        engine = sa.create_engine(url)
        tables = sa.MetaData()
        tables.reflect(engine)
        with engine.begin() as connection:
            state = self._state(connection, tables.tables["users"])
            await self._ask(state, people)
            written = _Rows(connection, tables.tables).copy(people, addresses, self._encrypted(state))
        engine.dispose()
        return written

    def _state(self, connection: sa.Connection, users: sa.Table) -> str:
        row = connection.execute(sa.select(users).where(users.c.name == login_of(0))).one()
        return _fernet().decrypt(row.encrypted_auth_state).decode()

    async def _ask(self, state: str, people: int) -> None:
        """Give people tokens, and learn the ETags of what GitHub answers them."""
        urls = [url for url in json.loads(state).get(MEMORY_KEY, {}) if url.startswith("http")]
        missing = iter([number for number in range(1, people) if number not in self._tokens])

        async with aiohttp.ClientSession() as session:

            async def ask() -> None:
                for number in missing:
                    issued = await self.github("issue_token", login=login_of(number), scopes=list(self.scopes))
                    headers = {"Authorization": f"Bearer {issued['access_token']}"}
                    etags = {}
                    for url in urls:
                        async with session.get(url, headers=headers) as answer:
                            etags[url] = answer.headers["ETag"]
                    self._tokens[number], self._etags[number] = issued["access_token"], etags

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    def _encrypted(self, state: str) -> Any:
        fernet, first = _fernet(), json.loads(state)["access_token"]

        def encrypted(number: int) -> bytes:
            own = json.loads(renamed(state, number).replace(first, self._tokens[number]))
            for url, etag in self._etags[number].items():
                own[MEMORY_KEY][url]["etag"] = etag
            return fernet.encrypt(json.dumps(own).encode())

        return encrypted


class _Rows:
    """The rows that the hub has written about the first person, to be written about others."""

    def __init__(self, connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        self._connection, self._tables = connection, tables
        users, spawners = tables["users"], tables["spawners"]
        self._user = self._one(users, users.c.name == login_of(0))
        self._of_user = {
            name: self._all(tables[name], tables[name].c.user_id == self._user["id"])
            for name in ("user_role_map", "user_group_map", "api_tokens")
        }
        self._spawner = self._one(spawners, spawners.c.user_id == self._user["id"])
        self._server = self._one(tables["servers"], tables["servers"].c.id == self._spawner["server_id"])
        clients = tables["oauth_clients"]
        self._client = self._one(clients, clients.c.identifier == self._spawner["oauth_client_id"])
        self._state = self._spawner["state"] if isinstance(self._spawner["state"], str) else ""

    def copy(self, people: int, addresses: Mapping[str, str], encrypted: Any) -> dict[str, tuple[str, str]]:
        """Write the copies; return their tokens by name."""
        ids = {name: self._highest(name) for name in ("users", "servers", "spawners", "oauth_clients", "api_tokens")}
        rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("users", "oauth_clients", "servers", "spawners", *self._of_user)
        }
        written = {}
        first_pod = json.loads(self._state)["pod_name"]
        for number in range(1, people):
            user, server, spawner, oauth = (
                ids[name] + number for name in ("users", "servers", "spawners", "oauth_clients")
            )
            own = {"id": user, "cookie_id": new_token(), "encrypted_auth_state": encrypted(number)}
            rows["users"].append({**_renamed(self._user, number), **own})
            rows["oauth_clients"].append({**_renamed(self._client, number), "id": oauth})
            address = {"id": server, "ip": addresses[renamed(first_pod, number)]}
            rows["servers"].append({**_renamed(self._server, number), **address})
            own = {"id": spawner, "user_id": user, "server_id": server}
            rows["spawners"].append({**_renamed(self._spawner, number), **own})
            for name in ("user_role_map", "user_group_map"):
                rows[name] += [{**row, "user_id": user} for row in self._of_user[name]]
            tokens = {}
            for row in self._of_user["api_tokens"]:
                token = new_token()
                hashed = hash_token(token, rounds=1, salt=8, algorithm="sha512")
                ids["api_tokens"] += 1
                own = {"id": ids["api_tokens"], "user_id": user, "hashed": hashed, "prefix": token[:4]}
                rows["api_tokens"].append({**_renamed(row, number), **own})
                tokens["server" if (row["note"] or "").startswith("Server at") else "browser"] = token
            written[login_of(number)] = (tokens["server"], tokens["browser"])
        for name, some in rows.items():
            if some:
                self._connection.execute(sa.insert(self._tables[name]), some)
        if self._connection.dialect.name == "postgresql":
            for name in ids:
                highest = sa.select(sa.func.max(self._tables[name].c.id)).scalar_subquery()
                sequence = sa.func.pg_get_serial_sequence(name, "id")
                self._connection.execute(sa.select(sa.func.setval(sequence, highest)))
        return written

    def _highest(self, name: str) -> int:
        return int(self._connection.execute(sa.select(sa.func.max(self._tables[name].c.id))).scalar() or 0)

    def _all(self, table: sa.Table, where: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(sa.select(table).where(where)).mappings()]

    def _one(self, table: sa.Table, where: Any) -> dict[str, Any]:
        (row,) = self._all(table, where)
        return row


def _renamed(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {key: renamed(value, number) if isinstance(value, str) else value for key, value in row.items()}


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(bytes.fromhex(CRYPT_KEY)))
