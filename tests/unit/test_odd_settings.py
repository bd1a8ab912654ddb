"""Whatever is written for a setting is taken, or refused at once with a sentence that names the setting."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traitlets import HasTraits, TraitError

from jhkube.auth import CILogonGroupAuthenticator, GitHubOrgAuthenticator, OIDCOrgAuthenticator
from jhkube.deployment.settings import SETTINGS, Setting, SettingError, Settings
from jhkube.images.menu_config import ImageMenuConfig
from jhkube.images.offer_rules import parse_offers
from jhkube.images.scheme_config import parse_aliases, schemes_from_config
from jhkube.login.traits import LoginTraits
from jhkube.operator_models import ConfigError
from jhkube.options_form.presets import parse_presets
from jhkube.options_form.profiles import parse_profiles
from jhkube.options_form.sizes import parse_sizes
from jhkube.pod.git import parse_git_hosts
from jhkube.pod.limits import parse_ceilings
from jhkube.pod.mounts import parse_mounts
from jhkube.prepull.config import PrepullerConfig
from jhkube.spawner_config import SpawnerConfig
from jhkube.watch.patience import parse_patience

MUCH = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([2**70, -(2**70), "9" * 400, "1e999", "(", "[z-a]", "(?P<year>x)", "{", "{0}", "\ud800", "*"]),
    st.sampled_from([b"x", object(), {1, 2}, ("a", ()), range(3), print]),
)
NAMES = st.sampled_from(
    [
        *(
            "name",
            "cores",
            "memory",
            "groups",
            "path",
            "claim",
            "nfs",
            "host_path",
            "environment",
            "volumes",
            "kinds",
        ),
        *("weekly", "count", "default", "users", "pattern", "kind", "display", "slug", "host", "server", "pull"),
        *("include", "minimum_version", "custom_images"),
    ]
)
"""Fields that one or another setting has."""

ODD = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(NAMES, st.text(max_size=4), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)
"""What nobody means to write."""

KINDS = (
    SpawnerConfig,
    ImageMenuConfig,
    PrepullerConfig,
    GitHubOrgAuthenticator,
    CILogonGroupAuthenticator,
    OIDCOrgAuthenticator,
)
"""The classes that operators configure."""


def own_traits(kind: type[HasTraits]) -> list[str]:
    """Return the names of a class's settings that are jhkube's own."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("jhkube.")]
    return sorted(name for name in kind.class_traits(config=True) if any(name in vars(each) for each in ours))


def refusal(call: Callable[[], object], *expected: type[Exception]) -> str | None:
    """Return what is said where something is refused, None where it is taken; any other error is raised."""
    try:
        call()
    except expected as error:
        return str(error)
    return None


def use(configured: HasTraits) -> None:
    """Read the settings as the hub's start and every form do."""
    if isinstance(configured, SpawnerConfig):
        configured.parsed_ceilings()
        configured.parsed_patience()
        configured.parsed_presets()
        configured.check_together()
    elif isinstance(configured, LoginTraits):
        list(configured.findings())
    elif isinstance(configured, ImageMenuConfig):
        parse_offers(configured.offers)
        schemes_from_config(configured.schemes, configured.aliases, configured.custom_schemes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@MUCH
@given(data=st.data(), value=ODD)
def test_a_trait_is_refused_by_its_name_or_can_be_used(
    kind: type[HasTraits], data: st.DataObject, value: Any
) -> None:
    name = data.draw(st.sampled_from(own_traits(kind)))
    configured = kind()
    said = refusal(lambda: setattr(configured, name, value), TraitError)
    if said is not None:
        assert name in said
    else:
        said = refusal(lambda: use(configured), ConfigError)
        assert said is None or re.match(r"c\.JHKubeSpawner\.\w+", said)


@MUCH
@given(
    setting=st.sampled_from(SETTINGS),
    text=st.one_of(st.text(max_size=20), ODD.map(lambda value: json.dumps(value, default=repr, skipkeys=True))),
)
def test_a_variable_is_refused_by_its_name_or_read(setting: Setting, text: str) -> None:
    said = refusal(lambda: Settings({setting.variable: text}), SettingError)
    assert said is None or said.startswith(f"{setting.variable}: should be ")


@MUCH
@given(setting=st.sampled_from(SETTINGS), value=ODD)
def test_a_value_of_the_chart_is_refused_by_its_name_or_read(setting: Setting, value: Any) -> None:
    level, _, key = setting.name.partition(".")
    for chart in ({level: {key: value}}, {level: value}):
        said = refusal(lambda chart=chart: Settings({}, chart), SettingError)
        assert said is None or said.startswith(f"custom.jhkube.{level}")


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


DEEP = nested(100_000)
"""More deeply nested than Python can write, copy or compare it."""


@pytest.mark.parametrize(
    ("parse", "names"),
    [
        (parse_aliases, "aliases"),
        (parse_ceilings, "ceilings"),
        (parse_git_hosts, "git_hosts"),
        (parse_mounts, "extra_mounts"),
        (parse_offers, "offers"),
        (parse_patience, "start_patience"),
        (parse_presets, "presets"),
        (parse_profiles, "profile_list"),
        (parse_sizes, "sizes"),
        (lambda value: schemes_from_config(value), "schemes"),
        (lambda value: schemes_from_config((), (), value), "custom_schemes"),
        (lambda value: parse_offers([{"kinds": {"weekly": {"minimum_version": value}}}]), "offers"),
        (lambda value: parse_offers([{"groups": value}]), "offers"),
        (lambda value: schemes_from_config((), (), [{"name": "x", "kind": value, "pattern": "x"}]), "custom_schemes"),
        (lambda value: parse_sizes([{"name": "x", "cores": value, "memory": "1G"}]), "sizes"),
        (lambda value: parse_sizes([{"name": "x", "cores": 10**400, "memory": "1G"}]), "sizes"),
        (lambda value: parse_sizes([{"name": "x", "cores": 1, "memory": 10**5000}]), "sizes"),
        (lambda value: parse_patience({"pull": 10**5000}), "start_patience"),
    ],
)
def test_what_python_cannot_write_is_refused_with_a_sentence(parse: Any, names: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(DEEP)
    assert str(refused.value).startswith(names)
    assert len(str(refused.value)) < 300


FLOATS = [
    (ImageMenuConfig, "refresh_interval"),
    (PrepullerConfig, "patience"),
    (SpawnerConfig, "guarantee_ratio"),
    (GitHubOrgAuthenticator, "refresh_timeout"),
]


@pytest.mark.parametrize(("section", "name"), FLOATS)
def test_a_number_that_no_float_can_hold_is_refused_by_the_settings_name(section: Any, name: str) -> None:
    trait = section.class_traits()[name]
    for value in (10**400, math.inf, math.nan):
        with pytest.raises(TraitError, match=rf"^c\.\w+\.{name}: should be a number, such as "):
            trait.validate(section.__new__(section), value)
    assert trait.validate(section.__new__(section), 1) == 1.0


@pytest.mark.parametrize("variable", ["JHKUBE_OFFERS", "JHKUBE_CILOGON_IDPS", "JHKUBE_HUB_PORT"])
@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"a":' * 100_000])
def test_json_that_python_cannot_read_is_refused_by_the_settings_name(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=rf"^{variable}: should be "):
        Settings({variable: text})
