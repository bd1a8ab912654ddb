"""Nothing secret in what the cluster says."""

import time

import pytest

from jhkube.redaction import without_secrets
from jhkube.watch.failure import redacted

SECRET = "s3cr3tV4lue0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f'Get "https://alice:{SECRET}@registry.example.org/v2/lab": EOF',
        f"https://blobs.example.org/sha256/ab?X-Amz-Signature={SECRET}&X-Amz-Date=1 gave 403",
        f"sent Authorization: Bearer {SECRET}",
        f"Authorization: Basic {SECRET}==",
        f"mount -t cifs -o username=alice,password={SECRET} //server/share",
        f'JUPYTERHUB_API_TOKEN="{SECRET}"',
        f"api_key: {SECRET}, next",
        f'spec.env[0]: Invalid value: "{SECRET}": must be short',
        f'Invalid value: "a \\" quote {SECRET}": no',
        f"clone with ghp_{SECRET} failed",
        f"clone with github_pat_{SECRET} failed",
        f"token eyJhbGciOiJSUzI1NiJ9.{SECRET}.abc",
        f"postgresql://hub:p@{SECRET}@db.example.org/labs",
        f"proxyconnect hub:{SECRET}@proxy.example.org:3128",
        f"Server=db;Uid=hub;Pwd={SECRET};Database=labs",
        f"AccountName=labs;AccountKey={SECRET};",
        f"run --db-password {SECRET} --port 80",
        f"run --IdentityProvider.token '{SECRET}'",
        f"CLIENT_SECRET={SECRET}",
        f"use sk-{SECRET}",
        f"pull with glpat-{SECRET} failed",
        f"post as xoxb-{SECRET}",
        f"download with hf_{SECRET}",
        f"MYSQL_PWD={SECRET}",
        f"the passphrase: {SECRET}",
        f"aws_secret_access_key = {SECRET}",
        f"DB_PASS={SECRET}",
        f"mount -t cifs -o username=ada,pass={SECRET} //server/share",
        f"export SECRET={SECRET}",
        f'the settings {{"db": {{"password": "{SECRET}"}}}}',
        f'{{\\"api_token\\": \\"{SECRET}\\"}}',
        f"mysqldump --single-transaction -p{SECRET} labs",
        f"/usr/bin/sshpass -p {SECRET} ssh db",
        f"redis-cli -h db -a {SECRET}",
        f"curl -su ada -u ada:{SECRET} db",
        f"postgresql://ada:half/{SECRET}@db.example.org/labs",
        f"connect as ada:{SECRET}@db.example.org/labs",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET} and no more was sent",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_taken_out(text):
    assert SECRET not in redacted(text)
    assert "…" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        'Failed to pull image "registry.example.org/lab:2026": rpc error: code = NotFound desc = not found',
        'MountVolume.SetUp failed for volume "home" : secret "alice-jhkube" not found',
        "0/3 nodes are available: 3 Insufficient memory.",
        'Back-off pulling image "lab:2026@sha256:0a1b2c"',
        "failed to read tcp 10.1.2.3:40312->10.1.2.4:443: connection reset by peer",
        "run --token-file /run/token --keyboard us",
        "run -p8888, find . -print, and mysql -p labs",
        "docker://registry.example.org:5000/lab:2026@sha256:0a1b2c",
        "All tests pass, and the secret: x is there; compass=north",
        "oidc:ada@example.org asked",
        "exceeded quota: q, requested: limits.memory=2Gi, used: limits.memory=3Gi, limited: limits.memory=4Gi",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_a_long_text_is_not_read_again_and_again():
    # By a pattern that begins anew at each hyphen this took hours.
    assert without_secrets("a-" * 200_000).startswith("a-a-")
    # Of one endless word nothing is shown: a part of it could be a part of a secret.
    assert redacted("a-" * 200_000) == "…"
    for part in ("mysql ", "://a:", "a:b@", "=a:", '"pass', "curl -u a"):
        began = time.process_time()
        redacted(part * 100_000)
        assert time.process_time() - began < 1, part
    assert redacted("a-" * 1000 + f"password={SECRET}", 5000).endswith("password=…")


def test_it_is_one_line_of_bounded_length():
    assert redacted("a\n\tb  c") == "a b c"
    assert len(redacted("x" * 5000)) == 600
    assert redacted("x" * 9, 8) == "xxxxxxx…"
    assert redacted("x" * 8, 8) == "xxxxxxxx"
