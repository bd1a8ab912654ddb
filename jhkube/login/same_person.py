# mypy: allow-untyped-calls
"""A name belongs to the person who came under it first, whoever has it at the provider later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from jupyterhub.orm import new_token
from traitlets import Dict, Enum, Unicode

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.errors import Refused
from jhkube.login.sessions import Sessions

__all__ = ["SamePerson"]

ARRIVAL = 60.0
"""Seconds in which a first login is surely written down."""


class SamePerson(Sessions):
    """Compares who comes with who came before under the same name, by the provider's immutable id."""

    account_handovers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="""
        Accounts that belong to a certain person, whoever came under the name before: hub user names, each with the
        provider's immutable id as the log has it, `github:…` or `cilogon:…`. Nobody else comes in under such a name.

        It hands an account over: to the person's own new account at the provider, or to a successor. The first login
        of the new owner stops the old owner's servers and ends their sessions, tokens, shares and administrator's
        rights. The home is still the old owner's: see the guide to handing an account over.

        Example::

            c.GitHubOrgAuthenticator.account_handovers = {"ada": "github:6180339"}
        """,
    )

    unknown_identity = Enum(
        ["refuse", "accept"],
        default_value="refuse",
        config=True,
        help="""
        What becomes of a login under a name of which the hub holds an auth_state that does not tell whose it is: the
        key that encrypted it is lost (`JUPYTERHUB_CRYPT_KEY`), or another authenticator wrote it. `refuse` keeps a
        home from somebody who has taken over a name meanwhile. `accept` takes whoever comes first for the owner: set
        it while people come back after a lost key, then unset it.

        Example::

            c.GitHubOrgAuthenticator.unknown_identity = "accept"
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._arrivals: dict[str, tuple[str, float]] = {}

    def subject_of(self, user_info: Mapping[str, Any]) -> str | None:
        """Return the immutable id in the provider's own description of a person; None where it has none."""
        raise NotImplementedError

    async def _refresh(self, user: Any, handler: Any) -> bool | dict[str, Any]:
        """End the session of somebody whose account was handed over, whatever the provider says about them."""
        owner = self.account_handovers.get(user.name)
        if owner is not None and self._subject_in(await user.get_auth_state()) not in (None, owner):
            self.log.warning("%s: the session ends: the account is now %s's, by account_handovers", user.name, owner)
            self._count("ended")
            return False
        return await super()._refresh(user, handler)

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any] | None:
        """Refuse who is not the person that the name belongs to; then what upstream does.

        This is the one step of a login that knows the hub's users and that no configuration leaves out.
        """
        name, user = auth_model["name"], handler.find_user(auth_model["name"])
        subject = auth_model["auth_state"][AUTH_STATE_KEY]["subject"]
        before = await user.get_auth_state() if user else None
        former = self._subject_in(before)
        owner = self.account_handovers.get(name) or former
        if owner is None and user and user.encrypted_auth_state:
            self._refuse_unknown(name, subject, is_readable=before is not None)
        owner = owner or self._arrived(name, subject)
        if owner != subject:
            self._refuse_another(name, subject, owner)
        await self.check_identity(handler.db, auth_model)
        had_owner = bool(user and user.encrypted_auth_state)
        is_handed_over = had_owner and name in self.account_handovers and former != subject
        if user:
            await self._end_what_is_anothers(handler, user, subject, is_handed_over=is_handed_over)
        admitted: dict[str, Any] | None = await super().run_post_auth_hook(handler, auth_model)
        if admitted and user:
            if is_handed_over:
                # None would leave the old owner's rights to the new one.
                admitted["admin"] = bool(admitted.get("admin"))
            if (admitted["auth_state"] or {}).get("access_token") != (before or {}).get("access_token"):
                self.tell_servers(user, admitted["auth_state"] or {})
        return admitted

    def _subject_in(self, auth_state: Mapping[str, Any] | None) -> str | None:
        state = auth_state or {}
        kept: str | None = (state.get(AUTH_STATE_KEY) or {}).get("subject")
        return kept or self.subject_of(state.get(self.user_auth_state_key) or {})

    def _arrived(self, name: str, subject: str) -> str:
        """Return who came first under a name that the hub has not yet written down: two may come at once."""
        now = time.monotonic()
        self._arrivals = {key: value for key, value in self._arrivals.items() if now - value[1] < ARRIVAL}
        return self._arrivals.setdefault(name, (subject, now))[0]

    def _refuse_unknown(self, name: str, subject: str, *, is_readable: bool) -> None:
        if self.unknown_identity == "accept":
            self.log.warning("%s is taken for %s: the hub's auth_state does not tell whose it was", subject, name)
            return
        self.log.error(
            "%s (%s) is refused: nobody knows whose account it is, as its auth_state is %s; see %s.unknown_identity",
            *(name, subject, "another authenticator's" if is_readable else "not readable with the present keys"),
            type(self).__name__,
        )
        raise Refused(f"This hub cannot tell whether the account {name} is yours. Please tell its operators.")

    def _refuse_another(self, name: str, subject: str, owner: str) -> None:
        self.log.error(
            "%s (%s) is refused: the account here is %s's; %s.account_handovers can hand it over",
            *(name, subject, owner, type(self).__name__),
        )
        raise Refused(
            f"The account {name} on this hub belongs to somebody who had this name at {self.login_service} before. "
            "If it is yours, please tell the hub's operators: they can hand it over to you."
        )

    async def _end_what_is_anothers(self, handler: Any, user: Any, subject: str, *, is_handed_over: bool) -> None:
        """Stop the servers that were made for somebody else; of an account that is handed over, end everything."""
        if is_handed_over:
            self.log.warning(
                "%s is handed over to %s: its servers stop, its sessions and tokens end", user.name, subject
            )
            _end_sessions(handler.db, user)
        others = [
            spawner
            for spawner in user.spawners.values()
            if spawner.active and (is_handed_over or getattr(spawner, "made_for", "") not in ("", subject))
        ]
        ending: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._end_anothers(handler, user, each)) for each in others if not each.pending
        }
        if is_handed_over and user.id in self._flights:
            # A refresh of the old owner that is under way would write their auth_state over the new one's.
            ending.add(self._flights[user.id])
        if ending:
            await asyncio.wait(ending, timeout=handler.slow_stop_timeout)
        if any(each.active for each in others) or not all(each.done() for each in ending):
            raise Refused(
                f"The account {user.name} is being handed over to you, and a server of its former owner still runs. "
                "Please log in again in a minute; if it does not end, tell the hub's operators."
            )
        if is_handed_over:
            for name in list(user.spawners):
                # They remember what the old owner chose.
                del user.spawners[name]

    async def _end_anothers(self, handler: Any, user: Any, spawner: Any) -> None:
        self.log.warning("%s was made for somebody else, and is stopped", spawner._log_name)
        spawner._stop_pending = True
        try:
            await handler.proxy.delete_user(user, spawner.name)
            await user.stop(spawner.name)
        except Exception:
            self.log.exception("%s cannot be stopped", spawner._log_name)
        finally:
            spawner._stop_pending = False


def _end_sessions(db: Any, user: Any) -> None:
    """End every right that the owner so far has had or given: none of them says whose it is.

    The note of a token, such as `Server at /user/ada/`, is a text that anybody can write. What the last servers were
    started with goes too, since it may be an image of the old owner's own.
    """
    account = user.orm_user
    account.cookie_id = new_token()
    rights = (account.api_tokens, account.oauth_codes, account.shares, account.share_codes, account.shared_with_me)
    for right in (right for each in rights for right in each):
        db.delete(right)
    for server in account.orm_spawners.values():
        server.user_options = None
    db.commit()
