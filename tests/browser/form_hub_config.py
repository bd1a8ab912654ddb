"""A real JupyterHub with jhkube's form and no cluster: `FORM_WORLD` names a JSON file that says what there is."""

import asyncio
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from jupyterhub.auth import DummyAuthenticator
from jupyterhub.handlers import pages
from jupyterhub.spawner import Spawner
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from jhkube.images.details import ImageDetails
from jhkube.images.offer_rules import parse_offers
from jhkube.images.offers import offer_for
from jhkube.options_form import form
from jhkube.options_form.choice import available_for
from jhkube.options_form.chosen import chosen
from jhkube.options_form.environment import parse_environment_names
from jhkube.options_form.links import check_link
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.presets import parse_presets
from jhkube.options_form.profiles import parse_profiles, profile_list
from jhkube.options_form.repositories import Repositories, parse_image_template, parse_repository_hosts
from jhkube.options_form.sizes import parse_sizes
from tests.menus import menu

# What is refused within a second is said on the form. A busy machine may take longer.
pages.asyncio = SimpleNamespace(**vars(asyncio) | {"wait": lambda tasks, timeout: asyncio.wait(tasks, timeout=60)})

WORLD = Path(os.environ["FORM_WORLD"])
IMAGES = parse_image_template("registry.example/{path}:{commit:7}")
_available = {}


def available(groups):
    """Return what somebody may choose from in the world as the file says it is now."""
    world = json.loads(WORLD.read_text())
    key = WORLD.stat().st_mtime_ns, tuple(groups)
    if key not in _available:
        _available.clear()
        _available[key] = _read(world, groups)
    found = _available[key]
    if found.images and world["refreshed_ago"] is not None:
        found = replace(found, images=replace(found.images, refreshed_at=time.time() - world["refreshed_ago"]))
    return found


def _read(world, groups):
    details = {
        digest: ImageDetails(
            created=datetime.fromtimestamp(time.time() - 86400 * about["days"], UTC),
            size=about["size"],
            description=about.get("description", ""),
        )
        for digest, about in world["details"].items()
    }
    refreshed = None if world["refreshed_ago"] is None else time.time()
    made = menu(world["repositories"], refreshed, details, world["errors"])
    offer = offer_for(made, parse_offers(world["offers"]), groups) if world["has_menu"] else None
    return available_for(
        groups,
        offer,
        parse_sizes(world["sizes"]),
        parse_presets(world["presets"]),
        parse_profiles(world["profiles"]),
        repositories=Repositories(parse_repository_hosts(world["repository_hosts"]), IMAGES),
        variables=parse_environment_names(world["environment_names"]),
        disks=world["disks"],
    )


class Started(RequestHandler):
    """The server that people get: it answers, and that is all."""

    def get(self):
        self.finish("started")


class FormSpawner(Spawner):
    """A spawner with jhkube's form, whose servers are one handler of the hub's own process."""

    refused = None

    def _options_form_default(self):
        return self.rendered

    def _options_from_form_default(self):
        return form.options_from_form

    def available(self):
        """Return what this person may choose from."""
        return available([group.name for group in self.user.groups])

    async def rendered(self, _):
        """Return the form, with what was refused where something was."""
        options, errors = self.user_options or self.orm_spawner.user_options, []
        if self.refused:
            (options, error), self.refused = self.refused, None
            errors = [error]
        return form.render(self.available(), options, now=time.time(), errors=errors)

    def options_from_query(self, query_data):
        """Check what a link chose, as JHKubeSpawner does."""
        options = form.options_from_form(query_data)
        self.choose(options, check_link)
        return options

    def _apply_user_options_default(self):
        return FormSpawner.choose

    def choose(self, options, further=lambda choice, available: None):
        """Check what was chosen, as JHKubeSpawner does."""
        try:
            choice = chosen(options, self.available())
            further(choice, self.available())
        except OptionError as error:
            self.refused = self.user.spawner.refused = (options, error)
            refusal = HTTPError(400, error.message)
            refusal.jupyterhub_message = error.message
            raise refusal from None
        profile_list(self.available(), choice)

    async def start(self):
        """Return the address at which `Started` answers."""
        sockets = bind_sockets(0, "127.0.0.1")
        self.listening = HTTPServer(Application([(".*", Started)]))
        self.listening.add_sockets(sockets)
        return "127.0.0.1", sockets[0].getsockname()[1]

    async def stop(self, now=False):
        """Stop listening."""
        if getattr(self, "listening", None):
            self.listening.stop()
            self.listening = None

    async def poll(self):
        """Say whether it runs."""
        return None if getattr(self, "listening", None) else 0


class GroupsAuthenticator(DummyAuthenticator):
    """Logs anybody in, as a member of the groups that the world gives them."""

    manage_groups = True

    async def authenticate(self, handler, data):
        """Return the name and the groups."""
        groups = json.loads(WORLD.read_text())["groups"]
        return {"name": data["username"], "groups": groups.get(data["username"], [])}


port, hub_port, proxy_port = os.environ["FORM_HUB_PORTS"].split()
c = get_config()  # noqa: F821
c.JupyterHub.authenticator_class = GroupsAuthenticator
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = FormSpawner
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.pid_file = str(WORLD.parent / "proxy.pid")
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret_file = str(WORLD.parent / "cookie_secret")
c.JupyterHub.allow_named_servers = True
# A refusal is the answer to the request, however busy the machine is.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 60, "slow_stop_timeout": 60}
c.Spawner.http_timeout = 120
c.JupyterHub.services = [{"name": "test", "api_token": os.environ["FORM_HUB_TOKEN"], "admin": True}]
c.JupyterHub.load_roles = [
    {"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "servers", "admin:groups"]}
]
