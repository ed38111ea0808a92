# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Connections to public addresses only, and answers bounded in time and size.

What a server does wrong, such as an answer that comes a byte a minute or never ends, is cut off
here, below ``requests``: whatever is read from a connection is read through one place.
"""

import contextlib
import http.client
import io
import ipaddress
import math
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from .public import is_public


@dataclass(frozen=True)
class Timeouts:
    """Deadlines in seconds.

    ``connect``: for all addresses of a name together, and for the handshake of TLS. ``read``:
    for the server to say anything more. ``total``: for a call with its repeats. ``until``: for
    all calls together, as ``time.monotonic()``. Looking up the name is the system resolver's work
    and has its deadlines, beside these.
    """

    connect: float = 5.0
    read: float = 30.0
    total: float = 60.0
    until: float = math.inf

    def deadline(self) -> float:
        """Of a call that begins now."""
        return min(time.monotonic() + self.total, self.until)


@dataclass
class Attempt:
    """One request on its way: how far it may go, and how far it went.

    ``deadline``: of ``time.monotonic()``. ``limit``: bytes of the whole answer. ``plain``: without
    TLS, so that nothing but this machine may be reached.
    """

    deadline: float
    timeouts: Timeouts
    limit: int
    allow_private: bool = False
    plain: bool = False
    sent: bool = field(default=False, init=False)
    oversize: bool = field(default=False, init=False)
    refusal: str = field(default="", init=False)
    received: int = field(default=0, init=False)

    def left(self, at_most: float) -> float:
        """Seconds that a step may take.  :raises TimeoutError: there are none."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        return min(at_most, remaining)

    def why_not(self, host: str, address: str) -> str:
        """Why this address may not be connected to, as a sentence, or an empty string."""
        if self.plain and not ipaddress.ip_address(address).is_loopback:
            return f"Without TLS nothing but this machine itself is called: use https for {host}."
        if not self.allow_private and not is_public(address):
            return f"{host} has the address {address}, which is not on the public internet."
        return ""


_ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")


@contextlib.contextmanager
def attempting(attempt: Attempt) -> Iterator[None]:
    """Make ``attempt`` the one that connections of this thread obey."""
    token = _ATTEMPT.set(attempt)
    try:
        yield
    finally:
        _ATTEMPT.reset(token)


class _BoundedReader(io.RawIOBase):
    """The bytes of one answer, head and body, until the deadline or the limit."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, attempt: Attempt):
        super().__init__()
        self._raw, self._sock, self._attempt = raw, sock, attempt

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        attempt = self._attempt
        # set again for each read: the library's own deadline restarts with every byte
        self._sock.settimeout(attempt.left(attempt.timeouts.read))
        count = self._raw.readinto(buffer)
        attempt.received += count or 0
        if attempt.received > attempt.limit:
            attempt.oversize = True
            raise OSError("the answer is too long")
        return count

    def close(self) -> None:
        self._raw.close()
        return super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock, *args, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, _ATTEMPT.get()))


class _Guarded:
    """Mixed into both kinds of connection of urllib3."""

    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that may be connected to and takes the connection.

        The address is checked before the first packet and is the one that is used, so that DNS
        rebinding opens nothing and no internal network can be probed.
        """
        attempt, host = _ATTEMPT.get(), self._dns_host
        try:
            found = socket.getaddrinfo(host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NewConnectionError(self, "the name cannot be resolved") from error
        allowed = []
        for family, kind, protocol, _name, target in found:
            reason = attempt.why_not(host, target[0])
            attempt.refusal = attempt.refusal or reason
            if not reason:
                allowed.append((family, kind, protocol, target))
        if allowed:
            attempt.refusal = ""
        failure: OSError = OSError("no address may be connected to")
        end = time.monotonic() + attempt.left(attempt.timeouts.connect)
        for number, (family, kind, protocol, target) in enumerate(allowed):
            share = (end - time.monotonic()) / (len(allowed) - number)
            if share <= 0:
                break
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(share)
                sock.connect(target)
                # the handshake of TLS and the request have a deadline too
                sock.settimeout(attempt.left(attempt.timeouts.connect))
                return sock
            except OSError as error:
                failure = error
                if sock:
                    sock.close()
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from failure
        raise NewConnectionError(self, str(failure)) from failure

    def send(self, data) -> None:
        if self.sock is None:
            self.connect()
        _ATTEMPT.get().sent = True
        return super().send(data)


class _PlainConnection(_Guarded, HTTPConnection):
    pass


class _TlsConnection(_Guarded, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class GuardedAdapter(HTTPAdapter):
    """For ``requests.Session.mount``; use it within ``attempting``."""

    def init_poolmanager(self, *args, **kwargs) -> None:
        made = super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return made

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        """As ``HTTPAdapter.send``, with the attempt's deadlines and never through a proxy."""
        attempt = _ATTEMPT.get()
        timeouts = attempt.timeouts
        deadlines = attempt.left(timeouts.connect), attempt.left(timeouts.read)
        return super().send(request, stream, deadlines, verify, cert, None)

    def build_response(self, req, resp):
        """Put ``Location`` aside: a session would read and unpack the body of a redirection."""
        response = super().build_response(req, resp)
        response.redirected_to = response.headers.pop("Location", "")
        return response


def guarded_session(ca_file: str | None = None, **headers: str) -> requests.Session:
    """A session that sends these headers and few others; for ``exchange``.

    ``ca_file``: certificates of authorities to trust instead of the usual ones.
    """
    session = requests.Session()
    session.trust_env = False  # neither proxies nor .netrc nor a CA bundle
    session.verify = ca_file or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    # compressed answers could be small on the wire and huge in memory
    session.headers["Accept-Encoding"] = "identity"
    session.headers["User-Agent"] = "Emboux"
    session.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    session.mount("https://", GuardedAdapter())
    session.mount("http://", GuardedAdapter())
    return session


def exchange(
    session: requests.Session, prepared: requests.PreparedRequest, attempt: Attempt
) -> tuple[requests.Response, bytes]:
    """Send once and read the answer to its end; redirections are not followed.

    :raises requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException,
        OSError: there is no whole answer; ``attempt`` knows how far it went.
    """
    with attempting(attempt):
        response = session.send(prepared, stream=True, allow_redirects=False)
        try:
            return response, b"".join(response.raw.stream(64 * 1024, decode_content=False))
        finally:
            response.close()
