"""What the spawner lets somebody choose by a link, and what it counts while several servers start at once."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace

import pytest
from jupyterhub import orm as hub_orm
from traitlets.config import Config

from jhkube.checks.configuration import configuration_results
from jhkube.configured import ConfiguredHub
from jhkube.options_form import form
from jhkube.options_form.menu import ImageMenu
from jhkube.options_form.profiles import parse_profiles
from jhkube.spawner import JHKubeSpawner
from jhkube.spawner_options import Refused
from jhkube.watch.starts import Start
from tests.menus import menu

pytestmark = pytest.mark.usefixtures("kubeconfig")

LAB = "registry.example/lab"
OFFERS = [{"kinds": {"weekly": 1}, "all_tags": True, "custom_images": [r"registry\.example/people/.+"]}]
PROFILES = [
    {
        "display_name": "Own",
        "slug": "own",
        "kubespawner_override": {"cpu_limit": 64, "extra_resource_limits": {"nvidia.com/gpu": "2"}},
        "profile_options": {"image": {"unlisted_choice": {"enabled": True, "kubespawner_override": {}}}},
    },
    {"display_name": "Large", "slug": "large", "kubespawner_override": {"cpu_limit": 64}},
]


class User:
    """A person with two servers."""

    name, id, url, groups = "ada", 1, "/user/ada/", ()

    def __init__(self):
        self.spawners = {}

    @property
    def spawner(self):
        return self.spawners[""]


class Offered(ImageMenu):
    """A menu that was listed a moment ago, and that waits to be told before it looks an image up."""

    looked_up, asked = None, 0

    async def resolved(self, entry):
        self.asked += 1
        await self.looked_up.wait()
        return entry


def spawners(names=("",), **settings):
    """Return a person's spawners, of which none has started."""
    user, shown = User(), Offered(repositories=[LAB], offers=OFFERS, cache_file="")
    shown._menu = menu({LAB: {"w_2026_46": "", "w_2026_45": ""}}, 1.0)
    shown.looked_up = asyncio.Event()
    for name in names:
        config = Config({"JHKubeSpawner": settings})
        hub = SimpleNamespace(public_host="", url="", base_url="", api_url="")
        orm = hub_orm.Spawner(name=name)
        made = JHKubeSpawner(_mock=True, config=config, user=user, hub=hub, orm_spawner=orm, namespace="labs")
        made.image_menu, made._static_profiles, made.profile_list = shown, parse_profiles(PROFILES), []
        user.spawners[name] = made
    return [user.spawners[name] for name in names]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"image": ["registry.example/people/eve:1"]}, "image"),
        ({"image": ["*custom"], "image_custom": ["registry.example/people/eve:1"]}, "image"),
        ({"profile": ["own"], "profile-option-own--image--unlisted-choice": ["eve"]}, "image"),
    ],
)
async def test_a_link_to_what_is_on_no_list_shows_it_in_the_form_and_starts_nothing(query, field):
    (spawner,) = spawners()
    with pytest.raises(Refused, match="A link asks for"):
        await spawner.options_from_query(query)
    options, error = spawner._refused
    assert error.field == field
    assert "eve" in next(iter(value for key, value in options.items() if key.startswith("image")))
    assert spawner._choice is None


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"size": ["large"]}, "size", "the size Large"),
        ({"opt-size": ["medium"]}, "size", "the size Medium"),
        ({"profile-option-lab--size": ["large"]}, "size", "the size Large"),
        ({"reset_environment": ["on"]}, "reset_environment", "a fresh environment"),
        ({"opt-reset_environment": ["true"], "image": ["w_2026_45"]}, "reset_environment", "a fresh environment"),
        ({"presets": ["", "scratch"]}, "presets", "'The scratch disk'"),
        ({"profile": ["large"]}, "profile", "the profile 'Large'"),
    ],
)
async def test_what_costs_or_does_more_than_a_link_may_decide_is_shown_in_the_form(query, field, words):
    presets = [{"name": "scratch", "display_name": "The scratch disk", "environment": {"X": "1"}}]
    (spawner,) = spawners(presets=presets)
    with pytest.raises(Refused, match=f"A link asks for {words}.*Press Start only if you want that"):
        await spawner.options_from_query(query)
    options, error = spawner._refused
    assert error.field == field
    assert spawner._choice is None
    assert options == form.options_from_form(query)


async def test_a_link_says_everything_that_it_asks_for():
    (spawner,) = spawners()
    query = {"image": ["registry.example/people/eve:1"], "size": ["large"], "reset_environment": ["on"]}
    with pytest.raises(Refused) as refused:
        await spawner.options_from_query(query)
    assert refused.value.jupyterhub_message.startswith(
        "A link asks for 'registry.example/people/eve:1', the size Large (4 cores, 8 GiB memory) and a fresh"
        " environment, which sets your own packages and settings aside. Start it only if you trust who made the link"
    )


def is_checked(page, attributes):
    """Say whether the box or button of the form with these attributes is checked."""
    (button,) = re.findall(rf"<input[^>]*{re.escape(attributes)}[^>]*>", page)
    return " checked" in button


async def test_the_person_who_confirms_it_in_the_form_starts_it():
    (spawner,) = spawners()
    spawner.image_menu.looked_up.set()
    asked = {"image": ["w_2026_45"], "size": ["large"], "reset_environment": ["on"]}
    with pytest.raises(Refused):
        await spawner.options_from_query(asked)
    shown = await spawner._rendered_form()
    assert "A link asks for the size Large" in shown
    assert [name for name in ("small", "medium", "large") if is_checked(shown, f'name="size" value="{name}"')] == [
        "large"
    ]
    assert is_checked(shown, 'name="reset_environment"')
    options = await spawner._options_of_form(asked)
    assert options == {"image": "w_2026_45", "size": "large", "reset_environment": True}


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({"image": ["w_2026_45"]}, {"image": "w_2026_45"}),
        ({"image": ["w_2026_45"], "size": ["small"]}, {"image": "w_2026_45", "size": "small"}),
        ({"debug": ["on"], "reset_environment": ["off"]}, {"debug": True, "reset_environment": False}),
    ],
)
async def test_a_link_to_an_image_of_the_menu_starts_it(query, options):
    (spawner,) = spawners()
    spawner.image_menu.looked_up.set()
    assert await spawner.options_from_query(query) == options


async def test_a_link_to_the_profile_that_everybody_starts_is_started_with_what_it_has_by_default():
    (spawner,) = spawners()
    cores = {"one": {"default": True}, "many": {}}
    profile = {"display_name": "Own", "default": True, "profile_options": {"cores": {"choices": cores}}}
    spawner._static_profiles = parse_profiles([profile])
    assert await spawner.options_from_query({"profile": ["own"], "profile-option-own--cores": ["one"]})
    with pytest.raises(Refused, match=r"A link asks for cores 'many'\. Press Start"):
        await spawner.options_from_query({"profile-option-own--cores": ["many"], "profile": ["own"]})


class Watch:
    """Pods that are not there."""

    pods = {}


async def test_two_servers_that_start_at_once_pass_no_ceiling_together(monkeypatch):
    first, second = spawners(("", "two"), ceilings={"default": {"cores": 5}})
    for each in (first, second):
        monkeypatch.setattr(each, "_start_watching_pods", lambda: asyncio.sleep(0))
        monkeypatch.setattr(JHKubeSpawner, "pod_reflector", Watch())
        each._spawn_pending = True
    asked = {"image": "w_2026_45", "size": "large"}
    both = [asyncio.ensure_future(each._choose(asked)) for each in (first, second)]
    while first.image_menu.asked < 2 and not any(each.done() for each in both):
        await asyncio.sleep(0)
    first.image_menu.looked_up.set()
    with pytest.raises(Refused, match="your limit is 5 cores"):
        await asyncio.gather(*both)


async def test_a_profile_of_the_operators_counts_by_what_it_sets(monkeypatch):
    (spawner,) = spawners(ceilings={"default": {"cores": 5}})
    monkeypatch.setattr(spawner, "_start_watching_pods", lambda: asyncio.sleep(0))
    monkeypatch.setattr(JHKubeSpawner, "pod_reflector", Watch())
    spawner.profile_list = parse_profiles(PROFILES)
    spawner.user_options = {"profile": "large"}
    with pytest.raises(Refused, match="This server asks for 64 cores; your limit is 5 cores"):
        await spawner.load_user_options()


@pytest.mark.parametrize("typed", ["{x}", "{0}", "{", "{username.x}", "{username[x]}"])
async def test_what_somebody_typed_is_no_error_of_the_hubs_own(typed):
    (spawner,) = spawners(environment={"SURVEY": typed})
    spawner.pod_start = Start(spawner, spawner.parsed_patience())
    with pytest.raises(Refused, match="What was chosen and configured makes no server"):
        await spawner.get_pod_manifest()


@pytest.mark.parametrize("typed", ["much", "-", "{value}", "1\n"])
async def test_nor_is_a_value_that_a_trait_does_not_take(typed):
    unlisted = {"enabled": True, "kubespawner_override": {"cpu_limit": "{value}"}}
    profile = {"display_name": "Own", "profile_options": {"cores": {"unlisted_choice": unlisted}}}
    (spawner,) = spawners()
    spawner.profile_list = spawner._static_profiles = parse_profiles([profile])
    spawner.user_options = {"profile": "own", "cores--unlisted-choice": typed}
    with pytest.raises(Refused, match="What was chosen and configured makes no server"):
        await spawner.load_user_options()


@pytest.mark.parametrize(
    ("home", "says"),
    [
        ({"home": "shared-pvc", "home_claim": "homes"}, "it would reach the homes of others"),
        ({"home": "shared-pvc", "home_claim": "homes", "home_make_image": "registry.example/busybox:1"}, None),
        ({"home": "pvc", "home_made_by": "root"}, None),
    ],
)
async def test_no_typed_image_is_root_where_others_have_their_homes(home, says, monkeypatch):
    async def there(image, offer):
        return None

    (spawner,) = spawners(**home)
    monkeypatch.setattr(spawner.image_menu, "check_custom_image", there)
    asked = spawner._choose({"image": "registry.example/people/eve:1"})
    if says is None:
        await asked
    else:
        with pytest.raises(Refused, match=says):
            await asked


async def test_jhkube_check_tells_that_typed_images_are_refused():
    config = Config(
        {
            "JupyterHub": {"spawner_class": "jhkube"},
            "JHKubeSpawner": {"home": "shared-pvc", "home_claim": "homes"},
            "ImageMenu": {"repositories": [LAB], "offers": OFFERS, "cache_file": ""},
        }
    )
    told = [each.text for each in configuration_results(ConfiguredHub(config))]
    assert any("images that people type are refused" in text for text in told), told
    config.JHKubeSpawner.home_make_image = "registry.example/busybox:1"
    told = [each.text for each in configuration_results(ConfiguredHub(config))]
    assert not any("images that people type" in text for text in told)
