"""What can come of asking an identity provider about a person, other than an answer."""

from __future__ import annotations

from tornado import web

__all__ = ["ProviderUnavailable", "Refused", "TokenRejected"]


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

    def __init__(self, provider: str, what: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{provider} did not answer as it should. Please try again in a minute.")
        self.what = what
        """What happened, for the log; not `reason`, which tornado would send to the browser."""
        self.retry_after = retry_after
        """Seconds for which the provider asked not to be asked again; 0 where it named none."""


class TokenRejected(_Shown):
    """A token, a refresh token or a code is not accepted any more, or is not meant for this hub."""

    status = 403


class Refused(_Shown):
    """The person is known, and may not come in; the message says why and what would help."""

    status = 403
