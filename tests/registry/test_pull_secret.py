"""The Secret that pulls the images, read from a real cluster, opens the registry for the menu too."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes_asyncio import client
from kubespawner.clients import load_config, shared_client

from jhkube.images.registry.credentials import pull_secret_content

from .conftest import MakeMenu, StartRegistry
from .servers import BCRYPT, PASSWORD, USER

NAMESPACE = f"jhkube-test-pull-secret-{secrets.token_hex(3)}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api() -> AsyncIterator[client.CoreV1Api]:
    assert os.environ.get("KUBECONFIG"), "needs a cluster: run `make test`, or set KUBECONFIG"
    load_config()
    api = shared_client("CoreV1Api")
    await api.create_namespace({"metadata": {"name": NAMESPACE}})
    yield api
    await api.delete_namespace(NAMESPACE)


async def put_secret(api: client.CoreV1Api, name: str, key: str, content: str) -> None:
    kind = {".dockerconfigjson": "kubernetes.io/dockerconfigjson", ".dockercfg": "kubernetes.io/dockercfg"}
    await api.create_namespaced_secret(
        NAMESPACE,
        {
            "metadata": {"name": name},
            "type": kind.get(key, "Opaque"),
            "data": {key: base64.b64encode(content.encode()).decode()},
        },
    )


async def test_the_menu_logs_in_by_the_secret_that_pulls_the_images(
    api: client.CoreV1Api, start_registry: StartRegistry, make_menu: MakeMenu, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    registry = await start_registry(auth={"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}})
    registry.seed("lab", ["w_2026_46"])
    menu = make_menu(f"{registry.host}/lab", credentials_secret=f"{NAMESPACE}/pull")
    await menu.refresh()
    assert "does not let the hub in" in menu.current.errors[0]
    config = {"auths": {registry.host: {"username": USER, "password": PASSWORD}}}
    await put_secret(api, "pull", ".dockerconfigjson", json.dumps(config))
    await menu.refresh()
    assert menu.current.errors == ()
    assert menu.current.find("w_2026_46") is not None


async def test_the_older_kind_of_secret_is_read(api: client.CoreV1Api) -> None:
    config = {"quay.io": {"username": USER, "password": PASSWORD, "email": "x@example.org", "auth": ""}}
    await put_secret(api, "old", ".dockercfg", json.dumps(config))
    assert await pull_secret_content("old", NAMESPACE) == config


async def test_a_secret_without_a_docker_configuration_is_refused_without_being_shown(api: client.CoreV1Api) -> None:
    await put_secret(api, "other", "password", "hush-hush")
    with pytest.raises(ValueError, match=f"{NAMESPACE}/other has neither .dockerconfigjson") as refused:
        await pull_secret_content("other", NAMESPACE)
    assert "hush" not in str(refused.value)


async def test_a_secret_that_is_not_there_is_named(api: client.CoreV1Api) -> None:
    with pytest.raises(ValueError, match=f"the Secret {NAMESPACE}/gone cannot be read: 404"):
        await pull_secret_content("gone", NAMESPACE)
