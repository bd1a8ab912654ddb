"""Every setting of the sample configuration: its names, what it can be, and what it does; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jhkube.setting_kinds import (
    ADDRESSES,
    BASE_PATH,
    BIND_URL,
    DATABASE_URL,
    FLAG,
    HOST,
    HOST_AND_PORT,
    OBJECT,
    OBJECTS,
    PORT,
    QUANTITY,
    SECONDS,
    SECONDS_BY_NAME,
    SECRET,
    TEXT,
    TEXT_BY_NAME,
    URL,
    URLS,
    WHOLE_SECONDS,
    WORDS,
    Kind,
    choice,
    count,
)

__all__ = ["SETTINGS", "Setting"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that an operator may set."""

    name: str
    """Its name under `custom.jhkube` in the chart's values, with a dot between levels: `github.clientId`."""

    variable: str
    """The environment variable that sets it; the environment wins over the chart."""

    kind: Kind
    """What its value can be."""

    default: Any
    """The value where nothing sets it."""

    help: str
    """What it does, in one line."""


SETTINGS: Final = (
    # 00-base
    Setting(
        "hub.dataDir", "JHKUBE_DATA_DIR", TEXT, ".", "folder of the hub's database, cookie secret and menu cache"
    ),
    Setting(
        "hub.dbUrl", "JHKUBE_DB_URL", DATABASE_URL, "", "the session database; SQLite in the data folder if unset"
    ),
    Setting("hub.bindUrl", "JHKUBE_BIND_URL", BIND_URL, "", "where the proxy listens: http://127.0.0.1:8000/"),
    Setting("hub.baseUrl", "JHKUBE_BASE_URL", BASE_PATH, "", "the path below which the hub is: /jupyter/"),
    Setting("hub.connectHost", "JHKUBE_HUB_CONNECT_HOST", HOST, "", "the hub's address as pods and proxy see it"),
    Setting("hub.port", "JHKUBE_HUB_PORT", PORT, 8081, "the port on which pods and proxy reach the hub"),
    Setting("hub.concurrentSpawns", "JHKUBE_CONCURRENT_SPAWNS", count(1, 100_000), 100, "starts at once, then 429"),
    Setting("hub.namedServers", "JHKUBE_NAMED_SERVERS", FLAG, True, "whether a person can have several servers"),
    Setting(
        "hub.cryptKeysFile",
        "JHKUBE_CRYPT_KEYS_FILE",
        TEXT,
        "",
        "file of the keys that encrypt auth_state, one a line, the newest first; else JUPYTERHUB_CRYPT_KEY",
    ),
    Setting("proxy.apiUrl", "JHKUBE_PROXY_API_URL", URL, "", "the proxy's own API, if not http://127.0.0.1:8001"),
    Setting("proxy.authToken", "CONFIGPROXY_AUTH_TOKEN", SECRET, "", "what hub and proxy trust each other by"),
    Setting("proxy.external", "JHKUBE_PROXY_EXTERNAL", FLAG, False, "whether something else starts the proxy"),
    Setting(
        "proxy.trusted",
        "JHKUBE_TRUSTED_PROXIES",
        ADDRESSES,
        [],
        "addresses of proxies in front whose X-Forwarded-For is believed",
    ),
    Setting(
        "log.format", "JHKUBE_LOG_FORMAT", choice("text", "json"), "text", "how the hub writes its log: text or json"
    ),
    Setting(
        "log.level",
        "JHKUBE_LOG_LEVEL",
        choice("", "debug", "info", "warning", "error"),
        "",
        "from which level on: debug, info, warning or error; the hub's own if unset",
    ),
    # 10-auth
    Setting(
        "auth.provider",
        "JHKUBE_AUTH",
        Kind(
            "github, cilogon, or other for an authenticator that is configured elsewhere",
            {"type": "string", "enum": ["github", "cilogon", "other"]},
        ),
        "github",
        "who logs people in: github, cilogon or other",
    ),
    Setting("auth.callbackUrl", "OAUTH_CALLBACK_URL", URL, "", "the callback registered with the provider"),
    Setting("auth.admins", "JHKUBE_ADMINS", WORDS, [], "hub user names of the hub's administrators"),
    Setting(
        "auth.refreshAge", "JHKUBE_AUTH_REFRESH_AGE", WHOLE_SECONDS, 300, "how old a membership may get, in seconds"
    ),
    Setting(
        "auth.stopServersOfLeavers",
        "JHKUBE_STOP_SERVERS_OF_LEAVERS",
        FLAG,
        False,
        "whether servers stop whose person nothing lets in any more",
    ),
    Setting("github.url", "JHKUBE_GITHUB_URL", URL, "https://github.com", "GitHub, or a GitHub Enterprise Server"),
    Setting("github.clientId", "GITHUB_CLIENT_ID", TEXT, "", "the OAuth app's client id"),
    Setting("github.clientSecret", "GITHUB_CLIENT_SECRET", SECRET, "", "the OAuth app's client secret"),
    Setting("github.allowed", "JHKUBE_ALLOWED_ORGANIZATIONS", WORDS, [], "organizations whose members come in"),
    Setting("github.denied", "JHKUBE_DENIED_ORGANIZATIONS", WORDS, [], "organizations whose members do not"),
    Setting(
        "github.gitAccess",
        "JHKUBE_GIT_ACCESS",
        choice("none", "public", "all"),
        "all",
        "what git may reach: none, public or all",
    ),
    Setting("cilogon.host", "JHKUBE_CILOGON_HOST", TEXT, "cilogon.org", "CILogon, or a stand-in"),
    Setting("cilogon.clientId", "CILOGON_CLIENT_ID", TEXT, "", "the OIDC client's id"),
    Setting("cilogon.clientSecret", "CILOGON_CLIENT_SECRET", SECRET, "", "the OIDC client's secret"),
    Setting(
        "cilogon.idps",
        "JHKUBE_CILOGON_IDPS",
        OBJECT,
        {},
        "identity providers, as CILogonOAuthenticator.idps takes them",
    ),
    Setting("cilogon.allowed", "JHKUBE_ALLOWED_GROUPS", WORDS, [], "groups whose members come in"),
    Setting(
        "cilogon.numberSecret",
        "JHKUBE_CILOGON_NUMBER_SECRET",
        SECRET,
        "",
        "a site's secret for derived uids and gids; the same on hubs that share files",
    ),
    # 20-spawner
    Setting("spawner.namespace", "JHKUBE_NAMESPACE", TEXT, "", "the namespace of the pods; the hub's own if unset"),
    Setting("spawner.connectHost", "JHKUBE_POD_CONNECT_HOST", HOST, "", "the pods' address, if not their own IP"),
    Setting(
        "spawner.startTimeout",
        "JHKUBE_START_TIMEOUT",
        WHOLE_SECONDS,
        300,
        "the longest that a start may take, in seconds",
    ),
    Setting(
        "spawner.nodeSelector",
        "JHKUBE_NODE_SELECTOR",
        TEXT_BY_NAME,
        {},
        "labels of the nodes that servers, and images pulled ahead, go to",
    ),
    Setting("spawner.tolerations", "JHKUBE_TOLERATIONS", OBJECTS, [], "taints of nodes that servers put up with"),
    Setting(
        "home.kind",
        "JHKUBE_HOME_KIND",
        choice("pvc", "nfs", "shared-pvc"),
        "pvc",
        "where homes are: a claim each (pvc), an NFS export (nfs) or one claim (shared-pvc)",
    ),
    Setting("home.size", "JHKUBE_HOME_SIZE", QUANTITY, "10Gi", "the size of a person's home, for pvc"),
    Setting(
        "home.storageClass",
        "JHKUBE_STORAGE_CLASS",
        TEXT,
        "",
        "the homes' StorageClass, for pvc; the default if unset",
    ),
    Setting("home.nfsServer", "JHKUBE_NFS_SERVER", HOST, "", "the NFS server, for nfs"),
    Setting("home.nfsPath", "JHKUBE_NFS_PATH", TEXT, "", "the exported folder of all homes, for nfs"),
    Setting("home.nfsOptions", "JHKUBE_NFS_OPTIONS", WORDS, [], "mount options, for nfs: nfsvers=4.1"),
    Setting("home.claim", "JHKUBE_HOME_CLAIM", TEXT, "", "the claim of all homes, for shared-pvc"),
    Setting(
        "home.path", "JHKUBE_HOME_PATH", TEXT, "", "the home's path in the pod, a template; /home/{username} if unset"
    ),
    Setting(
        "home.madeBy",
        "JHKUBE_HOME_MADE_BY",
        choice("", "user", "root", "nobody"),
        "",
        "who makes a home's folder: user, root or nobody; by the kind of home if unset",
    ),
    Setting("git.hosts", "JHKUBE_GIT_HOSTS", URLS, [], "URLs of git hosts that take the token; GitHub's if unset"),
    # 30-options-form
    Setting("menu.repositories", "JHKUBE_REPOSITORIES", WORDS, [], "image repositories: registry.example/lab"),
    Setting("menu.insecure", "JHKUBE_INSECURE_REGISTRIES", HOST_AND_PORT, [], "registries that speak plain HTTP"),
    Setting(
        "menu.pullSecret",
        "JHKUBE_PULL_SECRET",
        TEXT,
        "",
        "the Secret with the account for the registries: the hub lists tags by it, kubelet pulls by it",
    ),
    Setting("menu.interval", "JHKUBE_MENU_INTERVAL", SECONDS, 60, "seconds between two looks at the registry"),
    Setting(
        "menu.offers",
        "JHKUBE_OFFERS",
        OBJECTS,
        [],
        "who is offered which tags, as ImageMenu.offers takes them",
    ),
    Setting(
        "menu.customImages",
        "JHKUBE_CUSTOM_IMAGES",
        WORDS,
        [],
        "regular expressions of images that anybody may type; nobody may if unset",
    ),
    Setting("menu.sizes", "JHKUBE_SIZES", OBJECTS, [], "sizes, as JHKubeSpawner.sizes takes them; three if unset"),
    Setting(
        "menu.markReady",
        "JHKUBE_MARK_READY",
        FLAG,
        False,
        "whether the form marks images that are on all nodes; the hub watches the nodes for it",
    ),
    # 35-prepuller
    Setting(
        "prepuller.count",
        "JHKUBE_PREPULL_COUNT",
        count(0, 100),
        4,
        "how many images jhkube prepull keeps on the nodes",
    ),
    Setting(
        "prepuller.nodesAtOnce",
        "JHKUBE_PREPULL_NODES_AT_ONCE",
        count(1, 100_000),
        10,
        "on how many nodes images are pulled at a time",
    ),
    Setting(
        "prepuller.deployment",
        "JHKUBE_PREPULL_DEPLOYMENT",
        TEXT,
        "",
        "the Deployment that runs jhkube prepull: what it made goes with it",
    ),
    Setting(
        "prepuller.priorityClass",
        "JHKUBE_PREPULL_PRIORITY_CLASS",
        TEXT,
        "",
        "the PriorityClass of the pods that pull, below that of the labs",
    ),
    Setting(
        "prepuller.pauseImage",
        "JHKUBE_PREPULL_PAUSE_IMAGE",
        TEXT,
        "",
        "what the pods that pull run afterwards; registry.k8s.io's pause if unset",
    ),
    # 40-services
    Setting("culler.enabled", "JHKUBE_CULLER", FLAG, False, "whether servers that nobody uses are stopped"),
    Setting(
        "culler.timeout", "JHKUBE_CULLER_TIMEOUT", WHOLE_SECONDS, 3600, "seconds without use after which one stops"
    ),
    Setting(
        "culler.sizes",
        "JHKUBE_CULLER_SIZES",
        SECONDS_BY_NAME,
        {},
        "other such times by size; a size's counts before a group's",
    ),
    Setting(
        "culler.groups",
        "JHKUBE_CULLER_GROUPS",
        SECONDS_BY_NAME,
        {},
        "other such times by hub group; the longest of a person's groups counts",
    ),
    Setting(
        "culler.maxAge",
        "JHKUBE_CULLER_MAX_AGE",
        WHOLE_SECONDS,
        0,
        "seconds after which even one in use stops; 0: never",
    ),
    Setting(
        "culler.every",
        "JHKUBE_CULLER_EVERY",
        WHOLE_SECONDS,
        0,
        "seconds between two looks; a tenth of the shortest time if 0",
    ),
    Setting(
        "myServers.enabled", "JHKUBE_MY_SERVERS", FLAG, False, "whether there is the page and API of one's servers"
    ),
    Setting(
        "myServers.everybody",
        "JHKUBE_MY_SERVERS_EVERYBODY",
        FLAG,
        True,
        "whether everybody may use it; else whoever has a role with access:services!service=jhkube",
    ),
    Setting(
        "myServers.port", "JHKUBE_MY_SERVERS_PORT", PORT, 8082, "the port of that service, where the hub runs it"
    ),
    Setting("myServers.url", "JHKUBE_MY_SERVERS_URL", URL, "", "where that service is, if something else runs it"),
    Setting(
        "myServers.token",
        "JHKUBE_MY_SERVERS_TOKEN",
        SECRET,
        "",
        "the secret shared by the hub and that service, if something else runs it",
    ),
    Setting(
        "myServers.largestDisk",
        "JHKUBE_MY_SERVERS_LARGEST_DISK",
        QUANTITY,
        "",
        "how large people may let their disks grow: 50Gi; not at all if unset",
    ),
    Setting("metrics.public", "JHKUBE_METRICS_PUBLIC", FLAG, False, "whether everybody may read /hub/metrics"),
    Setting(
        "metrics.token",
        "JHKUBE_METRICS_TOKEN",
        SECRET,
        "",
        "a token with which Prometheus reads /hub/metrics: 32 random bytes in hexadecimal",
    ),
)
"""Every setting, in the order of the files that read them."""
