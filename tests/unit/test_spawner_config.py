"""Settings of the spawner that cannot be: refused when they are assigned, by name."""

from __future__ import annotations

import os
import subprocess

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jhkube.ahead.config import AheadConfig
from jhkube.operator_models import ConfigError
from jhkube.spawner_config import SpawnerConfig
from tests.hub_command import HUB

ODD = (
    None, 3, -1, 1.5, True, "x", b"x", float("nan"), float("inf"), object(),
    [], [3], [None], ["x"], [[]], [{}], [("a", "b")], {}, {"a": 1}, {1: 2}, {"path": 3}, set(), {"x"},
)  # fmt: skip
"""Values that somebody could write by mistake."""

MOUNT = {"path": "/data", "claim": "survey"}
ITEMS = {
    "extra_mounts": MOUNT,
    "git_hosts": {"host": "github.com"},
    "sizes": {"name": "small", "cores": 1, "memory": "1G"},
    "presets": {"name": "butler"},
}
"""By setting, an item of its list."""

FIELDS = {
    "extra_mounts": ("path", "claim", "read_only", "sub_path", "groups", "exclusive", "wrong"),
    "git_hosts": ("host", "scheme", "username", "wrong"),
    "sizes": ("name", "cores", "memory", "cores_guarantee", "gpus", "gpu_resource", "tolerations", "groups", "wrong"),
    "presets": ("name", "environment", "volumes", "volume_mounts", "labels", "groups", "wrong"),
}
DICTS = {
    "ceilings": ("default", "groups", "users", "wrong"),
    "start_patience": ("pull", "wrong"),
    "home_nfs": ("server", "path", "mount_options", "wrong"),
}
PLAIN = ("guarantee_ratio", "home_path", "home_sub_path", "home_copy_from", "umask")


def odd_settings():
    """Yield settings with something odd in them, many of which are wrong."""
    for name in (*ITEMS, *DICTS, *PLAIN):
        yield from ((name, value) for value in ODD)
    for name, fields in FIELDS.items():
        yield from ((name, [{**ITEMS[name], field: value}]) for field in fields for value in ODD)
    for name, fields in DICTS.items():
        yield from ((name, {field: value}) for field in fields for value in ODD)
    for value in ODD:
        yield "home_nfs", {"server": "files", "path": "/home", "mount_options": value}
        yield from (("ceilings", {"default": {amount: value}}) for amount in ("cores", "memory", "gpus", "servers"))
        yield from (("ceilings", {kind: {"physics": value}}) for kind in ("groups", "users"))
        yield "extra_mounts", [{"path": "/data", "host_path": {"path": "/x", "type": value}}]
        yield "extra_mounts", [{"path": "/data", "host_path": value}]
        yield "extra_mounts", [{"path": "/data", "nfs": value}]


def configured(name, value):
    return SpawnerConfig(config=Config({"SpawnerConfig": {name: value}}))


def test_whatever_is_assigned_is_refused_at_once_by_its_name_or_can_be_used():
    nameless, taken = [], 0
    for name, value in odd_settings():
        try:
            settings = configured(name, value)
        except TraitError as error:
            nameless += [] if name in str(error) else [(name, value)]
            continue
        if name == "home_nfs" and value:
            settings.home = "nfs"
        settings.pod_settings()
        settings.parsed_sizes()
        settings.parsed_ceilings()
        settings.parsed_presets()
        settings.parsed_patience()
        taken += 1
    assert nameless == []
    assert taken


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ceilings", {"users": {"ada": None}}, "ceilings.users.ada: should be a dict of fields, not nothing"),
        (
            "extra_mounts",
            [{"path": "/data", "host_path": {"path": "/srv", "typ": "Directory"}}],
            "extra_mounts[0].host_path: there is no field 'typ'; did you mean 'type'?",
        ),
        (
            "extra_mounts",
            [{**MOUNT, "read_only": "no"}],
            "extra_mounts[0].read_only: should be True or False, not 'no'",
        ),
        ("extra_mounts", [{**MOUNT, "groups": 3}], "extra_mounts[0].groups: should be a list of texts"),
        ("git_hosts", [3], "git_hosts[0]: should be a dict of fields, not a number"),
        ("git_hosts", [{"host": 3}], "git_hosts[0].host: should be a lower-case name with an optional port"),
        ("guarantee_ratio", 2, "guarantee_ratio: should be over 0 and at most 1, not 2.0"),
        ("guarantee_ratio", 0, "guarantee_ratio: should be over 0 and at most 1, not 0.0"),
        ("home_path", "home", "home_path: should be an absolute path, not 'home'"),
        ("home_sub_path", "/home", "home_sub_path: should be a relative path, not '/home'"),
        ("home_copy_from", "etc", "home_copy_from: 'etc' is not the absolute path"),
        ("home_nfs", {"server": None, "path": "/home"}, "home_nfs.server: should be a host name or an address"),
        (
            "home_nfs",
            {"server": "files", "path": "/home", "mount_options": 3},
            "home_nfs.mount_options: should be a list",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_when_it_is_assigned(name, value, said):
    with pytest.raises(TraitError) as refused:
        configured(name, value)
    assert str(refused.value).startswith(f"c.JHKubeSpawner.{said}")
    settings = SpawnerConfig()
    with pytest.raises(TraitError):
        setattr(settings, name, value)


@pytest.mark.parametrize("ratio", [0.001, 0.25, 1])
def test_a_guarantee_of_a_part_or_all_is_taken(ratio):
    assert configured("guarantee_ratio", ratio).parsed_sizes()[0].cores_guarantee == ratio


NFS = {"server": "files.example.org", "path": "/export/home"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"home_nfs": NFS}, "home_nfs goes with home = 'nfs'"),
        ({"home": "nfs"}, "home_nfs goes with home = 'nfs'"),
        ({"home": "shared-pvc"}, "home = 'shared-pvc' needs the claim's name in home_claim"),
        (
            {"home": "nfs", "home_nfs": NFS, "home_made_by": "user"},
            "home_made_by: on nfs a user cannot create a folder",
        ),
        ({"home": "nfs", "home_nfs": NFS, "home_sub_path": "all"}, "home_sub_path: 'all' is the same for every user"),
        (
            {"extra_mounts": [{**MOUNT, "path": "/home/{username}/"}]},
            "extra_mounts[0].path: '/home/{username}' is the place of the home (home_path)",
        ),
        ({"extra_mounts": [{**MOUNT, "path": "/etc/jhkube"}]}, "extra_mounts[0].path: '/etc/jhkube' is the place of"),
        ({"accounts_passwd": "root"}, "accounts_passwd: not an entry of a passwd file: 'root'"),
        ({"login_shell": "bash"}, "login_shell: should be an absolute path, not 'bash'"),
        ({"umask": "007"}, "umask needs the command: set c.KubeSpawner.cmd"),
        ({"cluster_accounts": {"username_claim": "sub"}}, "cluster_accounts needs enable_user_namespaces"),
        ({"pod_defaults": "all"}, "pod_defaults 'all' needs cluster_accounts"),
        ({"start_ahead": "form"}, "start_ahead needs the command: set c.KubeSpawner.cmd"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_any_start(settings, said):
    configured = SpawnerConfig(config=Config({"SpawnerConfig": settings}))
    with pytest.raises(ConfigError) as refused:
        configured.check_together()
    assert str(refused.value).startswith(f"c.JHKubeSpawner.{said}")


def test_a_hub_with_certificates_of_its_own_has_no_pods_that_wait():
    class Spawner(SpawnerConfig):
        cmd = ["lab"]

    settings = {"SpawnerConfig": {"start_ahead": "form"}, "JupyterHub": {"internal_ssl": True}}
    with pytest.raises(ConfigError, match=r"start_ahead does not work with c\.JupyterHub\.internal_ssl"):
        Spawner(config=Config(settings)).check_together()


@pytest.mark.parametrize("other", ["services_enabled", "internal_ssl"])
def test_a_pod_cannot_wait_with_what_comes_after_its_creation(other):
    without = {"cmd": ["lab"], "services_enabled": False, "internal_ssl": False}
    ahead = AheadConfig(config=Config({"AheadConfig": {"start_ahead": "form"}}))
    ahead.check_ahead(**without)
    AheadConfig().check_ahead(**without | {other: True})
    with pytest.raises(ConfigError, match=f"start_ahead does not work with .*{other}"):
        ahead.check_ahead(**without | {other: True})


def test_settings_that_go_together_are_taken():
    SpawnerConfig(config=Config({"SpawnerConfig": {"home": "nfs", "home_nfs": NFS}})).check_together()
    SpawnerConfig().check_together()


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
"""


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("home_nfs = {'server': 'files', 'path': '/home'}", "c.JHKubeSpawner.home_nfs goes with home = 'nfs'"),
        ("extra_mounts = [{'path': '/data'}]", "c.JHKubeSpawner.extra_mounts[0]: should have exactly one of claim"),
    ],
)
def test_a_hub_whose_servers_could_not_start_ends_at_its_own_start(tmp_path, setting, said):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "config.py").write_text(
        "from jhkube.spawner import begin_menu_with_hub\n"
        "c.JupyterHub.spawner_class = 'jhkube'\n"
        "c.JupyterHub.authenticator_class = 'null'\n"
        "begin_menu_with_hub()\n"
        # After it, as in a file that is read later.
        f"c.JHKubeSpawner.{setting}\n"
    )
    ended = subprocess.run(
        [*HUB, "-f", "config.py"],
        cwd=tmp_path,
        env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert f"The hub cannot start servers with its configuration: {said}" in ended.stderr
    assert "JupyterHub is now running" not in ended.stderr
