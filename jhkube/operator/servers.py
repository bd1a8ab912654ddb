"""What is done for a JupyterServer: the hub is asked how it stands, told what to do, and the status says so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.kube import CONFLICT, NOT_FOUND
from jhkube.operator.cluster import Cluster
from jhkube.operator.conditions import START_FAILED, Outcome, Phase
from jhkube.operator.hub import Hub, HubAway, HubRefusal
from jhkube.operator.known import Known
from jhkube.operator.server_spec import AskedServer, read_server
from jhkube.operator.server_status import CHANGED, SLOW, Action, Memory, Step, next_step, server_status
from jhkube.operator.told import tell
from jhkube.operator.work import TryAgain
from jhkube.service.hub_answers import HubServer, HubServers
from jhkube.service.server_views import state_of
from jhkube.watch.packed import object_key

__all__ = ["FINALIZER", "Servers"]

log = logging.getLogger("jhkube.operator")

FINALIZER: Final = "jhkube.dev/server"
"""What keeps a resource that is deleted, until its server is stopped."""

SOON: Final = 1.0
LATER: Final = 10.0
AT_MOST: Final = 10.0
"""How many servers are looked at in a second at the most, where nothing is about to change."""

_NOTED: Final = frozenset({Phase.RESTARTING, Phase.STOPPED})


class Servers:
    """What is done for JupyterServers.

    Parameters
    ----------
    cluster
        Requests to the API server.
    known
        The resources.
    hub
        The hub.
    public_url
        The hub's address as people open it, without a slash at the end; empty where it is not known.
    """

    def __init__(self, cluster: Cluster, known: Known, hub: Hub, public_url: str) -> None:
        self._cluster, self._known, self._hub, self._public_url = cluster, known, hub, public_url
        self._is_away = False

    async def reconcile(self, key: str) -> float | None:
        """Have the hub do what a resource asks for, and write how it stands into the status.

        Returns
        -------
        In how many seconds to look at it again, or None where a change will tell.

        Raises
        ------
        ApiException
            Where the API server refuses, and may not later.
        TryAgain
            Where the resource was changed meanwhile.
        """
        body = self._known.get(key)
        if body is None:
            return None
        try:
            is_going = bool(body["metadata"].get("deletionTimestamp"))
            wait = await (self._let_go(body) if is_going else self._bring_about(body))
        except HubAway as error:
            if not self._is_away:
                log.warning("%s; trying again", error)
            self._is_away = True
            if not body.get("status"):
                await self._tell(body, Memory(), Outcome(Phase.PENDING, "HubAway", str(error)))
            return LATER
        except ApiException as error:
            if error.status == NOT_FOUND:
                # It was deleted by somebody who has taken the finalizer away.
                self._known.drop(body)
                return None
            if error.status == CONFLICT:
                raise TryAgain from error
            raise
        self._is_away = False
        return wait if wait is None or wait < SLOW else max(wait, len(self._known.values()) / AT_MOST)

    async def _bring_about(self, body: dict[str, Any]) -> float | None:
        memory = Memory.of(body)
        try:
            asked = read_server(body)
        except ValueError as error:
            await self._tell(body, memory, Outcome(Phase.FAILED, "InvalidSpec", f"{error}."))
            return None
        try:
            if obstacle := self._other(body, asked):
                await self._tell(body, memory, obstacle)
                return SLOW
            found = await self._servers(asked.user)
            if obstacle := _obstacle(asked, memory, found):
                await self._tell(body, memory, obstacle)
                return SLOW
            memory = replace(memory, account=found.account_made)
            return await self._take_step(body, asked, memory, found)
        except HubRefusal as error:
            if memory.phase == Phase.STOPPED.value and memory.generation == body["metadata"].get("generation"):
                # There is nothing to do for it, and told as failed it would be started when the hub answers again.
                return SLOW
            return await self._refused(body, memory, error)

    async def _take_step(
        self, body: dict[str, Any], asked: AskedServer, memory: Memory, found: HubServers
    ) -> float | None:
        server, now = found.named(asked.name), datetime.now(UTC)
        generation = int(body["metadata"].get("generation", 0))
        step = next_step(asked, memory, generation, server, now)
        if step.action is Action.START:
            return await self._start(body, asked, memory, found, step)
        if step.action is Action.STOP and step.outcome is CHANGED and asked.options is not None:
            # A server is not stopped for options with which the hub would not start it again.
            await self._hub.check(asked.user, asked.options)
        if step.outcome.phase is Phase.RUNNING and server is not None:
            memory = memory.running(asked, server, now)
            body = await self._hold(body)
        await self._tell(body, memory, step.outcome, server)
        if step.action is Action.STOP:
            await self._hub.stop(asked.user, asked.name)
        return step.wait

    async def _start(
        self, body: dict[str, Any], asked: AskedServer, memory: Memory, found: HubServers, step: Step
    ) -> float:
        """Start a server. What is remembered of the start is written before it, whenever this is ended."""
        if asked.options is not None:
            await self._hub.check(asked.user, asked.options)
        server = found.named(asked.name)
        generation = int(body["metadata"].get("generation", 0))
        told = memory.started(asked, generation, datetime.now(UTC), is_made=server is None)
        body = await self._hold(body)
        # One that has failed shows this until it is clear that it starts: it may be refused again and again.
        has_failed = memory.phase == Phase.FAILED.value
        outcome = Outcome(Phase.FAILED, memory.reason, memory.message) if has_failed else step.outcome
        await self._tell(body, told, outcome, server)
        body = self._known.get(object_key(body)) or body
        try:
            await self._hub.start(asked.user, asked.name, asked.options, found.hub_version)
        except HubAway:
            # It may start all the same: the next look tells.
            return SOON
        except HubRefusal as error:
            if server is None:
                memory = replace(memory, is_made=False)
            return await self._not_started(body, asked, memory, told, error)
        return 0.1

    async def _not_started(
        self, body: dict[str, Any], asked: AskedServer, memory: Memory, told: Memory, error: HubRefusal
    ) -> float:
        """Tell why a start was refused, or failed at once: the hub has the same answers for both."""
        server = (await self._hub.servers(asked.user)).named(asked.name)
        is_down = server is not None and state_of(server) in ("stopped", "failed")
        failure = server.failure if server is not None and is_down else None
        # A refusal of options is a failure at the hub, too, but has no word of the cluster.
        if error.reason == START_FAILED or (failure and failure.reason):
            message, reason = (failure.message, failure.reason) if failure else (error.message, "")
            await self._tell(body, told, Outcome(Phase.FAILED, reason or START_FAILED, message), server)
            # The next look says when to try again.
            return SOON
        if error.is_momentary:
            return await self._refused(body, replace(told, attempts=memory.attempts), error)
        if is_down and asked.name and told.is_made and not memory.is_made:
            # The hub has made a named server, and then refused its first start.
            await self._hub.remove(asked.user, asked.name)
        return await self._refused(body, memory, error)

    async def _refused(self, body: dict[str, Any], memory: Memory, error: HubRefusal) -> float:
        if error.is_momentary:
            await self._tell(body, memory, Outcome(Phase.PENDING, error.reason, error.message))
            return LATER
        await self._tell(body, memory, Outcome(Phase.FAILED, error.reason, error.message))
        return SLOW

    async def _let_go(self, body: dict[str, Any]) -> float | None:
        """Stop and remove the server of a resource that is deleted, and then let the resource go."""
        finalizers = body["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        memory = Memory.of(body)
        try:
            asked = read_server(body)
            is_ours = bool(memory.options) and self._other(body, asked) is None
            if is_ours and (wait := await self._clear(asked, memory)):
                return wait
        except HubRefusal as error:
            if not error.is_final:
                return await self._refused(body, memory, error)
            message = f"The server was left as it is. {error.message}"
            await self._cluster.post_event(body, "Warning", error.reason, message)
        except ValueError:
            pass
        self._known.put(await self._cluster.put_finalizers(body, [each for each in finalizers if each != FINALIZER]))
        return None

    async def _clear(self, asked: AskedServer, memory: Memory) -> float:
        """Stop or remove a server; return in how many seconds to look whether it is gone, 0 where it is."""
        found = await self._servers(asked.user)
        server = found.named(asked.name)
        if server is None or found.account_made != memory.account:
            return 0.0
        state = state_of(server)
        if state == "stopping":
            return SOON
        if memory.is_made and asked.name:
            await self._hub.remove(asked.user, asked.name)
            return SOON
        if state in ("running", "starting"):
            await self._hub.stop(asked.user, asked.name)
            return SOON
        return 0.0

    async def _servers(self, user: str) -> HubServers:
        """Return what the hub says of a person's servers; refuse where it does not say whose account it is."""
        found = await self._hub.servers(user)
        if not found.account_made:
            message = f"The operator's token may not read the account of {user}: it needs the hub's scope read:users."
            raise HubRefusal("TokenRefused", message)
        return found

    async def _hold(self, body: dict[str, Any]) -> dict[str, Any]:
        """Have the resource stay when it is deleted, until its server is stopped; return it."""
        finalizers = body["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return body
        held = await self._cluster.put_finalizers(body, [*finalizers, FINALIZER])
        self._known.put(held)
        return held

    def _other(self, body: Mapping[str, Any], asked: AskedServer) -> Outcome | None:
        """Return that an earlier resource asks for the same server."""
        for other in sorted(self._known.values(), key=_age):
            if other["metadata"]["uid"] == body["metadata"]["uid"]:
                return None
            spec = other.get("spec") or {}
            if (spec.get("user"), spec.get("server") or "") == (asked.user, asked.name):
                message = (
                    f"The JupyterServer {object_key(other)} asks for this server already. Delete one of the two."
                )
                return Outcome(Phase.FAILED, "Duplicate", message)
        return None

    async def _tell(
        self, body: Mapping[str, Any], memory: Memory, outcome: Outcome, server: HubServer | None = None
    ) -> None:
        status = server_status(outcome, body, memory, datetime.now(UTC), server, self._public_url)
        await tell(self._cluster, self._known, body, status, outcome, _NOTED)


def _obstacle(asked: AskedServer, memory: Memory, found: HubServers) -> Outcome | None:
    """Return why a resource cannot have a server."""
    if memory.account and memory.account != found.account_made:
        message = (
            f"The account {asked.user} was deleted at the hub and made again, perhaps for somebody else. Delete this"
            " JupyterServer, and make it again if it is for them."
        )
        return Outcome(Phase.FAILED, "AnotherAccount", message)
    if asked.name and not found.named_servers:
        message = "This hub has no named servers. Leave spec.server empty, or have the hub allow them."
        return Outcome(Phase.FAILED, "NoNamedServers", message)
    return None


def _age(body: Mapping[str, Any]) -> tuple[str, str]:
    return str(body["metadata"].get("creationTimestamp", "")), str(body["metadata"]["uid"])
