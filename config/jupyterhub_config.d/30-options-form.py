"""The form: which images and sizes people choose from."""

from pathlib import Path

from jhkube.settings import Settings

settings = Settings.load()

c.ImageMenu.repositories = settings["menu.repositories"]
c.ImageMenu.insecure_registries = settings["menu.insecure"]
c.ImageMenu.refresh_interval = settings["menu.interval"]
c.ImageMenu.cache_file = str(Path(settings["hub.dataDir"]).resolve() / "menu.json")
if settings["menu.sizes"]:
    c.JHKubeSpawner.sizes = settings["menu.sizes"]
