"""Logging in with CILogon: the members of some groups may log in."""

from jhkube.settings import Settings

settings = Settings.load()

if settings["auth.provider"] == "cilogon":
    c.JupyterHub.authenticator_class = "jhkube-cilogon"
    c.CILogonGroupAuthenticator.cilogon_host = settings["cilogon.host"]
    c.CILogonGroupAuthenticator.client_id = settings["cilogon.clientId"]
    c.CILogonGroupAuthenticator.client_secret = settings["cilogon.clientSecret"]
    c.CILogonGroupAuthenticator.oauth_callback_url = settings["auth.callbackUrl"]
    c.CILogonGroupAuthenticator.idps = settings["cilogon.idps"]
    c.CILogonGroupAuthenticator.allowed_groups = set(settings["cilogon.allowed"])
    c.CILogonGroupAuthenticator.number_secret = settings["cilogon.numberSecret"]
    c.CILogonGroupAuthenticator.admin_users = set(settings["auth.admins"])
    c.CILogonGroupAuthenticator.auth_refresh_age = settings["auth.refreshAge"]
    c.CILogonGroupAuthenticator.stop_servers_of_leavers = settings["auth.stopServersOfLeavers"]
