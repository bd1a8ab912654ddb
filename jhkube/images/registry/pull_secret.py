"""The Secret that pulls the images, as credentials for asking about them."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
from kubernetes_asyncio.client.exceptions import ApiException
from kubespawner.clients import shared_client

from jhkube.kube import own_namespace

__all__ = ["pull_secret_content"]

KEYS = (".dockerconfigjson", ".dockercfg")
"""The keys in Secrets of type kubernetes.io/dockerconfigjson and, older, kubernetes.io/dockercfg."""


async def pull_secret_content(name: str, namespace: str = "") -> dict[str, Any]:
    """Return the docker configuration in a Secret of the kind that `imagePullSecrets` name.

    The Kubernetes client must have been configured, which `kubespawner.clients.load_config` or any
    KubeSpawner does.

    Parameters
    ----------
    name
        The Secret's name.
    namespace
        Its namespace; the hub's own where it is left out.

    Raises
    ------
    ValueError
        Where it cannot be read or holds no docker configuration. The message never has a part of the content.
    """
    namespace = namespace or own_namespace()
    try:
        client = shared_client("CoreV1Api")  # type: ignore[no-untyped-call]
        secret = await client.read_namespaced_secret(name, namespace)
    except ApiException as error:
        raise ValueError(f"the Secret {namespace}/{name} cannot be read: {error.status} {error.reason}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ValueError(
            f"the Secret {namespace}/{name} cannot be read: the API server does not answer ({type(error).__name__})"
        ) from None
    for key in KEYS:
        if key in (secret.data or {}):
            try:
                content = json.loads(base64.b64decode(secret.data[key]))
            except ValueError:
                content = None
            if isinstance(content, dict):
                return content
            raise ValueError(f"{key} of the Secret {namespace}/{name} is not a JSON object")
    raise ValueError(f"the Secret {namespace}/{name} has neither {' nor '.join(KEYS)}")
