# mypy: allow-untyped-calls
"""What becomes of the running servers of somebody whom nothing lets in any more."""

from __future__ import annotations

import asyncio
from typing import Any

from traitlets import Bool

from jhkube.login.provider import Provider

__all__ = ["Leavers"]


class Leavers(Provider):
    """Stops servers, where the operators want that."""

    stop_servers_of_leavers = Bool(
        False,
        config=True,
        help="""
        Whether the servers of somebody are stopped whose session ends since nothing lets them in any more, something
        denies them, or their token was revoked. Homes stay. By default servers go on until somebody stops them, or
        [a culler](../howto/idle-culler.md).

        A look is made when the person or their server next talks to the hub, after `auth_refresh_age`; JupyterLab
        does so every five minutes. An outage of the provider stops nothing.

        Example::

            c.GitHubOrgAuthenticator.stop_servers_of_leavers = True
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._stops: set[asyncio.Future[None]] = set()

    def stop_servers(self, user: Any, handler: Any) -> None:
        """Stop a person's servers in the background, where the trait says so."""
        if not self.stop_servers_of_leavers:
            return
        for name, spawner in list(user.spawners.items()):
            if spawner.ready:
                task = asyncio.ensure_future(self._stop(user, name, handler))
                self._stops.add(task)
                task.add_done_callback(self._stops.discard)

    async def _stop(self, user: Any, name: str, handler: Any) -> None:
        where = user.spawners[name]._log_name
        self.log.warning("%s is stopped: nothing lets %s in any more (stop_servers_of_leavers)", where, user.name)
        try:
            # The handler's way takes the route out of the proxy, too.
            await (user.stop(name) if handler is None else handler.stop_single_user(user, name))
        except Exception as error:
            self.log.error("%s could not be stopped: %s: %s", where, type(error).__name__, error)
