"""Answers while the service is being loaded: that takes seconds, and a hub gives up after ten and ends itself."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["early_answers"]

STARTING = "My servers is starting. Try again in a few seconds."


API_ANSWERS = (
    # In the frame of Kubeflow's API, whose web app never asks again after a 503.
    ("/services/jhkube/kubeflow/", 504, {"success": False, "status": 504, "user": "", "log": STARTING}),
    ("/services/jhkube/renku/", 503, {"error": {"code": 3503, "message": STARTING, "detail": None}}),
    ("/services/jhkube/api/", 503, {"message": STARTING, "field": ""}),
)
"""What is in a path, the status, and the body, by API."""


class EarlyHandler(BaseHTTPRequestHandler):
    """Says that the service is starting: to whoever uses an API with an error, to a browser and the hub with 200."""

    timeout = 5

    def answer(self) -> None:
        """Answer any request."""
        path = self.path.partition("?")[0]
        for part, status, body in API_ANSWERS:
            if part in path:
                self._send(status, "application/json", json.dumps(body))
                return
        self._send(200, "text/html; charset=utf-8", f"<!DOCTYPE html><title>My servers</title><p>{STARTING}</p>")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _send(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        # A browser loads the page again, and an API's client may.
        self.send_header("Refresh" if status == 200 else "Retry-After", "2")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing: a hub asks many times."""


class _EarlyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], EarlyHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


@contextmanager
def early_answers(listening: socket.socket) -> Iterator[None]:
    """Within the block, answer in a thread; afterwards the socket still listens, for whoever takes it over."""
    server = _EarlyServer(listening)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
