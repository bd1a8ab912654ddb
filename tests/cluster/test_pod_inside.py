"""Inside a pod on the cluster: who one is, what one may, and what git's files are like."""

from __future__ import annotations

import asyncio
import platform
import tarfile
from dataclasses import replace
from importlib.resources import as_file, files

import pytest
from kubernetes_asyncio import client

from jhkube.pod.accounts import Accounts, AccountsFrom
from jhkube.pod.build import PodSettings, secret_files
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.home import parse_home
from jhkube.pod.secret import secret_name, secret_patch
from tests.cluster.pod_fixtures import ADA, Pods, claim, image, pods
from tests.conftest import Cluster

__all__ = ["claim", "image", "pods"]

HOME = parse_home("pvc", made_by="root")
TOKEN = "gho_thisIsSecret"


async def test_an_unchanged_image_knows_the_user_by_name(pods: Pods, claim: str) -> None:
    name = await pods.start(PodSettings(home=HOME), claim=claim)
    shown = await pods.run(name, "id; whoami; echo ~; echo $HOME $USER; pwd; touch ~/x; ls -l ~ | tail -n1; ls -ld ~")
    lines = shown.splitlines()
    assert lines[0] == "uid=70001(ada) gid=70001(ada) groups=70001(ada),90001(astro),90002(ops)"
    assert lines[1:5] == ["ada", "/home/ada", "/home/ada ada", "/home/ada"]
    assert lines[5].split()[2:4] == ["ada", "ada"]
    assert lines[6].split()[0] == "drwx------"


async def test_the_images_own_accounts_are_kept_where_asked(pods: Pods, claim: str) -> None:
    # A base of nobody's shows that it is the image's that are there.
    accounts = Accounts(source=AccountsFrom.IMAGE, base_passwd="", base_group="")
    name = await pods.start(PodSettings(home=HOME, accounts=accounts), claim=claim)
    shown = await pods.run(
        name,
        "id; head -n1 /etc/passwd; getent passwd www-data; getent group astro;"
        " cut -d: -f1 /etc/passwd | sort | uniq -d",
    )
    lines = shown.splitlines()
    assert lines[0].startswith("uid=70001(ada) gid=70001(ada)")
    assert lines[1] == "ada:x:70001:70001:Ada Lovelace:/home/ada:/bin/bash"
    assert lines[2].startswith("www-data:x:33:33:")
    assert lines[3:] == ["astro:x:90001:ada"]


async def test_the_server_has_no_right_beyond_its_user(pods: Pods, claim: str) -> None:
    name = await pods.start(PodSettings(home=HOME), claim=claim)
    shown = await pods.run(
        name, "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid)' /proc/1/status; ls /var/run/secrets 2>&1"
    )
    values = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert {values[key] for key in values if key.startswith("Cap")} == {"0" * 16}
    assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2")
    assert values["Uid"].split() == values["Gid"].split() == ["70001"] * 4
    assert "No such file" in shown


async def test_the_umask_is_the_servers(pods: Pods, claim: str) -> None:
    command = "touch made; exec sleep 600"
    name = await pods.start(PodSettings(home=HOME, umask="0027"), claim=claim, command=command)
    shown = await pods.run(
        name, "grep Umask /proc/1/status; ls -l ~/made | cut -c1-10; tr '\\0' ' ' < /proc/1/cmdline"
    )
    assert shown.split() == ["Umask:", "0027", "-rw-r-----", "sleep", "600"]


GIT = GitSettings(parse_git_hosts(["github.com", "git.example.org:3000"]))


async def test_a_token_is_readable_by_the_user_and_by_nobody_else(pods: Pods, claim: str) -> None:
    settings = PodSettings(home=HOME, git=GIT)
    name = await pods.start(settings, claim=claim, tokens={"github.com": TOKEN})
    shown = await pods.run(
        name,
        "cd /etc/jhkube; stat -L -c '%a %U:%G %n' *; cat token-github.com; echo; touch x 2>&1;"
        " cat $GIT_CONFIG_SYSTEM",
    )
    assert shown.splitlines()[:6] == [
        "444 root:ada gitconfig",
        "444 root:ada group",
        "444 root:ada passwd",
        "440 root:ada token-git.example.org_3000",
        "440 root:ada token-github.com",
        TOKEN,
    ]
    assert "Read-only file system" in shown
    assert 'name = "Ada Lovelace"' in shown


async def test_nothing_about_the_pod_shows_the_token(pods: Pods, claim: str) -> None:
    settings = PodSettings(home=HOME, git=GIT)
    name = await pods.start(settings, claim=claim, tokens={"github.com": TOKEN})
    assert TOKEN not in await pods.everything_about(name)
    assert TOKEN not in await pods.run(name, "cat /proc/1/environ; env; cat /proc/*/cmdline")


async def test_a_renewed_token_reaches_the_running_pod(pods: Pods, claim: str) -> None:
    settings = PodSettings(home=HOME, git=GIT)
    name = await pods.start(settings, claim=claim, tokens={"github.com": TOKEN})
    renewed = secret_files(settings, ADA, {"github.com": "gho_new", "git.example.org:3000": "first"})
    patch = secret_patch(renewed, (await pods.core.read_namespaced_pod(name, pods.namespace)).metadata.uid)
    await pods.core.patch_namespaced_secret(secret_name(name), pods.namespace, patch)
    # Kubelet looks once a minute, and at once where the pod itself changes.
    await pods.core.patch_namespaced_pod(name, pods.namespace, {"metadata": {"annotations": {"jhkube/renewed": "1"}}})
    async with asyncio.timeout(180):
        while (await pods.run(name, "cat /etc/jhkube/token-github.com")).strip() != "gho_new":
            await asyncio.sleep(0.5)
    assert await pods.run(name, "cat /etc/jhkube/token-git.example.org_3000") == "first"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the only old git that is to be had is for x86-64")
async def test_an_old_git_finds_the_same_in_etc_gitconfig(pods: Pods, claim: str, cluster: Cluster) -> None:
    """Git 2.14 does not know GIT_CONFIG_SYSTEM. This one's /etc is /git/etc, so a link is there."""
    with as_file(files("git_lambda") / "git-2.14.0.tar") as path, tarfile.open(path) as archive:
        program = archive.extractfile("git/bin/git").read()

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(program)
        await writer.drain()
        writer.close()

    name = await pods.start(
        PodSettings(home=HOME, git=GitSettings(GIT.hosts, replace_etc_gitconfig=True)),
        claim=claim,
        tokens={"github.com": TOKEN},
        volumes=[{"name": "git", "emptyDir": {}}],
        volume_mounts=[{"name": "git", "mountPath": "/git"}],
    )
    async with await asyncio.start_server(send, cluster.host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = (cluster.host, port)
        fetch = (
            f"import socket as s, sys; sys.stdout.buffer.writelines(s.create_connection({address}).makefile('rb'))"
        )
        said = await pods.run(
            name,
            f'mkdir /git/bin /git/etc; ln -s /etc/gitconfig /git/etc/; python3 -c "{fetch}" > /git/bin/git;'
            ' chmod +x /git/bin/git; git() { GIT_TERMINAL_PROMPT=0 /git/bin/git "$@"; };'
            " git --version; git config user.name; git config user.email; cd ~;"
            " git config --global user.email own@example.org; git config user.email;"
            " for host in github.com example.org; do"
            " printf 'protocol=https\\nhost=%s\\n\\n' $host | git credential fill; done",
        )
    assert said.splitlines()[:-1] == [
        "git version 2.14.0",
        "Ada Lovelace",
        "ada@example.org",
        "own@example.org",
        "protocol=https",
        "host=github.com",
        "username=ada",
        f"password={TOKEN}",
    ]
    assert said.splitlines()[-1].startswith("fatal: could not read Username for 'https://example.org'")


async def test_the_token_goes_with_the_pod(pods: Pods, claim: str) -> None:
    name = await pods.start(PodSettings(home=HOME, git=GIT), claim=claim, tokens={"github.com": TOKEN})
    await pods.delete(name)

    async def is_gone() -> bool:
        try:
            await pods.core.read_namespaced_secret(secret_name(name), pods.namespace)
        except client.ApiException as error:
            return bool(error.status == 404)
        return False

    async with asyncio.timeout(180):
        while not await is_gone():
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("full_name", ['Ada "L" \\ $(HOME) {username} 数学; #x', "Ada\n[core]"])
async def test_any_name_arrives_as_it_is(pods: Pods, claim: str, full_name: str) -> None:
    name = await pods.start(PodSettings(home=HOME), replace(ADA, full_name=full_name), claim=claim)
    assert await pods.run(name, "getent passwd ada | cut -d: -f5") == f"{' '.join(full_name.split())}\n"
