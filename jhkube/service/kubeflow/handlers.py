# mypy: allow-untyped-calls
"""Kubeflow's door: who may ask, the frame of every answer, and each route done by the service's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from jhkube.service.actions import Actions
from jhkube.service.caller import Caller
from jhkube.service.door_views import is_shown, path_name, pod_name
from jhkube.service.doors import LOG_LINES, DoorHandler, door_rules
from jhkube.service.gateway import GatewayMixin
from jhkube.service.hub_client import HUB_AWAY, Person
from jhkube.service.identification import SAFE_METHODS
from jhkube.service.kubeflow.form import gpu_resources, pod_defaults, spawner_form
from jhkube.service.kubeflow.new_notebook import check_same_namespace, claim_body, read_notebook, user_options
from jhkube.service.kubeflow.routes import RIGHTS, ROUTES
from jhkube.service.kubeflow.views import (
    claim_events,
    claim_notebooks,
    claim_object,
    claim_row,
    event_object,
    notebook_object,
    notebook_row,
    pod_object,
)
from jhkube.service.refusals import Refusal, no_pod
from jhkube.service.routes import Route
from jhkube.service.schemas import DEFAULT_SERVER
from jhkube.service.validation import Request

__all__ = ["kubeflow_handlers"]

Answer = TypeVar("Answer")

TRIED_FOR: Final = 40.0
"""Seconds of a request in which a hub or a cluster that is away is asked again, as one that restarts.

An Ingress gives up after 60 seconds, if nothing else is configured.
"""

ANSWERS_WITHIN: Final = 55.0
"""Seconds for all of a request that reads: proxies give up after 60."""

TRIED_EVERY: Final = 2.0
"""Seconds between two tries."""


def kubeflow_handlers(prefix: str, actions: Actions, disk: str) -> list[Any]:
    """Return tornado's rules for the door.

    Parameters
    ----------
    prefix
        The service's path, with slashes around it.
    actions
        What does the routes.
    disk
        How large the form says that a workspace is.
    """
    door = f"{prefix}kubeflow/"
    return [
        (f"{door}notebook/(?P<namespace>[^/]+)/(?P<name>[^/]+)/?", ConnectHandler, {"actions": actions}),
        *door_rules(door, ROUTES, KubeflowHandler, actions, disk=disk),
    ]


async def _check_namespace(actions: Actions, caller: Caller, namespace: str) -> None:
    """Raise a `Refusal` where a namespace is not the person's: neither their own one nor their name."""
    if namespace in (caller.person.name, await actions.own_namespace(caller.person)):
        return
    raise Refusal(
        HTTPStatus.FORBIDDEN,
        f"This namespace is not yours. Your servers are in the namespace “{caller.person.name}”.",
        "namespace",
    )


class ConnectHandler(GatewayMixin):
    """The button *Connect*: the web app opens `/notebook/NAMESPACE/NAME/`, and the hub has the server elsewhere."""

    def initialize(self, actions: Actions) -> None:
        """Keep what the rule gives."""
        self._actions = actions

    async def get(self, namespace: str, name: str) -> None:
        """Send the browser to the server, or to the hub's login."""
        try:
            person = await self.identify()
            if person is None:
                self.redirect(self.get_login_url())
                return
            caller = Caller(person, self.scopes, self._actions)
            await _check_namespace(self._actions, caller, namespace)
            server = await caller.do("server", {"name": name})
        except Refusal as refusal:
            self.set_status(refusal.status)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.write(refusal.message)
        else:
            self.redirect(server["url"])


class KubeflowHandler(GatewayMixin, DoorHandler):
    """One path of the door.

    Parameters
    ----------
    routes
        Its routes by method.
    actions
        What does the service's routes.
    disk
        How large the form says that a workspace is.
    """

    open_routes = frozenset({"kubeflow.healthy"})

    def initialize(self, routes: Mapping[str, Route], actions: Actions, disk: str = "") -> None:
        """Keep what the rule gives."""
        super().initialize(routes, actions)
        self._disk = disk

    def check_xsrf_cookie(self) -> None:
        """Take the hub's XSRF token from the header that the web app sends it in.

        The web app sends none with what only reads. That is safe where the service has a host of its own, since no
        page of a person's server is of that origin. Elsewhere JupyterHub's rule holds: scripts send the token always.
        """
        headers = self.request.headers
        is_near = headers.get("Sec-Fetch-Site") == "same-origin"
        if self.request.method in SAFE_METHODS and is_near and self.hub_auth.hub_host:
            return
        if "X-XSRF-TOKEN" in headers:
            headers["X-Xsrftoken"] = headers["X-XSRF-TOKEN"]
        super().check_xsrf_cookie()

    def _give_xsrf_cookie(self) -> None:
        """Set the cookie that the web app copies into the header: its value is the hub's own XSRF token."""
        if getattr(self, "_token_authenticated", False):
            return
        self.set_cookie(
            "XSRF-TOKEN",
            self.xsrf_token.decode(),
            path=f"{self.hub_auth.base_url}kubeflow",
            samesite="Strict",
            secure=self.request.protocol == "https",
        )

    async def answer(self, request: Request) -> None:
        """Answer within the frame."""
        if self.caller is None:
            self.write_json(HTTPStatus.OK, self._frame(HTTPStatus.OK))
            return
        fields = await self._tried(partial(self._fields, self.caller, request))
        if request.route.method in SAFE_METHODS:
            self._give_xsrf_cookie()
        self.write_json(HTTPStatus.OK, {**self._frame(HTTPStatus.OK), **fields})

    async def _fields(self, caller: Caller, request: Request) -> dict[str, Any]:
        """Return what an answer has beside the frame."""
        if "namespace" in request.parts:
            await _check_namespace(self._actions, caller, request.parts["namespace"])
        if (right := RIGHTS.get(request.route.name)) is not None:
            await self._actions.check_right(caller.person, right)
        fields: dict[str, Any] = await self.doing(request)(caller, request)
        return fields

    async def identify(self) -> Person | None:
        """Return who asks, as `Identified` does it, and asks again where the hub does not answer."""
        return await self._tried(super().identify)

    async def _tried(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return an answer; a request that only reads is tried again for a while where nothing answers.

        The web app's list stops asking for good where it reads an error.
        """
        if self.request.method not in SAFE_METHODS:
            return await ask()
        while True:
            try:
                async with asyncio.timeout(max(ANSWERS_WITHIN - self.request.request_time(), 1.0)):
                    return await ask()
            except TimeoutError:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY) from None
            except Refusal as refusal:
                is_late = self.request.request_time() > TRIED_FOR - TRIED_EVERY
                is_away = refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
                if not is_away or is_late:
                    raise
            await asyncio.sleep(TRIED_EVERY)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with the frame, and the sentence as its log."""
        away = refusal.status == HTTPStatus.SERVICE_UNAVAILABLE
        status = int(HTTPStatus.GATEWAY_TIMEOUT if away else refusal.status)
        self.write_json(status, {**self._frame(status), "log": refusal.message})

    def _frame(self, status: int) -> dict[str, Any]:
        user = self.caller.person.name if self.caller else ""
        return {"success": status < HTTPStatus.BAD_REQUEST, "status": int(status), "user": user}

    # What there is to choose from.

    async def _config(self, caller: Caller, request: Request) -> dict[str, Any]:
        return {"config": spawner_form(await caller.do("options"), self._disk)}

    async def _gpus(self, caller: Caller, request: Request) -> dict[str, Any]:
        return {"vendors": gpu_resources((await caller.do("options"))["sizes"])}

    async def _storage_classes(self, caller: Caller, request: Request) -> dict[str, Any]:
        found = (await caller.do("storage_classes"))["storage_classes"]
        return {"storageClasses": [each["name"] for each in found]}

    async def _default_storage_class(self, caller: Caller, request: Request) -> dict[str, Any]:
        found = (await caller.do("storage_classes"))["storage_classes"]
        return {"defaultStorageClass": next((each["name"] for each in found if each["default"]), "")}

    async def _pod_defaults(self, caller: Caller, request: Request) -> dict[str, Any]:
        presets = (await caller.do("options"))["presets"]
        return {"poddefaults": pod_defaults(presets, request.parts["namespace"])}

    async def _namespaces(self, caller: Caller, request: Request) -> dict[str, Any]:
        return {"namespaces": [await self._actions.own_namespace(caller.person) or caller.person.name]}

    async def _namespace(self, caller: Caller, request: Request) -> dict[str, Any]:
        return {"namespace": {"metadata": {"name": request.parts["namespace"], "labels": {}}}}

    async def _cost(self, caller: Caller, request: Request) -> dict[str, Any]:
        raise Refusal(HTTPStatus.NOT_FOUND, "This hub does not know the costs. Ask your administrator for them.")

    # Notebooks.

    async def _notebooks(self, caller: Caller, request: Request) -> dict[str, Any]:
        servers = (await caller.do("servers"))["servers"]
        sizes = (await caller.do("options"))["sizes"]
        rows = [notebook_row(each, sizes, request.parts["namespace"]) for each in servers if is_shown(each)]
        return {"notebooks": sorted(rows, key=lambda row: str(row["name"]))}

    async def _make_notebook(self, caller: Caller, request: Request) -> dict[str, Any]:
        notebook = read_notebook(request.body)
        check_same_namespace(notebook.namespace, request.parts["namespace"])
        servers = (await caller.do("servers"))["servers"]
        if any(each["name"] == notebook.name for each in servers):
            raise Refusal(HTTPStatus.CONFLICT, f"You have a notebook “{notebook.name}” already. Choose another name.")
        options = user_options(notebook, await caller.do("options"))
        if notebook.volumes:
            # Before a disk is made for a notebook that cannot be.
            await self._actions.check_options(caller.person, options)
        made: list[str] = []
        try:
            for volume in notebook.new_volumes:
                made.append((await caller.do("make_claim", body=volume.new))["name"])
            more = [volume.option(claim) for volume, claim in zip(notebook.new_volumes, made, strict=True)]
            if more:
                options["disks"] = [*options.get("disks", ()), *more]
            await caller.do("put_server", {"name": notebook.name}, body={"options": options})
        except Refusal as refusal:
            # Nobody knows what a hub or a cluster has done that did not answer.
            if refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
                await self._take_back(caller, notebook.name, made)
            raise
        return {"message": "Notebook created successfully."}

    async def _take_back(self, caller: Caller, notebook: str, claims: Sequence[str]) -> None:
        """Delete the disks that were made for a notebook that is refused, and not those of one whose start failed.

        The hub knows that one, with its disks, and can start it again.
        """
        with suppress(Refusal):
            if not claims or any(each["name"] == notebook for each in (await caller.do("servers"))["servers"]):
                return
            for name in claims:
                with suppress(Refusal):
                    await caller.do("remove_claim", {"name": name})

    async def _view(self, caller: Caller, request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return a server, and the sizes."""
        return await caller.do("server", {"name": request.parts["name"]}), (await caller.do("options"))["sizes"]

    async def _notebook(self, caller: Caller, request: Request) -> dict[str, Any]:
        return {"notebook": notebook_object(*await self._view(caller, request), request.parts["namespace"])}

    async def _remove_notebook(self, caller: Caller, request: Request) -> dict[str, Any]:
        await caller.do("remove_server", {"name": request.parts["name"]})
        return {"message": "Notebook deleted. Its disk stays."}

    async def _stop_or_start(self, caller: Caller, request: Request) -> dict[str, Any]:
        name = {"name": request.parts["name"]}
        if not request.body["stopped"]:
            await caller.do("start_server", name, body={})
        elif (await caller.do("server", name))["state"] in ("stopped", "failed", "stopping"):
            raise Refusal(HTTPStatus.CONFLICT, "This notebook is stopped already.")
        else:
            await caller.do("stop_server", name, body={})
        return {}

    async def _pod(self, caller: Caller, request: Request) -> dict[str, Any]:
        view, sizes = await self._view(caller, request)
        if not view["containers"]:
            raise no_pod()
        return {"pod": pod_object(view, sizes, request.parts["namespace"])}

    async def _logs(self, caller: Caller, request: Request) -> dict[str, Any]:
        name = request.parts["name"]
        called = pod_name("" if name == DEFAULT_SERVER else name)
        if request.parts["pod"] != called:
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                f"This notebook has no pod of this name. Its pod is called {called}.",
                "pod",
            )
        log = await caller.do("log", {"name": name}, {"tail": str(LOG_LINES)})
        return {"logs": log["text"].split("\n")}

    async def _events(self, caller: Caller, request: Request) -> dict[str, Any]:
        found = (await caller.do("events", {"name": request.parts["name"]}))["events"]
        return {"events": [event_object(each, request.parts["name"], request.parts["namespace"]) for each in found]}

    # Disks.

    async def _claims(self, caller: Caller, request: Request) -> dict[str, Any]:
        found = (await caller.do("claims"))["claims"]
        return {"pvcs": [claim_row(each, request.parts["namespace"]) for each in found]}

    async def _make_claim(self, caller: Caller, request: Request) -> dict[str, Any]:
        await caller.do("make_claim", body=claim_body(request.body, request.parts["namespace"]))
        return {"message": "PVC created successfully."}

    async def _claim(self, caller: Caller, request: Request) -> dict[str, Any]:
        view = await caller.do("claim", {"name": request.parts["claim"]})
        return {"pvc": claim_object(view, request.parts["namespace"]), "notebooks": claim_notebooks(view)}

    async def _remove_claim(self, caller: Caller, request: Request) -> dict[str, Any]:
        await caller.do("remove_claim", {"name": request.parts["claim"]})
        return {"message": "PVC deleted."}

    async def _claim_pods(self, caller: Caller, request: Request) -> dict[str, Any]:
        view = await caller.do("claim", {"name": request.parts["claim"]})
        names = set(claim_notebooks(view))
        servers = (await caller.do("servers"))["servers"]
        sizes = (await caller.do("options"))["sizes"]
        mine = [each for each in servers if path_name(each["name"]) in names and each["containers"]]
        return {"pods": [pod_object(each, sizes, request.parts["namespace"]) for each in mine]}

    async def _claim_events(self, caller: Caller, request: Request) -> dict[str, Any]:
        view = await caller.do("claim", {"name": request.parts["claim"]})
        return {"events": claim_events(view, request.parts["namespace"])}
