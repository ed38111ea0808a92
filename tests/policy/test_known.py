"""Charging in one statement by cached counters, and noticing when they are stale."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from emboux_daemons.policy import known as known_module
from emboux_daemons.policy.known import Known
from support.policy_asks import message, rules


@pytest.fixture
def remembered(ledger):
    """Charge by a memory; returns the rules and the kinds of the statements that it took."""

    def run(known, *asks):
        kinds = []

        def steps():
            made, rows = known_module.charge(list(asks), known), None
            while True:
                try:
                    step = made.send(rows)
                except StopIteration as end:
                    return end.value
                kinds.append(step.kind)
                rows = yield step

        return [verdict.rule or "ok" for verdict in ledger(steps())], kinds

    return run


def test_cached_counters_are_charged_in_one_statement(remembered, settings, stored):
    known, mine = Known(), settings(daily=10, mailbox_daily=10, loop_limit=3)
    assert remembered(known, message(mine, 2))[1] == ["lock", "add", "lock", "store"]
    to = message(mine, 3, to=("ben@elsewhere.example",))
    assert remembered(known, to) == (["ok"], ["once"])
    assert remembered(known, message(mine, 1), message(mine, 1)) == (["ok", "ok"], ["once"])
    assert stored(mine.domain_id) == stored(-mine.mailbox_id) == (7, 7, 7)
    # the last that fits, the first that does not; what is refused is decided with the row locked
    assert remembered(known, message(mine, 3)) == (["ok"], ["once"])
    assert remembered(known, message(mine, 1)) == (["hourly"], ["lock", "release"])
    assert stored(mine.domain_id) == (10, 10, 10)


@pytest.fixture
def read(ledger):
    """What a daemon knows that has just read this from the database."""

    def made(*settings):
        known = Known()
        known.synchronise(time.time())
        ledger(known_module.read(settings, known))
        return known

    return made


def test_what_was_read_is_charged_in_one_statement(remembered, read, settings, stored):
    mine, other = settings(daily=10, mailbox_daily=9), settings(daily=10)
    known = read(mine)
    both = message(mine, 2), message(mine, 3)
    assert remembered(known, *both) == (["ok", "ok"], ["once"]), "the first that they send"
    assert stored(mine.domain_id) == stored(-mine.mailbox_id) == (5, 5, 5)
    known = read(mine, other)
    assert remembered(known, message(mine, 4), message(other, 1)) == (["ok", "ok"], ["once"])
    assert (stored(mine.domain_id), stored(other.domain_id)) == ((9, 9, 9), (1, 1, 1))
    assert remembered(known, message(mine, 1)) == (["mailbox_daily"], ["lock", "release"])


def test_a_first_charge_by_another_daemon_is_detected(
        ledger, remembered, read, settings, stored):
    mine, other = settings(daily=10), settings(daily=10)
    known = read(mine, other)
    assert rules(ledger, [message(mine, 7)], datetime.now(UTC)) == ["ok"]
    decided, kinds = remembered(known, message(other, 1), message(mine, 4))
    assert (decided, kinds) == (
        ["ok", "hourly"], ["once", "lock", "add", "lock", "store"]), "nothing of it was kept"
    assert (stored(mine.domain_id), stored(other.domain_id)) == ((7, 7, 7), (1, 1, 1))


def test_what_was_written_meanwhile_is_not_forgotten_for_what_was_read(settings):
    known = Known()
    known.put(7, (5.0, 1, 1, 1))
    known.put_read([7, 8], [(7, 4.0, 0, 0, 0)])
    assert (known.get(7), known.get(8)) == ((5.0, 1, 1, 1), known_module.NEVER)


def test_concurrent_charges_are_detected(
        ledger, remembered, settings, stored):
    known, mine = Known(), settings(daily=10)
    remembered(known, message(mine, 2))
    assert rules(ledger, [message(mine, 7)], datetime.now(UTC)) == ["ok"]
    decided, kinds = remembered(known, message(mine, 2))
    assert (decided, kinds) == (["hourly"], ["once", "lock", "release"])
    assert stored(mine.domain_id) == (9, 9, 9)
    # others are at work: it is not tried again for a while
    assert remembered(known, message(mine, 1)) == (["ok"], ["lock", "store"])
    known._again = 0.0
    assert remembered(known, message(mine, 1))[0] == ["hourly"]


def test_a_suppressed_recipient_bypasses_the_cache(
        remembered, settings, stored, connect):
    known, mine = Known(), settings(loop_limit=9)
    remembered(known, message(mine))
    connect("odoo").cursor().execute(
        """INSERT INTO emboux_suppression (email, hash, reason)
           VALUES (%s, emboux_mail.address_hash(%s), 'bounce')""",
        ["dead@remembered.example"] * 2)
    decided, kinds = remembered(
        known, message(mine, to=("ben@remembered.example",)),
        message(mine, to=("dead@remembered.example",)))
    assert (decided, kinds) == (["ok", "suppressed"], ["once", "lock", "store"])
    assert stored(mine.domain_id) == (2, 2, 2)


def test_the_loop_brake_bypasses_the_cache(remembered, settings, stored):
    known, mine = Known(), settings(loop_limit=3)
    loop = message(mine, to=("echo@elsewhere.example",))
    remembered(known, message(mine))
    assert remembered(known, loop, loop) == (["ok", "ok"], ["once"])
    assert remembered(known, loop) == (["ok"], ["once"])
    assert remembered(known, loop) == (["loop"], ["once", "lock", "release"])
    assert stored(mine.domain_id) == (4, 4, 4)


def test_a_new_day_bypasses_the_cache(
        ledger, remembered, settings, stored):
    known, mine = Known(), settings(daily=10)
    remembered(known, message(mine, 1))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    other = settings(daily=10)
    assert rules(ledger, [message(other, 9)], yesterday) == ["ok"]
    known.put(other.domain_id, (yesterday.timestamp(), 9, 9, 9))
    assert remembered(known, message(other, 2)) == (["ok"], ["lock", "read", "store"])
    assert stored(other.domain_id)[:2] == (2, 2)


def test_a_full_cache_evicts_the_oldest(remembered, settings):
    known = Known(largest=2)
    for number in range(3):
        known.put(number, (0.0, 0, 0, 0))
    assert (len(known), known.get(0), known.get(2)) == (2, None, (0.0, 0, 0, 0))
