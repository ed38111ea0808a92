# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Charging in one statement what nobody else charges at the same time.

The daemon remembers the rows that it wrote last, decides by them, and stores on the condition that
they are still so.  Where they are not (another daemon, Odoo, the queue's agent), or a request has
to be refused, or a window is over, ``ledger.charge`` locks, reads and decides anew.  So what is
remembered may be wrong, and no limit is exceeded by it.  Without it the daemon makes 0.6 of the
decisions a second (tests/benchmarks/RESULTS.md).
"""

import time
from collections import OrderedDict

from . import ledger
from .decision import decide, utc
from .ledger import Facts, subjects_of
from .statements import CHARGE_KNOWN, ONCE, READ, SENT, Step, array, lines

PAUSE = 1.0  # seconds without a try after one that failed: others are at work
NO_LIMIT = 2**31 - 1
NEVER = (-1.0, 0, 0, 0)  # of a subject that has no row yet


class Known:
    """The rows of ``emboux_mail.sent`` as they were written last: bounded, not to be relied on."""

    def __init__(self, largest=300_000):
        self.largest = largest
        self._rows = OrderedDict()  # subject -> (at, in the hour, in the day, in the month)
        self._all_predecessors, self._again = None, 0.0

    def __len__(self):
        return len(self._rows)

    def get(self, subject):
        return self._rows.get(subject)

    def put(self, subject, row):
        self._rows[subject] = row
        if len(self._rows) > self.largest:
            self._rows.popitem(last=False)

    def put_read(self, subjects, rows):
        """These rows (subject, ...) are there; the others of these subjects have never sent.

        What was written meanwhile is newer.
        """
        there = {subject: tuple(row) for subject, *row in rows}
        for subject in subjects:
            if subject not in self._rows:
                self.put(subject, there.get(subject, NEVER))

    def forget(self, subjects):
        """They were not as remembered."""
        self._again = time.monotonic() + PAUSE
        for subject in subjects:
            self._rows.pop(subject, None)

    def clock(self):
        """PostgreSQL's clock (seconds since 1970), None while it is not known or not asked for."""
        if self._all_predecessors is None or time.monotonic() < self._again:
            return None
        return time.time() + self._all_predecessors

    def synchronise(self, clock):
        self._all_predecessors = clock - time.time()

    def learn(self, facts, moment):
        """What ``ledger.charge`` has written."""
        self.synchronise(facts.clock)
        at = moment.timestamp()
        for subject, sums in facts.sums.items():
            if sums.changed:
                self.put(subject, (at, sums.hour, sums.day, sums.month))


def read(settings, known):
    """Read what those have sent of whom that is not known: so that their next message is charged at
    once, also the first of all.  ``settings``: some ``decision.Settings``."""
    subjects = {subject for one in settings for subject in subjects_of(one)}
    if missing := sorted(subject for subject in subjects if known.get(subject) is None):
        known.put_read(missing, (yield Step(READ, SENT, (array(missing),))))


def charge(asks, known):
    """``ledger.charge``, by what is remembered if that will do; returns the decisions."""
    decided = yield from _charge_at_once(asks, known)
    if decided is None:
        decided, facts = yield from ledger.charge(asks)
        known.learn(facts, utc(facts.clock))
    return decided


def _charge_at_once(asks, known):
    """The decisions, all to accept; None: nothing was stored."""
    remembered = _remembered(asks, known)
    if remembered is None:
        return None
    clock, before, check = remembered
    facts = Facts(
        [(1, subject, *row, clock, None) for subject, row in before.items()], clock, (), (), ())
    moment, decided = utc(clock), []
    for place, ask in enumerate(asks):
        verdict = decide(ask.settings, facts.counters(place, ask), ask.request, moment)
        if not verdict.accepted:
            return None
        facts.add(ask)
        decided.append(verdict)
    if any(sums.closed for sums in facts.sums.values()):
        return None
    at = moment.timestamp()
    for subject, sums in facts.sums.items():
        # at once: the next batch is decided while this one is stored
        known.put(subject, (at, sums.hour, sums.day, sums.month))
    rows = yield Step(ONCE, CHARGE_KNOWN, _parameters(at, before, facts, check))
    if rows[0][0] is None:
        known.forget(before)
        return None
    known.synchronise(rows[0][0])
    return decided


def _remembered(asks, known):
    """(clock, rows of the subjects in their order, what to look up), None if one is missing.

    A recipient whose ends are not known may be one of ours: its domain is looked up too.
    """
    clock = known.clock()
    if clock is None:
        return None
    subjects, partners, recipients, outside, most = set(), [], [], set(), NO_LIMIT
    for ask in asks:
        settings = ask.settings
        if settings is None or ask.others:
            return None  # others pay as well
        subjects.update(subjects_of(settings))
        for recipient in ask.expand:
            outside.add(recipient[recipient.rfind("@") + 1:])
        if ask.check:
            most = min(most, settings.loop_limit or NO_LIMIT)
        for recipient, _pair in ask.check:
            partners.append(settings.partner_id)
            recipients.append(recipient)
    before = {subject: known.get(subject) for subject in sorted(subjects)}
    if None in before.values():
        return None
    latest = max(row[0] for row in before.values())
    if latest > clock + ledger.SKEW:
        return None
    return max(clock, latest), before, (
        most, array(partners), lines(recipients), lines(outside))


def _parameters(at, before, facts, check):
    ats, hours, days, months = zip(*before.values(), strict=True)
    sums = [facts.sums[subject] for subject in before]
    pairs = sorted(facts.charged.items())
    return (
        at, array(list(before)), array(list(ats)), array(list(hours)), array(list(days)),
        array(list(months)), array([s.hour for s in sums]), array([s.day for s in sums]),
        array([s.month for s in sums]), int(facts.clock) // 3600,
        array([pair for pair, _times in pairs]), array([times for _pair, times in pairs]), *check)
