"""Notebooks by custom resource, on the real cluster: by an operator and a client that may do what their Roles say."""

import asyncio
import base64
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import yaml
from kubernetes_asyncio import client, config, watch

from devcluster.settings import Settings
from jhkube.operator.crds import custom_resource_definitions
from tests.accounts import applied, asked_by, features, kubeconfig_of, kubectl, rendered, rules_of
from tests.operators import Operator, define
from tests.pods import in_pod, new_namespace
from tests.waiting import until

GROUP, VERSION, PLURAL = "squonk.it", "v2", "jupyternotebooks"
ACCOUNT = "jhkube-operator"
CHART = {"operator": {"enabled": True, "image": {"name": "none"}}}

NOTEBOOKS = {
    "INGRESS_DOMAIN": "notebooks.example.org",
    "INGRESS_TLS_SECRET": "notebooks-tls",
    "JO_POD_NODE_SELECTOR_KEY": "",
}

DATA_MANAGER = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "data-manager"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "data-manager"},
        "rules": [
            {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "list", "watch", "create", "delete"]}
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "data-manager"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "data-manager"},
        "subjects": [{"kind": "ServiceAccount", "name": "data-manager"}],
    },
]
"""What the Data Manager's documentation asks for."""

noted = pytest.mark.skipif(
    Settings.load().external, reason="what an account has asked for is read from our own API server's audit log"
)


@dataclass
class World:
    """A namespace with an operator, and what the tests look at it with."""

    namespace: str
    operator: Operator
    image: str
    core: client.CoreV1Api
    manager: client.CustomObjectsApi
    """As the Data Manager."""

    admin: client.CustomObjectsApi
    apps: client.AppsV1Api = field(init=False)
    networking: client.NetworkingV1Api = field(init=False)

    def __post_init__(self) -> None:
        self.apps = client.AppsV1Api(self.core.api_client)
        self.networking = client.NetworkingV1Api(self.core.api_client)

    def spec(self, **changes: Any) -> dict[str, Any]:
        project = {"claimName": "project", "id": "project-1"}
        return {"imDataManager": {"image": self.image, "project": project, **changes}}

    async def create(self, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "JupyterNotebook",
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        await self.manager.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, body)

    async def get(self, name: str) -> dict[str, Any]:
        return await self.manager.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    async def change(self, name: str, **changes: Any) -> None:
        await self.admin.patch_namespaced_custom_object(
            *(GROUP, VERSION, self.namespace, PLURAL, name),
            {"spec": {"imDataManager": changes}},
            _content_type="application/merge-patch+json",
        )

    async def delete(self, *names: str) -> None:
        for name in names:
            await self.manager.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    async def reach(self, name: str, phase: str, said: str = "") -> dict[str, Any]:
        """Return a notebook's status once it is in this phase, and says this."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(240):
                while status.get("phase") != phase or said not in status["message"]:
                    await asyncio.sleep(0.2)
                    status = (await self.get(name)).get("status", {})
        except TimeoutError:
            pytest.fail(f"{name} is not {phase} ({said}) but {status}\n{self.operator.log[-3000:]}")
        return status

    async def objects(self) -> dict[str, set[str]]:
        """Return the names of what there is of the kinds that are made."""
        lists = {
            "Deployment": self.apps.list_namespaced_deployment,
            "Service": self.core.list_namespaced_service,
            "Ingress": self.networking.list_namespaced_ingress,
            "Secret": self.core.list_namespaced_secret,
        }
        return {
            kind: {each.metadata.name for each in (await call(self.namespace)).items} for kind, call in lists.items()
        }

    async def made_for(self, name: str) -> set[str]:
        secret = f"config-{name}"
        found = await self.objects()
        return {kind for kind, names in found.items() if (secret if kind == "Secret" else name) in names}

    async def until_made(self, name: str, kinds: set[str]) -> None:
        async with asyncio.timeout(240):
            while await self.made_for(name) != kinds:
                await asyncio.sleep(0.2)

    async def events_of(self, name: str) -> list[tuple[str, str, str]]:
        about = f"involvedObject.kind=JupyterNotebook,involvedObject.name={name}"
        events = await self.core.list_namespaced_event(self.namespace, field_selector=about)
        return [(each.type, each.reason, each.message) for each in events.items]

    async def until_told(self, name: str, kind: str, reason: str, message: str) -> None:
        """Return when an event says this of a notebook: it comes after the status."""
        async with asyncio.timeout(240):
            while (kind, reason, message) not in await self.events_of(name):
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def phases_of(self, name: str) -> AsyncIterator[list[str]]:
        """Within the block the phases of a notebook are noted as they come, with each change of it."""
        phases: list[str] = []
        version = (await self.get(name))["metadata"]["resourceVersion"]
        where = (GROUP, VERSION, self.namespace, PLURAL)

        async def note() -> None:
            async with watch.Watch() as changes:
                async for change in changes.stream(
                    self.manager.list_namespaced_custom_object,
                    *where,
                    resource_version=version,
                    field_selector=f"metadata.name={name}",
                ):
                    phases.append(change["object"]["status"]["phase"])

        noting = asyncio.create_task(note())
        try:
            yield phases
        finally:
            noting.cancel()
            await asyncio.wait([noting])

    async def answer(self, name: str, path: str) -> int:
        """Return the status with which a notebook answers by its Service."""
        address = (await self.core.read_namespaced_service(name, self.namespace)).spec.cluster_ip
        async with aiohttp.request("GET", f"http://{address}:8888{path}") as answer:
            return answer.status


ALL = {"Deployment", "Service", "Ingress", "Secret"}


@pytest.fixture(scope="module")
async def world(cluster, tmp_path_factory):
    namespace = f"{cluster.namespace}-operator"
    folder = tmp_path_factory.mktemp("operator")
    await new_namespace(cluster.core, namespace)
    roles = [each for each in rendered(namespace, features() | CHART) if each["kind"] not in ("Deployment",)]
    definitions = [each for each in roles if each["kind"] == "CustomResourceDefinition"]
    for each in DATA_MANAGER:
        each["metadata"]["namespace"] = namespace
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace
    others = [each for each in roles if each not in definitions]
    await define(definitions)
    async with applied([*others, *DATA_MANAGER]):
        operator = Operator(
            namespace, await kubeconfig_of(cluster.core, ACCOUNT, namespace, folder), folder, **NOTEBOOKS
        )
        await operator.start()
        # After its start: it begins in a namespace in which there is nothing yet.
        claim = {
            "metadata": {"name": "project"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
        }
        await cluster.core.create_namespaced_persistent_volume_claim(namespace, claim)
        kubeconfig = await kubeconfig_of(cluster.core, "data-manager", namespace, folder)
        manager = await config.new_client_from_config(str(kubeconfig))
        try:
            yield World(
                namespace,
                operator,
                f"{cluster.registry}/lab:recommended",
                cluster.core,
                client.CustomObjectsApi(manager),
                client.CustomObjectsApi(cluster.core.api_client),
            )
        finally:
            await operator.end()
            await manager.close()
            await cluster.core.delete_namespace(namespace)


CONTRACT_LABELS = [
    "data-manager.informaticsmatters.com/instance=study",
    "data-manager.informaticsmatters.com/instance-id=instance-1",
    "data-manager.informaticsmatters.com/owner=ada",
]


async def test_the_contract_of_the_data_manager(world):
    labels = dict(each.split("=") for each in CONTRACT_LABELS)
    await world.create(
        "study",
        world.spec(
            taskId="task-1",
            ingressClass="public",
            ingressDomain="Science.example.org",
            ingressTlsSecret="science-tls",
            ingressProxyBodySize="2g",
            resources={"requests": {"cpu": "20m", "memory": "300Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
            securityContext={"runAsUser": 1234, "runAsGroup": 2345, "fsGroup": 3456},
            notebook={"interface": "lab"},
            labels=CONTRACT_LABELS,
        ),
    )
    status = await world.reach("study", "Running")
    jupyter = status["jupyter"]
    token = jupyter["notebook"].pop("token")
    assert len(token) == 32
    assert token.isalnum()
    assert jupyter == {
        "notebook": {"url": f"https://science.example.org/study?token={token}", "interface": "lab"},
        "image": world.image,
        "serviceAccountName": "default",
        "resources": {"requests": {"memory": "300Mi"}, "limits": {"memory": "2Gi"}},
        "project": {"claimName": "project", "id": "project-1"},
    }
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "Failed": "False",
    }
    assert status["observedGeneration"] == (await world.get("study"))["metadata"]["generation"]

    deployment = await world.apps.read_namespaced_deployment("study", world.namespace)
    template, spec = deployment.spec.template, deployment.spec.template.spec
    (container,) = spec.containers
    assert (deployment.spec.replicas, deployment.spec.strategy.type) == (1, "Recreate")
    assert labels.items() <= template.metadata.labels.items()
    assert template.metadata.labels["deployment"] == "study"
    assert (container.name, container.image, container.image_pull_policy) == ("notebook", world.image, "IfNotPresent")
    assert container.command == ["bash", "/etc/jhkube/start.sh"]
    assert [each.container_port for each in container.ports] == [8888]
    env = {each.name: each.value for each in container.env}
    assert {
        "HOME": "/home/jovyan/.study",
        "DM_PROJECT_ID": "project-1",
        "DM_INSTANCE_ID": "instance-1",
        "DM_INSTANCE_OWNER": "ada",
        "JUPYTER_ENABLE_LAB": "true",
    }.items() <= env.items()
    assert container.resources.requests == {"cpu": "20m", "memory": "300Mi"}
    assert container.resources.limits == {"cpu": "2", "memory": "2Gi"}
    who = spec.security_context
    assert (who.run_as_user, who.run_as_group, who.fs_group) == (1234, 2345, 3456)
    mounted = {each.mount_path: (each.name, each.sub_path) for each in container.volume_mounts}
    volume, folder = mounted["/home/jovyan"]
    claims = {each.name: each.persistent_volume_claim for each in spec.volumes}
    assert (claims[volume].claim_name, folder) == ("project", "project-1")
    assert spec.service_account_name == "default"
    assert spec.node_selector is None
    assert spec.priority_class_name is None

    ingress = await world.networking.read_namespaced_ingress("study", world.namespace)
    assert ingress.metadata.annotations["kubernetes.io/ingress.class"] == "public"
    assert ingress.metadata.annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "2g"
    (rule,) = ingress.spec.rules
    (path,) = rule.http.paths
    assert (rule.host, path.path, path.path_type) == ("science.example.org", "/study", "Prefix")
    assert (path.backend.service.name, path.backend.service.port.number) == ("study", 8888)
    assert [(each.hosts, each.secret_name) for each in ingress.spec.tls] == [(["science.example.org"], "science-tls")]

    uid = (await world.get("study"))["metadata"]["uid"]
    secret = await world.core.read_namespaced_secret("config-study", world.namespace)
    service = await world.core.read_namespaced_service("study", world.namespace)
    for each in (deployment, ingress, secret, service):
        (owner,) = each.metadata.owner_references
        assert (owner.kind, owner.uid, owner.controller) == ("JupyterNotebook", uid, True)

    # It is a Jupyter, and the token opens it.
    assert await world.answer("study", f"/study/api/contents?token={token}") == 200
    assert await world.answer("study", "/study/api/contents") == 403
    (pod,) = (await world.core.list_namespaced_pod(world.namespace, label_selector="deployment=study")).items
    said = await in_pod(world.namespace, pod.metadata.name, "id -u; id -g; whoami; cd; pwd; cat .bashrc; ls -d ~/..")
    assert said.splitlines()[:4] == ["1234", "2345", "jovyan", "/home/jovyan/.study"]
    assert "umask 0002" in said
    assert token not in world.operator.log
    assert token not in json.dumps(client.ApiClient().sanitize_for_serialization(deployment))


async def test_it_tells_that_it_lives_and_what_it_does(world):
    async with aiohttp.request("GET", f"http://127.0.0.1:{world.operator.liveness}/healthz") as answer:
        assert answer.status == 200
    told = ""
    async with asyncio.timeout(240):
        while 'jhkube_operator_resources{kind="JupyterNotebook",phase="Running"} 1.0' not in told:
            async with aiohttp.request("GET", f"http://127.0.0.1:{world.operator.metrics}/metrics") as answer:
                told = await answer.text()
            await asyncio.sleep(0.1)
    assert 'jhkube_operator_reconciliations_total{kind="JupyterNotebook",result="done"}' in told


async def test_a_change_restarts_it_and_says_so(world):
    before = await world.reach("study", "Running")
    async with world.phases_of("study") as phases:
        await world.change("study", resources={"limits": {"memory": "1500Mi"}}, labels=["example.org/changed=yes"])
        await until(lambda: phases[-1:] == ["Running"] and "Restarting" in phases, 240)
    status = await world.reach("study", "Running")
    deployment = await world.apps.read_namespaced_deployment("study", world.namespace)
    assert deployment.spec.template.spec.containers[0].resources.limits["memory"] == "1500Mi"
    assert deployment.spec.template.metadata.labels["example.org/changed"] == "yes"
    assert status["jupyter"]["notebook"] == before["jupyter"]["notebook"]
    await world.until_told(
        "study", "Normal", "SpecChanged", "The notebook restarts, because its resource was changed."
    )


async def test_one_that_runs_goes_on_where_its_claim_is_changed_to_one_that_is_not_there(world):
    await world.reach("study", "Running")
    before = await world.apps.read_namespaced_deployment("study", world.namespace)
    project = world.spec()["imDataManager"]["project"]
    await world.change("study", project={**project, "claimName": "nowhere-else"})
    status = await world.reach("study", "Failed")
    assert status["message"].startswith("The claim nowhere-else does not exist.")
    after = await world.apps.read_namespaced_deployment("study", world.namespace)
    assert after.spec.template == before.spec.template
    await world.change("study", project=project)
    await world.reach("study", "Running")


async def test_what_is_deleted_of_it_is_made_again(world):
    await world.apps.delete_namespaced_deployment("study", world.namespace)
    await world.core.delete_namespaced_service("study", world.namespace)
    await world.networking.delete_namespaced_ingress("study", world.namespace)
    await world.until_made("study", ALL)
    await world.reach("study", "Running")
    # The operator may not read Secrets: it learns of a missing one from kubelet, when a pod needs it.
    await world.core.delete_namespaced_secret("config-study", world.namespace)
    await world.core.delete_collection_namespaced_pod(world.namespace, label_selector="deployment=study")
    await world.until_made("study", ALL)
    token = (await world.reach("study", "Running"))["jupyter"]["notebook"]["token"]
    assert await world.answer("study", f"/study/api/contents?token={token}") == 200


async def test_what_is_deleted_again_and_again_is_waited_for(world):
    async with asyncio.timeout(300):
        while "was changed or removed often" not in (await world.get("study"))["status"]["message"]:
            if "Service" in await world.made_for("study"):
                await world.core.delete_namespaced_service("study", world.namespace)
            await asyncio.sleep(0.1)
    await world.until_made("study", ALL)
    await world.reach("study", "Running")


async def test_all_goes_with_it_but_the_claim(world):
    await world.delete("study")
    await world.until_made("study", set())
    claims = await world.core.list_namespaced_persistent_volume_claim(world.namespace)
    assert [each.metadata.name for each in claims.items] == ["project"]
    assert claims.items[0].metadata.deletion_timestamp is None


BAD = {
    "no-claim": (
        {"project": {"claimName": "nowhere", "id": "project-1"}},
        "ClaimNotFound",
        "The claim nowhere does not exist. The notebook starts when it is there.",
    ),
    "no-project": (
        {"project": None},
        "InvalidSpec",
        "spec.imDataManager.project.claimName: is missing: it should be",
    ),
    "root": (
        {"securityContext": {"runAsUser": 0}},
        "InvalidSpec",
        "spec.imDataManager.securityContext.runAsUser: should be",
    ),
    "root-group": ({"securityContext": {"runAsGroup": 0}}, "InvalidSpec", "securityContext.runAsGroup: should be"),
    "label": ({"labels": ["ok=yes", "a=b=c"]}, "InvalidSpec", "spec.imDataManager.labels[1]: should be key=value"),
    "escape": ({"project": {"claimName": "project", "id": "../x"}}, "InvalidSpec", "project.id: should be a folder"),
    "image": ({"image": "no image"}, "InvalidSpec", "spec.imDataManager.image: should be an image, such as"),
    "amount": ({"resources": {"limits": {"cpu": "two"}}}, "InvalidSpec", "resources.limits.cpu: should be an amount"),
    "negative": ({"resources": {"requests": {"memory": "-1Gi"}}}, "InvalidSpec", "requests.memory: should be an"),
    "many-labels": (
        {"labels": [f"k{n}=v" for n in range(5000)]},
        "InvalidSpec",
        "labels: should be a list of at most",
    ),
    "endless": ({"notebook": {"interface": "x" * 500_000}}, "InvalidSpec", "notebook.interface: should be lab or"),
    "more-than-limit": (
        {"resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "2Gi"}}},
        "InvalidSpec",
        "spec.imDataManager.resources.requests.memory: should be at most the limit, 1Gi, not '2Gi'",
    ),
    "taken": ({}, "NameTaken", "There is a Service taken already that is not this notebook's. Choose another name"),
    "secret-taken": ({}, "NameTaken", "There is a Secret config-secret-taken already that is not this notebook's."),
}


async def test_what_cannot_be_is_told_and_nothing_of_it_is_made(world):
    service = {"metadata": {"name": "taken"}, "spec": {"ports": [{"port": 80}]}}
    await world.core.create_namespaced_service(world.namespace, service)
    await world.core.create_namespaced_secret(world.namespace, {"metadata": {"name": "config-secret-taken"}})
    for name, (changes, _, _) in BAD.items():
        await world.create(name, world.spec(**changes))
    for name, (_, reason, said) in BAD.items():
        status = await world.reach(name, "Failed")
        assert said in status["message"], name
        (failed,) = [each for each in status["conditions"] if each["type"] == "Failed"]
        assert (failed["status"], failed["reason"]) == ("True", reason), name
        await world.until_told(name, "Warning", reason, status["message"])
    nothing_new = {
        "Deployment": set(),
        "Service": {"taken"},
        "Ingress": set(),
        "Secret": {"config-secret-taken"},
    }
    with suppress(TimeoutError):
        async with asyncio.timeout(240):
            # What is tried again is taken back each time.
            while await world.objects() != nothing_new:
                await asyncio.sleep(0.2)
    assert await world.objects() == nothing_new
    # What was in the way is gone, and what was missing is there.
    await world.core.delete_namespaced_service("taken", world.namespace)
    await world.core.delete_namespaced_secret("config-secret-taken", world.namespace)
    claim = {
        "metadata": {"name": "nowhere"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    await world.core.create_namespaced_persistent_volume_claim(world.namespace, claim)
    await world.until_made("taken", ALL)
    await world.until_made("secret-taken", ALL)
    await world.until_made("no-claim", ALL)
    await world.delete(*BAD)


async def test_what_the_api_server_refuses_is_tried_less_and_less_often(world):
    # An Ingress has no address for a host: the Service is made, and taken back each time.
    await world.create("no-host", world.spec(ingressDomain="10.0.0.1"))
    status = await world.reach("no-host", "Failed")
    assert "does not accept this server as it is configured" in status["message"]
    made = set()
    until = asyncio.get_running_loop().time() + 8
    while asyncio.get_running_loop().time() < until:
        services = await world.core.list_namespaced_service(world.namespace)
        made |= {each.metadata.uid for each in services.items if each.metadata.name == "no-host"}
        await asyncio.sleep(0.02)
    assert len(made) <= 8
    await world.change("no-host", ingressDomain=None)
    await world.until_made("no-host", ALL)
    await world.delete("no-host")


def refusing(namespace):
    """Return a policy that refuses Deployments for user 4242 in a namespace."""
    name = f"no-4242.{namespace}"
    api = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    expression = "object.spec.template.spec.?securityContext.?runAsUser.orValue(0) != 4242"
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "nobody is 4242"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": only}
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": policy},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    ]


async def test_a_change_that_is_refused_in_part_changes_nothing(world):
    large = world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}})
    await world.create("refusable", large)
    await world.until_made("refusable", ALL)
    pod = {"securityContext": {"runAsUser": 4242}, "containers": [{"name": "a", "image": "a"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    trial = {"metadata": {"name": "trial"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    policy = yaml.safe_dump_all(refusing(world.namespace))
    await kubectl("apply", "-f", "-", stdin=policy)
    try:
        async with asyncio.timeout(240):
            refused = False
            while not refused:
                try:
                    await world.apps.create_namespaced_deployment(world.namespace, trial, dry_run="All")
                    await asyncio.sleep(0.2)
                except client.ApiException as error:
                    refused = "nobody is 4242" in error.body
        await world.change("refusable", ingressDomain="other.example.org", securityContext={"runAsUser": 4242})
        status = await world.reach("refusable", "Failed")
        assert "4242" in json.dumps(status)
        ingress = await world.networking.read_namespaced_ingress("refusable", world.namespace)
        assert [each.host for each in ingress.spec.rules] == ["notebooks.example.org"]
    finally:
        await kubectl("delete", "-f", "-", stdin=policy)
    async with asyncio.timeout(240):
        while (await world.networking.read_namespaced_ingress("refusable", world.namespace)).spec.rules[
            0
        ].host != "other.example.org":
            await asyncio.sleep(0.2)
    await world.delete("refusable")


async def test_an_older_version_is_refused_with_a_sentence(world):
    body = {"apiVersion": f"{GROUP}/v1alpha3", "kind": "JupyterNotebook", "metadata": {"name": "old"}, "spec": {}}
    with pytest.raises(client.ApiException) as refused:
        await world.admin.create_namespaced_custom_object(GROUP, "v1alpha3", world.namespace, PLURAL, body)
    assert "squonk.it/v1alpha3 is no longer supported. Write the notebook as squonk.it/v2" in refused.value.body


async def test_a_notebook_that_does_not_start_says_why(world):
    classless = {
        "metadata": {"name": "no-class"},
        "spec": {
            "storageClassName": "nowhere",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }
    await world.core.create_namespaced_persistent_volume_claim(world.namespace, classless)
    await world.create("no-class", world.spec(project={"claimName": "no-class", "id": "project-1"}))
    await world.reach("no-class", "Pending", "Waiting for your server's storage to be provisioned")
    await world.create("no-image", world.spec(image=f"{world.image.partition('/')[0]}/none:1"))
    await world.create("no-account", world.spec(serviceAccountName="nobody"))
    await world.create("too-large", world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}}))
    await world.reach("no-image", "Failed", "does not exist")
    await world.reach("no-account", "Failed", "nobody")
    await world.reach("too-large", "Pending", "No node of the cluster has enough free processor cores")
    # Mended by a change, without a new resource.
    await world.change("no-account", serviceAccountName="default")
    await world.reach("no-account", "Running")
    await world.delete("no-image", "no-account", "too-large", "no-class")
    await world.core.delete_namespaced_persistent_volume_claim("no-class", world.namespace)


async def test_names_of_any_length_are_taken(world):
    long, dotted = "n" * 253, "2026.study"
    large = world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}})
    for name in (long, dotted):
        await world.create(name, large)
        status = await world.reach(name, "Pending", "No node")
        assert f"/{name}?token=" in status["jupyter"]["notebook"]["url"]
    # One that takes a name again waits for what the earlier one has left.
    await world.delete(dotted)
    await world.create(dotted, large)
    await world.reach(dotted, "Pending", "No node")
    await world.delete(long, dotted)


async def test_an_operator_that_was_killed_goes_on_where_it_was(world):
    names = [f"killed-{number}" for number in range(12)]
    large = world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}})
    # In the middle of its work: some objects of some notebooks are there.
    making = asyncio.gather(*(world.create(name, large) for name in names))
    async with asyncio.timeout(240):
        while not (await world.objects())["Secret"]:
            await asyncio.sleep(0)
    await world.operator.end(signal.SIGKILL)
    await making
    await world.operator.start()
    for name in names:
        await world.reach(name, "Pending", "No node")
        assert await world.made_for(name) == ALL
    # The token of the status is the one that Jupyter gets, whenever the operator was killed.
    for name in names:
        token = (await world.get(name))["status"]["jupyter"]["notebook"]["token"]
        secret = await world.core.read_namespaced_secret(f"config-{name}", world.namespace)
        assert token in decoded(secret.data["jupyter_notebook_config.json"])
    await world.operator.end(signal.SIGKILL)
    await world.change("killed-0", labels=["example.org/late=yes"])
    await world.delete(*names[1:])
    await world.operator.start()
    async with asyncio.timeout(240):
        while "example.org/late" not in (
            (await world.apps.read_namespaced_deployment("killed-0", world.namespace)).spec.template.metadata.labels
        ):
            await asyncio.sleep(0.2)
    await world.delete("killed-0")
    for name in names:
        await world.until_made(name, set())


async def test_of_two_operators_the_newer_one_works_and_the_other_when_it_is_gone(world):
    folder = world.operator.folder / "second"
    folder.mkdir()
    second = Operator(world.namespace, world.operator.kubeconfig, folder, **NOTEBOOKS)
    large = world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}})
    try:
        await second.start()
        async with asyncio.timeout(240):
            while "Pausing operations" not in world.operator.log:
                await asyncio.sleep(0.1)
        await world.create("by-second", large)
        await world.until_made("by-second", ALL)
        await until(lambda: "/by-second: made" in second.log)
    finally:
        await second.end()
    await world.create("by-first", large)
    await world.until_made("by-first", ALL)
    await until(lambda: "/by-first: made" in world.operator.log)
    assert "/by-second: made" not in world.operator.log
    await world.delete("by-second", "by-first")


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def requests_of(namespace: str) -> Counter:
    """Return how often the operator's account has asked for what, by the audit log."""
    found: Counter = Counter()
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    log = Settings.load().audit_log
    for file in [*log.parent.glob(f"{log.stem}-*{log.suffix}"), log]:
        for line in file.read_text().splitlines():
            if user in line and line.endswith("}"):
                event = json.loads(line)
                if event["user"]["username"] == user and event["stage"] == "ResponseComplete":
                    on = event.get("objectRef") or {}
                    name = "/".join(filter(None, (on.get("resource", "-"), on.get("subresource"))))
                    found[event["verb"], name] += 1
    return found


@noted
async def test_fifty_at_once_cost_at_most_twice_the_requests_of_what_is_made(world, record_property):
    names = [f"class-{number:02}" for number in range(50)]
    large = world.spec(resources={"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}})
    before, began = requests_of(world.namespace), time.monotonic()
    await asyncio.gather(*(world.create(name, large) for name in names))
    asked_for, whole, seconds = time.monotonic() - began, 0.0, 0.0
    async with asyncio.timeout(400):
        while not seconds:
            await asyncio.sleep(0.2)
            listed = await world.manager.list_namespaced_custom_object(GROUP, VERSION, world.namespace, PLURAL)
            told = [each["status"]["message"] for each in listed["items"] if "status" in each]
            # The status is written once everything is made.
            whole = whole or (time.monotonic() - began) * (len(told) == 50)
            seconds = (time.monotonic() - began) * (sum("No node" in message for message in told) == 50)
    made = sum(name.partition("class-")[1] != "" for found in (await world.objects()).values() for name in found)
    used = requests_of(world.namespace) - before
    took = f"asked for in {asked_for:.1f} s, made in {whole:.1f} s, told of their pods in {seconds:.1f} s"
    record_property("fifty notebooks", f"{took}: {dict(used)}")
    print(f"fifty notebooks: {took}: {dict(used)}")
    assert made == 200
    assert sum(used.values()) <= 2 * made
    await world.delete(*names)


async def is_up_to_date(world: World, name: str) -> bool:
    service = await world.core.read_namespaced_service(name, world.namespace)
    ingress = await world.networking.read_namespaced_ingress(name, world.namespace)
    deployment = await world.apps.read_namespaced_deployment(name, world.namespace)
    return (
        service.metadata.annotations["jhkube.dev/hash"] != "older"
        and ingress.metadata.annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "2g"
        and deployment.spec.template.spec.security_context.run_as_user == 1001
    )


@noted
async def test_the_role_is_enough_and_no_more(world):
    # What an earlier version of the operator has made is brought up to date, and changed with its notebook.
    await world.create("older", world.spec())
    await world.until_made("older", ALL)
    older = {"metadata": {"annotations": {"jhkube.dev/hash": "older"}}}
    await world.core.patch_namespaced_service("older", world.namespace, older)
    await world.change("older", ingressProxyBodySize="2g", securityContext={"runAsUser": 1001})
    async with asyncio.timeout(240):
        while not await is_up_to_date(world, "older"):
            await asyncio.sleep(0.2)
    await world.delete("older")
    # A refusal after something was made already takes that back.
    await world.core.create_namespaced_resource_quota(
        world.namespace,
        {"metadata": {"name": "none"}, "spec": {"hard": {"count/deployments.apps": "0"}}},
    )
    async with asyncio.timeout(240):
        while not (await world.core.read_namespaced_resource_quota("none", world.namespace)).status.hard:
            await asyncio.sleep(0.1)
    await world.create("refused", world.spec())
    await world.reach("refused", "Failed", "quota")
    await world.until_made("refused", set())
    await world.delete("refused")
    asked = asked_by(ACCOUNT, world.namespace)
    allowed = set(rules_of(rendered(world.namespace, {"roles": features()["roles"]} | CHART)))
    # The audit log names a subresource apart from its resource.
    allowed = {(verb, group, resource.partition("/")[0]) for verb, group, resource in allowed}
    assert {each for each in asked if not each.allowed} == set()
    assert allowed - {each.rule for each in asked} == set()


async def test_the_definitions_are_structural(world):
    for each in custom_resource_definitions():
        if each["spec"]["group"] == "jhkube.dev":
            # Its own file of tests has it.
            continue
        found = json.loads(await kubectl("get", "crd", each["metadata"]["name"], "-o", "json"))
        conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
        assert conditions["Established"] == conditions["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in conditions
