# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a test wants to go wrong at the next calls of the stand-in."""

import contextlib
import itertools
import json
import os
import socket
import struct
import threading
from collections.abc import Iterable

#: For ``answer``: spaces without an end, after a beginning that looks well.
ENDLESS = "endless"
_CHUNK = b" " * 65536
TOO_MANY = b"429 - too many auth attempts\n"


class Faults:
    """Each is done once, in the order of the orders; a function's name keeps it for that one."""

    def __init__(self):
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._orders: list[tuple[str, str | None, object]] = []

    def slow(self, seconds: float, function: str | None = None) -> None:
        """The call waits, then is done."""
        self._add("slow", function, seconds)

    def cut_before(self, function: str | None = None) -> None:
        """The connection is reset and nothing done."""
        self._add("cut_before", function, None)

    def cut_after(self, function: str | None = None) -> None:
        """The call is done, and the connection reset instead of an answer."""
        self._add("cut_after", function, None)

    def too_many(self, times: int = 1) -> None:
        for _number in range(times):
            self._add("too_many", None, None)

    def answer(self, function: str | None, value) -> None:
        """Nothing is done, and that is the answer: bytes that begin with "HTTP/" go out as they
        are, other bytes as an HTML page, ``ENDLESS`` or an iterable of bytes until somebody
        hangs up, and all else as the result of the call."""
        self._add("answer", function, value)

    def _add(self, kind, function, value):
        with self._lock:
            self._orders.append((kind, function, value))

    def forget(self) -> None:
        """What has not been done yet is not to be."""
        with self._lock:
            self._orders.clear()

    def take(self, kind: str, function: str) -> tuple[bool, object]:
        """Whether it was ordered for this call, and with what."""
        with self._lock:
            for number, (ordered, wanted, value) in enumerate(self._orders):
                if ordered == kind and wanted in (None, function):
                    del self._orders[number]
                    return True, value
        return False, None


    def before(self, handler, function: str) -> bool:
        """Whether the call is over already."""
        slow, seconds = self.take("slow", function)
        if slow and self.stopping.wait(seconds):
            return True
        if self.take("too_many", function)[0]:
            handler.reply(429, {}, TOO_MANY)
            return True
        if self.take("cut_before", function)[0]:
            reset(handler)
            return True
        lies, value = self.take("answer", function)
        if lies:
            lie(handler, value, self.stopping)
        return lies


def reset(handler) -> None:
    """End the connection with an RST."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def lie(handler, value, stopping: threading.Event) -> None:
    if isinstance(value, bytes) and value.startswith(b"HTTP/"):
        handler.close_connection = True
        handler.wfile.write(value)
    elif isinstance(value, bytes):
        handler.reply(200, {"Content-Type": "text/html; charset=utf-8"}, value)
    elif value is ENDLESS:
        start = [b'{"result":']
        _stream(handler, itertools.chain(start, itertools.repeat(_CHUNK)), stopping)
    elif isinstance(value, Iterable) and not isinstance(value, (str, list, dict, tuple)):
        _stream(handler, value, stopping)
    else:
        body = json.dumps({"result": value}).encode()
        handler.reply(200, {"Content-Type": "application/json; charset=utf-8"}, body)


def _stream(handler, parts, stopping):
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json; charset=utf-8")
    handler.send_header("Connection", "close")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for part in parts:
            if stopping.is_set():
                return
            handler.wfile.write(part)
