"""What Renku's own clients ask of its notebooks service, and what they read of the answers.

Read off their sources, by hand: renku-python v2.9.4, and renku-ui 3.20.0 and 2.0.0. What they ask of other services
of Renku, such as the resource pools, is not here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import jupyterhub
from yarl import URL

__all__ = ["CLIENTS", "Api", "Client"]

COMMIT: Final = "8368d4455c7d8c1d2f7a6d0fbd5b2a5c39c07b51"
STATES: Final = ("running", "starting", "stopping", "hibernated", "failed")

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    """Say whether `datetime.fromisoformat` reads it, also before Python 3.11."""
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?\+\d\d:\d\d"
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_state(value: Any) -> bool:
    return value in STATES


def _are_steps(value: Any) -> bool:
    words = ("ready", "waiting", "executing", "failed")
    return isinstance(value, list) and all(_is_text(each["step"]) and each["status"] in words for each in value)


def _are_amounts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str | int | float) for each in value.values())


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_enum(value: Any) -> bool:
    return value["type"] == "enum" and value["default"] in value["options"] and _is_text(value["displayName"])


RENKULAB: Final = "renku-python renku/core/session/renkulab.py"
UI: Final = "renku-ui 3.20.0 client/src/features/session/"
OLD_UI: Final = "renku-ui 2.0.0 client/src/notebooks/"

SESSION: Final[tuple[tuple[str, str, Check], ...]] = (
    (RENKULAB, "name", _is_text),
    (RENKULAB, "status.state", _is_state),
    (RENKULAB, "started", _is_time),
    (RENKULAB, "annotations.renku.io/commit-sha", _is_text),
    (RENKULAB, "annotations.renku.io/branch", _is_text),
    (f"{UI}sessions.types.ts", "image", _is_text),
    (f"{UI}sessions.types.ts", "url", _is_text),
    (f"{UI}components/SessionsList.tsx", "resources.requests", _are_amounts),
    (f"{UI}components/SessionsList.tsx", "annotations.renku.io/namespace", _is_text),
    (f"{UI}components/SessionsList.tsx", "annotations.renku.io/projectName", _is_text),
    (f"{UI}components/SessionsList.tsx", "annotations.renku.io/default_image_used", _is_text),
    (f"{UI}components/SessionButton.tsx", "annotations.renku.io/resourceClassId", str.isdecimal),
    ("renku-ui 3.20.0 server/src/websocket/handlers/sessions.ts", "status.details", _are_steps),
    ("renku-ui 3.20.0 server/src/websocket/handlers/sessions.ts", "status.message", _is_text),
    ("renku-ui 3.20.0 server/src/websocket/handlers/sessions.ts", "status.readyNumContainers", _is_count),
    ("renku-ui 3.20.0 server/src/websocket/handlers/sessions.ts", "status.totalNumContainers", _is_count),
    (f"{OLD_UI}Notebooks.state.js", "status.ready", _is_flag),
    (f"{OLD_UI}Notebooks.state.js", "status.stopping", _is_flag),
    (f"{OLD_UI}Notebooks.state.js", "status.step", _is_text),
    (f"{OLD_UI}Notebooks.state.js", "annotations.renku.io/repository", _is_text),
    (f"{OLD_UI}Notebooks.present.js", "resources.memory", _is_text),
)
"""Who reads what of a session, and what it has to be."""

OPTIONS: Final[tuple[tuple[str, str, Check], ...]] = (
    (f"{UI}sessions.api.ts", "defaultUrl", _is_enum),
    (f"{OLD_UI}Notebooks.state.js", "cpu_request", _is_enum),
    (f"{OLD_UI}Notebooks.state.js", "mem_request", _is_enum),
    (f"{OLD_UI}Notebooks.state.js", "lfs_auto_fetch.default", _is_flag),
    (f"{OLD_UI}Notebooks.state.js", "lfs_auto_fetch.order", _is_count),
)

VERSIONS: Final = "renku-ui 3.20.0 client/src/features/versions/versions.api.ts"
VERSION: Final[tuple[tuple[str, str, Check], ...]] = (
    (VERSIONS, "name", _is_text),
    (VERSIONS, "versions.0.version", _is_text),
    (VERSIONS, "versions.0.data.anonymousSessionsEnabled", _is_flag),
    (VERSIONS, "versions.0.data.sshEnabled", _is_flag),
    (VERSIONS, "versions.0.data.cloudstorageEnabled", _is_flag),
)


def read(answer: Any, fields: tuple[tuple[str, str, Check], ...]) -> None:
    """Read the fields of an answer, as their clients do; the test fails if one is not what it has to be."""
    for source, place, is_right in fields:
        value = answer
        # An annotation has dots in its name.
        for key in re.split(r"\.(?!io/)", place):
            value = value[int(key)] if isinstance(value, list) else value[key]
        assert is_right(value), (source, place, value)


@dataclass(frozen=True)
class Api:
    """The notebooks service, as its clients ask it."""

    url: str
    """Without a slash at the end; the clients have `/api/notebooks` in its place."""

    token: str

    async def ask(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the answer, which is JSON or empty."""
        url = URL(f"{self.url}/{path}", encoded=True).with_query(query)
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.request(method, url, headers=headers, json=body) as answer:
            return answer.status, await answer.json() if await answer.read() else None

    async def reach(self, name: str, state: str) -> None:
        """Return once a session is in a state, by asking for it as both clients do."""
        async with asyncio.timeout(180):
            while True:
                status, session = await self.ask("GET", f"servers/{name}")
                listed = (await self.ask("GET", "servers"))[1]["servers"]
                if status == 200 and session["status"]["state"] == listed[name]["status"]["state"] == state:
                    read(session, SESSION)
                    read(listed[name], SESSION)
                    return
                await asyncio.sleep(0.1)

    async def is_gone(self, name: str) -> None:
        """Return once there is no such session."""
        async with asyncio.timeout(180):
            while (await self.ask("GET", f"servers/{name}"))[0] != 404:
                await asyncio.sleep(0.1)


Client = Callable[[Api], Awaitable[None]]


async def renku_python(api: Api) -> None:
    """Do what `renku session start`, `ls`, `pause`, `resume` and `stop` do."""
    image = {"image_url": "registry.example.org/observatory/notes:8368d44"}
    assert (await api.ask("GET", "images", query=image))[0] == 404
    project = {"namespace": "observatory", "project": "notes"}
    launch = {
        "image": image["image_url"],
        "commit_sha": COMMIT,
        "serverOptions": {"cpu_request": 1.0, "mem_request": "1G"},
        "branch": "main",
        "cloudstorage": [],
        **project,
    }
    status, made = await api.ask("POST", "servers", launch)
    assert status == 201, made
    name = made["name"]
    await api.reach(name, "running")
    assert [*(await api.ask("GET", "servers", query=project))[1]["servers"]] == [name]
    for state in ("hibernated", "running"):
        assert (await api.ask("PATCH", f"servers/{name}", {"state": state}))[0] == 200
        await api.reach(name, state)
    assert (await api.ask("DELETE", f"servers/{name}")) == (204, None)
    await api.is_gone(name)


async def renku_ui(api: Api) -> None:
    """Do what the web client of 2024 does from its start page to the end of a session."""
    read((await api.ask("GET", "version"))[1], VERSION)
    read((await api.ask("GET", "server_options"))[1], OPTIONS)
    launch = {
        "branch": "main",
        "commit_sha": COMMIT,
        "default_url": "/lab",
        "environment_variables": {"SURVEY": "deep"},
        "lfs_auto_fetch": False,
        "namespace": "observatory",
        "project": "atlas",
        "resource_class_id": 1,
        "storage": 1,
    }
    status, made = await api.ask("POST", "servers", launch)
    assert status == 201, made
    name = made["name"]
    await api.reach(name, "running")
    status, logs = await api.ask("GET", f"logs/{name}", query={"max_lines": "250"})
    assert (status, all(map(_is_text, logs.values()))) == (200, True)
    assert (await api.ask("PATCH", f"servers/{name}", {"state": "hibernated"}))[0] == 200
    await api.reach(name, "hibernated")
    status, _ = await api.ask("PATCH", f"servers/{name}", {"resource_class_id": 2})
    # JupyterHub 5 changes a server's options when it starts it, and not before.
    is_old = jupyterhub.version_info < (6,)
    assert status == (409 if is_old else 200)
    resume: dict[str, Any] = {"state": "running", "resource_class_id": 2} if is_old else {"state": "running"}
    assert (await api.ask("PATCH", f"servers/{name}", resume))[0] == 200
    await api.reach(name, "running")
    session = (await api.ask("GET", f"servers/{name}"))[1]
    assert session["annotations"]["renku.io/resourceClassId"] == "2"
    status, refused = await api.ask("POST", "servers", launch | {"project": "other", "resource_class_id": 99})
    assert (status, _is_text(refused["error"]["message"])) == (422, True)
    assert (await api.ask("DELETE", f"servers/{name}"))[0] == 204
    await api.is_gone(name)


async def renku_ui_of_2022(api: Api) -> None:
    """Do what the web client did that knew autosaves."""
    project, place = {"namespace": "group/sub", "project": "study"}, "group%2Fsub%2Fstudy"
    read((await api.ask("GET", "server_options"))[1], OPTIONS)
    # As it is asked, and as a proxy may pass it on.
    for path in (place, "group/sub/study"):
        assert (await api.ask("GET", f"{path}/autosave")) == (200, {"pvsSupport": True, "autosaves": []})
    assert (await api.ask("DELETE", f"{place}/autosave/none"))[0] == 404
    options = {
        "serverOptions": {"cpu_request": 0.5, "mem_request": "1G", "lfs_auto_fetch": False, "defaultUrl": "/lab"}
    }
    launch = {**project, "commit_sha": COMMIT, "branch": "main", "environment_variables": {}, **options}
    status, made = await api.ask("POST", "servers", launch)
    assert status == 201, made
    name = made["name"]
    await api.reach(name, "running")
    query = {**project, "branch": "main", "commit_sha": COMMIT}
    assert [*(await api.ask("GET", "servers", query=query))[1]["servers"]] == [name]
    assert (await api.ask("DELETE", f"servers/{name}", query={"force": "true"}))[0] == 204
    await api.is_gone(name)


CLIENTS: Final = (renku_python, renku_ui, renku_ui_of_2022)
"""Each asks as its client does, in its order, and fails on the first answer that the client could not use."""
