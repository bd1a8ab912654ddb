"""Logging out: what was prepared for the person goes."""

from __future__ import annotations

from oauthenticator.oauth2 import OAuthLogoutHandler

__all__ = ["LeavingHandler"]


class LeavingHandler(OAuthLogoutHandler):
    """OAuthenticator's logout, which tells the person's spawner that they leave."""

    async def handle_logout(self) -> None:
        """Called by JupyterHub for everybody who logs out."""
        leave = getattr(getattr(self.current_user, "spawner", None), "leave", None)
        if leave is not None:
            leave("Logout")
        await super().handle_logout()  # type: ignore[no-untyped-call]
