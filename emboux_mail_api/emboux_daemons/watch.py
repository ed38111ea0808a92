# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Lets others see how a daemon does: Prometheus and load balancers by HTTP, people in Odoo.

Two threads beside the daemon's own, so that one that hangs is still asked, and found out.
"""

import json
import logging
import socket
import socketserver
import threading
import time
from contextlib import closing

import psycopg2

from .exposition import CONTENT_TYPE, render
from .rounds import BackOff, Ending, one_line

_logger = logging.getLogger(__name__)

BEAT_SECONDS = 15.0  # from one sign of life in Odoo to the next
AGAIN_SECONDS = 5.0  # between tries, while the database is away
SECONDS = 5.0  # that a client has for its request
LARGEST = 8192  # bytes of a request
AT_ONCE = 16  # connections
PLAIN = "text/plain; charset=utf-8"


class Watch:
    """``vitals``: a ``Vitals``; ``database``: psycopg2's keywords; ``address``: ``host:port`` of
    the pages, None for none."""

    def __init__(self, vitals, database, address=None):
        self.vitals, self.address = vitals, address
        self._beat = Beat(vitals, database)

    def start(self):
        """:raises SystemExit: something else listens at the address."""
        if self.address:
            host, port = _split(self.address)
            try:
                server = _Server((host, port), self)
            except OSError as error:
                raise SystemExit(
                    f"The metrics cannot be served on {self.address} ({error.strerror}): give "
                    "another address, --metrics HOST:PORT, or --metrics none.") from error
            threading.Thread(target=server.serve, name="pages", daemon=True).start()
        self._beat.start()
        _logger.info("metrics and health on %s, shown in Odoo as %s",
                     self.address or "no port", self.vitals.host)
        return self

    def stop(self):
        """Tell Odoo that the daemon has been stopped.  The pages end with the process."""
        self._beat.end()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def is_well(self):
        knows = self.vitals.knows_of_database or self._beat.is_connected
        return knows and not self.vitals.problem

    def page(self, path):
        """(status line, kind, body) of what is asked for; ``/health`` says nothing but yes or no,
        because load balancers are often asked by anybody."""
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE, render(self.vitals.families(self.is_well))
        if path in ("/health", "/ready"):
            return ("200 OK", PLAIN, b"ok\n") if self.is_well else (
                "503 Service Unavailable", PLAIN, b"unavailable\n")
        if path == "/healthz":
            return "200 OK", PLAIN, b"alive\n"
        return "404 Not Found", PLAIN, b""


class Beat(threading.Thread):
    """Tells Odoo every few seconds how the daemon does.

    By a connection for each time: an open one would cost PostgreSQL a process for each daemon.
    """

    def __init__(self, vitals, database):
        super().__init__(name="beat", daemon=True)
        self._vitals = vitals
        self._database = database | {
            "application_name": f"emboux_{vitals.daemon}_beat", "connect_timeout": 5,
            "options": "-c statement_timeout=5000 -c lock_timeout=2000"}
        self._ending, self._pause = Ending(), 1.0
        self._back_off = BackOff(1.0, AGAIN_SECONDS)
        self._refused = None
        self.is_connected = False  # whether the database could be reached the last time

    def run(self):
        while not self._ending.is_set():
            self._ending.wait(self._tell())
        if self.is_connected:
            self._tell(ended=True)

    def end(self):
        self._ending.set()
        self.join(timeout=10)

    def _tell(self, ended=False):
        """Returns the seconds until the next time."""
        vitals = self._vitals
        try:
            with closing(psycopg2.connect(**self._database)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT emboux_mail.daemon_seen(%s, %s, %s, to_timestamp(%s), %s, %s, %s,"
                        " %s)",
                        [vitals.daemon, vitals.host, vitals.version, vitals.started,
                         vitals.trouble, vitals.is_standby, json.dumps(vitals.figures()), ended])
        except (psycopg2.OperationalError, OSError) as error:
            self.is_connected = False
            if self._back_off.problem is None:
                _logger.warning("Odoo cannot be told how this daemon does: %s", one_line(error))
            return self._back_off.failed(error)
        except psycopg2.Error as error:
            # not yet updated, or the role lacks the right: the daemon may do its work all the same
            if (refused := one_line(error)) != self._refused:
                _logger.warning("Odoo does not take how this daemon does; update Odoo, then press "
                                "Test on the backend: %s", refused)
            self._refused = refused
        else:
            self._refused = None
        self._back_off.worked()
        self.is_connected = True
        # often at first: how it does shows itself in the first rounds
        self._pause = min(2 * self._pause, BEAT_SECONDS)
        return self._pause


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = AT_ONCE

    def __init__(self, address, watch):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.watch = watch
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, _Request)

    def serve(self):
        # serve_forever() would wake up twice a second
        while True:
            self.handle_request()

    def process_request(self, request, client_address):
        if self._slots.acquire(blocking=False):
            return super().process_request(request, client_address)
        return self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            return super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request, client_address):
        _logger.exception("a page could not be shown")


class _Request(socketserver.BaseRequestHandler):
    """One request of a plain HTTP/1.1 client; the connection is closed after it."""

    def handle(self):
        try:
            words = self._head().split(b" ", 2)
            if len(words) < 3:
                return  # a port scan, or somebody who left
            status, kind, body = self._answer(words[0], words[1])
            head = (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\n\r\n")
            self.request.settimeout(SECONDS)
            self.request.sendall(head.encode() + (b"" if words[0] == b"HEAD" else body))
        except (TimeoutError, OSError) as error:
            _logger.debug("no HTTP request: %s", error)

    def _answer(self, method, path):
        if method not in (b"GET", b"HEAD"):
            return "405 Method Not Allowed", PLAIN, b""
        return self.server.watch.page(path.partition(b"?")[0].decode("ascii", "replace"))

    def _head(self):
        """All of it within ``SECONDS``, however it dribbles in."""
        data, end = b"", time.monotonic() + SECONDS
        while b"\r\n\r\n" not in data and len(data) < LARGEST:
            self.request.settimeout(max(end - time.monotonic(), 0.001))
            piece = self.request.recv(LARGEST)
            if not piece:
                return b""
            data += piece
        return data


def _split(address):
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise SystemExit(f"{address} is no address: give host:port, such as 127.0.0.1:9040.")
    return host.strip("[]"), int(port)
