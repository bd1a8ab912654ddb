"""Logging out: what was prepared for the person goes."""

from __future__ import annotations

from typing import Any

from oauthenticator.oauth2 import OAuthLogoutHandler

__all__ = ["LeavingHandler", "tell_leaving"]


class LeavingHandler(OAuthLogoutHandler):
    """OAuthenticator's logout, which tells the person's spawners that they leave."""

    async def handle_logout(self) -> None:
        """Called by JupyterHub for everybody who logs out."""
        tell_leaving(self.current_user)
        await super().handle_logout()  # type: ignore[no-untyped-call]


def tell_leaving(user: Any) -> None:
    """Tell the spawners that a person has had, if they want to know, that the person's session has ended."""
    for spawner in [*getattr(user, "spawners", {}).values()]:
        leave = getattr(spawner, "leave", None)
        if leave is not None:
            leave("Logout")
