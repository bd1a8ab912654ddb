"""JSON Schemas (draft 2020-12) of what the service's API takes and gives; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jhkube.pod.own_secrets import SECRET_NAME

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
    "OPTIONS",
    "PUT_SERVER",
    "SECRET_LIST",
    "SECRET_PART",
    "SERVER",
    "SERVER_LIST",
    "SERVER_NAME",
    "START_SERVER",
    "STORAGE_CLASS_LIST",
]

Schema = Mapping[str, Any]

DEFAULT_SERVER: Final = "~"
"""What stands for the default server, which has an empty name, in a path."""

STATES: Final = ("stopped", "starting", "running", "stopping", "failed")

QUANTITY: Final = r"^[0-9]{1,12}(\.[0-9]{1,6})?([kMGTPE]|[KMGTPE]i)?$"


def _object(required: Mapping[str, Schema], **optional: Schema) -> dict[str, Any]:
    properties = {**required, **optional}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(name: str, of: str) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": _ref(of)}})


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _maybe(schema: Schema) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


TIME: Final = _text("A time, by RFC 3339.", format="date-time")
SECONDS: Final = {"type": "number", "minimum": 0, "description": "Seconds."}
BYTES: Final = {"type": "integer", "minimum": 0, "description": "Bytes."}
FLAG: Final = {"type": "boolean"}
COUNT: Final = {"type": "integer", "minimum": 0}

USER_OPTIONS: Final = {
    "type": "object",
    "maxProperties": 100,
    "description": 'What to start with: the options of the form, such as {"image": "w_2026_46", "size": "large"}.',
}

SERVER_NAME: Final = _text(
    f"The server's name; {DEFAULT_SERVER} for the default server.", minLength=1, maxLength=255, pattern=r"^[^/\x00]+$"
)
CLAIM_NAME: Final = _text(
    "The claim's name.", minLength=1, maxLength=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
)
GROUP_NAME: Final = _text("The hub group's name.", minLength=1, maxLength=255)
CONTAINER: Final = _text(
    "The container; the server's own if left out.", maxLength=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
)
LOG_TAIL: Final = {
    "type": "integer",
    "minimum": 1,
    "maximum": 5000,
    "default": 500,
    "description": "How many of the last lines.",
}

ERROR: Final = _object(
    {
        "message": _text("What happened, then what to do."),
        "field": _text("The part of the request that it is about; empty for the whole of it."),
    }
)

STEP: Final = _object(
    {"name": _text("What has ended: created, scheduled, pulled, started or ready."), "seconds": SECONDS}
)
FAILURE: Final = _object(
    {
        "message": _text("What happened, then what to do."),
        "reason": _text("The cluster's own word for it, such as ImagePullBackOff; empty where it has none."),
        "detail": _text("What the cluster said, with anything secret taken out."),
    }
)
LARGER_SIZE: Final = _object(
    {
        "value": _text("What the option size takes."),
        "display_name": _text("The name that people see."),
        "summary": _text("What it gives: 2 cores, 4 GiB memory."),
    }
)
UNSAVED_REPOSITORY: Final = _object(
    {
        "path": _text("The repository's folder, below the home."),
        "changed": {"type": ["integer", "null"], "minimum": 0, "description": "Files that are changed or new."},
        "unpushed": {"type": ["integer", "null"], "minimum": 0, "description": "Commits that no remote has."},
    }
)
UNSAVED: Final = _object(
    {
        "state": {"type": "string", "enum": ["none", "some", "unknown"]},
        "message": _text("The same in a sentence."),
        "asked": _maybe(TIME),
        "repositories": {
            "type": "array",
            "items": _ref("UnsavedRepository"),
            "description": "Those with unsaved work, and those that git could not look at (null).",
        },
    }
)
SERVER: Final = _object(
    {
        "name": _text("The server's name; empty for the default server."),
        "display_name": _text("The name that people see."),
        "state": {"type": "string", "enum": list(STATES)},
        "message": _text("The state in a sentence."),
        "url": _text("Where the server is, on the hub's own host."),
        "started": _maybe(TIME),
        "last_activity": _maybe(TIME),
        "image": _text("The image; empty where it is not known."),
        "image_tag": _text("Its tag; empty where it is not known."),
        "size": _text("The size; empty where it is not known."),
        "options": {"type": "object", "description": "What it was last started with."},
        "steps": {"type": "array", "items": _ref("Step"), "description": "The start's steps that are behind it."},
        "failure": {
            "anyOf": [_ref("Failure"), {"type": "null"}],
            "description": "Why the last start failed, or why the server ended on its own.",
        },
        "larger_size": {
            "anyOf": [_ref("LargerSize"), {"type": "null"}],
            "description": "The next size with more memory, for a server that had too little of it; else null.",
        },
        "claims": {"type": "array", "items": {"type": "string"}, "description": "The names of its disks."},
        "containers": {"type": "array", "items": {"type": "string"}, "description": "What has a log."},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "Sentences for the person."},
        "unsaved": {
            "anyOf": [_ref("Unsaved"), {"type": "null"}],
            "description": "Work in git repositories that is only on the disk; of a stopped server as it was at the"
            " stop. Null where the server was never asked, or the token may not use the server.",
        },
    }
)
GROUP_SERVER: Final = _object(
    {
        **{
            name: SERVER["properties"][name]
            for name in ("name", "display_name", "state", "message", "started", "last_activity", "image", "size")
        },
        "user": _text("The hub user name of whose it is."),
        "steps": SERVER["properties"]["steps"],
        "failure": SERVER["properties"]["failure"],
    }
)
EVENT: Final = _object(
    {
        "time": _maybe(TIME),
        "sentence": _text("What it says in plain words; empty where there are none for it."),
        "type": _text("Normal or Warning."),
        "reason": _text("The cluster's own word, such as FailedScheduling."),
        "message": _text("What the cluster said, with anything secret taken out."),
        "container": _text("The container that it is about; empty for the whole pod."),
        "count": COUNT,
    }
)
LOG: Final = _object(
    {
        "container": _text("The container."),
        "containers": {"type": "array", "items": {"type": "string"}},
        "previous": FLAG,
        "text": _text("The log's end."),
        "truncated": {**FLAG, "description": "Whether it was longer than an answer may be."},
        "ended": {
            **_maybe(TIME),
            "description": "When the server failed, if its pod is gone and the hub has kept this log; else null.",
        },
        "message": _text("A sentence about a log that the hub has kept; else empty."),
    }
)
CLAIM: Final = _object(
    {
        "name": _text("The claim's name."),
        "state": {"type": "string", "enum": ["ready", "waiting", "growing", "deleting", "lost"]},
        "message": _text("The state in a sentence."),
        "size": _text("What it asks for, as Kubernetes writes it: 10Gi."),
        "size_bytes": BYTES,
        "capacity_bytes": {**BYTES, "description": "What it has, in bytes; 0 while there is no volume."},
        "free_bytes": {
            **_maybe(BYTES),
            "description": "What is free on it, as a server that has it as its home just said; null where none does.",
        },
        "storage_class": _text("The storage class; empty where it has none."),
        "access_modes": {"type": "array", "items": {"type": "string"}},
        "created": _maybe(TIME),
        "server": {
            "type": ["string", "null"],
            "description": "The server that it was made for; null where it does not say.",
        },
        "used_by": {"type": "array", "items": _ref("Use"), "description": "Servers that have it mounted now."},
    }
)
USE: Final = _object({"server": _text("The server's name; empty for the default server."), "since": _maybe(TIME)})
STORAGE_CLASS: Final = _object(
    {
        "name": _text("The storage class's name."),
        "default": {**FLAG, "description": "Whether it is the cluster's default."},
        "grows": {**FLAG, "description": "Whether its disks can grow."},
    }
)
GPU: Final = _object(
    {
        "resource": _text("What Kubernetes calls it, such as nvidia.com/gpu."),
        "allowed": {**FLAG, "description": "Whether I can choose a size with it."},
        "most": {**COUNT, "description": "How many one server of mine can have: by its size, and by my ceiling."},
        "sizes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The sizes with it, of those for me.",
        },
    }
)
CHOICE_IMAGE: Final = _object(
    {
        "value": _text("What the option image takes."),
        "display_name": _text("The name that people see."),
        "reference": _text("The image with its registry."),
        "default": FLAG,
    }
)
CHOICE_SIZE: Final = _object(
    {
        "value": _text("What the option size takes."),
        "display_name": _text("The name that people see."),
        "description": _text("What it is good for; often empty."),
        "cores": {"type": "number", "minimum": 0, "description": "Cores."},
        "memory": BYTES,
        "gpus": COUNT,
        "gpu_resource": _text("What Kubernetes calls these GPUs; empty for a size without."),
        "default": FLAG,
    }
)
CHOICE_PRESET: Final = _object(
    {
        "value": _text("What the option presets takes."),
        "display_name": _text("The name that people see."),
        "description": _text("What it does; often empty."),
        "default": FLAG,
        "labels": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The labels of the PodDefault that it is; empty for a preset of the hub's configuration.",
        },
    }
)
CHOICE_PROFILE: Final = _object(
    {"value": _text("What the option profile takes."), "display_name": _text("The name that people see.")}
)
CHOICE_VARIABLE: Final = _object(
    {
        "name": _text("The variable's name in the option environment."),
        "display_name": _text("The name that people see."),
        "description": _text("What it is good for; often empty."),
        "values": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What it can be; empty for any text.",
        },
        "pattern": _text("The regular expression that a value has to match as a whole; mostly empty."),
    }
)
CEILING: Final = _object(
    {
        "cores": {"type": ["number", "null"], "description": "Cores of all servers together; null for no ceiling."},
        "memory": {"type": ["integer", "null"], "description": "Bytes of all servers together."},
        "gpus": {"type": ["integer", "null"], "description": "GPUs of all servers together."},
        "servers": {"type": ["integer", "null"], "description": "Servers that run at once."},
    }
)
OPTIONS: Final = _object(
    {
        "images": {"type": "array", "items": _ref("ImageChoice")},
        "all_images": {**FLAG, "description": "Whether any other tag of the repositories can be chosen too."},
        "custom_images": {**FLAG, "description": "Whether people can type the name of another image."},
        "sizes": {"type": "array", "items": _ref("SizeChoice")},
        "presets": {"type": "array", "items": _ref("PresetChoice")},
        "profiles": {"type": "array", "items": _ref("ProfileChoice"), "description": "Profiles of the operator's."},
        "default_profile": _text("The profile that is taken where none is chosen."),
        "repository_hosts": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the option repository begins with, such as https://github.com; empty for none.",
        },
        "environment": {
            "type": "array",
            "items": _ref("VariableChoice"),
            "description": "The variables that the option environment can set.",
        },
        "secrets": {
            "type": "array",
            "items": {"type": "string"},
            "description": "My own secrets, which the option secrets can attach.",
        },
        "disks": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "My own disks, which the option disks can mount; null if the hub does not allow it.",
        },
        "reset_environment": FLAG,
        "debug": FLAG,
        "ceiling": _ref("Ceiling"),
        "named_servers": {**FLAG, "description": "Whether one can have more than the default server."},
        "gpu_resources": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the hub's sizes call a GPU, also in sizes that others can choose.",
        },
        "errors": {"type": "array", "items": {"type": "string"}, "description": "Registries that do not answer."},
    }
)

SECRET: Final = _object(
    {
        "name": _text("What I call it."),
        "files": {"type": "array", "items": {"type": "string"}, "description": "The names of its files."},
        "path": _text("The folder of its files in a server that has it."),
        "created": TIME,
    }
)

SERVER_LIST: Final = _object(
    {
        "servers": {"type": "array", "items": _ref("Server")},
        "elsewhere": {
            "type": "array",
            "items": _ref("ServerElsewhere"),
            "description": "Servers at other hubs that serve the same people.",
        },
    }
)
GROUP_SERVER_LIST: Final = _list("servers", "GroupServer")
CLAIM_LIST: Final = _list("claims", "Claim")
EVENT_LIST: Final = _list("events", "Event")
GPU_LIST: Final = _list("gpus", "Gpu")
SECRET_LIST: Final = _list("secrets", "Secret")
STORAGE_CLASS_LIST: Final = _list("storage_classes", "StorageClass")

START_SERVER: Final = _object({}, options=USER_OPTIONS)
PUT_SERVER: Final = _object(
    {},
    options=USER_OPTIONS,
    display_name=_text("The name that people see.", minLength=1, maxLength=255),
    start={**FLAG, "default": True, "description": "Whether to start it now."},
)
MAKE_CLAIM: Final = _object(
    {
        "name": _text("What the disk is called.", maxLength=40, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        "size": _text("How large it is: 20Gi.", maxLength=24, pattern=QUANTITY),
    },
    storage_class=_text("The storage class; the cluster's default if left out.", maxLength=253),
    access_mode={
        "enum": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
        "default": "ReadWriteOnce",
        "description": "Who may mount it, as Kubernetes calls it.",
    },
)
CHANGE_CLAIM: Final = _object(
    {"size": _text("The new size, larger than the old: 20Gi.", maxLength=24, pattern=QUANTITY)}
)
# The values have no bounds here: a refusal by a schema quotes what it refuses.
FILE_SECRET: Final = _object(
    {
        "files": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The texts of its files, by file name.",
        }
    }
)
SECRET_PART: Final = _text("What I call it.", minLength=1, maxLength=40, pattern=SECRET_NAME)

SERVER_ELSEWHERE: Final = _object(
    {
        "name": _text("The server's name, empty for the default server."),
        "hub": _text("The name of the hub that started it."),
        "url": _text("Where that hub is; empty if nobody knows."),
        "state": {"type": "string", "enum": ["starting", "running", "stopping"]},
    }
)

COMPONENTS: Final[Mapping[str, Schema]] = {
    "Error": ERROR,
    "Step": STEP,
    "ServerElsewhere": SERVER_ELSEWHERE,
    "Failure": FAILURE,
    "LargerSize": LARGER_SIZE,
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
    "Gpu": GPU,
    "ImageChoice": CHOICE_IMAGE,
    "SizeChoice": CHOICE_SIZE,
    "PresetChoice": CHOICE_PRESET,
    "ProfileChoice": CHOICE_PROFILE,
    "VariableChoice": CHOICE_VARIABLE,
    "Ceiling": CEILING,
    "Options": OPTIONS,
}
"""The schemas that others refer to by name, as `openapi.json` has them."""
