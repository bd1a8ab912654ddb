"""The sample configuration: its files load, and set nothing that does not exist."""

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.proxy import ConfigurableHTTPProxy

from jhkube.auth import CILogonGroupAuthenticator, GitHubOrgAuthenticator
from jhkube.commands.configuration import ConfigurationError, load_configuration
from jhkube.options_form.menu import ImageMenu
from jhkube.spawner import JHKubeSpawner
from tests.hubs import CONFIG

CLASSES = {
    each.__name__: each
    for each in (
        JupyterHub,
        ConfigurableHTTPProxy,
        JHKubeSpawner,
        ImageMenu,
        GitHubOrgAuthenticator,
        CILogonGroupAuthenticator,
    )
}


@pytest.fixture
def load(monkeypatch, tmp_path):
    def loaded(**environ):
        for name, value in {"JHKUBE_DATA_DIR": str(tmp_path), **environ}.items():
            monkeypatch.setenv(name, value)
        return load_configuration(CONFIG)

    return loaded


@pytest.mark.parametrize("provider", ["github", "cilogon"])
def test_every_setting_is_of_a_trait_that_exists(load, provider):
    environ = {
        "JHKUBE_AUTH": provider,
        "JHKUBE_BIND_URL": "http://127.0.0.1:8000/",
        "JHKUBE_HUB_CONNECT_HOST": "10.0.0.1",
        "JHKUBE_PROXY_API_URL": "http://127.0.0.1:8001",
        "JHKUBE_NAMESPACE": "labs",
        "JHKUBE_POD_CONNECT_HOST": "10.0.0.2",
        "JHKUBE_SIZES": '[{"name": "small", "cores": 1, "memory": "1G"}]',
    }
    config = load(**environ)
    assert config.JupyterHub.authenticator_class == f"jhkube-{provider}"
    set_traits = [(section, name) for section in config for name in config[section]]
    assert len(set_traits) > 20
    assert [(section, name) for section, name in set_traits if name not in CLASSES[section].class_traits()] == []


def test_git_is_given_the_github_that_people_log_in_with(load):
    assert load().JHKubeSpawner.git_hosts == [{"scheme": "https", "host": "github.com"}]
    elsewhere = load(JHKUBE_GIT_HOSTS="https://git.example.org:3000")
    assert elsewhere.JHKubeSpawner.git_hosts == [{"scheme": "https", "host": "git.example.org:3000"}]


def test_a_cilogon_token_is_offered_to_no_git_host(load):
    assert load(JHKUBE_AUTH="cilogon").JHKubeSpawner.git_hosts == []


def test_a_wrong_setting_stops_the_hub_with_its_name(load):
    with pytest.raises(
        ConfigurationError, match="JHKUBE_HOME_SISE is no setting of jhkube; did you mean JHKUBE_HOME_SIZE"
    ):
        load(JHKUBE_HOME_SISE="1Gi")
