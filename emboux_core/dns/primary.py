# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Talk to the primary server of a zone over TCP: questions and dynamic updates, signed.

RFC 2136 (update), RFC 7766 (TCP), RFC 8945 (TSIG). Every call ends within the deadline of its
session, and nothing is sent to an address that is not public unless that is allowed.
"""

import base64
import binascii
import contextlib
import socket
import time
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from ..net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable
from ..net.public import is_public
from .client import plain

_ALGORITHMS = {"hmac-sha256": dns.tsig.HMAC_SHA256, "hmac-sha512": dns.tsig.HMAC_SHA512}
_CHANGED = {  # RFC 2136 2.2: a prerequisite is not met
    dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET,
}  # fmt: skip


class ZoneChanged(Refused):
    """The zone is not as it was when the plan was made; nothing was changed."""


@dataclass(frozen=True)
class Primary:
    """The server that takes updates of a zone, and the key that it knows.

    ``host``: name or address. ``key_name``, ``key_secret`` (base64) and ``key_algorithm``
    (``hmac-sha256`` or ``hmac-sha512``): of TSIG; without a name nothing is signed. ``timeout_s``:
    seconds for one exchange; ``deadline_s``: for a whole call; looking up the name is the system
    resolver's work and has its deadlines, beside these. ``allow_private``: also talk to
    addresses that are not public; a stranger's setting must not make us probe our own network.
    """

    host: str
    port: int = 53
    key_name: str = ""
    key_secret: str = field(default="", repr=False)
    key_algorithm: str = "hmac-sha256"
    timeout_s: float = 5.0
    deadline_s: float = 20.0
    allow_private: bool = False

    def __str__(self) -> str:
        return self.host if self.port == 53 else f"{self.host} port {self.port}"


class _Lost(Exception):
    """The message was sent and no usable answer came; ``ended``: the server closed."""

    def __init__(self, reason: str, ended: bool = False):
        super().__init__(reason)
        self.ended = ended


class Session:
    """One call's conversation with a primary server, within the deadline; a context manager.

    Questions share a connection. The answer to a signed question must be signed, else it counts as
    none.

    :raises Refused: the settings cannot be used; names what to correct, never the secret.
    """

    def __init__(self, primary: Primary):
        self.primary = primary
        self._key = _tsig_key(primary)
        if not primary.host or not 0 < primary.port < 65536:
            raise Refused("There is no name server to talk to: give its name and a port.")
        self._deadline = time.monotonic() + primary.deadline_s
        self._sock: socket.socket | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_error) -> None:
        self._close()

    def ask(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        """Return the answer to one question, NOERROR or NXDOMAIN; not yet that it is authoritative.

        :raises NotAuthorised: the key is not accepted.
        :raises Refused: the server does not answer this question.
        :raises Unreachable: no usable answer came.
        """
        query = dns.message.make_query(name, rdtype, flags=0)
        used = self._sock is not None
        try:
            try:
                answer = self._exchange(query)
            except _Lost as lost:
                if not (used and lost.ended):
                    raise
                # a server may end a connection at any time (RFC 7766 6.2.3)
                answer = self._exchange(dns.message.make_query(name, rdtype, flags=0))
        except _Lost as lost:
            raise Unreachable(f"{self.primary} was asked for {plain(name)}: {lost}") from None
        rcode = answer.rcode()
        if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return answer
        said = f"{self.primary} was asked for {plain(name)} and says {dns.rcode.to_text(rcode)}"
        if rcode == dns.rcode.NOTAUTH:
            raise NotAuthorised(f"{said}: check the name and the secret of the TSIG key.")
        if rcode == dns.rcode.SERVFAIL:
            raise Unreachable(f"{said}: it has a fault of its own, try again later.")
        raise Refused(f"{said}: enter the server that holds the zone, or allow the questions.")

    def update(self, message: dns.update.UpdateMessage) -> None:
        """Send one update (RFC 2136 2.5), which is done as a whole or not at all.

        :raises ZoneChanged: a prerequisite is not met.
        :raises NotAuthorised: the key is not accepted.
        :raises Refused: the server does not take it.
        :raises Unreachable: it was not taken now; nothing was changed.
        :raises UnknownOutcome: it was sent and no usable answer came.
        """
        self._close()  # a connection that ends just now would leave the outcome open
        try:
            rcode = self._exchange(message).rcode()
        except _Lost as lost:
            raise UnknownOutcome(f"{self.primary} was sent the change: {lost}") from None
        except dns.exception.TooBig:
            raise Refused("The change is too long for one message: publish fewer records.") from (
                None
            )
        if rcode == dns.rcode.NOERROR:
            return
        zone = plain(message.origin)
        if rcode in _CHANGED:
            raise ZoneChanged(f"The zone {zone} has changed meanwhile: look at it again.")
        text = dns.rcode.to_text(rcode)
        if rcode == dns.rcode.NOTAUTH and self._key:
            # Knot 3.4 leaves out the TSIG record that names the error (RFC 8945 5.2); 3.2 sends it
            raise NotAuthorised(
                f"{self.primary} does not change {zone} ({text}): check the name and the secret of "
                f"the TSIG key {self.primary.key_name}, that it may update the zone, and that this "
                "is the zone's primary."
            )
        if rcode == dns.rcode.SERVFAIL:
            raise Unreachable(
                f"{self.primary} could not change {zone} ({text}): it has a fault of its own, try "
                "again later."
            )
        remedy = {
            dns.rcode.REFUSED: "allow the key to update the zone there.",
            dns.rcode.NOTAUTH: "it is not the zone's primary, or wants another key for updates.",
            dns.rcode.NOTZONE: "a record lies outside of the zone.",
            dns.rcode.NOTIMP: "it takes no dynamic updates.",
        }.get(rcode, "it does not take this change.")
        raise Refused(f"{self.primary} does not change {zone} ({text}): {remedy}")

    def _exchange(self, message: dns.message.Message) -> dns.message.Message:
        """Return the answer to this message, whatever its code.

        :raises NotAuthorised: the server does not accept the signature.
        :raises Refused, Unreachable: no connection came about.
        :raises _Lost: no usable answer.
        """
        if self._key:
            message.use_tsig(self._key)
        wire = message.to_wire(max_size=65535)
        # only a connection that answered properly is reused
        sock, self._sock = self._sock or self._connect(), None
        timeout = self.primary.timeout_s
        end = min(time.monotonic() + timeout, self._deadline)
        try:
            sock.settimeout(_left(end))
            sock.sendall(len(wire).to_bytes(2, "big") + wire)
            reply = _read(sock, int.from_bytes(_read(sock, 2, end), "big"), end)
            answer = self._parse(message, reply)
            sock, self._sock = None, sock
            return answer
        except TimeoutError:
            raise _Lost(f"no answer came within {timeout:g} s.") from None
        except (OSError, EOFError):
            raise _Lost("the connection ended before the answer came.", ended=True) from None
        finally:
            if sock:
                sock.close()

    def _parse(self, message: dns.message.Message, reply: bytes) -> dns.message.Message:
        key = self.primary.key_name
        try:
            answer = _read_signed(message, reply)
        except dns.tsig.PeerBadTime:
            raise NotAuthorised(
                f"{self.primary} says that the signature has the wrong time: set the clocks here "
                "and there."
            ) from None
        except dns.tsig.PeerBadKey:
            raise NotAuthorised(
                f"{self.primary} does not know the TSIG key {key} with "
                f"{self.primary.key_algorithm}, or not for this zone: enter its name and algorithm "
                "as they stand there."
            ) from None
        except dns.tsig.PeerError:
            raise NotAuthorised(
                f"{self.primary} does not accept the signature: enter the secret of the TSIG key "
                f"{key} as it stands there."
            ) from None
        except dns.tsig.BadTime:
            raise _Lost("the answer was signed at another time: set the clocks.") from None
        except (dns.exception.DNSException, ValueError) as error:
            kind = type(error).__name__
            raise _Lost(f"the answer cannot be read or has no valid signature ({kind}).") from None
        if not message.is_response(answer):
            raise _Lost("the answer belongs to another question.")
        if answer.flags & dns.flags.TC:
            raise _Lost("the answer is cut off.")
        believed = answer.had_tsig or not self._key
        if not believed and answer.rcode() in _CHANGED | {dns.rcode.NOERROR}:
            raise _Lost("the answer is not signed, so anybody may have made it.")
        return answer

    def _connect(self) -> socket.socket:
        """Connect to the first public address that takes the connection, and to what was checked.

        :raises Refused: no address may be connected to.
        :raises Unreachable: none took the connection.
        """
        primary = self.primary
        try:
            found = socket.getaddrinfo(primary.host, primary.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise Unreachable(f"The name server {primary.host} has no address.") from None
        allowed = [one for one in found if primary.allow_private or is_public(one[4][0])]
        if not allowed:
            raise Refused(
                f"{primary.host} has the address {found[0][4][0]}, which is not on the public "
                "internet."
            )
        end = min(time.monotonic() + primary.timeout_s, self._deadline)
        reason = f"no connection within {primary.timeout_s:g} s"
        for number, (family, kind, protocol, _name, target) in enumerate(allowed):
            share = (end - time.monotonic()) / (len(allowed) - number)
            if share <= 0:
                break
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(share)
                sock.connect(target)
                return sock
            except OSError as error:
                sock.close()
                if isinstance(error, ConnectionRefusedError):
                    reason = "nothing takes connections there"
                elif not isinstance(error, TimeoutError):
                    reason = "no connection came about"
        raise Unreachable(f"{primary} cannot be reached over TCP: {reason}.")

    def _close(self) -> None:
        if self._sock:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None


def find_apex(session: Session, name: dns.name.Name) -> dns.name.Name:
    """Return the apex of the zone that ``name`` lies in, as the server's SOA has it.

    :raises BackendError: as ``Session.ask``; Refused: the server does not hold such a zone.
    """
    answer = session.ask(name, "SOA")
    apex = apex_of(answer, name)
    if apex is None and alias_of(answer, name) and len(name) > 2:
        # the SOA of an alias is that of its target: the name above has its own
        apex = apex_of(session.ask(name.parent(), "SOA"), name.parent())
    if apex is None:
        raise Refused(
            f"{session.primary} does not hold the zone of {plain(name)}: enter the primary server "
            "of that zone."
        )
    return apex


def apex_of(answer: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Return whose SOA answers for ``name``, None if the answer is not authoritative.

    The SOA stands in the answer at an apex and in the authority section elsewhere (RFC 2308).
    """
    if not answer.flags & dns.flags.AA or alias_of(answer, name):
        return None
    for rrset in (*answer.answer, *answer.authority):
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
            return rrset.name
    return None


def alias_of(answer: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Return where a CNAME of ``name`` points to, None without one."""
    found = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
    return found[0].target if found else None


def _tsig_key(primary: Primary) -> dns.tsig.Key | None:
    """Return the key to sign with, None for none; see ``Session`` for errors."""
    if not primary.key_name:
        if primary.key_secret:
            raise Refused("The TSIG key has a secret and no name: enter its name.")
        return None
    if primary.key_algorithm not in _ALGORITHMS:
        known = " or ".join(_ALGORITHMS)
        raise Refused(f"The algorithm {primary.key_algorithm} is not possible: use {known}.")
    try:
        secret = base64.b64decode(primary.key_secret, validate=True)
        name = dns.name.from_text(primary.key_name)
    except (binascii.Error, ValueError, dns.exception.DNSException):
        secret = b""
    if not secret:
        raise Refused("The TSIG key cannot be used: enter its name, and its secret in base64.")
    return dns.tsig.Key(name, secret, _ALGORITHMS[primary.key_algorithm])


def _read_signed(message: dns.message.Message, reply: bytes) -> dns.message.Message:
    """Return the answer, its signature verified; without one, ``had_tsig`` is false.

    Servers do not sign some of their errors (RFC 8945 5.3.2).
    """
    try:
        return dns.message.from_wire(reply, keyring=message.keyring, request_mac=message.mac)
    except dns.exception.FormError:
        # releases of dnspython differ in what they make of a signature that is missing
        return dns.message.from_wire(reply)


def _left(end: float) -> float:
    remaining = end - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _read(sock: socket.socket, size: int, end: float) -> bytes:
    """Return exactly ``size`` octets.

    :raises EOFError, OSError: they do not come, TimeoutError among the latter.
    """
    data = bytearray()
    while len(data) < size:
        sock.settimeout(_left(end))
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)

