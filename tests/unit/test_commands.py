"""How the commands end: by a sentence that says what is wrong, without a traceback, without a secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubernetes_asyncio.config import kube_config
from kubespawner.clients import load_config

from jhkube import __version__
from jhkube.cli import COMMANDS as COMMAND_NAMES
from jhkube.cli import main
from jhkube.commands import check

SECRET = "mumble-mumble"
COMMANDS = (["check"], ["menu"], ["prepull", "--status"], ["rekey"], ["show-pod", "--user", "ada"])
GOOD = f"""
c.JupyterHub.spawner_class = "jhkube"
c.JupyterHub.authenticator_class = "jhkube-github"
c.JupyterHub.hub_connect_url = "http://10.0.0.1:8081"
c.GitHubOrgAuthenticator.client_secret = {SECRET!r}
c.GitHubOrgAuthenticator.allowed_organizations = {{"observatory"}}
"""


@pytest.fixture
def jhkube(tmp_path, monkeypatch, capsys):
    """Return what runs a command with more configuration: its exit status, its output, what it said of errors."""
    monkeypatch.chdir(tmp_path)

    def run(command, more="", **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "jupyterhub_config.py").write_text(GOOD + more)
        status = main(command)
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def kubeconfig_of(tmp_path, monkeypatch):
    """Return what puts a kubeconfig in place, or takes it away."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))

    def put(text):
        load_config.cache_clear()
        if text is not None:
            path.write_text(text)

    yield put
    load_config.cache_clear()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("import sys\nsys.exit(3)\n", "line 8, fails: SystemExit: 3"),
        ("raise ValueError(c.GitHubOrgAuthenticator.client_secret)\n", "line 7, fails: ValueError: …"),
        ("c.A.b = (\n", "line 7, fails: SyntaxError: '(' was never closed"),
    ],
)
def test_a_configuration_that_fails_is_told_by_every_command(jhkube, command, more, said):
    status, out, err = jhkube(command, more)
    assert status == 2
    assert said in " ".join((out + err).split())
    assert SECRET not in out + err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_configuration_that_is_not_there_is_told_with_its_name(tmp_path, command, capsys):
    assert main([*command, "--config", str(tmp_path / "none.py")]) == 2
    said = " ".join("".join(capsys.readouterr()).split())
    assert f"there is no configuration file {tmp_path / 'none.py'}" in said
    assert list(tmp_path.iterdir()) == []


def test_a_check_of_a_configuration_that_fails_is_json_too(jhkube):
    status, out, _ = jhkube(["check", "--json"], "1/0\n")
    assert status == 2
    (found,) = json.loads(out)["results"]
    assert "ZeroDivisionError" in found["text"]


def test_what_a_configuration_prints_is_no_part_of_the_json(jhkube, kubeconfig):
    _, out, err = jhkube(["check", "--json", "--no-pod"], "print('Loading extra config: mine')\n")
    assert json.loads(out)["results"]
    assert "Loading extra config: mine" in err


def test_a_configuration_that_cannot_be_looked_for_is_told_with_the_reason(capsys):
    assert main(["menu", "--config", "a" * 300]) == 2
    assert capsys.readouterr().err.endswith("File name too long\n")


@pytest.mark.parametrize(
    ("kubeconfig", "said"),
    [
        (None, "no cluster is configured: there is no kubeconfig"),
        ("", "kubeconfig cannot be used: TypeError"),
        ("words", "kubeconfig cannot be used: TypeError"),
        ("{not: [yaml", "kubeconfig cannot be used: ParserError"),
        ('{"current-context": "x", "contexts": [], "clusters": [], "users": []}', "Expected object with name x"),
        (
            '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],'
            ' "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],'
            ' "users": [{"name": "x", "user": {"exec":'
            ' {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}}}]}',
            "No such file or directory: 'no-such-plugin'",
        ),
    ],
)
@pytest.mark.parametrize("command", [["prepull", "--status"], ["show-pod", "--user", "ada", "--uid", "70001"]])
def test_a_kubeconfig_that_cannot_be_used_is_told_with_what_to_do(jhkube, kubeconfig_of, kubeconfig, said, command):
    kubeconfig_of(kubeconfig)
    status, out, err = jhkube(command)
    assert (status, out) == (2, "")
    assert said in err
    assert "name a kubeconfig by KUBECONFIG" in err


def test_an_error_that_nobody_expected_is_a_sentence_with_its_place(jhkube, kubeconfig):
    more = 'c.JHKubeSpawner.environment = {"A": ["mumble-mumble"]}\n'
    status, out, err = jhkube(["show-pod", "--user", "ada", "--uid", "70001"], more)
    assert (status, out) == (2, "")
    assert "jhkube show-pod: TypeError in " in err
    assert "report it" in err
    assert err.count("\n") == 1


def test_a_wrong_setting_is_told_without_the_secret_beside_it(jhkube, kubeconfig):
    more = f"c.GitHubOrgAuthenticator.client_secret = [{SECRET!r}]\n"
    status, _, err = jhkube(["show-pod", "--user", "ada"], more)
    assert status == 2
    assert "'client_secret' trait" in err
    assert SECRET not in err


def test_a_shown_pod_has_no_secrets_of_its_environment(jhkube, kubeconfig):
    secrets = {"OPENAI_API_KEY": "sk-12345678", "AWS_SECRET_ACCESS_KEY": "abcdefgh", "EDITOR": "vi"}
    status, out, err = jhkube(
        ["show-pod", "--user", "ada", "--uid", "70001"], f"c.JHKubeSpawner.environment = {secrets!r}\n"
    )
    assert status == 0
    shown = {each["name"]: each.get("value") for each in yaml.safe_load(out)["spec"]["containers"][0]["env"]}
    assert [shown[name] for name in secrets] == ["…", "…", "vi"]
    assert "AWS_SECRET_ACCESS_KEY, OPENAI_API_KEY" in err


def test_a_shown_pod_has_no_secret_anywhere_else(jhkube, kubeconfig):
    more = f"""
c.KubeSpawner.environment = {{
    "DATABASE_URL": "postgresql://hub:{SECRET}@db.example.org/labs",
    "HTTPS_PROXY": "http://proxy:{SECRET}@proxy.example.org:3128",
    "MYSQL_PWD": {SECRET!r},
    "CONNECTION": "Server=db;Uid=hub;Pwd={SECRET};",
    "BACKUP": "mysqldump -p{SECRET} labs",
    "SETTINGS": '{{{{"password": "{SECRET}"}}}}',
    "EDITOR": "vi",
}}
c.KubeSpawner.cmd = ["start-server"]
c.KubeSpawner.args = [
    "--password", {SECRET!r}, "--IdentityProvider.token={SECRET}", "--debug", "ada:{SECRET}@db.example.org"
]
c.KubeSpawner.extra_annotations = {{"example.org/api-token": {SECRET!r}, "example.org/owner": "oidc:ada@example.org"}}
c.KubeSpawner.volumes = [
    {{"name": "share", "csi": {{"driver": "smb", "volumeAttributes": {{"password": {SECRET!r}}}}}}}
]
c.KubeSpawner.extra_containers = [
    {{"name": "side", "image": "side", "command": ["sh", "-c", "run --client-secret {SECRET} --port 80"]}},
    {{"name": "db", "image": "db", "command": ["mysql", "-p{SECRET}", "-u", "ada"]}},
]
c.KubeSpawner.init_containers = [
    {{"name": "first", "image": "first", "env": [{{"name": "PGPASSWORD", "value": {SECRET!r}}}]}}
]
"""
    status, out, err = jhkube(["show-pod", "--user", "ada", "--uid", "70001"], more)
    assert status == 0
    assert SECRET not in out + err
    pod = yaml.safe_load(out)
    shown = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
    assert shown["DATABASE_URL"] == "postgresql://…@db.example.org/labs"
    assert shown["HTTPS_PROXY"] == "http://…@proxy.example.org:3128"
    assert (shown["MYSQL_PWD"], shown["EDITOR"]) == ("…", "vi")
    assert pod["spec"]["containers"][0]["args"][1:] == [
        "--password",
        "…",
        "--IdentityProvider.token=…",
        "--debug",
        "…@db.example.org",
    ]
    assert pod["spec"]["containers"][1]["command"][2] == "run --client-secret … --port 80"
    assert pod["spec"]["containers"][2]["command"] == ["mysql", "-p…", "-u", "ada"]
    assert pod["metadata"]["annotations"]["example.org/owner"] == "oidc:ada@example.org"
    for name in ("CONNECTION", "DATABASE_URL", "HTTPS_PROXY", "MYSQL_PWD", "PGPASSWORD", "example.org/api-token"):
        assert name in err


def test_what_is_no_secret_of_a_pod_is_shown_as_it_is(jhkube, kubeconfig):
    more = """
c.KubeSpawner.image_pull_secrets = ["pull"]
c.KubeSpawner.image = "registry.example.org/lab:1@sha256:0a1b2c"
c.KubeSpawner.environment = {"TOKEN_FILE": "/run/token", "API_TOKEN": "/run/secrets/token", "PWD": "/home"}
"""
    status, out, err = jhkube(["show-pod", "--user", "ada", "--uid", "70001"], more)
    assert (status, err) == (0, "")
    assert "…" not in out


def test_showing_a_pod_makes_no_file(jhkube, kubeconfig, tmp_path):
    status, out, _ = jhkube(["show-pod", "--user", "ada", "--subject", "github:6180339", "--option", "size=medium"])
    assert status == 0
    assert yaml.safe_load(out)["metadata"]["labels"]["jhkube/uid"] == "6180339"
    assert [path.name for path in tmp_path.iterdir()] == ["jupyterhub_config.py"]


def test_a_start_that_the_hub_would_refuse_is_refused_with_its_sentence_and_the_reason(jhkube, kubeconfig):
    more = 'c.ImageMenu.repositories = ["127.0.0.1:1/lab"]\n'
    status, out, err = jhkube(["show-pod", "--user", "ada", "--uid", "70001"], more)
    assert (status, out) == (1, "")
    assert "jhkube show-pod: There is no list of images yet" in err
    assert "127.0.0.1:1/lab: 127.0.0.1:1 does not answer" in err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("c.JupyterHub.port = 'eighty'\n", "The 'port' trait of a JupyterHub instance expected an int"),
        ("c.JupyterHub.spawner_class = 'jhkub'\n", "The 'spawner_class' trait of JupyterHub instance must be a type"),
        ("c.JHKubeSpawner.start_timeout = 'soon'\n", "The 'start_timeout' trait of a JHKubeSpawner instance"),
        ("c.GitHubOrgAuthenticator.client_id = 7\n", "The 'client_id' trait of a GitHubOrgAuthenticator instance"),
    ],
)
def test_a_wrong_setting_is_told_once_and_what_needs_it_is_skipped(jhkube, kubeconfig, more, said):
    status, out, _ = jhkube(["check", "--json", "--no-pod"], more)
    assert status == 1
    results = json.loads(out)["results"]
    assert [each["text"][: len(said)] for each in results if each["subject"] == "configuration"] == [said]
    assert "a setting that it needs is wrong: see configuration" in [each["text"] for each in results]
    assert "report it" not in out
    assert "object at 0x" not in out


def test_a_kubeconfig_that_cannot_be_used_fails_the_check_of_the_cluster_alone(jhkube, kubeconfig_of):
    kubeconfig_of("{not: [yaml")
    _, out, _ = jhkube(["check", "--json", "--no-pod"])
    found = {each["subject"]: each for each in json.loads(out)["results"]}
    assert found["cluster"]["status"] == "failed"
    assert "kubeconfig cannot be used: ParserError" in found["cluster"]["text"]
    assert [found[name]["status"] for name in ("configuration", "hub address", "storage")] == [
        "passed",
        "passed",
        "skipped",
    ]


def test_the_advice_about_auth_state_is_of_the_authenticator_that_is_used(jhkube, kubeconfig):
    _, out, _ = jhkube(["check", "--json", "--no-pod"], "c.JupyterHub.authenticator_class = 'dummy'\n")
    assert "Set c.DummyAuthenticator.enable_auth_state = True" in out


def test_a_callback_that_is_no_url_is_told(jhkube, kubeconfig):
    more = "c.GitHubOrgAuthenticator.oauth_callback_url = 'http://[::1/hub/oauth_callback'\n"
    _, out, _ = jhkube(["check", "--json", "--no-pod"], more)
    found = {each["subject"]: each for each in json.loads(out)["results"]}
    assert found["callback"]["status"] == "failed"
    assert "Invalid IPv6 URL" in found["callback"]["text"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", ""], "--user '': no hub gives anybody that name"),
        (["--user", "a/b"], "--user 'a/b': no hub gives anybody that name"),
        (["--user", "ada", "--group", "=5"], "--group =5: a group has a name"),
        (
            ["--user", "ada", "--group", "lab=five"],
            "--group lab=five: a group has a name, and a number",
        ),
        (["--user", "ada", "--option", "size"], "--option size: an option has a value"),
        (["--user", "ada", "--option", "environment=SURVEY"], "environment has names and values, as in environment="),
        (["--user", "ada", "--server", "a/b"], "Invalid server_name: 'a/b'"),
    ],
)
def test_an_argument_that_cannot_be_is_told(jhkube, kubeconfig, arguments, said):
    status, out, err = jhkube(["show-pod", "--uid", "70001", *arguments])
    assert (status, out) == (2, "")
    assert said in err


def test_json_without_status_does_not_start_a_prepuller(jhkube):
    status, out, err = jhkube(["prepull", "--json"])
    assert (status, out) == (2, "")
    assert err == "jhkube prepull: --json is for --status: without it nothing is printed\n"


@pytest.mark.parametrize(
    "command",
    [
        ["show-pod", "--user", "ada", "--uid", "0"],
        ["show-pod", "--user", "ada", "--gid", "2147483648"],
        ["check", "--image-timeout", "0"],
        ["check", "--image-timeout", "nan"],
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_read(command, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--config", "none.py"])
    assert " is no number of " in capsys.readouterr().err


def test_a_check_asks_about_the_operator_where_it_works(jhkube, tmp_path, monkeypatch):
    asked = []

    async def noted(hub, choice, others):
        asked.append((others.operator_token, others.operator_namespaces))
        return []

    monkeypatch.setattr(check, "check_hub", noted)
    (tmp_path / "token").write_text("t\n")
    for where in ([], ["--operator-namespace=a", "--operator-namespace=b"], ["--operator-all-namespaces"]):
        assert jhkube(["check", "--operator-token=token", *where])[0] == 0
    assert asked == [("t", ()), ("t", ("a", "b")), ("t", (None,))]
    with pytest.raises(SystemExit, match="2"):
        jhkube(["check", "--operator-namespace=a", "--operator-all-namespaces"])


@pytest.mark.parametrize("keys", ['["short"]', '{"short"}'])
def test_a_malformed_key_is_told_and_not_shown(jhkube, keys):
    status, _, err = jhkube(["rekey"], f"c.CryptKeeper.keys = {keys}\n")
    assert status == 2
    assert "is not 32 bytes in hexadecimal or base64" in err
    assert "short" not in err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql+no_such_driver://hub:mumble-mumble@db/hub", "no_such_driver"),
        ("postgresql+psycopg://hub:mumble-mumble@127.0.0.1:1/hub", "Connection refused"),
    ],
)
def test_a_database_that_does_not_open_is_told_without_its_password(jhkube, url, said):
    status, _, err = jhkube(["rekey"], f"c.CryptKeeper.keys = ['11' * 32]\nc.JupyterHub.db_url = {url!r}\n")
    assert status == 2
    assert "c.JupyterHub.db_url" in err
    assert said in err
    assert SECRET not in err


def test_a_menu_says_that_its_accounts_cannot_be_read_and_goes_on(jhkube):
    more = 'c.ImageMenu.repositories = ["127.0.0.1:1/lab"]\nc.ImageMenu.credentials_file = "/no/such/file"\n'
    status, out, err = jhkube(["menu"], more)
    assert status == 1
    assert "No image is offered." in out
    assert (
        "the accounts for the registries cannot be read: [Errno 2] No such file or directory: '/no/such/file'" in err
    )
    assert "127.0.0.1:1/lab: 127.0.0.1:1 does not answer" in err


ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "jhkube"


def test_output_that_nobody_reads_is_no_error(tmp_path):
    (tmp_path / "jupyterhub_config.py").write_text(GOOD)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        ended = subprocess.run(
            [COMMAND, "check", "--no-pod"],
            cwd=tmp_path,
            env={**os.environ, "KUBECONFIG": str(tmp_path / "none")},
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (141, b"")


def interruptible():
    """Heed Ctrl-C, which what runs in the background of a script ignores, and hands down to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_a_command_with_a_sentence(tmp_path):
    (tmp_path / "jupyterhub_config.py").write_text("import time\nprint('begun')\ntime.sleep(600)\n")
    with subprocess.Popen(
        [COMMAND, "menu"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as running:
        assert running.stderr.readline() == "begun\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert (running.returncode, err) == (130, "jhkube menu: ended before it was done\n")


def test_ctrl_c_before_a_command_has_begun_is_no_traceback(tmp_path):
    # The first that the commands load: it stands for the seconds in which they are loaded.
    (tmp_path / "jupyterhub.py").write_text("print('begun', flush=True)\nimport time\ntime.sleep(600)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "jhkube.cli", "menu"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as running:
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert (running.returncode, err) == (130, "")


LOADED = """
import sys
from jhkube.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("loaded", *sys.modules)
"""


def modules_loaded_by(*arguments):
    """Return the modules that a command line loads, of jhkube and of what takes long to load."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = ended.stdout.rpartition("loaded ")[2].split()
    slow = {"aiohttp", "asyncio", "jhkube", "jupyterhub", "kubernetes_asyncio", "kubespawner", "sqlalchemy"}
    return {name for name in loaded if name.partition(".")[0] in slow | {"tornado", "traitlets", "yaml"}}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], [], ["no-such-command"], ["--no-such-option"]])
def test_a_command_line_without_a_command_loads_no_command(arguments):
    none = {"jhkube", "jhkube._version", "jhkube.cli", "jhkube.commands", "jhkube.iri_grammar"}
    assert modules_loaded_by(*arguments) == none


def test_a_command_line_loads_its_own_command_alone():
    loaded = modules_loaded_by("menu", "--help")
    assert {name for name in loaded if name.startswith("jhkube.commands.")} == {
        "jhkube.commands.frame",
        "jhkube.commands.menu",
    }


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"jhkube {__version__}\n"


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert [name for name in COMMAND_NAMES if f"    {name} " not in out] == []


def test_a_locale_without_arrows_is_no_error(tmp_path):
    ended = subprocess.run(
        [COMMAND, "check", "--config", "none.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 2
    assert b"? Put it right first" in ended.stdout


def test_an_operator_needs_a_cluster_and_no_configuration(kubeconfig_of, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["operator", "--crds"]) == 0
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(capsys.readouterr().out)]
    kinds = ["jupyternotebooks.squonk.it", "jupyterservers.jhkube.dev"]
    assert names == [*kinds, "kopfpeerings.kopf.dev", "clusterkopfpeerings.kopf.dev"]
    assert main(["operator", "--hub-url", "http://hub:8081/hub/api"]) == 2
    assert "--hub-url and --hub-token-file go together" in capsys.readouterr().err
    kubeconfig_of(None)
    assert main(["operator"]) == 2
    assert capsys.readouterr().err.startswith("jhkube operator: no cluster is configured: there is no kubeconfig ")
