"""JHKubeSpawner with nothing of ours configured is KubeSpawner."""

from pathlib import Path

import pytest
from jupyterhub import orm as hub_orm
from jupyterhub.objects import Server
from kubernetes_asyncio.client import V1OwnerReference
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.pod.secret import SECRET_PATH, secret_name
from jhkube.spawner import JHKubeSpawner

pytestmark = pytest.mark.usefixtures("kubeconfig")

CONFIGURATIONS = {
    "nothing": {},
    "z2jh": {
        "uid": 1000,
        "fs_gid": 100,
        "storage_pvc_ensure": True,
        "volumes": [{"name": "volume-{username}", "persistentVolumeClaim": {"claimName": "claim-{username}"}}],
        "volume_mounts": [{"mountPath": "/home/jovyan", "name": "volume-{username}"}],
        "cpu_limit": 2,
        "mem_guarantee": "1G",
    },
    "much": {
        "image": "registry.example.org/lab:1",
        "image_pull_secrets": ["pull"],
        "node_selector": {"disk": "ssd"},
        "tolerations": [{"key": "hub", "operator": "Exists"}],
        "environment": {"A": "{username}"},
        "extra_labels": {"team": "x"},
        "extra_containers": [{"name": "side", "image": "busybox"}],
        "init_containers": [{"name": "first", "image": "busybox"}],
        "supplemental_gids": [7],
        "priority_class_name": "low",
        "lifecycle_hooks": {"postStart": {"exec": {"command": ["true"]}}},
        "extra_pod_config": {"dnsPolicy": "None"},
    },
}

IDENTITY = UserIdentity("ada", 61803, 61803, "github:61803")


class _User:
    name, id, url, groups = "ada", 1, "/user/ada/", ()


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


async def manifest(cls, settings, **options):
    config = Config({"KubeSpawner": settings})
    spawner = cls(_mock=True, config=config, user=_User(), hub=_Hub(), namespace="labs", **options)
    return spawner, (await spawner.get_pod_manifest()).to_dict()


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_without_an_identity_the_pod_is_kubespawners_own(name):
    _, ours = await manifest(JHKubeSpawner, CONFIGURATIONS[name])
    _, theirs = await manifest(KubeSpawner, CONFIGURATIONS[name])
    assert ours == theirs


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_with_an_identity_the_pod_is_kubespawners_and_what_the_docs_list(name):
    spawner = JHKubeSpawner(
        _mock=True, config=Config({"KubeSpawner": CONFIGURATIONS[name]}), user=_User(), hub=_Hub(), namespace="labs"
    )
    await spawner.run_auth_state_hook({AUTH_STATE_KEY: IDENTITY.to_dict(), "access_token": "gho_x"})
    pod = (await spawner.get_pod_manifest()).to_dict()
    _, plain = await manifest(KubeSpawner, CONFIGURATIONS[name])
    ours, theirs = pod["spec"]["containers"][0], plain["spec"]["containers"][0]
    differing = {key for key in ours if ours[key] != theirs[key]}
    assert differing <= {"env", "security_context", "volume_mounts", "working_dir"}
    assert [variable for variable in theirs["env"] if variable not in ours["env"]] == []
    assert [mount for mount in theirs["volume_mounts"] or [] if mount not in ours["volume_mounts"]] == []
    assert SECRET_PATH in {mount["mount_path"] for mount in ours["volume_mounts"]}
    assert {key for key in pod["spec"] if pod["spec"][key] != plain["spec"][key]} <= {
        "containers",
        "security_context",
        "volumes",
    }
    assert pod["metadata"]["name"] == plain["metadata"]["name"]
    assert plain["metadata"]["labels"].items() <= pod["metadata"]["labels"].items()


async def test_the_persons_uid_wins_over_the_charts():
    spawner = JHKubeSpawner(
        _mock=True, config=Config({"KubeSpawner": CONFIGURATIONS["z2jh"]}), user=_User(), hub=_Hub(), namespace="labs"
    )
    await spawner.run_auth_state_hook({AUTH_STATE_KEY: IDENTITY.to_dict()})
    pod = await spawner.get_pod_manifest()
    assert pod.spec.containers[0].security_context["runAsUser"] == 61803
    assert pod.spec.security_context["fsGroup"] == 61803


def test_every_trait_of_kubespawner_stays():
    missing = [name for name in KubeSpawner.class_traits(config=True) if name not in JHKubeSpawner.class_traits()]
    assert missing == []


async def test_the_certificates_are_those_of_kubespawner_and_in_no_log(tmp_path):
    paths = {f"{name}file": str(tmp_path / name) for name in ("key", "cert", "ca")}
    for path in paths.values():
        Path(path).write_text("-----BEGIN PRIVATE KEY-----")
    config = Config({"KubeSpawner": {"namespace": "labs"}})
    ours, theirs = (cls(_mock=True, config=config, user=_User(), hub=_Hub()) for cls in (JHKubeSpawner, KubeSpawner))
    ours.cert_paths = theirs.cert_paths = paths
    ours.internal_trust_bundles = theirs.internal_trust_bundles = {"hub-ca": paths["cafile"]}
    owner = V1OwnerReference(api_version="v1", kind="Pod", name="jupyter-ada", uid="0-1")
    ours, theirs = ours.get_secret_manifest(owner), theirs.get_secret_manifest(owner)
    assert ours.to_dict() == theirs.to_dict()
    (data, *_) = theirs.data.values()
    assert data in theirs.to_str()
    shown = f"{ours} {ours!r} {ours.to_str()}"
    assert data not in shown
    for public in (ours.metadata.name, owner.uid, *ours.metadata.labels.values(), *ours.data):
        assert public in shown


@pytest.mark.parametrize(("user", "server"), [("ada-jhkube", ""), ("ada", "jhkube"), ("ada.jhkube", "")])
async def test_nobodys_certificates_are_where_anothers_token_is(user, server):
    class Other(_User):
        name = user

    ada = JHKubeSpawner(_mock=True, user=_User(), hub=_Hub(), namespace="labs")
    orm = hub_orm.Spawner(name=server)
    other = JHKubeSpawner(_mock=True, user=Other(), hub=_Hub(), namespace="labs", orm_spawner=orm)
    taken = {secret_name(ada.pod_name), ada.secret_name}
    assert not taken & {secret_name(other.pod_name), other.secret_name}


class Nobody:
    """A person as tests and scripts make one, where there is no hub: with a name, and no list of groups."""

    name, id, url, groups = "ada", 1, "/user/ada/", None


async def test_a_refused_option_of_kubespawners_own_is_its_error():
    profile = {"display_name": "Large", "kubespawner_override": {"cpu_limit": 4}}
    for options, error in (({"profile": "none"}, ValueError), ({"profile": "large"}, None)):
        settings = {"namespace": "labs", "profile_list": [profile]}
        made = JHKubeSpawner(_mock=True, config=Config({"KubeSpawner": settings}), user=Nobody(), hub=_Hub())
        made.user_options = options
        if error is None:
            await made.load_user_options()
            assert made.cpu_limit == 4
        else:
            with pytest.raises(error, match="No such profile"):
                await made.load_user_options()


async def test_a_server_without_a_record_in_a_hub_stays_as_it_was_set():
    spawner = JHKubeSpawner(_mock=True, user=Nobody(), hub=_Hub(), namespace="labs")
    server = Server.from_url("http://10.0.0.1:8888/user/ada/")
    spawner.server = server
    spawner.server.ip = "10.0.0.2"
    assert spawner.server is server
