"""The settings that the sample configuration reads: from the environment, and from z2jh's `custom.jhkube`."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["SETTINGS", "Setting", "SettingError", "Settings"]

PREFIX: Final = "JHKUBE_"
"""What every environment variable of the configuration begins with."""

RESERVED: Final = "JHKUBE_DEV_"
"""Variables of the development cluster and the tests: not the hub's, so never refused by it."""


class SettingError(ValueError):
    """A setting that is not known, or has a value that cannot be."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word for word in value.replace(",", " ").split() if word]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return list(value)
    raise ValueError("a list of words, separated by commas or spaces")


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if isinstance(value, bool) or not 0 <= seconds < float("inf"):
        raise ValueError("a number of seconds, such as 60")
    return seconds


def _flag(value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    answer = known.get(str(value).lower())
    if answer is None:
        raise ValueError("true or false")
    return answer


def _provider(value: Any) -> str:
    if value not in ("github", "cilogon", "other"):
        raise ValueError("github, cilogon, or other for an authenticator that is configured elsewhere")
    return str(value)


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("JSON") from None


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that an operator may set."""

    name: str
    """Its name under `custom.jhkube` in the chart's values, with a dot between levels: `github.clientId`."""

    variable: str
    """The environment variable that sets it; the environment wins over the chart."""

    parse: Callable[[Any], Any]
    """Returns the value, or raises a ValueError that says what would have been right."""

    default: Any
    """The value where nothing sets it."""

    help: str
    """What it does, in one line."""


SETTINGS: Final = (
    Setting("hub.dataDir", "JHKUBE_DATA_DIR", _text, ".", "folder of the hub's database and menu cache"),
    Setting("hub.dbUrl", "JHKUBE_DB_URL", _text, "", "the session database; SQLite in the data folder if unset"),
    Setting("hub.bindUrl", "JHKUBE_BIND_URL", _text, "", "where people reach the hub: http://127.0.0.1:8000/"),
    Setting("hub.connectHost", "JHKUBE_HUB_CONNECT_HOST", _text, "", "the hub's address as the pods see it"),
    Setting("hub.port", "JHKUBE_HUB_PORT", _text, "8081", "the port on which pods and proxy reach the hub"),
    Setting("hub.proxyApiUrl", "JHKUBE_PROXY_API_URL", _text, "", "the proxy's own API, if not on port 8001"),
    Setting("hub.concurrentSpawns", "JHKUBE_CONCURRENT_SPAWNS", _text, "100", "starts at once, then 429"),
    Setting("auth.provider", "JHKUBE_AUTH", _provider, "github", "who logs people in: github, cilogon or other"),
    Setting("auth.callbackUrl", "OAUTH_CALLBACK_URL", _text, "", "the callback registered with the provider"),
    Setting("auth.admins", "JHKUBE_ADMINS", _words, [], "hub user names of the hub's administrators"),
    Setting("auth.refreshAge", "JHKUBE_AUTH_REFRESH_AGE", _seconds, 300.0, "how old a membership may get"),
    Setting(
        "github.url",
        "JHKUBE_GITHUB_URL",
        _text,
        "https://github.com",
        "GitHub, or a GitHub Enterprise Server",
    ),
    Setting("github.clientId", "GITHUB_CLIENT_ID", _text, "", "the OAuth app's client id"),
    Setting("github.clientSecret", "GITHUB_CLIENT_SECRET", _text, "", "the OAuth app's client secret"),
    Setting("github.allowed", "JHKUBE_ALLOWED_ORGANIZATIONS", _words, [], "organizations whose members come in"),
    Setting("github.denied", "JHKUBE_DENIED_ORGANIZATIONS", _words, [], "organizations whose members do not"),
    Setting("github.gitAccess", "JHKUBE_GIT_ACCESS", _text, "all", "what git may reach: none, public or all"),
    Setting("cilogon.host", "JHKUBE_CILOGON_HOST", _text, "cilogon.org", "CILogon, or a stand-in"),
    Setting("cilogon.clientId", "CILOGON_CLIENT_ID", _text, "", "the OIDC client's id"),
    Setting("cilogon.clientSecret", "CILOGON_CLIENT_SECRET", _text, "", "the OIDC client's secret"),
    Setting(
        "cilogon.idps",
        "JHKUBE_CILOGON_IDPS",
        _json,
        {},
        "identity providers, as CILogonOAuthenticator.idps takes them",
    ),
    Setting("cilogon.allowed", "JHKUBE_ALLOWED_GROUPS", _words, [], "groups whose members come in"),
    Setting(
        "spawner.namespace",
        "JHKUBE_NAMESPACE",
        _text,
        "",
        "the namespace of the pods; the hub's own if unset",
    ),
    Setting("spawner.connectHost", "JHKUBE_POD_CONNECT_HOST", _text, "", "the pods' address, if not their own IP"),
    Setting("spawner.startTimeout", "JHKUBE_START_TIMEOUT", _seconds, 300.0, "the longest that a start may take"),
    Setting("spawner.storage", "JHKUBE_HOME_SIZE", _text, "10Gi", "the size of a person's home"),
    Setting(
        "spawner.homeMadeBy", "JHKUBE_HOME_MADE_BY", _text, "", "who makes a home's folder: user, root or nobody"
    ),
    Setting(
        "git.hosts",
        "JHKUBE_GIT_HOSTS",
        _words,
        [],
        "URLs of git hosts that take the token; GitHub's if unset",
    ),
    Setting("menu.repositories", "JHKUBE_REPOSITORIES", _words, [], "image repositories: registry.example/lab"),
    Setting("menu.insecure", "JHKUBE_INSECURE_REGISTRIES", _words, [], "registries that speak plain HTTP"),
    Setting("menu.interval", "JHKUBE_MENU_INTERVAL", _seconds, 60.0, "seconds between two looks at the registry"),
    Setting("menu.sizes", "JHKUBE_SIZES", _json, [], "sizes, as JHKubeSpawner.sizes takes them; three if unset"),
)
"""Every setting, in the order of the files that read them."""


class Settings(Mapping[str, Any]):
    """The settings' values by name: `settings["github.clientId"]`.

    Parameters
    ----------
    environ
        The environment.
    chart
        The chart's `custom.jhkube`, nested.

    Raises
    ------
    SettingError
        For a name that is not known, or a value that is malformed; it says the full name and the nearest
        right one.
    """

    def __init__(self, environ: Mapping[str, str], chart: Mapping[str, Any] | None = None) -> None:
        from_chart = dict(_leaves(chart or {}, {setting.name for setting in SETTINGS}))
        _refuse_unknown(from_chart, [setting.name for setting in SETTINGS], "custom.jhkube.")
        ours = [name for name in environ if name.startswith(PREFIX) and not name.startswith(RESERVED)]
        _refuse_unknown(ours, [setting.variable for setting in SETTINGS], "")
        self._values = {}
        for setting in SETTINGS:
            where, value = setting.name, setting.default
            if setting.name in from_chart:
                where, value = f"custom.jhkube.{setting.name}", from_chart[setting.name]
            if environ.get(setting.variable):
                where, value = setting.variable, environ[setting.variable]
            try:
                self._values[setting.name] = setting.parse(value)
            except ValueError as error:
                # The value itself is left out: it may be a secret.
                raise SettingError(f"{where}: should be {error}") from None

    @classmethod
    def load(cls) -> Settings:
        """Return this process's settings: its environment, over the chart's values where it runs in z2jh."""
        try:
            from z2jh import get_config  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return cls(os.environ)
        return cls(os.environ, get_config("custom.jhkube", {}))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _leaves(tree: Mapping[str, Any], names: set[str], path: str = "") -> list[tuple[str, Any]]:
    """Return the tree's values by dotted name; a mapping under a setting's own name is its value."""
    leaves = []
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping) and name not in names:
            leaves += _leaves(value, names, f"{name}.")
        else:
            leaves.append((name, value))
    return leaves


def _refuse_unknown(names: Any, known: list[str], prefix: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise SettingError(f"{prefix}{name} is no setting of jhkube{hint}")
