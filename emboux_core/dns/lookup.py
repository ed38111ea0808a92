"""Check many domains at once: ask their authoritative servers what DNS holds, and judge it.

A resolver finds the zone, its name servers and their addresses; the records themselves come from
those servers, so that a change shows at once and no cache stands between.
"""

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import dns.exception
import dns.name
import dns.resolver

from .client import Client, CnameLoop, NoAnswer, Resolver, plain
from .expected import ExpectedRecord, kind_of
from .judge import MISSING, OK, UNKNOWN, WRONG, Verdict, judge
from .spf import LookupFailed, count_lookups
from .zone import NotDelegated, Zone, find_zone

__all__ = ["DomainCheck", "Resolver", "check_domains"]
_logger = logging.getLogger(__name__)

_PATIENCE_S = 0.25  # after which a domain that is not done makes room for the next one
_SLOW_FACTOR = 4  # slow domains that may wait beside the others, times concurrency
_SOCKET_FACTOR = 8  # open sockets at most, times concurrency


@dataclass(frozen=True)
class DomainCheck:
    """Result for one domain.

    ``verdicts``: one per record, in the order given. ``asked``: the authoritative servers that were
    asked, as ``ns1.example (192.0.2.1), ...``. ``error``: what failed, in words, or ``""``.
    """

    domain: str
    verdicts: tuple[Verdict, ...]
    asked: str = ""
    error: str = ""


def check_domains(
    jobs: Iterable[tuple[str, tuple[ExpectedRecord, ...]]],
    resolver: Resolver,
    deadline_s: float = 10.0,
    concurrency: int = 50,
) -> dict[str, DomainCheck]:
    """Check every (A-label domain, its expected records); returns within about ``deadline_s``.

    What is not known by then is ``unknown``. ``concurrency`` domains are worked on at a time; one
    that keeps us waiting gives its place to the next and waits on beside. Works in any thread, also
    in one with a running event loop. Faults of DNS never raise, they are in the result.

    :raises ValueError: ``concurrency`` below 1, or a record type that cannot be judged.
    """
    if concurrency < 1:
        raise ValueError(f"The concurrency is {concurrency}: give 1 or more.")
    work = dict(jobs)
    for records in work.values():
        for record in records:
            judge(record, ())  # a type that cannot be judged is the caller's fault: say so now

    def run() -> dict[str, DomainCheck]:
        return asyncio.run(_check_all(work, resolver, deadline_s, concurrency))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


async def _check_all(
    work: dict[str, tuple[ExpectedRecord, ...]],
    resolver: Resolver,
    deadline_s: float,
    concurrency: int,
) -> dict[str, DomainCheck]:
    try:
        client = Client(resolver, _SOCKET_FACTOR * concurrency)
    except dns.resolver.NoResolverConfiguration:
        reason = "This system names no DNS resolver: add a nameserver line to /etc/resolv.conf."
        return {domain: _Check(domain, r, None).result(reason) for domain, r in work.items()}
    checks = {domain: _Check(domain, records, client) for domain, records in work.items()}
    everything = asyncio.create_task(_run_all(list(checks.values()), concurrency))
    done, _ = await asyncio.wait({everything}, timeout=deadline_s)
    if done:
        everything.result()
    # Otherwise asyncio.run() cancels what is left, once the results are taken here.
    late = f"The check ended after {deadline_s:g} s, before an answer came: try again later."
    return {domain: check.result(late) for domain, check in checks.items()}


async def _run_all(checks: list["_Check"], concurrency: int) -> None:
    """Run all checks, ``concurrency`` at a time, slow ones beside them.

    Without that a number of dead domains would fill all places until the deadline.
    """
    queue = iter(checks)
    slow = asyncio.Semaphore(_SLOW_FACTOR * concurrency)
    running: set[asyncio.Task[None]] = set()

    async def worker() -> None:
        for check in queue:
            task = asyncio.create_task(check.run())
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.wait({task}, timeout=_PATIENCE_S)
            if task.done():
                continue
            place = asyncio.create_task(slow.acquire())
            await asyncio.wait({task, place}, return_when=asyncio.FIRST_COMPLETED)
            if place.done():
                task.add_done_callback(lambda _task: slow.release())
            else:
                place.cancel()

    await asyncio.gather(*(worker() for _ in range(min(concurrency, len(checks)))))
    while running:
        await asyncio.wait(set(running))


class _Check:
    """The check of one domain; verdicts gather in it, so that a deadline loses none of them."""

    def __init__(self, domain: str, records: tuple[ExpectedRecord, ...], client: Client | None):
        self.domain = domain
        self.records = records
        self.client = client
        self.zone: Zone | None = None
        self.verdicts: dict[str, Verdict] = {}
        self.error = ""

    def result(self, reason: str) -> DomainCheck:
        """Return what is known; the rest is unknown because of ``reason``."""
        rest = [record.key for record in self.records if record.key not in self.verdicts]
        verdicts = self.verdicts | {key: Verdict(key, UNKNOWN, "", reason) for key in rest}
        return DomainCheck(
            self.domain,
            tuple(verdicts[record.key] for record in self.records),
            ", ".join(map(str, self.zone.asked)) if self.zone else "",
            self.error or (reason if rest else ""),
        )

    async def run(self) -> None:
        """Fill in the verdicts; raises nothing but cancellation."""
        try:
            self.zone = await find_zone(self.client, self.domain)
            await self.zone.choose_server()
            await asyncio.gather(*map(self._check, self.records))
        except NotDelegated as error:
            self._settle(MISSING, str(error))
        except NoAnswer as error:
            self._settle(UNKNOWN, str(error))
        except dns.exception.DNSException as error:
            reason = str(error) or type(error).__name__
            self._settle(UNKNOWN, f"{self.domain} is not a possible DNS name: {reason}")
        except Exception as error:  # one domain must not cost the others their results
            _logger.exception("The DNS check of %s failed", self.domain)
            self._settle(
                UNKNOWN, f"The check itself failed ({type(error).__name__}): see the server's log."
            )

    def _settle(self, state: str, note: str) -> None:
        self.error = note
        for record in self.records:
            self.verdicts.setdefault(record.key, Verdict(record.key, state, "", note))

    async def _check(self, record: ExpectedRecord) -> None:
        """Judge one record; what goes wrong with it does not touch the others."""
        try:
            name = dns.name.from_text(record.name)
            end, values = await self.zone.values(name, record.record_type)
            verdict = judge(record, values)
            if verdict.state == MISSING and end != name:
                verdict = replace(
                    verdict,
                    note=f"{record.name} is an alias (CNAME) of {plain(end)}, which has no such "
                    f"{record.record_type} record: correct one of the two.",
                )
            if kind_of(verdict.key) == "spf" and verdict.state == OK:
                verdict = await self._count_spf(record.name, verdict)
        except NoAnswer as error:
            self.error = self.error or str(error)
            verdict = Verdict(record.key, UNKNOWN, "", str(error))
        except CnameLoop:
            verdict = Verdict(
                record.key,
                WRONG,
                "",
                f"The aliases (CNAME) of {record.name} do not end: remove it.",
            )
        except dns.exception.DNSException as error:
            reason = str(error) or type(error).__name__
            note = f"{record.name} is not a possible DNS name: {reason}"
            verdict = Verdict(record.key, UNKNOWN, "", note)
        self.verdicts[record.key] = verdict

    async def _count_spf(self, name: str, verdict: Verdict) -> Verdict:
        counted = await count_lookups(verdict.found, name, self._txt, self._exists)
        if counted.error:
            return replace(verdict, state=WRONG, note=counted.error)
        if not counted.complete and not verdict.note:
            note = "The record is right; a part that it includes did not answer just now."
            return replace(verdict, note=note)
        return verdict

    async def _txt(self, name: str) -> tuple[str, ...]:
        return await self._values(name, "TXT")

    async def _exists(self, name: str, kind: str) -> bool:
        types = ("MX",) if kind == "mx" else ("A", "AAAA")
        for rdtype in types:
            if await self._values(name, rdtype):
                return True
        return False

    async def _values(self, name: str, rdtype: str) -> tuple[str, ...]:
        """Return values for the SPF count, where a name that cannot exist has none."""
        try:
            return (await self.zone.values(dns.name.from_text(name), rdtype))[1]
        except NoAnswer as error:
            raise LookupFailed(str(error)) from error
        except (CnameLoop, dns.exception.DNSException):
            return ()
