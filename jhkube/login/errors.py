"""What can come of asking an identity provider about a person, other than an answer; and what people read then."""

from __future__ import annotations

from collections.abc import Collection

from tornado import web

__all__ = [
    "ListHidden",
    "ListWithheld",
    "NoAccount",
    "OddClaim",
    "ProviderUnavailable",
    "Refused",
    "TokenLimited",
    "TokenRejected",
    "TooManyGuests",
    "denied_text",
    "not_admitted_text",
    "unknown_idp_text",
]


class _Shown(web.HTTPError):
    """An error whose sentence the hub's error page shows, and its log."""

    status = 500

    def __init__(self, message: str) -> None:
        # HTTPError formats its message with its arguments: a percent sign in a name is no placeholder.
        super().__init__(self.status, message.replace("%", "%%"))
        self.jupyterhub_message = message

    def __str__(self) -> str:
        return self.jupyterhub_message


class ProviderUnavailable(_Shown):
    """The provider gave no answer that decides anything: it is down, slow, limits the rate, or is set up wrongly."""

    status = 503

    def __init__(self, provider: str, what: str, retry_after: float = 0.0, *, message: str = "") -> None:
        super().__init__(message or f"{provider} did not answer as it should. Please try again in a minute.")
        self.what = what
        """What happened, for the log; not `reason`, which tornado would send to the browser."""
        self.retry_after = retry_after
        """Seconds for which the provider asked not to be asked again; 0 where it named none."""


class TokenLimited(ProviderUnavailable):
    """One person's rate limit at the provider is used up; it answers everybody else."""

    def __init__(self, provider: str, what: str, retry_after: float = 0.0) -> None:
        super().__init__(
            provider,
            what,
            retry_after,
            message=f"{provider} limits the number of requests about you, and the limit is reached. "
            "Please try again later: it is reset within an hour.",
        )


class OddClaim(ProviderUnavailable):
    """The provider's answer about one person lacks what an account is made of; it answers everybody else."""

    status = 403

    def __init__(self, provider: str, what: str) -> None:
        super().__init__(
            provider,
            what,
            message=f"{provider} did not send what this hub needs for your account: {what}. Please tell the hub's "
            "operators this sentence: your identity provider has to release that claim, as one value.",
        )


class ListHidden(ProviderUnavailable):
    """GitHub leaves organizations out of its answer until the person signs in to them (SAML)."""

    status = 403

    def __init__(self, what: str, link: str) -> None:
        super().__init__("GitHub", what, message=_single_sign_on_text(link))


class ListWithheld(ProviderUnavailable):
    """The person's login does not show a list by which this hub denies: the address of a login can be changed."""

    status = 403

    def __init__(self, provider: str, what: str) -> None:
        super().__init__(
            provider,
            f"the token does not show {what}",
            message=f"This login did not let the hub see your {what} at {provider}, so it cannot tell whether you "
            "may come in. Log in again, and leave the permissions that the hub asks for as they are.",
        )


class TokenRejected(_Shown):
    """A token, a refresh token or a code is not accepted any more, or is not meant for this hub."""

    status = 403


class Refused(_Shown):
    """The person is known, and may not come in; the message says why and what would help."""

    status = 403


class NoAccount(Refused):
    """The person may come in, but there is no name or number for them."""


class TooManyGuests(_Shown):
    """Nobody, or nobody of this address, can become a guest now; the message says when."""

    status = 429

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(int(retry_after) + 1)} if retry_after else {}
        """What the hub sends with its error page."""


def not_admitted_text(
    provider: str,
    login: str,
    *,
    what: str,
    names: Collection[str] = (),
    hint: str = "",
    operators_text: str = "",
) -> str:
    """Return why a person is not allowed on this hub.

    Parameters
    ----------
    provider, login
        Where they came from, and as whom.
    what
        What would admit them, in the plural: `organizations or teams`.
    names
        The names of those, where they may be told.
    hint
        What else could be the reason.
    operators_text
        The operators' own words.
    """
    if names:
        by = f"Members of these {what} may use it: {', '.join(sorted(names))}."
    else:
        by = f"Members of certain {what} may use it; the hub's operators can tell you which."
    text = f"You logged in with {provider} as {login}, but {login} may not use this hub. {by}"
    return " ".join(part for part in (text, hint, operators_text) if part)


def denied_text(provider: str, login: str, *, what: str, operators_text: str = "") -> str:
    """Return why a person is kept out, whatever else would let them in; never the name of what does it."""
    text = f"You logged in with {provider} as {login}, and you are in {what} that this hub does not allow."
    return " ".join(part for part in (text, operators_text) if part)


def _single_sign_on_text(link: str) -> str:
    """Return what somebody reads of whose organizations GitHub shows a part; `link` is where to sign in."""
    return (
        "GitHub shows this hub only some of your organizations: the others require single sign-on (SAML), and you "
        f"have not signed in to them. Sign in at {link}, and then log in to this hub again."
    )


def unknown_idp_text(idp: str, operators_text: str = "") -> str:
    """Return what somebody reads whose identity provider this hub does not take."""
    shown = idp if idp.isprintable() and len(idp) <= 255 else "with an unreadable name"
    text = (
        f"You logged in with the identity provider {shown}, which this hub does not accept. Log in again in a "
        "private window and choose another one."
    )
    return " ".join(part for part in (text, operators_text) if part)
