# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""From a question to its answer: the caches, the batches, and the ledger behind them.

Three loops, each with a batch under way; while it is, the next one gathers:

- ``loading``: settings of logins that are not in the cache,
- ``looking``: RCPT and DATA, which look things up and charge nothing,
- ``charging``: END-OF-MESSAGE.  An answer leaves once its batch is committed.  There are some
  writers, so that one batch is decided while another waits for the disk, and a lock that
  somebody holds for long stops one of them.
"""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

from . import decision, expansion, known, ledger, protocol
from .decision import DATA, END, RCPT
from .holds import HoldRule, first_that_fits
from .known import Known
from .ledger import Ask, pair_hash
from .link import Link, Unavailable
from .memory import Answers, Messages, SettingsCache
from .statements import FLAG, HOLD_RULES, READ, SWEEP, Step

_logger = logging.getLogger(__name__)

LARGEST_BATCH = 256
WRITERS = 3
OLDEST_SETTINGS = 60.0  # seconds; 1 while changes are not heard of
SWEEP_SECONDS = 20.0
MOST_TO_HOLD = 10_000  # messages that a rule holds, between their recipients and their end


class Turn:
    """One question that waits for its answer, which it gets once."""

    __slots__ = ("answered", "ask", "began", "query", "reply", "settings", "twins")

    def __init__(self, query, reply, began):
        self.query, self.reply, self.began = query, reply, began
        self.settings = self.ask = self.twins = None
        self.answered = False


class Engine:
    """``ask`` a ``Query``; ``reply(bytes)`` is called once, now or later.

    ``options``: see ``daemon.Options``.
    """

    def __init__(self, options, metrics, log):
        self.options, self.metrics, self.log = options, metrics, log
        self.settings, self.messages, self.answers = SettingsCache(), Messages(), Answers()
        self.known = Known()
        self._hold_rules, self._rules_are_old = (), True
        self._to_hold = {}  # instance -> reason; of messages whose recipients a rule fits
        self._loading = _Batches(self._load, self._unavailable)
        self._looking = _Batches(self._look, self._unavailable)
        self._charging = _Batches(self._charge, self._unavailable, _domain_of)
        # the reader listens; a charge that waits for a lock must not keep questions waiting
        self.reader = Link("reader", options.database, self._heard, self._reader_changed)
        self.writers = [
            Link("writer", options.database, None,
                 None if number else metrics.database_changed, quiet=bool(number))
            for number in range(WRITERS)
        ]
        self._under_way = {}  # key of an END-OF-MESSAGE -> its Turn
        self._flagged, self._flagging, self._tasks = set(), set(), []

    def start(self):
        self.reader.start()
        for writer in self.writers:
            writer.start()
            self._tasks.append(asyncio.create_task(self._charging.run(writer)))
        for work in (self._loading.run(self.reader), self._looking.run(self.reader),
                     self._keep_house()):
            self._tasks.append(asyncio.create_task(work))

    @property
    def ready(self):
        return self.reader.up and all(writer.up for writer in self.writers)

    @property
    def busy(self):
        return any(b.busy for b in (self._loading, self._looking, self._charging))

    async def stop(self):
        tasks = [*self._tasks, *self._flagging]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.reader.stop()
        for writer in self.writers:
            await writer.stop()

    # -- a question comes in ---------------------------------------------------------------

    def ask(self, query, reply):
        now = time.monotonic()
        if not query.concerns_us:
            self.metrics.passed_over()
            reply(protocol.DUNNO)
            return
        turn = Turn(query, reply, now)
        if query.stage == END and self._asked_before(turn, now):
            return
        if not query.login:
            self._from_outside(turn)
            return
        oldest = OLDEST_SETTINGS if self.reader.up else 1.0
        found, settings = self.settings.get(query.login, now, oldest)
        if found:
            self._with_settings(turn, settings)
        else:
            self._loading.add(turn)

    def _asked_before(self, turn, now):
        """Whether this question has been answered, or is being answered by another turn."""
        query = turn.query
        if not query.instance:
            return False
        key = (query.instance, query.recipient)
        if (answered := self.answers.get(key, now)) is not None:
            self.metrics.repeated()
            turn.reply(answered)
            return True
        if first := self._under_way.get(key):
            self.metrics.repeated()
            first.twins = [*(first.twins or ()), turn]
            return True
        self._under_way[key] = turn
        return False

    def _with_settings(self, turn, settings):
        query = turn.query
        if settings is None:
            self._answer(turn, decision.unknown_login(query.login))
            return
        if query.by_sieve:
            # what a mailbox forwards all goes to the same address, and nobody sees it on hold
            settings = expansion.of_another(settings)
        turn.settings = settings
        if query.stage == RCPT:
            pair = pair_hash(query.login, query.recipient)
            turn.ask = Ask(
                settings,
                decision.Request(RCPT, self.messages.get(query.instance).own, query.recipient),
                ((query.recipient, pair),), expand=(query.recipient,))
            self._looking.add(turn)
            return
        if refusal := decision.standing_refusal(settings):
            self._answer(turn, refusal)
            return
        if query.stage == DATA:
            own = self.messages.get(query.instance).own
            turn.ask = Ask(settings, decision.Request(DATA, max(1, query.recipients, own)))
            self._looking.add(turn)
            return
        self._at_end(turn)

    def _at_end(self, turn):
        """Charge what the message's recipients lead to."""
        query, settings = turn.query, turn.settings
        envelope = self.messages.take(query.instance)
        if envelope and envelope.asked >= max(1, query.recipients):
            request = decision.Request(END, envelope.own, query.recipient)
            turn.ask = Ask(settings, request, (), envelope.pairs, envelope.others)
        elif query.recipients <= 1:
            # not looked up at RCPT, or by another daemon
            recipient = query.recipient
            turn.ask = Ask(settings, decision.Request(END, 1, recipient))
            if recipient:
                pair = pair_hash(query.login, recipient)
                turn.ask = Ask(settings, turn.ask.request, ((recipient, pair),), (pair,), (),
                               (recipient,))
        elif self.options.when_down == "open":
            # PostgreSQL was away when they were asked about, and they were let in unseen
            turn.ask = Ask(settings, decision.Request(END, query.recipients))
        else:
            self._forgotten(turn)
            return
        if settings is None and not (turn.ask.others or turn.ask.expand):
            self._pass_over(turn)  # all of it stays with us
            return
        self._charging.add(turn)

    def _from_outside(self, turn):
        """Mail from outside: what of it leaves again is charged to who passes it on."""
        query = turn.query
        if query.stage == RCPT and query.recipient:
            pair = pair_hash("", query.recipient)
            turn.ask = Ask(
                None, decision.Request(RCPT, 0, query.recipient),
                ((query.recipient, pair),) if query.by_sieve else (),
                others=self.messages.get(query.instance).others, expand=(query.recipient,))
            self._looking.add(turn)
        elif query.stage == END:
            self._at_end(turn)
        else:
            self._pass_over(turn)

    def _pass_over(self, turn):
        self.metrics.passed_over()
        self._settle(turn, protocol.DUNNO, remember=False)

    # -- the batches -----------------------------------------------------------------------

    def _deadline(self, turns):
        return turns[0].began + self.options.wait

    async def _load(self, turns, link):
        generation, logins = self.settings.generation, {turn.query.login for turn in turns}
        try:
            found = await link.drive(lambda: self._read(logins), self._deadline(turns))
        except Unavailable as error:
            for turn in turns:
                self._unavailable(turn, error, self.settings.old(turn.query.login))
            return
        now = time.monotonic()
        for login in logins:
            self.settings.put(login, found.get(login), now, generation)
        for turn in turns:
            self._with_settings(turn, found.get(turn.query.login))

    def _read(self, logins):
        """Settings, and what these logins and their domains have sent."""
        found = yield from ledger.load_settings(logins)
        yield from known.read(found.values(), self.known)
        return found

    async def _look(self, turns, link):
        asks = [turn.ask for turn in turns]
        try:
            decided, facts = await link.drive(
                lambda: ledger.look(asks), self._deadline(turns))
        except Unavailable as error:
            for turn in turns:
                self._unavailable(turn, error, turn.settings)
            return
        for turn, verdict in zip(turns, decided, strict=True):
            query = turn.query
            if query.stage == RCPT and (verdict.accepted or self.options.dry_run):
                self.messages.add(
                    query.instance, query.recipient, facts.share(query.recipient, turn.settings),
                    pair_hash(query.login, query.recipient))
            self._answer(turn, verdict)

    async def _charge(self, turns, link):
        asks = [turn.ask for turn in turns]
        try:
            decided = await link.drive(
                lambda: known.charge(asks, self.known), self._deadline(turns))
        except Unavailable as error:
            for turn in turns:
                self._unavailable(turn, error, turn.settings)
            return
        for turn, verdict in zip(turns, decided, strict=True):
            self._answer(turn, verdict)

    # -- an answer goes out ----------------------------------------------------------------

    def _forgotten(self, turn):
        """The message was begun with another daemon: it comes again as a whole."""
        passes = self.options.dry_run
        self._settle(turn, protocol.DUNNO if passes else protocol.FORGOTTEN, remember=False)
        self.metrics.unavailable(passes)
        self.log.unavailable(turn, passes, "its recipients are not known")

    def _answer(self, turn, verdict):
        if verdict.rule == "spike":
            self._flag(turn.settings)
        if self.options.dry_run and not verdict.accepted:
            verdict = replace(verdict, action="accept")
        answer = protocol.answer(verdict)
        self._settle(turn, answer, remember=True)
        seconds = time.monotonic() - turn.began
        self.metrics.decided(turn.query.stage, verdict, seconds)
        self.log.decided(turn, verdict, seconds)

    def _unavailable(self, turn, error, settings):
        """PostgreSQL is away: what is known without it, else as the operator has chosen."""
        refusal = decision.standing_refusal(settings) if settings else None
        if refusal and not self.options.dry_run:
            self._answer(turn, refusal)
            return
        passes = self.options.when_down == "open" or self.options.dry_run
        self._settle(turn, protocol.DUNNO if passes else protocol.UNAVAILABLE, remember=False)
        self.metrics.unavailable(passes)
        self.log.unavailable(turn, passes, error)

    def _settle(self, turn, answer, remember):
        if turn.answered:
            return
        turn.answered, query = True, turn.query
        if self._hold_rules and answer == protocol.DUNNO:
            answer = self._held_by_rule(query)
        if query.stage == END and query.instance:
            key = (query.instance, query.recipient)
            self._under_way.pop(key, None)
            if remember:
                self.answers.put(key, answer, time.monotonic())
        turn.reply(answer)
        for twin in turn.twins or ():
            twin.reply(answer)

    def _held_by_rule(self, query):
        """What a rule makes of an accepted message: at its end, when it has a queue id; which
        recipients it has was said before."""
        rule = first_that_fits(
            self._hold_rules, query.login, query.sender_domain, (query.recipient,))
        if query.stage == RCPT and rule:
            self._to_hold[query.instance] = rule.reason
            if len(self._to_hold) > MOST_TO_HOLD:
                del self._to_hold[next(iter(self._to_hold))]
        if query.stage != END:
            return protocol.DUNNO
        reason = self._to_hold.pop(query.instance, None) or (rule and rule.reason)
        return protocol.hold(reason) if reason else protocol.DUNNO

    def _flag(self, settings):
        key = (settings.domain_id, datetime.now(UTC).date())
        if key not in self._flagged:
            if len(self._flagged) > 10_000:
                self._flagged.clear()
            self._flagged.add(key)
            task = asyncio.create_task(self._write_flag(key))
            self._flagging.add(task)
            task.add_done_callback(self._flagging.discard)

    async def _write_flag(self, key):
        try:
            await self._between(Step(READ, FLAG, (key[0],)))
        except Unavailable as error:
            self._flagged.discard(key)
            _logger.warning("the spike of domain %s could not be marked: %s", key[0], error)

    # -- housekeeping ----------------------------------------------------------------------

    async def _between(self, step):
        """One step between two batches of charges; returns its rows."""
        return await self.writers[0].drive(lambda: _one(step), time.monotonic() + 5)

    async def _keep_house(self):
        today, swept = datetime.now(UTC).date(), time.monotonic()
        while True:
            await asyncio.sleep(1)
            if datetime.now(UTC).date() != today:
                today = datetime.now(UTC).date()
                self.settings.drop("*")  # the mean of the last days is another one
            try:
                if self._rules_are_old:
                    self._rules_are_old = False
                    rows = await self._between(Step(READ, HOLD_RULES))
                    self._hold_rules = tuple(HoldRule(*row) for row in rows)
            except Unavailable:
                self._rules_are_old = True
                continue
            if time.monotonic() - swept < SWEEP_SECONDS:
                continue
            swept = time.monotonic()
            try:
                while (await self._between(Step(READ, SWEEP)))[0][0] >= 10_000:
                    await asyncio.sleep(0.05)
            except Unavailable:
                continue

    def _heard(self, what):
        self.settings.drop(what)
        self._rules_are_old |= what == "*"

    def _reader_changed(self, up):
        # what has changed while nobody listened was not heard of
        if up:
            self._heard("*")
        self.metrics.database_changed(up)


def _one(step):
    return (yield step)


def _domain_of(turn):
    """Batches are kept apart by who is charged first; the rows are locked in any case."""
    return turn.settings.domain_id if turn.settings else turn.ask.others[:1] or turn.ask.expand


class _Batches:
    """Gathers turns while batches are worked on, one by each link that ``run`` is given.

    ``apart(turn)``: of turns with the same, no two are in different batches at a time.
    """

    def __init__(self, work, failed, apart=None):
        self._work, self._failed, self._apart = work, failed, apart
        self._turns, self._working, self._taken = [], 0, set()
        self._wake = asyncio.Event()

    @property
    def busy(self):
        return bool(self._turns or self._working)

    def add(self, turn):
        self._turns.append(turn)
        self._wake.set()

    async def run(self, link):
        while True:
            await self._wake.wait()
            turns, taken = self._take()
            if not turns:
                self._wake.clear()  # others are at work with all that there is
                continue
            self._working += 1
            try:
                await self._work(turns, link)
            except Exception as error:
                # a fault of ours: these are deferred, the next batch shall not suffer
                _logger.exception("a batch of %d failed", len(turns))
                for turn in turns:
                    self._failed(turn, error, turn.settings)
            finally:
                self._working -= 1
                self._taken -= taken
                self._wake.set()

    def _take(self):
        """(turns, what they are kept apart by), in the order in which they came."""
        waiting = self._turns
        if self._apart is None:
            turns, self._turns = waiting[:LARGEST_BATCH], waiting[LARGEST_BATCH:]
            return turns, set()
        turns, self._turns, taken = [], [], set()
        for turn in waiting:
            key = self._apart(turn)
            if key in self._taken or len(turns) == LARGEST_BATCH:
                self._turns.append(turn)
            else:
                turns.append(turn)
                taken.add(key)
        self._taken |= taken
        return turns, taken
