"""What jhkube relies on in JupyterHub."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import jupyterhub
import jupyterhub.spawner
import pytest
from jupyterhub import app, crypto, orm, scopes
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserServerAPIHandler
from jupyterhub.handlers import BaseHandler
from jupyterhub.objects import Server
from jupyterhub.spawner import SimpleLocalProcessSpawner, Spawner
from jupyterhub.user import User
from jupyterhub.utils import make_ssl_context, maybe_future

from jhkube.ahead.manifest import HANDED_OVER
from tests.contract.reading import calls, parameters, relies_on, tree


def record():
    return orm.Server(proto="http", ip="", port=1, base_url="/user/ada/", cookie_name="c")


def test_the_hub_waits_for_a_server_by_the_object_that_the_spawner_has():
    with relies_on("`User._wait_up` calls `spawner.server.wait_up` with http, timeout, ssl_context and extra_path"):
        (wait,) = [
            node
            for node in ast.walk(tree(User._wait_up))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "server.wait_up"
        ]
        assert {each.arg for each in wait.keywords} == {"http", "timeout", "ssl_context", "extra_path"}
        assert "server = spawner.server" in inspect.getsource(User._wait_up)
        assert parameters(Server.wait_up) == ["timeout", "http", "ssl_context", "extra_path"]


def test_the_hub_reads_one_header_of_a_servers_answer():
    with relies_on("of a server's answer `User._wait_up` reads the header X-JupyterHub-Version and nothing else"):
        source = inspect.getsource(User._wait_up)
        assert source.count("resp.") == 1
        assert "resp.headers.get('X-JupyterHub-Version')" in source


def test_the_hub_sets_the_address_on_the_server_that_it_made():
    with relies_on("`User.spawn` sets `spawner.server`, and then the address on the object that it made itself"):
        source = inspect.getsource(User.spawn)
        assert "spawner.server = server = Server(orm_server=orm_server)" in source
        for name in ("proto", "ip", "port"):
            assert f"server.{name} = " in source


def test_a_spawner_takes_another_server_of_the_same_record():
    with relies_on("`Spawner.server` is a property that keeps a Server of the record that it has, of any subclass"):

        class Own(Server):
            pass

        spawner = SimpleLocalProcessSpawner(user=SimpleNamespace(name="ada"), orm_spawner=orm.Spawner(name=""))
        spawner.server = first = Server(orm_server=record())
        spawner.server = own = Own(orm_server=first.orm_server)
        assert spawner.server is own
        own.ip = "10.0.0.1"
        assert first.orm_server.ip == "10.0.0.1"
        assert own.url == "http://10.0.0.1:1/user/ada/"


def test_a_hub_that_restarts_stops_servers_whose_wait_ends_with_a_timeout_alone():
    with relies_on("a hub that restarts handles a TimeoutError of `_wait_up`, and an error of `poll` as an end"):
        source = inspect.getsource(app.JupyterHub.init_spawners)
        assert "await spawner.poll()" in source
        after = source[source.index("await user._wait_up(spawner)") :]
        assert after.split("\n")[1].strip() == "except AnyTimeoutError:"
        assert "status = -1" in source[source.index("await spawner.poll()") : source.index("if status is None")]


def test_a_refused_start_is_said_by_the_exceptions_own_messages():
    with relies_on("the hub shows `jupyterhub_message` and `jupyterhub_html_message` of what a start raised"):
        source = inspect.getsource(inspect.getmodule(BaseHandler))
        assert "jupyterhub_html_message" in source
        assert "jupyterhub_message" in source
    with relies_on("where the hub has `SpawnException`, it takes a message, a reason and a status code"):
        refused = getattr(jupyterhub.spawner, "SpawnException", None)
        if refused is not None:
            said = refused("Why.", reason="Because", status_code=400)
            assert (said.status_code, said.reason) == (400, "Because")


METHODS = [
    (Spawner._run_apply_user_options, ["user_options"], "options are applied by `Spawner._run_apply_user_options`"),
    (Spawner.apply_group_overrides, [], "what groups override is applied by `Spawner.apply_group_overrides`"),
    (BaseHandler.find_user, ["name"], "a handler finds an account by its name"),
    (app.JupyterHub.init_hub, [], "`JupyterHub.init_hub` knows the hub's addresses without `initialize`"),
    (crypto.decrypt, ["data"], "`crypto.decrypt` reads an account's auth_state"),
    (User.__init__, ["orm_user", "settings", "db"], "a User is made of its record and the hub's settings"),
]


@pytest.mark.parametrize(
    ("method", "wanted", "sentence"), METHODS, ids=[method.__qualname__ for method, *_ in METHODS]
)
def test_a_method_that_jhkube_calls_is_there(method, wanted, sentence):
    with relies_on(sentence):
        assert parameters(method) == wanted


def test_a_spawner_says_its_name_and_what_is_pending():
    with relies_on("a spawner has `_log_name`, `_stop_pending` and `active`"):
        spawner = SimpleLocalProcessSpawner(user=SimpleNamespace(name="ada"), orm_spawner=orm.Spawner(name=""))
        assert spawner._log_name == "ada"
        assert spawner._stop_pending is False
        assert spawner.active is False


def test_an_account_has_the_fields_that_a_hand_over_clears():
    with relies_on("an account's record has its auth_state, its cookie's id, tokens, codes and shares"):
        account = orm.User(name="ada")
        fields = ("encrypted_auth_state", "cookie_id", "api_tokens", "oauth_codes", "shares", "shared_with_me")
        assert all(hasattr(account, name) for name in fields)
        assert isinstance(orm.new_token(), str)


def test_auth_state_is_encrypted_by_these():
    with relies_on("`jupyterhub.crypto` has CryptKeeper, EncryptionUnavailable and InvalidToken"):
        assert issubclass(crypto.EncryptionUnavailable, Exception)
        assert issubclass(crypto.InvalidToken, Exception)
        assert hasattr(crypto.CryptKeeper, "instance")


def test_a_handler_says_whether_a_token_was_used():
    with relies_on("`_token_authenticated` of a handler says that a request was let in by a token"):
        assert "_token_authenticated" in inspect.getsource(inspect.getmodule(BaseHandler))


def test_the_hub_keeps_in_memory_when_it_has_last_asked_about_a_person():
    with relies_on("`user._auth_refreshed` is set right after `refresh_user`, and after a login by `login_user`"):
        assert User._auth_refreshed is None
        refresh = inspect.getsource(BaseHandler.refresh_auth)
        asked, _, after = refresh.partition("await self.authenticator.refresh_user(user, self)")
        assert "now - user._auth_refreshed < refresh_age" in asked
        assert "now = time.monotonic()" in asked
        assert "await" not in after.partition("user._auth_refreshed = now")[0]
        assert "user._auth_refreshed = time.monotonic()" in inspect.getsource(BaseHandler.login_user)


def test_the_hub_asks_a_server_with_its_own_certificate():
    with relies_on("the hub's settings have internal_ssl_key, _cert and _ca for `make_ssl_context`"):
        assert parameters(make_ssl_context)[:3] == ["keyfile", "certfile", "cafile"]
        source = inspect.getsource(app.JupyterHub)
        assert all(f"internal_ssl_{part}" in source for part in ("key", "cert", "ca"))


async def test_what_may_be_awaitable_can_be_awaited():
    with relies_on("`maybe_future` gives a value, and what is awaited"):

        async def later():
            return 2

        assert await maybe_future(1) == 1
        assert await maybe_future(later()) == 2


def test_a_person_gets_a_spawner_by_a_servers_name():
    with relies_on("a User makes its spawners by `get_or_create_spawner`, or by `get_spawner`"):
        make = getattr(User, "get_or_create_spawner", None)
        if make is None:
            assert parameters(User.get_spawner)[0] == "server_name"
        else:
            assert parameters(make)[:2] == ["server_name", "display_name"]


def test_a_start_ends_by_the_hubs_own_limit():
    with relies_on("`User.spawn` ends a start after `start_timeout` seconds: a start of jhkube's has no other limit"):
        assert "asyncio.wait_for" in calls(User.spawn)
        assert "timeout=spawner.start_timeout" in inspect.getsource(User.spawn)


def test_what_a_spawner_keeps_after_a_stop_is_asked_once_it_has_stopped():
    with relies_on("`User.stop` keeps what `get_state` returns after `stop` and `clear_state`"):
        steps = ["spawner.stop", "spawner.clear_state", "spawner.get_state"]
        assert [each for each in calls(User.stop) if each in steps] == steps


def test_a_stopped_server_is_removed_by_the_handler_that_reads_its_order_from_the_body():
    with relies_on("`UserServerAPIHandler.delete` removes a server if `get_json_body()` has a true `remove`"):
        source = inspect.getsource(UserServerAPIHandler.delete)
        assert "options = self.get_json_body()" in source
        assert "remove = (options or {}).get('remove', False)" in source
        assert parameters(UserServerAPIHandler.delete) == ["user_name", "server_name"]


# What the service "My servers" asks the hub's process.


def test_why_a_start_failed_is_in_the_future_that_the_hub_keeps():
    with relies_on("`Spawner._spawn_future` is the last start while it is under way, and after it has failed"):
        assert Spawner._spawn_future is None
        source = inspect.getsource(BaseHandler.spawn_single_user)
        assert "spawner._spawn_future = " in source
        clearing = source[source.index("def _clear_spawn_future") : source.index("add_done_callback")]
        assert "if f.cancelled() or f.exception() is None" in clearing
        assert clearing.count("spawner._spawn_future = None") == 1


def test_a_handler_has_what_the_services_handlers_ask_it():
    with relies_on("an APIHandler makes a server's model of a spawner or its record, and knows scopes and settings"):
        assert parameters(APIHandler.server_model) == ["spawner", "user"]
        source = inspect.getsource(APIHandler.server_model)
        assert "isinstance(spawner, orm.Spawner)" in source
        for key in ("pending", "ready", "started", "last_activity", "url", "user_options"):
            assert f"'{key}': " in source
        assert parameters(BaseHandler._user_from_orm) == ["orm_user"]
        assert parameters(BaseHandler.has_scope) == ["scope"]
        assert isinstance(BaseHandler.allow_named_servers, property)
        assert parameters(APIHandler.get_json_body) == []


def test_a_scope_is_for_the_person_and_server_that_a_handlers_parameters_name():
    with relies_on("`needs_scope` reads user_name, server_name and group_name of a handler's method"):
        source = inspect.getsource(scopes.needs_scope)
        assert "resource + '_name'" in source
        assert all(f"'{each}'" in source for each in ("user", "server", "group"))
        assert {"read:servers", "delete:servers", "access:servers"} <= scopes.scope_definitions.keys()


def test_a_person_and_a_group_have_what_the_services_handlers_read():
    with relies_on("a User has `spawners`, `spawner` and its record's `orm_spawners`, and a group has its users"):
        assert isinstance(User.spawner, property)
        assert "self.spawners = " in inspect.getsource(User.__init__)
        assert hasattr(orm.User, "orm_spawners")
        assert parameters(orm.Group.find) == ["db", "name"]
        assert hasattr(orm.Group, "users")


def test_a_second_spawner_of_a_server_is_made_without_the_hub_knowing_it():
    with relies_on("`User._new_spawner(name)` returns a spawner with the server's record and does not keep it"):
        assert parameters(User._new_spawner)[:1] == ["server_name"]
        source = inspect.getsource(User._new_spawner)
        assert "spawner = spawner_class(**spawn_kwargs)" in source
        assert "self.spawners" not in source


def test_what_is_known_at_a_start_alone_is_what_is_handed_over_to_a_pod_that_waits():
    with relies_on("of the variables in `Spawner.get_env`, those of HANDED_OVER depend on the server's start"):
        source = inspect.getsource(Spawner.get_env)
        from_start = ("self.api_token", "self.admin_access", "self.server", "scopes", "bind_url")
        names = set()
        for node in ast.walk(tree(Spawner.get_env)):
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript):
                written = ast.unparse(node.value)
                if any(part in written for part in from_start) and isinstance(target.slice, ast.Constant):
                    names.add(target.slice.value)
        # Set to "1", if the attribute is true.
        assert "if self.admin_access:" in source
        assert names | {"JUPYTERHUB_ADMIN_ACCESS"} == HANDED_OVER


def test_what_a_server_reads_while_its_modules_are_imported_is_not_handed_over_later():
    with relies_on("no module of jupyterhub.singleuser reads one of HANDED_OVER when it is imported"):
        folder = Path(inspect.getfile(jupyterhub)).parent
        files = [*(folder / "singleuser").glob("*.py"), folder / "_xsrf_utils.py", folder / "services" / "auth.py"]
        assert len(files) > 5
        for file in files:
            at_import = list(ast.parse(file.read_text()).body)
            for node in at_import:
                if isinstance(node, ast.ClassDef):
                    at_import += node.body
                elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "environ" in ast.unparse(node):
                    assert not {name for name in HANDED_OVER if f"'{name}'" in ast.unparse(node)}, file
