"""The settings of the sample configuration."""

import re

import pytest
from jsonschema import Draft202012Validator

from jhkube.deployment.crypt_keys import crypt_keys
from jhkube.deployment.schemas import chart_schema
from jhkube.deployment.settings import SETTINGS, SettingError, Settings

ANY_TEXT = ("a text", "a list of words")
OLD, NEW = "11" * 32, "22" * 32


def nested(name, value):
    """Return the chart's values in which one setting has a value."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def test_every_setting_has_a_value_where_nothing_is_set():
    assert set(Settings({})) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_settings_default_is_a_value_that_it_can_have(setting):
    assert Settings({}, nested(setting.name, setting.default))[setting.name] == setting.default


def test_the_environment_wins_over_the_chart():
    chart = {"github": {"url": "https://chart.example"}, "spawner": {"namespace": "labs"}}
    settings = Settings({"JHKUBE_GITHUB_URL": "https://env.example"}, chart)
    assert settings["github.url"] == "https://env.example"
    assert settings["spawner.namespace"] == "labs"


def test_what_is_set_to_nothing_is_not_set():
    settings = Settings({"JHKUBE_HUB_PORT": " "}, {"hub": None, "menu": {"interval": None}})
    assert (settings["hub.port"], settings["menu.interval"]) == (8081, 60)


def test_the_charts_own_values_stay_where_nothing_is_set():
    assert Settings({}, {}).unless_charts("home.size") is None
    assert Settings({}, {"home": {"size": "1Gi"}}).unless_charts("home.size") == "1Gi"
    assert Settings({"JHKUBE_HOME_SIZE": "2Gi"}, {}).unless_charts("home.size") == "2Gi"
    assert Settings({}).unless_charts("home.size") == "10Gi"


@pytest.mark.parametrize("text", ["observatory,telescope", "observatory telescope", " observatory , telescope "])
def test_words_are_separated_by_commas_or_spaces(text):
    assert Settings({"JHKUBE_ALLOWED_ORGANIZATIONS": text})["github.allowed"] == ["observatory", "telescope"]


def test_an_unknown_variable_is_refused_with_the_nearest_right_one():
    with pytest.raises(SettingError, match=r"JHKUBE_REPOSITORY: unknown setting; did you mean JHKUBE_REPOSITORIES"):
        Settings({"JHKUBE_REPOSITORY": "x"})


def test_an_unknown_value_of_the_chart_is_refused_by_its_full_name():
    with pytest.raises(SettingError, match=re.escape("custom.jhkube.github.clientID")) as refused:
        Settings({}, {"github": {"clientID": "x"}})
    assert "custom.jhkube.github.clientId" in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(SettingError) as refused:
        Settings({"JHKUBE_HUB_PORT": "http", "JHKUBE_HUBPORT": "1"}, {"menu": {"repository": []}})
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == [
        "custom.jhkube.menu.repository",
        "JHKUBE_HUB_PORT",
        "JHKUBE_HUBPORT",
    ]


MALFORMED = [
    ("JHKUBE_MENU_INTERVAL", "s3cret", "a number of seconds, such as 60"),
    ("JHKUBE_MENU_INTERVAL", "1e999", "a number of seconds"),
    ("JHKUBE_START_TIMEOUT", "1.5", "a whole number of seconds"),
    ("JHKUBE_START_TIMEOUT", "-1", "a whole number of seconds"),
    ("JHKUBE_CONCURRENT_SPAWNS", "0", "a whole number from 1 to"),
    ("JHKUBE_HUB_PORT", "65536", "a whole number from 1 to 65535"),
    ("JHKUBE_BIND_URL", "127.0.0.1:8000", "a URL such as http://127.0.0.1:8000/"),
    ("JHKUBE_BIND_URL", "http://127.0.0.1:99999/", "a URL such as"),
    ("JHKUBE_BASE_URL", "jupyter", "a path such as /jupyter/"),
    ("JHKUBE_GITHUB_URL", "github.com", "a URL such as"),
    ("JHKUBE_GITHUB_URL", "https://", "a URL such as"),
    ("JHKUBE_GIT_HOSTS", "https://github.com gitlab.com", "URLs such as https://git.example.org, separated by"),
    ("JHKUBE_HUB_CONNECT_HOST", "http://10.0.0.1", "a host's name or address"),
    ("JHKUBE_TRUSTED_PROXIES", "proxy.example.org", "a list of IP addresses, separated by commas or spaces"),
    ("JHKUBE_DB_URL", "/srv/hub.sqlite", "a database's URL, such as postgresql"),
    ("JHKUBE_HOME_SIZE", "ten", "an amount of storage, such as 10Gi"),
    ("JHKUBE_HOME_SIZE", "10", "an amount of storage, such as 10Gi"),
    ("JHKUBE_HOME_KIND", "NFS", "pvc, nfs or shared-pvc"),
    ("JHKUBE_AUTH", "git", "github, cilogon, oidc, or other for an authenticator"),
    ("JHKUBE_CULLER", "perhaps", "true or false"),
    ("JHKUBE_SIZES", "{}", "a list of objects, as JSON"),
    ("JHKUBE_CILOGON_IDPS", "[", "an object, as JSON"),
    ("JHKUBE_CULLER_SIZES", '{"gpu": "1h"}', "whole numbers of seconds by name"),
]


@pytest.mark.parametrize(("variable", "text", "right"), MALFORMED)
def test_a_malformed_variable_is_refused_by_name(variable, text, right):
    with pytest.raises(SettingError, match=re.escape(right)) as refused:
        Settings({variable: text})
    assert str(refused.value).startswith(f"{variable}: should be ")


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.spelling.words not in ANY_TEXT])
def test_what_is_refused_is_not_repeated(setting):
    with pytest.raises(SettingError) as refused:
        Settings({setting.variable: "s3cret [$]\n"})
    assert "s3cret" not in str(refused.value)


WRONG_IN_CHART = [
    ({"github": {"clientId": 7}}, "custom.jhkube.github.clientId: should be a text, and not a number"),
    ({"github": {"clientId": {"value": "x"}}}, "custom.jhkube.github.clientId: should be a text, and not a mapping"),
    ({"github": {"allowed": "lab"}}, "custom.jhkube.github.allowed: should be a list of words, and not a text"),
    ({"github": "lab"}, "custom.jhkube.github: should be a mapping of settings: url, clientId, clientSecret"),
    ({"hub": {"port": "8081"}}, "custom.jhkube.hub.port: should be a whole number from 1 to 65535, and not a text"),
    ({"hub": {"port": 0}}, "custom.jhkube.hub.port: should be a whole number from 1 to 65535"),
    ({"hub": {"port": True}}, "should be a whole number from 1 to 65535, and not true or false"),
    (
        {"culler": {"groups": {"ops": "1h"}}},
        "custom.jhkube.culler.groups: should be whole numbers of seconds by name",
    ),
    ({"spawner": {"nodeSelector": {"pool": 1}}}, "custom.jhkube.spawner.nodeSelector: should be texts by name"),
    (["menu"], "custom.jhkube: should be a mapping of settings: hub.dataDir"),
]


@pytest.mark.parametrize(("chart", "message"), WRONG_IN_CHART)
def test_a_malformed_value_of_the_chart_is_refused_by_name_and_type(chart, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        Settings({}, chart)
    assert not Draft202012Validator(chart_schema()).is_valid(chart)


def test_the_charts_schema_takes_what_the_settings_take():
    Draft202012Validator.check_schema(chart_schema())
    chart = {
        "github": {"allowed": ["lab"], "clientId": None},
        "hub": {"port": 8082},
        "culler": {"sizes": {"gpu": 60}},
    }
    Draft202012Validator(chart_schema()).validate(chart)
    assert Settings({}, chart)["hub.port"] == 8082


def test_a_mapping_of_the_chart_is_a_value_where_the_setting_takes_json():
    sizes = [{"name": "small"}]
    assert Settings({}, {"menu": {"sizes": sizes}})["menu.sizes"] == sizes
    assert Settings({"JHKUBE_SIZES": '[{"name": "small"}]'})["menu.sizes"] == sizes


def test_the_development_clusters_own_variables_are_no_concern_of_the_hub():
    Settings({"JHKUBE_DEV_REGISTRY": "localhost:5000"})


def test_what_kubernetes_adds_for_a_service_is_no_setting():
    links = {
        "JHKUBE_HUB_SERVICE_HOST": "10.0.0.1",
        "JHKUBE_HUB_SERVICE_PORT": "8081",
        "JHKUBE_HUB_SERVICE_PORT_HUB": "8081",
        "JHKUBE_HUB_PORT": "tcp://10.0.0.1:8081",
        "JHKUBE_HUB_PORT_8081_TCP": "tcp://10.0.0.1:8081",
        "JHKUBE_HUB_PORT_8081_TCP_PROTO": "tcp",
    }
    assert Settings(links)["hub.port"] == 8081


def test_a_file_of_keys_has_one_a_line_the_newest_first(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# made in autumn\n{NEW}\n\n{OLD}\n")
    assert crypt_keys(path) == [bytes.fromhex(NEW), bytes.fromhex(OLD)]


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "No such file"), ("# none\n", "has no key"), (f"{OLD}\ns3cret\n", "line 2 is no key")],
)
def test_a_file_without_good_keys_is_refused_without_repeating_one(tmp_path, text, message):
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingError, match=f"JHKUBE_CRYPT_KEYS_FILE=.*{message}") as refused:
        crypt_keys(path)
    assert "s3cret" not in str(refused.value)
