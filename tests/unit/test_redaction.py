"""Secrets are taken out of texts: those of a configuration, and those of addresses."""

import pytest
from traitlets.config import Config

from jhkube.redaction import is_elsewhere, is_secret_name, redactor, without_secrets_in, without_url_secrets


@pytest.mark.parametrize(
    ("settings", "environ", "secret"),
    [
        ({"GitHubOrgAuthenticator": {"client_secret": "mumble-mumble"}}, {}, "mumble-mumble"),
        ({"GitHubOrgAuthenticator": {"client_secret": b"mumble-mumble"}}, {}, "mumble-mumble"),
        ({"CryptKeeper": {"keys": ["first-key", "second-key"]}}, {}, "second-key"),
        ({"JupyterHub": {"db_url": "postgresql://hub:mumble-mumble@db/hub"}}, {}, "mumble-mumble"),
        ({"KubeSpawner": {"environment": {"OPENAI_API_KEY": "mumble-mumble"}}}, {}, "mumble-mumble"),
        ({}, {"JUPYTERHUB_CRYPT_KEY": "first-key; second-key"}, "second-key"),
        ({}, {"API_TOKEN": "mum;ble;x"}, "mum;ble;x"),
        ({}, {"GITHUB_CLIENT_SECRET": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"DB_PASSWD": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"JUPYTERHUB_CRYPT_KEY": "/9j+mumble/mumble="}, "/9j+mumble/mumble="),
    ],
)
def test_a_secret_of_the_configuration_is_in_no_sentence(settings, environ, secret):
    redacted = redactor(Config(settings), environ)
    assert redacted(f"expected a text, not '{secret}'") == "expected a text, not '…'"


def test_of_two_secrets_that_begin_alike_nothing_is_left():
    redacted = redactor({}, {"API_TOKEN": "mumble", "OTHER_TOKEN": "mumble-rest", "THIRD_TOKEN": "mumble-r"})
    assert redacted("got mumble-rest, mumble-r and mumble") == "got …, … and …"


def test_what_is_shorter_than_six_characters_is_in_sentences_by_chance():
    assert redactor({}, {"API_TOKEN": "token", "OTHER_TOKEN": "tokens"})("no token, no tokens") == "no token, no …"


def test_values_that_are_no_text_hide_nothing():
    config = {"Odd": 7, "CryptKeeper": {"keys": [7, None, b"\xff\xfe-not-text", "mumble-mumble"], "n_threads": 1}}
    assert redactor(config, {})("7, None and mumble-mumble") == "7, None and …"


def test_an_address_that_is_none_has_no_password():
    assert redactor(Config({"JupyterHub": {"db_url": "http://a@[b"}}), {})("http://a@[b") == "http://a@[b"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("client_secret", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("MYSQL_PWD", True),
        ("DB_PASS", True),
        ("GITHUB_PAT", True),
        ("REDISCLI_AUTH", True),
        ("api_token", True),
        ("signing_key", True),
        ("keys", True),
        ("PWD", False),
        ("OLDPWD", False),
        ("JHKUBE_PULL_SECRET", False),
        ("KEYBOARD", False),
        ("COMPASS", False),
        ("oauth", False),
        ("cookie_secret_file", False),
    ],
)
def test_a_secret_is_known_by_how_its_name_ends(name, is_secret):
    assert is_secret_name(name) is is_secret


@pytest.mark.parametrize(
    ("value", "elsewhere"),
    [
        ("/srv/ssh/key", True),
        ("https://vault.example/v1", True),
        ("/9j+mumble/mumble=", False),
        ("mumble/srv/key", False),
        ("/srv/key mumble", False),
        ("/mumble", False),
    ],
)
def test_a_path_or_an_address_tells_where_a_secret_is(value, elsewhere):
    assert is_elsewhere(value) is elsewhere


@pytest.mark.parametrize(
    ("manifest", "shown", "hidden"),
    [
        ({"name": "MYSQL_PWD", "value": "mumble"}, {"name": "MYSQL_PWD", "value": "…"}, ["MYSQL_PWD"]),
        ({"name": "HOME", "value": "/home/ada"}, {"name": "HOME", "value": "/home/ada"}, []),
        ({"name": "API_TOKEN", "value": ""}, {"name": "API_TOKEN", "value": ""}, []),
        ({"name": "API_TOKEN", "value": "known"}, {"name": "API_TOKEN", "value": "known"}, []),
        ({"SSH_PRIVATE_KEY": "/srv/ssh/key"}, {"SSH_PRIVATE_KEY": "/srv/ssh/key"}, []),
        ({"password": "mumble"}, {"password": "…"}, ["password"]),
        ({"private-key": "mumble"}, {"private-key": "…"}, ["private-key"]),
        (["--CryptKeeper.keys", "mumble"], ["--CryptKeeper.keys", "…"], ["CryptKeeper.keys"]),
        (["run", "--password", "mumble", "8888"], ["run", "--password", "…", "8888"], ["password"]),
        (["--Provider.client-secret", "mumble"], ["--Provider.client-secret", "…"], ["Provider.client-secret"]),
        ({"url": "https://ada:mumble@db/x"}, {"url": "https://…@db/x"}, ["url"]),
        ({"token": 7, "items": [{"name": 1, "value": "x"}]}, {"token": 7, "items": [{"name": 1, "value": "x"}]}, []),
        # What stands after an option is its value only where it is no option.
        (["--no-password", "--host", "db"], ["--no-password", "--host", "db"], []),
        ({"args": ["mysql", "-pmumble", "-u", "ada"]}, {"args": ["mysql", "-p…", "-u", "ada"]}, ["args"]),
        ({"args": ["mysql", "-p", "labs"]}, {"args": ["mysql", "-p", "labs"]}, []),
        ({"args": ["/bin/sshpass", "-p", "mumble", "ssh"]}, {"args": ["/bin/sshpass", "-p", "…", "ssh"]}, ["args"]),
        ({"args": ["curl", "-s", "-u", "ada:mumble"]}, {"args": ["curl", "-s", "-u", "ada:…"]}, ["args"]),
        ({"args": ["run", "-p8888", "-u", "1000:100"]}, {"args": ["run", "-p8888", "-u", "1000:100"]}, []),
        (["sh", "-c", "mysql -pmumble labs"], ["sh", "-c", "mysql -p… labs"], ["c"]),
        ({"args": ["ada:mumble@db.example.org"]}, {"args": ["…@db.example.org"]}, ["args"]),
        ({"name": "DB", "value": "ada:mumble@db"}, {"name": "DB", "value": "…@db"}, ["DB"]),
        ({"owner": "oidc:ada@example.org"}, {"owner": "oidc:ada@example.org"}, []),
        ({"args": ["lab:2026@sha256:0a1b"]}, {"args": ["lab:2026@sha256:0a1b"]}, []),
    ],
)
def test_a_manifest_is_shown_without_secrets_and_says_what_was_hidden(manifest, shown, hidden):
    assert without_secrets_in(manifest, frozenset({"known"})) == (shown, hidden)


def test_what_is_no_secret_stays_readable():
    config = Config(
        {"ImageMenu": {"credentials_secret": "pull"}, "JupyterHub": {"cookie_secret_file": "/srv/cookie"}}
    )
    environ = {"JHKUBE_PULL_SECRET": "registry-account", "SSH_PRIVATE_KEY": "/srv/ssh/key"}
    text = "the Secret labs/pull, or labs/registry-account, and /srv/cookie, and /srv/ssh/key"
    assert redactor(config, environ)(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "403 GET /hub/oauth_callback?code=5f%3A1c&state=e30 (10.0.0.1): no",
            "403 GET /hub/oauth_callback?code=[secret]&state=[secret] (10.0.0.1): no",
        ),
        (
            "HTTPServerRequest(uri='/hub/oauth_callback?CODE=5f1c', version='HTTP/1.1')",
            "HTTPServerRequest(uri='/hub/oauth_callback?CODE=[secret]', version='HTTP/1.1')",
        ),
        ('"Referer": "https://h/x?a=1&access_token=5f1c"', '"Referer": "https://h/x?a=1&access_token=[secret]"'),
        (
            "/hub/login?next=%2Fx%3Fcode%3D5f1c%26page%3D2&a=1",
            "/hub/login?next=%2Fx%3Fcode%3D[secret]%26page%3D2&a=1",
        ),
        ("GET /hub/spawn?page=2", "GET /hub/spawn?page=2"),
        ("exit code=5", "exit code=5"),
        ("?code=[secret]&state=", "?code=[secret]&state="),
    ],
)
def test_values_that_let_somebody_in_are_taken_out_of_addresses(text, shown):
    assert without_url_secrets(text) == shown
