# mypy: allow-untyped-calls
"""Whether an image has what a server needs: a short-lived pod of it tells its versions."""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import jupyterhub
from kubernetes_asyncio.client import ApiException, CoreV1Api, V1DeleteOptions

from jhkube.checks.cluster import REQUEST_TIMEOUT, Cluster
from jhkube.checks.result import Result, Subject
from jhkube.images.menu import ImageMenu
from jhkube.kube import FORBIDDEN, NOT_FOUND, error_text, plain_items
from jhkube.watch.admission import admission_failure, unreachable_failure
from jhkube.watch.failure import Failure
from jhkube.watch.failures import pod_failure

__all__ = ["IMAGE", "default_image", "image_results"]

IMAGE = Subject("image")

GIT = (2, 32)
"""The first git that knows GIT_CONFIG_SYSTEM."""

NOBODY = 65534
"""The uid that the versions are asked as: any will do."""

PASSING = frozenset({429, 500, 502, 503, 504})
"""What the API server, or a proxy before it, answers while it is busy or away."""

LOOK_AGAIN = 0.5
"""Seconds between two looks at the pod."""

_VERSION = re.compile(r"(\d+)\.(\d+)[\w.+-]*")

SCRIPT = """\
{{ printf 'git='; git --version 2>&1 | head -n 1
  printf 'server='
  {{ {server} --version & asked=$!
    {{ sleep {seconds}; kill $asked; }} >/dev/null 2>&1 &
    wait $asked || echo "it ended with status $?"; }} 2>&1 | tail -n 1; }} >/dev/termination-log
"""
"""What the pod runs. Its words come back in the pod's status, for which no right to read logs is needed. A program
knows no `--version` may be a server that runs on."""


def default_image(menu: ImageMenu, spawner: Any) -> str:
    """Return the image that somebody in no group is given, by its digest where that is known."""
    if not menu.repositories:
        return str(spawner.image)
    entry = menu.offer_for(()).default
    if entry is None:
        return ""
    return f"{entry.repository}@{entry.digest}" if entry.digest else entry.reference


async def image_results(cluster: Cluster, spawner: Any, image: str, timeout: float) -> AsyncIterator[Result]:
    """Yield what an image has, as a pod of it says; the pod is removed whatever happens.

    Parameters
    ----------
    cluster
        Where the pod runs.
    spawner
        The spawner's settings.
    image
        The image.
    timeout
        Seconds for pulling, starting and ending.
    """
    server = (spawner.cmd or ["jupyterhub-singleuser"])[0]
    pod = _manifest(spawner, image, server, timeout)
    core: Any = CoreV1Api(cluster.api)
    waiting: list[Failure] = []
    try:
        async with asyncio.timeout(timeout):
            await core.create_namespaced_pod(cluster.namespace, pod, _request_timeout=REQUEST_TIMEOUT)
            ended = await _ended(core, cluster.namespace, pod["metadata"]["name"], waiting)
    except ApiException as error:
        yield IMAGE.failed(
            f"a pod of {image} in the namespace {cluster.namespace}: the API server says {error_text(error)}",
            "Look at the permissions of the hub, and at the namespace's ResourceQuota, LimitRange and Pod Security "
            "level; --no-pod leaves this out.",
        )
        return
    except TimeoutError:
        why = f": {waiting[-1].raw}" if waiting else ""
        yield IMAGE.failed(
            f"a pod of {image} was not done after {timeout:g} s{why}",
            "Look at the nodes (kubectl get nodes), or allow more time with --image-timeout: large images take long.",
        )
        return
    finally:
        await asyncio.shield(_removed(core, cluster.namespace, pod["metadata"]["name"]))
    if isinstance(ended, Failure):
        yield IMAGE.failed(
            f"a pod of {image} does not start: {ended.raw}",
            "Look whether `docker pull` of it works, and at c.KubeSpawner.image_pull_secrets.",
        )
        return
    for result in _judged(image, server, ended, wants_new_git=not spawner.git_replaces_etc_gitconfig):
        yield result


def _manifest(spawner: Any, image: str, server: str, timeout: float) -> dict[str, Any]:
    small = {"cpu": "500m", "memory": "512Mi"}
    return {
        # Not the label of people's pods: the hub must not take it for a server.
        "metadata": {
            "name": f"jhkube-check-{secrets.token_hex(4)}",
            "labels": {"app.kubernetes.io/name": "jhkube-check"},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(timeout) + 30,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [
                each if isinstance(each, dict) else {"name": each} for each in spawner.image_pull_secrets or ()
            ],
            "nodeSelector": dict(spawner.node_selector),
            "tolerations": list(spawner.tolerations),
            "containers": [
                {
                    "name": "check",
                    "image": image,
                    "imagePullPolicy": spawner.image_pull_policy or "IfNotPresent",
                    "command": [
                        "sh",
                        "-c",
                        SCRIPT.format(server=shlex.quote(server), seconds=max(1, int(timeout) // 2)),
                    ],
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "workingDir": "/tmp",
                    "resources": {"limits": small, "requests": {"cpu": "100m", "memory": "128Mi"}},
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": NOBODY,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ],
        },
    }


async def _ended(core: Any, namespace: str, name: str, waiting: list[Failure]) -> Failure | str:
    """Return the pod's last words, or why it cannot start; what may pass by itself goes to `waiting`."""
    while True:
        # Listed and not read: a hub may do the one and not the other.
        try:
            pods = await plain_items(
                core.list_namespaced_pod,
                namespace,
                field_selector=f"metadata.name={name}",
                _request_timeout=REQUEST_TIMEOUT,
            )
        except ApiException as error:
            if error.status not in PASSING:
                raise
            pods, waiting[:] = [], [admission_failure(error)]
        except aiohttp.ClientError as error:
            pods, waiting[:] = [], [unreachable_failure(error)]
        for pod in pods:
            last = _last_words(pod)
            if last is not None:
                return last
            failure = pod_failure(pod)
            if failure is not None and not failure.temporary:
                return failure
            waiting[:] = [failure] if failure else []
        await asyncio.sleep(LOOK_AGAIN)


def _last_words(pod: Mapping[str, Any]) -> str | None:
    for status in pod.get("status", {}).get("containerStatuses") or ():
        ended = status.get("state", {}).get("terminated")
        if ended:
            message = ended.get("message")
            return str(message) if message else f"{ended.get('reason')}, exit status {ended.get('exitCode')}"
    return None


async def _removed(core: Any, namespace: str, name: str) -> None:
    options = V1DeleteOptions(grace_period_seconds=0)
    try:
        await core.delete_namespaced_pod(name, namespace, body=options, _request_timeout=REQUEST_TIMEOUT)
    except ApiException as error:
        if error.status not in (FORBIDDEN, NOT_FOUND):
            raise


def _judged(image: str, server: str, words: str, *, wants_new_git: bool) -> list[Result]:
    """Return what the versions mean."""
    said = dict(line.split("=", 1) for line in words.splitlines() if "=" in line)
    if not {"git", "server"} <= said.keys():
        return [IMAGE.failed(f"{image} has no shell that tells its versions: {words[-200:]}", "Install sh in it.")]
    return [_git(image, said["git"], wants_new_git), _server(image, server, said["server"])]


def _git(image: str, said: str, wants_new: bool) -> Result:
    version = _VERSION.search(said) if said.startswith("git version") else None
    if version is None:
        return IMAGE.failed(
            f"{image} has no git: {said[:200]}",
            "Install git in the image; people's credentials reach it through git's own configuration.",
        )
    if wants_new and (int(version[1]), int(version[2])) < GIT:
        return IMAGE.failed(
            f"{image} has git {version[0]}, older than 2.32: it does not know GIT_CONFIG_SYSTEM",
            "Install a newer git, or set c.JHKubeSpawner.git_replaces_etc_gitconfig = True.",
        )
    return IMAGE.passed(f"{image} has git {version[0]}")


def _server(image: str, server: str, said: str) -> Result:
    version = _VERSION.fullmatch(said.strip())
    hub = jupyterhub.__version__
    if version is None:
        return IMAGE.failed(
            f"{image} has no {server} that tells its version: {said[:200] or 'it says nothing'}",
            f"Install jupyterhub {jupyterhub.version_info[0]}.* in the image (pip install jupyterhub).",
        )
    # JupyterHub takes another minor version, and warns of another major one: logins may go in circles.
    if int(version[1]) != jupyterhub.version_info[0]:
        return IMAGE.failed(
            f"{image} has jupyterhub {version[0]}, and this hub is {hub}: their first numbers must be the same",
            f"Install jupyterhub {jupyterhub.version_info[0]}.* in the image.",
        )
    return IMAGE.passed(f"{image} has jupyterhub {version[0]}, which the hub {hub} takes")
