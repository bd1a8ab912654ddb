"""JSON Schemas (draft 2020-12) of what the service's API takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jhkube.pod.own_secrets import SECRET_NAME
from jhkube.service.choice_schemas import CHOICES
from jhkube.service.schema_parts import (
    BYTES,
    COUNT,
    FLAG,
    SECONDS,
    TIME,
    Schema,
    list_schema,
    nullable,
    object_schema,
    reference,
    text,
)

__all__ = [
    "CHANGE_CLAIM",
    "CLAIM",
    "CLAIM_LIST",
    "CLAIM_NAME",
    "COMPONENTS",
    "CONTAINER",
    "DEFAULT_SERVER",
    "ERROR",
    "EVENT_LIST",
    "FILE_SECRET",
    "GPU_LIST",
    "GROUP_NAME",
    "GROUP_SERVER_LIST",
    "LOG",
    "LOG_TAIL",
    "MAKE_CLAIM",
    "PUT_SERVER",
    "SECRET_LIST",
    "SECRET_PART",
    "SERVER",
    "SERVER_LIST",
    "SERVER_NAME",
    "START_SERVER",
    "STORAGE_CLASS_LIST",
]

DEFAULT_SERVER: Final = "~"
"""What stands for the default server, which has an empty name, in a path."""

STATES: Final = ("stopped", "starting", "running", "stopping", "failed")

QUANTITY: Final = r"^[0-9]{1,12}(\.[0-9]{1,6})?([kMGTPE]|[KMGTPE]i)?$"

USER_OPTIONS: Final = {
    "type": "object",
    "maxProperties": 100,
    "description": 'What to start with: the options of the form, such as {"image": "w_2026_46", "size": "large"}.',
}

SERVER_NAME: Final = text(
    f"The server's name; {DEFAULT_SERVER} for the default server.", minLength=1, maxLength=255, pattern=r"^[^/\x00]+$"
)
CLAIM_NAME: Final = text("The claim's name.", minLength=1, maxLength=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
GROUP_NAME: Final = text("The hub group's name.", minLength=1, maxLength=255)
CONTAINER: Final = text(
    "The container; the server's own if left out.", maxLength=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
)
LOG_TAIL: Final = {
    "type": "integer",
    "minimum": 1,
    "maximum": 5000,
    "default": 500,
    "description": "How many of the last lines.",
}

ERROR: Final = object_schema(
    {
        "message": text("What happened, then what to do."),
        "field": text("The part of the request that it is about; empty for the whole of it."),
    }
)

STEP: Final = object_schema(
    {"name": text("What has ended: created, scheduled, pulled, started or ready."), "seconds": SECONDS}
)
FAILURE: Final = object_schema(
    {
        "message": text("What happened, then what to do."),
        "reason": text("The cluster's own word for it, such as ImagePullBackOff; empty where it has none."),
        "detail": text("What the cluster said, with anything secret taken out."),
    }
)
LARGER_SIZE: Final = object_schema(
    {
        "value": text("What the option size takes."),
        "display_name": text("The name that people see."),
        "summary": text("What it gives: 2 cores, 4 GiB memory."),
    }
)
USAGE: Final = object_schema(
    {
        "cores": {"type": "number", "minimum": 0, "description": "Cores, as the mean of the last measurement."},
        "memory": {**BYTES, "description": "Bytes of memory."},
        "measured": TIME,
    }
)
UNSAVED_REPOSITORY: Final = object_schema(
    {
        "path": text("The repository's folder, below the home."),
        "changed": {"type": ["integer", "null"], "minimum": 0, "description": "Files that are changed or new."},
        "unpushed": {"type": ["integer", "null"], "minimum": 0, "description": "Commits that no remote has."},
    }
)
UNSAVED: Final = object_schema(
    {
        "state": {"type": "string", "enum": ["none", "some", "unknown"]},
        "message": text("The same in a sentence."),
        "asked": nullable(TIME),
        "repositories": {
            "type": "array",
            "items": reference("UnsavedRepository"),
            "description": "Those with unsaved work, and those that git could not look at (null).",
        },
    }
)
SERVER: Final = object_schema(
    {
        "name": text("The server's name; empty for the default server."),
        "display_name": text("The name that people see."),
        "state": {"type": "string", "enum": list(STATES)},
        "message": text("The state in a sentence."),
        "url": text("Where the server is, on the hub's own host."),
        "started": nullable(TIME),
        "last_activity": nullable(TIME),
        "image": text("The image; empty where it is not known."),
        "image_tag": text("Its tag; empty where it is not known."),
        "size": text("The size; empty where it is not known."),
        "options": {"type": "object", "description": "What it was last started with."},
        "steps": {
            "type": "array",
            "items": reference("Step"),
            "description": "The start's steps that are behind it.",
        },
        "failure": {
            "anyOf": [reference("Failure"), {"type": "null"}],
            "description": "Why the last start failed, or why the server ended on its own.",
        },
        "usage": {
            "anyOf": [reference("Usage"), {"type": "null"}],
            "description": "What it uses now; null where it does not run, or the cluster has no metrics.",
        },
        "larger_size": {
            "anyOf": [reference("LargerSize"), {"type": "null"}],
            "description": "The next size with more memory, for a server that had too little of it; else null.",
        },
        "claims": {"type": "array", "items": {"type": "string"}, "description": "The names of its disks."},
        "containers": {"type": "array", "items": {"type": "string"}, "description": "What has a log."},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "Sentences for the person."},
        "unsaved": {
            "anyOf": [reference("Unsaved"), {"type": "null"}],
            "description": "Work in git repositories that is only on the disk; of a stopped server as it was at the"
            " stop. Null where the server was never asked, or the token may not use the server.",
        },
    }
)
GROUP_SERVER: Final = object_schema(
    {
        **{
            name: SERVER["properties"][name]
            for name in ("name", "display_name", "state", "message", "started", "last_activity", "image", "size")
        },
        "user": text("The hub user name of whose it is."),
        "steps": SERVER["properties"]["steps"],
        "failure": SERVER["properties"]["failure"],
    }
)
EVENT: Final = object_schema(
    {
        "time": nullable(TIME),
        "sentence": text("What it says in plain words; empty where there are none for it."),
        "type": text("Normal or Warning."),
        "reason": text("The cluster's own word, such as FailedScheduling."),
        "message": text("What the cluster said, with anything secret taken out."),
        "container": text("The container that it is about; empty for the whole pod."),
        "count": COUNT,
    }
)
LOG: Final = object_schema(
    {
        "container": text("The container."),
        "containers": {"type": "array", "items": {"type": "string"}},
        "previous": FLAG,
        "text": text("The log's end."),
        "truncated": {**FLAG, "description": "Whether it was longer than an answer may be."},
        "ended": {
            **nullable(TIME),
            "description": "When the server failed, if its pod is gone and the hub has kept this log; else null.",
        },
        "message": text("A sentence about a log that the hub has kept; else empty."),
    }
)
CLAIM: Final = object_schema(
    {
        "name": text("The claim's name."),
        "state": {"type": "string", "enum": ["ready", "waiting", "growing", "deleting", "lost"]},
        "message": text("The state in a sentence."),
        "size": text("What it asks for, as Kubernetes writes it: 10Gi."),
        "size_bytes": BYTES,
        "capacity_bytes": {**BYTES, "description": "What it has, in bytes; 0 while there is no volume."},
        "free_bytes": {
            **nullable(BYTES),
            "description": "What is free on it, as a server that has it as its home just said; null where none does.",
        },
        "storage_class": text("The storage class; empty where it has none."),
        "access_modes": {"type": "array", "items": {"type": "string"}},
        "created": nullable(TIME),
        "server": {
            "type": ["string", "null"],
            "description": "The server that it was made for; null where it does not say.",
        },
        "used_by": {"type": "array", "items": reference("Use"), "description": "Servers that have it mounted now."},
    }
)
USE: Final = object_schema(
    {"server": text("The server's name; empty for the default server."), "since": nullable(TIME)}
)
STORAGE_CLASS: Final = object_schema(
    {
        "name": text("The storage class's name."),
        "default": {**FLAG, "description": "Whether it is the cluster's default."},
        "grows": {**FLAG, "description": "Whether its disks can grow."},
    }
)
SECRET: Final = object_schema(
    {
        "name": text("What I call it."),
        "files": {"type": "array", "items": {"type": "string"}, "description": "The names of its files."},
        "path": text("The folder of its files in a server that has it."),
        "created": TIME,
    }
)

SERVER_LIST: Final = object_schema(
    {
        "servers": {"type": "array", "items": reference("Server")},
        "elsewhere": {
            "type": "array",
            "items": reference("ServerElsewhere"),
            "description": "Servers at other hubs that serve the same people.",
        },
    }
)
GROUP_SERVER_LIST: Final = list_schema("servers", "GroupServer")
CLAIM_LIST: Final = list_schema("claims", "Claim")
EVENT_LIST: Final = list_schema("events", "Event")
GPU_LIST: Final = list_schema("gpus", "Gpu")
SECRET_LIST: Final = list_schema("secrets", "Secret")
STORAGE_CLASS_LIST: Final = list_schema("storage_classes", "StorageClass")

START_SERVER: Final = object_schema({}, options=USER_OPTIONS)
PUT_SERVER: Final = object_schema(
    {},
    options=USER_OPTIONS,
    display_name=text("The name that people see.", minLength=1, maxLength=255),
    start={**FLAG, "default": True, "description": "Whether to start it now."},
)
MAKE_CLAIM: Final = object_schema(
    {
        "name": text("What the disk is called.", maxLength=40, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        "size": text("How large it is: 20Gi.", maxLength=24, pattern=QUANTITY),
    },
    storage_class=text("The storage class; the cluster's default if left out.", maxLength=253),
    access_mode={
        "enum": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
        "default": "ReadWriteOnce",
        "description": "Who may mount it, as Kubernetes calls it.",
    },
)
CHANGE_CLAIM: Final = object_schema(
    {"size": text("The new size, larger than the old: 20Gi.", maxLength=24, pattern=QUANTITY)}
)
# The values have no bounds here: a refusal by a schema quotes what it refuses.
FILE_SECRET: Final = object_schema(
    {
        "files": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The texts of its files, by file name.",
        }
    }
)
SECRET_PART: Final = text("What I call it.", minLength=1, maxLength=40, pattern=SECRET_NAME)

SERVER_ELSEWHERE: Final = object_schema(
    {
        "name": text("The server's name, empty for the default server."),
        "hub": text("The name of the hub that started it."),
        "url": text("Where that hub is; empty if nobody knows."),
        "state": {"type": "string", "enum": ["starting", "running", "stopping"]},
    }
)

COMPONENTS: Final[Mapping[str, Schema]] = {
    "Error": ERROR,
    "Step": STEP,
    "ServerElsewhere": SERVER_ELSEWHERE,
    "Failure": FAILURE,
    "LargerSize": LARGER_SIZE,
    "Usage": USAGE,
    "UnsavedRepository": UNSAVED_REPOSITORY,
    "Unsaved": UNSAVED,
    "Server": SERVER,
    "GroupServer": GROUP_SERVER,
    "Event": EVENT,
    "Log": LOG,
    "Use": USE,
    "Claim": CLAIM,
    "Secret": SECRET,
    "StorageClass": STORAGE_CLASS,
    **CHOICES,
}
"""The schemas that others refer to by name, as `openapi.json` has them."""
