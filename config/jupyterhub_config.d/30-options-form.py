"""The form: which images and sizes people choose from."""

from pathlib import Path

from jhkube.settings import Settings
from jhkube.spawner import begin_menu_with_hub

settings = Settings.load()

c.ImageMenu.repositories = settings["menu.repositories"]
c.ImageMenu.insecure_registries = settings["menu.insecure"]
c.ImageMenu.refresh_interval = settings["menu.interval"]
c.ImageMenu.cache_file = str(Path(settings["hub.dataDir"]).resolve() / "menu.json")
if settings["menu.sizes"]:
    c.JHKubeSpawner.sizes = settings["menu.sizes"]

# The registry is asked from the start of the hub on, not from the first login.
begin_menu_with_hub()
