"""What jhkube relies on in KubeSpawner."""

import ast
import asyncio
import inspect
import logging
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from jupyterhub.utils import exponential_backoff
from kubespawner import clients, slugs, spawner
from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import KubeSpawner
from traitlets.config import Config

from jhkube.watch.containers import MAIN_CONTAINER
from jhkube.watch.packed import slim_pod
from tests.contract.reading import calls, names, parameters, relies_on, tree

pytestmark = pytest.mark.usefixtures("kubeconfig")


class _User:
    name, id, url, groups = "ada", 1, "/user/ada/", ()


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


def made(**settings):
    """A spawner of KubeSpawner's own."""
    return KubeSpawner(
        _mock=True, config=Config({"KubeSpawner": {"namespace": "labs"} | settings}), user=_User(), hub=_Hub()
    )


METHODS = {
    "_start": ([], True, "`_start` is one coroutine, which jhkube runs and ends where it waits for the pod"),
    "_make_create_pod_request": (
        ["pod", "request_timeout"],
        True,
        "the pod is made by this method, and False retries",
    ),
    "_make_create_pvc_request": (
        ["pvc", "request_timeout"],
        True,
        "the claim is made by this method, and False retries",
    ),
    "_make_create_resource_request": (["kind", "manifest"], True, "Secret and service are made by this method"),
    "_make_delete_pvc_request": (["pvc_name", "request_timeout"], True, "the claim is deleted by this method"),
    "_ensure_not_exists": (
        ["kind", "name"],
        True,
        "a Secret and service that are left over are deleted by this method",
    ),
    "_ensure_namespace": ([], True, "a person's namespace is made by this method"),
    "_start_watching_pods": (["replace"], True, "this method starts the reflector of pods unless it runs"),
    "_get_pod_url": (["pod"], False, "this method makes a server's URL of a pod, at once"),
    "_expand_user_properties": (
        ["template", "slug_scheme"],
        False,
        "templates are filled in by this method, by a scheme",
    ),
    "_sorted_dict_values": (["src"], False, "lists that may be dicts are read by this method"),
    "load_user_options": ([], True, "options are applied by this method"),
    "get_pod_manifest": ([], True, "the pod's manifest comes from this method"),
    "get_pvc_manifest": ([], False, "the claim's manifest comes from this method"),
    "get_secret_manifest": (["owner_reference"], False, "the Secret's manifest comes from this method"),
    "is_pod_running": (["pod"], False, "`_start` and `poll` ask this method whether a pod runs"),
    "poll": ([], True, "whether a server runs is asked of this method"),
    "stop": (["now"], True, "a pod is deleted by this method"),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_jhkube_calls_or_overrides_is_there(name):
    wanted, is_coroutine, sentence = METHODS[name]
    with relies_on(sentence):
        method = getattr(KubeSpawner, name)
        assert parameters(method) == wanted
        assert inspect.iscoroutinefunction(method) == is_coroutine


@pytest.mark.parametrize(
    ("name", "value"), [("_last_event", None), ("_pvc_exists", False), ("_state_kubespawner_version", None)]
)
async def test_a_state_that_jhkube_reads_is_there(name, value):
    with relies_on(f"a spawner that has started nothing has `{name}` = {value!r}"):
        assert getattr(made(), name) == value


def test_a_start_goes_through_its_steps_in_this_order():
    steps = [
        "load_user_options",
        "_ensure_namespace",
        "_start_watching_pods",
        "_start_watching_events",
        "_last_event",
        "_make_create_pvc_request",
        "get_pod_manifest",
        "modify_pod_hook",
        "_make_create_pod_request",
        "after_pod_created_hook",
        "is_pod_running",
    ]
    with relies_on("`_start` goes through its steps in an order, the wait for the pod by `is_pod_running` last"):
        named = names(KubeSpawner._start)
        first = [named.index(step) for step in steps]
        assert first == sorted(first)
        assert named.count("is_pod_running") == 1


def test_nothing_but_the_pods_id_and_url_comes_after_the_wait_for_the_pod():
    sentence = "after its wait `_start` sets `pod_id`, logs and returns the URL: jhkube ends it where it waits"
    with relies_on(sentence):
        body = tree(KubeSpawner._start).body
        (wait,) = [i for i, part in enumerate(body) if "self.is_pod_running" in calls(part)]
        rest = body[wait + 1 :]
        stored = {
            ast.unparse(n) for part in rest for n in ast.walk(part) if isinstance(getattr(n, "ctx", None), ast.Store)
        }
        assert stored == {"pod", "self.pod_id", "event"}
        called = {call for part in rest for call in calls(part)}
        assert called == {"self.log.debug", "'\\n'.join", "self._get_pod_url"}


async def test_a_step_that_says_false_is_retried_until_it_says_true():
    with relies_on("`exponential_backoff` calls a function again while it, or what it awaits, is False"):
        answers = [False, False, True]

        async def step():
            return answers.pop(0)

        await exponential_backoff(step, "never", start_wait=0.001, timeout=60)
        assert answers == []
    gives_up = relies_on("`exponential_backoff` raises TimeoutError where it gives up")
    with gives_up, pytest.raises(TimeoutError, match="never"):
        await exponential_backoff(lambda: False, "never", start_wait=0.001, timeout=0.05)


async def test_a_start_can_be_followed_by_its_future():
    with relies_on("`start` keeps the task of `_start` as `_start_future`, by which the progress knows the end"):

        class Short(KubeSpawner):
            async def _start(self):
                return "http://pod"

        short = Short(_mock=True, user=_User(), hub=_Hub())
        assert short._start_future is None
        assert await short.start() == "http://pod"
        assert short._start_future.done()


def test_a_stop_does_nothing_after_it_has_waited_for_the_pods_end():
    with relies_on(
        "the wait for the pod's end is the last step of `stop`: jhkube ends it there as soon as the pod is gone"
    ):
        last = tree(KubeSpawner.stop).body[-1]
        assert isinstance(last, ast.Try)
        assert calls(last)[0] == "exponential_backoff"
        assert len(last.body) == 1
        assert not last.orelse
        assert not last.finalbody


def test_a_poll_asks_for_the_watch_first():
    with relies_on(
        "`poll` starts the reflector of pods before it reads a pod, so that a hub that restarts knows them"
    ):
        assert calls(KubeSpawner.poll)[0] == "self._start_watching_pods"


class Recorder:
    """As much of a reflector as KubeSpawner asks for."""

    def __init__(self, **kwargs):
        self.kwargs = kwargs
        self.started = 0
        self.first_load_future = asyncio.get_running_loop().create_future()
        self.first_load_future.set_result(None)

    async def start(self):
        self.started += 1

    async def stop(self):
        self.started -= 1


@pytest.mark.parametrize("own_namespaces", [False, True])
async def test_a_reflector_is_made_once_started_and_kept_for_all(monkeypatch, own_namespaces):
    monkeypatch.setattr(KubeSpawner, "reflectors", {})
    asker = made(enable_user_namespaces=own_namespaces)
    with relies_on("`_start_reflector` makes a reflector of the class it is given, awaits `start()` and keeps it"):
        first = await asker._start_reflector("kind", Recorder, labels={"a": "b"}, omit_namespace=own_namespaces)
        assert isinstance(first, Recorder)
        assert first.started == 1
        assert set(first.kwargs) == {"parent", "namespace", "on_failure", "labels", "omit_namespace"}
    with relies_on("a reflector that runs and whose `first_load_future` is done is returned without waiting"):
        assert await asker._start_reflector("kind", Recorder) is first
        assert first.started == 1
    with relies_on("reflectors are kept by class and by what `_get_reflector_key` says"):
        assert KubeSpawner.reflectors == {asker._get_reflector_key("kind"): first}
    with relies_on("with `replace` the new reflector is started and the old one stopped"):
        second = await asker._start_reflector("kind", Recorder, replace=True)
        assert (first.started, second.started) == (0, 1)


async def test_a_hub_ends_where_a_reflectors_start_fails_so_that_jhkubes_does_not_fail(monkeypatch):
    monkeypatch.setattr(KubeSpawner, "reflectors", {})

    class Failing(Recorder):
        async def start(self):
            raise OSError("away")

    sentence = "only an error of `start()` ends the hub where users have namespaces of their own"
    with relies_on(sentence), pytest.raises(SystemExit):
        await made(enable_user_namespaces=True)._start_reflector("kind", Failing)


@pytest.mark.parametrize(
    ("kind", "omit", "method"),
    [
        ("pods", False, "list_namespaced_pod"),
        ("pods", True, "list_pod_for_all_namespaces"),
        ("events", False, "list_namespaced_event"),
        ("events", True, "list_event_for_all_namespaces"),
    ],
)
async def test_a_reflector_knows_how_to_list_its_kind(kind, omit, method):
    with relies_on(
        "a reflector finds the list method of pods and events, and makes its client and selectors when it is made"
    ):

        class Reflector(ResourceReflector):
            pass

        Reflector.kind = kind
        reflector = Reflector(namespace="labs", omit_namespace=omit, labels={"a": "b", "c": "d"}, fields={"e": "f"})
        assert reflector.list_method_name == method
        assert (reflector.label_selector, reflector.field_selector) == ("a=b,c=d", "e=f")
        assert hasattr(reflector.api, method)
        assert reflector.watch_task is None
        assert reflector._stopping is False
        assert not reflector.first_load_future.done()


async def test_a_reflector_of_another_kind_names_its_list_method_and_group():
    with relies_on("a reflector class can name `list_method_name` and `api_group_name`"):

        class Nodes(ResourceReflector):
            kind = "daemonsets"
            api_group_name = "AppsV1Api"
            list_method_name = "list_namespaced_daemon_set"

        assert hasattr(Nodes(namespace="labs").api, "list_namespaced_daemon_set")


async def test_what_a_spawner_starts_are_its_classs_reflectors_by_kind(monkeypatch):
    with relies_on(
        "`pod_reflector` and `event_reflector` are read from the class's `reflectors`, None where there are none"
    ):
        monkeypatch.setattr(KubeSpawner, "reflectors", {})
        asker = made()
        assert asker.pod_reflector is None
        assert asker.event_reflector is None
        monkeypatch.setitem(KubeSpawner.reflectors, asker._get_reflector_key("pods"), "pods")
        assert asker.pod_reflector == "pods"


def pod(**status):
    return {
        "metadata": {"name": "jupyter-ada", "namespace": "labs", "uid": "1", "resourceVersion": "1"},
        "spec": {"containers": [{"name": "notebook", "ports": [{"name": "notebook-port", "containerPort": 8888}]}]},
        "status": status,
    }


async def test_what_kubespawner_reads_of_a_pod_is_kept_of_it():
    running = {"name": "notebook", "ready": True, "state": {"running": {}}}
    with relies_on("KubeSpawner reads no more of a pod than `slim_pod` keeps"):
        assert not made().is_pod_running(slim_pod(pod()))
        whole = slim_pod(pod(phase="Running", podIP="10.0.0.1", containerStatuses=[running]))
        assert made().is_pod_running(whole)
        assert made()._get_pod_url(whole) == "http://10.0.0.1:8888"
        assert made().pod_has_uid(whole)


async def test_a_poll_reads_the_state_of_the_container_named_notebook(monkeypatch):
    ended = {"name": MAIN_CONTAINER, "ready": False, "state": {"terminated": {"exitCode": 3}}}
    with relies_on("`poll` returns the exit code of the container that is named notebook"):

        async def there(self, replace=False):
            return None

        monkeypatch.setattr(KubeSpawner, "_start_watching_pods", there)
        asker = made(delete_stopped_pods=False)
        slim = slim_pod(pod(phase="Failed", containerStatuses=[ended]))
        reflector = SimpleNamespace(pods={f"labs/{asker.pod_name}": slim})
        monkeypatch.setattr(KubeSpawner, "reflectors", {asker._get_reflector_key("pods"): reflector})
        assert await asker.poll() == 3


async def test_a_manifest_has_the_names_that_jhkube_looks_for():
    with relies_on("the server's container is named notebook, and annotations name the person and the server"):
        named = KubeSpawner(_mock=True, user=_User(), hub=_Hub(), orm_spawner=orm.Spawner(name="gpu"))
        manifest = await named.get_pod_manifest()
        assert [container.name for container in manifest.spec.containers] == [MAIN_CONTAINER]
        assert manifest.metadata.annotations["hub.jupyter.org/username"] == "ada"
        assert manifest.metadata.annotations["hub.jupyter.org/servername"] == "gpu"


async def test_a_spawner_of_nobodys_can_be_made_for_its_settings():
    with relies_on("`KubeSpawner(_mock=True)` needs no person and no hub"):
        assert KubeSpawner(_mock=True).namespace


async def test_a_known_claim_is_not_asked_for_and_is_remembered():
    with relies_on("`_start` makes no claim where `_pvc_exists` is set, and the hub's database keeps its name"):
        condition = [ast.unparse(n.test) for n in ast.walk(tree(KubeSpawner._start)) if isinstance(n, ast.If)]
        assert "not self._pvc_exists" in condition
        asker = made(remember_pvc_name=True)
        asker._pvc_exists = True
        assert asker.get_state()["pvc_name"] == asker.pvc_name


def test_the_forms_fields_of_profiles_keep_their_names():
    with relies_on("the form's fields of profiles end in --unlisted-choice, and options begin with profile-option-"):
        source = inspect.getsource(spawner)
        assert "--unlisted-choice" in source
        assert "profile-option-" in source


def test_the_form_comes_from_these_defaults():
    with relies_on(
        "`options_form` and `options_from_form` have their defaults from methods that a class can override"
    ):
        assert KubeSpawner._options_form_default.trait_name == "options_form"
        assert KubeSpawner._options_from_form_default.trait_name == "options_from_form"


async def test_clients_are_shared_and_the_configuration_is_read_once():
    with relies_on("`shared_client` returns one client for each kind of API, and `load_config` reads no file twice"):
        assert clients.shared_client("CoreV1Api") is clients.shared_client("CoreV1Api")
        assert parameters(clients.load_config) == ["host", "ssl_ca_cert", "verify_ssl"]
        assert hasattr(clients.load_config, "cache_clear")


@pytest.mark.parametrize(
    ("name", "slug"), [("ada", "ada"), ("Ada_L", "ada-l---db2e114b"), ("ada.l@x.org", "ada-l-x-org---480fae9c")]
)
def test_a_slug_stays_what_it_is(name, slug):
    with relies_on("`safe_slug` makes the same slug of a name for ever: homes and labels are named by it"):
        assert slugs.safe_slug(name) == slug
        assert slugs.is_valid_label(slug)


async def test_the_log_of_a_spawner_is_a_logger():
    with relies_on("a spawner has a standard logger as `log`"):
        assert isinstance(made().log, logging.Logger | logging.LoggerAdapter)
