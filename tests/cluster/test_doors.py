"""Kubeflow's and Renku's APIs walked through as their documentation does, with a real hub, service and cluster."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jhkube.service.kubeflow.routes import ROUTES as KUBEFLOW
from jhkube.service.renku.routes import ROUTES as RENKU
from tests.hubs import Hub, Person
from tests.pod_defaults import defined, make_pod_default
from tests.pods import new_namespace, pod_of
from tests.ports import free_port

ODD_BODIES = (b"\xff\xfe{", b'{"name": {"a": []}, "stopped": 1}', b"[" * 40, b'{"namespace": null}')
"""Bodies that no route takes."""

SIZES = [
    {"name": "small", "cores": 0.1, "memory": "64M", "default": True},
    {"name": "large", "cores": 0.2, "memory": "96M"},
    {"name": "nowhere", "cores": 0.3, "memory": "96M", "node_selector": {"no": "where"}},
]
SURVEY = {
    "desc": "The survey's data",
    "env": [{"name": "SURVEY", "value": "deep"}],
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
}
EXTRA = """
# The service waits a minute for the answer to a start.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 45}
c.JHKubeSpawner.start_patience = {"unschedulable": 3}
c.JHKubeSpawner.repository_git_image = "REGISTRY/lab:recommended"
"""


@dataclass
class Doors:
    """A hub with both doors."""

    hub: Hub

    @property
    def url(self) -> str:
        """The service's address, with a slash at the end."""
        return f"{self.hub.url}/services/jhkube/"

    async def ask(
        self, who: Person | None, method: str, path: str, body: Any = None, raw: bytes | None = None
    ) -> tuple[int, Any]:
        """Ask a door with a token; return the status and the JSON body, or the text of another one."""
        headers = {"Authorization": f"token {who.token}"} if who else {}
        sent = {"data": raw} if raw is not None else {} if body is None else {"json": body}
        async with aiohttp.request(method, f"{self.url}{path}", headers=headers, **sent) as answer:
            text = await answer.text()
            is_json = text and answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text

    async def reach(self, who: Person, path: str, *keys: str, value: str) -> dict[str, Any]:
        """Return an answer once it has this value at these keys."""
        async with asyncio.timeout(240):
            while True:
                status, answer = await self.ask(who, "GET", path)
                found = answer
                for key in keys:
                    found = found.get(key, {}) if isinstance(found, dict) else {}
                if status == 200 and found == value:
                    return dict(answer)
                await asyncio.sleep(0.3)


@pytest.fixture(scope="module")
async def doors(cluster, new_hub, git_server) -> AsyncIterator[Doors]:
    namespace = f"{cluster.namespace}-doors"
    await new_namespace(cluster.core, namespace)
    api = cluster.core.api_client
    async with defined(api):
        await make_pod_default(api, namespace, "survey", "use-survey", SURVEY)
        await make_pod_default(api, namespace, "secret", "use-secret", {"envFrom": [{"secretRef": {"name": "x"}}]})
        yield await _doors(cluster, new_hub, git_server, namespace)
    await cluster.core.delete_namespace(namespace)


async def _doors(cluster: Any, new_hub: Any, git_server: Any, namespace: str) -> Doors:
    hub = await new_hub(
        "doors",
        EXTRA.replace("REGISTRY", cluster.registry),
        JHKUBE_NAMESPACE=namespace,
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
        JHKUBE_HOME_SIZE="10Mi",
        JHKUBE_SIZES=json.dumps(SIZES),
        JHKUBE_MY_SERVERS="true",
        JHKUBE_MY_SERVERS_PORT=str(free_port()),
        JHKUBE_MY_SERVERS_KUBEFLOW="true",
        JHKUBE_MY_SERVERS_OWN_DISKS="2",
        JHKUBE_POD_DEFAULTS="safe",
        JHKUBE_GUESTS="true",
        JHKUBE_GUEST_HOME_SIZE="10Mi",
        JHKUBE_CUSTOM_IMAGES=rf"{re.escape(cluster.registry)}/handbook:.+",
        JHKUBE_MY_SERVERS_RENKU_FORGE=git_server.url,
        JHKUBE_REPOSITORY_HOSTS=git_server.url,
        JHKUBE_REPOSITORY_IMAGE=f"{cluster.registry}/{{name}}:{{commit:7}}",
    )
    made = Doors(hub)
    async with asyncio.timeout(240):
        while True:
            try:
                # While the service is loaded, it says so in this frame too.
                if (await made.ask(None, "GET", "kubeflow/healthz/readiness"))[1].get("success"):
                    break
            except (aiohttp.ClientError, AttributeError):
                pass
            await asyncio.sleep(0.3)
    return made


@pytest.fixture(scope="module")
async def kubeflow(doors: Doors, cluster: Any) -> dict[str, Any]:
    """Each of Kubeflow's routes in the life of one notebook, as what was answered by name."""
    person, stranger = await doors.hub.login("guest-16"), await doors.hub.login("guest-17")
    root, space = "kubeflow/api", f"kubeflow/api/namespaces/{person.name}"
    told: dict[str, Any] = {}

    async def ask(name: str, method: str, path: str, body: Any = None) -> Any:
        told[name] = status, answer = await doors.ask(person, method, path, body)
        assert isinstance(answer, dict), (name, answer)
        assert (answer["status"], answer["success"]) == (status, status < 400), (name, answer)
        assert answer["user"] == person.name
        assert status < 400 or answer["log"].endswith("."), (name, answer)
        return answer

    for name in ("config", "gpus", "storageclasses", "storageclasses/default", "namespaces"):
        await ask(name, "GET", f"{root}/{name}")
    await ask("namespace", "GET", space)
    await ask("cost", "GET", f"{space}/cost/allocation?window=today")
    await ask("poddefaults", "GET", f"{space}/poddefaults")
    image = told["config"][1]["config"]["image"]["value"]
    body = {"name": "study", "namespace": person.name, "image": image, "cpu": "0.2", "memory": "0.05Gi"}
    disk = {"name": "data", "size": "5Mi", "class": "$empty", "mode": "ReadWriteOnce", "type": "empty"}
    await ask("large pvc", "POST", f"{space}/pvcs", disk | {"size": 1})
    await ask("snapshot", "POST", f"{space}/pvcs", disk | {"type": "snapshot"})
    await ask("new pvc", "POST", f"{space}/pvcs", disk)
    told["strange disk"] = await doors.ask(
        stranger, "GET", f"kubeflow/api/namespaces/{stranger.name}/pvcs/disk-{person.name}--data"
    )
    old = {
        "mount": "/home/jovyan/data",
        "existingSource": {"persistentVolumeClaim": {"claimName": f"disk-{person.name}--data", "readOnly": True}},
    }
    made = {"metadata": {"name": "{notebook-name}-more"}, "spec": {"resources": {"requests": {"storage": "5Mi"}}}}
    volumes = {"datavols": [old, {"mount": "/mnt/more", "newPvc": made}], "configurations": ["use-survey"]}
    told["strange disk mounted"] = await doors.ask(
        stranger, "POST", f"kubeflow/api/namespaces/{stranger.name}/notebooks", {"name": "x", "datavols": [old]}
    )
    # The two places are compared by the hub, when the disk has been made.
    at_one_place = {"datavols": [old, {"mount": old["mount"], "newPvc": made}]}
    await ask("refused with a disk", "POST", f"{space}/notebooks", body | at_one_place)
    await ask("pvcs after that", "GET", f"{space}/pvcs")
    lost = {"name": "lost", "affinityConfig": "nowhere", "datavols": [{"mount": "/mnt/more", "newPvc": made}]}
    await ask("start fails", "POST", f"{space}/notebooks", body | lost)
    await ask("pvcs of a failed start", "GET", f"{space}/pvcs")
    await ask("failed start removed", "DELETE", f"{space}/notebooks/lost")
    await ask("disk of a failed start removed", "DELETE", f"{space}/pvcs/disk-{person.name}--lost-more")
    await ask("home of a failed start removed", "DELETE", f"{space}/pvcs/claim-{person.name}--lost")
    await ask("unknown configuration", "POST", f"{space}/notebooks", body | {"configurations": ["use-secret"]})
    await ask("too much", "POST", f"{space}/notebooks", body | {"cpu": "9"})
    await ask("other image", "POST", f"{space}/notebooks", body | {"image": "elsewhere.example.org/x:1"})
    await ask("made", "POST", f"{space}/notebooks", body | volumes)
    await ask("made again", "POST", f"{space}/notebooks", body)
    await doors.reach(person, f"{space}/notebooks/study", "notebook", "processed_status", "phase", value="ready")
    await ask("notebooks", "GET", f"{space}/notebooks")
    await ask("notebook", "GET", f"{space}/notebooks/study")
    pod_of_it = await pod_of(cluster.core, f"{cluster.namespace}-doors", person.name, "study")
    told["manifest"] = cluster.core.api_client.sanitize_for_serialization(pod_of_it)
    pod = (await ask("pod", "GET", f"{space}/notebooks/study/pod"))["pod"]["metadata"]["name"]
    await ask("logs", "GET", f"{space}/notebooks/study/pod/{pod}/logs")
    await ask("other logs", "GET", f"{space}/notebooks/study/pod/other/logs")
    await ask("events", "GET", f"{space}/notebooks/study/events")
    claim = (await ask("pvcs", "GET", f"{space}/pvcs"))["pvcs"][0]["name"]
    await ask("pvc", "GET", f"{space}/pvcs/{claim}")
    await ask("pvc pods", "GET", f"{space}/pvcs/{claim}/pods")
    await ask("pvc events", "GET", f"{space}/pvcs/{claim}/events")
    await ask("pvc in use", "DELETE", f"{space}/pvcs/{claim}")
    await ask("mounted pvc", "DELETE", f"{space}/pvcs/disk-{person.name}--data")
    await ask("one more pvc", "POST", f"{space}/pvcs", disk | {"name": "one-more"})
    await ask("pvcs with it", "GET", f"{space}/pvcs")
    told["strangers"] = {
        f"{method} {path}": (await doors.ask(stranger, method, f"{space}{path}", *more))[0]
        for method, path, *more in (
            ("GET", "/notebooks"),
            ("GET", "/notebooks/study/pod"),
            ("GET", f"/notebooks/study/pod/{pod}/logs"),
            ("PATCH", "/notebooks/study", {"stopped": True}),
            ("DELETE", "/notebooks/study"),
            ("DELETE", f"/pvcs/{claim}"),
        )
    }
    await ask("stopped", "PATCH", f"{space}/notebooks/study", {"stopped": True})
    stopped = ("notebook", "processed_status", "phase")
    await doors.reach(person, f"{space}/notebooks/study", *stopped, value="stopped")
    await ask("stopped again", "PATCH", f"{space}/notebooks/study", {"stopped": True})
    await ask("no pod", "GET", f"{space}/notebooks/study/pod")
    await ask("removed", "DELETE", f"{space}/notebooks/study")
    await ask("gone", "GET", f"{space}/notebooks/study")
    await ask("pvc deleted", "DELETE", f"{space}/pvcs/{claim}")
    await ask("new pvc deleted", "DELETE", f"{space}/pvcs/disk-{person.name}--data")
    for each in (person, stranger):
        await each.close()
    return told


def statuses(told: dict[str, Any], *names: str) -> dict[str, int]:
    return {name: told[name][0] for name in names}


async def test_the_form_is_made_of_menu_and_sizes(kubeflow):
    config = kubeflow["config"][1]["config"]
    assert config["image"]["value"].rpartition(":")[0].endswith("/tiny")
    assert [each["configKey"] for each in config["affinityConfig"]["options"]] == ["small", "large", "nowhere"]
    assert config["workspaceVolume"]["value"]["newPvc"]["spec"]["resources"]["requests"]["storage"] == "10Mi"
    assert kubeflow["gpus"][1]["vendors"] == []
    assert (
        kubeflow["storageclasses/default"][1]["defaultStorageClass"]
        in kubeflow["storageclasses"][1]["storageClasses"]
    )
    assert kubeflow["namespaces"][1]["namespaces"] == ["guest-16"]
    assert kubeflow["namespace"][1]["namespace"]["metadata"]["name"] == "guest-16"
    (survey,) = kubeflow["poddefaults"][1]["poddefaults"]
    assert (survey["metadata"]["name"], survey["label"], survey["desc"]) == (
        "survey",
        "use-survey",
        "The survey's data",
    )
    assert config["dataVolumes"] == {"value": [], "readOnly": False}


async def test_a_notebook_lives_from_post_to_delete(kubeflow):
    assert set(statuses(kubeflow, "made", "notebooks", "stopped", "removed", "pvc deleted").values()) == {200}
    assert statuses(kubeflow, "made again", "stopped again", "pvc in use") == {
        "made again": 409,
        "stopped again": 409,
        "pvc in use": 409,
    }
    assert set(statuses(kubeflow, "gone", "no pod", "other logs", "cost").values()) == {404}
    assert statuses(kubeflow, "too much", "other image") == {"too much": 400, "other image": 400}
    assert "The largest is “Nowhere”" in kubeflow["too much"][1]["log"]


async def test_a_disk_without_a_notebook_is_a_persons_own_and_there_are_as_many_as_the_operator_allows(kubeflow):
    assert statuses(kubeflow, "large pvc", "snapshot", "new pvc", "one more pvc", "new pvc deleted") == {
        "large pvc": 400,
        "snapshot": 400,
        "new pvc": 200,
        "one more pvc": 409,
        "new pvc deleted": 200,
    }
    rows = {each["name"]: each for each in kubeflow["pvcs after that"][1]["pvcs"]}
    row = rows["disk-guest-16--data"]
    assert (row["capacity"], row["modes"], row["notebooks"]) == ("5Mi", ["ReadWriteOnce"], [])
    assert kubeflow["strange disk"][0] == 404


async def test_a_notebook_mounts_disks_of_the_persons_own_and_makes_new_ones(kubeflow):
    assert statuses(kubeflow, "strange disk mounted", "refused with a disk", "mounted pvc") == {
        "strange disk mounted": 400,
        "refused with a disk": 400,
        "mounted pvc": 409,
    }
    assert "You have no disk" in kubeflow["strange disk mounted"][1]["log"]
    # What was made for the notebook that is refused is gone, or on its way.
    assert "disk-guest-16--study-more" not in [
        each["name"] for each in kubeflow["pvcs after that"][1]["pvcs"] if each["status"]["phase"] != "terminating"
    ]
    # A notebook whose start failed keeps them: it can be started again.
    gone = [f"{what} removed" for what in ("failed start", "disk of a failed start", "home of a failed start")]
    assert statuses(kubeflow, "start fails", *gone) == {"start fails": 429} | dict.fromkeys(gone, 200)
    rows = {each["name"]: each for each in kubeflow["pvcs of a failed start"][1]["pvcs"]}
    assert rows["disk-guest-16--lost-more"]["status"]["phase"] != "terminating"
    used = {each["name"]: each["notebooks"] for each in kubeflow["pvcs with it"][1]["pvcs"]}
    assert used["disk-guest-16--data"] == used["disk-guest-16--study-more"] == ["study"]
    container = kubeflow["manifest"]["spec"]["containers"][0]
    mounts = {each["mountPath"]: each.get("readOnly", False) for each in container["volumeMounts"]}
    assert (mounts["/home/guest-16/data"], mounts["/mnt/more"]) == (True, False)


async def test_a_configuration_is_a_pod_default_of_the_namespace(kubeflow):
    assert kubeflow["unknown configuration"][0] == 400
    manifest = kubeflow["manifest"]
    container = manifest["spec"]["containers"][0]
    assert {"name": "SURVEY", "value": "deep"} in container["env"]
    assert "/scratch" in [each["mountPath"] for each in container["volumeMounts"]]
    assert "poddefault.admission.kubeflow.org/poddefault-survey" in manifest["metadata"]["annotations"]


async def test_the_row_says_what_runs(kubeflow):
    (row,) = [each for each in kubeflow["notebooks"][1]["notebooks"] if each["name"] == "study"]
    assert (row["cpu"], row["memory"], row["status"]["phase"]) == ("0.2", "96Mi", "ready")
    assert row["shortImage"].startswith("tiny")
    names = [each["name"] for each in kubeflow["pvcs"][1]["pvcs"]]
    assert names == ["claim-guest-16--study", "disk-guest-16--data", "disk-guest-16--study-more"]
    assert sorted(row["volumes"]) == names


async def test_its_pod_its_log_and_its_events_are_told_without_secrets(kubeflow):
    assert kubeflow["pod"][1]["pod"]["spec"]["containers"][0]["env"] == []
    assert "JUPYTERHUB_API_TOKEN" not in json.dumps(kubeflow["pod"])
    assert any("tiny: listening on port" in line for line in kubeflow["logs"][1]["logs"])
    assert "Scheduled" in [each["reason"] for each in kubeflow["events"][1]["events"]]
    assert kubeflow["pvc"][1]["notebooks"] == ["study"]
    assert [each["metadata"]["name"] for each in kubeflow["pvc pods"][1]["pods"]] == ["study-0"]
    assert kubeflow["pvc events"][1]["events"] == []


async def test_another_namespace_is_forbidden(kubeflow):
    assert set(kubeflow["strangers"].values()) == {403}, kubeflow["strangers"]


async def test_bad_requests_are_answered_within_the_frame(doors: Doors):
    person = await doors.hub.login("guest-18")
    space = "kubeflow/api/namespaces/guest-18"
    for method, path, raw, expected in (
        ("POST", f"{space}/notebooks", b"{", 400),
        ("POST", f"{space}/notebooks", b"[]", 400),
        ("POST", f"{space}/notebooks", b'{"name": "Not A Name"}', 400),
        ("POST", f"{space}/notebooks", b'{"name": "x", "cpu": NaN}', 400),
        ("POST", f"{space}/notebooks", b'{"name": "x", "namespace": "other"}', 400),
        ("PATCH", f"{space}/notebooks/x", b"{}", 400),
        ("PATCH", f"{space}/notebooks/x", b'{"stopped": true}', 404),
        ("DELETE", f"{space}/notebooks/~", None, 409),
        ("PUT", f"{space}/notebooks", None, 405),
        ("GET", f"{space}/viewers", None, 404),
        ("GET", "kubeflow/", None, 404),
    ):
        status, answer = await doors.ask(person, method, path, raw=raw)
        assert (status, answer["status"], answer["success"]) == (expected, expected, False), (path, raw, answer)
        assert answer["log"].endswith("."), answer
    status, answer = await doors.ask(None, "GET", f"{space}/notebooks")
    assert (status, answer["status"], answer["user"]) == (401, 401, "")
    names = {"namespace": "guest-18", "name": "none", "claim": "none", "pod": "none-0", "path": "none/none"}
    for door, routes in (("kubeflow", KUBEFLOW), ("renku", RENKU)):
        for route, raw in itertools.product(routes, ODD_BODIES):
            if route.method == "GET" and raw is not ODD_BODIES[0]:
                continue
            path = f"{door}/{route.path.format(**names)}"
            status, answer = await doors.ask(person, route.method, path, raw=raw)
            said = answer if isinstance(answer, dict) else {"log": "It is no answer in JSON."}
            said = str(said.get("log") or said.get("error", {}).get("message") or "Done.")
            assert status < 500, (route.name, raw, status, answer)
            assert said.endswith("."), (route.name, raw, answer)
    await person.close()


async def test_a_header_is_no_identity(doors: Doors):
    url = f"{doors.url}kubeflow/api/namespaces"
    for name in ("kubeflow-userid", "Renku-Auth-Access-Token"):
        async with aiohttp.request("GET", url, headers={name: "guest-18"}) as answer:
            assert answer.status == 401


async def test_renkus_api_is_walked_through(doors: Doors):
    person = await doors.hub.login("guest-14")
    root = "renku/notebooks"
    status, text = await doors.ask(None, "GET", "renku/health")
    assert (status, text) == (200, "service running under /services/jhkube/renku/notebooks")
    status, answer = await doors.ask(None, "GET", f"{root}/version")
    assert (status, answer["name"]) == (200, "renku-notebooks")
    status, answer = await doors.ask(person, "GET", f"{root}/server_options")
    assert (status, answer["cpu_request"]["options"]) == (200, [0.1, 0.2, 0.3])
    # A server of the form is a session too.
    status, answer = await doors.ask(person, "PUT", "api/servers/study", {"options": {"size": "small"}})
    assert status == 202, answer
    found = await doors.reach(person, f"{root}/servers/study", "status", "state", value="running")
    assert (found["status"]["phase"], found["status"]["ready"], found["resources"]["cpu"]) == ("Running", True, "0.1")
    assert found["url"] == f"{doors.hub.url}/user/guest-14/study/"
    status, answer = await doors.ask(person, "GET", f"{root}/servers")
    assert [*answer["servers"]] == ["study"]
    status, answer = await doors.ask(person, "GET", f"{root}/servers?project=other&unknown=1")
    assert (status, answer) == (200, {"servers": {}})
    status, answer = await doors.ask(person, "GET", f"{root}/logs/study?max_lines=20")
    assert "tiny: listening on port" in answer["jupyter-server"]
    status, answer = await doors.ask(person, "PATCH", f"{root}/servers/study", {"resource_class_id": 2})
    assert (status, answer["error"]["code"]) == (422, 1422)
    status, answer = await doors.ask(person, "PATCH", f"{root}/servers/study", {"state": "hibernated"})
    assert status == 200, answer
    await doors.reach(person, f"{root}/servers/study", "status", "state", value="hibernated")
    change = {"state": "running", "resource_class_id": 2}
    status, answer = await doors.ask(person, "PATCH", f"{root}/servers/study", change)
    assert status == 200, answer
    found = await doors.reach(person, f"{root}/servers/study", "status", "state", value="running")
    assert found["resources"]["cpu"] == "0.2"
    image = (await doors.ask(person, "GET", "api/options"))[1]["images"][0]["reference"]
    assert (await doors.ask(person, "GET", f"{root}/images?image_url={image}"))[0] == 200
    status, answer = await doors.ask(person, "GET", f"{root}/images?image_url=elsewhere.example.org/x:1")
    assert (status, answer["error"]["code"]) == (404, 1404)
    status, answer = await doors.ask(person, "GET", f"{root}/guest-14/study/autosave")
    assert (status, answer) == (200, {"pvsSupport": True, "autosaves": []})
    assert (await doors.ask(person, "DELETE", f"{root}/guest-14/study/autosave/study"))[0] == 404
    assert (await doors.ask(person, "DELETE", f"{root}/servers/study?forced=true"))[0] == 204
    assert (await doors.ask(person, "GET", f"{root}/servers/study"))[0] == 404
    status, answer = await doors.ask(None, "GET", f"{root}/servers")
    assert (status, answer["error"]["code"]) == (401, 1401)
    await person.close()


@pytest.mark.hub_versions
async def test_the_request_of_renkus_readme_starts_a_session_of_that_commit(doors: Doors, git_server):
    person = await doors.hub.login("guest-15")
    servers = "renku/notebooks/servers"
    folder = await git_server.create_repository("observatory", "notes")
    commit = (Path(folder) / "refs" / "heads" / "main").read_text().strip()
    launch = {"namespace": "observatory", "project": "notes", "commit_sha": commit}
    status, made = await doors.ask(person, "POST", servers, launch)
    assert status == 201, made
    status, again = await doors.ask(
        person, "POST", servers, launch | {"namespace": "Observatory", "branch": "master"}
    )
    assert (status, again["name"]) == (200, made["name"]), again
    session = await doors.reach(person, f"{servers}/{made['name']}", "status", "state", value="running")
    annotations = {
        name: session["annotations"][f"renku.io/{name}"] for name in ("namespace", "projectName", "commit-sha")
    }
    assert annotations == {"namespace": "observatory", "projectName": "notes", "commit-sha": commit}
    # There is no image of this commit, so the hub's own runs, and each answer says so.
    warnings = [each["message"] for each in session["status"]["warnings"]]
    assert session["annotations"]["renku.io/default_image_used"] == "True"
    assert warnings[0] == "Server was started using the default image."
    assert any(f"notes:{commit[:7]}, the image of your repository" in each for each in warnings), warnings
    listed = (await doors.ask(person, "GET", f"{servers}?project=notes&commit_sha={commit}"))[1]["servers"]
    assert [*listed] == [made["name"]]
    logs = (await doors.ask(person, "GET", f"renku/notebooks/logs/{made['name']}"))[1]
    assert "jupyter-server" in logs
    status, answer = await doors.ask(person, "POST", servers, launch | {"project": "../x"})
    assert (status, answer["error"]["code"]) == (422, 1422)
    assert (await doors.ask(person, "DELETE", f"{servers}/{made['name']}"))[0] == 204
    await person.close()


async def push_image_of(registry: str, name: str, tag: str) -> None:
    """Have the tiny image at another name of the registry too."""
    base = f"http://{registry}/v2"
    accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/tiny/tags/list") as answer:
            first = (await answer.json())["tags"][0]
        async with session.get(f"{base}/tiny/manifests/{first}", headers={"Accept": accepted}) as answer:
            kind, manifest = answer.content_type, await answer.read()
        parsed = json.loads(manifest)
        for blob in (parsed["config"], *parsed["layers"]):
            query = f"mount={blob['digest']}&from=tiny"
            async with session.post(f"{base}/{name}/blobs/uploads/?{query}") as answer:
                assert answer.status == 201, await answer.text()
        async with session.put(
            f"{base}/{name}/manifests/{tag}", data=manifest, headers={"Content-Type": kind}
        ) as answer:
            assert answer.status == 201, await answer.text()


async def test_a_guest_starts_a_session_with_the_image_of_its_commit(doors: Doors, git_server, cluster):
    folder = await git_server.create_repository("observatory", "handbook")
    commit = (Path(folder) / "refs" / "heads" / "main").read_text().strip()
    await push_image_of(cluster.registry, "handbook", commit[:7])
    version = (await doors.ask(None, "GET", "renku/notebooks/version"))[1]["versions"][0]["data"]
    assert version["anonymousSessionsEnabled"] is True
    guest = await doors.hub.guest()
    servers = "renku/notebooks/servers"
    launch = {"namespace": "observatory", "project": "handbook", "commit_sha": commit}
    status, made = await doors.ask(guest, "POST", servers, launch)
    assert status == 201, made
    session = await doors.reach(guest, f"{servers}/{made['name']}", "status", "state", value="running")
    assert session["image"] == f"{cluster.registry}/handbook:{commit[:7]}"
    assert session["annotations"]["renku.io/default_image_used"] == "False"
    assert session["status"]["warnings"] == []
    # It is theirs alone, and gone with them.
    person = await doors.hub.login("guest-15")
    assert (await doors.ask(person, "GET", f"{servers}/{made['name']}"))[0] == 404
    assert (await doors.ask(guest, "DELETE", f"{servers}/{made['name']}"))[0] == 204
    await guest.close()
    await person.close()


@pytest.mark.hub_versions
async def test_connect_goes_from_the_web_apps_path_to_the_server(doors: Doors):
    person = await doors.hub.login("guest-15")
    await person.follow(f"{doors.url}")
    url = f"{doors.url}kubeflow/notebook/guest-15/~/"
    async with person.session.get(url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/user/guest-15/")
    async with person.session.get(f"{doors.url}kubeflow/notebook/eve/~/", allow_redirects=False) as answer:
        assert answer.status == 403
    await person.close()
