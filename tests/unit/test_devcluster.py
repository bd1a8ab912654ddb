"""The development cluster's own rules: settings, refusals, files that are whole or not there."""

import ipaddress
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import commands, helm, images, leftovers, packages, tools
from devcluster.build import OURS, PROGRAMS, kubernetes_version
from devcluster.build import _go as run_go
from devcluster.settings import VARIABLES, DevClusterError, Settings

DEBIAN = {"ID": "debian", "VERSION_ID": "12"}


def load(**environ):
    return Settings.load({"HOME": "/home/someone", "XDG_CACHE_HOME": "/cache", **environ})


def test_the_cluster_is_ours_without_a_kubeconfig():
    settings = load()
    assert not settings.external
    assert settings.kubeconfig == Path("/cache/jhkube/clusters/jhkube/kubeconfig")
    assert (settings.registry, settings.host) == ("localhost:5050", "10.246.0.1")


def test_a_kubeconfig_is_somebody_elses_cluster():
    settings = load(KUBECONFIG="/etc/kube", JHKUBE_DEV_REGISTRY="registry.example", JHKUBE_DEV_HOST="192.0.2.1")
    assert settings.external
    assert (settings.kubeconfig, settings.registry, settings.host) == (
        Path("/etc/kube"),
        "registry.example",
        "192.0.2.1",
    )


def test_our_own_kubeconfig_in_the_environment_is_no_other_cluster():
    own = load()
    assert load(KUBECONFIG=str(own.kubeconfig), JHKUBE_DEV_REGISTRY=own.registry, JHKUBE_DEV_HOST=own.host) == own


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "JHKUBE_DEV_HOST"),
        ({"JHKUBE_DEV_HOST": "192.0.2.1"}, "JHKUBE_DEV_REGISTRY"),
        ({"JHKUBE_DEV_HOST": "192.0.2.1", "JHKUBE_DEV_REGISTRY": "registry.example"}, ""),
        ({"JHKUBE_DEV_HOST": "192.0.2.1", "JHKUBE_DEV_LAB_IMAGE": "l", "JHKUBE_DEV_TINY_IMAGE": "t"}, ""),
    ],
)
def test_another_cluster_needs_a_registry_and_an_address(environ, missing):
    assert load(KUBECONFIG="/etc/kube", **environ).missing == missing


def test_our_own_cluster_needs_nothing():
    assert load().missing == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("JHKUBE_DEV_NAME", "Two Words"),
        ("JHKUBE_DEV_NAME", "longer-than-a-bridge"),
        ("JHKUBE_DEV_NET", "10.300"),
        ("JHKUBE_DEV_NET", "8.8"),
        ("JHKUBE_DEV_FIRST_PORT", "80"),
        ("JHKUBE_DEV_REGISTRY_PORT", "many"),
        ("JHKUBE_DEV_REGISTRI", "localhost:5000"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(variable, value):
    with pytest.raises(DevClusterError, match=variable):
        load(**{variable: value})


def test_two_names_share_nothing_but_what_is_built_once():
    one, two = load(), load(JHKUBE_DEV_NAME="two")
    assert one.cache == two.cache
    for attribute in ("run", "link", "netns", "cgroup", "kubeconfig", "containerd"):
        assert getattr(one, attribute) != getattr(two, attribute)


def test_the_help_names_every_setting():
    shown = subprocess.run(
        [sys.executable, "-m", "devcluster", "--help"], cwd=images.ROOT, capture_output=True, text=True, check=True
    )
    assert all(variable in shown.stdout for variable in VARIABLES)


@pytest.mark.parametrize(
    ("system", "release", "uid", "reason"),
    [
        ("Linux", DEBIAN, 0, ""),
        ("Linux", DEBIAN, 1000, "You are not root"),
        ("Linux", {"ID": "debian", "VERSION_ID": "13"}, 0, ""),
        ("Linux", {"ID": "debian", "VERSION_ID": "11"}, 0, "This is Debian 11"),
        ("Linux", {"ID": "debian"}, 0, "This is Debian testing"),
        ("Linux", {"ID": "fedora", "VERSION_ID": "12"}, 0, "This is not Debian"),
        ("Darwin", {}, 0, "This is not Debian"),
    ],
)
def test_a_machine_that_cannot_have_a_cluster_hears_why_and_what_to_do(system, release, uid, reason):
    refusal = packages.refusal(system, release, uid)
    assert refusal.startswith(reason)
    assert bool(refusal) == bool(reason)
    assert not reason or "set KUBECONFIG" in refusal


def test_the_helm_of_the_tests_is_the_one_that_the_package_has():
    printed = subprocess.run(
        [sys.executable, "-m", "devcluster", "helm"], cwd=tools.ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    program = printed.stdout.strip()
    assert helm.helm(Settings.load()) == Path(program)
    said = subprocess.run([program, "version", "--short"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said.startswith(f"v{helm.VERSION}")


def test_a_processor_without_helm_in_pypi_needs_the_machines_own(monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevClusterError, match="Helm is needed, and PyPI has it for x86_64 alone"):
        helm.helm(load())
    (tmp_path / "helm").touch(mode=0o755)
    assert helm.helm(load()) == tmp_path / "helm"


@pytest.mark.parametrize(("content", "said"), [(b"", "BadZipFile"), (None, "not enough values")])
def test_a_package_without_helm_is_an_error_and_leaves_nothing(monkeypatch, tmp_path, content, said):
    def download(*words, log):
        if content is not None:
            (Path(words[words.index("--dest") + 1]) / "layer.whl").write_bytes(content)

    monkeypatch.setattr(helm, "run", download)
    with pytest.raises(DevClusterError, match=f"does not hold Helm where it should: .*{said}"):
        helm.helm(load(XDG_CACHE_HOME=str(tmp_path)))
    assert list((tmp_path / "jhkube" / f"helm-{helm.VERSION}").iterdir()) == []


@pytest.mark.parametrize(("version", "said"), [("v18.19.0", "this is v18.19.0"), ("", "there is none")])
def test_a_nodejs_that_the_proxy_does_not_run_on_is_refused(version, said):
    tools.check_node("v20.0.0")
    tools.check_node()
    with pytest.raises(DevClusterError, match=said):
        tools.check_node(version)


def test_the_program_answers_to_every_name_that_is_linked_to_it():
    listed = re.findall(r'(?m)^\t"([a-z-]+)":\s+func|^\t"([a-z-]+)":\s+coremain', (OURS / "main.go").read_text())
    assert sorted(one or other for one, other in listed) == sorted(PROGRAMS)


def test_each_part_of_kubernetes_is_of_one_release():
    module = (OURS / "go.mod").read_text()
    minor, patch = kubernetes_version().split(".")[1:]
    replaced = re.findall(r"(?m)^\tk8s\.io/\S+ => k8s\.io/\S+ v(\S+)$", module)
    assert len(replaced) > 30
    assert set(replaced) == {f"0.{minor}.{patch}"}


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("write /tmp/x.a: no space left on device", "The disk is full"),
        ("compile: signal: killed", "too little memory"),
        (
            'Get "https://proxy.example/k8s.io/@v/list": dial tcp: lookup proxy.example: no such host',
            "does not answer",
        ),
        ("verifying k8s.io/api@v0.37.2: checksum mismatch", "A download is broken"),
    ],
)
def test_a_build_that_fails_says_what_to_do(said, advice, tmp_path):
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit 1\n")
    go.chmod(0o755)
    for words in (("list", "."), ("build", ".")):
        with pytest.raises(DevClusterError, match=f"^Kubernetes cannot be built. .*{advice}"):
            run_go(go, tmp_path / "log", {}, *words)


def test_the_address_of_a_service_is_no_pods():
    settings = load()
    pods, services = ipaddress.ip_network(settings.pods), ipaddress.ip_network(settings.services)
    assert not pods.overlaps(services)
    assert {ipaddress.ip_address(each) in pods for each in (settings.host, settings.node_address)} == {True}
    assert {ipaddress.ip_address(each) in services for each in (settings.api_service, settings.dns_service)} == {True}


def test_a_file_is_written_once_and_says_whether_it_changed(tmp_path):
    path = tmp_path / "folder" / "token"
    assert commands.write(path, "secret", 0o600)
    assert not commands.write(path, "secret", 0o600)
    assert commands.write(path, "another", 0o600)
    assert path.read_text() == "another"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token"]


def test_a_failed_command_says_its_last_words_and_where_the_rest_is(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(DevClusterError) as caught:
        commands.run("sh", "-c", "seq 100; exit 3", log=log)
    assert "failed (3): sh -c" in str(caught.value)
    assert "\n100\n" in str(caught.value)
    assert "\n50\n" not in str(caught.value)
    assert str(log) in str(caught.value)
    assert "\n50\n" in log.read_text()


def test_a_program_that_is_missing_is_named():
    with pytest.raises(DevClusterError, match="no-such-program: not installed"):
        commands.run("no-such-program")


def test_an_image_is_built_anew_when_anything_in_it_changes(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "start").write_text("#!/bin/sh\n")
    (tmp_path / "start").chmod(0o755)
    first = images.Build("lab", "one", tmp_path).key
    assert images.Build("lab", "one", tmp_path).key == first
    assert images.Build("lab", "two", tmp_path).key != first
    assert images.Build("lab", "one", tmp_path, (("A", "b"),)).key != first
    (tmp_path / "start").chmod(0o644)
    assert images.Build("lab", "one", tmp_path).key != first


def test_the_lab_has_tags_of_every_kind_and_an_alias():
    tags = {build.tag for build in images.builds() if build.repository == "lab"}
    assert {"r28_0_0", "w_2026_45", "w_2026_46", "d_2026_11_19", "exp_w_2026_46_solver"} <= tags
    assert images.ALIASES["recommended"] in tags


def test_discarding_a_folder_takes_what_an_earlier_try_left(tmp_path):
    (tmp_path / "state" / "deep").mkdir(parents=True)
    (tmp_path / ".state.1.deleted" / "half").mkdir(parents=True)
    (tmp_path / ".other.1.deleted").mkdir()
    leftovers.discard(tmp_path / "state")
    leftovers.discard(tmp_path / "state")
    assert [each.name for each in tmp_path.iterdir()] == [".other.1.deleted"]
