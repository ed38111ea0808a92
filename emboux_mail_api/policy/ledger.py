"""What was sent, in PostgreSQL: looking it up, and charging it in one transaction.

Generators that do no I/O: they yield a ``Step`` and get its rows.  So there is one
implementation, whoever drives it: the daemon, Odoo's transaction, or a test.

Exactness: ``charge`` locks the rows of all subjects first, in their order, decides one request
after the other on these figures, and writes them back before the transaction ends.  Whoever
charges the same subjects waits meanwhile, on whatever machine he is.
"""

from calendar import timegm
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from . import decision, statements
from .decision import Counters, Settings, Used, amount, decide, utc
from .statements import ADD, LOCK, READ, RELEASE, STORE, Step, array, lines

#: Seconds by which a row may be ahead of the clock: a daemon that took the lock later may have
#: read the clock earlier.  What is further ahead was written by a wrong clock.
SKEW = 600


class Ask(NamedTuple):
    """One request to be decided, with what the decision needs to be looked up.

    ``check``: recipients to look up (suppressed? how often in this hour?), each with its
    ``pair_hash``.  ``pairs``: such hashes that are charged when the message is accepted.
    """

    settings: Settings
    request: decision.Request
    check: tuple[tuple[str, int], ...] = ()
    pairs: tuple[int, ...] = ()


@dataclass(slots=True)
class _Sums:
    """The figures of one subject while a batch is decided."""

    hour: int
    day: int
    month: int
    changed: bool = False
    closed: list = field(default_factory=list)  # windows that are over: (what, since, count)


def pair_hash(sender, recipient):
    """64 bits that stand for a login and a recipient, signed as PostgreSQL's bigint."""
    digest = blake2b(f"{sender}\0{recipient}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def load_settings(logins):
    """Login to ``Settings``, for those that are known."""
    rows = yield Step(READ, statements.SETTINGS, (sorted(set(logins)),))
    return {row[0]: Settings(*row) for row in rows}


def load_domain(domain_id):
    """The ``Settings`` of a domain without a login, or None."""
    rows = yield Step(READ, statements.DOMAIN_SETTINGS, (domain_id,))
    return Settings(*rows[0]) if rows else None


def look(asks, now=None):
    """Decide without charging anything; returns the decisions and the ``Facts``."""
    facts, moment = yield from _facts(READ, statements.LOOK, asks, now)
    return [decide(ask.settings, facts.counters(place, ask), ask.request, moment)
            for place, ask in enumerate(asks)], facts


def charge(asks, now=None):
    """Decide and count, in one transaction; returns the decisions and the ``Facts`` afterwards.

    ``now`` is the aware UTC time; None takes PostgreSQL's clock, which all daemons share.
    """
    facts, moment = yield from _facts(LOCK, statements.LOCK_FACTS, asks, now)
    decided = []
    for place, ask in enumerate(asks):
        verdict = decide(ask.settings, facts.counters(place, ask), ask.request, moment)
        if verdict.accepted:
            facts.add(ask)
        decided.append(verdict)
    yield from facts.store(moment)
    return decided, facts


def subjects_of(settings):
    """The keys of the rows that a message of these settings charges."""
    if settings.counts_mailbox:
        return (settings.domain_id, -settings.mailbox_id)
    return (settings.domain_id,)


def _facts(kind, statement, asks, now):
    """Look up (and lock) all that the requests need; returns ``Facts`` and the moment."""
    subjects, hashes, partners, recipients, places = set(), set(), [], [], []
    for place, ask in enumerate(asks):
        if ask.request.stage != decision.RCPT:  # where no limit is looked at
            subjects.update(subjects_of(ask.settings))
        for recipient, pair in ask.check:
            places.append(place)
            partners.append(ask.settings.partner_id)
            recipients.append(recipient)
            if ask.settings.loop_limit:
                hashes.add(pair)
    clock = now.timestamp() if now else None
    while True:
        hour = int(clock if clock is not None else _local_clock()) // 3600
        rows = yield Step(kind, statement, (
            array(sorted(subjects)), hour, array(list(hashes)), array(partners),
            lines(recipients)))
        missing = subjects.difference(row[1] for row in rows if row[0] == 1)
        if not missing or kind == READ:
            break
        yield Step(ADD, statements.ADD_SUBJECTS, (array(sorted(missing)),))
    if clock is None:
        clock = max((row[6] for row in rows if row[0] == 1), default=_local_clock())
    ahead = [row[2] for row in rows if row[0] == 1 and clock < row[2] <= clock + SKEW]
    clock = max([clock, *ahead])
    return Facts(rows, clock, asks, places, recipients), utc(clock)


def _local_clock():
    """For what need not be the same everywhere: the hour of a loop, a look without subjects."""
    return datetime.now(decision.UTC).timestamp()


class Facts:
    """The rows of one look-up, and what the decisions of this batch have added to them."""

    def __init__(self, rows, clock, asks, places, recipients):
        self.clock = clock
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
            else:
                self.suppressed.setdefault(places[key - 1], (recipients[key - 1], why))

    def counters(self, place, ask):
        settings = ask.settings
        own = self.used(-settings.mailbox_id) if settings.counts_mailbox else decision.NOTHING
        return Counters(self.used(settings.domain_id), own, self.suppressed.get(place),
                        self._worst_pair(ask) if ask.check and settings.loop_limit else None)

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

    def add(self, ask):
        """Count one message that was accepted."""
        settings = ask.settings
        count = amount(settings, ask.request)
        for subject in subjects_of(settings):
            sums = self.sums[subject]
            sums.hour += count
            sums.day += count
            sums.month += count
            sums.changed = True
        if settings.loop_limit:
            for pair in ask.pairs:
                self.charged[pair] = self.charged.get(pair, 0) + 1
                self.pairs[pair] = self.pairs.get(pair, 0) + 1

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


def _closed(at, in_day, in_month):
    date = utc(at).date()
    closed = [("day", date, in_day)] if in_day else []
    return [*closed, ("month", date.replace(day=1), in_month)] if in_month else closed
