# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An HTTP server on loopback with scripted replies, including faults.

    server = ScriptedServer().start()
    server.script(answer(201, {"name": "a.example"}), reset())
    ...
    server.seen  # the requests, in their order
    server.stop()
"""

import http.server
import json
import os
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Reply = Callable[[http.server.BaseHTTPRequestHandler], None]
_DRIP_S = 0.02  # between two bytes
_DRIPPED = 200  # bytes, then the connection ends
_PATIENCE_S = 20  # of a silent server, should the test hang


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int, value: Any = None, **headers: str) -> Reply:
    """``value`` is sent as JSON, bytes as they are; ``Retry_After="1"`` is a header."""
    body = b"" if value is None else value if type(value) is bytes else json.dumps(value).encode()

    def reply(handler):
        handler.send_response(status)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            handler.send_header(name.replace("_", "-"), text)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def raw(*parts: bytes) -> Reply:
    """These bytes, and the connection ends."""

    def reply(handler):
        for part in parts:
            handler.wfile.write(part)
        handler.close_connection = True

    return reply


def reset() -> Reply:
    """The connection is reset, with an RST, after the request was read."""

    def reply(handler):
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(handler.connection.detach())

    return reply


def silence() -> Reply:
    """Nothing until the server is stopped."""

    def reply(handler):
        handler.close_connection = True
        handler.server.scripted.stopping.wait(_PATIENCE_S)

    return reply


def drip(head: bytes, byte: bytes) -> Reply:
    """The head at once, then a byte every moment."""

    def reply(handler):
        handler.close_connection = True
        handler.wfile.write(head)
        for _number in range(_DRIPPED):
            if handler.server.scripted.stopping.wait(_DRIP_S):
                return
            handler.wfile.write(byte)
            handler.wfile.flush()

    return reply


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self):
        scripted = self.server.scripted
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scripted.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        try:
            reply = scripted.replies.popleft()
        except IndexError:
            scripted.unexpected.append(f"{self.command} {self.path}")
            reply = answer(418, {"detail": "no more was written down"})
        reply(self)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def process_request(self, request, client_address):
        self.scripted.connections += 1
        return super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        """Disconnecting clients are what these tests are about."""


class ScriptedServer:
    """``replies`` are given in turn; ``unexpected`` holds requests that came after the last."""

    def __init__(self, certificate: tuple[str, str] | None = None):
        self.seen: list[Seen] = []
        self.unexpected: list[str] = []
        self.replies: deque[Reply] = deque()
        self.connections = 0
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.scripted = self
        self.port = self._server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def start(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def script(self, *replies: Reply) -> None:
        self.replies.extend(replies)
