"""The sample configuration: its files load, and set nothing that does not exist."""

import gc
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.crypto import CryptKeeper
from jupyterhub.proxy import ConfigurableHTTPProxy
from traitlets import TraitError
from traitlets.config import Config

import jhkube.culler
import jhkube.settings
from jhkube.auth import CILogonGroupAuthenticator, GitHubOrgAuthenticator, OIDCOrgAuthenticator
from jhkube.checks.configured import ConfigurationError, load_configuration
from jhkube.deployment import culler, idle, settings
from jhkube.deployment.settings import SETTINGS
from jhkube.images.menu import ImageMenu
from jhkube.prepull.prepuller import Prepuller
from jhkube.spawner import JHKubeSpawner
from jhkube.spawner_config import SpawnerConfig
from tests.hubs import CONFIG

CLASSES = {
    each.__name__: each
    for each in (
        JupyterHub,
        ConfigurableHTTPProxy,
        CryptKeeper,
        JHKubeSpawner,
        ImageMenu,
        Prepuller,
        GitHubOrgAuthenticator,
        CILogonGroupAuthenticator,
        OIDCOrgAuthenticator,
    )
}

EVERYTHING = {
    "JHKUBE_BIND_URL": "http://127.0.0.1:8000/",
    "JHKUBE_BASE_URL": "/jupyter/",
    "JHKUBE_HUB_CONNECT_HOST": "10.0.0.1",
    "JHKUBE_LOG_FORMAT": "json",
    "JHKUBE_LOG_LEVEL": "debug",
    "JHKUBE_PROXY_API_URL": "http://127.0.0.1:8001",
    "JHKUBE_PROXY_EXTERNAL": "yes",
    "JHKUBE_TRUSTED_PROXIES": "10.0.0.7",
    "CONFIGPROXY_AUTH_TOKEN": "x",
    "JHKUBE_NAMESPACE": "labs",
    "JHKUBE_POD_CONNECT_HOST": "10.0.0.2",
    "JHKUBE_NODE_SELECTOR": '{"pool": "labs"}',
    "JHKUBE_TOLERATIONS": '[{"key": "labs", "operator": "Exists"}]',
    "JHKUBE_HOME_KIND": "nfs",
    "JHKUBE_NFS_SERVER": "files.example.org",
    "JHKUBE_NFS_PATH": "/export/home",
    "JHKUBE_NFS_OPTIONS": "nfsvers=4.1",
    "JHKUBE_HOME_PATH": "/home/jovyan",
    "JHKUBE_STORAGE_CLASS": "fast",
    "JHKUBE_SIZES": '[{"name": "small", "cores": 1, "memory": "1G"}]',
    "JHKUBE_PULL_SECRET": "registry-account",
    "JHKUBE_CUSTOM_IMAGES": r"quay\.io/.*",
    "JHKUBE_PREPULL_PAUSE_IMAGE": "registry.example.org/pause:3.10",
}


@pytest.fixture
def load(monkeypatch, tmp_path):
    def loaded(**environ):
        for name, value in {"JHKUBE_DATA_DIR": str(tmp_path), **environ}.items():
            monkeypatch.setenv(name, value)
        return load_configuration(CONFIG)

    return loaded


@pytest.mark.parametrize("provider", ["github", "cilogon", "oidc"])
def test_every_setting_is_of_a_trait_that_exists(load, tmp_path, provider):
    (tmp_path / "keys").write_text("11" * 32)
    config = load(JHKUBE_AUTH=provider, JHKUBE_CRYPT_KEYS_FILE=str(tmp_path / "keys"), **EVERYTHING)
    assert config.JupyterHub.authenticator_class == f"jhkube-{provider}"
    set_traits = [(section, name) for section in config for name in config[section]]
    assert len(set_traits) > 40
    assert [(section, name) for section, name in set_traits if name not in CLASSES[section].class_traits()] == []


def test_the_spawner_and_the_menu_take_the_settings(load, tmp_path):
    config = load(**EVERYTHING)
    own = {name: value for name, value in config.JHKubeSpawner.items() if name in SpawnerConfig.class_traits()}
    home = SpawnerConfig(config=Config({"SpawnerConfig": own})).pod_settings().home
    assert (home.nfs.server, home.nfs.path) == ("files.example.org", "/export/home")
    menu = ImageMenu(config=config)
    assert menu.offer_for([]).allows_custom("quay.io/jupyter/base-notebook:latest")
    assert not menu.offer_for([]).allows_custom("docker.io/library/busybox:1")
    assert menu.rules[0].kinds


def test_an_export_without_homes_on_nfs_is_refused(load):
    traits = {name: load(JHKUBE_NFS_SERVER="files.example.org").JHKubeSpawner[name] for name in ("home", "home_nfs")}
    with pytest.raises(TraitError, match="home_nfs"):
        SpawnerConfig(config=Config({"SpawnerConfig": traits}))
    path = load(JHKUBE_NFS_SERVER="files.example.org", JHKUBE_NFS_PATH="/home").JHKubeSpawner
    whole = SpawnerConfig(config=Config({"SpawnerConfig": {name: path[name] for name in traits}}))
    with pytest.raises(ValueError, match="home_nfs goes with home = 'nfs'"):
        whole.check_together()


def test_the_operators_token_is_for_some_groups_and_needs_a_secret(load):
    assert "jhkube-operator" not in repr(load().JupyterHub.services.get_value([]))
    config = load(JHKUBE_OPERATOR_GROUPS="astro-101 lab:imaging", JHKUBE_OPERATOR_TOKEN="1" * 64).JupyterHub
    (role,) = [each for each in config.load_roles.get_value([]) if each["name"] == "jhkube-operator"]
    assert role["services"] == ["jhkube-operator"]
    assert role["scopes"] == [
        *("servers!group=astro-101", "read:users!group=astro-101"),
        *("servers!group=lab:imaging", "read:users!group=lab:imaging"),
    ]
    assert {"name": "jhkube-operator", "api_token": "1" * 64} in config.services.get_value([])
    with pytest.raises(ConfigurationError, match="JHKUBE_OPERATOR_TOKEN is missing"):
        load(JHKUBE_OPERATOR_GROUPS="astro-101", JHKUBE_OPERATOR_TOKEN="")


@pytest.fixture
def in_chart(monkeypatch):
    """Let the hub's configuration find the chart's values."""

    def values(**jhkube):
        module = ModuleType("z2jh")
        module.get_config = lambda key, default=None: {"custom.jhkube": jhkube}.get(key, default)
        monkeypatch.setitem(sys.modules, "z2jh", module)

    return values


CHARTS_OWN = {
    "JupyterHub": {"db_url", "concurrent_spawn_limit", "allow_named_servers", "cookie_secret_file", "bind_url"},
    "JHKubeSpawner": {"start_timeout", "default_url"},
}


def test_in_the_chart_what_it_configures_itself_is_left_alone(load, in_chart):
    in_chart(menu={"repositories": ["registry.example.org/lab"]})
    config = load()
    assert config.ImageMenu.repositories == ["registry.example.org/lab"]
    assert {name for section in CHARTS_OWN for name in CHARTS_OWN[section] & config[section].keys()} == set()


def test_in_the_chart_homes_have_a_size_whether_or_not_the_chart_says_one(load, in_chart, tmp_path):
    in_chart()
    assert load().JHKubeSpawner.storage_capacity == "10Gi", "with singleuser.storage.type none"
    file = CONFIG.with_name("jupyterhub_config.d") / "20-spawner.py"
    # As the chart loads it: all files share one `c`.
    (tmp_path / "chart.py").write_text(f"c.KubeSpawner.storage_capacity = '5Gi'\nexec(open({str(file)!r}).read())\n")
    assert "storage_capacity" not in load_configuration(tmp_path / "chart.py").JHKubeSpawner
    in_chart(home={"size": "7Gi"})
    assert load_configuration(tmp_path / "chart.py").JHKubeSpawner.storage_capacity == "7Gi"


def test_in_the_chart_what_is_set_here_wins(load, in_chart):
    in_chart(hub={"dbUrl": "postgresql+psycopg://db/hub", "concurrentSpawns": 5}, home={"size": "1Gi"})
    config = load()
    assert config.JupyterHub.db_url == "postgresql+psycopg://db/hub"
    assert config.JupyterHub.concurrent_spawn_limit == 5
    assert config.JHKubeSpawner.storage_capacity == "1Gi"


def test_a_wrong_value_of_the_chart_stops_the_hub(load, in_chart):
    in_chart(menu={"intervall": 60})
    with pytest.raises(ConfigurationError, match=r"custom\.jhkube\.menu\.interval\?"):
        load()


def test_the_base_url_is_a_path_of_the_address(load):
    assert load(JHKUBE_BASE_URL="/jupyter/").JupyterHub.base_url == "/jupyter/"
    both = load(JHKUBE_BASE_URL="/jupyter/", JHKUBE_BIND_URL="http://:8000").JupyterHub
    assert (both.bind_url, "base_url" in both) == ("http://:8000/jupyter/", False)


def test_git_is_given_the_github_that_people_log_in_with(load):
    assert load().JHKubeSpawner.git_hosts == [{"scheme": "https", "host": "github.com"}]
    elsewhere = load(JHKUBE_GIT_HOSTS="https://git.example.org:3000")
    assert elsewhere.JHKubeSpawner.git_hosts == [{"scheme": "https", "host": "git.example.org:3000"}]


def test_a_cilogon_token_is_offered_to_no_git_host(load):
    assert load(JHKUBE_AUTH="cilogon").JHKubeSpawner.git_hosts == []


def test_a_wrong_setting_stops_the_hub_with_its_name(load):
    with pytest.raises(ConfigurationError, match="JHKUBE_HOME_SISE: unknown setting; did you mean JHKUBE_HOME_SIZE"):
        load(JHKUBE_HOME_SISE="1Gi")


PARTS = sorted((CONFIG.parent / "jupyterhub_config.d").glob("*.py"))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_page_says_what_a_file_configures(part):
    page = (CONFIG.parents[1] / "docs" / "configuration.md").read_text()
    assert f"| `{part.name}` | " in page


def test_what_the_hub_has_loaded_is_not_looked_through_again(load):
    gc.unfreeze()
    load()
    assert gc.get_freeze_count() > 100_000


def test_copies_of_these_files_find_settings_and_culler_by_their_names():
    assert (jhkube.settings.Settings, jhkube.culler.main) == (settings.Settings, culler.main)


def test_each_setting_is_read():
    modules = [Path(each.__file__) for each in (culler, idle)]
    read = "".join(part.read_text() for part in [*PARTS, *modules])
    assert [setting.name for setting in SETTINGS if not re.search(rf"settings.*['\"]{setting.name}['\"]", read)] == []
