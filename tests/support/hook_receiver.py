"""A receiver of webhooks that does what a test tells it, and checks every signature."""

import json
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook


class Call:
    """One POST: ``at`` is ``time.monotonic()``."""

    def __init__(self, path, headers, body):
        self.at, self.path, self.headers, self.body = time.monotonic(), path, headers, body
        self.number = headers.get("webhook-id")
        self.event = json.loads(body)

    @property
    def type(self):
        return self.event["type"]

    @property
    def data(self):
        return self.event["data"]

    def verify(self, secret):
        """By the public library.  :raises WebhookVerificationError:"""
        return Webhook(secret).verify(self.body, dict(self.headers))


class Receiver:
    """``url(path)``; ``calls(path)``; ``answers[path]``: a function of the handler, for each call
    of the path in turn, the last one for all others."""

    def __init__(self, tls=None):
        self.answers, self._calls = {}, defaultdict(list)
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._lock:
                    calls = receiver._calls[self.path]
                    calls.append(Call(self.path, self.headers, body))
                    script = receiver.answers.get(self.path, [ok])
                    answer = script[min(len(calls), len(script)) - 1]
                answer(self)

            def do_GET(self):
                receiver._calls["GET"].append(self.path)
                ok(self)

            def log_message(self, *_):
                """Quietly."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                """A client that went away is no error of ours."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.scheme, self.port = "https" if tls else "http", self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, path, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def calls(self, path, kind=None):
        with self._lock:
            return [call for call in self._calls[path] if kind in (None, call.type)]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def answer(status, body=b"", **headers):
    """An answer of this status; headers by name, with _ for -."""
    def respond(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def slow(seconds, then=None):
    def respond(handler):
        time.sleep(seconds)
        (then or ok)(handler)

    return respond


def reset(handler):
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.close()


def endless(handler):
    """A body that never ends, a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.5)


def nonsense(handler):
    handler.wfile.write(b"I am no server of HTTP\r\n\r\n")
    handler.close_connection = True


ok = answer(200, b"ok")
