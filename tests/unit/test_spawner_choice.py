"""What the spawner lets somebody choose by a link, and what it counts while several servers start at once."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace

import pytest
from jupyterhub import orm as hub_orm
from jupyterhub.utils import maybe_future
from traitlets.config import Config

from jhkube import spawner as spawner_module
from jhkube import spawner_options
from jhkube.checks.configuration import configuration_results
from jhkube.checks.configured import ConfiguredHub
from jhkube.images.entries import MenuEntry
from jhkube.images.image_name import NoSuchImage
from jhkube.images.menu import ImageMenu
from jhkube.images.tags import parse_tag
from jhkube.options_form import form
from jhkube.options_form.profiles import parse_profiles
from jhkube.spawner import JHKubeSpawner
from jhkube.spawner_options import StartRefused, _computed_profiles
from jhkube.watch.ends import Ends
from jhkube.watch.failure import Failure
from jhkube.watch.start import Start
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

    async def check_custom_image(self, image, offer):
        repository, _, tag = image.rpartition(":")
        return await self.resolved(MenuEntry(repository, parse_tag(tag)))


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
    with pytest.raises(StartRefused, match="A link asks for"):
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
    with pytest.raises(StartRefused, match=f"A link asks for {words}.*Press Start only if you want that"):
        await spawner.options_from_query(query)
    options, error = spawner._refused
    assert error.field == field
    assert spawner._choice is None
    assert options == form.options_from_form(query)


TOO_LITTLE = Failure("OOMKilled", "Your server used too much.", "container notebook: exit code 137")


@pytest.mark.parametrize(
    ("end", "subject", "chosen", "is_said"),
    [
        (TOO_LITTLE, "", "medium", True),
        (TOO_LITTLE, "github:2", "small", False),
        (Failure("Evicted", "The node was full."), "", "small", False),
    ],
)
async def test_after_too_little_memory_the_form_begins_with_the_next_size(monkeypatch, end, subject, chosen, is_said):
    monkeypatch.setattr(spawner_module, "ENDS", ends := Ends())
    (spawner,) = spawners()
    spawner.user_options = {"size": "small", "image": "w_2026_45"}
    ends.note(spawner.user.id, "", end, subject)
    shown = await spawner._rendered_form()
    assert re.search(rf'name="size"[^>]*value="{chosen}"[^>]*checked', shown), shown
    assert ("had too little memory, so Medium is chosen here" in shown) is is_said
    assert spawner.user_options["size"] == "small"


USUAL = {"name": "usual", "default": True, "cores": 2, "memory": "4G", "gpus": 1}


@pytest.mark.parametrize(
    "other",
    [
        {"cores": 3},
        {"memory": "5G"},
        {"gpus": 2},
        {"gpu_resource": "nvidia.com/h100"},
        {"guarantee_ratio": 1},
        {"cores_guarantee": 2},
        {"memory_guarantee": "4G"},
        {"node_selector": {"pool": "gpu"}},
        {"tolerations": [{"key": "reserved", "operator": "Exists"}]},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_link_starts_no_size_that_has_more_or_runs_elsewhere(other):
    sizes = [USUAL, {**USUAL, "name": "other", "default": False, **other}]
    (spawner,) = spawners(sizes=sizes)
    with pytest.raises(StartRefused, match="A link asks for the size Other"):
        await spawner.options_from_query({"size": ["other"]})


async def test_a_link_may_start_a_size_that_has_less():
    sizes = [USUAL, {**USUAL, "name": "other", "default": False, "cores": 1, "memory": "2G", "gpus": 0}]
    (spawner,) = spawners(sizes=sizes)
    spawner.image_menu.looked_up.set()
    assert await spawner.options_from_query({"size": ["other"]}) == {"size": "other"}


async def test_a_link_says_everything_that_it_asks_for():
    (spawner,) = spawners()
    query = {"image": ["registry.example/people/eve:1"], "size": ["large"], "reset_environment": ["on"]}
    with pytest.raises(StartRefused) as refused:
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
    with pytest.raises(StartRefused):
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
    with pytest.raises(StartRefused, match=r"A link asks for cores 'many'\. Press Start"):
        await spawner.options_from_query({"profile-option-own--cores": ["many"], "profile": ["own"]})


class Watch:
    """Pods, as the watch has them."""

    def __init__(self, pods):
        self.pods = pods


@pytest.fixture
def watched(monkeypatch):
    """Return the pods that the watch knows, for a test to add some."""
    pods = {}
    monkeypatch.setattr(JHKubeSpawner, "_start_watching_pods", lambda spawner: asyncio.sleep(0))
    monkeypatch.setattr(JHKubeSpawner, "pod_reflector", Watch(pods))
    return pods


def pod_with(name, limits):
    """Return a pod of a server, as the watch has it."""
    return {
        "metadata": {"name": name, "namespace": "labs", "annotations": {"hub.jupyter.org/servername": "two"}},
        "spec": {"containers": [{"name": "notebook", "resources": {"limits": limits, "requests": limits}}]},
    }


@pytest.mark.usefixtures("watched")
async def test_two_servers_that_start_at_once_pass_no_ceiling_together():
    first, second = spawners(("", "two"), ceilings={"default": {"cores": 5}})
    for each in (first, second):
        each._spawn_pending = True
    asked = {"image": "w_2026_45", "size": "large"}
    both = [asyncio.ensure_future(each._choose(asked)) for each in (first, second)]
    while first.image_menu.asked < 2 and not any(each.done() for each in both):
        await asyncio.sleep(0)
    first.image_menu.looked_up.set()
    with pytest.raises(StartRefused, match="your limit is 5 cores"):
        await asyncio.gather(*both)


SLOW_FORM = {"profile": ["lab"], "image": ["w_2026_45"], "size": ["small"]}
"""A form with a small size, and an image that is looked up."""


async def form_then_rest(spawner, options):
    """Start by REST a server whose form is still being checked; return that check."""
    check = asyncio.ensure_future(spawner.run_options_from_form(SLOW_FORM))
    while not spawner.image_menu.asked:
        await asyncio.sleep(0)
    spawner._spawn_pending = True
    spawner.user_options = options
    spawner.clear_state()
    started = asyncio.ensure_future(spawner._run_apply_user_options(options))
    while not spawner._choice:
        await asyncio.sleep(0)
    spawner.image_menu.looked_up.set()
    await started
    return check


@pytest.mark.usefixtures("watched")
async def test_a_form_that_is_checked_while_its_server_starts_changes_nothing_of_the_start():
    first, second = spawners(("", "two"), ceilings={"default": {"cores": 5}})
    check = await form_then_rest(first, {"size": "large"})
    assert await check == {"profile": "lab", "image": "w_2026_45", "size": "small"}
    assert first._choice.size.name == "large"
    with pytest.raises(StartRefused, match="This server's 4 cores and the 4 cores of your running server"):
        await second._choose({"size": "large"})


@pytest.mark.usefixtures("watched")
async def test_nor_does_one_that_is_refused():
    first, second = spawners(("", "two"), ceilings={"default": {"cores": 5}})
    started = {"size": "large"}
    first._spawn_pending = True
    first.image_menu.looked_up.set()
    await first._choose(started)
    for wrong in ({"size": ["none"]}, {"image": ["none"]}):
        with pytest.raises(StartRefused):
            await first.run_options_from_form(wrong)
        with pytest.raises(StartRefused):
            await first.options_from_query(wrong)
    with pytest.raises(StartRefused, match="the 4 cores of your running server"):
        await second._choose(started)


@pytest.mark.usefixtures("watched")
async def test_what_counts_of_a_server_is_what_was_applied():
    first, second = spawners(("", "two"), ceilings={"default": {"cores": 65}})
    first.profile_list = parse_profiles(PROFILES)
    first._spawn_pending = True
    first.user_options = {"profile": "large"}
    await first.load_user_options()
    # What is configured for the next one is not what this one has.
    first.cpu_limit = 1
    with pytest.raises(StartRefused, match="the 64 cores of your running server"):
        await second._choose({"size": "medium"})


@pytest.mark.usefixtures("watched")
async def test_what_only_a_hook_gives_a_server_is_counted_before_its_pod_is_made():
    (spawner,) = spawners(ceilings={"default": {"gpus": 1}}, extra_resource_guarantees={"habana.ai/gaudi": "2"})
    spawner.image_menu = None
    with pytest.raises(StartRefused, match="This server asks for 2 GPUs; your limit is 1 GPU"):
        await spawner._choose({})


@pytest.mark.usefixtures("watched")
async def test_what_is_guaranteed_counts_where_there_is_no_limit():
    (spawner,) = spawners(ceilings={"default": {"cores": 1}}, cpu_guarantee=2)
    spawner.image_menu = None
    with pytest.raises(StartRefused, match="This server asks for 2 cores; your limit is 1 core"):
        await spawner._choose({})


@pytest.mark.parametrize(
    "resource", ["nvidia.com/mig-1g.5gb", "gpu.intel.com/i915", "habana.ai/gaudi", "example.org/accelerator"]
)
async def test_gpus_of_all_kinds_are_counted_by_the_pod_after_a_restart_of_the_hub(watched, resource):
    sizes = [
        {"name": "small", "cores": 1, "memory": "1G"},
        {"name": "gpu", "cores": 1, "memory": "1G", "gpus": 1, "gpu_resource": resource},
    ]
    first, second = spawners(("", "two"), ceilings={"default": {"gpus": 1}}, sizes=sizes)
    second._spawn_pending = True
    watched[second._pod_key] = pod_with(second.pod_name, {"cpu": "1", "memory": "1Gi", resource: "1"})
    first.image_menu.looked_up.set()
    with pytest.raises(StartRefused, match="This server's 1 GPU and the 1 GPU of your running server"):
        await first._choose({"size": "gpu"})


@pytest.mark.parametrize(
    "form_data",
    [
        {"image": ["w_2026_45"]},
        {"image": ["*custom"], "image_custom": ["registry.example/people/eve:1"]},
    ],
)
async def test_an_image_is_looked_up_once_for_a_form_and_the_start_after_it(form_data):
    (spawner,) = spawners()
    spawner.image_menu.looked_up.set()
    for starts in (1, 2):
        options = await spawner.run_options_from_form(form_data)
        spawner._spawn_pending = True
        spawner.clear_state()
        await spawner._run_apply_user_options(options)
        assert spawner.image_menu.asked == starts
        assert spawner._choice.entry is not None
        spawner._spawn_pending = False
    # A start with no form before it asks again, as does one of another image.
    await spawner._run_apply_user_options(options)
    await spawner.run_options_from_form({"image": ["w_2026_46"]})
    await spawner._run_apply_user_options(options)
    assert spawner.image_menu.asked == 5


async def test_what_a_form_looked_up_long_ago_is_asked_again(monkeypatch):
    (spawner,) = spawners()
    spawner.image_menu.looked_up.set()
    monkeypatch.setattr(spawner_options, "FOUND_FOR", 0)
    options = await spawner.run_options_from_form({"image": ["w_2026_45"]})
    await spawner._run_apply_user_options(options)
    assert spawner.image_menu.asked == 2


@pytest.mark.usefixtures("watched")
async def test_a_profile_of_the_operators_counts_by_what_it_sets():
    (spawner,) = spawners(ceilings={"default": {"cores": 5}})
    spawner.profile_list = parse_profiles(PROFILES)
    spawner.user_options = {"profile": "large"}
    with pytest.raises(StartRefused, match="This server asks for 64 cores; your limit is 5 cores"):
        await spawner.load_user_options()


@pytest.mark.parametrize("typed", ["{x}", "{0}", "{", "{username.x}", "{username[x]}"])
async def test_what_somebody_typed_is_no_error_of_the_hubs_own(typed):
    (spawner,) = spawners(environment={"SURVEY": typed})
    spawner.pod_start = Start(spawner, spawner.parsed_patience())
    with pytest.raises(StartRefused, match="This combination of image, size and settings cannot be started"):
        await spawner.get_pod_manifest()


@pytest.mark.parametrize("typed", ["much", "-", "{value}", "1\n"])
async def test_nor_is_a_value_that_a_trait_does_not_take(typed):
    unlisted = {"enabled": True, "kubespawner_override": {"cpu_limit": "{value}"}}
    profile = {"display_name": "Own", "profile_options": {"cores": {"unlisted_choice": unlisted}}}
    (spawner,) = spawners()
    spawner.profile_list = spawner._static_profiles = parse_profiles([profile])
    spawner.user_options = {"profile": "own", "cores--unlisted-choice": typed}
    with pytest.raises(StartRefused, match="This combination of image, size and settings cannot be started"):
        await spawner.load_user_options()


@pytest.mark.parametrize(
    ("home", "says"),
    [
        ({"home": "shared-pvc", "home_claim": "homes"}, "it could access other people's homes"),
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
        with pytest.raises(StartRefused, match=says):
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


def called(found):
    """Return a `profile_list` that is a function, and one that is a coroutine function."""

    async def later(spawner):
        return found(spawner)

    return [found, later]


@pytest.mark.parametrize("profile_list", called(lambda spawner: [dict(each) for each in PROFILES[1:]]))
async def test_a_callable_profile_list_stands_beside_the_menu(profile_list, monkeypatch):
    (spawner,) = spawners()
    monkeypatch.setattr(JHKubeSpawner, "running_menu", classmethod(lambda cls, config: spawner.image_menu))
    config = Config({"KubeSpawner": {"profile_list": profile_list, "namespace": "labs"}})
    made = JHKubeSpawner(config=config, user=spawner.user, hub=spawner.hub, orm_spawner=spawner.orm_spawner)
    spawner.user.spawners[""] = made
    form = await made.get_options_form()
    assert "Large" in form
    assert "w_2026_46" in form
    made.user_options = {"profile": "large"}
    await made.load_user_options()
    assert made.cpu_limit == 64


@pytest.mark.parametrize("profile_list", [*called(lambda spawner: None), *called(lambda spawner: [{"slug": "x"}])])
async def test_what_a_callable_profile_list_returns_in_vain_costs_only_its_profiles(profile_list, caplog):
    (spawner,) = spawners()
    spawner._static_profiles = profile_list
    assert [each["slug"] for each in await _computed_profiles(spawner)] == ["lab"]
    wrong = "KubeSpawner.profile_list returns are left out: profile_list[0].display_name: should be a text"
    assert (wrong in caplog.text) == bool(await maybe_future(profile_list(spawner)))


# Repositories, and their own images.

NOTES = "https://github.com/observatory/notes"
OWN = "registry.example/people/observatory/notes:1f3c9a2"
STARTS = {"repository_hosts": ["github.com"], "environment_names": ["SURVEY"]}
WITH_IMAGES = {**STARTS, "repository_image": "registry.example/people/{path}:{commit:7}"}


async def test_a_link_to_a_repository_shows_what_it_will_do_and_starts_nothing():
    (spawner,) = spawners(**STARTS)
    query = {"repository": [NOTES], "branch": ["main"], "commit": ["1f3c9a2b"], "submodules": ["true"]}
    with pytest.raises(StartRefused) as refused:
        await spawner.options_from_query(query)
    assert refused.value.jupyterhub_message.startswith(
        f"A link asks for the repository {NOTES} (branch 'main') at the commit 1f3c9a2b, which is copied into the "
        "folder 'notes' of your home. Start it only if you trust who made the link"
    )
    assert spawner._choice is None
    shown = await spawner._rendered_form()
    assert "A link asks for the repository" in shown
    assert f'value="{NOTES}"' in shown
    assert 'value="1f3c9a2b"' in shown
    assert is_checked(shown, 'name="submodules"')
    # The next form begins empty.
    spawner.user_options = {"repository": NOTES}
    assert f'value="{NOTES}"' not in await spawner._rendered_form()


async def test_a_link_to_another_host_is_refused():
    (spawner,) = spawners(**STARTS)
    with pytest.raises(StartRefused, match="from no other host"):
        await spawner.options_from_query({"repository": ["https://evil.example/a/b"]})


async def test_a_link_sets_no_variable():
    (spawner,) = spawners(**STARTS)
    with pytest.raises(StartRefused, match=r"A link asks for the variable SURVEY = 'deep'\. Press Start only if"):
        await spawner.options_from_query({"opt-environment-SURVEY": ["deep"]})
    assert spawner._refused[0] == {"environment": {"SURVEY": "deep"}}
    assert 'value="deep"' in await spawner._rendered_form()


async def test_the_repositorys_own_image_is_run_where_there_is_one():
    (spawner,) = spawners(**WITH_IMAGES)
    spawner.image_menu.looked_up.set()
    await spawner._choose({"repository": NOTES, "commit": "1f3c9a2b"})
    assert spawner._choice.image == OWN
    assert spawner._choice.entry.image == OWN
    assert (spawner._choice.warning, spawner._choice.own_image) == ("", "")
    assert spawner._choice.to_options()["image"] == OWN


async def test_the_form_says_so_by_an_image_of_its_own():
    (spawner,) = spawners(**WITH_IMAGES)
    spawner.image_menu.looked_up.set()
    sent = {"image": ["*repository"], "repository": [NOTES], "commit": ["1f3c9a2b"], "branch": [""]}
    options = await spawner._options_of_form(sent)
    assert options == {"repository": NOTES, "commit": "1f3c9a2b"}
    await spawner._choose(options)
    assert spawner._choice.image == OWN
    assert spawner.image_menu.asked == 1, "what the form has found is taken"


async def test_the_default_image_is_run_with_a_warning_where_there_is_none(monkeypatch):
    async def missing(menu, image, offer):
        raise NoSuchImage(f"There is no such tag: the registry has no {image}.")

    monkeypatch.setattr(Offered, "check_custom_image", missing)
    (spawner,) = spawners(**WITH_IMAGES)
    spawner.image_menu.looked_up.set()
    await spawner._choose({"repository": NOTES, "commit": "1f3c9a2b"})
    assert spawner._choice.image == "w_2026_46"
    assert spawner._choice.warning == (
        f"Your server runs w_2026_46 and not {OWN}, the image of your repository. "
        f"There is no such tag: the registry has no {OWN}."
    )
    assert spawner._facts().warning == spawner._choice.warning


async def test_no_own_image_is_run_that_would_make_homes_as_root():
    (spawner,) = spawners(**WITH_IMAGES, home="shared-pvc", home_claim="homes")
    spawner.image_menu.looked_up.set()
    await spawner._choose({"repository": NOTES, "commit": "1f3c9a2b"})
    assert spawner._choice.image == "w_2026_46"
    assert "Images that are not on the list cannot be started on this hub." in spawner._choice.warning


async def test_nobody_without_an_identity_gets_a_server_that_lacks_its_repository():
    (spawner,) = spawners(**STARTS)
    spawner.image_menu.looked_up.set()
    await spawner._choose({"repository": NOTES})
    spawner.pod_start = object()
    with pytest.raises(StartRefused, match="A repository is cloned as its person"):
        await spawner.get_pod_manifest()


async def test_the_check_tells_what_keeps_servers_from_starting_from_a_repository():
    config = Config({"JupyterHub": {"spawner_class": "jhkube"}, "ImageMenu": {"cache_file": ""}})
    config.JHKubeSpawner = Config(repository_hosts=["github.com"], start_timeout=60)

    def told():
        return [each.text for each in configuration_results(ConfiguredHub(config))]

    assert any("repository_hosts has no effect" in text for text in told()), told()
    assert any("a start ends after 60 s, before cloning" in text for text in told()), told()
    config.ImageMenu.repositories = [LAB]
    config.JHKubeSpawner.start_timeout = 300
    assert not [text for text in told() if "repository" in text]
    config.JHKubeSpawner.repository_hosts = []
    config.JHKubeSpawner.repository_image = "registry.example/{path}:1"
    assert any("repository_image needs repository_hosts" in text for text in told()), told()
