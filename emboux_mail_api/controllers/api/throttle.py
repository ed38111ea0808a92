# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How often a key may call, and how slowly; failed keys are counted by ``emboux.api.failure``."""

import io
import select
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

from werkzeug.serving import DechunkedInput

from ...api_errors import ApiError, too_many
from ...settings import REQUESTS_PER_SECOND

BULKS = 2  # large requests that this process works on at once
BODY_SECONDS = 10  # in which a body has to be here, and for each so many bytes one more
BODY_RATE = 50_000
SLOW_SECONDS = 0.5  # a body that takes longer waits in one of few places
_LOCK = threading.Lock()
_BUCKETS = {}
_BULKS = set()


def assert_rate(key, env):
    """A token bucket for each key that holds two seconds' worth.

    In the memory of the process: it protects this process from a client that loops, and a
    write to the database for each request would cost more than it saves.
    """
    rate = REQUESTS_PER_SECOND.read(env)
    now = time.monotonic()
    with _LOCK:
        if len(_BUCKETS) > 10_000:  # those that have long been full again hold no information
            for name in [n for n, (_filled, since) in _BUCKETS.items() if now - since > 10]:
                del _BUCKETS[name]
        filled, since = _BUCKETS.get((env.cr.dbname, key.id), (2 * rate, now))
        filled = min(2 * rate, filled + (now - since) * rate)
        _BUCKETS[env.cr.dbname, key.id] = (max(filled - 1, 0), now)
    if filled < 1:
        raise too_many("Too many requests with this key, wait a moment", (1 - filled) / rate)


@contextmanager
def single_bulk(key):
    """A large request keeps the CPUs busy: one per key, few per process.

    :raises ApiError: 429
    """
    with _LOCK:
        if key.id in _BULKS:
            raise too_many(
                "Your last bulk request is still being processed, wait for its response", 5
            )
        if len(_BULKS) >= BULKS:
            raise too_many("Other bulk requests are being processed, wait a moment", 5)
        _BULKS.add(key.id)
    try:
        yield
    finally:
        with _LOCK:
            _BULKS.discard(key.id)


@contextmanager
def bounded_body(httprequest, env):
    """A client that sends its body byte by byte occupies a thread: bounded in time and number.

    :raises ApiError: 408, it took too long
    :raises Busy: too many such requests wait already (see ``emboux.request.slots``)
    """
    # as Odoo's websockets get at their socket
    environ = httprequest._HTTPRequest__environ
    stream, sock = environ.get("wsgi.input"), environ.get("werkzeug.socket")
    chunks = stream if isinstance(stream, DechunkedInput) else None
    source = chunks._rfile if chunks else stream
    if sock is None or not isinstance(source, io.BufferedReader):  # not Odoo's own server
        yield
        return
    patience = sock.gettimeout()
    with ExitStack() as places:
        body = _Body(
            source, sock, lambda: places.enter_context(env["emboux.request.slots"]._slot())
        )
        if chunks:
            chunks._rfile = io.BufferedReader(body)
        else:
            environ["wsgi.input"] = body
        sock.setblocking(False)
        try:
            yield
        except Exception:
            if body.late:
                # otherwise the server would go on reading until the client is done
                with suppress(OSError):  # the client has gone
                    sock.shutdown(socket.SHUT_RD)
            raise
        finally:
            sock.settimeout(patience)


class _Body(io.RawIOBase):
    def __init__(self, source, sock, take_place):
        self._source, self._take_place = source, take_place
        self._began, self._received, self.late = time.monotonic(), 0, False
        self._poll = select.poll()  # (select() knows the first thousand files alone)
        self._poll.register(sock, select.POLLIN)

    def readable(self):
        return True

    def readinto(self, buffer):
        while (count := self._source.readinto1(buffer)) is None:  # nothing has arrived yet
            passed = time.monotonic() - self._began
            if passed >= SLOW_SECONDS and not self.late:
                self.late = True
                self._take_place()
            most = BODY_SECONDS + self._received / BODY_RATE
            if passed >= most:
                raise ApiError(408, "The body took too long to arrive, send it in one go")
            until = most if self.late else SLOW_SECONDS
            self._poll.poll(max(1, 1000 * (until - passed)))
        self._received += count
        return count
