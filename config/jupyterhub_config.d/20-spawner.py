"""The pods: where they run, where homes are kept, and which git hosts get people's tokens."""

from urllib.parse import urlsplit

from jhkube.ahead.handlers import ahead_handlers
from jhkube.hub_pages import add_templates
from jhkube.settings import Settings

settings = Settings.load()

c.JupyterHub.spawner_class = "jhkube"
# jhkube's pages for a start and for a failed start.
add_templates(c)
if not settings.in_chart:
    c.JHKubeSpawner.default_url = "/lab"

# Where pods run, how the hub reaches them, and how long a start may take. The chart has its own timeout.
if settings["spawner.namespace"]:
    c.JHKubeSpawner.namespace = settings["spawner.namespace"]
if settings["spawner.connectHost"]:
    c.JHKubeSpawner.pod_connect_ip = settings["spawner.connectHost"]
if settings.unless_charts("spawner.startTimeout") is not None:
    c.JHKubeSpawner.start_timeout = settings["spawner.startTimeout"]
if settings["spawner.nodeSelector"]:
    c.JHKubeSpawner.node_selector = settings["spawner.nodeSelector"]
if settings["spawner.tolerations"]:
    c.JHKubeSpawner.tolerations = settings["spawner.tolerations"]

# A pod can wait for its start while the person reads the form. The program that waits needs the command.
c.JHKubeSpawner.start_ahead = settings["spawner.startAhead"]
c.JHKubeSpawner.start_ahead_limit = settings["spawner.startAheadLimit"]
c.JHKubeSpawner.start_ahead_seconds = settings["spawner.startAheadSeconds"]
if settings["spawner.startAhead"] != "off" and not settings.in_chart:
    c.JHKubeSpawner.cmd = ["jupyterhub-singleuser"]
if settings["spawner.startAhead"] != "off":
    # The form asks about the state of the pod.
    c.JupyterHub.extra_handlers.extend(ahead_handlers())

# Kubeflow's PodDefaults of the servers' namespace, as presets.
c.JHKubeSpawner.pod_defaults = settings["spawner.podDefaults"]

# Where homes are: a claim for each person, a folder of an NFS export, or a folder of one claim.
c.JHKubeSpawner.home = settings["home.kind"]
# If the chart does not mount homes (`singleuser.storage.type: none`), it has no size for them either.
if settings.unless_charts("home.size") is not None or "storage_capacity" not in c.KubeSpawner:
    c.JHKubeSpawner.storage_capacity = settings["home.size"]
if settings["home.storageClass"]:
    c.JHKubeSpawner.storage_class = settings["home.storageClass"]
# An export is refused if homes are somewhere else. Without this check people would get new, empty homes.
if settings["home.kind"] == "nfs" or settings["home.nfsServer"]:
    options = {"mount_options": settings["home.nfsOptions"]} if settings["home.nfsOptions"] else {}
    c.JHKubeSpawner.home_nfs = {"server": settings["home.nfsServer"], "path": settings["home.nfsPath"], **options}
c.JHKubeSpawner.home_claim = settings["home.claim"]
c.JHKubeSpawner.home_made_by = settings["home.madeBy"]
if settings["home.path"]:
    c.JHKubeSpawner.home_path = settings["home.path"]

# The git hosts that get the person's token: the GitHub that people log in with, unless others are set.
git_urls = settings["git.hosts"] or ([settings["github.url"]] if settings["auth.provider"] == "github" else [])
c.JHKubeSpawner.git_hosts = [{"scheme": url.scheme, "host": url.netloc} for url in map(urlsplit, git_urls)]

# The git hosts from which servers can start, the images of repositories, and the variables that people may set.
c.JHKubeSpawner.repository_hosts = settings["git.repositoryHosts"]
c.JHKubeSpawner.repository_image = settings["git.repositoryImage"]
c.JHKubeSpawner.environment_names = settings["spawner.environmentNames"]
