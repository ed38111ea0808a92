# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What was sent, in PostgreSQL: looking it up, and charging it in one transaction.

Generators that do no I/O: they yield a ``Step`` and get its rows.  So there is one
implementation, whoever drives it: the daemon, Odoo's transaction, or a test.

Exactness: ``charge`` locks the rows of all subjects first, in their order, decides one request
after the other on these figures, and writes them back before the transaction ends.  Whoever
charges the same subjects waits meanwhile, on whatever machine they are.  No rate limiter of PyPI
does that: theirs count in memory or Redis, apart from the answer's transaction.
"""

from calendar import timegm
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from . import decision, expansion, statements
from .decision import DATA, END, Counters, Settings, Used, amount, decide, utc
from .normal import without_tag
from .statements import ADD, LOCK, READ, RELEASE, STORE, Step, array, lines

#: Seconds by which a row may be ahead of the clock: a daemon that took the lock later may have
#: read the clock earlier.  What is further ahead was written by a wrong clock.
SKEW = 600


class Ask(NamedTuple):
    """One request to be decided, with what the decision needs to be looked up.

    ``settings``: None for mail from outside, which nobody here pays for but who passes it on.
    ``check``: recipients to look up (suppressed? how often in this hour?), each with its
    ``pair_hash``.  ``pairs``: such hashes that are charged when the message is accepted.
    ``others``: (domain id, how many) for domains of other owners that pass parts of it on.
    ``expand``: recipients of whom it is not known yet what they lead to; each counts one in
    ``request`` until then.
    """

    settings: Settings | None
    request: decision.Request
    check: tuple[tuple[str, int], ...] = ()
    pairs: tuple[int, ...] = ()
    others: tuple[tuple[int, int], ...] = ()
    expand: tuple[str, ...] = ()

    @property
    def partner_id(self):
        return self.settings.partner_id if self.settings else 0

    @property
    def brakes_loops(self):
        return bool(self.settings and self.settings.loop_limit)


@dataclass(slots=True)
class _Sums:
    """The figures of one subject while a batch is decided."""

    hour: int
    day: int
    month: int
    changed: bool = False
    closed: list = field(default_factory=list)  # windows that are over: (what, since, count)


def pair_hash(sender, recipient):
    """64 bits that stand for a login and a recipient, signed as PostgreSQL's bigint.

    A tag changes nothing: a loop that adds one each time is a loop.
    """
    digest = blake2b(f"{sender}\0{without_tag(recipient)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def load_settings(logins):
    """Login to ``Settings``, for those that are known."""
    rows = yield Step(READ, statements.SETTINGS, (sorted(set(logins)),))
    return {row[0]: Settings(*row) for row in rows}


def load_domains(domain_ids):
    """Domain id to its ``Settings`` without a login, for those that send from here."""
    rows = yield Step(READ, statements.DOMAIN_SETTINGS, (array(sorted(domain_ids)),))
    return {row[2]: Settings(*row) for row in rows}


def load_domain(domain_id):
    """The ``Settings`` of a domain without a login, or None."""
    found = yield from load_domains([domain_id])
    return found.get(domain_id)


def look(asks, now=None, forwards=False):
    """Decide without charging anything; returns the decisions and the ``Facts``.

    A recipient that leads on is refused here when it leads nowhere, or when the domain that passes
    its mail on has reached its limit.  ``forwards``: follow what mailboxes forward, too.
    """
    facts, moment = yield from _facts(READ, statements.LOOK, asks, now, forwards)
    asks = facts.expanded(asks)
    payers, theirs = {}, facts
    if others := _others(asks):
        payers = yield from _payers(others)
        theirs, _moment = yield from _facts(
            READ, statements.LOOK, [Ask(s, decision.Request(DATA)) for s in payers.values()], now)
    return [facts.refused(ask) or _verdict(place, ask, facts, theirs, payers, moment, DATA)
            for place, ask in enumerate(asks)], facts


def charge(asks, now=None, forwards=False):
    """Decide and count, in one transaction; returns the decisions and the ``Facts`` afterwards.

    ``now`` is the aware UTC time; None takes PostgreSQL's clock, which all daemons share.
    """
    payers, refused = {}, {}
    if any(ask.expand for ask in asks):
        # before anything is locked: who passes a message on is charged too
        found, _moment = yield from _facts(
            READ, statements.LOOK, [ask._replace(check=()) for ask in asks], now, forwards)
        refused = {place: why for place, ask in enumerate(asks) if (why := found.refused(ask))}
        asks = [ask._replace(expand=()) for ask in found.expanded(asks)]
    if others := _others(asks):
        payers = yield from _payers(others)
    facts, moment = yield from _facts(LOCK, statements.LOCK_FACTS, asks, now, False, payers)
    decided = []
    for place, ask in enumerate(asks):
        verdict = refused.get(place) or _verdict(
            place, ask, facts, facts, payers, moment, END)
        if verdict.accepted:
            facts.add(ask, payers)
        decided.append(verdict)
    yield from facts.store(moment)
    return decided, facts


def _others(asks):
    return {domain for ask in asks for domain, _count in ask.others}


def _payers(domain_ids):
    found = yield from load_domains(domain_ids)
    return {number: expansion.of_another(settings) for number, settings in found.items()}


def _verdict(place, ask, facts, theirs, payers, moment, stage):
    """The decision about one message, of its sender and of those who pass parts of it on."""
    counters = facts.counters(place, ask)
    if ask.settings:
        verdict = decide(ask.settings, counters, ask.request, moment)
    elif counters.suppressed:
        verdict = decision.refuse_suppressed(counters.suppressed)
    else:
        verdict = decision.ACCEPT
    if not verdict.accepted:
        return verdict
    for domain, count in ask.others:
        if domain not in payers:
            continue  # it has just gone, and passes nothing on
        other = decide(payers[domain], Counters(domain=theirs.used(domain)),
                       decision.Request(stage, count), moment)
        if not other.accepted:
            return expansion.told_others(ask.request.recipient or "One of its recipients", other)
    return verdict


def subjects_of(settings):
    """The keys of the rows that a message of these settings charges."""
    if settings.counts_mailbox:
        return (settings.domain_id, -settings.mailbox_id)
    return (settings.domain_id,)


def _facts(kind, statement, asks, now, forwards=False, payers=()):
    """Look up (and lock) all that the requests need; returns ``Facts`` and the moment."""
    subjects, hashes, partners, recipients, places = set(payers), set(), [], [], []
    expand = list(dict.fromkeys(recipient for ask in asks for recipient in ask.expand))
    for place, ask in enumerate(asks):
        if ask.settings and ask.request.stage != decision.RCPT:  # where no limit is looked at
            subjects.update(subjects_of(ask.settings))
        for recipient, pair in ask.check:
            places.append(place)
            partners.append(ask.partner_id)
            recipients.append(recipient)
            if ask.brakes_loops:
                hashes.add(pair)
    clock = now.timestamp() if now else None
    while True:
        hour = int(clock if clock is not None else _local_clock()) // 3600
        rows = yield Step(kind, statement, (
            array(sorted(subjects)), hour, array(list(hashes)), array(partners),
            lines(recipients), lines(expand), forwards))
        missing = subjects.difference(row[1] for row in rows if row[0] == 1)
        if not missing or kind == READ:
            break
        yield Step(ADD, statements.ADD_SUBJECTS, (array(sorted(missing)),))
    if clock is None:
        clock = max((row[6] for row in rows if row[0] == 1), default=_local_clock())
    ahead = [row[2] for row in rows if row[0] == 1 and clock < row[2] <= clock + SKEW]
    clock = max([clock, *ahead])
    return Facts(rows, clock, expand, places, recipients), utc(clock)


def _local_clock():
    """For what need not be the same everywhere: the hour of a loop, a look without subjects."""
    return datetime.now(decision.UTC).timestamp()


class Facts:
    """The rows of one look-up, and what the decisions of this batch have added to them."""

    def __init__(self, rows, clock, expand, places, recipients):
        self.clock, ends = clock, []
        day = int(clock) // 86400 * 86400
        hour = int(clock) // 3600 * 3600
        date = utc(clock).date()
        month = timegm((date.year, date.month, 1, 0, 0, 0))
        self.sums, self.pairs, self.suppressed, self.charged = {}, {}, {}, {}
        for kind, key, at, in_hour, in_day, in_month, _clock, why in rows:
            if kind == 1:
                sums = self.sums[key] = _Sums(
                    in_hour if at >= hour else 0, in_day if at >= day else 0,
                    in_month if at >= month else 0)
                if at < day:
                    sums.closed = _closed(at, in_day, in_month if at < month else 0)
            elif kind == 2:
                self.pairs[key] = in_hour
            elif kind == 3:
                self.suppressed.setdefault(places[key - 1], (recipients[key - 1], why))
            else:
                ends.append((expand[key - 1], *_end(in_hour, in_day, why)))
        #: recipient to its ends, of those that are ours
        self.ends = expansion.read(ends)

    def expanded(self, asks):
        """The same with what their recipients lead to."""
        return [self._expanded(ask) for ask in asks] if self.ends else asks

    def _expanded(self, ask):
        request, others = ask.request, dict(ask.others)
        for recipient in ask.expand:
            share = self.share(recipient, ask.settings)
            request = request._replace(recipients=request.recipients + share.own - 1)
            for domain, count in share.others.items():
                others[domain] = others.get(domain, 0) + count
        return ask._replace(request=request, others=tuple(sorted(others.items())))

    def share(self, recipient, settings):
        """What a recipient counts, and for whom (``expansion.Share``)."""
        ends = self.ends.get(recipient)
        return expansion.ONE if ends is None else expansion.share(ends, settings)

    def refused(self, ask):
        """The refusal of a recipient that leads nowhere, or None."""
        for recipient in ask.expand if self.ends else ():
            if recipient in self.ends and (
                why := expansion.refusal(recipient, self.ends[recipient])
            ):
                return why
        return None

    def counters(self, place, ask):
        settings = ask.settings
        if settings is None:
            return Counters(suppressed=self.suppressed.get(place))
        own = self.used(-settings.mailbox_id) if settings.counts_mailbox else decision.NOTHING
        return Counters(self.used(settings.domain_id), own, self.suppressed.get(place),
                        self._worst_pair(ask) if ask.check and ask.brakes_loops else None)

    def used(self, subject):
        """What a subject has sent, with what this batch has added."""
        sums = self.sums.get(subject)
        return Used(sums.hour, sums.day, sums.month) if sums else decision.NOTHING

    def _worst_pair(self, ask):
        worst = ("", 0)
        for recipient, pair in ask.check:
            times = self.pairs.get(pair, 0)
            if times > worst[1]:
                worst = recipient, times
        return worst

    def add(self, ask, payers=None):
        """Count one message that was accepted."""
        settings = ask.settings
        if settings:
            count = amount(settings, ask.request)
            for subject in subjects_of(settings):
                self._count(subject, count)
        for domain, recipients in ask.others:
            if domain in payers:
                self._count(domain, amount(payers[domain], decision.Request(END, recipients)))
        if ask.brakes_loops:
            for pair in ask.pairs:
                self.charged[pair] = self.charged.get(pair, 0) + 1
                self.pairs[pair] = self.pairs.get(pair, 0) + 1

    def _count(self, subject, count):
        sums = self.sums[subject]
        sums.hour += count
        sums.day += count
        sums.month += count
        sums.changed = True

    def store(self, moment):
        """Write back what has changed, with the windows that are over to the history."""
        changed = sorted(subject for subject, sums in self.sums.items() if sums.changed)
        if not changed:
            yield Step(RELEASE)
            return
        closed = [(subject, *window) for subject in changed if subject > 0
                  for window in self.sums[subject].closed]
        if closed:
            domains, windows, sinces, counts = zip(*closed, strict=True)
            yield Step(READ, statements.RECORD, (
                array(list(domains)), list(windows), list(sinces), array(list(counts))))
        sums = [self.sums[subject] for subject in changed]
        parameters = (
            moment.timestamp(), array(changed), array([s.hour for s in sums]),
            array([s.day for s in sums]), array([s.month for s in sums]))
        if pairs := self.charged:
            ordered = sorted(pairs)  # see LOCK_FACTS
            yield Step(STORE, statements.CHARGE_PAIRS, (
                int(self.clock) // 3600, array(ordered), array([pairs[p] for p in ordered]),
                *parameters))
        else:
            yield Step(STORE, statements.CHARGE, parameters)


def _end(domain, partner, text):
    address, fate, why = text.split("\n")
    return address, domain, partner, fate, why


def _closed(at, in_day, in_month):
    date = utc(at).date()
    closed = [("day", date, in_day)] if in_day else []
    return [*closed, ("month", date.replace(day=1), in_month)] if in_month else closed
