"""Every setting of the sample configuration: its names, what its value can be, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

__all__ = ["FromEnvironment", "Section", "Spelling", "Values"]

YEAR: Final = 366 * 24 * 3600
"""Seconds that no setting passes: beyond it somebody has taken another unit for seconds."""


class FromEnvironment(str):
    """A value as the environment spells it, to be read by its type's `Spelling`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Spelling:
    """What people read about a type's values, and how the environment writes them; pydantic metadata."""

    words: str
    """What a value should be, with an example: the end of "should be …"."""

    from_text: Callable[[str], Any] = str
    """Returns what the environment's text means; raises ValueError where it means nothing."""

    in_text: str = ""
    """How the environment writes it, where that is another way: goes on from `words`."""

    def read(self, value: Any) -> Any:
        """Return the value that the environment spells; a value of the chart as it is."""
        if isinstance(value, FromEnvironment):
            try:
                value = self.from_text(value.strip())
            except RecursionError:
                # JSON that is nested too deeply.
                raise ValueError from None
        # In JSON 5.0 is a whole number.
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _flag(text: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise ValueError
    return known[text.lower()]


def _one(pattern: str) -> Any:
    """Return the constraint to texts of a pattern; the empty one is as if it were not set."""
    return Field(pattern=f"^(?:{pattern})?$")


def _each(pattern: str) -> Any:
    """Return the constraint to texts of a pattern in a list."""
    return Field(pattern=f"^{pattern}$")


def _json(words: str) -> Spelling:
    return Spelling(words, json.loads, ", as JSON")


def _list(words: str) -> Spelling:
    return Spelling(words, _words, ", separated by commas or spaces")


_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
_WEB_ADDRESS: Final = rf"https?://{_HOST}(?::{_PORT})?(?:/[^\s?#]*)?"
_BIND_URL: Final = rf"https?://{_HOST}?(?::{_PORT})?(?:/[^\s?#]*)?"
_DATABASE_URL: Final = r"[a-z][a-z0-9]*(?:\+[a-z0-9_]+)?://\S*"
_QUANTITY: Final = r"[0-9]+(?:\.[0-9]+)?(?:[kMGTPE]|[KMGTPE]i)?"

Text = Annotated[str, Spelling("a text")]
Words = Annotated[list[Annotated[str, _each(r"\S+")]], _list("a list of words")]
Flag = Annotated[bool, Spelling("true or false", _flag)]
Port = Annotated[int, Field(ge=1, le=65535), Spelling("a whole number from 1 to 65535", json.loads)]
AtOnce = Annotated[int, Field(ge=1, le=100_000), Spelling("a whole number from 1 to 100000", json.loads)]
ImageCount = Annotated[int, Field(ge=0, le=100), Spelling("a whole number from 0 to 100", json.loads)]
DiskCount = Annotated[int, Field(ge=0, le=1000), Spelling("a whole number from 0 to 1000", json.loads)]
Seconds = Annotated[float, Field(ge=0, le=YEAR), Spelling("a number of seconds, such as 60", json.loads)]
WholeSeconds = Annotated[int, Field(ge=0, le=YEAR), Spelling("a whole number of seconds, such as 60", json.loads)]
Factor = Annotated[float, Field(ge=1, le=100), Spelling("a number from 1 to 100, such as 2", json.loads)]
Host = Annotated[str, _one(_HOST), Spelling("a host's name or address, such as 10.0.0.1, without scheme and port")]
HostAndPort = Annotated[str, _each(rf"{_HOST}(?::{_PORT})?")]
HostsAndPorts = Annotated[list[HostAndPort], _list("a list of hosts, such as registry.example.org:5000")]
Addresses = Annotated[list[Annotated[str, _each("[0-9A-Fa-f:.]+")]], _list("a list of IP addresses")]
Url = Annotated[str, _one(_WEB_ADDRESS), Spelling("a URL such as https://hub.example.org")]
WebAddress = Annotated[str, _each(_WEB_ADDRESS)]
Urls = Annotated[list[WebAddress], _list("a list of URLs such as https://git.example.org")]
BindUrl = Annotated[
    str,
    _one(_BIND_URL),
    Spelling("a URL such as http://127.0.0.1:8000/, or http://:8000/ for every address of the machine"),
]
BasePath = Annotated[str, _one(r"/(?:[^\s?#]*/)?"), Spelling("a path such as /jupyter/")]
DatabaseUrl = Annotated[
    str,
    _one(_DATABASE_URL),
    Spelling("a database's URL, such as postgresql+psycopg://hub@db.example.org/jupyterhub"),
]
HubName = Annotated[
    str, _one(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?"), Spelling("a DNS label of at most 20 characters, such as a")
]
Quantity = Annotated[str, _one(_QUANTITY), Spelling("an amount of storage, such as 10Gi")]
Object = Annotated[dict[str, Any], _json("an object")]
Objects = Annotated[list[dict[str, Any]], _json("a list of objects")]
TextByName = Annotated[dict[str, str], _json('texts by name, such as {"pool": "labs"}')]
SecondsByName = Annotated[dict[str, WholeSeconds], _json('whole numbers of seconds by name, such as {"gpu": 1800}')]
LogFormat = Annotated[Literal["text", "json"], Spelling("text or json")]
LogLevel = Annotated[Literal["", "debug", "info", "warning", "error"], Spelling("debug, info, warning or error")]
Provider = Annotated[
    Literal["github", "cilogon", "oidc", "other"],
    Spelling("github, cilogon, oidc, or other for an authenticator that is configured elsewhere"),
]
GitAccess = Annotated[Literal["none", "public", "all"], Spelling("none, public or all")]
PodDefaults = Annotated[Literal["off", "safe", "all"], Spelling("off, safe or all")]
StartAhead = Annotated[Literal["off", "form", "form-and-changes"], Spelling("off, form or form-and-changes")]
AheadSeconds = Annotated[
    int, Field(ge=10, le=3600), Spelling("a whole number of seconds from 10 to 3600", json.loads)
]
HomeKind = Annotated[Literal["pvc", "nfs", "shared-pvc"], Spelling("pvc, nfs or shared-pvc")]
FolderMaker = Annotated[Literal["", "user", "root", "nobody"], Spelling("user, root or nobody")]


class Section(BaseModel):
    """A level of the chart's `custom.jhkube`; null counts as not set there, as it does for Helm."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in given.items() if value is not None or key not in known}


def setting(variable: str, default: Any, help_text: str) -> Any:
    """Return the field of a setting, which this environment variable sets too; the schema shows it as its title."""
    return Field(default, title=variable, description=help_text)


class Hub(Section):
    """The hub itself."""

    data_dir: Text = setting("JHKUBE_DATA_DIR", ".", "folder of the hub's database, cookie secret and menu cache")
    db_url: DatabaseUrl = setting("JHKUBE_DB_URL", "", "the session database; SQLite in the data folder if unset")
    bind_url: BindUrl = setting("JHKUBE_BIND_URL", "", "where the proxy listens: http://127.0.0.1:8000/")
    base_url: BasePath = setting("JHKUBE_BASE_URL", "", "the path below which the hub is: /jupyter/")
    connect_host: Host = setting("JHKUBE_HUB_CONNECT_HOST", "", "the hub's address as pods and proxy see it")
    port: Port = setting("JHKUBE_HUB_PORT", 8081, "the port on which pods and proxy reach the hub")
    concurrent_spawns: AtOnce = setting("JHKUBE_CONCURRENT_SPAWNS", 100, "starts at once; more are answered with 429")
    named_servers: Flag = setting("JHKUBE_NAMED_SERVERS", True, "whether a person can have several servers")
    crypt_keys_file: Text = setting(
        "JHKUBE_CRYPT_KEYS_FILE",
        "",
        "file of the keys that encrypt auth_state, one a line, the newest first; else JUPYTERHUB_CRYPT_KEY",
    )


class Proxy(Section):
    """The proxy of the hub, and those before it."""

    api_url: Url = setting("JHKUBE_PROXY_API_URL", "", "the proxy's own API, if not http://127.0.0.1:8001")
    auth_token: Text = setting("CONFIGPROXY_AUTH_TOKEN", "", "the secret shared by hub and proxy")
    external: Flag = setting("JHKUBE_PROXY_EXTERNAL", False, "whether the proxy is started by something else")
    trusted: Addresses = setting("JHKUBE_TRUSTED_PROXIES", [], "proxies in front whose X-Forwarded-For is trusted")


class Several(Section):
    """Several hubs for the same people."""

    name: HubName = setting("JHKUBE_HUB_NAME", "", "the name of this hub, if several serve the same people: a")
    hubs: Objects = setting(
        "JHKUBE_HUBS",
        [],
        "all these hubs and which of them is whose, as JHKubeSpawner.hubs takes them; the same on every hub",
    )
    home_leases: Flag = setting(
        "JHKUBE_HOME_LEASES", False, "whether a home is used by one hub at a time; a Lease says by which"
    )
    menu_cache: Text = setting(
        "JHKUBE_SHARED_MENU",
        "",
        "a file that all these hubs share, so that one of them asks the registry for all",
    )


class Log(Section):
    """The hub's log."""

    format: LogFormat = setting("JHKUBE_LOG_FORMAT", "text", "the format of the hub's log: text or json")
    level: LogLevel = setting("JHKUBE_LOG_LEVEL", "", "debug, info, warning or error; JupyterHub's own if unset")


class Auth(Section):
    """Logging in, whoever the provider is."""

    provider: Provider = setting("JHKUBE_AUTH", "github", "the authenticator: github, cilogon, oidc or other")
    callback_url: Url = setting("OAUTH_CALLBACK_URL", "", "the callback registered with the provider")
    admins: Words = setting("JHKUBE_ADMINS", [], "the user names of the hub's administrators")
    refresh_age: WholeSeconds = setting(
        "JHKUBE_AUTH_REFRESH_AGE", 300, "seconds until memberships are asked for again"
    )
    stop_servers_of_leavers: Flag = setting(
        "JHKUBE_STOP_SERVERS_OF_LEAVERS", False, "whether to stop the servers of people who may no longer log in"
    )


class Guests(Section):
    """People without an account at the provider."""

    enabled: Flag = setting("JHKUBE_GUESTS", False, "whether people can try the hub as guests, without an account")
    group: Text = setting("JHKUBE_GUEST_GROUP", "guests", "the hub group of all guests, and of nobody else")
    idle_timeout: WholeSeconds = setting(
        "JHKUBE_GUEST_IDLE_TIMEOUT", 3600, "seconds without activity after which a guest is removed"
    )
    max_age: WholeSeconds = setting(
        "JHKUBE_GUEST_MAX_AGE", 86_400, "seconds after which even a guest at work is removed; 0: never"
    )
    limit: AtOnce = setting("JHKUBE_GUEST_LIMIT", 50, "how many guests there can be at a time")
    per_address: AtOnce = setting(
        "JHKUBE_GUESTS_PER_ADDRESS", 5, "how many guests may come from one address within an hour"
    )
    per_hour: AtOnce = setting("JHKUBE_GUESTS_PER_HOUR", 100, "how many guests may come within an hour in all")
    home_size: Quantity = setting("JHKUBE_GUEST_HOME_SIZE", "1Gi", "how large a guest's home may be; it is not kept")


class GitHub(Section):
    """Logging in with GitHub."""

    url: Url = setting("JHKUBE_GITHUB_URL", "https://github.com", "GitHub, or a GitHub Enterprise Server")
    client_id: Text = setting("GITHUB_CLIENT_ID", "", "the OAuth app's client id")
    client_secret: Text = setting("GITHUB_CLIENT_SECRET", "", "the OAuth app's client secret")
    allowed: Words = setting("JHKUBE_ALLOWED_ORGANIZATIONS", [], "organizations whose members may log in")
    denied: Words = setting("JHKUBE_DENIED_ORGANIZATIONS", [], "organizations whose members may not log in")
    git_access: GitAccess = setting("JHKUBE_GIT_ACCESS", "all", "repositories for git: none, public or all")


class CILogon(Section):
    """Logging in with CILogon."""

    host: Text = setting("JHKUBE_CILOGON_HOST", "cilogon.org", "CILogon, or a stand-in")
    client_id: Text = setting("CILOGON_CLIENT_ID", "", "the OIDC client's id")
    client_secret: Text = setting("CILOGON_CLIENT_SECRET", "", "the OIDC client's secret")
    idps: Object = setting("JHKUBE_CILOGON_IDPS", {}, "identity providers, as CILogonOAuthenticator.idps takes them")
    allowed: Words = setting("JHKUBE_ALLOWED_GROUPS", [], "groups whose members may log in")
    number_secret: Text = setting(
        "JHKUBE_CILOGON_NUMBER_SECRET",
        "",
        "a site's secret for derived uids and gids; the same on hubs that share files",
    )


class OIDC(Section):
    """Logging in with any OpenID Connect provider."""

    issuer: Url = setting("JHKUBE_OIDC_ISSUER", "", "the OpenID Connect provider's issuer, to the letter")
    name: Text = setting("JHKUBE_OIDC_NAME", "OpenID Connect", "what people call the provider")
    client_id: Text = setting("OAUTH_CLIENT_ID", "", "the OpenID Connect client's id")
    client_secret: Text = setting("OAUTH_CLIENT_SECRET", "", "the OpenID Connect client's secret")
    scope: Words = setting("JHKUBE_OIDC_SCOPE", ["openid", "profile", "email"], "the OAuth scopes to ask for")
    username_claim: Text = setting(
        "JHKUBE_OIDC_USERNAME_CLAIM", "preferred_username", "the claim that becomes the hub user name"
    )
    groups_claim: Text = setting("JHKUBE_OIDC_GROUPS_CLAIM", "groups", "the claim with a person's groups")
    allowed: Words = setting("JHKUBE_OIDC_ALLOWED_GROUPS", [], "groups whose members may log in")
    number_secret: Text = setting(
        "JHKUBE_OIDC_NUMBER_SECRET",
        "",
        "a site's secret for derived uids and gids; the same on hubs that share files",
    )
    cluster_accounts: Object = setting(
        "JHKUBE_OIDC_CLUSTER_ACCOUNTS",
        {},
        "how the cluster's API server names the same people, as JHKubeSpawner.cluster_accounts takes it; then people"
        " have namespaces, and need rights in them",
    )


class Spawner(Section):
    """Pods."""

    namespace: Text = setting("JHKUBE_NAMESPACE", "", "the namespace of the pods; the hub's own if unset")
    connect_host: Host = setting("JHKUBE_POD_CONNECT_HOST", "", "the pods' address, if not their own IP")
    start_timeout: WholeSeconds = setting(
        "JHKUBE_START_TIMEOUT", 300, "the longest that a start may take, in seconds"
    )
    node_selector: TextByName = setting(
        "JHKUBE_NODE_SELECTOR", {}, "labels of the nodes for user pods and for prepulled images"
    )
    tolerations: Objects = setting("JHKUBE_TOLERATIONS", [], "tolerations of user pods")
    environment_names: Objects = setting(
        "JHKUBE_ENVIRONMENT_NAMES",
        [],
        "environment variables that people may set, as JHKubeSpawner.environment_names takes them",
    )
    pod_defaults: PodDefaults = setting(
        "JHKUBE_POD_DEFAULTS",
        "off",
        "whether people can choose Kubeflow's PodDefaults: off; safe: without Secrets and claims; or all",
    )
    start_ahead: StartAhead = setting(
        "JHKUBE_START_AHEAD",
        "off",
        "whether a person's pod is made while they read the form: off, form or form-and-changes",
    )
    start_ahead_limit: AtOnce = setting(
        "JHKUBE_START_AHEAD_LIMIT", 10, "how many pods may wait for their start at a time"
    )
    start_ahead_seconds: AheadSeconds = setting(
        "JHKUBE_START_AHEAD_SECONDS", 120, "how many seconds a pod waits for its start"
    )


class Home(Section):
    """People's homes."""

    kind: HomeKind = setting(
        "JHKUBE_HOME_KIND",
        "pvc",
        "where homes are: a claim for each person (pvc), an NFS export (nfs) or one claim for all (shared-pvc)",
    )
    size: Quantity = setting("JHKUBE_HOME_SIZE", "10Gi", "the size of a person's home, for pvc")
    storage_class: Text = setting(
        "JHKUBE_STORAGE_CLASS", "", "the homes' StorageClass, for pvc; the default if unset"
    )
    nfs_server: Host = setting("JHKUBE_NFS_SERVER", "", "the NFS server, for nfs")
    nfs_path: Text = setting("JHKUBE_NFS_PATH", "", "the exported folder of all homes, for nfs")
    nfs_options: Words = setting("JHKUBE_NFS_OPTIONS", [], "mount options, for nfs: nfsvers=4.1")
    claim: Text = setting("JHKUBE_HOME_CLAIM", "", "the claim of all homes, for shared-pvc")
    path: Text = setting("JHKUBE_HOME_PATH", "", "the home's path in the pod, a template; /home/{username} if unset")
    made_by: FolderMaker = setting(
        "JHKUBE_HOME_MADE_BY", "", "who makes a home's folder: user, root or nobody; by the kind of home if unset"
    )


class Git(Section):
    """Git in the pods."""

    hosts: Urls = setting("JHKUBE_GIT_HOSTS", [], "URLs of git hosts that get the token; GitHub's if unset")
    repository_hosts: Urls = setting(
        "JHKUBE_REPOSITORY_HOSTS", [], "URLs of git hosts whose repositories servers can start from; none if unset"
    )
    repository_image: Text = setting(
        "JHKUBE_REPOSITORY_IMAGE", "", "a repository's own image: registry.example.org/{path}:{commit:7}"
    )


class Menu(Section):
    """The images and sizes to choose from."""

    repositories: Words = setting("JHKUBE_REPOSITORIES", [], "image repositories: registry.example/lab")
    insecure: HostsAndPorts = setting("JHKUBE_INSECURE_REGISTRIES", [], "registries that are reached by plain HTTP")
    pull_secret: Text = setting(
        "JHKUBE_PULL_SECRET",
        "",
        "the Secret with the account for the registries: the hub lists tags by it, kubelet pulls by it",
    )
    interval: Seconds = setting("JHKUBE_MENU_INTERVAL", 60, "seconds between two refreshes of the menu")
    offers: Objects = setting("JHKUBE_OFFERS", [], "who is offered which tags, as ImageMenu.offers takes them")
    custom_images: Words = setting("JHKUBE_CUSTOM_IMAGES", [], "regular expressions of images that people may type")
    sizes: Objects = setting("JHKUBE_SIZES", [], "sizes, as JHKubeSpawner.sizes takes them; three if unset")
    mark_ready: Flag = setting(
        "JHKUBE_MARK_READY",
        False,
        "whether the form marks images that are on all nodes; the hub watches the nodes for it",
    )


class Prepuller(Section):
    """Images, brought to the nodes ahead."""

    count: ImageCount = setting("JHKUBE_PREPULL_COUNT", 4, "how many images jhkube prepull keeps on the nodes")
    nodes_at_once: AtOnce = setting("JHKUBE_PREPULL_NODES_AT_ONCE", 10, "how many nodes pull at the same time")
    deployment: Text = setting(
        "JHKUBE_PREPULL_DEPLOYMENT", "", "the Deployment that runs jhkube prepull: what it made goes with it"
    )
    priority_class: Text = setting(
        "JHKUBE_PREPULL_PRIORITY_CLASS", "", "the PriorityClass of the pods that pull, below that of the labs"
    )
    pause_image: Text = setting(
        "JHKUBE_PREPULL_PAUSE_IMAGE", "", "what the pods that pull run afterwards; registry.k8s.io's pause if unset"
    )


class Culler(Section):
    """Idle servers."""

    enabled: Flag = setting("JHKUBE_CULLER", False, "whether idle servers are stopped")
    timeout: WholeSeconds = setting("JHKUBE_CULLER_TIMEOUT", 3600, "seconds after which an idle server is stopped")
    sizes: SecondsByName = setting("JHKUBE_CULLER_SIZES", {}, "other idle times by size; they win over groups'")
    groups: SecondsByName = setting(
        "JHKUBE_CULLER_GROUPS", {}, "other idle times by hub group; the longest of a person's groups counts"
    )
    max_age: WholeSeconds = setting("JHKUBE_CULLER_MAX_AGE", 0, "seconds after which even one in use stops; 0: never")
    every: WholeSeconds = setting(
        "JHKUBE_CULLER_EVERY", 0, "seconds between checks; a tenth of the shortest idle time if 0"
    )
    warning: WholeSeconds = setting(
        "JHKUBE_CULLER_WARNING", 900, "seconds before an idle server stops from which its person is warned"
    )
    remove_after: WholeSeconds = setting(
        "JHKUBE_CULLER_REMOVE_AFTER",
        0,
        "seconds without use after which a stopped named server is removed with its disk; 0: never",
    )
    remove_warning: WholeSeconds = setting(
        "JHKUBE_CULLER_REMOVE_WARNING", 604800, "for how many seconds before its removal the person is warned"
    )
    unsaved_factor: Factor = setting(
        "JHKUBE_CULLER_UNSAVED_FACTOR",
        1,
        "how many times as long a stopped server is kept that may have unsaved work",
    )


class MyServers(Section):
    """The page and the API of one's servers."""

    enabled: Flag = setting("JHKUBE_MY_SERVERS", False, "whether there is the page and the API of one's servers")
    everybody: Flag = setting(
        "JHKUBE_MY_SERVERS_EVERYBODY",
        True,
        "whether everybody may use it; else whoever has a role with access:services!service=jhkube",
    )
    port: Port = setting("JHKUBE_MY_SERVERS_PORT", 8082, "the port of that service, where the hub runs it")
    url: Url = setting("JHKUBE_MY_SERVERS_URL", "", "where that service is, if something else runs it")
    token: Text = setting(
        "JHKUBE_MY_SERVERS_TOKEN", "", "the secret shared by the hub and that service, if something else runs it"
    )
    largest_disk: Quantity = setting(
        "JHKUBE_MY_SERVERS_LARGEST_DISK", "", "how large people may let their disks grow: 50Gi; not at all if unset"
    )
    secrets: Flag = setting(
        "JHKUBE_MY_SERVERS_SECRETS",
        False,
        "whether people can make secrets of their own there, and attach them to their servers",
    )
    own_disks: DiskCount = setting(
        "JHKUBE_MY_SERVERS_OWN_DISKS", 0, "how many disks a person may make without a server; none if 0"
    )
    kubeflow: Flag = setting("JHKUBE_MY_SERVERS_KUBEFLOW", False, "whether that service has Kubeflow's notebook API")
    renku_forge: Url = setting(
        "JHKUBE_MY_SERVERS_RENKU_FORGE",
        "",
        "the git host whose projects Renku's notebooks API starts: https://gitlab.example.org; no such API if unset",
    )


class Operator(Section):
    """Servers by custom resource, which `jhkube operator` has the hub start."""

    groups: Words = setting(
        "JHKUBE_OPERATOR_GROUPS", [], "the hub groups whose members' servers it may start and stop; none if unset"
    )
    token: Text = setting(
        "JHKUBE_OPERATOR_TOKEN", "", "the secret shared by the hub and the operator: 32 random bytes in hexadecimal"
    )


class Metrics(Section):
    """The hub's metrics."""

    public: Flag = setting("JHKUBE_METRICS_PUBLIC", False, "whether everybody may read /hub/metrics")
    token: Text = setting(
        "JHKUBE_METRICS_TOKEN", "", "a token with which Prometheus reads /hub/metrics: 32 random bytes in hexadecimal"
    )


class Values(Section):
    """All settings, in the order of the files that read them."""

    hub: Hub = Field(default_factory=Hub)
    proxy: Proxy = Field(default_factory=Proxy)
    several: Several = Field(default_factory=Several)
    log: Log = Field(default_factory=Log)
    auth: Auth = Field(default_factory=Auth)
    guests: Guests = Field(default_factory=Guests)
    github: GitHub = Field(default_factory=GitHub)
    cilogon: CILogon = Field(default_factory=CILogon)
    oidc: OIDC = Field(default_factory=OIDC)
    spawner: Spawner = Field(default_factory=Spawner)
    home: Home = Field(default_factory=Home)
    git: Git = Field(default_factory=Git)
    menu: Menu = Field(default_factory=Menu)
    prepuller: Prepuller = Field(default_factory=Prepuller)
    culler: Culler = Field(default_factory=Culler)
    my_servers: MyServers = Field(default_factory=MyServers)
    operator: Operator = Field(default_factory=Operator)
    metrics: Metrics = Field(default_factory=Metrics)
