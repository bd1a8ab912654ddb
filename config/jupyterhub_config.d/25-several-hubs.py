"""Several hubs for the same people; off unless JHKUBE_HUB_NAME is set."""

from jhkube.hubs import first_page, parse_hubs
from jhkube.settings import Settings

settings = Settings.load()

if settings["several.name"]:
    c.JHKubeSpawner.hub_name = settings["several.name"]
    c.JHKubeSpawner.hubs = settings["several.hubs"]
# No two hubs write to a home at the same time.
c.JHKubeSpawner.home_lease = settings["several.homeLeases"]

if settings["several.name"] and settings["several.hubs"]:
    # Each hub sends people to their own hub. People who are logged in at the provider see no other page before it.
    otherwise = c.JupyterHub.get("default_url", "")
    c.JupyterHub.default_url = first_page(parse_hubs(settings["several.hubs"]), settings["several.name"], otherwise)
    if not settings["guests.enabled"]:
        c.Authenticator.auto_login = True
