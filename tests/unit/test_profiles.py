"""What somebody may choose from, what they chose, and what KubeSpawner makes of it."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubespawner import KubeSpawner

from jhkube.images.entries import Menu
from jhkube.images.offer_rules import parse_offers
from jhkube.images.offers import offer_for
from jhkube.operator_models import ConfigError
from jhkube.options_form.choice import Available, Choice, available_for
from jhkube.options_form.chosen import chosen, entry_value, larger_size, nearest_choice
from jhkube.options_form.environment import parse_environment_names
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.overrides import FRESH_ENVIRONMENT, TEMPLATE_FIELDS, Appended, without_templates
from jhkube.options_form.presets import parse_presets
from jhkube.options_form.profiles import parse_profiles, profile_list
from jhkube.options_form.sizes import parse_sizes
from tests.menus import menu

LAB = "registry.example/lab"
GIB = 2**30


pytestmark = pytest.mark.usefixtures("kubeconfig")


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


TAGS = {
    "recommended": digest("a"),
    "w_2026_46": digest("a"),
    "w_2026_45": digest("b"),
    "w_2026_44": "",
    "r27_0_0": digest("c"),
    "exp_<b>bold": "",
}
OFFERS: list[dict[str, Any]] = [
    {"kinds": {"alias": None, "release": 1, "weekly": 2}, "default": ["recommended"], "all_tags": True},
    {"groups": ["builders"], "custom_images": [r"registry\.example/.+", "quay.io/[a-z]+/[a-z]+"]},
]
SIZES = [
    {"name": "small", "cores": 1, "memory": "2G", "default": True},
    {"name": "medium", "cores": 2, "memory": "4G"},
    {
        **{"name": "gpu", "cores": 4, "memory": "8G", "gpus": 1, "gpu_resource": "amd.com/gpu"},
        **{"node_selector": {"gpu": "yes"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "groups": ["gpu"]},
    },
]
PRESETS = [
    {
        "name": "scratch",
        "environment": {"SCRATCH": "/scratch/{username}", "JSON": '{"a": 1}'},
        "volumes": [{"name": "scratch", "hostPath": {"path": "/data/{odd}"}}],
        "volume_mounts": [{"name": "scratch", "mountPath": "/scratch", "subPath": "{username}"}],
        "labels": {"uses": "scratch"},
    },
    {"name": "proxy", "environment": {"PROXY": "yes"}, "default": True},
]
STATIC = [
    {
        "display_name": "Astronomy 101",
        "kubespawner_override": {"image": "course:1"},
        "profile_options": {
            "week": {
                "display_name": "Week",
                "choices": {"one": {"display_name": "1", "kubespawner_override": {"cpu_limit": 3}}, "two": {}},
                "unlisted_choice": {
                    "enabled": True,
                    "validation_regex": "[0-9]+",
                    "validation_message": "a number",
                    "kubespawner_override": {"image": "course:{value}"},
                },
            }
        },
    },
    {"display_name": "Staff", "slug": "staff", "groups": ["staff"]},
]


def lab_menu(tags: dict[str, str] | None = None, repositories: tuple[str, ...] = (LAB,)) -> Menu:
    return menu(dict.fromkeys(repositories, TAGS if tags is None else tags), 1_000_000.0)


def available(*groups: str, offers: Any = OFFERS, static: Any = (), **menu_options: Any) -> Available:
    offer = offer_for(lab_menu(**menu_options), parse_offers(offers), groups)
    return available_for(groups, offer, parse_sizes(SIZES), parse_presets(PRESETS), parse_profiles(static))


def refusal(options: Any, *groups: str, **more: Any) -> tuple[str, str]:
    with pytest.raises(OptionError) as error:
        chosen(options, available(*groups, **more))
    return error.value.field, error.value.message


# What is chosen.


@pytest.mark.parametrize("options", [None, {}, {"profile": "lab"}, {"size": None, "image": None, "presets": None}])
def test_who_says_nothing_gets_the_defaults(options: Any) -> None:
    choice = chosen(options, available())
    assert choice.to_options() == {
        "profile": "lab",
        "image": "recommended",
        "size": "small",
        "presets": ["proxy"],
        "reset_environment": False,
        "debug": False,
    }
    assert choice.entry is not None
    assert choice.entry.image == f"{LAB}@{digest('a')}"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("recommended", f"{LAB}@{digest('a')}"),
        ("w_2026_46", f"{LAB}@{digest('a')}"),
        (f"{LAB}:w_2026_45", f"{LAB}@{digest('b')}"),
        (f"{LAB}@{digest('c')}", f"{LAB}@{digest('c')}"),
        (" w_2026_44 ", f"{LAB}:w_2026_44"),
    ],
)
def test_an_image_is_asked_for_by_any_of_its_names(text: str, image: str) -> None:
    choice = chosen({"image": text}, available())
    assert choice.entry is not None
    assert choice.entry.image == image
    assert choice.to_options()["image"] == text.strip()


def test_the_same_choice_comes_back_from_its_own_options() -> None:
    offered = available("gpu")
    options = {"image": "w_2026_45", "size": "gpu", "presets": ["scratch"], "debug": True}
    choice = chosen(options, offered)
    assert chosen(choice.to_options(), offered) == choice


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ([], "", "The options should be an object such as {'size': 'small'}, not []."),
        ("small", "", "The options should be an object such as {'size': 'small'}, not 'small'."),
        ({"sise": "small"}, "", "There is no option 'sise'. Did you mean 'size'?"),
        (
            {"zzz": 1},
            "",
            "There is no option 'zzz'. There are profile, image, size, presets, repository, branch, commit, "
            "submodules, lfs, environment, secrets, disks, reset_environment, debug.",
        ),
        ({"profile": "labb"}, "profile", "There is no profile 'labb' to choose; there is lab."),
        ({"profile": ["lab"]}, "profile", "The option 'profile' should be a text, not ['lab']."),
        ({"image": "w_2026_99"}, "image", "There is no image 'w_2026_99' to choose. Did you mean 'w_2026_46'?"),
        ({"image": ""}, "image", "Type the image's name, or choose one from the list."),
        ({"image": "  "}, "image", "Type the image's name, or choose one from the list."),
        ({"image": 7}, "image", "The option 'image' should be a text, not 7."),
        ({"image": ["w_2026_46"]}, "image", "The option 'image' should be a text, not ['w_2026_46']."),
        ({"image": {}}, "image", "The option 'image' should be a text, not {}."),
        ({"image": "x" * 513}, "image", "The option 'image' should be at most 512 characters long."),
        ({"image": "a\nb"}, "image", r"There is no image 'a\nb' to choose."),
        ({"size": "huge"}, "size", "There is no size 'huge' to choose; there are small and medium."),
        ({"size": "gpu"}, "size", "There is no size 'gpu' to choose; there are small and medium."),
        ({"size": 1}, "size", "The option 'size' should be a text, not 1."),
        ({"size": ""}, "size", "There is no size '' to choose; there are small and medium."),
        ({"presets": "scratch"}, "presets", "The presets should be a list of names, not 'scratch'."),
        ({"presets": [1]}, "presets", "There is no preset 1 to choose; there are scratch and proxy."),
        ({"presets": [["a"]]}, "presets", "There is no preset ['a'] to choose; there are scratch and proxy."),
        ({"presets": ["x"]}, "presets", "There is no preset 'x' to choose; there are scratch and proxy."),
        ({"debug": "yes"}, "debug", "The option 'debug' should be true or false, not 'yes'."),
        ({"debug": 1}, "debug", "The option 'debug' should be true or false, not 1."),
        (
            {"reset_environment": []},
            "reset_environment",
            "The option 'reset_environment' should be true or false, not [].",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(options: Any, field: str, message: str) -> None:
    assert refusal(options) == (field, message)


def test_an_image_beyond_the_offer_is_refused_where_all_tags_are_not_allowed() -> None:
    offers = [{"kinds": {"alias": None}, "default": ["recommended"]}]
    assert chosen({"image": "w_2026_46"}, available(offers=offers)).image == "w_2026_46"
    assert refusal({"image": "w_2026_44"}, offers=offers)[0] == "image"


def test_an_image_of_ones_own_has_to_match_a_pattern_as_a_whole() -> None:
    choice = chosen({"image": "registry.example/mine:1"}, available("builders"))
    assert (choice.image, choice.entry, choice.is_custom) == ("registry.example/mine:1", None, True)
    field, message = refusal({"image": "quay.io/good/ok:evil"}, "builders")
    assert (field, message) == ("image", "The image 'quay.io/good/ok:evil' is not among those allowed on this hub.")
    assert refusal({"image": "registry.example/mine:1"})[1].startswith("There is no image 'registry.example/mine:1'")


@pytest.mark.parametrize("text", ["[::1]:5000/x", "[2001:db8::1]/team/lab:w_2026_46", "localhost:5000/x"])
def test_an_image_of_any_registry_can_be_typed(text: str) -> None:
    offers = [{"custom_images": [r".*"]}]
    assert chosen({"image": text}, available(offers=offers)).image == text


@pytest.mark.parametrize(
    "text",
    [
        "registry.example/good ; evil",
        "registry.example/a b",
        "registry.example/a:b:c",
        "registry.example/",
        "registry.example/UPPER",
        "registry.example/a\n",
        "registry.example/a:{username}",
        "registry.example/a@sha256:12",
        "https://registry.example/a",
        "registry.example/<script>",
        "[::G]/a",
        "[fe80::1%eth0]:5000/a",
    ],
)
def test_what_is_no_reference_is_refused_though_the_pattern_takes_it(text: str) -> None:
    offers = [{"custom_images": [r"(.|\n)*"]}]
    with pytest.raises(OptionError) as error:
        chosen({"image": text + ("x" if text.endswith("\n") else "")}, available(offers=offers))
    assert "is not the name of an image" in error.value.message


def test_without_any_menu_the_person_is_told_to_wait() -> None:
    offered = available_for([], offer_for(Menu(), parse_offers(OFFERS), []), parse_sizes(SIZES))
    with pytest.raises(OptionError, match="There is no list of images yet"):
        chosen({}, offered)


def test_on_a_hub_with_one_image_none_can_be_asked_for() -> None:
    offered = available_for([], None, parse_sizes(SIZES))
    assert chosen({}, offered) == Choice(size=offered.sizes[0])
    with pytest.raises(OptionError, match="cannot be chosen on this hub"):
        chosen({"image": "w_2026_46"}, offered)


def test_a_box_that_is_not_offered_cannot_be_checked() -> None:
    offered = Available(debug=False, reset_environment=False)
    assert not chosen({"debug": False}, offered).debug
    with pytest.raises(OptionError, match="'debug' is not offered"):
        chosen({"debug": True}, offered)


def test_of_two_repositories_the_second_is_named_with_its_host() -> None:
    second = "registry.example/gpu-lab"
    images = available(repositories=(LAB, second)).images
    assert images is not None
    values = [entry_value(entry, images) for entry in images.entries if entry.digest == digest("a")]
    assert values == ["recommended", f"{second}:recommended"]
    assert [images.find(value).repository for value in values] == [LAB, second]  # type: ignore[union-attr]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(list(TAGS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["profile", "image", "size", "presets", "reset_environment", "debug", "week", "zzz"])
HOSTILE = available("builders", "gpu", static=STATIC)


@given(JSON | st.dictionaries(KEYS, JSON))
def test_whatever_comes_in_is_a_choice_or_a_sentence(options: Any) -> None:
    refused, choice = "", None
    try:
        choice = chosen(options, HOSTILE)
    except OptionError as error:
        refused = error.message
    assert choice is None or chosen(choice.to_options(), HOSTILE) == choice
    assert bool(refused) == (choice is None)
    assert refused.isprintable()
    assert len(refused) < 400
    assert isinstance(nearest_choice(options, HOSTILE)[0], Choice)


# What is left of an earlier choice.


def test_what_is_gone_gives_way_to_the_default_and_is_named() -> None:
    last = {"image": "w_2020_01", "size": "gpu", "presets": ["old"], "debug": True, "unknown": 1}
    choice, gone = nearest_choice(last, available())
    assert gone == {"image": "w_2020_01", "size": "gpu", "presets": "['old']"}
    assert (choice.image, choice.debug) == ("recommended", True)
    assert choice.size is not None
    assert choice.size.name == "small"


def test_an_option_that_is_not_offered_any_more_is_off_and_named() -> None:
    less = replace(available(), debug=False, reset_environment=False)
    choice, gone = nearest_choice({"debug": True, "reset_environment": True}, less)
    assert (choice.debug, choice.reset_environment) == (False, False)
    assert gone == {"debug": "True", "reset_environment": "True"}


def test_a_static_profile_that_is_gone_gives_way_to_the_default() -> None:
    choice, gone = nearest_choice({"profile": "staff"}, available(static=STATIC))
    assert (choice.profile, gone) == ("lab", {"profile": "staff"})


# Static profiles.


async def test_static_profiles_get_the_slug_that_kubespawner_gives_them() -> None:
    ours = [each["slug"] for each in parse_profiles(STATIC)]
    theirs = KubeSpawner(_mock=True)._get_initialized_profile_list(copy.deepcopy(STATIC))
    assert ours == [each["slug"] for each in theirs] == ["astronomy-101", "staff"]


def test_static_profiles_of_a_group_are_for_its_members() -> None:
    assert [each["slug"] for each in available(static=STATIC).profiles] == ["astronomy-101"]
    assert [each["slug"] for each in available("staff", static=STATIC).profiles] == ["astronomy-101", "staff"]
    assert refusal({"profile": "staff"}, static=STATIC)[0] == "profile"


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({}, "profile_list[0].display_name: should be a text"),
        ({"display_name": "!!!"}, "profile_list[0].slug: should be given: '!!!' has no letters"),
        ({"display_name": "Lab"}, "profile_list[0].slug: 'lab' is the slug of another profile already"),
        ({"display_name": "A", "profile_option": {}}, "did you mean 'profile_options'?"),
        ({"display_name": "A", "profile_options": {"b": {}}}, "profile_options.b: needs choices"),
        ({"display_name": "A", "profile_options": {"b": 1}}, "profile_options.b: should be a dict"),
        (
            {
                "display_name": "A",
                "profile_options": {"b": {"unlisted_choice": {"enabled": True, "validation_regex": "("}}},
            },
            "validation_regex: ",
        ),
    ],
)
def test_a_static_profile_that_cannot_be_is_refused_at_the_start(profile: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_profiles([profile])
    assert message in str(error.value)


def test_static_profiles_of_a_dict_are_in_the_order_of_its_keys_and_have_defaults() -> None:
    options = {
        "named": {"display_name": "Week", "choices": {"one": {}, "two": {"default": True}}},
        "plain": {"choices": {"one": {}, "two": {}}},
        "typed": {"unlisted_choice": {"enabled": True}},
        "both": {"choices": {"one": {}}, "unlisted_choice": {"enabled": False}},
    }
    second = {"display_name": " A\n course ", "profile_options": options, "groups": ["staff", "astro"]}
    profiles = parse_profiles({"b": second, "a": {"display_name": "Z", "slug": "first"}})
    assert [each["slug"] for each in profiles] == ["first", "a-course"]
    assert profiles[0]["profile_options"] == {}
    course = profiles[1]
    assert (course["display_name"], course["groups"]) == ("A course", ["astro", "staff"])
    assert course["profile_options"] == {
        "named": {"display_name": "Week", "choices": {"one": {}, "two": {"default": True}}},
        "plain": {"display_name": "plain", "choices": {"one": {"default": True}, "two": {}}},
        "typed": {"display_name": "typed", "choices": {}, "unlisted_choice": {"enabled": True}},
        "both": {
            **{"display_name": "both", "choices": {"one": {"default": True}}},
            "unlisted_choice": {"enabled": False},
        },
    }
    with pytest.raises(ConfigError, match=r"^profile_list\[1\].slug: 'z' is the slug of another profile already"):
        parse_profiles([{"display_name": "Z"}, {"display_name": "Another", "slug": "z"}])


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"week": "three"}, "week", "Week: there is no 'three' to choose."),
        ({"week": ["one"]}, "week", "The option 'week' should be a text, not ['one']."),
        ({"week--unlisted-choice": "x"}, "week", "Week: a number"),
        ({"week--unlisted-choice": "12; evil"}, "week", "Week: a number"),
        ({"weak": "one"}, "", "The profile 'astronomy-101' has no option 'weak'. Did you mean 'week'?"),
        ({"image": "w_2026_46"}, "", "The profile 'astronomy-101' has no option 'image'."),
    ],
)
def test_a_static_profiles_options_are_checked_as_a_whole(options: Any, field: str, message: str) -> None:
    assert refusal({"profile": "astronomy-101", **options}, static=STATIC) == (field, message)


# What KubeSpawner makes of it.


async def applied(options: Any, offered: Available, **traits: Any) -> Any:
    """Return a KubeSpawner that has applied the choice, by its own code."""
    choice = chosen(options, offered)
    spawner = KubeSpawner(_mock=True, **traits)
    spawner.profile_list = profile_list(offered, choice)
    spawner.user_options = choice.to_options()
    await spawner.load_user_options()
    return spawner


async def test_kubespawner_runs_the_digest_in_the_size() -> None:
    spawner = await applied({"image": "w_2026_46", "size": "medium"}, available())
    assert spawner.image == f"{LAB}@{digest('a')}"
    assert (spawner.cpu_limit, spawner.mem_limit) == (2.0, 4 * GIB)
    assert (spawner.cpu_guarantee, spawner.mem_guarantee) == (0.5, GIB)


async def test_kubespawner_runs_the_defaults_where_nothing_is_chosen() -> None:
    spawner = await applied({}, available())
    assert spawner.image == f"{LAB}@{digest('a')}"
    assert spawner.cpu_limit == 1.0
    assert spawner.environment == {"PROXY": "yes"}


async def test_kubespawner_runs_an_image_that_is_not_on_the_list() -> None:
    assert (await applied({"image": "w_2026_44"}, available())).image == f"{LAB}:w_2026_44"
    assert (await applied({"image": "registry.example/x:1"}, available("builders"))).image == "registry.example/x:1"


async def test_a_size_with_a_gpu_asks_for_it_and_keeps_the_operators_tolerations() -> None:
    own = {"key": "own", "operator": "Exists"}
    spawner = await applied({"size": "gpu"}, available("gpu"), tolerations=[own], node_selector={"disk": "ssd"})
    assert spawner.extra_resource_limits == spawner.extra_resource_guarantees == {"amd.com/gpu": "1"}
    assert spawner.tolerations == [own, {"key": "gpu", "operator": "Exists"}]
    assert spawner.node_selector == {"disk": "ssd", "gpu": "yes"}


async def test_presets_and_boxes_reach_the_pod_as_they_were_written() -> None:
    options = {"presets": ["scratch"], "reset_environment": True, "debug": True}
    own = {"name": "own", "emptyDir": {}}
    spawner = await applied(options, available(), volumes=[own], environment={"OWN": "1"})
    assert spawner.debug is True
    assert FRESH_ENVIRONMENT["JHKUBE_RESET_ENVIRONMENT"] == "true", "which the start scripts of images read"
    assert spawner._expand_env(spawner.environment) == {
        "OWN": "1",
        "SCRATCH": f"/scratch/{spawner._expand_user_properties('{username}')}",
        "JSON": '{"a": 1}',
        **FRESH_ENVIRONMENT,
    }
    assert spawner._expand_all(spawner.volumes) == [own, {"name": "scratch", "hostPath": {"path": "/data/{odd}"}}]
    assert spawner._expand_all(spawner.extra_labels) == {"uses": "scratch"}
    assert [mount["mountPath"] for mount in spawner.volume_mounts] == ["/scratch"]


def test_a_fresh_environment_leaves_out_what_somebody_installed(tmp_path: Path) -> None:
    module = "a_module_of_ones_own"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    # A virtual environment's Python has no packages of the person's own: the one below it does.
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    asked = subprocess.run([python, "-m", "site", "--user-site"], env=environment, stdout=subprocess.PIPE, text=True)
    site = asked.stdout.strip()
    Path(site).mkdir(parents=True)
    (Path(site) / f"{module}.py").write_text("")
    command = [python, "-c", f"import {module}"]
    assert subprocess.run(command, env=environment).returncode == 0
    fresh = subprocess.run(command, env=environment | FRESH_ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    assert "ModuleNotFoundError" in fresh.stderr


async def test_a_static_profile_is_applied_as_kubespawner_does() -> None:
    offered = available(static=STATIC)
    spawner = await applied({"profile": "astronomy-101", "week": "one"}, offered)
    assert (spawner.image, spawner.cpu_limit) == ("course:1", 3)
    typed = await applied({"profile": "astronomy-101", "week--unlisted-choice": "12"}, offered)
    assert typed.image == "course:12"


async def test_a_static_default_is_what_nobody_has_to_choose() -> None:
    offered = available(static=[{**STATIC[0], "default": True}])
    assert chosen({}, offered).to_options() == {"profile": "astronomy-101"}
    assert (await applied({}, offered)).image == "course:1"
    assert (await applied({"profile": "lab"}, offered)).image == f"{LAB}@{digest('a')}"


def test_only_what_is_offered_is_in_the_list_however_many_tags_there_are() -> None:
    many = {f"w_{year}_{week:02}": "" for year in range(1900, 2026) for week in range(1, 53)}
    listed = profile_list(available(tags={**many, **TAGS}))
    option = listed[0]["profile_options"]["image"]
    assert list(option["choices"]) == ["recommended", "r27_0_0", "w_2026_45"]
    assert option["unlisted_choice"]["enabled"]
    assert [key for key, value in option["choices"].items() if value["default"]] == ["recommended"]


def size_choice(name: str, summary: str, default: bool, **override: Any) -> dict[str, Any]:
    return {"display_name": f"{name}: {summary}", "default": default, "kubespawner_override": override}


def test_the_list_is_whole_and_has_nothing_that_nobody_asked_for() -> None:
    offers = [{"kinds": {"release": 1, "alias": None}, "default": ["r27_0_0"]}]
    offered = available("staff", offers=offers, static=STATIC[1:])
    staff = {"display_name": "Staff", "slug": "staff", "profile_options": {}}
    release = {
        **{"display_name": "Release 27.0.0", "default": True},
        "kubespawner_override": {"image": f"{LAB}@{digest('c')}"},
    }
    recommended = {
        **{"display_name": "Recommended (Weekly 2026, week 46 (9–15 Nov))", "default": False},
        "kubespawner_override": {"image": f"{LAB}@{digest('a')}"},
    }
    limits = [
        {"cpu_limit": cores, "cpu_guarantee": cores / 4, "mem_limit": memory, "mem_guarantee": memory // 4}
        for cores, memory in ((1.0, 2 * GIB), (2.0, 4 * GIB))
    ]
    small, medium = "1 core, 2 GiB memory", "2 cores, 4 GiB memory"
    lab: dict[str, Any] = {
        "slug": "lab",
        "display_name": "Lab",
        "description": "Choose the image and the size yourself.",
        "default": True,
        "kubespawner_override": {},
        "profile_options": {
            "image": {"display_name": "Image", "choices": {"recommended": recommended, "r27_0_0": release}},
            "size": {
                "display_name": "Size",
                "choices": {
                    "small": size_choice("Small", small, True, **limits[0]),
                    "medium": size_choice("Medium", medium, False, **limits[1]),
                },
            },
        },
    }
    assert profile_list(offered) == [lab, staff]
    # A choice is the default, whichever it is, and what is typed then has no place.
    listed = profile_list(offered, chosen({"image": "recommended", "size": "medium", "presets": []}, offered))
    images, sizes = (listed[0]["profile_options"][name]["choices"] for name in ("image", "size"))
    assert (images, listed[0]["kubespawner_override"]) == (
        {"recommended": recommended | {"default": True}, "r27_0_0": release | {"default": False}},
        {},
    )
    assert [name for name, size in sizes.items() if size["default"]] == ["medium"]
    # Of another profile nothing is chosen here.
    assert profile_list(offered, chosen({"profile": "staff"}, offered)) == [lab, staff]
    # Where nothing can be chosen there is no option.
    assert profile_list(Available())[0]["profile_options"] == {}


def test_an_image_that_is_not_listed_can_be_typed_where_any_rule_says_so() -> None:
    typed = {
        "enabled": True,
        "display_name": "Image",
        "display_name_in_choices": "Another image…",
        "kubespawner_override": {"image": "{value}"},
    }
    custom = [{"kinds": {"alias": None}, "custom_images": ["quay.io/.+"]}]
    for offers in (OFFERS, custom):
        assert profile_list(available(offers=offers))[0]["profile_options"]["image"]["unlisted_choice"] == typed
    alone = profile_list(available(offers=[{"custom_images": ["quay.io/.+"]}]))[0]["profile_options"]["image"]
    assert alone == {"display_name": "Image", "choices": {}, "unlisted_choice": typed}
    offered = available(offers=custom)
    listed = profile_list(offered, chosen({"image": "quay.io/lab:1"}, offered))[0]["profile_options"]["image"]
    assert listed["choices"]["quay.io/lab:1"] == {
        **{"display_name": "quay.io/lab:1", "default": True},
        "kubespawner_override": {"image": "quay.io/lab:1"},
    }
    assert "unlisted_choice" not in listed


async def test_of_presets_a_later_one_wins_and_what_two_have_is_there_once() -> None:
    data = {"name": "data", "emptyDir": {}}
    mount = {"name": "data", "mountPath": "/data"}
    presets = parse_presets(
        [
            {"name": "a", "environment": {"A": "1", "B": "1"}, "volumes": [data], "volume_mounts": [mount]},
            {"name": "b", "environment": {"B": "2"}, "volumes": [data], "annotations": {"note": "{x}"}},
        ]
    )
    offered = Available(presets=presets, variables=parse_environment_names(["A"]))
    spawner = await applied({"presets": ["a", "b"], "environment": {"A": "{mine}"}, "debug": True}, offered)
    assert spawner._expand_env(spawner.environment) == {"A": "{mine}", "B": "2"}
    assert (spawner.volumes, spawner.volume_mounts, spawner.debug) == ([data], [mount], True)
    assert spawner._expand_all(spawner.extra_annotations) == {"note": "{x}"}
    assert spawner.extra_labels == {}


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("plain", "plain"),
        ('{"x": 1}', '{{"x": 1}}'),
        ("/home/{username}", "/home/{username}"),
        ("{0}", "{{0}}"),
        ("{username.__class__}", "{{username.__class__}}"),
        ("}{", "}}{{"),
    ],
)
def test_braces_are_text_except_around_kubespawners_own_fields(text: str, template: str) -> None:
    assert without_templates(text) == template
    assert without_templates({"k": [text]}) == {"k": [template]}


async def test_a_field_that_stays_is_one_that_kubespawner_fills_in() -> None:
    spawner = KubeSpawner(_mock=True)
    assert {field: spawner._expand_user_properties(field) for field in TEMPLATE_FIELDS}.keys() == TEMPLATE_FIELDS


@given(st.text(alphabet="{}ab_ ") | st.text())
def test_any_text_survives_kubespawners_formatting(text: str) -> None:
    assert without_templates(text).format(username="U") == text or "{username}" in text


async def test_appended_twice_adds_once() -> None:
    spawner = KubeSpawner(_mock=True)
    extra = Appended("volumes", ({"name": "a"},))
    spawner.volumes = extra(spawner)
    assert extra(spawner) == [{"name": "a"}]
    spawner.volumes = {"own": {"name": "b"}}
    spawner.volumes = extra(spawner)
    assert list(extra(spawner).values()) == [{"name": "b"}, {"name": "a"}]


MANY_SIZES = parse_sizes(
    [
        {"name": "small", "cores": 1, "memory": "2G", "default": True},
        {"name": "wide", "cores": 8, "memory": "2G"},
        {"name": "slow", "cores": 1, "memory": "4G"},
        {"name": "medium", "cores": 2, "memory": "4G"},
        {"name": "gpu", "cores": 4, "memory": "8G", "gpus": 1},
        {"name": "amd", "cores": 4, "memory": "16G", "gpus": 1, "gpu_resource": "amd.com/gpu"},
        {"name": "huge", "cores": 8, "memory": "64G"},
    ]
)


@pytest.mark.parametrize(
    ("options", "most", "larger"),
    [
        ({"size": "small"}, None, "slow"),
        ({}, None, "slow"),
        (None, None, "slow"),
        ({"size": "wide"}, None, "slow"),
        ({"size": "medium"}, None, "huge"),
        ({"size": "medium"}, 32 * 2**30, None),
        ({"size": "gpu"}, None, None),
        ({"size": "huge"}, None, None),
        ({"size": "of last year"}, None, None),
        ({"profile": "own", "size": "small"}, None, None),
    ],
)
def test_the_next_larger_size_has_more_memory_and_as_many_gpus(options, most, larger):
    profiles = parse_profiles([{"display_name": "Own", "slug": "own"}])
    available = available_for((), None, MANY_SIZES, profiles=profiles)
    found = larger_size(options, available, most)
    assert (found.name if found else None) == larger
