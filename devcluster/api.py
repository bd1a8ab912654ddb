"""Requests over HTTP with nothing but the standard library: the components' health, and the API server."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from devcluster.settings import DevClusterError, Settings

__all__ = ["Api", "answers", "fetch", "listens"]

DIRECT = urllib.request.ProxyHandler({})
"""No proxy of the environment: everything here is on this machine."""


class Api:
    """The cluster's API server, as its administrator sees it."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.api_url
        self._authority = settings.run / "pki" / "ca.crt"
        self._token = settings.run / "tokens" / "admin"

    def get(self, path: str) -> Any:
        """Return the JSON at a path, or None where there is nothing or nobody answers."""
        return self._request("GET", path, None)

    def create(self, path: str, manifest: dict[str, Any]) -> None:
        """Create an object in the collection at a path, unless it is there."""
        if self.get(f"{path}/{manifest['metadata']['name']}") is None:
            self._request("POST", path, manifest, strict=True)

    def delete(self, path: str) -> None:
        """Delete the object at a path, if it is there."""
        self._request("DELETE", path, None)

    def ready(self) -> bool:
        """Return whether the API server says that it is ready."""
        context = _context(self._authority)
        return context is not None and answers(f"{self._url}/readyz", context)

    def _request(self, method: str, path: str, body: Any, *, strict: bool = False) -> Any:
        context = _context(self._authority)
        if context is None or not self._token.exists():
            return None
        request = urllib.request.Request(
            f"{self._url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token.read_text()}",
                "Content-Type": "application/json",
            },
        )
        try:
            return json.loads(fetch(request, context))
        except (OSError, ValueError, http.client.HTTPException) as error:
            if strict:
                raise DevClusterError(f"{method} {path}: {error}") from None
            return None


def fetch(request: urllib.request.Request | str, context: ssl.SSLContext | None = None) -> bytes:
    """Return a response's body; raise OSError where there is none."""
    opener = urllib.request.build_opener(DIRECT, urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=5) as response:
        body: bytes = response.read()
        return body


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Return whether a URL is answered with a status of success."""
    if context is None:
        # A component on loopback with a certificate that it made for itself.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        fetch(url, context)
    except (OSError, http.client.HTTPException):
        return False
    return True


def listens(host: str, port: int) -> bool:
    """Return whether somebody accepts connections at an address of this machine."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _context(authority: Path) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=str(authority)) if authority.exists() else None
