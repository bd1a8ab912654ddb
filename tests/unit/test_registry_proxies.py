"""Which addresses are asked through a proxy, by the environment's variables."""

from __future__ import annotations

import pytest
from yarl import URL

from jhkube.images.registry.http import goes_directly, proxy_for


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("*", "quay.io"),
        ("quay.io", "quay.io"),
        ("QUAY.io.", "quay.io"),
        ("example.org", "registry.example.org"),
        (".example.org", "registry.example.org"),
        (".example.org", "example.org"),
        ("*.example.org", "registry.example.org"),
        ("a, b\tregistry.example.org:5000", "registry.example.org:5000"),
        ("registry.example.org", "registry.example.org:5000"),
        ("example.org:443", "registry.example.org"),
        ("10.0.0.0/8", "10.96.3.4:5000"),
        ("10.96.3.4/8", "10.1.1.1"),
        ("10.96.3.4", "10.96.3.4:5000"),
        ("10.96.3.4:5000", "10.96.3.4:5000"),
        ("fd00::/8", "[fd12::3]:5000"),
        ("[fd12::3]:5000", "[fd12::3]:5000"),
        ("", "127.3.4.5"),
        ("", "localhost:5000"),
        ("", "[::1]"),
    ],
)
def test_what_no_proxy_names_is_asked_directly(no_proxy: str, host: str) -> None:
    assert goes_directly(URL(f"https://{host}"), no_proxy)


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("", "quay.io"),
        (",, ,", "quay.io"),
        ("uay.io", "quay.io"),
        ("*.example.org", "example.org"),
        ("*.example.org", "anexample.org"),
        ("registry.example.org:5000", "registry.example.org"),
        ("registry.example.org", "example.org"),
        ("10.0.0.0/8", "11.1.1.1"),
        ("10.0.0.0/8", "10.example.org"),
        ("10.0.0.0/99", "10.1.1.1"),
        ("10.96.3.4:5000", "10.96.3.4:5001"),
        ("3.4", "10.96.3.4"),
        ("fd00::/8", "10.1.1.1"),
    ],
)
def test_everything_else_is_not(no_proxy: str, host: str) -> None:
    assert not goes_directly(URL(f"https://{host}"), no_proxy)


def test_the_proxy_is_that_of_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://other.example:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    assert proxy_for(URL("https://quay.io/v2")) == "http://proxy.example:3128"
    assert proxy_for(URL("http://quay.io/v2")) == "http://other.example:3128"
    assert proxy_for(URL("https://10.1.2.3/v2")) is None
