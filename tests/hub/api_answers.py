"""An HTTP server in the place of an API server, for what the service asks of it: lists, one object, a log.

It heeds no selector and checks nothing: it shows what was asked and what was not. What a real API server answers is
tested in tests/cluster/test_service.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers(ThreadingHTTPServer):
    """What listens, and what it was asked: `GET /api/v1/namespaces/labs/pods`."""

    asked: list[str]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def api_server(answer: Callable[[str, str], tuple[int, Any]]) -> Iterator[Answers]:
    """Listen within the block; `answer` makes a status, and a text or something for JSON, of a method and a path."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            server.asked.append(f"{self.command} {path}")
            status, body = answer(self.command, path)
            is_text = isinstance(body, str)
            sent = (body if is_text else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_DELETE = do_PATCH = handle_any

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = Answers(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def status_of(code: int, message: str) -> tuple[int, dict[str, Any]]:
    """Return a refusal as the API server words it."""
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def kubeconfig_for(url: str) -> str:
    """Return a kubeconfig by which the service finds the server."""
    return json.dumps(
        {
            "current-context": "none",
            "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
            "clusters": [{"name": "none", "cluster": {"server": url}}],
            "users": [{"name": "none", "user": {}}],
        }
    )
