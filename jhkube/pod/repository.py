"""The init container that clones a repository into the home, as the person, before the server starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from kubernetes_asyncio.client.models import V1Container, V1EnvVar, V1VolumeMount

from jhkube.pod.git import GITCONFIG
from jhkube.pod.parts import PodParts, modest_resources, mount_path_of, name_of, script_of, unexpanded
from jhkube.pod.secret import SECRET_PATH, SECRET_VOLUME
from jhkube.repository import Repository

__all__ = ["CLONE_CONTAINER", "CLONE_SECONDS", "REPOSITORY_ANNOTATION", "CloneEnd", "CloneSettings", "clone_parts"]

CLONE_CONTAINER: Final = "jhkube-repository"
"""The name of the init container."""

REPOSITORY_ANNOTATION: Final = "jhkube/repository"
"""The pod's annotation with the repository's address; `-branch`, `-commit` and `-folder` say the rest."""

CLONE_SECONDS: Final = 240
"""How long a repository may take by default."""

_PROXY = re.compile(r"(?:https?|all|no)_proxy", re.IGNORECASE)
_CERTIFICATES = re.compile(r"SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE|GIT_SSL_CAINFO")
"""Variables of the server by which git reaches hosts; no other is handed on, since the server's token is one."""


class CloneEnd(IntEnum):
    """How the init container says, by its exit code, why there is no clone."""

    REFUSED = 81
    """There is no such repository, or it is not for this person."""

    NO_BRANCH = 82
    NO_COMMIT = 83
    NO_SPACE = 84
    UNREACHABLE = 85
    TOO_LONG = 86
    NO_GIT = 87
    SUBMODULES = 88
    LFS = 89
    NO_LFS = 90
    FAILED = 91
    """Another reason; the container's log has git's words."""

    NO_HOME = 92
    """The home cannot be written."""


@dataclass(frozen=True, slots=True)
class CloneSettings:
    """What the operator has configured about clones."""

    image: str = ""
    """The image that has git; empty for the server's own."""

    seconds: int = CLONE_SECONDS
    """How long a clone may take."""


def clone_parts(
    settings: CloneSettings, repository: Repository, home: str, *, pod_name: str, container: V1Container
) -> PodParts:
    """Return the init container that clones a repository, and the annotations that say which one it is.

    It has to come after the steps that make and fill the home, so it is added to the finished pod.

    Parameters
    ----------
    settings
        The configuration.
    repository
        What to clone.
    home
        The home's path in the pod.
    pod_name
        The pod's name, which keeps two servers of one person apart.
    container
        The person's container, which has its mounts already: the clone sees the home, the accounts, git's
        configuration and certificates as the server does, and nothing else.
    """
    env = {
        "HOME": home,
        "JHKUBE_HOME": home,
        "JHKUBE_POD": pod_name,
        "JHKUBE_URL": repository.url,
        "JHKUBE_FOLDER": repository.folder,
        "JHKUBE_BRANCH": repository.branch,
        "JHKUBE_COMMIT": repository.commit,
        "JHKUBE_SUBMODULES": "yes" if repository.submodules else "",
        "JHKUBE_LFS": "yes" if repository.lfs else "",
        "JHKUBE_SECONDS": str(settings.seconds),
        # Neither files of the image, nor commands, nor an answer that leads to plain http.
        "GIT_ALLOW_PROTOCOL": repository.url.partition("://")[0],
        "GIT_CONFIG_SYSTEM": f"{SECRET_PATH}/{GITCONFIG}",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_TERMINAL_PROMPT": "0",
        # The script reads what git says.
        "LC_ALL": "C",
    }
    init = V1Container(
        name=CLONE_CONTAINER,
        image=settings.image or container.image,
        image_pull_policy=None if settings.image else container.image_pull_policy,
        command=script_of(CLONE),
        env=[
            *_proxies(container),
            *(V1EnvVar(name=name, value=unexpanded(value)) for name, value in env.items()),
        ],
        resources=modest_resources(container),
        security_context=container.security_context,
        volume_mounts=list(_mounts(container, home)),
        working_dir="/",
    )
    annotations = {
        REPOSITORY_ANNOTATION: repository.url,
        f"{REPOSITORY_ANNOTATION}-branch": repository.branch,
        f"{REPOSITORY_ANNOTATION}-commit": repository.commit,
        f"{REPOSITORY_ANNOTATION}-folder": repository.folder,
    }
    return PodParts(
        init_containers=(init,), annotations={name: value for name, value in annotations.items() if value}
    )


def _proxies(container: V1Container) -> Iterator[Any]:
    names = (_PROXY, _CERTIFICATES)
    return (each for each in container.env or () if any(name.fullmatch(name_of(each)) for name in names))


def _mounts(container: V1Container, home: str) -> Iterator[V1VolumeMount]:
    ours = (home, SECRET_PATH, "/etc/passwd", "/etc/group", "/etc/gitconfig")
    certificates = list(_certificates(container))
    for mount in container.volume_mounts or ():
        path = mount_path_of(mount)
        has_certificates = any(each == path or each.startswith(f"{path}/") for each in certificates)
        if path in (place.rstrip("/") for place in ours) or name_of(mount) == SECRET_VOLUME or has_certificates:
            yield mount


def _certificates(container: V1Container) -> Iterator[str]:
    """Yield the files and folders of certificates that variables name."""
    for variable in container.env or ():
        if _CERTIFICATES.fullmatch(name_of(variable)):
            value = variable.get("value") if isinstance(variable, dict) else variable.value
            # As PATH, a variable of folders can have several.
            yield from str(value or "").split(":")


CLONE: Final = f"""\
work=$JHKUBE_HOME/.jhkube-clone-$JHKUBE_POD
target=$JHKUBE_HOME/$JHKUBE_FOLDER
tell() {{ [ ! -w /dev/termination-log ] || printf '%s' "$1" >/dev/termination-log; }}

run() {{ # COMMAND: whether it succeeds; what it says is in $said, and in the log
  said=$({{ "$@" 2>&1 </dev/null || echo jhkube-failed; }} | tail -c 4000)
  case $said in
    *jhkube-failed) printf '%s\\n' "${{said%jhkube-failed}}" >&2; return 1 ;;
  esac
}}

full() {{ # end with a code of its own where the disk is full
  case $said in
    *"No space left on device"* | *"isk quota exceeded"* | *"Out of diskspace"*) exit {CloneEnd.NO_SPACE} ;;
  esac
}}

because() {{ # CODE: end with the code for what git has said, or with this one
  full
  case $said in
    *"Remote branch "*" not found in upstream"*) exit {CloneEnd.NO_BRANCH} ;;
    *"Could not resolve "* | *"Failed to connect"* | *"onnection refused"* | *"onnection timed out"* | \\
    *"peration timed out"* | *"Network is unreachable"* | *"onnection reset"* | *"Couldn't connect to server"* | \\
    *"Could not connect to server"* | *"returned error: 5"* | *"returned error: 429"* | *"SSL certificate"* | \\
    *"server certificate"* | *"Empty reply from server"* | *"early EOF"* | *"unexpected disconnect"*)
      exit {CloneEnd.UNREACHABLE} ;;
    *"could not read Username"* | *"could not read Password"* | *"Authentication failed"* | \\
    *"returned error: 40"* | *" not found"*) exit {CloneEnd.REFUSED} ;;
  esac
  exit "$1"
}}

clone() {{
  run rm -rf "$work" || because {CloneEnd.NO_HOME}
  run mkdir "$work" || because {CloneEnd.NO_HOME}
  set -- git -c advice.detachedHead=false clone --quiet
  [ -z "$JHKUBE_BRANCH" ] || set -- "$@" "--branch=$JHKUBE_BRANCH"
  run "$@" -- "$JHKUBE_URL" "$work/$JHKUBE_FOLDER" || because {CloneEnd.FAILED}
  cd "$work/$JHKUBE_FOLDER"
  if [ -n "$JHKUBE_COMMIT" ]; then
    commit=$(git rev-parse --verify --quiet "$JHKUBE_COMMIT^{{commit}}") || commit=
    case $commit in
      "$JHKUBE_COMMIT"*) ;;
      *) # On no branch, as the head of a request to merge: a server gives such a one by its whole hash only.
        [ "${{#JHKUBE_COMMIT}}" -ge 40 ] || exit {CloneEnd.NO_COMMIT}
        run git fetch --quiet origin "$JHKUBE_COMMIT" || {{ full; exit {CloneEnd.NO_COMMIT}; }}
        commit=$JHKUBE_COMMIT ;;
    esac
    # With a branch, the branch is set to the commit, so that there is one to commit to and to push.
    if [ -n "$JHKUBE_BRANCH" ]; then set -- git reset --quiet --hard; else set -- git checkout --quiet --detach; fi
    run "$@" "$commit" || because {CloneEnd.FAILED}
  fi
  if [ -n "$JHKUBE_SUBMODULES" ]; then
    run git submodule --quiet update --init --recursive || {{ full; exit {CloneEnd.SUBMODULES}; }}
  fi
  if [ -n "$JHKUBE_LFS" ]; then
    git lfs version >/dev/null 2>&1 || exit {CloneEnd.NO_LFS}
    {{ run git lfs install --local && run git lfs pull; }} || {{ full; exit {CloneEnd.LFS}; }}
  fi
  cd /
  # Another server of the person's may have been faster; a folder that is not empty is never replaced.
  if [ -e "$target" ] || [ -L "$target" ]; then tell kept; return; fi
  run mv "$work/$JHKUBE_FOLDER" "$JHKUBE_HOME/" || because {CloneEnd.NO_HOME}
}}

command -v git >/dev/null 2>&1 || exit {CloneEnd.NO_GIT}
if [ -e "$target" ] || [ -L "$target" ]; then
  origin=$(git --git-dir="$target/.git" config --local --get remote.origin.url 2>/dev/null) || origin=
  if [ "${{origin%.git}}" = "${{JHKUBE_URL%.git}}" ]; then tell kept; else tell other; fi
  exit 0
fi
[ -w "$JHKUBE_HOME" ] || exit {CloneEnd.NO_HOME}
clone &
job=$!
(sleep "$JHKUBE_SECONDS" && kill "$job") >/dev/null 2>&1 </dev/null &
clock=$!
code=0
wait "$job" || code=$?
kill "$clock" 2>/dev/null || true
[ "$code" != 143 ] || code={CloneEnd.TOO_LONG}
rm -rf "$work" 2>/dev/null || true
exit "$code"
"""
"""Clone JHKUBE_URL to JHKUBE_FOLDER in JHKUBE_HOME, at JHKUBE_BRANCH and JHKUBE_COMMIT, in JHKUBE_SECONDS at most.

It is for any image's `sh`, with `git`, `tail`, `mv` and `rm`. What is there already stays as it is. A clone is made
in a folder of the pod's own and moved to its place when it is complete, so a start that is ended leaves nothing
behind that looks like a clone. The termination message is `kept` or `other` where a folder is there already.
"""
