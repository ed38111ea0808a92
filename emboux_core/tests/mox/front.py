# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An HTTP server on loopback that answers as a mox, and goes wrong as a test orders."""

import http.server
import json
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from . import sherpa
from .faults import Faults

JSON = {"Content-Type": "application/json; charset=utf-8"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, headers, body, cookies=()):
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        for name, value in cookies:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, status, value, cookies=()):
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        self.reply(status, JSON, body, cookies)

    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.front.serve(self, urlsplit(self.path).path, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about; all else is kept for them."""
        self.front.note_error()


class Front:
    """Takes calls, notes those of the admin API, and lets ``serve`` answer.

    ``errors`` holds what broke in it, which a test may look at in the end.
    """

    def __init__(self):
        self.calls: list[tuple[str, list]] = []
        self.errors: list[BaseException] = []
        self.faults = Faults()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.front = self
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/admin/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def serve(self, handler, path: str, body: bytes) -> None:
        """Answer a call, by the handler's ``reply``."""
        raise NotImplementedError

    def note_call(self, function: str, body: bytes) -> None:
        self.calls.append((function, sherpa.recorded(body)))

    def start(self):
        self._thread.start()
        return self

    def stop(self) -> None:
        self.faults.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_error) -> None:
        self.stop()

    def note_error(self) -> None:
        error = sys.exc_info()[1]
        if error and not isinstance(error, OSError):
            self.errors.append(error)

    # faults, for the next calls

    def slow(self, seconds: float, function: str | None = None) -> None:
        self.faults.slow(seconds, function)

    def cut_before(self, function: str | None = None) -> None:
        self.faults.cut_before(function)

    def cut_after(self, function: str | None = None) -> None:
        self.faults.cut_after(function)

    def too_many(self, times: int = 1) -> None:
        self.faults.too_many(times)

    def answer(self, function: str | None, value: Any) -> None:
        self.faults.answer(function, value)
