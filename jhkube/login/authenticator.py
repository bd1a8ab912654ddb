# mypy: allow-untyped-calls
"""The steps of a login that all authenticators have in common: each is passed to what knows how."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from inspect import isawaitable
from typing import Any

from jupyterhub import crypto
from oauthenticator.oauth2 import OAuthenticator
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from traitlets import TraitError, default

from jhkube.identity import AUTH_STATE_KEY, UserIdentity, is_guest_name
from jhkube.login.claims import ClaimError, claim, groups_in, name_claim
from jhkube.login.client import CONNECTIONS, ProviderClient, scopes_in
from jhkube.login.errors import NoAccount, OddClaim, Refused
from jhkube.login.guest_login import GuestLoginHandler, login_page
from jhkube.login.guest_traits import GuestTraits
from jhkube.login.guests import GuestLimits, Guests
from jhkube.login.logout import LeavingHandler, tell_leaving
from jhkube.login.owners import NameOwners
from jhkube.login.refreshes import Spread, SpreadCallbackHandler, stamp
from jhkube.login.servers import RunningServers
from jhkube.login.sessions import Limits, Sessions
from jhkube.login.traits import LoginTraits
from jhkube.logs import hide_url_secrets

__all__ = ["KEY_HELP", "MEMBERSHIPS_KEY", "MEMORY_KEY", "ProviderAuthenticator"]

MEMBERSHIPS_KEY = "jhkube_memberships"
"""The key of auth_state for the provider's own names of the groups that a person is in."""

MEMORY_KEY = "jhkube_answers"
"""The key of auth_state for what the provider answered last, so that it can be asked for changes only."""

KEY_HELP = (
    "`openssl rand -hex 32` makes a key; to change it, set the new one and the old one with a semicolon in between, "
    "run `jhkube rekey`, and take the old one away."
)


class ProviderAuthenticator(LoginTraits, GuestTraits, OAuthenticator):
    """OAuthenticator, with a client, sessions and owners of its own."""

    callback_handler = SpreadCallbackHandler
    logout_handler = LeavingHandler

    @default("http_client")
    def _http_client_default(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, max_clients=CONNECTIONS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        provider, log = self.login_service, self.log
        if self.parent is not None and isinstance(log, logging.Logger):
            hide_url_secrets(log)
        options = {**self.http_request_kwargs, "validate_cert": self.validate_server_cert}
        self.client = ProviderClient(provider, lambda: self.http_client, options, log)
        self.servers = RunningServers(log)
        self.owners = NameOwners(
            provider,
            type(self).__name__,
            self.handovers,
            accepts_unknown=self.unknown_identity == "accept",
            subject_of=self._subject_in,
            servers=self.servers,
            log=log,
        )
        limits = Limits(
            refresh_timeout=self.refresh_timeout,
            refresh_age=self.auth_refresh_age,
            token_renewal_margin=self.token_renewal_margin,
            expired_token_grace=self.expired_token_grace,
            known_max_age=self.known_max_age,
            known_max_age_at_start=self.known_max_age_at_start,
            stop_servers_of_leavers=self.stop_servers_of_leavers,
        )
        self.sessions = Sessions(provider, limits, self, self.servers, log)
        self.spread = Spread(self.auth_refresh_age, self.refresh_spread)
        self.guests = Guests(self.guest_limits, self.servers, log)
        self._told_beyond: dict[str, list[str]] = {}
        if self.parent is not None and self.enable_auth_state:
            # The hub will not start either, but names no trait and no way out.
            try:
                crypto.CryptKeeper.instance().check_available()
            except crypto.EncryptionUnavailable as error:
                log.error("%s.enable_auth_state: %s. %s", type(self).__name__, error, KEY_HELP)

    @property
    def handovers(self) -> dict[str, str]:
        """`account_handovers` by the names that the hub gives its users, which are in lower case."""
        return {self.normalize_username(name): subject for name, subject in self.account_handovers.items()}

    @property
    def guest_limits(self) -> GuestLimits | None:
        """Who can be a guest, and for how long; None where `guest_login` is off."""
        if not self.guest_login:
            return None
        return GuestLimits(
            group=self.guest_group,
            idle_timeout=self.guest_idle_timeout,
            max_age=self.guest_max_age,
            limit=self.guest_limit,
            per_address=self.guests_per_address,
            per_hour=self.guests_per_hour,
            ids=self.guest_ids_range,
        )

    def get_handlers(self, app: Any) -> list[Any]:
        """Return upstream's handlers, and that of guests; called once, when the hub begins."""
        self.guests.begin(app)
        guests = [(r"/guest-login", GuestLoginHandler)] if self.guest_login else []
        return [*super().get_handlers(app), *guests]

    def get_custom_html(self, base_url: str) -> str:
        """Return the login page's own text: with a button for guests, unless the operator has another text."""
        text = str(super().get_custom_html(base_url))
        return login_page(base_url, self.login_service) if self.guest_login and not text else text

    def subject_of(self, user_info: Mapping[str, Any]) -> str | None:
        """Return the immutable id in the provider's own description of a person; None where it has none."""
        raise NotImplementedError

    async def check_identity(self, db: Any, auth_model: Mapping[str, Any]) -> None:
        """Raise `Refused` where a person's numbers are another's; called before they are kept."""

    def _subject_in(self, auth_state: Mapping[str, Any]) -> str | None:
        kept: str | None = (auth_state.get(AUTH_STATE_KEY) or {}).get("subject")
        return kept or self.subject_of(auth_state.get(self.user_auth_state_key) or {})

    async def fetch(self, req: HTTPRequest, label: str = "fetching", parse_json: bool = True, **kwargs: Any) -> Any:
        """Make a request as upstream's `fetch` does, with failures told apart and no answer's body in the log."""
        raise_error = kwargs.get("raise_error", True)
        return await self.client.fetch(req, label, parse_json=parse_json, raise_error=raise_error)

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer; see `ProviderClient.token` for what is added, and for errors."""
        return await self.client.token(self.token_url, self.build_token_info_request_headers(), params)

    def build_auth_state_dict(self, token_info: dict[str, Any], user_info: dict[str, Any]) -> dict[str, Any]:
        """Return upstream's auth_state, with scopes understood whether spaces or commas separate them."""
        scopes = scopes_in(token_info.get("scope") or "")
        auth_state: dict[str, Any] = super().build_auth_state_dict(token_info, user_info)
        return auth_state | {"scope": scopes}

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """Return upstream's name; refuse one that would be another line of the log, or unreadable in it.

        Raises
        ------
        OddClaim
            Where the claim that the name is made of is missing, or no text.
        """
        try:
            self.check_claims(user_info)
            name = str(super().user_info_to_username(user_info))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # Also what a `username_claim` of the operator's own raises for an answer that it does not expect.
            raise self.odd_claim("somebody", user_info, error) from None
        if not name.isprintable():
            raise self.no_account(repr(name), ValueError("the name has characters that cannot be printed"))
        return name

    def check_claims(self, user_info: dict[str, Any]) -> None:
        """Raise `ClaimError` where what the name is made of cannot be used."""
        if isinstance(self.username_claim, str):
            name_claim(user_info, self.username_claim)

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """Return the hub's groups: the provider's, or those of `auth_state_groups_key`, as `group_rules` has them."""
        # Whatever a group is called at the provider, its members are no guests.
        return await self._groups_at_provider(auth_state) - ({self.guest_group} if self.guest_login else set())

    async def _groups_at_provider(self, auth_state: dict[str, Any]) -> set[str]:
        key = self.auth_state_groups_key
        if not key:
            return self.rules.apply(auth_state[MEMBERSHIPS_KEY])
        if callable(key):
            value = key(auth_state)
            value = await value if isawaitable(value) else value
        else:
            value = claim(auth_state, key)
        if value is None:
            self.log.error("auth_state_groups_key: there is no %s in auth_state", key)
        try:
            return self.rules.apply(group.name for group in groups_in(value))
        except ClaimError as error:
            self.log.error("auth_state_groups_key: %s: %s", key, error)
            return set()

    def keep(self, auth_state: dict[str, Any], identity: UserIdentity, memberships: Iterable[str]) -> None:
        """Leave in auth_state who the person is, and which of the provider's groups they are in."""
        auth_state[AUTH_STATE_KEY] = identity.to_dict()
        auth_state[MEMBERSHIPS_KEY] = list(memberships)
        stamp(auth_state, {})
        beyond = [group.name for group in identity.groups[self.group_limit :]] if self.group_limit else []
        if beyond and self._told_beyond.get(identity.subject) != beyond:
            self._told_beyond[identity.subject] = beyond
            self.log.warning(
                "%s is in %d groups, of which file servers see %d; beyond are: %s. group_priority orders them",
                *(identity.name, len(identity.groups), self.group_limit, ", ".join(beyond)),
            )

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any] | None:
        """Refuse who is not the person that the name belongs to; then what upstream does.

        This is the one step of a login that knows the hub's users and that no configuration leaves out.
        """
        self._check_no_guest(auth_model)
        name, user = auth_model["name"], handler.find_user(auth_model["name"])
        subject = auth_model["auth_state"][AUTH_STATE_KEY]["subject"]
        before = await user.get_auth_state() if user else None
        is_handed_over = self.owners.check(name, subject, user, before)
        await self.check_identity(handler.db, auth_model)
        if user:
            under_way = self.sessions.under_way(user)
            await self.owners.end_what_is_anothers(
                handler, user, subject, is_handed_over=is_handed_over, under_way=under_way
            )
        admitted: dict[str, Any] | None = await super().run_post_auth_hook(handler, auth_model)
        if admitted and user:
            if is_handed_over:
                # None would leave the old owner's rights to the new one.
                admitted["admin"] = bool(admitted.get("admin"))
            if (admitted["auth_state"] or {}).get("access_token") != (before or {}).get("access_token"):
                self.servers.tell(user, admitted["auth_state"] or {})
        return admitted

    def _check_no_guest(self, auth_model: Mapping[str, Any]) -> None:
        """Refuse a person from the provider whose name or number is one that guests have."""
        name, identity = auth_model["name"], UserIdentity.from_dict(auth_model["auth_state"][AUTH_STATE_KEY])
        if is_guest_name(name):
            raise self.no_account(name, ValueError("only guests have names like this"))
        numbers = {identity.uid, identity.gid, *(group.gid for group in identity.groups)}
        if self.guest_login and (taken := sorted(number for number in numbers if number in self.guest_ids_range)):
            raise self.no_account(
                name, ValueError(f"{taken[0]} is a number of guests; set another range in guest_ids")
            )

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Return what has changed about a person, True for nothing or nothing that can be known, False to log out."""
        if not self.enable_auth_state:
            return True
        if is_guest_name(user.name):
            outcome: bool | dict[str, Any] = self.guests.may_stay(await user.get_auth_state())
        else:
            outcome = await self.sessions.refresh(user, handler)
            self.spread.note_refresh(user)
        if outcome is False:
            tell_leaving(user)
        if outcome is False and handler is not None and not hasattr(handler, "_token_authenticated"):
            # jupyterhub 6.1 reads this attribute next, and its pages without API tokens never set it.
            handler._token_authenticated = False
        return outcome

    async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Refuse a start for a person about whom nothing was learned for too long."""
        done = super().pre_spawn_start(user, spawner)
        if isawaitable(done):
            await done
        if await self.guests.is_over(user):
            raise Refused("Your time as a guest is over.")
        hook: Any = self.refresh_user_hook
        if hook is None and self.enable_auth_state and self.auth_refresh_age and self.refresh_pre_spawn:
            await self.sessions.check_start(user, spawner._log_name)

    async def refreshed_by_hook(self, user: Any, auth_state: Any) -> bool | dict[str, Any] | None:
        """Return what the operator's hook says; None where there is none, or it leaves the person to jhkube."""
        hook: Any = self.refresh_user_hook
        refreshed: bool | dict[str, Any] | None = (
            None if hook is None else await self._call_refresh_user_hook(user, auth_state)
        )
        return refreshed

    def new_owner(self, name: str, auth_state: Mapping[str, Any] | None) -> str | None:
        """Return who has an account now, where it is no longer whose auth_state this is."""
        return self.owners.new_owner(name, auth_state)

    async def current_model(self, name: str, auth_state: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the provider about a person; return their model, under the name that they have here."""
        token_info = auth_state["token_response"]
        user_info = await self.token_to_user({**token_info, MEMORY_KEY: auth_state.get(MEMORY_KEY) or {}})
        now = self.normalize_username(self.user_info_to_username(user_info))
        if now != name:
            self.log.info("%s is now called %s by %s, and keeps the name here", name, now, self.login_service)
        built: Any = self.build_auth_state_dict(token_info, user_info)
        state = await built if isawaitable(built) else built
        if self.modify_auth_state_hook is not None:
            state = await self._call_modify_auth_state_hook(state)
        # The hub's name and not the provider's: who renames themselves to an administrator gains nothing.
        admin = True if name in self.admin_users else None
        model: dict[str, Any] = await self.update_auth_model({"name": name, "admin": admin, "auth_state": state})
        if self.manage_groups:
            model = await self._apply_managed_groups(model)
        return model

    async def check_stay(self, user: Any, model: dict[str, Any]) -> None:
        """Raise `Refused` where the person would not be let in if they came now: the login's own questions."""
        for question in (self.check_blocked_users, self.check_allowed):
            if question == self.check_allowed and self.allow_all:
                continue
            reply = question(user.name, model)
            if not (await reply if isawaitable(reply) else reply):
                raise Refused("the person is no longer allowed on this hub")
        await self.check_identity(user.db, model)
        self._check_no_guest({**model, "name": user.name})

    async def renewed_state(self, handler: Any, auth_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Exchange the refresh token; return what upstream keeps of the answer."""
        refresh_token = auth_state["refresh_token"]
        info = await self.get_token_info(handler, self.build_refresh_token_request_params(refresh_token))
        if not info.get("refresh_token"):
            info["refresh_token"] = refresh_token
        fresh: Any = self.build_auth_state_dict(info, auth_state.get(self.user_auth_state_key) or {})
        state: Mapping[str, Any] = await fresh if isawaitable(fresh) else fresh
        return state

    def no_account(self, name: str, error: Exception) -> Refused:
        """Return the refusal of a person for whom there are no numbers, once the operators can read why."""
        self.log.error("%s cannot be given an account: %s", name, error)
        return NoAccount("This hub cannot give you an account. Please tell its operators: their log says why.")

    def odd_claim(self, name: str, user_info: Mapping[str, Any], error: Exception) -> OddClaim:
        """Return the refusal of a person about whom the provider's answer is odd, once the log says so."""
        what = str(error) if isinstance(error, ClaimError) else f"username_claim: {type(error).__name__}"
        subject = str(user_info.get("sub") or user_info.get("id"))
        self.log.error("%s cannot be given an account: %s (the answer is about %r)", name, what, subject[:255])
        return OddClaim(self.login_service, what)

    @property
    def operators_text(self) -> str:
        """The operators' own words for who is refused; empty where they set none."""
        text = str(self.custom_403_message)
        return "" if text == self.traits()["custom_403_message"].default_value else text

    def check_allow_config(self) -> None:
        """Do what upstream does at the hub's start; then stop it for mistakes, and warn of what is doubtful."""
        super().check_allow_config()
        errors = []
        for finding in self.findings():
            text = f"{type(self).__name__}.{finding.trait}: {finding.text}"
            if finding.is_error:
                errors.append(text)
            else:
                self.log.warning("%s", text)
        if errors:
            raise TraitError("; ".join(errors))
