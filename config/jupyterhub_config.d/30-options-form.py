"""The form: which images and sizes people choose from."""

from pathlib import Path

from jhkube.images.offer_rules import DEFAULT_OFFERS
from jhkube.settings import Settings
from jhkube.spawner import begin_menu_with_hub

settings = Settings.load()

# The repositories of images, and how often the hub asks the registry.
c.ImageMenu.repositories = settings["menu.repositories"]
c.ImageMenu.insecure_registries = settings["menu.insecure"]
c.ImageMenu.refresh_interval = settings["menu.interval"]
c.ImageMenu.cache_file = settings["several.menuCache"] or str(Path(settings["hub.dataDir"]).resolve() / "menu.json")
c.ImageMenu.shared_cache = bool(settings["several.menuCache"])
if settings["menu.pullSecret"]:
    c.ImageMenu.credentials_secret = settings["menu.pullSecret"]
    c.JHKubeSpawner.image_pull_secrets = [settings["menu.pullSecret"]]

# Which images each group is offered, and which other images people may type.
if settings["menu.offers"] or settings["menu.customImages"]:
    c.ImageMenu.offers = settings["menu.offers"] or list(DEFAULT_OFFERS)
if settings["menu.customImages"]:
    c.ImageMenu.offers += [{"kinds": {}, "custom_images": settings["menu.customImages"]}]

# The sizes of servers.
if settings["menu.sizes"]:
    c.JHKubeSpawner.sizes = settings["menu.sizes"]

# Whether the form marks images that are on all nodes. `jhkube prepull` pulls them there.
c.JHKubeSpawner.mark_ready_images = settings["menu.markReady"]

# The hub asks the registry when it starts, and does not wait for the first login.
begin_menu_with_hub()
