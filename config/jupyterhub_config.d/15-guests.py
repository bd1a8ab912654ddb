"""Guests: people who try the hub without an account at the provider; off unless JHKUBE_GUESTS is set."""

from jhkube.settings import Settings

settings = Settings.load()

# All of jhkube's authenticators have these settings.
if settings["guests.enabled"]:
    c.ProviderAuthenticator.guest_login = True
    c.ProviderAuthenticator.guest_group = settings["guests.group"]
    c.ProviderAuthenticator.guest_idle_timeout = settings["guests.idleTimeout"]
    c.ProviderAuthenticator.guest_max_age = settings["guests.maxAge"]
    c.ProviderAuthenticator.guest_limit = settings["guests.limit"]
    c.ProviderAuthenticator.guests_per_address = settings["guests.perAddress"]
    c.ProviderAuthenticator.guests_per_hour = settings["guests.perHour"]
    c.JHKubeSpawner.guest_home_size = settings["guests.homeSize"] or "1Gi"
