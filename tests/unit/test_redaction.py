"""Secrets are taken out of texts: those of a configuration, and those of addresses."""

import pytest
from traitlets.config import Config

from jhkube.redaction import redactor, without_url_secrets


@pytest.mark.parametrize(
    ("settings", "environ", "secret"),
    [
        ({"GitHubOrgAuthenticator": {"client_secret": "mumble-mumble"}}, {}, "mumble-mumble"),
        ({"GitHubOrgAuthenticator": {"client_secret": b"mumble-mumble"}}, {}, "mumble-mumble"),
        ({"CryptKeeper": {"keys": ["first-key", "second-key"]}}, {}, "second-key"),
        ({"JupyterHub": {"db_url": "postgresql://hub:mumble-mumble@db/hub"}}, {}, "mumble-mumble"),
        ({"KubeSpawner": {"environment": {"OPENAI_API_KEY": "mumble-mumble"}}}, {}, "mumble-mumble"),
        ({}, {"JUPYTERHUB_CRYPT_KEY": "first-key;second-key"}, "second-key"),
        ({}, {"GITHUB_CLIENT_SECRET": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"DB_PASSWD": "mumble-mumble"}, "mumble-mumble"),
        ({}, {"JUPYTERHUB_CRYPT_KEY": "/9j+mumble/mumble="}, "/9j+mumble/mumble="),
    ],
)
def test_a_secret_of_the_configuration_is_in_no_sentence(settings, environ, secret):
    redacted = redactor(Config(settings), environ)
    assert redacted(f"expected a text, not '{secret}'") == "expected a text, not '…'"


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
