"""`jhkube check` and images: what a pod of them says of git and of the server."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
from pathlib import Path

import aiohttp

from jhkube.checks.cluster import connected
from jhkube.checks.configured import ConfiguredHub, load_configuration
from jhkube.checks.image import image_results
from jhkube.checks.result import Result
from jhkube.images.registry.client import ACCEPT
from tests.cluster.check_fixtures import cilogon, configured, failed, places
from tests.registry.servers import Pusher, digest_of

__all__ = ["cilogon", "configured", "places"]


async def images_found(file: Path, image: str, timeout: float = 240) -> list[Result]:
    hub = ConfiguredHub(await asyncio.to_thread(load_configuration, file))
    cluster = await connected(hub)
    try:
        found = [each async for each in image_results(cluster, hub.spawner, image, timeout)]
    finally:
        await cluster.api.close()
    return found


async def with_programs(registry: str, source: str, tag: str, repository: str, says: dict[str, str]) -> str:
    """Push an image with a layer more, of programs that say something, and return it by its digest."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as layer:
        for path, words in says.items():
            program = f"#!/bin/sh\necho '{words}'\n".encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(program), 0o755
            layer.addfile(entry, io.BytesIO(program))
    content, base = gzip.compress(archive.getvalue(), mtime=0), f"http://{registry}/v2"
    pusher = Pusher(f"http://{registry}")
    async with aiohttp.ClientSession(headers={"Accept": ACCEPT}) as session:
        async with session.get(f"{base}/{source}/manifests/{tag}") as answer:
            kind, manifest = answer.headers["Content-Type"], json.loads(await answer.read())
        async with session.get(f"{base}/{source}/blobs/{manifest['config']['digest']}") as answer:
            config = json.loads(await answer.read())
        for known in manifest["layers"]:
            mount = {"mount": known["digest"], "from": source}
            async with session.post(f"{base}/{repository}/blobs/uploads/", params=mount) as answer:
                assert answer.status == 201, await answer.text()
        config["rootfs"]["diff_ids"].append(digest_of(archive.getvalue()))
        config.pop("history", None)
        described = json.dumps(config).encode()
        for blob in (content, described):
            await pusher.blob(session, repository, blob)
        manifest["config"] |= {"digest": digest_of(described), "size": len(described)}
        manifest["layers"].append(
            {"mediaType": manifest["layers"][0]["mediaType"], "digest": digest_of(content), "size": len(content)}
        )
        body = json.dumps(manifest).encode()
        url, headers = f"{base}/{repository}/manifests/{digest_of(body)}", {"Content-Type": kind}
        async with session.put(url, data=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
    return f"{registry}/{repository}@{digest_of(body)}"


async def pods_left(cluster) -> list[str]:
    pods = await cluster.core.list_namespaced_pod(
        cluster.namespace, label_selector="app.kubernetes.io/name=jhkube-check"
    )
    return [pod.metadata.name for pod in pods.items if not pod.metadata.deletion_timestamp]


async def test_an_image_with_neither_git_nor_a_server_of_a_known_version(configured, cluster):
    """The image has a server that takes no notice of --version, and runs on."""
    git, server = failed(await images_found(configured(), f"{cluster.registry}/tiny:1.0", timeout=25))
    assert "tiny:1.0 has no git" in git.text
    assert "Install git" in git.remedy
    assert "has no jupyterhub-singleuser that tells its version" in server.text
    assert "pip install jupyterhub" in server.remedy
    assert await pods_left(cluster) == []


async def test_an_image_whose_git_and_server_are_too_old(configured, cluster):
    programs = {"usr/local/bin/git": "git version 2.20.1", "usr/local/bin/jupyterhub-singleuser": "4.1.6"}
    image = await with_programs(cluster.registry, "tiny", "1.0", "check-old", programs)
    git, server = failed(await images_found(configured(), image))
    assert "has git 2.20.1, older than 2.32" in git.text
    assert "git_replaces_etc_gitconfig" in git.remedy
    assert "has jupyterhub 4.1.6, and this hub is" in server.text
    assert "in the image" in server.remedy
    assert await pods_left(cluster) == []


async def test_an_image_that_is_not_there_is_named_at_once(configured, cluster):
    (wrong,) = failed(await images_found(configured(), f"{cluster.registry}/lab:nothing"))
    assert "lab:nothing does not start" in wrong.text
    assert "Pull" in wrong.text
    assert "image_pull_secrets" in wrong.remedy
    assert await pods_left(cluster) == []


async def test_a_pod_that_is_not_done_in_time_is_removed(configured, cluster):
    (wrong,) = failed(await images_found(configured(), f"{cluster.registry}/lab:w_2026_46", timeout=0.2))
    assert "was not done after 0.2 s" in wrong.text
    assert "--image-timeout" in wrong.remedy
    assert await pods_left(cluster) == []
