"""The settings of the sample configuration."""

import re

import pytest

from jhkube.settings import SETTINGS, SettingError, Settings


def test_every_setting_has_a_value_where_nothing_is_set():
    assert set(Settings({})) == {setting.name for setting in SETTINGS}


def test_the_environment_wins_over_the_chart():
    chart = {"github": {"url": "https://chart.example"}, "spawner": {"namespace": "labs"}}
    settings = Settings({"JHKUBE_GITHUB_URL": "https://env.example"}, chart)
    assert settings["github.url"] == "https://env.example"
    assert settings["spawner.namespace"] == "labs"


@pytest.mark.parametrize("text", ["observatory,telescope", "observatory telescope", " observatory , telescope "])
def test_words_are_separated_by_commas_or_spaces(text):
    assert Settings({"JHKUBE_ALLOWED_ORGANIZATIONS": text})["github.allowed"] == ["observatory", "telescope"]


def test_an_unknown_variable_is_refused_with_the_nearest_right_one():
    with pytest.raises(SettingError, match=r"JHKUBE_REPOSITORY is no setting.*did you mean JHKUBE_REPOSITORIES"):
        Settings({"JHKUBE_REPOSITORY": "x"})


def test_an_unknown_value_of_the_chart_is_refused_by_its_full_name():
    with pytest.raises(SettingError, match=re.escape("custom.jhkube.github.clientID")) as refused:
        Settings({}, {"github": {"clientID": "x"}})
    assert "custom.jhkube.github.clientId" in str(refused.value)


def test_a_malformed_value_is_refused_by_name_without_repeating_it():
    with pytest.raises(SettingError, match="JHKUBE_MENU_INTERVAL: should be a number of seconds") as refused:
        Settings({"JHKUBE_MENU_INTERVAL": "s3cret"})
    assert "s3cret" not in str(refused.value)


def test_a_mapping_of_the_chart_is_a_value_where_the_setting_takes_json():
    sizes = [{"name": "small"}]
    assert Settings({}, {"menu": {"sizes": sizes}})["menu.sizes"] == sizes
    assert Settings({"JHKUBE_SIZES": '[{"name": "small"}]'})["menu.sizes"] == sizes


def test_the_development_clusters_own_variables_are_no_concern_of_the_hub():
    Settings({"JHKUBE_DEV_REGISTRY": "localhost:5000"})
