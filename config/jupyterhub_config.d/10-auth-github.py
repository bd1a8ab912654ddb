"""Logging in with GitHub: the members of some organizations may log in, and organizations become groups."""

from jhkube.settings import Settings

settings = Settings.load()

if settings["auth.provider"] == "github":
    c.JupyterHub.authenticator_class = "jhkube-github"
    c.GitHubOrgAuthenticator.github_url = settings["github.url"]
    c.GitHubOrgAuthenticator.client_id = settings["github.clientId"]
    c.GitHubOrgAuthenticator.client_secret = settings["github.clientSecret"]
    c.GitHubOrgAuthenticator.oauth_callback_url = settings["auth.callbackUrl"]
    c.GitHubOrgAuthenticator.allowed_organizations = set(settings["github.allowed"])
    c.GitHubOrgAuthenticator.denied_organizations = set(settings["github.denied"])
    c.GitHubOrgAuthenticator.git_access = settings["github.gitAccess"]
    c.GitHubOrgAuthenticator.admin_users = set(settings["auth.admins"])
    c.GitHubOrgAuthenticator.auth_refresh_age = settings["auth.refreshAge"]
    c.GitHubOrgAuthenticator.stop_servers_of_leavers = settings["auth.stopServersOfLeavers"]
