"""Faults that an operator makes: small changes of a good configuration, and what `jhkube check` says of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from devcluster.cilogon import DEMO_CLIENT_ID as CILOGON_ID
from devcluster.cilogon import DEMO_CLIENT_SECRET as CILOGON_SECRET

__all__ = ["CILOGON", "FAULTS", "ISSUER", "Fault"]

IDP = '{"https://idp.example.org": {"username_derivation": {"username_claim": "eppn"}}}'
CILOGON = {
    "JHKUBE_AUTH": "cilogon",
    "CILOGON_CLIENT_ID": CILOGON_ID,
    "CILOGON_CLIENT_SECRET": CILOGON_SECRET,
    "JHKUBE_CILOGON_IDPS": IDP,
    "JHKUBE_ALLOWED_GROUPS": "observatory",
}
ISSUER = "c.CILogonGroupAuthenticator.issuer = '$cilogon'\n"


@dataclass(frozen=True)
class Fault:
    """A small change of a good configuration, and what is told about it."""

    name: str
    subject: str
    says: str
    do: str
    extra: str = ""
    environ: dict[str, str | None] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """What else it makes fail, which does not have to say why."""


FAULTS = [
    Fault(
        "a trait that is misspelt",
        "configuration",
        "c.JHKubeSpawner.home_cliam is no setting",
        "c.JHKubeSpawner.home_claim?",
        "c.JHKubeSpawner.home_cliam = 'x'",
    ),
    Fault(
        "a class that is misspelt",
        "configuration",
        "c.JHKubSpawner is no class",
        "c.JHKubeSpawner?",
        "c.JHKubSpawner.umask = '027'",
    ),
    Fault(
        "sizes that are malformed",
        "configuration",
        "c.JHKubeSpawner.sizes[0] (small).cores",
        "Correct it",
        "c.JHKubeSpawner.sizes = [{'name': 'small', 'cores': 'many', 'memory': '1G'}]",
    ),
    Fault(
        "a kind of home that there is not",
        "configuration",
        "home",
        "Correct it",
        "c.JHKubeSpawner.home = 'floppy'",
    ),
    Fault(
        "a repository that cannot be called so",
        "configuration",
        "'BAD NAME' is not a repository",
        "Correct it",
        "c.ImageMenu.repositories = ['BAD NAME']",
    ),
    Fault(
        "a value of another type",
        "configuration",
        "start_timeout",
        "Correct it",
        "c.JHKubeSpawner.start_timeout = 'soon'",
    ),
    Fault(
        "a spawner that is not jhkube's",
        "configuration",
        "SimpleLocalProcessSpawner, which is not jhkube's",
        'spawner_class = "jhkube"',
        "c.JupyterHub.spawner_class = 'simple'",
    ),
    Fault(
        "an NFS path that is malformed",
        "configuration",
        "c.JHKubeSpawner.home_nfs.path: should be an absolute path",
        "Correct it",
        "c.JHKubeSpawner.home = 'nfs'\nc.JHKubeSpawner.home_nfs = {'server': '127.0.0.1', 'path': 'export/home'}\n",
        {"JHKUBE_HOME_MADE_BY": "root"},
    ),
    Fault(
        "an organization that nobody can be in",
        "configuration",
        "can never match",
        "Correct it",
        "",
        {"JHKUBE_ALLOWED_ORGANIZATIONS": "https://github.com/observatory"},
    ),
    Fault(
        "no crypt key",
        "encryption",
        "no key to encrypt it with",
        "openssl rand -hex 32",
        "",
        {"JUPYTERHUB_CRYPT_KEY": None},
    ),
    Fault(
        "a crypt key that is malformed",
        "encryption",
        "is not 32 bytes",
        "openssl rand -hex 32",
        "",
        {"JUPYTERHUB_CRYPT_KEY": "not-the-secret"},
    ),
    Fault(
        "auth_state that is off",
        "encryption",
        "auth_state is off",
        "enable_auth_state",
        "c.Authenticator.enable_auth_state = False",
    ),
    Fault(
        "a callback with another path",
        "callback",
        "this hub answers at /jupyter/hub/oauth_callback",
        "http://127.0.0.1:8000/jupyter/hub/oauth_callback",
        "c.JupyterHub.base_url = '/jupyter/'",
    ),
    Fault(
        "a callback on another host",
        "callback",
        "come back to another host",
        "oauth_callback_url",
        "c.JupyterHub.public_url = 'https://hub.example.org'",
    ),
    Fault(
        "a callback that is no address",
        "callback",
        "is no address",
        "oauth_callback_url",
        "c.GitHubOrgAuthenticator.oauth_callback_url = '127.0.0.1/hub'",
        also=("provider",),
    ),
    Fault(
        "a callback by another name of the host",
        "callback",
        "no cookie",
        "oauth_callback_url",
        "",
        {"JHKUBE_BIND_URL": "http://localhost:8000/"},
    ),
    Fault(
        "a callback on this machine only",
        "callback",
        "only this machine has that host",
        "oauth_callback_url",
        "",
        {"JHKUBE_BIND_URL": "http://192.0.2.1:8000/"},
    ),
    Fault(
        "a hub that pods cannot reach",
        "hub address",
        "in a pod is the pod itself",
        "JHKUBE_HUB_CONNECT_HOST",
        "",
        {"JHKUBE_HUB_CONNECT_HOST": "127.0.0.1"},
    ),
    Fault(
        "a hub by a name that nobody knows",
        "hub address",
        "no name that is known",
        "hub_connect_url",
        "c.JupyterHub.hub_connect_url = 'http://hub.nowhere.invalid:8081'",
    ),
    Fault(
        "a hub that listens on loopback",
        "hub address",
        "listens on 127.0.0.1 only",
        "hub_bind_url",
        "c.JupyterHub.hub_bind_url = 'http://127.0.0.1:8081'",
    ),
    Fault(
        "GitHub down", "provider", "Connection refused", "github_url", "", {"JHKUBE_GITHUB_URL": "http://127.0.0.1:9"}
    ),
    Fault(
        "a client secret that is wrong",
        "provider",
        "does not take this hub's credentials",
        "client_secret",
        "",
        {"GITHUB_CLIENT_SECRET": "not-the-secret"},
    ),
    Fault(
        "a client id that is unknown",
        "provider",
        "no application with this client_id",
        "client_id",
        "",
        {"GITHUB_CLIENT_ID": "Ov23nobody"},
    ),
    Fault("no client secret", "provider", "client_secret: not set", "Register", "", {"GITHUB_CLIENT_SECRET": None}),
    Fault(
        "a callback that GitHub does not know",
        "provider",
        "would not send people back to https://hub.example.org/",
        "Register that address",
        "",
        {"OAUTH_CALLBACK_URL": "https://hub.example.org/hub/oauth_callback"},
    ),
    Fault(
        "a CILogon host that is wrong",
        "provider",
        "does not answer as it should",
        "cilogon_host",
        "",
        CILOGON | {"JHKUBE_CILOGON_HOST": "127.0.0.1:9"},
    ),
    Fault(
        "a CILogon secret that is wrong",
        "provider",
        "does not take this hub's credentials",
        "client_secret",
        ISSUER,
        CILOGON | {"CILOGON_CLIENT_SECRET": "not-the-secret"},
    ),
    Fault(
        "a callback that CILogon does not know",
        "provider",
        "would not send people back to https://hub.example.org/",
        "Register that address",
        ISSUER,
        CILOGON | {"OAUTH_CALLBACK_URL": "https://hub.example.org/hub/oauth_callback"},
    ),
    Fault(
        "a registry that is down",
        "registry",
        "localhost:1 does not answer",
        "whether localhost:1 runs",
        "",
        {"JHKUBE_REPOSITORIES": "localhost:1/lab"},
    ),
    Fault(
        "a repository that is not there",
        "registry",
        "the registry has no",
        "JHKUBE_REPOSITORIES",
        "",
        {"JHKUBE_REPOSITORIES": "$registry/labb"},
    ),
    Fault(
        "tags of which the menu shows none",
        "registry",
        "none that the menu shows",
        "c.ImageMenu.offers",
        "c.ImageMenu.offers = [{'include': ['nothing-*'], 'kinds': {'release': 3}}]",
    ),
    Fault(
        "a registry without TLS",
        "registry",
        "$plain",
        "insecure_registries",
        "",
        {"JHKUBE_REPOSITORIES": "$plain/lab"},
    ),
    Fault(
        "a registry password that is wrong",
        "registry",
        "does not let us see",
        "docker login",
        "c.ImageMenu.credentials_file = '$wrong_account'",
        {"JHKUBE_REPOSITORIES": "$closed/lab"},
    ),
    Fault(
        "accounts that are not there",
        "registry",
        "the accounts for the registries cannot be read",
        "credentials_file",
        "c.ImageMenu.credentials_file = '/nowhere/config.json'",
    ),
    Fault(
        "a StorageClass that is not there",
        "storage",
        "there is no StorageClass golden",
        "storage_class",
        "c.KubeSpawner.storage_class = 'golden'",
    ),
    Fault(
        "a home's size that is none",
        "storage",
        "'10Gigs' is not an amount",
        "JHKUBE_HOME_SIZE",
        "c.JHKubeSpawner.storage_capacity = '10Gigs'",
    ),
    Fault(
        "a shared claim that is not there",
        "storage",
        "there is no claim homes",
        "home_claim",
        "c.JHKubeSpawner.home = 'shared-pvc'\nc.JHKubeSpawner.home_claim = 'homes'\n",
        {"JHKUBE_HOME_MADE_BY": "root"},
    ),
    Fault(
        "a mount's claim that is not there",
        "storage",
        "there is no claim survey",
        "extra_mounts",
        "c.JHKubeSpawner.extra_mounts = [{'path': '/data', 'claim': 'survey'}]",
    ),
    Fault(
        "an NFS server that is silent",
        "storage",
        "the NFS server 127.0.0.1:2049 does not answer",
        "home_nfs",
        "c.JHKubeSpawner.home = 'nfs'\nc.JHKubeSpawner.home_nfs = {'server': '127.0.0.1', 'path': '/export'}\n",
        {"JHKUBE_HOME_MADE_BY": "root"},
    ),
    Fault(
        "a namespace that is not there",
        "cluster",
        "there is no namespace nowhere-at-all",
        "kubectl create namespace",
        "",
        {"JHKUBE_NAMESPACE": "nowhere-at-all"},
    ),
    Fault(
        "no room for homes",
        "storage",
        "no room for one more home",
        "ResourceQuota",
        "",
        {"JHKUBE_NAMESPACE": "$full"},
    ),
]
