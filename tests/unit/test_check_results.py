"""What checks find, as people and programs are told it."""

import json

import pytest
from traitlets import List
from traitlets.config import Config, Configurable

from jhkube.checks.configuration import unknown_settings
from jhkube.checks.configured import ConfigurationError, load_configuration
from jhkube.checks.image import _judged
from jhkube.checks.report import as_json, table
from jhkube.checks.result import Status, Subject
from jhkube.spawner import JHKubeSpawner

STORAGE = Subject("storage")
FOUND = [
    STORAGE.passed("the claim labs/homes is bound"),
    STORAGE.failed("there is no claim survey in the namespace labs", 'Make it:\n  - {apiGroups: [""]}'),
]


def test_a_table_has_the_remedy_below_what_failed_and_counts():
    assert table(FOUND, coloured=False, width=100).splitlines() == [
        "passed   storage  the claim labs/homes is bound",
        "failed   storage  there is no claim survey in the namespace labs",
        "                  → Make it:",
        '                      - {apiGroups: [""]}',
        "",
        "1 passed, 1 failed.",
    ]


def test_colours_are_asked_for():
    assert "\033[" not in table(FOUND, coloured=False, width=80)
    assert "\033[1;31mfailed" in table(FOUND, coloured=True, width=80)


def test_json_says_whether_all_is_right():
    assert as_json(FOUND[:1])["ok"] is True
    answer = json.loads(json.dumps(as_json(FOUND)))
    assert answer["ok"] is False
    assert answer["results"][1]["status"] == "failed"


def test_an_option_is_not_broken_at_its_hyphens():
    lines = table(
        [STORAGE.failed("no", "Allow more time with --image-timeout")], coloured=False, width=48
    ).splitlines()
    assert any("--image-timeout" in line for line in lines)


class Fruits(Configurable):
    """A class that a configuration may name."""

    apples = List(config=True)


class Orchard(Fruits):
    """A class that a hub makes."""

    pears = List(config=True)


@pytest.mark.parametrize(
    ("section", "name", "near"),
    [
        ("Fruits", "apple", "c.Fruits.apples?"),
        ("Orchard", "pearls", "c.Orchard.pears?"),
        ("Orchad", "pears", "c.Orchard?"),
        ("JHKubeSpawner", "image_pul_policy", "c.JHKubeSpawner.image_pull_policy?"),
    ],
)
def test_a_setting_that_is_not_there_is_told_with_the_nearest(section, name, near):
    (found,) = unknown_settings(Config({section: {name: []}}), [Orchard, JHKubeSpawner])
    assert found.status is Status.FAILED
    assert name in found.text
    assert near in found.remedy


def test_a_setting_of_a_class_that_the_hub_makes_may_be_set_on_its_base():
    config = Config({"Fruits": {"apples": [], "pears": []}, "KubeSpawner": {"home": "pvc", "image": "x"}})
    assert list(unknown_settings(config, [Orchard, JHKubeSpawner])) == []


def test_a_class_of_somebody_elses_is_only_mentioned():
    (found,) = unknown_settings(Config({"Zookeeper": {"lions": 2}}), [Orchard])
    assert found.status is Status.WARNING


@pytest.mark.parametrize(
    ("words", "statuses"),
    [
        ("git=git version 2.39.5\nserver=6.1.1\n", ["passed", "passed"]),
        ("git=git version 2.39.5\nserver=6.0.0rc1\n", ["passed", "passed"]),
        ("git=git version 2.31.1\nserver=6.1.1\n", ["failed", "passed"]),
        ("git=sh: 1: git: not found\nserver=4.1.6\n", ["failed", "failed"]),
        ("git=git version 2.39.5\nserver=sh: 1: jupyterhub-singleuser: not found\n", ["passed", "failed"]),
        ("git=git version 2.39.5\nserver=\n", ["passed", "failed"]),
        ("StartError, exit status 128", ["failed"]),
    ],
)
def test_an_image_is_judged_by_what_it_says(monkeypatch, words, statuses):
    monkeypatch.setattr("jupyterhub.__version__", "6.1.1")
    monkeypatch.setattr("jupyterhub.version_info", (6, 1, 1))
    found = _judged("lab", "jupyterhub-singleuser", words, wants_new_git=True)
    assert [each.status for each in found] == statuses
    assert all(each.remedy for each in found if each.status is Status.FAILED)


def test_an_old_git_will_do_where_the_configuration_is_put_in_its_place():
    found = _judged("lab", "jupyterhub-singleuser", "git=git version 2.20.1\nserver=6.1.1\n", wants_new_git=False)
    assert found[0].status is Status.PASSED


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("c.A.b = 1\n1/0\n", "main.py, line 2, fails: ZeroDivisionError"),
        ("c.A.b = (\n", "main.py, line 1, fails: SyntaxError"),
        ("\nload_subconfig('part.py')\n", "part.py, line 3, fails: ValueError: no"),
    ],
)
def test_a_configuration_that_fails_is_told_with_its_file_and_line(tmp_path, text, place):
    (tmp_path / "main.py").write_text(text)
    (tmp_path / "part.py").write_text("def no():\n    raise ValueError('no')\nno()\n")
    with pytest.raises(ConfigurationError) as failed:
        load_configuration(tmp_path / "main.py")
    assert str(failed.value).startswith(f"{tmp_path}/{place}")
