"""Every setting of the sample configuration: its names, what its value can be, and what it does."""

from __future__ import annotations

from pydantic import Field

from jhkube.deployment.login_settings import OIDC, Auth, CILogon, GitHub, Guests
from jhkube.deployment.setting_types import (
    Addresses,
    AheadSeconds,
    AtOnce,
    BasePath,
    BindUrl,
    DatabaseUrl,
    DiskCount,
    Factor,
    Flag,
    FolderMaker,
    HomeKind,
    Host,
    HostsAndPorts,
    HubName,
    ImageCount,
    LogFormat,
    LogLevel,
    Objects,
    PodDefaults,
    Port,
    Quantity,
    Seconds,
    SecondsByName,
    Section,
    StartAhead,
    Text,
    TextByName,
    Url,
    Urls,
    WholeSeconds,
    Words,
    setting,
)

__all__ = ["Values"]


class Hub(Section):
    """The hub itself."""

    data_dir: Text = setting("JHKUBE_DATA_DIR", ".", "folder of the hub's database, cookie secret and menu cache")
    db_url: DatabaseUrl = setting("JHKUBE_DB_URL", "", "the hub's database; SQLite in the data folder if unset")
    bind_url: BindUrl = setting(
        "JHKUBE_BIND_URL", "", "the address on which the proxy accepts connections: http://127.0.0.1:8000/"
    )
    base_url: BasePath = setting("JHKUBE_BASE_URL", "", "the path below which the hub is: /jupyter/")
    connect_host: Host = setting("JHKUBE_HUB_CONNECT_HOST", "", "the hub's address as pods and proxy see it")
    port: Port = setting("JHKUBE_HUB_PORT", 8081, "the port on which pods and proxy reach the hub")
    concurrent_spawns: AtOnce = setting(
        "JHKUBE_CONCURRENT_SPAWNS", 100, "how many servers start at the same time; others get the answer 429"
    )
    named_servers: Flag = setting("JHKUBE_NAMED_SERVERS", True, "whether a person can have several servers")
    crypt_keys_file: Text = setting(
        "JHKUBE_CRYPT_KEYS_FILE",
        "",
        "file of the keys that encrypt auth_state, one in each line, the newest first; JUPYTERHUB_CRYPT_KEY if unset",
    )


class Proxy(Section):
    """The proxy of the hub, and proxies in front of it."""

    api_url: Url = setting("JHKUBE_PROXY_API_URL", "", "the proxy's own API, if not http://127.0.0.1:8001")
    auth_token: Text = setting("CONFIGPROXY_AUTH_TOKEN", "", "the secret shared by hub and proxy")
    external: Flag = setting("JHKUBE_PROXY_EXTERNAL", False, "whether something else starts the proxy")
    trusted: Addresses = setting("JHKUBE_TRUSTED_PROXIES", [], "proxies in front whose X-Forwarded-For is trusted")


class Several(Section):
    """Several hubs for the same people."""

    name: HubName = setting("JHKUBE_HUB_NAME", "", "the name of this hub, if several serve the same people: a")
    hubs: Objects = setting(
        "JHKUBE_HUBS",
        [],
        "all these hubs, and who belongs to which, as in JHKubeSpawner.hubs; the same on every hub",
    )
    home_leases: Flag = setting(
        "JHKUBE_HOME_LEASES", False, "whether one hub at a time uses a home; a Lease says which one"
    )
    menu_cache: Text = setting(
        "JHKUBE_SHARED_MENU",
        "",
        "a file for the menu that all these hubs share, so that only one of them asks the registries",
    )


class Log(Section):
    """The hub's log."""

    format: LogFormat = setting("JHKUBE_LOG_FORMAT", "text", "the format of the hub's log: text or json")
    level: LogLevel = setting("JHKUBE_LOG_LEVEL", "", "debug, info, warning or error; JupyterHub's own if unset")


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
        "environment variables that people may set, as in JHKubeSpawner.environment_names",
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
        "where homes are kept: a claim for each person (pvc), an NFS export (nfs) or one claim for all (shared-pvc)",
    )
    size: Quantity = setting("JHKUBE_HOME_SIZE", "10Gi", "the size of a person's home, for pvc")
    storage_class: Text = setting(
        "JHKUBE_STORAGE_CLASS", "", "the homes' StorageClass, for pvc; the default if unset"
    )
    nfs_server: Host = setting("JHKUBE_NFS_SERVER", "", "the NFS server, for nfs")
    nfs_path: Text = setting("JHKUBE_NFS_PATH", "", "the exported folder of all homes, for nfs")
    nfs_options: Words = setting("JHKUBE_NFS_OPTIONS", [], "mount options, for nfs: nfsvers=4.1")
    claim: Text = setting(
        "JHKUBE_HOME_CLAIM", "", "the claim of all homes, for shared-pvc, or for nfs with mount options"
    )
    path: Text = setting("JHKUBE_HOME_PATH", "", "the home's path in the pod, a template; /home/{username} if unset")
    made_by: FolderMaker = setting(
        "JHKUBE_HOME_MADE_BY",
        "",
        "who creates a home's folder: user, root or nobody; depends on the kind of home if unset",
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
        "the Secret with the account for the registries; the hub lists tags with it, kubelet pulls images with it",
    )
    interval: Seconds = setting("JHKUBE_MENU_INTERVAL", 60, "seconds between two refreshes of the menu")
    offers: Objects = setting("JHKUBE_OFFERS", [], "which images are offered to whom, as in ImageMenu.offers")
    custom_images: Words = setting("JHKUBE_CUSTOM_IMAGES", [], "regular expressions of images that people may type")
    sizes: Objects = setting("JHKUBE_SIZES", [], "sizes of servers, as in JHKubeSpawner.sizes; three sizes if unset")
    mark_ready: Flag = setting(
        "JHKUBE_MARK_READY",
        False,
        "whether the form marks images that are on all nodes; for this the hub watches the nodes",
    )


class Prepuller(Section):
    """Images on the nodes before anybody asks for them."""

    count: ImageCount = setting("JHKUBE_PREPULL_COUNT", 4, "how many images jhkube prepull keeps on the nodes")
    nodes_at_once: AtOnce = setting("JHKUBE_PREPULL_NODES_AT_ONCE", 10, "how many nodes pull at the same time")
    deployment: Text = setting(
        "JHKUBE_PREPULL_DEPLOYMENT", "", "the Deployment that runs jhkube prepull; its objects are deleted with it"
    )
    priority_class: Text = setting(
        "JHKUBE_PREPULL_PRIORITY_CLASS", "", "the PriorityClass of the pods that pull, below that of the labs"
    )
    pause_image: Text = setting(
        "JHKUBE_PREPULL_PAUSE_IMAGE",
        "",
        "the image that the prepuller's pods run after pulling; registry.k8s.io/pause:3.10 if unset",
    )


class Culler(Section):
    """Idle servers."""

    enabled: Flag = setting("JHKUBE_CULLER", False, "whether idle servers are stopped")
    timeout: WholeSeconds = setting("JHKUBE_CULLER_TIMEOUT", 3600, "seconds after which an idle server is stopped")
    sizes: SecondsByName = setting(
        "JHKUBE_CULLER_SIZES", {}, "other idle times by size; they win over those of groups"
    )
    groups: SecondsByName = setting(
        "JHKUBE_CULLER_GROUPS", {}, "other idle times by hub group; the longest of a person's groups counts"
    )
    max_age: WholeSeconds = setting(
        "JHKUBE_CULLER_MAX_AGE", 0, "seconds after which a server is stopped even if it is in use; 0: never"
    )
    every: WholeSeconds = setting(
        "JHKUBE_CULLER_EVERY", 0, "seconds between checks; 0: a tenth of the shortest idle time"
    )
    warning: WholeSeconds = setting(
        "JHKUBE_CULLER_WARNING",
        900,
        "seconds before the culler stops a server, idle or at its maximum age, from which its person is warned",
    )
    remove_after: WholeSeconds = setting(
        "JHKUBE_CULLER_REMOVE_AFTER",
        0,
        "seconds without use after which a stopped named server is removed with its disk; 0: never",
    )
    remove_warning: WholeSeconds = setting(
        "JHKUBE_CULLER_REMOVE_WARNING",
        604800,
        "seconds before the removal of a server from which its person is warned",
    )
    unsaved_factor: Factor = setting(
        "JHKUBE_CULLER_UNSAVED_FACTOR",
        1,
        "the factor for the time until removal if a server may have unsaved work; 2: twice as long",
    )


class MyServers(Section):
    """The service My servers: a page and an API for people's own servers."""

    enabled: Flag = setting(
        "JHKUBE_MY_SERVERS",
        False,
        "whether there is the service My servers, a page and an API for people's own servers",
    )
    everybody: Flag = setting(
        "JHKUBE_MY_SERVERS_EVERYBODY",
        True,
        "whether everybody may use it; if not, a role with access:services!service=jhkube is needed",
    )
    port: Port = setting("JHKUBE_MY_SERVERS_PORT", 8082, "the port of that service, if the hub runs it")
    url: Url = setting("JHKUBE_MY_SERVERS_URL", "", "the URL of that service, if something else runs it")
    token: Text = setting(
        "JHKUBE_MY_SERVERS_TOKEN", "", "the secret shared by the hub and that service, if something else runs it"
    )
    largest_disk: Quantity = setting(
        "JHKUBE_MY_SERVERS_LARGEST_DISK",
        "",
        "the size up to which people can enlarge their disks: 50Gi; not at all if unset",
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
        "the git host of the projects that Renku's notebooks API starts: https://gitlab.example.org; no API if unset",
    )


class Operator(Section):
    """Servers by custom resource, which the hub starts for `jhkube operator`."""

    groups: Words = setting(
        "JHKUBE_OPERATOR_GROUPS",
        [],
        "the hub groups whose members' servers jhkube operator may start and stop; none if unset",
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
