"""The documentation on the cluster: what it tells to type at `kubectl` and in a lab, and its manifests."""

import asyncio
import os
import subprocess
from dataclasses import replace

import pytest

from jhkube.operator.crds import printed_crds
from tests.accounts import kubectl
from tests.pages import DOCS, all_blocks, blocks_of, manifests
from tests.pods import in_pod, new_namespace, pod_of

KUBECTL = [block for block in all_blocks("console") if block.mark == "run on the cluster"]
MANIFESTS = [block for block in all_blocks("yaml") if manifests(block)]
LAB = [block for block in blocks_of(DOCS / "tutorial.md", "console") if block.mark == "run in a lab"]


def here(text, cluster):
    """Return a text with the test's namespace for the documentation's."""
    return text.replace("-n labs", f"-n {cluster.namespace}").replace(
        "namespace: labs", f"namespace: {cluster.namespace}"
    )


async def shell(script, cluster, folder, **more):
    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", here(script, cluster)],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("block", KUBECTL, ids=map(str, KUBECTL))
async def test_what_is_typed_at_kubectl_runs(block, cluster, tmp_path):
    done = await shell("\n".join(command for command, _ in block.commands), cluster, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
async def empty(cluster):
    """A namespace with nothing in it that a manifest could be a change of."""
    name = f"{cluster.namespace}-docs"
    await new_namespace(cluster.core, name)
    await kubectl("apply", "-f", "-", stdin=printed_crds())
    kinds = ("crd/jupyternotebooks.squonk.it", "crd/jupyterservers.jhkube.dev")
    await kubectl("wait", "--for=condition=Established", *kinds, "--timeout=240s")
    yield replace(cluster, namespace=name)
    await cluster.core.delete_namespace(name)


@pytest.mark.parametrize("block", MANIFESTS, ids=map(str, MANIFESTS))
async def test_the_api_server_accepts_the_manifests(block, empty, tmp_path):
    (tmp_path / "manifest.yaml").write_text(here(block.code, empty))
    apply = f"kubectl -n {empty.namespace} apply --dry-run=server -f manifest.yaml"
    done = await shell(apply, empty, tmp_path)
    assert done.returncode == 0, done.stderr


async def test_the_tutorial_is_walked_in_a_lab(hub, someone, cluster, git_server):
    ada = await someone(hub, "ada")
    await ada.started()
    pod = await pod_of(cluster.core, cluster.namespace, "ada")
    commands = [typed for block in LAB for typed in block.commands]
    marker = "-- next --"
    # In one stream, as a terminal has it: two may come in another order.
    script = "exec 2>&1; cd; rm -rf notes; set -e; export GIT_TERMINAL_PROMPT=0\n"
    script += "".join(f"{command}\necho '{marker}'\n" for command, _ in commands)
    demo = "http://10.246.0.1:9011"
    assert demo in script
    shown = await in_pod(cluster.namespace, pod.metadata.name, script.replace(demo, git_server.url))
    answers = shown.split(f"{marker}\n")
    assert len(answers) == len(commands) + 1, shown
    for (command, expected), answer in zip(commands, answers, strict=False):
        assert not expected or answer == expected, command
