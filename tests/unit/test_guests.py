"""Guests: how many come, what their servers have, and which settings do not go together."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from jupyterhub.utils import utcnow
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from traitlets.config import Config

from jhkube.auth import GitHubOrgAuthenticator, OIDCOrgAuthenticator
from jhkube.checks.configuration import configuration_results
from jhkube.checks.configured import ConfiguredHub
from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.images.menu import ImageMenu
from jhkube.login.errors import TooManyGuests
from jhkube.login.guests import GuestLimits, Guests
from jhkube.login.servers import RunningServers
from jhkube.options_form.chosen import chosen
from jhkube.options_form.option_values import OptionError
from tests.unit.test_spawner_choice import User, spawners

GUEST = "guest-" + "a2" * 10
LOG = logging.getLogger("test")
SIZES = [
    {"name": "large", "cores": 4, "memory": "8G", "default": True},
    {"name": "small", "cores": 1, "memory": "2G"},
    {"name": "ours", "cores": 2, "memory": "4G", "groups": ["guests"]},
]


class Group:
    name = "guests"


@pytest.fixture
def guest(kubeconfig, monkeypatch):
    """Makes a guest's spawner, and a person's where it is told so."""

    def made(*, person=False, **settings):
        if not person:
            monkeypatch.setattr(User, "name", GUEST)
            monkeypatch.setattr(User, "groups", (Group(),))
        (spawner,) = spawners(**settings)
        return spawner

    return made


def test_guests_are_counted_by_address_and_in_all():
    guests = Guests(GuestLimits("guests", 900, 0, 10, 2, 3, range(10_000, 20_000)), RunningServers(LOG), LOG)
    guests.admit("192.0.2.1", 0)
    guests.admit("::ffff:192.0.2.1", 10)
    with pytest.raises(TooManyGuests, match="from your address") as refused:
        guests.admit("192.0.2.1", 20)
    assert refused.value.headers == {"Retry-After": "3581"}
    guests.admit("2001:db8::1", 20)
    with pytest.raises(TooManyGuests, match="to this hub within an hour"):
        guests.admit("192.0.2.2", 20)
    # An hour after the first, one of each may come.
    guests.admit("192.0.2.1", 3600)
    with pytest.raises(TooManyGuests, match="to this hub"):
        guests.admit("192.0.2.2", 3601)


async def test_a_guest_gets_what_names_their_group_and_a_person_what_is_for_everybody(guest):
    presets = [
        {"name": "data", "environment": {"DATA": "all"}},
        {"name": "sample", "environment": {"DATA": "some"}, "groups": ["guests"]},
    ]
    names = ["SURVEY", {"name": "SAMPLE", "groups": ["guests"]}]
    mounts = [{"path": "/data", "claim": "data"}, {"path": "/sample", "claim": "sample", "groups": ["guests"]}]
    settings = {"sizes": SIZES, "presets": presets, "environment_names": names, "extra_mounts": mounts}
    found = []
    for is_person in (True, False):
        spawner = guest(person=is_person, **settings)
        can = await spawner.available()
        lists = (can.sizes, can.presets, can.variables, can.profiles)
        found.append([sorted(getattr(each, "name", None) or each["slug"] for each in entries) for entries in lists])
        found[-1].append([mount.path for mount in spawner.pod_settings().mounts])
    person, visitor = found
    assert person == [["large", "small"], ["data"], ["SURVEY"], ["large", "own"], ["/data", "/sample"]]
    assert visitor == [["ours"], ["sample"], ["SAMPLE"], [], ["/sample"]]


async def test_a_guest_for_whom_no_size_is_named_gets_the_smallest_or_none(guest):
    spawner = guest(sizes=SIZES[:2])
    assert [size.name for size in spawner.own_sizes()] == ["small"]
    spawner = guest(sizes=[{**SIZES[0], "groups": ["staff"]}])
    assert spawner.own_sizes() == ()
    with pytest.raises(OptionError, match="no size for guests"):
        spawner._check_room(chosen({}, await spawner.available()))


async def test_offers_for_everybody_are_for_guests_only_where_none_names_them(guest):
    spawner = guest()
    assert len((await spawner.available()).images.entries) == 1
    weeklies = [{"kinds": {"weekly": 2}}, {"kinds": {"weekly": 1}, "groups": ["guests"]}]
    for rules, count in ((weeklies, 1), (weeklies[:1], 2)):
        spawner.image_menu._rules = ImageMenu(offers=rules, cache_file="").rules
        assert len((await spawner.available()).images.entries) == count


@pytest.mark.parametrize(
    "home",
    [
        {},
        {"home": "nfs", "home_nfs": {"server": "files.example.org", "path": "/export"}},
        {"home": "shared-pvc", "home_claim": "homes"},
    ],
    ids=["claims", "nfs", "shared"],
)
async def test_a_guests_home_goes_with_the_pod(guest, home):
    spawner = guest(guest_home_size="200Mi", **home)
    identity = UserIdentity(GUEST, 2_100_000_001, 2_100_000_001, "guest:00ff")
    spawner._identity = identity
    pod = await spawner.get_pod_manifest()
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    assert volumes["jhkube-home"].empty_dir.size_limit == "200Mi"
    assert [each for each in volumes.values() if each.persistent_volume_claim or each.nfs] == []
    assert pod.spec.containers[0].working_dir == f"/home/{GUEST}"
    assert not pod.spec.init_containers
    assert pod.spec.security_context["fsGroup"] == identity.gid


@pytest.mark.parametrize(
    ("settings", "trait"),
    [
        ({"guest_ids": (5, 1)}, "guest_ids"),
        ({"guest_ids": (5, 900)}, "guest_ids"),
        ({"guest_ids": (2_000_000_000, 2_000_000_050)}, "guest_ids"),
        ({"guest_ids": (1_000_000_000, 1_000_100_000)}, "guest_ids"),
        ({"guest_group": ""}, "guest_group"),
        ({"admin_groups": {"guests"}}, "guest_group"),
        ({"enable_auth_state": False}, "guest_login"),
        ({"manage_groups": False}, "guest_login"),
        ({"username_pattern": "[a-f]+"}, "username_pattern"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [GitHubOrgAuthenticator, OIDCOrgAuthenticator])
def test_settings_that_would_let_guests_be_others_are_errors(kind, settings, trait):
    with_guests = kind(guest_login=True, **settings)
    assert trait in [each.trait for each in with_guests.findings() if each.is_error]
    without = kind(**settings)
    assert not [each for each in without.findings() if each.trait.startswith("guest")]


@pytest.mark.parametrize("kind", [GitHubOrgAuthenticator, OIDCOrgAuthenticator])
def test_the_defaults_go_together(kind):
    assert not [each for each in kind(guest_login=True).findings() if each.trait.startswith("guest")]


async def test_the_check_tells_what_guests_lack_and_what_nobody_has_named_for_them(kubeconfig):
    config = Config({"JupyterHub": {"spawner_class": "jhkube", "authenticator_class": "jhkube-github"}})
    config.ImageMenu = Config(repositories=["registry.example/lab"], cache_file="")
    config.JHKubeSpawner = Config(sizes=[{**SIZES[0], "groups": ["staff"]}], enable_user_namespaces=True)

    def told():
        return [each.text for each in configuration_results(ConfiguredHub(config)) if "guests" in each.text]

    assert told() == []
    config.GitHubOrgAuthenticator.guest_login = True
    assert [text.split(":")[0] for text in told()] == [
        "guests cannot start a server where each person has a namespace",
        "guests have no ceiling of their own",
        "guests cannot start a server",
        "guests may choose the images that are for everybody",
    ]
    config.JHKubeSpawner = Config(sizes=SIZES, ceilings={"groups": {"guests": {"servers": 1}}})
    config.ImageMenu.offers = [{"kinds": {"weekly": 1}, "groups": ["guests"]}]
    assert told() == []


async def test_an_error_of_the_database_keeps_no_other_guest_and_ends_nothing(caplog):
    engine = create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    db = Session(engine)
    names = ["guest-" + letter * 20 for letter in "abc"]
    for name in names:
        db.add(orm.User(name=name))
    db.commit()
    users = {each: SimpleNamespace(name=each.name) for each in db.query(orm.User)}
    tried = []

    class Removals(Guests):
        async def _removed(self, app, user):
            tried.append(user.name)
            if user.name == names[1]:
                # A name that is there: the session is of no use until it is rolled back.
                app.db.add(orm.User(name=names[0]))
                app.db.commit()
            return True

    guests = Removals(None, RunningServers(LOG), LOG)
    assert await guests._remove_all(SimpleNamespace(db=db, users=users)) == 1
    assert tried == names
    assert IntegrityError.__name__ in caplog.text
    assert db.query(orm.User).count() == 3


def long_ago(**more):
    """Return the hub's record of somebody who came two days ago."""
    return SimpleNamespace(created=utcnow(with_tz=False) - timedelta(days=2), last_activity=None, **more)


async def test_a_guest_whose_state_no_key_opens_goes_too_and_nobody_else():
    guests = Guests(GuestLimits("guests", 900, 86_400, 10, 2, 3, range(1000, 2000)), RunningServers(LOG), LOG)

    async def is_over(name, *, kept, read):
        async def auth_state():
            return read

        user = SimpleNamespace(name=name, orm_user=long_ago(encrypted_auth_state=kept), get_auth_state=auth_state)
        return await guests.is_over(user)

    assert await is_over(GUEST, kept=b"by a lost key", read=None)
    # One whom an administrator has made, and people.
    assert not await is_over(GUEST, kept=None, read=None)
    assert not await is_over(GUEST, kept=b"x", read={AUTH_STATE_KEY: {"subject": "github:1"}})
    assert not await is_over("ada", kept=b"by a lost key", read=None)


async def test_a_server_that_is_pending_does_not_protect_the_others():
    old = long_ago()
    ended = []

    class Servers(RunningServers):
        async def end(self, hub, user, spawner, why):
            ended.append(spawner)
            spawner.active = False

    async def auth_state():
        return {AUTH_STATE_KEY: {"subject": "guest:1"}}

    def server(pending):
        return SimpleNamespace(pending=pending, active=True)

    servers = {"": server("spawn"), "work": server(None)}
    user = SimpleNamespace(name=GUEST, orm_user=old, spawners=servers, get_auth_state=auth_state)
    guests = Guests(GuestLimits("guests", 900, 86_400, 10, 2, 3, range(1000, 2000)), Servers(LOG), LOG)
    assert not await guests._removed(None, user)
    assert ended == [servers["work"]]
    assert await guests.is_over(user)
