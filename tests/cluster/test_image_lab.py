"""The lab image in pods: with a root file system that cannot be written to, in homes of every kind, and reset."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.conftest import Cluster
from tests.pods import in_pod, pod_of

TOKEN = "for-these-pods"
UID = 70_001
READ_ONLY_HUB = """
c.JHKubeSpawner.container_security_context = {"readOnlyRootFilesystem": True}
c.JHKubeSpawner.volumes = [{"name": "tmp", "emptyDir": {}}]
c.JHKubeSpawner.volume_mounts = [{"name": "tmp", "mountPath": "/tmp"}]
"""

HOMES: dict[str, dict[str, Any]] = {
    "fine": {"path": "/home/ada", "volumes": ["/home/ada", "/tmp"]},
    "nothing can be written": {"path": "/home/ada"},
    "another's": {"path": "/srv", "volumes": ["/tmp"]},
    # A pod's shared memory is a file system of 64 MiB: it can be filled.
    "full": {
        "path": "/dev/shm/ada",
        "volumes": ["/tmp"],
        "before": "mkdir -p ~/.ipython; echo mine > ~/small; head -c 100000000 /dev/zero > ~/large 2>/dev/null; ",
    },
}


class Lab:
    """A lab in a pod of its own, without a hub."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        self.cluster = cluster
        self.home = HOMES[kind]
        self.name = f"lab-{secrets.token_hex(3)}"
        self.url = ""

    async def create(self) -> None:
        command = f"{self.home.get('before', '')} exec tini -- lab-start jupyter lab --ip=0.0.0.0 --port=8888"
        paths = self.home.get("volumes", [])
        await self.cluster.core.create_namespaced_pod(
            self.cluster.namespace,
            {
                "metadata": {"name": self.name},
                "spec": {
                    "securityContext": {"runAsUser": UID, "runAsGroup": UID, "fsGroup": UID},
                    "containers": [
                        {
                            "name": "notebook",
                            "image": f"{self.cluster.registry}/lab:recommended",
                            "imagePullPolicy": "Always",
                            "command": ["sh", "-c", command],
                            "env": [
                                {"name": "HOME", "value": self.home["path"]},
                                {"name": "JUPYTER_TOKEN", "value": TOKEN},
                                {"name": "JHKUBE_STOPS_AFTER", "value": "86400"},
                            ],
                            "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
                            "volumeMounts": [{"name": f"v{n}", "mountPath": path} for n, path in enumerate(paths)],
                        }
                    ],
                    "volumes": [{"name": f"v{n}", "emptyDir": {}} for n, _ in enumerate(paths)],
                },
            },
        )

    async def answers(self) -> None:
        async with asyncio.timeout(400):
            while True:
                pod = await self.cluster.core.read_namespaced_pod(self.name, self.cluster.namespace)
                if pod.status.phase == "Failed":
                    raise RuntimeError(await self.log())
                self.url = f"http://{pod.status.pod_ip}:8888"
                try:
                    if pod.status.pod_ip:
                        await self.ask("GET", "/api/status")
                        return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.1)

    async def ask(self, method: str, path: str, **kwargs: Any) -> str:
        headers = {"Authorization": f"token {TOKEN}"}
        async with aiohttp.request(method, f"{self.url}{path}", headers=headers, **kwargs) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def run(self, script: str) -> str:
        return await in_pod(self.cluster.namespace, self.name, script)

    async def log(self) -> str:
        return str(await self.cluster.core.read_namespaced_pod_log(self.name, self.cluster.namespace))

    async def kernel_computes(self) -> str:
        """Return what a new kernel of the server says about six times seven."""
        kernel = json.loads(await self.ask("POST", "/api/kernels", json={"name": "python3"}))["id"]
        message = {
            "header": {
                "msg_id": "one",
                "username": "",
                "session": "one",
                "msg_type": "execute_request",
                "version": "5",
            },
            "content": {"code": "print(6 * 7)", "silent": False},
            "parent_header": {},
            "metadata": {},
            "channel": "shell",
        }
        url = f"{self.url}/api/kernels/{kernel}/channels?session_id=one&token={TOKEN}"
        async with asyncio.timeout(400), aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.send_json(message)
            async for answer in socket:
                said = json.loads(answer.data)
                if said["msg_type"] == "stream" and said["content"]["name"] == "stdout":
                    return str(said["content"]["text"])
        raise RuntimeError("the kernel hung up")


@pytest.fixture(scope="module")
async def labs(cluster: Cluster) -> AsyncIterator[dict[str, Lab]]:
    made = {kind: Lab(cluster, kind) for kind in HOMES}
    await asyncio.gather(*(lab.create() for lab in made.values()))
    await asyncio.gather(*(lab.answers() for lab in made.values()))
    yield made
    for lab in made.values():
        await cluster.core.delete_namespaced_pod(lab.name, cluster.namespace, grace_period_seconds=0)


@pytest.mark.parametrize("kind", HOMES)
async def test_a_lab_works_for_any_uid_in_any_home_on_a_read_only_root(labs: dict[str, Lab], kind: str) -> None:
    lab = labs[kind]
    assert "Read-only file system" in await lab.run("touch /opt/lab/x 2>&1")
    assert "<title>JupyterLab</title>" in await lab.ask("GET", "/lab")
    assert await lab.kernel_computes() == "42\n"
    assert json.loads(await lab.ask("POST", "/api/terminals"))["name"] == "1"


async def test_in_a_home_that_is_fine_there_is_nothing_to_say(labs: dict[str, Lab]) -> None:
    lab = labs["fine"]
    assert "lab-start:" not in await lab.log()
    page = await lab.ask("GET", "/lab")
    assert "lab-notice" not in page
    # This is seen when its time comes.
    assert page.count('id="lab-stop"') == 1
    assert "because it has run for the longest time allowed" in page
    assert (
        await lab.run("ls -A ~/.lab* 2>/dev/null; tr '\\0' '\\n' < /proc/1/environ | grep ^HOME")
        == "HOME=/home/ada\n"
    )


async def test_scripts_are_sent_compressed_to_who_reads_that(labs: dict[str, Lab]) -> None:
    lab = labs["fine"]
    script = re.search(r'src="(/static/lab/main[^"]+)"', await lab.ask("GET", "/lab"))
    assert script
    said = {}
    for asked in ("gzip, deflate, br", "identity"):
        async with aiohttp.request("GET", lab.url + script[1], headers={"Accept-Encoding": asked}) as answer:
            fields = {name: answer.headers.get(name) for name in ("Content-Encoding", "Content-Type", "Vary")}
            said[asked] = fields, answer.content_length, await answer.text()
    (packed, packed_length, unpacked), (plain, length, content) = said.values()
    assert unpacked == content
    assert packed_length < length / 3
    same = {"Content-Type": "application/javascript", "Vary": "Accept-Encoding"}
    assert packed == {"Content-Encoding": "gzip", **same}
    assert plain == {"Content-Encoding": None, **same}


async def test_in_a_full_home_people_read_it_and_can_delete_something(labs: dict[str, Lab]) -> None:
    lab = labs["full"]
    said = "Your home /dev/shm/ada is full"
    assert said in await lab.log()
    assert said in await lab.ask("GET", "/lab")
    files = {each["name"] for each in json.loads(await lab.ask("GET", "/api/contents/"))["content"]}
    assert files == {"small", "large"}
    await lab.ask("DELETE", "/api/contents/large")
    await lab.ask("PUT", "/api/contents/new", json={"type": "file", "format": "text", "content": "x" * 100_000})
    assert await lab.run("cat ~/small; stat -c %s ~/new") == "mine\n100000\n"


@pytest.mark.parametrize(
    ("kind", "why", "place"),
    [
        ("another's", "Your home /srv cannot be written to by you (user 70001; it belongs to user 0)", "/tmp/lab."),
        ("nothing can be written", "Your home /home/ada is not there", "/dev/shm/lab."),
    ],
)
async def test_without_a_home_people_are_in_another_folder_and_read_why(
    labs: dict[str, Lab], kind: str, why: str, place: str
) -> None:
    lab = labs[kind]
    page = await lab.ask("GET", "/lab")
    for text in (await lab.log(), page):
        assert why in text
        assert f"you are in the folder {place}" in text
    await lab.ask("PUT", "/api/contents/new", json={"type": "file", "format": "text", "content": "x"})
    assert (await lab.run(f"ls {place}*/new")).startswith(place)


async def test_a_look_at_unsaved_work_does_not_count_as_use(labs: dict[str, Lab]) -> None:
    lab = labs["fine"]
    await lab.run("git init -q ~/paper && touch ~/paper/one")
    before = json.loads(await lab.ask("GET", "/api/status"))["last_activity"]
    said = json.loads(await lab.ask("GET", "/jhkube/unsaved"))
    assert said.pop("free") > 0
    assert said.pop("memory") is None
    assert said == {"repositories": [{"path": "paper", "changed": 1, "unpushed": 0}], "more": 0, "complete": True}
    assert json.loads(await lab.ask("GET", "/api/status"))["last_activity"] == before
    async with aiohttp.request("GET", f"{lab.url}/jhkube/unsaved", allow_redirects=False) as answer:
        assert answer.status in (302, 403)


async def test_pip_installs_into_the_home(labs: dict[str, Lab]) -> None:
    script = (
        'cd /tmp && mkdir -p thing && cd thing && echo \'from setuptools import setup; setup(name="thing", '
        "py_modules=[\"thing\"])' > setup.py && echo 'x = 1' > thing.py && "
        "pip install -q --no-build-isolation --no-index . && cd / && python -c 'import thing; print(thing.__file__)'"
    )
    assert "/home/ada/.local/lib/python3.11/site-packages/thing.py\n" in await labs["fine"].run(script)


async def test_a_reset_from_the_form_moves_things_aside_on_a_read_only_root(new_hub, someone, cluster) -> None:
    hub = await new_hub("reset", extra=READ_ONLY_HUB)
    person = await someone(hub, "guest-05")

    async def inside(script: str) -> str:
        pod = await pod_of(cluster.core, cluster.namespace, "guest-05")
        return await in_pod(cluster.namespace, pod.metadata.name, script)

    await person.started()
    assert "Read-only file system" in await inside("touch /opt/lab/x 2>&1")
    site = "~/.local/lib/python3.11/site-packages"
    await inside(f"mkdir -p {site}; echo 'broken = True' > {site}/broken.py; echo kept > ~/notes")
    assert await inside("python -c 'import broken; print(broken.broken)'") == "True\n"
    await person.stop()
    await person.started(reset_environment=True)
    assert "ModuleNotFoundError" in await inside("python -c 'import broken' 2>&1")
    assert await inside("cat ~/notes ~/.set-aside/*/.local/lib/python3.11/site-packages/broken.py") == (
        "kept\nbroken = True\n"
    )
    server = "pgrep -f [j]upyterhub-singleuser | tail -1"
    assert await inside(f"tr '\\0' '\\n' < /proc/$({server})/environ | grep PYTHONUSERBASE") == ""
    url = f"{hub.url}/user/guest-05/lab"
    page = await (await person.follow(url)).text()
    assert "Your own packages and settings were moved to /home/guest-05/.set-aside/" in page
