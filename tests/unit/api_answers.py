"""An HTTP server in the place of an API server, or of a proxy before one, with answers of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
"""What a load balancer says whose API server is away."""


class Answers(ThreadingHTTPServer):
    """What listens, and what it was asked: `GET /api/v1/nodes`."""

    asked: list[str]
    ended: threading.Event

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
            if "watch=" in self.path:
                # Nothing happens until the end.
                server.ended.wait()
                return
            status, body = answer(self.command, path)
            is_text = isinstance(body, str)
            sent = (body if is_text else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = Answers(("127.0.0.1", 0), Handler)
    server.asked, server.ended = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


def status_of(code: int, message: str) -> tuple[int, dict[str, Any]]:
    """Return a refusal as the API server words it."""
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def kubeconfig_for(url: str) -> str:
    """Return a kubeconfig by which commands find the server."""
    return json.dumps(
        {
            "current-context": "none",
            "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
            "clusters": [{"name": "none", "cluster": {"server": url}}],
            "users": [{"name": "none", "user": {}}],
        }
    )
