# mypy: allow-untyped-calls
"""How old what is known of a person may get while the provider tells nothing new."""

from __future__ import annotations

import time
from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

from traitlets import Integer

from jhkube.login.errors import Refused
from jhkube.login.provider import Provider

__all__ = ["KNOWN_KEY", "Known", "stamp"]

KNOWN_KEY = "jhkube_known_at"
"""The key of auth_state for when the provider last said who the person is, in Unix seconds."""

STAMP_LASTS = 900
"""Seconds before that time is written again: a refresh in which nothing else changed writes nothing until then."""


class Known(Provider):
    """Bounds for sessions and for starts; whatever a person can cause ends their session in the end."""

    known_max_age = Integer(
        8 * 3600,
        min=0,
        config=True,
        help="""
        Seconds for which a session goes on while nothing can be learned about the person: the provider is down, or
        the person has used up their own rate limit there. After that the session ends. Whoever has left can stay no
        longer than that. It is exact to a quarter of an hour.

        Example::

            c.GitHubOrgAuthenticator.known_max_age = 24 * 3600
        """,
    )

    known_max_age_at_start = Integer(
        3600,
        min=0,
        config=True,
        help="""
        The same before the start of a server: with older knowledge nothing is started, and what runs goes on. Less
        than a quarter of an hour (900) counts as that. It has
        no effect where there is no refresh before a start (`refresh_pre_spawn`, `auth_refresh_age`), and with a
        `refresh_user_hook`.

        Example::

            c.GitHubOrgAuthenticator.known_max_age_at_start = 4 * 3600
        """,
    )

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Refuse a start for a person about whom nothing was learned for too long."""
        done = super().pre_spawn_start(user, spawner)
        if isawaitable(done):
            await done
        if not (self.enable_auth_state and self.auth_refresh_age and self.refresh_pre_spawn):
            return
        auth_state = await user.get_auth_state() or {}
        hook: Any = self.refresh_user_hook
        if hook is not None or self.is_in_grace(auth_state):
            return
        age = known_age(auth_state)
        # A stamp that is young enough is not written again, so it may be this old while the provider answers.
        if age is not None and age > max(self.known_max_age_at_start, STAMP_LASTS):
            self.log.warning(
                "%s may not start a server: %s was last known %.0f s ago, more than known_max_age_at_start",
                *(spawner._log_name, user.name, age),
            )
            raise Refused(
                f"{self.login_service} has not answered about you for {age / 60:.0f} minutes, so no server can be "
                "started now. Servers that run go on. Please try again later."
            )

    def is_in_grace(self, auth_state: Mapping[str, Any]) -> bool:
        """Say whether the token has ended by itself, so that a trait of its own says how long a session goes on."""
        return False

    async def still_known(self, user: Any, auth_state: dict[str, Any]) -> bool:
        """Say whether a session may go on with what is known, when nothing new can be learned."""
        if self.is_in_grace(auth_state):
            return True
        age = known_age(auth_state)
        if age is None:
            # Read again: a renewal may have kept new tokens meanwhile. Where there is none, nothing is written.
            if now := await user.get_auth_state():
                await user.save_auth_state(now | {KNOWN_KEY: int(time.time())})
            return True
        if age <= self.known_max_age:
            return True
        self.log.warning(
            "%s: the session ends: nothing could be learned about them for %.0f s, more than known_max_age",
            *(user.name, age),
        )
        return False


def known_age(auth_state: Mapping[str, Any]) -> float | None:
    """Return the seconds since the provider last said who a person is; None where no version wrote it yet."""
    known = auth_state.get(KNOWN_KEY)
    return time.time() - known if isinstance(known, (int, float)) else None


def stamp(auth_state: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Write down that a person is known now; a stamp that is young enough stays."""
    age = known_age(before)
    is_young = age is not None and 0 <= age < STAMP_LASTS
    auth_state[KNOWN_KEY] = before[KNOWN_KEY] if is_young else int(time.time())
