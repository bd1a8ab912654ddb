# mypy: allow-untyped-calls
"""A name belongs to the person who came under it first, whoever has it at the provider later."""

from __future__ import annotations

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

        It hands an account over: to the person's own new account at the provider, or to a successor. The old owner's
        sessions and tokens end when the new one comes. The home stays the name's; its files keep the old uid, so
        change their owner, or give the old uid on, before the first start.

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

    async def check_identity(self, db: Any, auth_model: Mapping[str, Any]) -> None:
        """Refuse who has handed their account over and is still there."""
        await super().check_identity(db, auth_model)
        owner = self.account_handovers.get(auth_model["name"])
        if owner not in (None, auth_model["auth_state"][AUTH_STATE_KEY]["subject"]):
            raise Refused(f"the account belongs to {owner} now, by account_handovers")

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
        admitted: dict[str, Any] | None = await super().run_post_auth_hook(handler, auth_model)
        if admitted and user:
            if former not in (None, subject):
                self._end_sessions(handler.db, user, former)
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

    def _end_sessions(self, db: Any, user: Any, former: str | None) -> None:
        """End the former owner's cookies and tokens, but not the tokens that running servers have of their own."""
        self.log.warning("%s is handed over by %s; its sessions end", user.name, former)
        user.orm_user.cookie_id = new_token()
        for token in list(user.orm_user.api_tokens):
            if not (token.note or "").startswith("Server at "):
                db.delete(token)
        db.commit()
