"""The provider's token is in auth_state and in the mounted Secret, and nowhere else."""

import asyncio
import base64
import json
import sqlite3

import pytest

from tests.pods import in_pod, pod_of


@pytest.fixture(scope="module")
async def started(hub, cluster, github):
    person = await hub.login("guest-01")
    await person.started(debug=True)
    pod = await pod_of(cluster.core, cluster.namespace, "guest-01")
    tokens = {token.value for token in github.tokens.of_person(github.world.person("guest-01").id)}
    assert tokens
    yield person, pod, tokens
    await person.stop()
    await person.close()


def none_in(tokens, text):
    return not any(token in text or base64.b64encode(token.encode()).decode() in text for token in tokens)


async def test_the_secret_holds_it_and_the_pod_owns_the_secret(started, cluster):
    _, pod, tokens = started
    secret = await cluster.core.read_namespaced_secret(f"{pod.metadata.name}.jhkube", cluster.namespace)
    held = {base64.b64decode(value).decode() for value in secret.data.values()}
    assert held & tokens
    assert secret.metadata.owner_references[0].uid == pod.metadata.uid


async def test_only_the_user_reads_its_file(started, cluster):
    _, pod, tokens = started
    shown = await in_pod(
        cluster.namespace, pod.metadata.name, "cat /etc/jhkube/token-*; echo; ls -lL /etc/jhkube/token-*"
    )
    assert any(token in shown for token in tokens)
    listing = shown.splitlines()[-1].split()
    assert listing[0] in ("-r--------", "-r--r-----")
    assert listing[3] == "guest-01", "the group is the user's private one"


async def test_it_is_not_in_the_pod_or_its_environment(started, cluster):
    _, pod, tokens = started
    shown = await cluster.core.read_namespaced_pod(pod.metadata.name, cluster.namespace, _preload_content=False)
    assert none_in(tokens, await shown.text())
    environment = await in_pod(cluster.namespace, pod.metadata.name, "env; cat /proc/1/environ | tr '\\0' '\\n'")
    assert "JUPYTERHUB_API_TOKEN" in environment
    assert none_in(tokens, environment)


async def test_it_is_not_on_the_home_volume(started, cluster):
    _, pod, tokens = started
    for token in tokens:
        assert await in_pod(cluster.namespace, pod.metadata.name, f"grep -rl {token} ~ || echo none") == "none\n"


async def test_the_hubs_answers_do_not_show_it(started):
    person, _, tokens = started
    for path in ("/user", "/users/guest-01", "/users/guest-01/tokens"):
        status, body = await person.api("GET", path)
        assert status == 200
        assert none_in(tokens, json.dumps(body))


async def test_saved_state_and_database_do_not_show_it(started, hub):
    _, _, tokens = started
    assert none_in(tokens, (hub.folder / "jupyterhub.sqlite").read_bytes().decode("latin1"))
    with sqlite3.connect(hub.folder / "jupyterhub.sqlite") as database:
        rows = database.execute("select state, user_options from spawners where state is not null").fetchall()
    assert rows
    assert none_in(tokens, repr(rows))


async def test_events_do_not_show_it(started, cluster):
    _, _, tokens = started
    events = await cluster.core.list_namespaced_event(cluster.namespace, _preload_content=False)
    assert none_in(tokens, await events.text())


async def test_the_debug_log_does_not_show_it(started, hub):
    _, _, tokens = started
    assert "[D " in hub.log, "it is the debug log that is looked at"
    assert none_in(tokens, hub.log)


async def test_a_failed_create_does_not_show_it(hub, someone, cluster, github):
    person = await someone(hub, "guest-02")
    quota = {"metadata": {"name": "no-secrets"}, "spec": {"hard": {"secrets": "0"}}}
    await cluster.core.create_namespaced_resource_quota(cluster.namespace, quota)
    try:
        async with asyncio.timeout(240):
            while not (
                await cluster.core.read_namespaced_resource_quota("no-secrets", cluster.namespace)
            ).status.hard:
                await asyncio.sleep(0.1)
        status, body = await person.start()
        failed = json.dumps(body) if status >= 400 else json.dumps(await person.progress())
    finally:
        await cluster.core.delete_namespaced_resource_quota("no-secrets", cluster.namespace)
    tokens = {token.value for token in github.tokens.of_person(github.world.person("guest-02").id)}
    assert "quota" in failed
    assert none_in(tokens, failed)
    assert none_in(tokens, hub.log)


async def test_the_secret_goes_with_the_pod(hub, someone, cluster):
    person = await someone(hub, "guest-03")
    await person.started()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-03")
    await person.stop()
    name = f"{pod.metadata.name}.jhkube"
    async with asyncio.timeout(180):
        while name in {
            each.metadata.name for each in (await cluster.core.list_namespaced_secret(cluster.namespace)).items
        }:
            await asyncio.sleep(0.5)
