"""The pods: where they run, what holds people's homes, and which git hosts take their token."""

from jhkube.settings import Settings

settings = Settings.load()

c.JupyterHub.spawner_class = "jhkube"
if settings["spawner.namespace"]:
    c.JHKubeSpawner.namespace = settings["spawner.namespace"]
if settings["spawner.connectHost"]:
    c.JHKubeSpawner.pod_connect_ip = settings["spawner.connectHost"]
c.JHKubeSpawner.start_timeout = int(settings["spawner.startTimeout"])
c.JHKubeSpawner.default_url = "/lab"

# A claim for every person, of the cluster's default StorageClass, at /home/NAME.
c.JHKubeSpawner.storage_pvc_ensure = True
c.JHKubeSpawner.storage_capacity = settings["spawner.storage"]
c.JHKubeSpawner.home = {"kind": "pvc"}

# Where git may offer the person's token; an empty list stands for the GitHub that people log in with.
c.JHKubeSpawner.git_hosts = settings["git.hosts"] or (
    [settings["github.url"]] if settings["auth.provider"] == "github" else []
)
