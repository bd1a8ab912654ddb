"""Accounts for registries: docker configurations, read as kubelet reads them, and the Secrets that hold them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client.exceptions import ApiException
from kubespawner.clients import shared_client

from jhkube.kube import own_namespace

__all__ = ["Credential", "RegistryCredentials", "pull_secret_content"]

SECRET_KEYS = (".dockerconfigjson", ".dockercfg")
"""The keys in Secrets of type kubernetes.io/dockerconfigjson and, older, kubernetes.io/dockercfg."""

_HUB_KEYS = ("index.docker.io", "registry-1.docker.io", "docker.io")
"""What `docker login` and people write for Docker Hub in a docker configuration."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One account at one registry."""

    username: str = field(default="", repr=False)
    """The account's name; empty where only a token is known."""

    password: str = field(default="", repr=False)
    """Its password, or an access token that stands for one."""

    identity_token: str = field(default="", repr=False)
    """A refresh token, that the registry's token server gives access tokens for."""

    registry_token: str = field(default="", repr=False)
    """A bearer token that is sent to the registry as it is."""

    @property
    def basic(self) -> str:
        """The value of an Authorization header of RFC 7617."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


@dataclass(frozen=True, slots=True)
class RegistryCredentials:
    """The accounts of a docker configuration, by registry and path; never printed."""

    accounts: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    """An account for each `host[:port][/path]`; a host may have `*` in it."""

    faults: tuple[str, ...] = field(default=(), compare=False)
    """A sentence for the operator about each entry that was left out; no part of what is secret."""

    @classmethod
    def from_docker_config(cls, source: Mapping[str, Any] | str | Path) -> RegistryCredentials:
        """Return the accounts of a docker configuration: the file that pulls the images, or its content.

        Parameters
        ----------
        source
            The content of a `.dockerconfigjson` (`{"auths": {…}}`) or of the older `.dockercfg` (the inner
            mapping alone), as a mapping, or the path of a file with it.

        An entry that cannot be read is left out, and is one of `faults`.

        Raises
        ------
        ValueError
            Where it is no such configuration. The message never has a part of the content.
        """
        if isinstance(source, Mapping):
            data: Any = source
        elif not isinstance(source, str | Path):
            raise ValueError(f"a docker configuration is a dict or the path of a file, not {type(source).__name__}")
        else:
            try:
                data = json.loads(Path(source).read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                # json's own error carries the document along, hence "from None"
                raise ValueError(f"the docker configuration {source} is not JSON") from None
        auths = data.get("auths", data) if isinstance(data, Mapping) else ()
        if not isinstance(auths, Mapping | None):
            raise ValueError('a docker configuration is a JSON object with an object "auths" in it')
        accounts: dict[str, Credential] = {}
        faults = []
        for place, entry in (auths or {}).items():
            if not isinstance(entry, Mapping):
                continue  # "credsStore" and the like, in a configuration without "auths"
            try:
                credential = _credential(entry)
            except ValueError as error:
                faults.append(f"the docker configuration's entry for {place} is left out: {error}")
            else:
                if credential is not None:
                    accounts[_normal_place(str(place))] = credential
        return cls(accounts, tuple(faults))

    def find(self, host: str, repository: str) -> Credential | None:
        """Return the account for a repository: the longest matching path, as kubelet chooses it.

        Parameters
        ----------
        host
            The registry as images name it: `quay.io`, `localhost:5000`, `docker.io`.
        repository
            The repository's path there: `team/lab`.
        """
        best: tuple[int, bool] | None = None
        found = None
        for place, credential in self.accounts.items():
            place_host, _, place_path = place.partition("/")
            if not _host_matches(place_host, host):
                continue
            if place_path and not f"{repository}/".startswith(f"{place_path}/"):
                continue
            rank = (len(place_path), "*" not in place_host)
            if best is None or rank > best:
                best, found = rank, credential
        return found


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    """Return an entry's account; None where it has none."""
    username, password = entry.get("username") or "", entry.get("password") or ""
    if entry.get("auth"):
        username, password = _user_and_password(entry["auth"])
    credential = Credential(
        username=str(username),
        password=str(password).rstrip("\0"),
        identity_token=str(entry.get("identitytoken") or ""),
        registry_token=str(entry.get("registrytoken") or ""),
    )
    if not re.fullmatch(r"[\x21-\x7e]*", credential.registry_token):
        raise ValueError('its "registrytoken" is not a token')
    return None if credential == Credential() else credential


def _user_and_password(auth: Any) -> tuple[str, str]:
    """Return what an "auth" holds, with or without padding and line breaks, as kubelet takes it."""
    try:
        text = re.sub(r"\s", "", auth).rstrip("=")
        username, colon, password = (
            base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode().partition(":")
        )
    except (ValueError, TypeError):
        colon = ""
    if not colon:
        # the error of the decoder has the content along, hence out here
        raise ValueError('its "auth" is not base64 of user:password')
    return username, password


def _normal_place(place: str) -> str:
    """`https://index.docker.io/v1/` -> `docker.io`; `https://quay.io/team/` -> `quay.io/team`."""
    bare = re.sub(r"^https?://", "", place).strip("/")
    host, _, path = bare.partition("/")
    path = re.sub(r"^v[12](/|$)", "", path)
    host = host.lower()
    if host in _HUB_KEYS:
        host = "docker.io"
    return f"{host}/{path}" if path else host


def _host_matches(pattern: str, host: str) -> bool:
    """Whether a host is meant, part by part: `*.example.org` is not `a.b.example.org`."""
    pattern_parts, host_parts = pattern.split("."), host.lower().split(".")
    return len(pattern_parts) == len(host_parts) and all(map(fnmatchcase, host_parts, pattern_parts))


async def pull_secret_content(name: str, namespace: str = "") -> dict[str, Any]:
    """Return the docker configuration in a Secret of the kind that `imagePullSecrets` name.

    The Kubernetes client must have been configured, which `kubespawner.clients.load_config` or any
    KubeSpawner does.

    Parameters
    ----------
    name
        The Secret's name.
    namespace
        Its namespace; the hub's own where it is left out.

    Raises
    ------
    ValueError
        Where it cannot be read or holds no docker configuration. The message never has a part of the content.
    """
    namespace = namespace or own_namespace()
    try:
        client = shared_client("CoreV1Api")  # type: ignore[no-untyped-call]
        secret = await client.read_namespaced_secret(name, namespace)
    except ApiException as error:
        raise ValueError(f"the Secret {namespace}/{name} cannot be read: {error.status} {error.reason}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ValueError(
            f"the Secret {namespace}/{name} cannot be read: the API server does not answer ({type(error).__name__})"
        ) from None
    for key in SECRET_KEYS:
        if key in (secret.data or {}):
            try:
                content = json.loads(base64.b64decode(secret.data[key]))
            except ValueError:
                content = None
            if isinstance(content, dict):
                return content
            raise ValueError(f"{key} of the Secret {namespace}/{name} is not a JSON object")
    raise ValueError(f"the Secret {namespace}/{name} has neither {' nor '.join(SECRET_KEYS)}")
