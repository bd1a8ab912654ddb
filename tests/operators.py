"""`jhkube operator` as a process of its own, with the account that the chart gives it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio import client

from tests.accounts import applied, features, kubeconfig_of, kubectl, rendered
from tests.hub_fork import HubProcess, fork_operator
from tests.ports import free_port

ACCOUNT = "jhkube-operator"
SERVERS_IN_CHART = {
    "operator": {
        "enabled": True,
        "image": {"name": "none"},
        "notebooks": {"enabled": False},
        "servers": {"enabled": True, "tokenSecret": "operator"},
    }
}
"""The values of our chart for an operator that works for JupyterServers alone."""


async def define(definitions: list[dict[str, Any]]) -> None:
    """Have the API server know kinds of custom resources; other tests have them too, so they stay."""
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(definitions))
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    await kubectl("wait", "--for=condition=Established", *names, "--timeout=240s")


class Operator:
    """An operator's process.

    Parameters
    ----------
    namespace
        Where it works.
    kubeconfig
        Its account.
    folder
        Where its logs go.
    arguments
        More arguments.
    environ
        More variables.
    """

    def __init__(self, namespace: str, kubeconfig: Path, folder: Path, *arguments: str, **environ: str) -> None:
        self.namespace, self.kubeconfig, self.folder = namespace, kubeconfig, folder
        self.arguments, self.environ = arguments, environ
        self.process: HubProcess | None = None
        self.runs = self.liveness = self.metrics = 0

    @property
    def log(self) -> str:
        """Everything that it has written."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("operator-*.log")))

    async def start(self) -> None:
        """Start it, and return when it works."""
        self.runs += 1
        path = self.folder / f"operator-{self.runs}.log"
        environ = {**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.environ}
        self.liveness, self.metrics = free_port(), free_port()
        arguments = ["--namespace", self.namespace, *self.arguments]
        arguments += [f"--liveness-port={self.liveness}", f"--metrics-port={self.metrics}"]
        with path.open("ab") as log:
            self.process = fork_operator(arguments, cwd=self.folder, env=environ, log=log)
        async with asyncio.timeout(240):
            while "Working in" not in path.read_text():
                assert self.process.poll() is None, path.read_text()
                await asyncio.sleep(0.1)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)
            await asyncio.to_thread(self.process.wait, 120)


@dataclass
class Servers:
    """JupyterServers in a namespace, and the operator that works for them."""

    namespace: str
    operator: Operator
    core: client.CoreV1Api

    @property
    def api(self) -> client.CustomObjectsApi:
        """The API of custom resources."""
        return client.CustomObjectsApi(self.core.api_client)

    @property
    def _where(self) -> tuple[str, str, str, str]:
        return "jhkube.dev", "v1", self.namespace, "jupyterservers"

    async def create(self, name: str, user: str = "ada", server: str | None = None, **spec: Any) -> None:
        """Make a resource, for a server of its own name if no other is given."""
        body = {
            "apiVersion": "jhkube.dev/v1",
            "kind": "JupyterServer",
            "metadata": {"name": name},
            "spec": {"user": user, "server": name if server is None else server, **spec},
        }
        await self.api.create_namespaced_custom_object(*self._where, body)

    async def get(self, name: str) -> dict[str, Any]:
        """Return a resource."""
        found: dict[str, Any] = await self.api.get_namespaced_custom_object(*self._where, name)
        return found

    async def resources(self) -> list[dict[str, Any]]:
        """Return all resources."""
        found: list[dict[str, Any]] = (await self.api.list_namespaced_custom_object(*self._where))["items"]
        return found

    async def change(self, name: str, **spec: Any) -> None:
        """Change a resource's spec."""
        await self._patch(name, {"spec": spec})

    async def free(self) -> None:
        """Have all resources go with their namespace, without an operator."""
        for each in await self.resources():
            await self._patch(each["metadata"]["name"], {"metadata": {"finalizers": None}})

    async def _patch(self, name: str, patch: dict[str, Any]) -> None:
        await self.api.patch_namespaced_custom_object(
            *self._where, name, patch, _content_type="application/merge-patch+json"
        )

    async def delete(self, *names: str) -> None:
        """Delete resources, and return when they are gone."""
        for name in names:
            await self.api.delete_namespaced_custom_object(*self._where, name)
        async with asyncio.timeout(240):
            while {each["metadata"]["name"] for each in await self.resources()} & set(names):
                await asyncio.sleep(0.1)

    async def reach(self, name: str, phase: str, reason: str = "") -> dict[str, Any]:
        """Return a resource's status once it is in this phase, for this reason."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(240):
                while status.get("phase") != phase or reason not in (status["conditions"][0]["reason"], ""):
                    await asyncio.sleep(0.1)
                    status = (await self.get(name)).get("status", {})
        except TimeoutError:
            pytest.fail(f"{name} is not {phase} ({reason}) but {status}\n{self.operator.log[-3000:]}")
        return status

    async def events_of(self, name: str) -> list[tuple[str, str, str]]:
        """Return the type, reason and message of what was told of a resource."""
        about = f"involvedObject.kind=JupyterServer,involvedObject.name={name}"
        events = await self.core.list_namespaced_event(self.namespace, field_selector=about)
        return [(each.type, each.reason, each.message) for each in events.items]

    async def until_told(self, name: str, kind: str, reason: str, message: str) -> None:
        """Return when an event says this of a resource: it comes after the status."""
        async with asyncio.timeout(240):
            while (kind, reason, message) not in await self.events_of(name):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def servers_operator(
    core: client.CoreV1Api, namespace: str, folder: Path, hub_api: str, token: str, public_url: str
) -> AsyncIterator[Servers]:
    """Within the block an operator works for JupyterServers in a namespace, with the account of the chart.

    Parameters
    ----------
    core
        The cluster, as an administrator.
    namespace
        Where it works.
    folder
        Where its logs, its account and the hub's token in the file `token` go.
    hub_api
        The hub's API.
    token
        What the hub knows the operator by.
    public_url
        The hub's address as people open it.
    """
    (folder / "token").write_text(f"{token}\n")
    made = [each for each in rendered(namespace, features() | SERVERS_IN_CHART) if each["kind"] != "Deployment"]
    await define([each for each in made if each["kind"] == "CustomResourceDefinition"])
    async with applied([each for each in made if each["kind"] != "CustomResourceDefinition"]):
        arguments = ("--standalone", "--no-notebooks", f"--hub-url={hub_api}", f"--hub-token-file={folder / 'token'}")
        kubeconfig = await kubeconfig_of(core, ACCOUNT, namespace, folder)
        operator = Operator(namespace, kubeconfig, folder, *arguments, f"--public-url={public_url}")
        servers = Servers(namespace, operator, core)
        await operator.start()
        try:
            yield servers
            await servers.delete(*(each["metadata"]["name"] for each in await servers.resources()))
        finally:
            await operator.end()
            await servers.free()
