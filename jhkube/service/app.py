# mypy: allow-untyped-calls
"""The service put together: who asks, what is asked, and the pages and routes that they ask by."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import logging.config
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from jupyterhub.utils import make_ssl_context
from tornado.httpserver import HTTPServer
from tornado.web import Application

from jhkube.deployment.settings import Settings
from jhkube.logs import JSON_LINES
from jhkube.service.actions import Actions
from jhkube.service.api import api_handlers
from jhkube.service.cluster import Cluster
from jhkube.service.disk_actions import DiskLimits
from jhkube.service.hub_client import HubClient
from jhkube.service.pages import page_handlers
from jhkube.service.routes import LONGEST_BODY

__all__ = ["application", "serve"]

LOOKS_EVERY: Final = 1.0
"""Seconds between two looks whether the hub is still there."""


def application(auth: HubOAuth, actions: Actions, doors: Sequence[Any] = ()) -> Application:
    """Return tornado's application.

    Parameters
    ----------
    auth
        What asks the hub who somebody is.
    actions
        What does the routes.
    doors
        Tornado's rules for the front doors that are on.
    """
    prefix = auth.base_url
    return Application(
        [
            (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
            *api_handlers(prefix, actions),
            *page_handlers(prefix, actions),
            *doors,
        ],
        # The same on each replica and after a restart, and known to nobody but hub and service.
        cookie_secret=hashlib.sha256(b"jhkube.service cookies\0" + auth.api_token.encode()).digest(),
        log_function=_log_request,
    )


def _doors(settings: Settings, prefix: str, actions: Actions) -> list[Any]:
    """Return the rules of the front doors that are on; one that is off is not even imported."""
    rules: list[Any] = []
    if settings["myServers.kubeflow"]:
        from jhkube.service.kubeflow.handlers import kubeflow_handlers

        rules += kubeflow_handlers(prefix, actions, settings["home.size"])
    if forge := settings["myServers.renkuForge"]:
        from jhkube.service.renku.handlers import renku_handlers

        rules += renku_handlers(prefix, actions, forge, has_guests=settings["guests.enabled"])
    return rules


def _log_request(handler: Any) -> None:
    """Log a request without its query, which may have a code of OAuth in it."""
    request, status = handler.request, handler.get_status()
    log = logging.getLogger("jhkube.service")
    level = logging.ERROR if status >= 500 else logging.INFO
    log.log(level, "%d %s %s (%.0f ms)", status, request.method, request.path, 1000 * request.request_time())


async def serve(environ: Mapping[str, str], listening: socket.socket, hub_pid: int = 0) -> None:
    """Serve until a signal ends it, or the hub whose child this is has ended.

    Parameters
    ----------
    environ
        The environment: the hub's variables of a service, and jhkube's settings.
    listening
        The socket that requests come to.
    hub_pid
        The process of the hub that has started this one; 0 where something else has.
    """
    settings = Settings(environ)
    if settings["log.format"] == "json":
        handlers = {"console": {"class": "logging.StreamHandler", "formatter": "console"}}
        logging.config.dictConfig(
            {"version": 1, "disable_existing_loggers": False, "handlers": handlers, **JSON_LINES}
        )
        logging.getLogger("jhkube").setLevel(logging.INFO)
    else:
        logging.basicConfig(level=logging.INFO, format="[%(levelname).1s %(asctime)s %(name)s] %(message)s")
    # A token that is taken back, or a role, counts from the next second on.
    HubOAuth.instance(cache_max_age=1)
    auth = HubOAuth.instance()
    certificates = make_ssl_context(auth.keyfile, auth.certfile, cafile=auth.client_ca) if auth.certfile else None
    hub = HubClient(auth.api_url, certificates)
    disks = DiskLimits(settings["myServers.largestDisk"], settings["myServers.ownDisks"], settings["home.size"])
    actions = Actions(hub, Cluster(), disks, own_secrets=settings["myServers.secrets"])
    doors = _doors(settings, auth.base_url, actions)
    server = HTTPServer(application(auth, actions, doors), max_body_size=16 * LONGEST_BODY, xheaders=True)
    listening.setblocking(False)
    server.add_socket(listening)
    ended = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    watching = asyncio.create_task(_watch_hub(hub_pid, ended)) if hub_pid else None
    await ended.wait()
    if watching is not None:
        watching.cancel()
    server.stop()
    await hub.close()


async def _watch_hub(hub_pid: int, ended: asyncio.Event) -> None:
    """Set the event once the hub has ended: a hub that is killed cannot end its children.

    The kernel then gives the child another parent, which has another number as long as this process lives.
    """
    while os.getppid() == hub_pid:  # noqa: ASYNC110 - nothing tells a child of its parent's end
        await asyncio.sleep(LOOKS_EVERY)
    logging.getLogger("jhkube.service").warning("The hub (process %d) has ended, so this ends too", hub_pid)
    ended.set()
