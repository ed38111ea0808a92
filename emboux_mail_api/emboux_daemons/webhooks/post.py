# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One POST to an endpoint, never to a place that is not public.

The address is checked where it is connected to, so that neither a name that changes what it says
nor one written as a number leads inside.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urljoin, urlsplit

import aiohttp

DEADLINE = 15.0  # seconds, for all of it
CONNECT = 5.0
LARGEST_ANSWER = 64 * 1024  # bytes that are read, so that the connection can be used again
SHOWN = 500  # characters of an answer that are kept
REDIRECTIONS = 3
CONNECTIONS = 500
LONGEST_HOLD = 24 * 3600.0  # seconds that a Retry-After is obeyed for
KEEP = (307, 308)  # redirections that repeat the POST as it is (RFC 9110, 15.4.8 and 15.4.9)


@dataclass(frozen=True)
class Answer:
    """``status``: of HTTP, 0 where none came; ``text``: what was said, or went wrong.
    ``hold``: seconds, by Retry-After."""

    status: int
    text: str
    hold: float = 0.0


class Refused(OSError):
    """It is no place for a webhook."""


class Poster:
    """``sign(secret, number, body)``: headers of Standard Webhooks.  ``is_public(address)``: as its
    name says.  ``ca_file``: authorities to trust instead of the usual ones.
    """

    def __init__(self, sign, is_public, ca_file=None):
        self._sign, self._is_public = sign, is_public
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._networks = ()
        self._sessions = {}

    def allow(self, text):
        """Private networks that may be reached all the same, and without TLS; what is no network is
        left out."""
        self._networks = tuple(_networks(text))

    async def open(self):
        for scheme in ("https", "http"):
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, ssl=self._tls, ttl_dns_cache=60,
                socket_factory=partial(self._socket, scheme == "https"))
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
                auto_decompress=False, skip_auto_headers=["Accept"],
                headers={"User-Agent": "Emboux-Webhooks", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT))

    async def close(self):
        for session in self._sessions.values():
            await session.close()

    async def post(self, delivery):
        """Returns an ``Answer``; raises nothing."""
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._post(delivery)
        except TimeoutError:
            return Answer(0, f"It did not answer within {DEADLINE:.0f} seconds.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(0, _why(error))

    async def _post(self, delivery):
        url = delivery.url
        for _ in range(REDIRECTIONS + 1):
            session = self._sessions.get(urlsplit(url).scheme)
            if session is None:
                raise Refused("It is no address of a web server.")
            async with session.post(
                url, data=delivery.body, headers=self._headers(delivery), allow_redirects=False
            ) as response:
                text = await _read(response)
                if response.status not in KEEP:
                    return Answer(response.status, _said(response, text), _hold_of(response))
                following = urljoin(url, response.headers.get("Location", ""))
            if urlsplit(following)[:2] != urlsplit(url)[:2]:
                return Answer(
                    response.status, "It redirects to another host, which is not followed: enter "
                    f"the address that it leads to ({_plain(following)[:200]}).")
            url = following
        return Answer(response.status, "It redirects too often.")

    def _headers(self, delivery):
        own = dict(parse_headers(delivery.headers))
        signed = self._sign(delivery.secret, delivery.event_id, delivery.body)
        if delivery.old_secret:
            # both are good while the receiver changes over
            moment = float(signed["webhook-timestamp"])
            old = self._sign(delivery.old_secret, delivery.event_id, delivery.body, moment)
            signed["webhook-signature"] += " " + old["webhook-signature"]
        return {**own, **signed, "Content-Type": "application/json"}

    # -- where it may go ------------------------------------------------------------------------

    def _socket(self, secure, found):
        """Called for each address before it is connected to."""
        family, kind, protocol, _name, target = found
        address = ipaddress.ip_address(target[0].partition("%")[0])
        inside = any(address in network for network in self._networks
                     if network.version == address.version)
        if not inside and not self._is_public(str(address)):
            raise Refused(f"Its address {address} is not on the public internet.")
        if not (inside or secure):
            raise Refused("It has to begin with https.")
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def parse_headers(text):
    """``Name: value`` on each line, as pairs."""
    for line in (text or "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip():
            yield name.strip(), value.strip()


def _networks(text):
    for part in text.replace(",", " ").split():
        try:
            yield ipaddress.ip_network(part)
        except ValueError:
            continue


async def _read(response):
    """The beginning of the answer; what is longer ends the connection."""
    text = await response.content.read(LARGEST_ANSWER)
    if not response.content.at_eof():
        response.close()
    return text


def _said(response, text):
    if 200 <= response.status < 300:
        return ""
    return _plain(text.decode(errors="replace"))[:SHOWN] or response.reason or ""


def _plain(text):
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _hold_of(response):
    """Seconds by Retry-After (RFC 9110, 10.2.3): a number, or a date."""
    if response.status not in (429, 503):
        return 0.0
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_HOLD)


def _why(error):
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, Refused):
        return str(cause)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"Its certificate is not valid: {_plain(str(error.certificate_error))[:200]}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "Its name cannot be resolved."
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "It ended the connection without an answer."
    if isinstance(error, aiohttp.InvalidURL):
        return "It is no address of a web server."
    return _plain(str(cause) or type(error).__name__)[:SHOWN]
