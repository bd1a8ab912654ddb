"""What became of a repository that a server starts from: why it was not cloned, and what was left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jhkube.pod.repository import CLONE_CONTAINER, REPOSITORY_ANNOTATION, CloneEnd
from jhkube.watch.failure import Failure
from jhkube.watch.patience import Patience

__all__ = ["repository_failure", "repository_notice"]


def repository_failure(
    pod: Mapping[str, Any], container: str, ended: Mapping[str, Any], patience: Patience
) -> Failure | None:
    """Return why a repository could not be cloned; None where that is not what has ended.

    Only the exit code counts. What the container wrote is the image's and the git server's text.

    Parameters
    ----------
    pod
        The pod, as the API's JSON.
    container
        The name of its init container.
    ended
        How that has ended, now or the last time.
    """
    if container != CLONE_CONTAINER:
        return None
    try:
        end = CloneEnd(int(ended.get("exitCode") or 0))
    except ValueError:
        return None
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    url = annotations.get(REPOSITORY_ANNOTATION, "")
    branch = annotations.get(f"{REPOSITORY_ANNOTATION}-branch", "")
    commit = annotations.get(f"{REPOSITORY_ANNOTATION}-commit", "")
    detail = f"container {container}: exit code {int(end)}"
    match end:
        case CloneEnd.UNREACHABLE:
            return Failure(
                "RepositoryUnreachable",
                f"The repository {url} cannot be cloned: its host does not answer. Try again in some minutes, or "
                "start without the repository.",
                detail,
                patience.missing,
                f"The host of the repository {url} does not answer; trying again.",
            )
        case CloneEnd.REFUSED:
            message = (
                f"The repository {url} does not exist, or you have no access to it. Check its address, and whether "
                "your login gives git access to it."
            )
        case CloneEnd.NO_BRANCH:
            message = f"The repository {url} has no branch or tag “{branch}”. Check the name, or leave it out."
        case CloneEnd.NO_COMMIT:
            message = f"The repository {url} has no commit {commit}. Check it, or leave it out."
        case CloneEnd.NO_SPACE:
            message = (
                f"There is no space left in your home for the repository {url}. Start without it and delete some "
                "files, or ask for a larger home."
            )
        case CloneEnd.TOO_LONG:
            message = (
                f"Cloning the repository {url} took too long and was stopped. Try again, or start without it and "
                "clone it in a terminal."
            )
        case CloneEnd.NO_GIT:
            message = "The image has no git, so no repository can be cloned. Choose another image."
        case CloneEnd.NO_LFS:
            message = "The image has no git-lfs. Start without the large files, or choose another image."
        case CloneEnd.SUBMODULES:
            message = f"A submodule of the repository {url} cannot be cloned. Start without submodules."
        case CloneEnd.LFS:
            message = f"The large files of the repository {url} (git-lfs) cannot be fetched. Start without them."
        case CloneEnd.NO_HOME:
            message = "The repository cannot be cloned: your home cannot be written. Tell your administrator."
        case CloneEnd.FAILED:
            message = (
                f"The repository {url} cannot be cloned. Try again, or start without it and clone it in a terminal: "
                "git says there why."
            )
    return Failure(f"Repository{end.name.title().replace('_', '')}", message, detail)


def repository_notice(pod: Mapping[str, Any]) -> str:
    """Return what to say of a repository that was not cloned since its folder is there; empty for nothing."""
    for status in pod.get("status", {}).get("initContainerStatuses") or ():
        if status["name"] != CLONE_CONTAINER:
            continue
        ended = (status.get("state") or {}).get("terminated") or {}
        annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
        url = annotations.get(REPOSITORY_ANNOTATION, "")
        folder = annotations.get(f"{REPOSITORY_ANNOTATION}-folder", "")
        if ended.get("message") == "kept":
            return (
                f"The folder “{folder}” with the repository {url} was in your home already. It was left as it is, "
                "without the newest commits."
            )
        if ended.get("message") == "other":
            return (
                f"The folder “{folder}” in your home is not a clone of the repository {url}. It was left as it is, "
                "and nothing was cloned. Rename the folder, then start again."
            )
    return ""
