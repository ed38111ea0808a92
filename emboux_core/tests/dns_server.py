# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A small authoritative DNS server on loopback, with faults on demand, and a base for plain tests.

    server = DnsServer({"shop.test": "@ IN MX 10 mail.shop.test."}).start()
    server.fault("shop.test", "servfail", "MX")
    ...
    server.stop()

It serves UDP and TCP on one port from a thread of its own, answers from zone-file text, and stands
in for a resolver too: it knows all its zones and follows CNAMEs between them.
"""

import asyncio
import contextlib
import threading

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

try:
    # Odoo's runner silently skips classes that are only unittest's: they carry no tags.
    from odoo.tests.common import BaseCase
except ImportError:  # pytest without Odoo
    from unittest import TestCase as BaseCase

CODES = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "nxdomain": dns.rcode.NXDOMAIN,
}
FAULTS = (*CODES, "timeout", "lame", "wrong_id", "garbage", "truncated", "no_edns")
_MAX_CNAMES = 9


class PlainTest(BaseCase):
    """A test without database, for Odoo's runner and for pytest alone."""


class DnsServer:
    """``zones``: origin to zone-file text; SOA and NS are added where missing.

    Every zone then has the name server ``ns.<origin>`` with the address of this server.
    ``delay_s``: seconds that every answer takes. ``queries`` holds (name, type, "udp" or "tcp",
    recursion desired) of what was asked.
    """

    def __init__(
        self, zones: dict[str, str] | None = None, address: str = "127.0.0.1", port=0, delay_s=0.0
    ):
        self.address = address
        self.delay_s = delay_s
        self.port = port
        self.queries: list[tuple[str, str, str, bool]] = []
        self._zones: dict[dns.name.Name, dns.zone.Zone] = {}
        self._faults: list[tuple[dns.name.Name, str, str | None]] = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        for origin, text in (zones or {}).items():
            self.add_zone(origin, text)

    def add_zone(self, origin: str, text: str) -> None:
        """Add a zone or replace it; the text may leave out $ORIGIN, SOA and NS."""
        name = dns.name.from_text(origin)
        head = "$TTL 60\n"
        if " SOA " not in text:
            head += f"@ IN SOA ns.{name} hostmaster.{name} 1 60 60 600 60\n"
        if " NS " not in text:
            kind = "AAAA" if ":" in self.address else "A"
            head += f"@ IN NS ns.{name}\nns.{name} IN {kind} {self.address}\n"
        self._zones[name] = dns.zone.from_text(
            head + text, name, relativize=False, check_origin=False
        )

    def fault(self, name: str, kind: str, rdtype: str | None = None) -> None:
        """Misbehave for ``name`` and all below it, for one type or for all."""
        if kind not in FAULTS:
            raise ValueError(f"There is no fault {kind}: choose one of {', '.join(FAULTS)}.")
        self._faults.append((dns.name.from_text(name), kind, rdtype))

    def start(self) -> "DnsServer":
        self._thread.start()
        if not self._ready.wait(5):
            raise RuntimeError(f"The DNS server did not start on {self.address}:{self.port}.")
        return self

    def stop(self) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        for _attempt in range(20):
            tcp = await asyncio.start_server(self._talk_tcp, self.address, self.port)
            port = tcp.sockets[0].getsockname()[1]
            try:
                udp, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=(self.address, port)
                )
            except OSError:  # the port that TCP got is taken in UDP: draw again
                tcp.close()
                continue
            self.port = port
            break
        self._ready.set()
        await self._stop.wait()
        udp.close()
        tcp.close()

    async def _talk_tcp(self, reader, writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply = self.reply(await reader.readexactly(size), "tcp")
                await asyncio.sleep(self.delay_s)
                if reply:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        writer.close()

    def reply(self, wire: bytes, transport: str) -> bytes | None:
        """Return the octets to send back, None for silence."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name, rdtype = question.name, dns.rdatatype.to_text(question.rdtype)
        desired = bool(query.flags & dns.flags.RD)
        self.queries.append((name.to_text(True).lower(), rdtype, transport, desired))
        kind = self._fault_for(name, rdtype)
        response = dns.message.make_response(query, our_payload=4096)
        if kind == "timeout":
            return None
        if kind == "garbage":
            return wire[:2] + b"\xff" * 20
        if kind in CODES:
            response.set_rcode(CODES[kind])
            return response.to_wire()
        if kind == "lame":
            return response.to_wire()
        if kind == "no_edns" and query.edns >= 0:
            response.set_rcode(dns.rcode.FORMERR)
            return response.to_wire()
        self._answer(response, name, question.rdtype)
        if kind == "wrong_id":
            response.id ^= 0xFFFF
        limit = 65535 if transport == "tcp" else max(query.payload or 512, 512)
        if kind == "truncated" and transport == "udp":
            limit = 0
        # what is too big is sent as truncated below, so that the client comes back over TCP
        with contextlib.suppress(dns.exception.TooBig):
            if limit:
                return response.to_wire(max_size=limit)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.TC
        return response.to_wire()

    def _fault_for(self, name: dns.name.Name, rdtype: str) -> str | None:
        for where, kind, only in reversed(self._faults):
            if name.is_subdomain(where) and only in (None, rdtype):
                return kind
        return None

    def _answer(self, response: dns.message.Message, name: dns.name.Name, rdtype: int) -> None:
        """Fill in answer, referral, NODATA, NXDOMAIN or REFUSED (RFC 1034 4.3.2)."""
        for hop in range(_MAX_CNAMES):
            labels = name.labels
            above = (dns.name.Name(labels[place:]) for place in range(len(labels)))
            origin = next((one for one in above if one in self._zones), None)
            if origin is None:
                if not hop:
                    response.set_rcode(dns.rcode.REFUSED)
                return
            zone = self._zones[origin]
            if self._refer(response, zone, origin, name):
                return
            response.flags |= dns.flags.AA
            node = _find_node(zone, origin, name)
            alias = node.get_rdataset(zone.rdclass, dns.rdatatype.CNAME) if node else None
            found = node.get_rdataset(zone.rdclass, rdtype) if node else None
            if found or not alias:
                if found:
                    response.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
                else:
                    soa = zone.get_rdataset(origin, "SOA")
                    response.authority.append(dns.rrset.from_rdata_list(origin, 60, list(soa)))
                    if node is None:
                        response.set_rcode(dns.rcode.NXDOMAIN)
                return
            response.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
            name = alias[0].target

    def _refer(self, response, zone, origin, name) -> bool:
        """Answer with a referral when a zone that we do not serve begins at or above ``name``."""
        while name != origin:
            cut = zone.get_rdataset(name, "NS")
            if cut:
                response.authority.append(dns.rrset.from_rdata_list(name, cut.ttl, list(cut)))
                return True
            name = name.parent()
        return False


def _find_node(zone: dns.zone.Zone, origin: dns.name.Name, name: dns.name.Name):
    """Return the node of a name or of the wildcard above it, an empty one for NODATA, or None."""
    node = zone.get_node(name)
    if node:
        return node
    if any(other.is_subdomain(name) for other in zone.nodes):
        return dns.node.Node()  # an empty non-terminal: the name exists, without records
    while name != origin:
        name = name.parent()
        node = zone.get_node(dns.name.Name((b"*", *name.labels)))
        if node or zone.get_node(name):
            return node
    return None


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer):
        self.server = server

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address) -> None:
        reply = self.server.reply(data, "udp")
        if reply:
            loop, delay = asyncio.get_running_loop(), self.server.delay_s
            loop.call_later(delay, self.transport.sendto, reply, address)
