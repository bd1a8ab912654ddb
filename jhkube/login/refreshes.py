"""When people were asked about, and when they are again: those who came together are not asked about together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from oauthenticator.oauth2 import OAuthCallbackHandler

__all__ = ["KNOWN_KEY", "STAMP_LASTS", "Spread", "SpreadCallbackHandler", "known_age", "stamp"]

KNOWN_KEY: Final = "jhkube_known_at"
"""The key of auth_state for when the provider last said who the person is, in Unix seconds."""

STAMP_LASTS: Final = 900
"""Seconds before that time is written again: a refresh in which nothing else changed writes nothing until then."""

GOLDEN: Final = 0.6180339887498949
"""Multiples of it, without their whole numbers, are far from each other, however many there are."""


class Spread:
    """Makes each person's refresh due sooner than `auth_refresh_age`, by a part of it that is theirs.

    JupyterHub keeps in memory when it last asked about a person, and asks again once that is `auth_refresh_age` ago.

    Parameters
    ----------
    refresh_age
        `auth_refresh_age`, in seconds.
    part
        The largest part of it by which a refresh is sooner.
    """

    def __init__(self, refresh_age: float, part: float) -> None:
        self._longest = refresh_age * part

    def sooner(self, user_id: int) -> float:
        """Return by how many seconds a person's refresh is sooner.

        Parameters
        ----------
        user_id
            The person's number in the hub's database. People who first came together have numbers in a row.
        """
        return self._longest * (user_id * GOLDEN % 1)

    def note_known(self, user: Any) -> None:
        """Have a person asked about sooner, after JupyterHub has noted that they are known now."""
        if user._auth_refreshed is not None:
            # Several requests at once may each have noted it.
            user._auth_refreshed = min(user._auth_refreshed, time.monotonic() - self.sooner(user.id))

    def note_refresh(self, user: Any) -> None:
        """Do the same after a refresh that is about to return: JupyterHub notes it before anything else runs."""
        asyncio.get_running_loop().call_soon(self.note_known, user)


class SpreadCallbackHandler(OAuthCallbackHandler):
    """OAuthenticator's end of a login, after which the first refresh is due."""

    async def login_user(self, data: Any = None) -> Any:
        """Return who has logged in; None where nobody has."""
        user = await super().login_user(data)  # type: ignore[no-untyped-call]
        if user is not None:
            self.authenticator.spread.note_known(user)
        return user


def stamp(auth_state: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Write down that a person is known now; a stamp that is young enough stays."""
    age = known_age(before)
    is_young = age is not None and 0 <= age < STAMP_LASTS
    auth_state[KNOWN_KEY] = before[KNOWN_KEY] if is_young else int(time.time())


def known_age(auth_state: Mapping[str, Any]) -> float | None:
    """Return the seconds since the provider last said who a person is; None where that is not known.

    No version has written it yet, or a clock was wrong: a time to come would keep somebody in until it is over.
    """
    known = auth_state.get(KNOWN_KEY)
    age = time.time() - known if isinstance(known, (int, float)) else None
    return None if age is None or age < -STAMP_LASTS else age
