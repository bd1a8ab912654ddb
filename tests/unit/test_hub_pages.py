"""jhkube's pages of the hub: which template a hub takes, and what they say."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub.app import JupyterHub
from traitlets.config import Config

from jhkube.hub_pages import TEMPLATES
from jhkube.options_form.sizes import Size, parse_sizes
from jhkube.watch.failure import Failure
from tests.pages import DOCS, blocks_of


def hub_with(config: Config) -> JupyterHub:
    """Return a hub that was configured as the page says, but not started."""
    code = next(block.code for block in blocks_of(DOCS / "start.md", "python") if "add_templates" in block.code)
    exec(code, {"c": config})
    return JupyterHub(config=config)


def test_the_pages_win_over_the_hubs_own():
    default = JupyterHub().template_paths
    assert hub_with(Config()).template_paths == [TEMPLATES, *default]


def test_an_operators_own_templates_win_over_the_pages():
    config = Config()
    config.JupyterHub.template_paths = ["/srv/templates"]
    assert hub_with(config).template_paths[:2] == ["/srv/templates", TEMPLATES]


def test_pages_that_are_added_twice_are_there_once():
    config = Config()
    config.JupyterHub.template_paths = ["/srv/templates", TEMPLATES]
    assert hub_with(config).template_paths.count(TEMPLATES) == 1


class Spawner:
    """A server that has ended on its own, or has not."""

    def __init__(self, end: Failure | None = None, larger: Size | None = None) -> None:
        self._end, self._larger = end, larger

    async def last_end(self) -> Failure | None:
        return self._end

    async def larger_size(self) -> Size | None:
        return self._larger


MEDIUM = parse_sizes([{"name": "m", "display_name": "Medium", "cores": 2, "memory": "8G"}])[0]
ENDED = Failure(
    "OOMKilled", "Your server used more memory than its size allows.", "container notebook: exit code 137"
)
FAILED = {"failed": True, "failed_message": "Your server used more memory.\n(OOMKilled)", "exception": None}


async def not_running(spawner: object, **more: Any) -> str:
    """Return the hub's page of a server that does not run, as text."""
    hub = hub_with(Config())
    own = PrefixLoader({"templates": FileSystemLoader(JupyterHub().template_paths)})
    # As the hub makes it.
    environment = Environment(
        loader=ChoiceLoader([own, FileSystemLoader(hub.template_paths)]), autoescape=True, enable_async=True
    )
    known = {
        "static_url": lambda path, **_: path,
        "base_url": "/hub/",
        "no_spawner_check": True,
        "parsed_scopes": {},
        "spawn_url": "/hub/spawn/ada/paper",
        "server_name": "paper",
        "user": SimpleNamespace(name="ada", spawners={"paper": spawner}),
        "services": [SimpleNamespace(name="jhkube", href="/services/jhkube/")],
        "expanded_scopes": {"servers!user=ada"},
    }
    page = await environment.get_template("not_running.html").render_async(known | more)
    return re.sub(r"\s+", " ", re.sub(r"(?s)^.*?</nav>|<script.*?</script>", "", page))


async def test_a_server_that_ended_for_its_memory_says_so_and_names_the_next_size():
    page = await not_running(Spawner(ENDED, MEDIUM))
    assert "<h1>Your server “paper” has stopped</h1>" in page
    assert ENDED.message in page
    assert "The next larger size is Medium: 2 cores, 8 GiB memory." in page
    assert 'href="/hub/spawn/ada/paper">Choose a larger size</a>' in page
    assert 'href="/services/jhkube/servers/paper#log">Show the log</a>' in page
    assert page.count("exit code 137") == 1


@pytest.mark.parametrize(
    ("spawner", "more", "heading", "button"),
    [
        (Spawner(ENDED), {}, "Your server “paper” has stopped", "Start it again"),
        (Spawner(ENDED, MEDIUM), FAILED, "Your server “paper” did not start", "Choose a larger size"),
        (Spawner(), FAILED, "Your server “paper” did not start", "Choose something else"),
        (object(), FAILED, "Your server “paper” did not start", "Choose something else"),
        (Spawner(), {}, "Server not running", "Launch Server paper"),
        (object(), {}, "Server not running", "Launch Server paper"),
    ],
)
async def test_a_server_that_does_not_run_says_why_and_what_to_press(spawner, more, heading, button):
    page = await not_running(spawner, **more)
    assert re.sub(r"\s+", " ", re.search(r"<h1[^>]*> ?(.*?) ?</h1>", page)[1]) == heading
    assert re.search(r'<a id="start"[^>]*> ?(.*?) ?</a>', page)[1] == button
