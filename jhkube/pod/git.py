"""Git as the user: a system-scope configuration and a credential helper for each host.

The configuration has git's lowest precedence, so the user's own ``~/.gitconfig`` wins. The token is in no
configuration and no variable: a helper reads its file at the time git asks.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from kubernetes_asyncio.client.models import V1VolumeMount
from pydantic import AfterValidator, Strict

from jhkube.identity import UserIdentity
from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import HostAndPort, Wanted
from jhkube.pod.parts import PodParts
from jhkube.pod.secret import SECRET_PATH, SECRET_VOLUME, SecretFiles

__all__ = ["GitHost", "GitSettings", "git_files", "git_parts", "gitconfig", "parse_git_hosts"]

GITCONFIG = "gitconfig"
"""The Secret's file with the configuration."""

_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
"""A token on one line: git's credential protocol has one value a line."""


def _printable(text: str) -> str:
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError
    return text


class GitHost(OperatorModel):
    """A git server that the user's token is good for."""

    host: HostAndPort
    """Name and, where it is not the scheme's own, port: `github.com`, `git.example.org:3000`."""

    scheme: Annotated[Literal["https", "http"], Wanted("https or http")] = "https"
    """`https`; `http` sends the token in the clear and is for development only."""

    username: Annotated[str, Strict(), AfterValidator(_printable), Wanted("a text without control characters")] = ""
    """The user name given along with the token; empty for the user's own."""

    @property
    def url(self) -> str:
        """The host as git's configuration names it: `https://github.com`."""
        return f"{self.scheme}://{self.host}"

    @property
    def token_file(self) -> str:
        """The Secret's file with the token for this host."""
        return f"token-{self.host.replace(':', '_')}"


@dataclass(frozen=True, slots=True)
class GitSettings:
    """What the operator has configured about git."""

    hosts: tuple[GitHost, ...] = ()
    """The hosts that the user's token is offered to."""

    replace_etc_gitconfig: bool = False
    """For git before 2.32: mount the configuration at `/etc/gitconfig`, over the image's own."""


def parse_git_hosts(config: Any) -> tuple[GitHost, ...]:
    """Return the hosts of a configured list: names, URLs, or mappings with `host`, `scheme` and `username`.

    >>> parse_git_hosts(["github.com", {"host": "git.example.org:3000", "username": "oauth2"}])[1].url
    'https://git.example.org:3000'

    Raises
    ------
    ConfigError
        Where an entry is malformed or a host is there twice.
    """
    if isinstance(config, list | tuple):
        config = [_from_text(entry) if isinstance(entry, str) else entry for entry in config]
    hosts = read_list(GitHost, "git_hosts", config)
    files = [host.token_file for host in hosts]
    for number, host in enumerate(hosts):
        if host.token_file in files[:number]:
            raise ConfigError(f"git_hosts[{number}].host: {host.host!r} is there twice")
    return hosts


def _from_text(text: str) -> dict[str, str]:
    scheme, separator, host = text.rpartition("://")
    return {"host": host.removesuffix("/"), "scheme": scheme} if separator else {"host": text}


def git_parts(settings: GitSettings) -> PodParts:
    """Return the variable, or for older git the mount, by which git finds its configuration."""
    if settings.replace_etc_gitconfig:
        mount = V1VolumeMount(name=SECRET_VOLUME, mount_path="/etc/gitconfig", sub_path=GITCONFIG, read_only=True)
        return PodParts(volume_mounts=(mount,))
    return PodParts(env={"GIT_CONFIG_SYSTEM": f"{SECRET_PATH}/{GITCONFIG}"})


def git_files(settings: GitSettings, identity: UserIdentity, tokens: Mapping[str, str]) -> SecretFiles:
    """Return the Secret's files for git: the configuration, and one file with a token for each host.

    A host without a token gets an empty file, so that a token that comes later reaches the running pod.

    Parameters
    ----------
    settings
        The hosts.
    identity
        Whose commits these are.
    tokens
        Token by host, as `GitHost.host` has it; a host that is not configured is left out.

    Raises
    ------
    ValueError
        Where a token is not one line of printable ASCII; the message does not show it.
    """
    contents = {GITCONFIG: gitconfig(settings, identity)}
    for host in settings.hosts:
        token = tokens.get(host.host, "")
        if token and not _TOKEN.match(token):
            raise ValueError(f"the token for {host.host} is not one line of printable ASCII")
        contents[host.token_file] = token
    return SecretFiles(contents, private=frozenset(host.token_file for host in settings.hosts))


def gitconfig(settings: GitSettings, identity: UserIdentity) -> str:
    """Return the text of the system-scope configuration.

    See https://git-scm.com/docs/git-config#_syntax for how a value is written, and
    https://git-scm.com/docs/gitcredentials for `credential.<url>.helper`.
    """
    lines = ["# Written by jhkube at the start of this server. Your own ~/.gitconfig wins over it."]
    if not settings.replace_etc_gitconfig:
        # First, so that the user's name beats one that the image may have. Mounted at /etc/gitconfig
        # the file would include itself, which git refuses.
        lines += ["[include]", "\tpath = /etc/gitconfig"]
    lines += ["[user]", f"\tname = {_value(_one_line(identity.full_name) or identity.name)}"]
    email = _one_line(identity.email)
    # Without an address git makes one up from the pod's host name; better that it asks.
    lines.append(f"\temail = {_value(email)}" if email else "\tuseConfigOnly = true")
    for host in settings.hosts:
        lines += [
            f"[credential {_value(host.url)}]",
            f"\thelper = {_value('!' + _helper(host, host.username or identity.name))}",
        ]
    return "\n".join(lines) + "\n"


def _helper(host: GitHost, username: str) -> str:
    """Return the shell function that git runs to learn the credential for `host`.

    It looks at the request itself, beyond git's own matching by URL: every `protocol` and `host` line must
    be this host's (git before 2.26.1 could be talked into sending a second one, CVE-2020-5260), and a
    request for another user's name is left to that user's own helper. kubelet before 1.26 gives a refreshed
    file its owner after it has put it in place, hence the second try.
    """
    request = (
        f"protocol={host.scheme}) p=1;; host={host.host}) h=1;; "
        f"{shlex.quote(f'username={username}')}) ;; protocol=*|host=*|username=*) return 0;;"
    )
    token = f"{SECRET_PATH}/{host.token_file}"
    return (
        '_jhkube() { test "$1" = get || return 0; p= h=; '
        f'while IFS= read -r l && test -n "$l"; do case "$l" in {request} esac; done; '
        'test -n "$p$h" && test "$p" = "$h" || return 0; '
        f"t=$(cat {token} 2>/dev/null) || {{ sleep 1; t=$(cat {token}); }}; "
        'test -n "$t" || return 0; '
        f"printf 'username=%s\\npassword=%s\\n' {shlex.quote(username)} \"$t\"; }}; _jhkube"
    )


def _one_line(text: str) -> str:
    """Return `text` with runs of white space as one space and without control characters."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _value(text: str) -> str:
    """Return `text` quoted as a value or subsection of a git configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
