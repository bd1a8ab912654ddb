"""Logging in with an OpenID Connect provider such as Keycloak or Dex: the members of some groups may log in."""

from jhkube.settings import Settings

settings = Settings.load()

if settings["auth.provider"] == "oidc":
    c.JupyterHub.authenticator_class = "jhkube-oidc"
    c.OIDCOrgAuthenticator.issuer = settings["oidc.issuer"]
    c.OIDCOrgAuthenticator.login_service = settings["oidc.name"]
    c.OIDCOrgAuthenticator.client_id = settings["oidc.clientId"]
    c.OIDCOrgAuthenticator.client_secret = settings["oidc.clientSecret"]
    c.OIDCOrgAuthenticator.oauth_callback_url = settings["auth.callbackUrl"]
    c.OIDCOrgAuthenticator.scope = settings["oidc.scope"]
    c.OIDCOrgAuthenticator.username_claim = settings["oidc.usernameClaim"]
    c.OIDCOrgAuthenticator.groups_claim = settings["oidc.groupsClaim"]
    c.OIDCOrgAuthenticator.allowed_groups = set(settings["oidc.allowed"])
    c.OIDCOrgAuthenticator.number_secret = settings["oidc.numberSecret"]
    c.OIDCOrgAuthenticator.admin_users = set(settings["auth.admins"])
    c.OIDCOrgAuthenticator.auth_refresh_age = settings["auth.refreshAge"]
    c.OIDCOrgAuthenticator.stop_servers_of_leavers = settings["auth.stopServersOfLeavers"]

    # People with an account in the cluster get their own namespace. The cluster decides what they may create there.
    if settings["oidc.clusterAccounts"]:
        c.JHKubeSpawner.enable_user_namespaces = True
        c.JHKubeSpawner.cluster_accounts = settings["oidc.clusterAccounts"]
