"""The settings of logging in: the provider, and guests."""

from __future__ import annotations

from jhkube.deployment.setting_types import (
    AtOnce,
    Flag,
    GitAccess,
    Object,
    Provider,
    Quantity,
    Section,
    Text,
    Url,
    WholeSeconds,
    Words,
    setting,
)

__all__ = ["OIDC", "Auth", "CILogon", "GitHub", "Guests"]


class Auth(Section):
    """Logging in, whoever the provider is."""

    provider: Provider = setting("JHKUBE_AUTH", "github", "the authenticator: github, cilogon, oidc or other")
    callback_url: Url = setting("OAUTH_CALLBACK_URL", "", "the callback registered with the provider")
    admins: Words = setting("JHKUBE_ADMINS", [], "the user names of the hub's administrators")
    refresh_age: WholeSeconds = setting(
        "JHKUBE_AUTH_REFRESH_AGE", 300, "seconds after which memberships are checked again"
    )
    stop_servers_of_leavers: Flag = setting(
        "JHKUBE_STOP_SERVERS_OF_LEAVERS", False, "whether to stop the servers of people who may no longer log in"
    )


class Guests(Section):
    """People without an account at the provider."""

    enabled: Flag = setting("JHKUBE_GUESTS", False, "whether people can try the hub as guests, without an account")
    group: Text = setting("JHKUBE_GUEST_GROUP", "guests", "the hub group of all guests, and of nobody else")
    idle_timeout: WholeSeconds = setting(
        "JHKUBE_GUEST_IDLE_TIMEOUT", 3600, "seconds without activity after which a guest is removed"
    )
    max_age: WholeSeconds = setting(
        "JHKUBE_GUEST_MAX_AGE", 86_400, "seconds after which a guest is removed even if they are at work; 0: never"
    )
    limit: AtOnce = setting("JHKUBE_GUEST_LIMIT", 50, "how many guests there can be at a time")
    per_address: AtOnce = setting(
        "JHKUBE_GUESTS_PER_ADDRESS", 5, "how many guests may come from one address within an hour"
    )
    per_hour: AtOnce = setting("JHKUBE_GUESTS_PER_HOUR", 100, "how many guests may come within an hour in all")
    home_size: Quantity = setting("JHKUBE_GUEST_HOME_SIZE", "1Gi", "how large a guest's home may be; it is not kept")


class GitHub(Section):
    """Logging in with GitHub."""

    url: Url = setting("JHKUBE_GITHUB_URL", "https://github.com", "GitHub, or a GitHub Enterprise Server")
    client_id: Text = setting("GITHUB_CLIENT_ID", "", "the OAuth app's client id")
    client_secret: Text = setting("GITHUB_CLIENT_SECRET", "", "the OAuth app's client secret")
    allowed: Words = setting("JHKUBE_ALLOWED_ORGANIZATIONS", [], "organizations whose members may log in")
    denied: Words = setting("JHKUBE_DENIED_ORGANIZATIONS", [], "organizations whose members may not log in")
    git_access: GitAccess = setting(
        "JHKUBE_GIT_ACCESS", "all", "the repositories that git can use with the person's token: none, public or all"
    )


class CILogon(Section):
    """Logging in with CILogon."""

    host: Text = setting("JHKUBE_CILOGON_HOST", "cilogon.org", "CILogon, or a stand-in")
    client_id: Text = setting("CILOGON_CLIENT_ID", "", "the OIDC client's id")
    client_secret: Text = setting("CILOGON_CLIENT_SECRET", "", "the OIDC client's secret")
    idps: Object = setting("JHKUBE_CILOGON_IDPS", {}, "identity providers, as in CILogonOAuthenticator.idps")
    allowed: Words = setting("JHKUBE_ALLOWED_GROUPS", [], "groups whose members may log in")
    number_secret: Text = setting(
        "JHKUBE_CILOGON_NUMBER_SECRET",
        "",
        "a site's secret for derived uids and gids; the same on hubs that share files",
    )


class OIDC(Section):
    """Logging in with any OpenID Connect provider."""

    issuer: Url = setting(
        "JHKUBE_OIDC_ISSUER", "", "the OpenID Connect provider's issuer, exactly as in its id tokens"
    )
    name: Text = setting(
        "JHKUBE_OIDC_NAME", "OpenID Connect", "the provider's name, on the login button and in messages"
    )
    client_id: Text = setting("OAUTH_CLIENT_ID", "", "the OpenID Connect client's id")
    client_secret: Text = setting("OAUTH_CLIENT_SECRET", "", "the OpenID Connect client's secret")
    scope: Words = setting("JHKUBE_OIDC_SCOPE", ["openid", "profile", "email"], "the OAuth scopes to ask for")
    username_claim: Text = setting(
        "JHKUBE_OIDC_USERNAME_CLAIM", "preferred_username", "the claim that becomes the hub user name"
    )
    groups_claim: Text = setting("JHKUBE_OIDC_GROUPS_CLAIM", "groups", "the claim with a person's groups")
    allowed: Words = setting("JHKUBE_OIDC_ALLOWED_GROUPS", [], "groups whose members may log in")
    number_secret: Text = setting(
        "JHKUBE_OIDC_NUMBER_SECRET",
        "",
        "a site's secret for derived uids and gids; the same on hubs that share files",
    )
    cluster_accounts: Object = setting(
        "JHKUBE_OIDC_CLUSTER_ACCOUNTS",
        {},
        "how the cluster's API server names the same people, as in JHKubeSpawner.cluster_accounts; each person then"
        " has a namespace, and needs rights in it",
    )
