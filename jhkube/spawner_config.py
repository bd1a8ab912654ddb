"""What an operator configures about pods: the traits of JHKubeSpawner, parsed into values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from traitlets import Bool, Dict, Enum, List, Unicode, validate

from jhkube.ahead.config import AheadConfig
from jhkube.cluster_accounts import ClusterAccounts, parse_cluster_accounts
from jhkube.operator_models import ConfigError, checked_trait
from jhkube.pod.accounts import DEBIAN_GROUP, DEBIAN_PASSWD, Accounts, AccountsFrom
from jhkube.pod.build import PodSettings
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.mounts import parse_mounts
from jhkube.pod.security import NO_COMMAND, parse_umask
from jhkube.spawner_choices import ChoiceConfig
from jhkube.spawner_homes import HomeConfig
from jhkube.spawner_hubs import HubsConfig
from jhkube.spawner_repositories import RepositoryConfig
from jhkube.watch.patience import Patience, parse_patience

__all__ = ["SpawnerConfig"]


_PARSERS: Final[dict[str, Callable[[Any], object]]] = {
    "cluster_accounts": parse_cluster_accounts,
    "extra_mounts": parse_mounts,
    "git_hosts": parse_git_hosts,
    "start_patience": parse_patience,
    "umask": parse_umask,
}
"""What reads a trait, and raises ValueError where it cannot be used."""


class SpawnerConfig(AheadConfig, ChoiceConfig, HomeConfig, HubsConfig, RepositoryConfig):
    """The traits that `JHKubeSpawner` has beyond KubeSpawner's."""

    accounts_from = Enum(
        list(map(str, AccountsFrom)),
        default_value="base",
        help="""
        The files to which the person's passwd and group entries are added.

        `base`: `accounts_passwd` and `accounts_group`; nothing runs before the server.

        `image`: the image's own files, merged by an init container of that image.

        For example::

            c.JHKubeSpawner.accounts_from = "image"
        """,
    ).tag(config=True)

    accounts_passwd = Unicode(
        DEBIAN_PASSWD,
        help="""
        The other users in a pod, as lines of a passwd file. By default they are those of Debian.

        For example::

            c.JHKubeSpawner.accounts_passwd = open("/etc/passwd").read()
        """,
    ).tag(config=True)

    accounts_group = Unicode(
        DEBIAN_GROUP,
        help="""
        The other groups in a pod, as lines of a group file. By default they are those of Debian.

        For example::

            c.JHKubeSpawner.accounts_group = open("/etc/group").read()
        """,
    ).tag(config=True)

    login_shell = Unicode(
        "/bin/bash",
        help="""
        The shell in the person's passwd entry. Every image must have it.

        For example::

            c.JHKubeSpawner.login_shell = "/bin/sh"
        """,
    ).tag(config=True)

    umask = Unicode(
        help="""
        The umask of the server and its processes, in octal. By default it is the image's. `cmd` has to be set too,
        because a shell sets the umask and then runs the command.

        For example, if groups share folders::

            c.JHKubeSpawner.umask = "007"
        """,
    ).tag(config=True)

    extra_mounts: Any = List(
        help="""
        Further volumes. Each has a `path` in the pod and one of `claim`, `nfs` and `host_path`. Optional fields are
        `read_only`, `sub_path`, `groups` (the hub groups that get it) and, for a claim that only one pod at a time
        may use, `exclusive`.

        For example::

            c.JHKubeSpawner.extra_mounts = [
                {"path": "/data/survey", "claim": "survey", "read_only": True},
                {"path": "/scratch", "nfs": {"server": "files.example.org", "path": "/scratch"}, "groups": ["ops"]},
            ]
        """,
    ).tag(config=True)

    cluster_accounts = Dict(
        help="""
        How the cluster's API server forms the names of people and of their groups, if they log in with the same
        OpenID Connect provider there and here (`jhkube-oidc`): `username_claim`, `username_prefix`, `groups_claim`
        and `groups_prefix`, with the values of the API server's flags `--oidc-…`. Without `username_prefix` the API
        server's default applies: the issuer and `#`, or no prefix for the claim `email`. `-` means no prefix.

        If this is set, people can start servers only if they may create pods and persistentvolumeclaims in their
        namespace themselves. The hub asks for a SubjectAccessReview at each start. It needs `enable_user_namespaces`,
        and the hub's account needs `create` on `subjectaccessreviews`.

        For example::

            c.JHKubeSpawner.cluster_accounts = {
                "username_claim": "sub", "groups_claim": "groups", "groups_prefix": "oidc:",
            }
        """,
    ).tag(config=True)

    start_patience = Dict(
        help="""
        Seconds for which a start waits for a problem that may go away on its own, before it fails: `unschedulable`
        (no node has room; by default 60), `scale_up` (a node is being added; no limit), `pull` (the registry does not
        answer; 45), `crash_loop` (the server has crashed twice; 0), `volume` (it does not mount; 90), `detach` (its
        disk is still attached elsewhere; 180), `missing` (a Secret, ConfigMap or claim; 15), `node` (it does not
        answer; 60). `None` is no limit. A problem that cannot go away on its own ends a start immediately, and
        `start_timeout` ends every start.

        For example, if nodes are added by hand and a start should never wait for a registry::

            c.JHKubeSpawner.start_patience = {"unschedulable": 600, "pull": 0}
        """,
    ).tag(config=True)

    keep_failed_logs = Bool(
        False,
        help="""
        Whether the hub keeps the end of a server's log (64 KiB) for an hour if the server does not start, or ends by
        itself. Otherwise the log is deleted with the pod. The service *My servers* shows it to the person. The hub's
        account needs `get` on `pods/log`.

        For example::

            c.JHKubeSpawner.keep_failed_logs = True
        """,
    ).tag(config=True)

    git_hosts: Any = List(
        help="""
        The git hosts that get the person's provider token: host names, URLs, or dicts with `host`, `scheme` and
        `username`. No other host gets it.

        For example::

            c.JHKubeSpawner.git_hosts = ["github.com"]
        """,
    ).tag(config=True)

    git_replaces_etc_gitconfig = Bool(
        False,
        help="""
        Whether jhkube's git configuration replaces the image's `/etc/gitconfig`. Images with a git older than 2.32
        need this, because that git does not know `GIT_CONFIG_SYSTEM`.

        For example::

            c.JHKubeSpawner.git_replaces_etc_gitconfig = True
        """,
    ).tag(config=True)

    @validate(*_PARSERS)
    def _usable(self, proposal: Any) -> Any:
        return checked_trait("c.JHKubeSpawner", proposal, _PARSERS[proposal["trait"].name])

    def pod_settings(self) -> PodSettings:
        """Return the traits about pods as one value.

        Raises
        ------
        ValueError
            Where they do not go together; it names the trait.
        """
        return PodSettings(
            home=self.parsed_home(),
            accounts=Accounts(
                source=AccountsFrom(self.accounts_from),
                base_passwd=self.accounts_passwd,
                base_group=self.accounts_group,
                shell=self.login_shell,
            ),
            git=GitSettings(
                hosts=parse_git_hosts(self.git_hosts),
                replace_etc_gitconfig=self.git_replaces_etc_gitconfig,
            ),
            mounts=parse_mounts(self.extra_mounts),
            clones=self.parsed_clones(),
            umask=parse_umask(self.umask),
        )

    def check_together(self) -> None:
        """Check the traits with each other, beyond what each of them is checked for when it is assigned.

        Raises
        ------
        ConfigError
            Where they do not go together, so that no server could be started; it names the trait.
        """
        try:
            self.pod_settings()
            self.parsed_sizes()
        except ValueError as error:
            raise ConfigError(f"c.JHKubeSpawner.{error}") from None
        # KubeSpawner's own traits: a shell goes before the command, and a profile may bring one.
        if self.umask and not (getattr(self, "cmd", ()) or getattr(self, "profile_list", ())):
            raise ConfigError(f"c.JHKubeSpawner.umask {NO_COMMAND}")
        if self.repository_image and not self.repository_hosts:
            raise ConfigError("c.JHKubeSpawner.repository_image needs repository_hosts: nobody can name a repository")
        if self.pod_defaults == "all" and not self.cluster_accounts:
            raise ConfigError(
                "c.JHKubeSpawner.pod_defaults 'all' needs cluster_accounts: a PodDefault that names a Secret is for"
                " people who may create pods in their namespace themselves; 'safe' takes the other PodDefaults"
            )
        if self.cluster_accounts and not getattr(self, "enable_user_namespaces", False):
            raise ConfigError(
                "c.JHKubeSpawner.cluster_accounts needs enable_user_namespaces: rights are those in the person's own"
                " namespace"
            )
        self.check_hubs()
        self.check_ahead(
            cmd=getattr(self, "cmd", ()),
            services_enabled=getattr(self, "services_enabled", False),
            # The hub tells this to the spawners of people only.
            internal_ssl=self.config.get("JupyterHub", {}).get("internal_ssl", False),
        )

    def parsed_cluster_accounts(self) -> ClusterAccounts | None:
        """Return how people are called in the cluster; None where that is not configured."""
        return parse_cluster_accounts(self.cluster_accounts)

    def parsed_patience(self) -> Patience:
        """Return how long a start waits for what."""
        return parse_patience(self.start_patience)
