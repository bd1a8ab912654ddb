"""What the hub's process tells the service about servers, as values.

`in_hub` writes them and `hub_client` reads them: the two are of one version of jhkube, in two processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jhkube.cluster_accounts import ClusterAccount
from jhkube.deployment.idle import IdleTimes
from jhkube.watch.unsaved import Unsaved

__all__ = ["HubFailure", "HubServer", "HubServers", "HubSize"]


@dataclass(frozen=True, slots=True)
class HubFailure:
    """Why the last start failed."""

    message: str
    """What the person reads."""

    reason: str = ""
    """The cluster's own word; empty where it has none."""

    detail: str = ""
    """What the cluster said, with anything secret taken out."""

    def to_json(self) -> dict[str, str]:
        """Return the failure as the API has it."""
        return {"message": self.message, "reason": self.reason, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class HubSize:
    """A size that somebody may choose."""

    value: str
    """What the option size takes."""

    display_name: str
    """The name that people see."""

    summary: str
    """What it gives, for people: `2 cores, 4 GiB memory`."""

    def to_json(self) -> dict[str, str]:
        """Return the size as the API has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HubServer:
    """A server, as far as the hub's process knows."""

    name: str
    user: str
    display_name: str = ""
    pending: str = ""
    """`spawn`, `stop` or another word of the hub's for what is under way; empty for nothing."""
    is_ready: bool = False
    started: str | None = None
    last_activity: str | None = None
    url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    """Where its pod is made."""
    pod_uid: str = ""
    """The uid of the pod of the last start; empty where the hub does not know it."""
    phases: tuple[tuple[str, float], ...] = ()
    """The phases of the last start that are behind it, with how long each took in seconds."""
    waiting_for: str = ""
    """What is waited for at the moment, in a sentence; mostly empty."""
    failure: HubFailure | None = None
    unsaved: Unsaved | None = None
    """What it last said about unsaved work; None where nobody has asked it, or the token may not know."""
    removed_at: str = ""
    """When it is removed because nobody uses it, by RFC 3339; empty for not at all, or not soon."""
    is_kept_longer: bool = False
    """Whether it is removed later than others, because it may have unsaved work."""
    ended: HubFailure | None = None
    """Why it ended on its own, if it did and the hub has seen it."""
    is_image_gone: bool = False
    """Whether the image that it was last started with cannot be chosen any more."""
    larger_size: HubSize | None = None
    """The next size with more memory that its person may choose; None where there is none, or others ask."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "user": self.user,
            "display_name": self.display_name,
            "pending": self.pending,
            "ready": self.is_ready,
            "started": self.started,
            "last_activity": self.last_activity,
            "url": self.url,
            "options": dict(self.options),
            "namespace": self.namespace,
            "pod_uid": self.pod_uid,
            "phases": [list(each) for each in self.phases],
            "waiting_for": self.waiting_for,
            "failure": self.failure.to_json() if self.failure else None,
            "unsaved": self.unsaved.to_json() if self.unsaved else None,
            "removed_at": self.removed_at,
            "kept_longer": self.is_kept_longer,
            "ended": self.ended.to_json() if self.ended else None,
            "is_image_gone": self.is_image_gone,
            "larger_size": self.larger_size.to_json() if self.larger_size else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HubServer:
        """Return what `to_json` wrote."""
        return cls(
            name=data["name"],
            user=data["user"],
            display_name=data["display_name"],
            pending=data["pending"],
            is_ready=data["ready"],
            started=data["started"],
            last_activity=data["last_activity"],
            url=data["url"],
            options=data["options"],
            namespace=data["namespace"],
            pod_uid=data["pod_uid"],
            phases=tuple((name, seconds) for name, seconds in data["phases"]),
            waiting_for=data["waiting_for"],
            failure=HubFailure(**data["failure"]) if data["failure"] else None,
            unsaved=Unsaved.from_json(data["unsaved"]) if data["unsaved"] else None,
            removed_at=data["removed_at"],
            is_kept_longer=data["kept_longer"],
            ended=HubFailure(**data["ended"]) if data["ended"] else None,
            is_image_gone=data["is_image_gone"],
            larger_size=HubSize(**data["larger_size"]) if data["larger_size"] else None,
        )


@dataclass(frozen=True, slots=True)
class HubServers:
    """Somebody's servers, or a group's, and what goes with them."""

    servers: tuple[HubServer, ...]
    """By name, the default server first."""

    subject: str = ""
    """The provider's immutable id of whose they are; empty where nobody knows it, and for a group."""

    namespace: str = ""
    """Where the person's claims are."""

    own_namespace: str = ""
    """The namespace that is this person's alone; empty where there is none."""

    account: ClusterAccount | None = None
    """Who the person is to the API server, with no name where nobody knows; None where it is not asked about them."""

    hub_version: str = ""
    """The version of JupyterHub."""

    named_servers: bool = False
    """Whether people can have named servers."""

    idle: IdleTimes | None = None
    """When their idle servers stop; None where none do, and for a group."""

    hub: str = ""
    """The hub's name, if it is one of several; empty otherwise, and for a group."""

    hub_urls: Mapping[str, str] = field(default_factory=dict)
    """Where these hubs are, by name."""

    account_made: str = ""
    """When the hub's account was made: a name that comes back has another one. Empty for those who may not know."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "servers": [each.to_json() for each in self.servers],
            "subject": self.subject,
            "namespace": self.namespace,
            "own_namespace": self.own_namespace,
            "account": self.account.to_json() if self.account else None,
            "hub_version": self.hub_version,
            "named_servers": self.named_servers,
            "idle": asdict(self.idle) if self.idle else None,
            "hub": self.hub,
            "hub_urls": dict(self.hub_urls),
            "account_made": self.account_made,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HubServers:
        """Return what `to_json` wrote."""
        return cls(
            servers=tuple(HubServer.from_json(each) for each in data["servers"]),
            subject=data["subject"],
            namespace=data["namespace"],
            own_namespace=data["own_namespace"],
            account=ClusterAccount.from_json(data["account"]) if data["account"] else None,
            hub_version=data["hub_version"],
            named_servers=data["named_servers"],
            idle=IdleTimes(**data["idle"]) if data["idle"] else None,
            # A hub that is a little older does not tell these.
            hub=data.get("hub", ""),
            hub_urls=data.get("hub_urls", {}),
            account_made=data.get("account_made", ""),
        )

    def named(self, name: str) -> HubServer | None:
        """Return the server of a name; None where there is none."""
        return next((each for each in self.servers if each.name == name), None)
