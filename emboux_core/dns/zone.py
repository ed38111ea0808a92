# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Find the zone around a domain and read records from its own name servers."""

import asyncio
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from ..net.public import is_public
from .client import Client, CnameLoop, NoAnswer, follow, plain

_MAX_HOPS = 8  # CNAMEs in a row across zones
_MAX_HOSTS = 13  # name servers of one zone that are looked up
_MAX_SERVERS = 8  # addresses of them that are tried
_TRIES = 3  # questions for one record, once one server of the zone is known to answer
_STAGGER_S = 0.25  # after which the next server is tried beside the one that keeps us waiting
# Second-level labels that country registries use as if they were top-level domains.
_REGISTRY_LABELS = frozenset(b"ac co com edu gob gov gv ltd me mil ne net nom or org plc".split())
# Top-level names that nobody sells names below (RFC 2606, ICANN): a company's own network or a
# demonstration may hold such a zone as a whole.
_PRIVATE_LABELS = frozenset(b"example internal".split())


class NotDelegated(Exception):
    """The registry does not know the domain; ``str()`` is one sentence."""


@dataclass(frozen=True)
class Server:
    """One address of a name server."""

    host: str
    address: str

    def __str__(self) -> str:
        return f"{self.host} ({self.address})"


@dataclass
class Zone:
    """A zone and its servers, the fastest first; ``asked`` collects those that were queried."""

    client: Client
    origin: dns.name.Name
    servers: list[Server]
    asked: dict[Server, None] = field(default_factory=dict)

    async def choose_server(self) -> None:
        """Put a server that answers for the zone first, those that failed last.

        A silent one costs a quarter of a second, not a time-out: the next is queried meanwhile.

        :raises NoAnswer: none is authoritative and answers.
        """
        # A zone with one server gets a second datagram, for the first may have been lost.
        candidates = self.servers * 2 if len(self.servers) == 1 else self.servers
        failures: dict[Server, str] = {}

        async def probe(place: int, server: Server) -> Server:
            await asyncio.sleep(place * _STAGGER_S)
            try:
                answer = await self._ask_server(server, self.origin, "SOA")
                if answer.rcode() == dns.rcode.NXDOMAIN:
                    raise NoAnswer("does not know the zone")
            except NoAnswer as error:
                failures[server] = str(error)
                raise
            return server

        tasks = [asyncio.create_task(probe(*place)) for place in enumerate(candidates)]
        try:
            for ended in asyncio.as_completed(tasks):
                try:
                    live = await ended
                except NoAnswer:
                    continue
                self.servers.sort(key=lambda server: (server != live, server in failures))
                return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise NoAnswer(_in_vain("SOA", self.origin, failures))

    async def values(
        self, name: dns.name.Name, rdtype: str
    ) -> tuple[dns.name.Name, tuple[str, ...]]:
        """Return (name where CNAMEs ended, values), () for NXDOMAIN or NODATA.

        Names outside the zone, to which a CNAME leads, are asked of the resolver.

        :raises NoAnswer: nobody answered.
        :raises CnameLoop: CNAMEs that do not end.
        """
        for _hop in range(_MAX_HOPS):
            if name.is_subdomain(self.origin):
                answer = await self._ask(name, rdtype)
                end, values = follow(answer, name, rdtype, within=self.origin)
            else:
                end, values = follow(await self.client.resolve(name, rdtype), name, rdtype)
            if values or end == name:
                return end, values
            name = end
        raise CnameLoop

    async def _ask(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        failures: dict[Server, str] = {}
        for server in (self.servers * _TRIES)[:_TRIES]:
            try:
                answer = await self._ask_server(server, name, rdtype)
            except NoAnswer as error:
                failures[server] = str(error)
                continue
            if not answer.flags & dns.flags.AA:
                # Delegated further down (_domainkey to a mail service, say): a zone of its own.
                return await self.client.resolve(name, rdtype)
            return answer
        raise NoAnswer(_in_vain(rdtype, name, failures))

    async def _ask_server(
        self, server: Server, name: dns.name.Name, rdtype: str
    ) -> dns.message.Message:
        """Return an authoritative answer, or a referral to a zone below this one.

        :raises NoAnswer: neither came, which includes a lame server.
        """
        self.asked[server] = None
        answer = await self.client.ask(
            name, rdtype, server.address, self.client.settings.authoritative_port
        )
        if not answer.flags & dns.flags.AA and not self._is_referral(answer, name):
            raise NoAnswer("not authoritative for the zone")
        return answer

    def _is_referral(self, answer: dns.message.Message, name: dns.name.Name) -> bool:
        return any(
            rrset.rdtype == dns.rdatatype.NS
            and rrset.name != self.origin
            and rrset.name.is_subdomain(self.origin)
            and name.is_subdomain(rrset.name)
            for rrset in answer.authority
        )


async def find_zone(client: Client, domain: str) -> Zone:
    """Find the zone that ``domain`` (A-label) lies in, and the addresses of its name servers.

    Walks up from the domain to the first name with NS records.

    :raises NotDelegated: that name is a top-level domain or the like.
    :raises NoAnswer: the resolver did not answer or sees no public DNS, or the servers have no
        address to ask.
    :raises dns.exception.DNSException: ``domain`` is not a possible DNS name.
    """
    start = name = dns.name.from_text(domain)
    hosts: list[dns.name.Name] = []
    failure = None
    while name != dns.name.root:
        try:
            answer = await client.resolve(name, "NS")
        except NoAnswer as error:
            # A server that fails on this name may still serve the zone around it.
            failure = failure or error
        else:
            found = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.NS)
            if found:
                hosts = sorted(rdata.target for rdata in found)[:_MAX_HOSTS]
                break
        name = name.parent()
    if name != start and _is_registry(name):
        if failure:
            raise failure
        if name == dns.name.root and (await client.resolve(name, "NS")).rcode():
            raise NoAnswer(
                f"The resolver says that neither {domain} nor the DNS root exists: it does not see "
                "the public DNS, so configure another one."
            )
        raise NotDelegated(
            f"{domain} is not registered or not delegated: "
            f"{plain(name) if hosts else 'the DNS root'} names no name servers for it."
        )
    return Zone(client, name, await _addresses(client, name, hosts))


async def _addresses(
    client: Client, zone: dns.name.Name, hosts: list[dns.name.Name]
) -> list[Server]:
    """Return the servers to ask, IPv4 first: it is reachable from anywhere."""
    wanted = [(host, rdtype) for rdtype in ("A", "AAAA") for host in hosts]
    found = await asyncio.gather(
        *(client.values(host, rdtype) for host, rdtype in wanted), return_exceptions=True
    )
    servers: list[Server] = []
    reasons = []
    for (host, _rdtype), addresses in zip(wanted, found, strict=True):
        if isinstance(addresses, NoAnswer):
            reasons.append(str(addresses))
        elif isinstance(addresses, BaseException):
            raise addresses
        else:
            for address in addresses:
                if client.settings.allow_private or is_public(address):
                    servers.append(Server(plain(host), address))
                else:
                    reasons.append(f"{address} is not public and hence not asked.")
    if not servers:
        names = ", ".join(map(plain, hosts))
        reason = f" {reasons[0]}" if reasons else ""
        raise NoAnswer(
            f"No name server of {plain(zone)} has an address that can be asked ({names}).{reason}"
        )
    return servers[:_MAX_SERVERS]


def _is_registry(name: dns.name.Name) -> bool:
    """Whether names below this one are sold to different people; a guess for country domains."""
    labels = name.labels[:-1]  # without the root
    if len(labels) == 2:
        return len(labels[1]) == 2 and labels[0].lower() in _REGISTRY_LABELS
    return len(labels) < 2 and not (labels and labels[0].lower() in _PRIVATE_LABELS)


def _in_vain(rdtype: str, name: dns.name.Name, failures: dict[Server, str]) -> str:
    said = "; ".join(f"{server}: {reason}" for server, reason in failures.items())
    return f"Asked the name servers for {rdtype} of {plain(name)}, in vain ({said})."
