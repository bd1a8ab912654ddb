"""Settings of the spawner that cannot be: refused when they are assigned, by name."""

from __future__ import annotations

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jhkube.spawner_config import SpawnerConfig

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
        ("ceilings", {"default": None}, "ceilings: default: should be a mapping, not None"),
        (
            "extra_mounts",
            [{"path": "/data", "host_path": {"path": "/srv", "typ": "Directory"}}],
            "extra_mounts: entry 1: host_path is a path, or has path and optionally type, not",
        ),
        (
            "extra_mounts",
            [{**MOUNT, "read_only": "no"}],
            "extra_mounts: entry 1: read_only is True or False, not 'no'",
        ),
        ("extra_mounts", [{**MOUNT, "groups": 3}], "extra_mounts: entry 1: groups is a list of hub groups"),
        ("git_hosts", [3], "git_hosts: 3 should be a host's name, a URL, or a mapping with host"),
        ("git_hosts", [{"host": 3}], "git_hosts: host in {'host': 3} should be a text"),
        ("guarantee_ratio", 2, "guarantee_ratio: should be over 0 and at most 1, not 2.0"),
        ("guarantee_ratio", 0, "guarantee_ratio: should be over 0 and at most 1, not 0.0"),
        ("guarantee_ratio", float("nan"), "guarantee_ratio: should be over 0 and at most 1, not nan"),
        ("home_path", "home", "home_path: 'home' is to be an absolute path"),
        ("home_sub_path", "/home", "home_sub_path: '/home' is to be a relative path"),
        ("home_copy_from", "etc", "home_copy_from: 'etc' is not the absolute path"),
        ("home_nfs", {"server": None, "path": "/home"}, "home_nfs: an NFS export is described by texts, and None"),
        (
            "home_nfs",
            {"server": "files", "path": "/home", "mount_options": 3},
            "home_nfs: NFS mount options are a list",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_when_it_is_assigned(name, value, said):
    with pytest.raises(TraitError) as refused:
        configured(name, value)
    assert str(refused.value).startswith(f"JHKubeSpawner.{said}")
    settings = SpawnerConfig()
    with pytest.raises(TraitError):
        setattr(settings, name, value)


@pytest.mark.parametrize("ratio", [0.001, 0.25, 1])
def test_a_guarantee_of_a_part_or_all_is_taken(ratio):
    assert configured("guarantee_ratio", ratio).parsed_sizes()[0].cores_guarantee == ratio
