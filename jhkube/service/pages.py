# mypy: allow-untyped-calls
"""The page "My servers": the same routes as the API's, as HTML that works without JavaScript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from jupyterhub.services.auth import HubOAuth
from tornado.web import StaticFileHandler

from jhkube.identity import is_guest_name
from jhkube.pod.limits import cores_text, memory_text
from jhkube.service.actions import Actions
from jhkube.service.caller import Caller
from jhkube.service.hub_client import Person
from jhkube.service.identification import Identified
from jhkube.service.refusals import Refusal, no_secret
from jhkube.service.schemas import DEFAULT_SERVER
from jhkube.watch.steps import STEP_TITLES

__all__ = ["page_handlers"]

DONE_IN: Final = 150.0
"""Seconds that a page, or what one of its buttons does, may take."""

SHOWN_LINES: Final = "200"
"""How many of a log's last lines a page shows."""


def page_handlers(prefix: str, actions: Actions) -> list[Any]:
    """Return tornado's rules for the pages, below the service's prefix."""
    more = {"actions": actions, "templates": _templates()}
    return [
        (prefix, ServersPage, more),
        (f"{prefix}servers/(?P<name>[^/]+)", ServerPage, more),
        (f"{prefix}servers/(?P<name>[^/]+)/(?P<action>start|stop)", ServerAction, more),
        (f"{prefix}servers/(?P<name>[^/]+)/remove", RemoveServerPage, more),
        (f"{prefix}disks", DisksPage, more),
        (f"{prefix}disks/(?P<name>[^/]+)/grow", GrowDisk, more),
        (f"{prefix}disks/(?P<name>[^/]+)/delete", DeleteDiskPage, more),
        (f"{prefix}secrets", SecretsPage, more),
        (f"{prefix}secrets/(?P<name>[^/]+)/delete", DeleteSecretPage, more),
        (f"{prefix}static/(.*)", StaticFileHandler, {"path": str(Path(__file__).with_name("static"))}),
    ]


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("jhkube.service", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["memory"] = lambda amount: memory_text(float(amount))
    made.filters["usage"] = _usage_text
    made.filters["part"] = lambda name: quote(name or DEFAULT_SERVER, safe="~")
    made.filters["called"] = lambda name: name or "default server"
    made.filters["moment"] = lambda text: str(text)[:16].replace("T", " ") + " UTC" if text else ""
    return made


class Page(Identified):
    """One page, or what one of its buttons does.

    Parameters
    ----------
    actions
        What does the routes.
    templates
        The pages' templates.
    """

    hub_auth: HubOAuth

    def initialize(self, actions: Actions, templates: Environment) -> None:
        """Keep what the rule gives."""
        self._actions, self._templates = actions, templates
        self._person: Person | None = None

    async def get(self, **parts: str) -> None:
        """Show the page."""
        await self._done(self.show, parts)

    async def post(self, **parts: str) -> None:
        """Do what the button says."""
        await self._done(self.do, parts)

    async def show(self, **parts: str) -> None:
        """Show the page."""
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "This address is for a button. Go back to your servers.")

    async def do(self, **parts: str) -> None:
        """Do what the button says."""
        raise Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED, "There is nothing to send to this page. Go back to your servers."
        )

    async def _done(self, work: Callable[..., Awaitable[None]], parts: Mapping[str, str]) -> None:
        try:
            try:
                self._person = await self.identify()
                if self._person is None:
                    # The hub asks who it is, and sends them back.
                    self.redirect(self.get_login_url())
                    return
                async with asyncio.timeout(DONE_IN):
                    await work(**parts)
            except TimeoutError:
                raise Refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE, "This takes too long at the moment. Try again."
                ) from None
        except Refusal as refusal:
            self.set_status(refusal.status)
            self.render_page("refused.html", message=refusal.message, form=self.form_after(refusal, parts))

    def form_after(self, refusal: Refusal, parts: Mapping[str, str]) -> str:
        """Return the address of the form that helps after a refusal; empty where none does."""
        return ""

    async def act(
        self, name: str, parts: Mapping[str, str], query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Return what a route answers; it is checked as a request to the API is."""
        assert self._person is not None
        return await Caller(self._person, self.scopes, self._actions).do(name, parts, query, body)

    def back(self, path: str) -> None:
        """Have the browser show a page of the service, which no reload then does again."""
        self.redirect(f"{self.hub_auth.base_url}{path}", status=HTTPStatus.SEE_OTHER)

    def render_page(self, template: str, **values: Any) -> None:
        """Write a page."""
        user = self._person.name if self._person else ""
        is_guest = is_guest_name(user)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(
            self._templates.get_template(template).render(
                prefix=self.hub_auth.base_url,
                hub=self.hub_auth.hub_prefix,
                user=user,
                path=self.request.path,
                xsrf=self.xsrf_token.decode(),
                has_secrets=self._actions.has_secrets and not is_guest,
                is_guest=is_guest,
                **values,
            )
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write tornado's own errors as a page."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: this page cannot be shown. Go back to your servers.")


class ServersPage(Page):
    """The table of one's servers."""

    async def show(self, **parts: str) -> None:
        """Show it."""
        found = await self.act("servers", {})
        assert self._person is not None
        spawn = f"{self.hub_auth.hub_prefix}spawn/"
        self.render_page("servers.html", servers=found["servers"], elsewhere=found["elsewhere"], spawn=spawn)


class ServerPage(Page):
    """One server: its steps, what the cluster says, its log."""

    async def show(self, **parts: str) -> None:
        """Show it."""
        name = {"name": parts["name"]}
        server = await self.act("server", name)
        # The page's own script reads the log itself where it follows it.
        is_log_wanted = self.get_query_argument("log", "") != "no"
        events, log, why_no_log, wanted = [], None, "", self.get_query_argument("container", "")
        try:
            events = (await self.act("events", name))["events"]
            if is_log_wanted:
                log = await self.act("log", name, {"tail": SHOWN_LINES, **({"container": wanted} if wanted else {})})
        except Refusal as refusal:
            why_no_log = refusal.message
        self.render_page(
            "server.html",
            heading=_heading(server),
            server=server,
            titles=STEP_TITLES,
            events=events,
            log=log,
            is_log_wanted=is_log_wanted,
            why_no_log=why_no_log,
            spawn=f"{self.hub_auth.hub_prefix}spawn/",
        )


def _usage_text(usage: Mapping[str, Any] | None) -> str:
    """Return what a server uses, for people; empty where nobody knows."""
    return f"{cores_text(round(usage['cores'], 2))}, {memory_text(usage['memory'])} memory" if usage else ""


def _heading(server: Mapping[str, Any]) -> str:
    """Return what a server's page begins with: what has happened, where something has."""
    called = f"Your server “{server['display_name']}”" if server["name"] else "Your server"
    if server["larger_size"]:
        return f"{called} ran out of memory"
    if server["state"] == "failed":
        return f"{called} did not start"
    if server["state"] == "stopped" and server["failure"]:
        return f"{called} has stopped"
    return str(server["display_name"] or "default server")


class ServerAction(Page):
    """The buttons Start and Stop."""

    async def do(self, **parts: str) -> None:
        """Do it, and show the server; an end of unsaved work is asked about first."""
        action, size = parts["action"], self.get_body_argument("size", "")
        body: dict[str, Any] = {}
        if action == "stop" or size:
            server = await self.act("server", {"name": parts["name"]})
            is_unsaved = (server["unsaved"] or {}).get("state") == "some"
            is_lost = is_unsaved or (self._person is not None and is_guest_name(self._person.name))
            if server["state"] == "running" and is_lost and not self.get_body_argument("asked", ""):
                values = {"action": action, "size": size, "words": "Stop" if action == "stop" else "Restart"}
                self.render_page("stop_server.html", server=server, is_unsaved=is_unsaved, **values)
                return
            if action == "start" and size:
                body = {"options": {**server["options"], "size": size}}
        await self.act(f"{action}_server", {"name": parts["name"]}, body=body)
        self.back(f"servers/{quote(parts['name'], safe='~')}")

    def form_after(self, refusal: Refusal, parts: Mapping[str, str]) -> str:
        """Return the form of the server's start, where the options of the last start cannot be taken any more."""
        if parts["action"] != "start" or refusal.status != HTTPStatus.BAD_REQUEST or self._person is None:
            return ""
        server = "" if parts["name"] == DEFAULT_SERVER else f"/{quote(parts['name'], safe='')}"
        return f"{self.hub_auth.hub_prefix}spawn/{quote(self._person.name)}{server}"


class RemoveServerPage(Page):
    """Asks whether a server is to be removed, and its disk with it."""

    async def show(self, **parts: str) -> None:
        """Ask."""
        self.render_page("remove_server.html", server=await self.act("server", {"name": parts["name"]}))

    async def do(self, **parts: str) -> None:
        """Remove it."""
        claims = self.get_body_argument("claims", "keep")
        await self.act("remove_server", {"name": parts["name"]}, {"claims": claims})
        self.back("")


class DisksPage(Page):
    """The table of one's disks."""

    async def show(self, **parts: str) -> None:
        """Show it."""
        claims = (await self.act("claims", {}))["claims"]
        self.render_page("disks.html", claims=claims, can_grow=self._actions.can_disks_grow)


class GrowDisk(Page):
    """The button that lets a disk grow."""

    async def do(self, **parts: str) -> None:
        """Do it, and show the disks."""
        size = self.get_body_argument("size", "").strip()
        await self.act("change_claim", {"name": parts["name"]}, body={"size": size})
        self.back("disks")


class DeleteDiskPage(Page):
    """Asks whether a disk is to be deleted."""

    async def show(self, **parts: str) -> None:
        """Ask."""
        self.render_page("delete_disk.html", claim=await self.act("claim", {"name": parts["name"]}))

    async def do(self, **parts: str) -> None:
        """Delete it."""
        await self.act("remove_claim", {"name": parts["name"]})
        self.back("disks")


class SecretsPage(Page):
    """The table of one's own secrets, without their values, and a form to make one."""

    async def show(self, **parts: str) -> None:
        """Show it."""
        self.render_page("secrets.html", secrets=(await self.act("secrets", {}))["secrets"])

    async def do(self, **parts: str) -> None:
        """Make a secret, and show the table."""
        name, file = (self.get_body_argument(field, "").strip() for field in ("name", "file"))
        text = self.get_body_argument("text", "", strip=False).replace("\r\n", "\n")
        await self.act("make_secret", {"name": name}, body={"files": {file: text}})
        self.back("secrets")


class DeleteSecretPage(Page):
    """Asks whether a secret is to be deleted."""

    async def show(self, **parts: str) -> None:
        """Ask."""
        secrets = (await self.act("secrets", {}))["secrets"]
        if parts["name"] not in [each["name"] for each in secrets]:
            raise no_secret(parts["name"])
        self.render_page("delete_secret.html", name=parts["name"])

    async def do(self, **parts: str) -> None:
        """Delete it."""
        await self.act("remove_secret", {"name": parts["name"]})
        self.back("secrets")
