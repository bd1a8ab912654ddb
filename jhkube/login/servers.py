"""What becomes of a person's running servers when their token, their right to come in or their account changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from jhkube.metrics import POD_TOKEN_UPDATES

__all__ = ["RunningServers"]


class RunningServers:
    """Gives servers new tokens and stops them; most of it in the background, since people wait for their page.

    Parameters
    ----------
    log
        Where it is told.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Future[None]] = set()

    def tell(self, user: Any, auth_state: Mapping[str, Any]) -> None:
        """Give a new token to the person's running servers, in the background."""
        for spawner in list(user.spawners.values()):
            if spawner.active and hasattr(spawner, "renew_token"):
                self._begin(self._tell(spawner, auth_state))

    def stop_leavers(self, user: Any, handler: Any) -> None:
        """Stop the servers of somebody who is no longer allowed on this hub, in the background.

        Parameters
        ----------
        user
            The person.
        handler
            The request's handler, which takes the routes out of the proxy too; None where there is no request.
        """
        for name, spawner in list(user.spawners.items()):
            if spawner.ready:
                self._begin(self._stop(user, name, handler, "is no longer allowed on this hub"))

    def check_rights(self, user: Any, auth_state: Mapping[str, Any], handler: Any, *, stops: bool) -> None:
        """Look in the background whether the person may still make in the cluster what their servers are made of.

        Parameters
        ----------
        user, handler
            As `stop_leavers` takes them.
        auth_state
            What is known of the person now.
        stops
            Whether a server is stopped whose person may not; else it goes on, and the log says so.
        """
        for name, spawner in list(user.spawners.items()):
            if spawner.ready and hasattr(spawner, "lost_rights"):
                self._begin(self._check_rights(user, name, auth_state, handler, stops=stops))

    async def end(self, hub: Any, user: Any, spawner: Any, why: str = "was made for somebody else") -> None:
        """Stop a server, and return when it has ended or cannot be.

        Parameters
        ----------
        hub
            What has the hub's `proxy`: a handler, or the application.
        user, spawner
            Whose server, and which.
        why
            The reason, for the log.
        """
        self._log.warning("%s %s, and is stopped", spawner._log_name, why)
        spawner._stop_pending = True
        try:
            await hub.proxy.delete_user(user, spawner.name)
            await user.stop(spawner.name)
        except Exception:
            self._log.exception("%s cannot be stopped", spawner._log_name)
        finally:
            spawner._stop_pending = False

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, spawner: Any, auth_state: Mapping[str, Any]) -> None:
        try:
            await spawner.renew_token(auth_state)
            POD_TOKEN_UPDATES.labels("done").inc()
        except Exception as error:
            POD_TOKEN_UPDATES.labels("failed").inc()
            self._log.warning("%s keeps its old token: %s: %s", spawner._log_name, type(error).__name__, error)

    async def _check_rights(
        self, user: Any, name: str, auth_state: Mapping[str, Any], handler: Any, *, stops: bool
    ) -> None:
        spawner = user.spawners[name]
        try:
            lost = await spawner.lost_rights(auth_state)
        except Exception as error:
            self._log.warning("%s goes on, its person's rights are not known: %s", spawner._log_name, error)
            return
        if lost and stops:
            await self._stop(user, name, handler, f"may not {lost} in the cluster any more")
        elif lost:
            self._log.warning("%s goes on, but %s may not %s any more", spawner._log_name, user.name, lost)

    async def _stop(self, user: Any, name: str, handler: Any, why: str) -> None:
        where = user.spawners[name]._log_name
        self._log.warning("%s is stopped: %s %s (stop_servers_of_leavers)", where, user.name, why)
        try:
            # The handler's way takes the route out of the proxy, too.
            await (user.stop(name) if handler is None else handler.stop_single_user(user, name))
        except Exception as error:
            self._log.error("%s could not be stopped: %s: %s", where, type(error).__name__, error)
