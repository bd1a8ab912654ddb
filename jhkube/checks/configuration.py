# mypy: allow-untyped-calls
"""Whether the configuration's settings exist and have values that can be, and whether auth_state can be kept."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jupyterhub.crypto import EncryptionUnavailable
from traitlets import TraitError
from traitlets.config import Config, Configurable

from jhkube.checks.configured import ConfiguredHub, NoClusterConfigured
from jhkube.checks.report import sentence
from jhkube.checks.result import Result, Subject
from jhkube.login.authenticator import KEY_HELP
from jhkube.prepull.prepuller import Prepuller

__all__ = [
    "CONFIGURATION",
    "ENCRYPTION",
    "MALFORMED_KEY",
    "configuration_results",
    "encryption_results",
    "not_jhkube",
]

CONFIGURATION = Subject("configuration")
ENCRYPTION = Subject("encryption")

CORRECT = "Correct it in the configuration; the reference of the settings says what each takes."

DOORS = ("allowed_organizations", "allowed_teams", "allowed_groups", "allowed_users")
"""What lets people in, as far as an authenticator has it."""

MALFORMED_KEY = "a key in JUPYTERHUB_CRYPT_KEY, or in c.CryptKeeper.keys, is not 32 bytes in hexadecimal or base64"


def configuration_results(hub: ConfiguredHub) -> Iterator[Result]:
    """Yield what is wrong with the settings; made within an event loop."""
    wrong = list(_values(hub))
    used: list[Any] = [_class(make) for make in (lambda: hub.app, lambda: hub.authenticator, lambda: hub.spawner)]
    if used[0] is not None:
        # Else its plugins are not loaded, and what is set of theirs would seem to be nobody's.
        wrong += unknown_settings(hub.config, [each for each in used if each is not None])
    yield from wrong
    if not wrong:
        count = sum(len(section) for section in hub.config.values() if isinstance(section, Config))
        yield CONFIGURATION.passed(f"{count} settings are read, and each exists")


def _class(make: Callable[[], Any]) -> Any:
    try:
        return type(make())
    except Exception:
        # Told by `_values` already.
        return None


def _values(hub: ConfiguredHub) -> Iterator[Result]:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: hub.app,
        lambda: hub.hub,
        lambda: hub.authenticator,
        lambda: hub.menu,
    )
    for make in makers:
        try:
            make()
        except (TraitError, ValueError) as error:
            yield CONFIGURATION.failed(sentence(error), CORRECT)
            if make is makers[0]:
                return
    yield from _spawner(hub)
    try:
        yield from _doors(hub.authenticator)
        findings = list(hub.authenticator.findings()) if hasattr(hub.authenticator, "findings") else []
    except (TraitError, ValueError):
        return
    for each in findings:
        text = f"{type(hub.authenticator).__name__}.{each.trait}: {each.text}"
        yield CONFIGURATION.failed(text, CORRECT) if each.is_error else CONFIGURATION.warning(text)


def _doors(authenticator: Any) -> Iterator[Result]:
    """Yield whether the settings let nobody in, with which a hub starts all the same."""
    of_a_provider = [
        each for each in getattr(authenticator, "idps", {}).values() if {"allow_all", "allowed_domains"} & each.keys()
    ]
    if authenticator.any_allow_config or of_a_provider:
        return
    name = type(authenticator).__name__
    lists = ", ".join(f"c.{name}.{trait}" for trait in DOORS if authenticator.has_trait(trait))
    yield CONFIGURATION.warning(
        "nobody but the hub's administrators can come in: no setting allows anybody",
        f"Set one of {lists}, or c.{name}.allow_all = True.",
    )


def _spawner(hub: ConfiguredHub) -> Iterator[Result]:
    if not hub.is_jhkube:
        yield not_jhkube(hub)
        return
    try:
        hub.spawner.check_together()
        home = hub.spawner.pod_settings().home
        if home.is_open_to_images and hub.menu is not None and any(rule.custom_images for rule in hub.menu.rules):
            yield CONFIGURATION.failed(
                "images that people type are refused: the chosen image creates homes as root, where all homes are",
                "Set c.JHKubeSpawner.home_make_image to an image with sh, mkdir, chmod, chown and ls that you trust.",
            )
        yield from _repositories(hub)
        yield from _guests(hub)
        if hub.spawner.adopt_claims:
            yield CONFIGURATION.warning(
                "adopt_claims: a claim without its owner's id becomes the home of the person with its name",
                "Set c.JHKubeSpawner.adopt_claims to False when people have come back to their homes.",
            )
    except (TraitError, ValueError) as error:
        yield CONFIGURATION.failed(sentence(error), CORRECT)
    except NoClusterConfigured:
        # The check of the cluster tells it.
        return


def _guests(hub: ConfiguredHub) -> Iterator[Result]:
    """Yield what keeps guests from a server, and what they get that nobody has named for them."""
    try:
        authenticator, spawner = hub.authenticator, hub.spawner
    except (TraitError, ValueError):
        # Told by `_values` already.
        return
    if not getattr(authenticator, "guest_login", False):
        return
    group = authenticator.guest_group
    if spawner.enable_user_namespaces:
        yield CONFIGURATION.failed(
            "guests cannot start a server where each person has a namespace: the hub may not delete namespaces",
            f"Set c.KubeSpawner.enable_user_namespaces = False, or c.{type(authenticator).__name__}.guest_login = "
            "False.",
        )
    if group not in spawner.parsed_ceilings().groups:
        yield CONFIGURATION.warning(
            f"guests have no ceiling of their own: no entry of ceilings is for the group {group}",
            f'Set one: c.JHKubeSpawner.ceilings = {{"groups": {{"{group}": {{"servers": 1, "cores": 1}}}}}}.',
        )
    sizes = spawner.parsed_sizes()
    if sizes and not any(not size.groups or group in size.groups for size in sizes):
        yield CONFIGURATION.failed(
            f"guests cannot start a server: all sizes are for other groups than {group}",
            f"Name the group {group} in the groups of a size.",
        )
    if hub.menu is not None and hub.menu.repositories and not any(group in rule.groups for rule in hub.menu.rules):
        yield CONFIGURATION.warning(
            f"guests may choose the images that are for everybody: no offer is for the group {group}",
            f"Name the group {group} in the groups of an offer (c.ImageMenu.offers).",
        )


def _repositories(hub: ConfiguredHub) -> Iterator[Result]:
    """Yield what keeps servers from starting from a repository."""
    spawner = hub.spawner
    if not spawner.repository_hosts:
        return
    if not hub.menu.repositories:
        yield CONFIGURATION.failed(
            "repository_hosts has no effect: without a menu of images the options are KubeSpawner's",
            "Set c.ImageMenu.repositories.",
        )
    if spawner.repository_timeout >= spawner.start_timeout:
        yield CONFIGURATION.warning(
            f"a start ends after {spawner.start_timeout} s, before cloning a repository has had its "
            f"{spawner.repository_timeout} s",
            "Set c.JHKubeSpawner.start_timeout to more than c.JHKubeSpawner.repository_timeout.",
        )


def not_jhkube(hub: ConfiguredHub) -> Result:
    """Return that servers are started by another spawner, and what to do about it."""
    return CONFIGURATION.failed(
        f"servers are started by {hub.spawner_class.__name__}, which is not jhkube's",
        'Set c.JupyterHub.spawner_class = "jhkube"; a subclass of JHKubeSpawner will do too.',
    )


def unknown_settings(config: Config, used: Iterable[type[Configurable]]) -> Iterator[Result]:
    """Yield the settings that no class has, each with the nearest that there is.

    Parameters
    ----------
    config
        The configuration.
    used
        The classes that the hub makes: a setting of a base class may be one of theirs.
    """
    # The prepuller is no part of the hub, and its settings are in the same files.
    known = {cls.__name__: cls for cls in _subclasses(Configurable)} | {"Prepuller": Prepuller}
    for section, settings in config.items():
        if not isinstance(settings, Config) or not settings:
            continue
        cls = known.get(section)
        if cls is None:
            near = difflib.get_close_matches(section, known, 1, 0.7)
            text = f"c.{section} is no class of this hub, so {', '.join(sorted(settings))} is set to no effect"
            if near:
                yield CONFIGURATION.failed(text, f"Did you mean c.{near[0]}?")
            else:
                yield CONFIGURATION.warning(text, "Nothing is wrong where a service of its own reads it.")
            continue
        names = {
            name for each in (cls, *used) if issubclass(each, cls) for name in each.class_trait_names(config=True)
        }
        for name in settings:
            if name not in names:
                near = difflib.get_close_matches(name, sorted(names), 1, 0.6)
                hint = f"Did you mean c.{section}.{near[0]}?" if near else f"Take it out: {section} has none like it."
                yield CONFIGURATION.failed(f"c.{section}.{name} is no setting, and set to no effect", hint)


def _subclasses(cls: type[Configurable]) -> Iterator[type[Configurable]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def encryption_results(hub: ConfiguredHub) -> Iterator[Result]:
    """Yield whether the hub can keep who people are, and their tokens."""
    try:
        enabled = hub.authenticator.enable_auth_state
    except (TraitError, ValueError):
        yield ENCRYPTION.skipped("the authenticator's settings are wrong")
        return
    if not enabled:
        yield ENCRYPTION.failed(
            "auth_state is off: nobody's identity or token reaches their pod",
            f"Set c.{type(hub.authenticator).__name__}.enable_auth_state = True; "
            "jhkube's authenticators have it on by themselves.",
        )
        return
    help_text = KEY_HELP[0].upper() + KEY_HELP[1:]
    try:
        hub.keys.check_available()
        count = len(hub.keys.keys)
    except (TraitError, ValueError, TypeError):
        # jupyterhub says of a text that is no key that it is none of bytes.
        yield ENCRYPTION.failed(MALFORMED_KEY, help_text)
    except EncryptionUnavailable:
        yield ENCRYPTION.failed(
            "auth_state is on, and there is no key to encrypt it with",
            f"Set JUPYTERHUB_CRYPT_KEY in the hub's environment. {help_text}",
        )
    else:
        keys = "a key" if count == 1 else f"{count} keys, of which the first encrypts"
        yield ENCRYPTION.passed(f"auth_state is on, with {keys}")
