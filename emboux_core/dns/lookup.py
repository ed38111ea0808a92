# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Check many domains at once: ask their authoritative servers what DNS holds, and judge it.

A resolver finds the zone, its name servers and their addresses; the records themselves come from
those servers, so that a change shows at once and no cache stands between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

import dns.exception
import dns.name
import dns.resolver

from ..public_suffix import is_public_suffix, registered_domain
from . import dmarc
from .client import Client, CnameLoop, NoAnswer, Resolver, plain
from .expected import ExpectedRecord, kind_of
from .judge import (
    MISSING,
    OK,
    UNKNOWN,
    WRONG,
    Verdict,
    judge,
    settle_dmarc,
    settle_spf,
    single_spf,
)
from .spf import LookupFailed, follow
from .spf_merge import terms
from .zone import NotDelegated, Zone, find_zone

__all__ = ["DomainCheck", "Resolver", "check_domains", "checks_as_done", "dmarc_texts"]
_logger = logging.getLogger(__name__)

_PATIENCE_S = 0.25  # after which a domain that is not done makes room for the next one
_SLOW_FACTOR = 4  # slow domains that may wait beside the others, times concurrency
_SOCKET_FACTOR = 8  # open sockets at most, times concurrency
_MAX_REPORT_PLACES = 3  # that are asked whether they take reports
_DMARC = "_dmarc."


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

    What is not known by then is ``unknown``. ``concurrency`` domains are checked at a time; a slow
    one yields its slot to the next and goes on beside it. Works in any thread, also in one with a
    running event loop. Faults of DNS never raise, they are in the result.

    :raises ValueError: ``concurrency`` below 1, or a record type that cannot be judged.
    """
    work = _work(jobs, concurrency)
    return in_own_loop(lambda: _check_all(work, resolver, deadline_s, concurrency))


def checks_as_done(
    jobs: Iterable[tuple[str, tuple[ExpectedRecord, ...]]],
    resolver: Resolver,
    deadline_s: float = 10.0,
    concurrency: int = 50,
) -> Iterator[list[DomainCheck]]:
    """As ``check_domains``, but each result is given as soon as it is there, with the others that
    are: whoever takes them has something to do while the rest is looked up, in a thread.

    Closing the iterator ends the look-up.
    """
    work = _work(jobs, concurrency)
    results: SimpleQueue[DomainCheck | None] = SimpleQueue()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task]] = Future()

    async def look() -> None:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        untold = set(work)

        def tell(check: DomainCheck) -> None:
            if check.domain in untold:
                untold.remove(check.domain)
                results.put(check)

        found = await _check_all(work, resolver, deadline_s, concurrency, tell)
        for check in found.values():
            tell(check)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(asyncio.run, look())
        looking.add_done_callback(lambda _looking: results.put(None))
        try:
            while (result := results.get()) is not None:
                some = [result]
                with suppress(Empty):
                    while (result := results.get_nowait()) is not None:
                        some.append(result)
                    results.put(None)
                yield some
        finally:
            loop, task = started.result()
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        looking.result()


def _work(
    jobs: Iterable[tuple[str, tuple[ExpectedRecord, ...]]], concurrency: int
) -> dict[str, tuple[ExpectedRecord, ...]]:
    if concurrency < 1:
        raise ValueError(f"The concurrency is {concurrency}: give 1 or more.")
    work = dict(jobs)
    for records in work.values():
        for record in records:
            judge(record, ())  # a type that cannot be judged is the caller's fault: say so now
    return work


async def _check_all(
    work: dict[str, tuple[ExpectedRecord, ...]],
    resolver: Resolver,
    deadline_s: float,
    concurrency: int,
    tell: Callable[[DomainCheck], None] | None = None,
) -> dict[str, DomainCheck]:
    """``tell`` is called with each result that is there before the deadline."""
    try:
        client = Client(resolver, _SOCKET_FACTOR * concurrency)
    except dns.resolver.NoResolverConfiguration:
        reason = "This system names no DNS resolver: add a nameserver line to /etc/resolv.conf."
        return {domain: _Check(domain, r, None).result(reason) for domain, r in work.items()}
    checks = {domain: _Check(domain, records, client) for domain, records in work.items()}
    everything = asyncio.create_task(_run_all(list(checks.values()), concurrency, tell))
    done, _ = await asyncio.wait({everything}, timeout=deadline_s)
    if done:
        everything.result()
    # Otherwise asyncio.run() cancels what is left, once the results are taken here.
    late = f"The check ended after {deadline_s:g} s, before an answer came: try again later."
    return {domain: check.result(late) for domain, check in checks.items()}


async def _run_all(
    checks: list["_Check"], concurrency: int, tell: Callable[[DomainCheck], None] | None
) -> None:
    """Run all checks, ``concurrency`` at a time, slow ones beside them.

    Otherwise a few dead domains would occupy all slots until the deadline.
    """
    queue = iter(checks)
    slow = asyncio.Semaphore(_SLOW_FACTOR * concurrency)
    running: set[asyncio.Task[None]] = set()

    async def worker() -> None:
        for check in queue:
            task = asyncio.create_task(check.run())
            running.add(task)
            task.add_done_callback(running.discard)
            if tell:
                task.add_done_callback(
                    lambda done, check=check: done.cancelled() or tell(check.result("")))
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
        # the record, the verdict of it alone, and what is at _dmarc of the domain and those above
        self.dmarc: tuple[ExpectedRecord, Verdict, dict[str, tuple[str, ...]]] | None = None
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
            self._settle_dmarc()
        except NotDelegated as error:
            self._settle(MISSING, str(error))
        except NoAnswer as error:
            self._settle(UNKNOWN, str(error))
        except dns.exception.DNSException as error:
            reason = str(error) or type(error).__name__
            self._settle(UNKNOWN, f"{self.domain} is not a possible DNS name: {reason}")
        except Exception as error:  # one domain must not lose the results of the others
            _logger.exception("The DNS check of %s failed", self.domain)
            self._settle(
                UNKNOWN, f"The check itself failed ({type(error).__name__}): see the server's log."
            )

    def _settle(self, state: str, note: str) -> None:
        self.error = note
        for record in self.records:
            self.verdicts.setdefault(record.key, Verdict(record.key, state, "", note))

    async def _check(self, record: ExpectedRecord) -> None:
        """Judge one record; an error in it does not affect the others."""
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
            if kind_of(verdict.key) == "spf" and single_spf(record, values):
                verdict = await self._follow_spf(record, values)
            if verdict.key == "dmarc":
                verdict = await self._find_policy(record, verdict, values)
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

    async def _follow_spf(self, record: ExpectedRecord, values: tuple[str, ...]) -> Verdict:
        text = single_spf(record, values)
        finding = await follow(text, record.name, self._values, terms(record.value))
        return settle_spf(record, values, finding)

    async def _find_policy(
        self, record: ExpectedRecord, verdict: Verdict, values: tuple[str, ...]
    ) -> Verdict:
        """Find the DMARC policy that applies; what it means is judged once all else is known."""
        domain = record.name.removeprefix(_DMARC)
        found = {domain: values}
        try:
            if verdict.state == MISSING:
                found |= await _at_dmarc(dmarc.walk(domain)[1:], self._values)
        except LookupFailed as error:
            note = f"Whether a DMARC record above {domain} applies could not be found out: {error}"
            return replace(verdict, state=UNKNOWN, note=note)
        if verdict.state == OK:
            remarks = [verdict.note, *await self._deaf_places(domain, values)]
            verdict = replace(verdict, note=" ".join(filter(None, remarks)))
        self.dmarc = record, verdict, found
        self._settle_dmarc()  # once more when all is known; the deadline may come before
        return self.verdicts[record.key]

    async def _deaf_places(self, domain: str, values: tuple[str, ...]) -> list[str]:
        """Return remarks on report addresses that have not opted in and get nothing (RFC 7489
        7.1)."""
        tags = next((dmarc.parse_tags(text) for text in values if dmarc.is_dmarc(text)), None)
        places = set(dmarc.report_addresses(tags or {}).values())
        home = registered_domain(domain)
        remarks = []
        for place in sorted(places)[:_MAX_REPORT_PLACES]:
            if registered_domain(place) == home:
                continue
            name = f"{domain}._report._dmarc.{place}"
            try:
                agreed = any(map(dmarc.is_dmarc, await self._values(name, "TXT")))
            except LookupFailed:
                continue
            if not agreed:
                remarks.append(
                    f"No reports are sent to {place} until it has the TXT record {name} with "
                    "v=DMARC1 (RFC 7489 7.1)."
                )
        return remarks

    def _settle_dmarc(self) -> None:
        """Judge DMARC by the policy that applies, and by what was found of the other records."""
        if not self.dmarc:
            return
        record, verdict, found = self.dmarc
        states = {key: verdict.state for key, verdict in self.verdicts.items()}
        exists = {states.get("mx", UNKNOWN), states.get("spf", UNKNOWN)} != {MISSING}
        policy = dmarc.policy_for(record.name.removeprefix(_DMARC), found, exists)
        self.verdicts[record.key] = settle_dmarc(
            record, verdict, policy, states.get("spf", UNKNOWN)
        )

    async def _values(self, name: str, rdtype: str) -> tuple[str, ...]:
        """Return values for SPF and DMARC, where a name that cannot exist has none.

        :raises LookupFailed: nobody answered.
        """
        try:
            return (await self.zone.values(dns.name.from_text(name), rdtype))[1]
        except NoAnswer as error:
            raise LookupFailed(str(error)) from error
        except (CnameLoop, dns.exception.DNSException):
            return ()


async def _at_dmarc(
    names: tuple[str, ...], look: Callable[[str, str], Awaitable[tuple[str, ...]]]
) -> dict[str, tuple[str, ...]]:
    """Return what each of these domains has at ``_dmarc``.

    :raises LookupFailed: one did not answer; a registry that is silent has no policy for us.
    """
    answers = await asyncio.gather(
        *(look(f"{_DMARC}{name}", "TXT") for name in names), return_exceptions=True
    )
    found = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, LookupFailed) and is_public_suffix(name):
            continue
        if isinstance(answer, BaseException):
            raise answer
        found[name] = answer
    return found


def dmarc_texts(
    names: tuple[str, ...], resolver: Resolver, deadline_s: float = 10.0
) -> dict[str, tuple[str, ...]]:
    """Return what the resolver knows of ``_dmarc`` of each of these domains (A-labels).

    :raises LookupFailed: that could not be found out; ``str()`` is a sentence.
    """

    async def find() -> dict[str, tuple[str, ...]]:
        client = Client(resolver, _SOCKET_FACTOR)

        async def look(name: str, rdtype: str) -> tuple[str, ...]:
            try:
                return await client.values(dns.name.from_text(name), rdtype)
            except NoAnswer as error:
                raise LookupFailed(str(error)) from error
            except dns.exception.DNSException:
                return ()

        async with asyncio.timeout(deadline_s):
            return await _at_dmarc(names, look)

    try:
        return in_own_loop(find)
    except dns.resolver.NoResolverConfiguration:
        raise LookupFailed("This system names no DNS resolver.") from None
    except TimeoutError:
        raise LookupFailed(f"No answer came within {deadline_s:g} s.") from None


def in_own_loop(work: Callable[[], Awaitable]):
    """Run a coroutine in any thread, also in one with a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()
