"""Environment variables that people may set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.commands.show_pod import _options
from jhkube.operator_models import ConfigError
from jhkube.options_form.choice import Available, available_for
from jhkube.options_form.chosen import chosen, nearest_choice
from jhkube.options_form.environment import is_reserved, literal_environment, parse_environment_names
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.profiles import profile_list

NAMES: list[Any] = [
    "LABEL",
    {"name": "SURVEY", "values": ["deep", "wide"]},
    {"name": "THREADS", "pattern": "[1-9][0-9]?", "description": "1 to 99."},
    {"name": "SECRET_PROJECT", "groups": ["physics"]},
]


def available(*groups: str) -> Available:
    return available_for(groups, None, (), variables=parse_environment_names(NAMES))


def environment(given: Any, *groups: str) -> dict[str, str]:
    return dict(chosen({"environment": given}, available(*groups)).environment)


def test_what_is_listed_is_set_in_the_operators_order() -> None:
    given = {"THREADS": "12", "LABEL": "a {b} $(C)", "SURVEY": "deep"}
    assert list(environment(given).items()) == [("LABEL", "a {b} $(C)"), ("SURVEY", "deep"), ("THREADS", "12")]
    assert environment({"LABEL": "", "SURVEY": None}) == {}
    assert chosen({"environment": given}, available()).to_options()["environment"] == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"PATH": "/tmp"}, "'PATH' cannot be set on this hub. There are LABEL, SURVEY and THREADS"),
        ({"THREAD": "1"}, "Did you mean 'THREADS'?"),
        ({"SECRET_PROJECT": "x"}, "cannot be set on this hub"),
        ({"SURVEY": "all"}, "SURVEY cannot be 'all'; there are deep and wide"),
        ({"THREADS": "0"}, "THREADS cannot be set to '0'. 1 to 99."),
        ({"THREADS": "12\n"}, "a text on one line"),
        ({"THREADS": 12}, "a text on one line"),
        ({"LABEL": "a\x00b"}, "a text on one line"),
        ({"LABEL": "x" * 513}, "at most 512 characters"),
        (["LABEL"], "should be an object"),
    ],
)
def test_what_is_not_is_refused_in_a_sentence(given: Any, words: str) -> None:
    with pytest.raises(OptionError) as refused:
        environment(given)
    assert words in refused.value.message
    assert refused.value.field == "environment"


def test_a_group_may_set_more() -> None:
    assert environment({"SECRET_PROJECT": "x"}, "physics") == {"SECRET_PROJECT": "x"}


def test_nothing_is_set_on_a_hub_that_lists_nothing() -> None:
    assert chosen({"environment": {}}, Available()).environment == {}
    with pytest.raises(OptionError, match="cannot be set on this hub"):
        chosen({"environment": {"LABEL": "x"}}, Available())


@pytest.mark.parametrize(
    "name",
    [
        *(
            "JUPYTERHUB_API_TOKEN",
            "JUPYTER_CONFIG_DIR",
            "JPY_API_TOKEN",
            "JHKUBE_RESET_ENVIRONMENT",
            "GIT_SSH_COMMAND",
        ),
        *("PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "ENV", "HOME", "path"),
        *(
            "NODE_OPTIONS",
            "PERL5OPT",
            "R_LIBS_USER",
            "IPYTHONDIR",
            "MEM_LIMIT",
            "KUBERNETES_SERVICE_HOST",
            "XDG_DATA_DIRS",
        ),
        *("MKL_LIBRARY_PATH", "NB_UID", "JULIA_DEPOT_PATH", "RUBYOPT", "_JAVA_OPTIONS", "GCONV_PATH"),
    ],
)
def test_a_variable_that_programs_are_found_by_cannot_be_listed(name: str) -> None:
    assert is_reserved(name)
    with pytest.raises(ConfigError, match=r"environment_names\[0\].*\.name: should be a variable that neither"):
        parse_environment_names([name])


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "SURVEY", "DATA_PATH", "REGION", "USERNAME", "RESULTS", "NODES"])
def test_others_can(name: str) -> None:
    assert parse_environment_names([name])[0].name == name


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("SURVEY", "should be a list"),
        (["1A"], "name of an environment variable"),
        (["A B"], "name of an environment variable"),
        (["A", "A"], "there twice"),
        ([{"name": "A", "pattern": "["}], "regular expression"),
        ([{"name": "A", "value": "x"}], "no field 'value'"),
        ([f"A{number}" for number in range(51)], "at most 50"),
    ],
)
def test_a_list_that_cannot_be_is_refused(config: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_environment_names(config)


def test_what_can_be_set_of_the_last_choice_stays() -> None:
    choice, gone = nearest_choice({"environment": {"SURVEY": "deep", "THREADS": "0", "OLD": "x"}}, available())
    assert choice.environment == {"SURVEY": "deep"}
    assert gone == {"environment": "THREADS and OLD"}
    assert nearest_choice({"environment": 7}, available())[1] == {}


def test_a_chosen_value_is_an_override_of_the_environment() -> None:
    profile = profile_list(available(), chosen({"environment": {"LABEL": "a {b}"}}, available()))[0]
    assert profile["kubespawner_override"] == {"environment": {"LABEL": "a {{b}}"}}


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_value_arrives_as_it_was_typed(value: str) -> None:
    """KubeSpawner formats it with `str.format`, and kubelet expands `$(NAME)` and reads `$$` as a dollar sign."""
    written = literal_environment({"LABEL": value})["LABEL"].format(username="ada")
    assert written.replace("$$", "") == value.replace("$", "")
    assert written.count("$") == 2 * value.count("$")


def test_options_are_those_that_rest_sends() -> None:
    pairs = [
        "size=small",
        "presets=a",
        "presets=b",
        "debug=true",
        "environment=A=1",
        "environment=B=x=y",
        "secrets=k",
    ]
    assert _options(pairs) == {
        "size": "small",
        "presets": ["a", "b"],
        "debug": True,
        "environment": {"A": "1", "B": "x=y"},
        "secrets": ["k"],
    }
