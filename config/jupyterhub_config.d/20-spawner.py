"""The pods: where they run, what holds people's homes, and which git hosts take their token."""

from urllib.parse import urlsplit

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
c.JHKubeSpawner.storage_capacity = settings["spawner.storage"]
c.JHKubeSpawner.home = "pvc"
c.JHKubeSpawner.home_made_by = settings["spawner.homeMadeBy"]

# Where git may offer the person's token: the GitHub that people log in with, unless others are set.
git_urls = settings["git.hosts"] or ([settings["github.url"]] if settings["auth.provider"] == "github" else [])
c.JHKubeSpawner.git_hosts = [{"scheme": url.scheme, "host": url.netloc} for url in map(urlsplit, git_urls)]
