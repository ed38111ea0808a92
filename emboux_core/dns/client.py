# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Send DNS questions and read the answers; what the answers mean is judged elsewhere."""

import asyncio
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver

_EDNS_PAYLOAD = 1232  # octets; the size that no path fragments (DNS flag day 2020)
_MAX_HOPS = 8  # CNAMEs in a row within one answer
# DEL and C0 without tab: PostgreSQL cannot store NUL, and a value is shown on one line.
_CONTROL = {code: f"\\{code:03d}" for code in (*range(9), *range(10, 32), 127)}


@dataclass(frozen=True)
class Resolver:
    """Whom to ask.

    ``nameservers``: (address, port) of resolvers, empty for those of the system's resolv.conf.
    ``authoritative_port``: of the domains' own servers. ``timeout_s``: seconds for one query.
    ``allow_private``: also ask authoritative servers on addresses that are not public; whoever puts
    such an address into a zone must not make us probe our own network.
    """

    nameservers: tuple[tuple[str, int], ...] = ()
    authoritative_port: int = 53
    timeout_s: float = 2.0
    allow_private: bool = False


class NoAnswer(Exception):
    """No usable answer; ``str()`` says what happened. ``silent``: nothing came at all."""

    def __init__(self, reason: str, silent: bool = False):
        super().__init__(reason)
        self.silent = silent


class CnameLoop(Exception):
    """CNAMEs that lead round in a circle or through too many names."""


class Client:
    """Asks resolvers and authoritative servers, with at most ``sockets`` questions under way.

    Answers of the resolvers are shared for the life of the client, which is one call: domains of
    one customer have the same name servers and the same SPF includes.

    :raises dns.resolver.NoResolverConfiguration: no resolver given and none in resolv.conf.
    """

    def __init__(self, settings: Resolver, sockets: int):
        self.settings = settings
        self.resolvers = settings.nameservers or tuple(
            (str(address), 53) for address in dns.resolver.Resolver().nameservers
        )
        self._sockets = asyncio.Semaphore(sockets)
        self._answers: dict[tuple[dns.name.Name, str], asyncio.Task[dns.message.Message]] = {}

    async def ask(
        self, name: dns.name.Name, rdtype: str, address: str, port: int, recursive: bool = False
    ) -> dns.message.Message:
        """Ask one server once and return a NOERROR or NXDOMAIN answer.

        UDP with EDNS, then TCP if truncated; datagrams with a wrong id or source are not answers.

        :raises NoAnswer: nothing usable came within ``timeout_s``.
        """
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=_EDNS_PAYLOAD)
        if not recursive:
            query.flags &= ~dns.flags.RD
        timeout = self.settings.timeout_s
        try:
            async with self._sockets:
                answer = await self._exchange(query, address, port)
                if answer.rcode() == dns.rcode.FORMERR:  # no EDNS (RFC 6891 section 7)
                    query.use_edns(False)
                    answer = await self._exchange(query, address, port)
        except dns.exception.Timeout as error:
            raise NoAnswer(f"no answer within {timeout:g} s", silent=True) from error
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NoAnswer(dns.rcode.to_text(answer.rcode()))
        return answer

    async def _exchange(
        self, query: dns.message.Message, address: str, port: int
    ) -> dns.message.Message:
        answer, _tcp = await dns.asyncquery.udp_with_fallback(
            query,
            address,
            self.settings.timeout_s,
            port,
            ignore_unexpected=True,
            ignore_errors=True,
        )
        return answer

    async def resolve(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        """Ask the resolvers in turn, a silent one twice; returns a NOERROR or NXDOMAIN answer.

        :raises NoAnswer: none of them answered.
        """
        key = (name, rdtype)
        if key not in self._answers:
            task = asyncio.create_task(self._resolve(name, rdtype))
            # The waiter may be gone by the time it fails; keep asyncio from complaining.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._answers[key] = task
        return await asyncio.shield(self._answers[key])

    async def _resolve(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        failures: dict[tuple[str, int], NoAnswer] = {}
        for server in self.resolvers * 2:
            if server in failures and not failures[server].silent:
                continue
            try:
                return await self.ask(name, rdtype, *server, recursive=True)
            except NoAnswer as error:
                failures[server] = error
        said = "; ".join(f"{address}: {error}" for (address, _), error in failures.items())
        raise NoAnswer(f"Asked the resolver for {rdtype} of {plain(name)}, in vain ({said}).")

    async def values(self, name: dns.name.Name, rdtype: str) -> tuple[str, ...]:
        """Return what the resolver holds for a name, CNAMEs followed; () for nothing.

        :raises NoAnswer: none of the resolvers answered.
        """
        try:
            return follow(await self.resolve(name, rdtype), name, rdtype)[1]
        except CnameLoop:
            return ()


def follow(
    answer: dns.message.Message,
    name: dns.name.Name,
    rdtype: str,
    within: dns.name.Name = dns.name.root,
) -> tuple[dns.name.Name, tuple[str, ...]]:
    """Return (name where the CNAMEs of this answer end, values there), () for no values.

    CNAMEs are not followed to names outside ``within``, of which this server may know nothing.

    :raises CnameLoop: the CNAMEs do not end.
    """
    wanted = dns.rdatatype.from_text(rdtype)
    for _hop in range(_MAX_HOPS):
        found = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, wanted)
        if found:
            return name, tuple(_text(rdata) for rdata in found)
        alias = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if not alias:
            return name, ()
        name = alias[0].target
        if not name.is_subdomain(within):
            return name, ()
    raise CnameLoop


def plain(name: dns.name.Name) -> str:
    """Return a name as text without trailing dot."""
    return name.to_text(omit_final_dot=True)


def _text(rdata: dns.rdata.Rdata) -> str:
    """Return presentation form; TXT joined and without quotes, as people and judges read it."""
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace").translate(_CONTROL)
    return rdata.to_text()
