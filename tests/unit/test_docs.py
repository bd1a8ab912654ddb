"""The documentation: it builds without a warning, and what it names is there."""

import json
import re
import subprocess
import sys
import time
from importlib import import_module
from textwrap import dedent

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient
from traitlets.config import Config

from devcluster.settings import VARIABLES
from jhkube.images.menu import ImageMenu
from jhkube.images.offer_rules import parse_offers
from jhkube.images.offers import offer_for
from jhkube.options_form.choice import KEYS, available_for
from jhkube.options_form.chosen import chosen
from jhkube.options_form.environment import parse_environment_names
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.overrides import FRESH_ENVIRONMENT
from jhkube.options_form.repositories import Repositories
from jhkube.options_form.sizes import parse_sizes
from jhkube.pod.home import parse_home, shared_claim
from jhkube.settings import SETTINGS
from jhkube.spawner_config import SpawnerConfig
from tests.menus import menu
from tests.pages import DOCS, FENCE, PAGES, ROOT, blocks_of, configurations

CONFIGURABLES = {
    "CILogonGroupAuthenticator": "jhkube.auth",
    "ConfigurableHTTPProxy": "jupyterhub.proxy",
    "GitHubOAuthenticator": "oauthenticator.github",
    "GitHubOrgAuthenticator": "jhkube.auth",
    "ImageMenu": "jhkube.images.menu",
    "JHKubeSpawner": "jhkube.spawner",
    "JupyterHub": "jupyterhub.app",
    "KubeSpawner": "kubespawner",
    "OAuthenticator": "oauthenticator.oauth2",
    "Prepuller": "jhkube.prepull.prepuller",
    "OIDCOrgAuthenticator": "jhkube.auth",
    "WatchReflector": "jhkube.watch.reflector",
}
"""Where the classes are that the documentation configures."""

LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")


def every_page(pages=PAGES):
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


def tracked(path):
    listed = subprocess.run(["git", "ls-files", "--", path], cwd=ROOT, capture_output=True, text=True, check=True)
    return bool(listed.stdout)


def test_it_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    built = (tmp_path / "configuration.html").read_text("utf-8")
    assert all(setting.variable in built and setting.name in built for setting in SETTINGS)
    assert "c.JHKubeSpawner.home_path" in (tmp_path / "reference" / "spawner.html").read_text("utf-8")


@every_page()
def test_its_links_lead_to_files(page):
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        target = link.partition("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve()
        there = tracked(path) if path.parent == DOCS / "screenshots" else path.exists()
        assert there, f"{page.name} links to {link}"


@every_page()
def test_the_variables_that_it_names_exist(page):
    # What a hub prints about a wrong variable stands in blocks of plain text.
    code = re.sub(r"^```text\n.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = {name for name in re.findall(r"\bJHKUBE_[A-Z_]+\b", code) if not name.endswith("_")}
    # The last two are for servers, and no settings of a hub.
    of_servers = FRESH_ENVIRONMENT.keys() | {"JHKUBE_STOPS_AFTER", "JHKUBE_STOP_WARNING"}
    known = {setting.variable for setting in SETTINGS} | VARIABLES.keys() | of_servers
    assert named <= known


@every_page()
def test_the_traits_that_it_names_exist(page):
    for name, trait in re.findall(r"\bc\.([A-Z]\w+)\.(\w+)", page.read_text("utf-8")):
        assert name in CONFIGURABLES, f"{name} is no class that this test knows"
        traits = getattr(import_module(CONFIGURABLES[name]), name).class_traits(config=True)
        assert trait in traits, f"{name} has no trait {trait}"


@pytest.mark.parametrize("name", [name for name, module in CONFIGURABLES.items() if module.startswith("jhkube.")])
def test_the_help_of_a_trait_has_an_example_that_sets_it(name):
    # The example of a trait that both authenticators have names one of the two.
    c = Config()
    for trait in getattr(import_module(CONFIGURABLES[name]), name).class_traits(config=True).values():
        if not trait.this_class.__module__.startswith("jhkube."):
            continue
        code = dedent(trait.help).partition("xample")[2].partition("::\n")[2]
        assert code, f"{name}.{trait.name} has no example"
        exec(compile(dedent(code), trait.name, "exec"), {"c": c})
        assert any(trait.name in section for section in c.values()), f"the example of {trait.name} sets another"


def test_the_sample_values_are_accepted():
    seen = set()
    for page in PAGES:
        for c in configurations(page):
            seen |= c.keys()
            if "JHKubeSpawner" in c:
                own = {name: value for name, value in c.JHKubeSpawner.items() if name in SpawnerConfig.class_traits()}
                SpawnerConfig(config=Config({"SpawnerConfig": own})).pod_settings()
            if "ImageMenu" in c:
                ImageMenu(config=Config({"ImageMenu": {"cache_file": "", **c.ImageMenu}}))
            for name in ("GitHubOrgAuthenticator", "CILogonGroupAuthenticator", "OIDCOrgAuthenticator"):
                if name in c:
                    getattr(import_module("jhkube.auth"), name)(config=c)
    assert {"JHKubeSpawner", "ImageMenu", "GitHubOrgAuthenticator", "CILogonGroupAuthenticator"} <= seen
    assert "OIDCOrgAuthenticator" in seen


def test_the_nfs_volume_of_the_guide_is_the_one_that_pods_ask_for():
    guide = DOCS / "howto" / "nfs-homes.md"
    with_options = next(
        c.JHKubeSpawner.home_nfs
        for c in configurations(guide)
        if "mount_options" in c.JHKubeSpawner.get("home_nfs", {})
    )
    expected = shared_claim(parse_home("nfs", nfs=with_options), "labs")
    written = [item for block in blocks_of(guide, "yaml") for item in yaml.safe_load_all(block.code)]
    assert written == [ApiClient.sanitize_for_serialization(ApiClient.__new__(ApiClient), item) for item in expected]


REST_OPTIONS = DOCS / "rest-options.md"


def rows(page, head):
    """Return the cells of the table of a page whose head begins so."""
    table = page.read_text("utf-8").partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def test_the_rest_options_are_those_that_are_taken():
    assert tuple(name.strip("`") for name, *_ in rows(REST_OPTIONS, "option")) == KEYS


WRONG_OPTIONS = [
    {"sise": "small"},
    {"image": ["w_2026_46"]},
    {"image": "w_2026_64"},
    {"image": "docker.io/x/y"},
    {"image": "x y"},
    {},
    {"repository": "https://gitlab.com/observatory/notes"},
    {"environment": {"LD_PRELOAD": "x.so"}},
    {"image": "x" * 513},
]
"""What is wrong in each row of the table of the page about REST."""


@pytest.mark.parametrize(
    ("row", "options"),
    list(zip(rows(REST_OPTIONS, "wrong"), WRONG_OPTIONS, strict=True)),
    ids=[row[0] for row in rows(REST_OPTIONS, "wrong")],
)
def test_a_wrong_option_is_answered_as_the_page_says(row, options):
    tags = {"registry.example.org/lab": {"w_2026_46": f"sha256:{'a' * 64}"}}
    typed = {"custom_images": [r"quay\.io/.+"]} if "your own" in row[0] or row[1].startswith("`'x y'") else {}
    rules = parse_offers([{"kinds": {"weekly": 4}, **typed}])
    # An empty choice is refused only while there is no menu.
    offer = offer_for(menu(tags if options else {}, time.time() if options else None), rules, ())
    sizes = parse_sizes([{"name": "small", "cores": 1, "memory": "2G"}])
    repositories, variables = Repositories(("https://github.com",)), parse_environment_names(["SURVEY"])
    available = available_for((), offer, sizes, repositories=repositories, variables=variables)
    with pytest.raises(OptionError) as refused:
        chosen(options, available)
    assert refused.value.message == row[1].strip("`")


def test_the_example_of_a_wrong_option_is_what_comes_back():
    (answer,) = (json.loads(block.code) for block in blocks_of(REST_OPTIONS, "json"))
    sizes = [{"name": name, "cores": 1, "memory": "2G"} for name in ("small", "medium", "large")]
    with pytest.raises(OptionError) as refused:
        chosen({"size": "huge"}, available_for((), None, parse_sizes(sizes)))
    assert answer == {"status": 400, "message": refused.value.message}
