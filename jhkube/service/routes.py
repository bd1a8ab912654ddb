"""The table of the service's routes: what each takes, gives and needs.

Validation, `openapi.json`, the reference page and the tests read this table, and nothing else says what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.service import schemas
from jhkube.service.schema_parts import Schema, reference

__all__ = ["LOG_FOLLOW_SECONDS", "LONGEST_BODY", "ROUTES", "Route"]

LONGEST_BODY: Final = 65_536
"""How many bytes a request's body may have."""

LOG_FOLLOW_SECONDS: Final = 600
"""After how many seconds a log that is followed ends; whoever wants more asks again."""

START: Final = ("servers", "start:servers")
STOP: Final = ("servers", "delete:servers")
READ: Final = ("read:servers",)
REMOVE_CLAIM: Final = {
    "type": "string",
    "enum": ["keep", "delete"],
    "default": "keep",
    "description": "What becomes of its disks.",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    name: str
    """What the code and `openapi.json` call it: `start_server`."""

    method: str
    """`POST`."""

    path: str
    """Below `api/`, with names in braces: `servers/{name}/start`."""

    summary: str
    """What it does, in a line."""

    scopes: tuple[str, ...]
    """The hub's scopes, any of which is enough; they are for the person's own servers, or for `{group}`."""

    answer: Schema | None
    """What a good answer is; None for an answer without a body."""

    parts: Mapping[str, Schema] = field(default_factory=dict)
    """What the names in the path can be."""

    query: Mapping[str, Schema] = field(default_factory=dict)
    """What the query can have; all of it can be left out."""

    body: Schema | None = None
    """What the body is; None where there is none. An empty body is an empty object."""

    status: int = 200
    """The status of a good answer."""

    errors: tuple[int, ...] = ()
    """Statuses of refusals, in addition to 400, 403, 404 and 503, which each route has."""

    @property
    def has_body(self) -> bool:
        """Whether a request of it can have a body."""
        return self.body is not None


_NAME: Final[Mapping[str, Any]] = {"name": schemas.SERVER_NAME}
_SECRET: Final[Mapping[str, Any]] = {"name": schemas.SECRET_PART}
_CLAIM: Final[Mapping[str, Any]] = {"name": schemas.CLAIM_NAME}

ROUTES: Final = (
    Route("options", "GET", "options", "What I can choose for a server now.", READ, reference("Options")),
    Route("servers", "GET", "servers", "My servers.", READ, schemas.SERVER_LIST),
    Route("server", "GET", "servers/{name}", "One of my servers.", READ, reference("Server"), _NAME),
    Route(
        "put_server",
        "PUT",
        "servers/{name}",
        "Make a server, or change the options of one; start it unless told not to.",
        START,
        reference("Server"),
        _NAME,
        body=schemas.PUT_SERVER,
        status=202,
        errors=(409, 429),
    ),
    Route(
        "start_server",
        "POST",
        "servers/{name}/start",
        "Start a server. One that runs and is given options is stopped first, and keeps its disk.",
        START,
        reference("Server"),
        _NAME,
        body=schemas.START_SERVER,
        status=202,
        errors=(409, 429),
    ),
    Route(
        "stop_server",
        "POST",
        "servers/{name}/stop",
        "Stop a server; its disk stays.",
        STOP,
        reference("Server"),
        _NAME,
        body={"type": "object", "additionalProperties": False},
        status=202,
    ),
    Route(
        "remove_server",
        "DELETE",
        "servers/{name}",
        "Stop and remove a server; its disk stays unless told otherwise.",
        STOP,
        None,
        _NAME,
        query={"claims": REMOVE_CLAIM},
        status=204,
        errors=(409,),
    ),
    Route(
        "log",
        "GET",
        "servers/{name}/logs",
        "The end of the log of one of a server's containers; as plain text where it is followed.",
        ("access:servers",),
        reference("Log"),
        _NAME,
        query={
            "container": schemas.CONTAINER,
            "tail": schemas.LOG_TAIL,
            "previous": {"type": "boolean", "default": False, "description": "The log before the last restart."},
            "follow": {
                "type": "boolean",
                "default": False,
                "description": f"Go on with what comes, for at most {LOG_FOLLOW_SECONDS} seconds.",
            },
        },
        errors=(429,),
    ),
    Route(
        "events",
        "GET",
        "servers/{name}/events",
        "What the cluster has said about the server since its start.",
        READ,
        schemas.EVENT_LIST,
        _NAME,
    ),
    Route("claims", "GET", "claims", "My disks.", READ, schemas.CLAIM_LIST),
    Route(
        "make_claim",
        "POST",
        "claims",
        "Make a disk without a server, where the operator allows it.",
        START,
        reference("Claim"),
        body=schemas.MAKE_CLAIM,
        status=201,
        errors=(409,),
    ),
    Route("claim", "GET", "claims/{name}", "One of my disks.", READ, reference("Claim"), _CLAIM),
    Route(
        "change_claim",
        "PATCH",
        "claims/{name}",
        "Let a disk grow.",
        START,
        reference("Claim"),
        _CLAIM,
        body=schemas.CHANGE_CLAIM,
        errors=(409,),
    ),
    Route(
        "remove_claim",
        "DELETE",
        "claims/{name}",
        "Delete a disk and everything on it, unless a server uses it.",
        STOP,
        None,
        _CLAIM,
        status=204,
        errors=(409,),
    ),
    Route(
        "secrets",
        "GET",
        "secrets",
        "My own secrets, without their values.",
        READ,
        schemas.SECRET_LIST,
        errors=(409,),
    ),
    Route(
        "make_secret",
        "PUT",
        "secrets/{name}",
        "Make a secret. One that exists is not changed: delete it first.",
        START,
        reference("Secret"),
        _SECRET,
        body=schemas.FILE_SECRET,
        status=201,
        errors=(409,),
    ),
    Route(
        "remove_secret",
        "DELETE",
        "secrets/{name}",
        "Delete a secret. A server that has it keeps its files until it stops.",
        STOP,
        None,
        _SECRET,
        status=204,
        errors=(409,),
    ),
    Route(
        "storage_classes",
        "GET",
        "storage-classes",
        "The cluster's storage classes.",
        READ,
        schemas.STORAGE_CLASS_LIST,
    ),
    Route("gpus", "GET", "gpus", "The GPUs of this hub's sizes, and which I can choose.", READ, schemas.GPU_LIST),
    Route(
        "group_servers",
        "GET",
        "groups/{group}/servers",
        "The servers of a group's members.",
        READ,
        schemas.GROUP_SERVER_LIST,
        {"group": schemas.GROUP_NAME},
    ),
)
"""All routes of the API."""
