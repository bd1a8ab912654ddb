"""`jhkube show-pod`: what it shows is what a start creates, and it creates nothing itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pods import pod_of

GUEST = 20_000_013
"""The id at GitHub of guest-12."""

OF_THE_SERVER = ("creationTimestamp", "managedFields", "resourceVersion", "selfLink", "uid")
"""What the API server adds to a pod's metadata."""

TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
"""Variables that have another value at each start."""


def show(hub, *arguments, **environ):
    program = [str(Path(sys.executable).parent / "jhkube"), "show-pod", "--config", str(hub.config), *arguments]
    env = {**hub.process_environ, **environ}
    return subprocess.run(program, text=True, capture_output=True, timeout=400, check=False, env=env)


def guest(hub, *arguments, **environ):
    subject = ("--user", "guest-12", "--subject", f"github:{GUEST}", "--group", "observatory=8314462")
    return show(hub, *subject, *arguments, **environ)


async def more_than(before: dict[str, set[str]], cluster) -> set[str]:
    """Return the names of what there is now and was not; what earlier tests have left may go meanwhile."""
    return {name for kind, names in (await everything(cluster)).items() for name in names - before[kind]}


async def everything(cluster) -> dict[str, set[str]]:
    """Return the names of all that a start makes."""
    core = cluster.core
    return {
        "namespaces": {
            each.metadata.name
            for each in (await core.list_namespace()).items
            if each.metadata.name.endswith("guest-12")
        },
        "pods": {each.metadata.name for each in (await core.list_namespaced_pod(cluster.namespace)).items},
        "secrets": {each.metadata.name for each in (await core.list_namespaced_secret(cluster.namespace)).items},
        "claims": {
            each.metadata.name
            for each in (await core.list_namespaced_persistent_volume_claim(cluster.namespace)).items
        },
    }


def plain(pod: dict) -> dict:
    """Return a pod of the API server's without what belongs to the one time that it was made."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in OF_THE_SERVER}
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    for container in spec["containers"]:
        for variable in container["env"]:
            if variable["name"] in TOKENS:
                variable["value"] = ""
    return {"metadata": metadata, "spec": spec}


async def test_what_is_shown_is_what_a_start_creates(tiny_hub, someone, cluster):
    before = await everything(cluster)
    shown = guest(tiny_hub, "--option", "size=medium")
    assert shown.returncode == 0, shown.stderr
    manifest = yaml.safe_load(shown.stdout)
    # A try-out, in which the API server adds what it adds to each pod.
    api = cluster.core.api_client
    tried = await cluster.core.create_namespaced_pod(cluster.namespace, manifest, dry_run="All")
    assert await more_than(before, cluster) == set()

    person = await someone(tiny_hub, "guest-12")
    await person.started(size="medium")
    pod = await pod_of(cluster.core, cluster.namespace, "guest-12")
    made = plain(api.sanitize_for_serialization(pod))
    assert plain(api.sanitize_for_serialization(tried)) == made
    assert made["spec"]["containers"][0]["securityContext"]["runAsUser"] == GUEST


async def test_the_token_is_shown_by_the_name_of_its_secret_alone(tiny_hub):
    shown = guest(tiny_hub)
    volumes = yaml.safe_load(shown.stdout)["spec"]["volumes"]
    (secret,) = [volume["secret"] for volume in volumes if "secret" in volume]
    assert secret["secretName"] == "jupyter-guest-12.jhkube"
    assert "gho_" not in shown.stdout
    environment = {each["name"]: each["value"] for each in _container(shown)["env"]}
    assert environment["JUPYTERHUB_API_TOKEN"] == "made-anew-at-each-start"


def _container(shown) -> dict:
    return yaml.safe_load(shown.stdout)["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("size=huge", "There is no size 'huge' to choose; there are small, medium and large."),
        ("sise=small", "There is no option 'sise'. Did you mean 'size'?"),
        ("debug=yes", "The option 'debug' should be true or false, not 'yes'."),
    ],
)
def test_a_wrong_option_is_refused_with_the_sentence_of_the_form(tiny_hub, option, sentence):
    shown = guest(tiny_hub, "--option", option)
    assert shown.returncode == 1
    assert shown.stderr.strip() == f"jhkube show-pod: {sentence}"
    assert not shown.stdout


async def test_with_namespaces_of_their_own_none_is_made(tiny_hub, cluster, tmp_path):
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(
        f"load_subconfig({str(tiny_hub.config)!r})\n"
        "c.KubeSpawner.enable_user_namespaces = True\n"
        "c.KubeSpawner.storage_pvc_ensure = True\n"
    )
    before = await everything(cluster)
    shown = show(tiny_hub, "--config", str(file), "--user", "guest-12", "--uid", "70001")
    assert shown.returncode == 0, shown.stderr
    assert yaml.safe_load(shown.stdout)["metadata"]["namespace"].endswith("guest-12")
    assert await more_than(before, cluster) == set()


def test_a_uid_that_nothing_tells_is_asked_for(tiny_hub):
    shown = show(tiny_hub, "--user", "guest-12")
    assert shown.returncode == 2
    assert "--subject github:ID" in shown.stderr
    assert "--placeholder-uid" in shown.stderr
    shown = show(tiny_hub, "--user", "guest-12", "--placeholder-uid")
    assert shown.returncode == 0, shown.stderr
    assert _container(shown)["securityContext"]["runAsUser"] == 65533
