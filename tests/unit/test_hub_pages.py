"""jhkube's pages of the hub: which template a hub takes."""

from __future__ import annotations

from jupyterhub.app import JupyterHub
from traitlets.config import Config

from jhkube.hub_pages import TEMPLATES
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
