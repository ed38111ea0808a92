"""Counting in PostgreSQL: windows by the clock, whole transactions, nothing too much or lost."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg2
import pytest
from emboux_daemons.policy import known as known_module
from emboux_daemons.policy.cursor import drive
from emboux_daemons.policy.decision import DATA, RCPT
from emboux_daemons.policy.known import Known
from emboux_daemons.policy.ledger import charge, load_domain, load_settings, look
from hypothesis import HealthCheck, given
from hypothesis import settings as checking
from hypothesis import strategies as st
from support.policy_asks import NOW, message, rules

# -- one after the other -----------------------------------------------------------------


def test_a_batch_is_decided_one_after_the_other(ledger, settings, stored):
    limited = settings(daily=10)
    assert rules(ledger, [message(limited, n) for n in (4, 4, 4, 2, 1)]) == [
        "ok", "ok", "hourly", "ok", "hourly"]
    assert stored(limited.domain_id) == (10, 10, 10)
    assert rules(ledger, [message(limited)]) == ["hourly"]
    assert stored(limited.domain_id) == (10, 10, 10)


def test_a_mailbox_is_counted_where_it_has_a_limit(ledger, settings, stored):
    free, limited = settings(), settings(mailbox_daily=2)
    assert rules(ledger, [message(free), message(limited), message(limited, 2)]) == [
        "ok", "ok", "mailbox_daily"]
    assert stored(-free.mailbox_id) is None
    assert stored(-limited.mailbox_id) == stored(limited.domain_id) == (1, 1, 1)


def test_messages_and_what_is_only_watched_are_counted(ledger, settings, stored):
    watched = settings(daily=1, enforcement="monitor")
    assert rules(ledger, [message(watched, 5), message(watched, 5)]) == ["hourly", "hourly"]
    assert stored(watched.domain_id) == (10, 10, 10)
    off = settings(daily=1, enforcement="off")
    assert rules(ledger, [message(off, 5), message(off, 5)]) == ["ok", "ok"]
    assert stored(off.domain_id) == (10, 10, 10)
    counted = settings(unit="messages")
    rules(ledger, [message(counted, 5), message(counted, 5)])
    assert stored(counted.domain_id) == (2, 2, 2)


def test_looking_charges_nothing(ledger, settings, stored):
    limited = settings(daily=10)
    rules(ledger, [message(limited, 6)])
    for stage, n, rule in ((DATA, 4, ""), (DATA, 5, "hourly"), (RCPT, 0, "")):
        [verdict], _facts = ledger(look([message(limited, n, stage)], NOW))
        assert verdict.rule == rule
    assert stored(limited.domain_id) == (6, 6, 6)


# -- the windows -------------------------------------------------------------------------


@pytest.mark.parametrize(("then", "used"), [
    (datetime(2026, 11, 25, 13, 59, 59, 999999, tzinfo=UTC), (7, 7, 7)),
    (datetime(2026, 11, 25, 14, 0, tzinfo=UTC), (1, 7, 7)),
    (datetime(2026, 11, 26, 13, 37, tzinfo=UTC), (1, 1, 7)),
    (datetime(2026, 12, 1, 0, 0, tzinfo=UTC), (1, 1, 1)),
    (datetime(2027, 11, 25, 13, 37, 12, tzinfo=UTC), (1, 1, 1)),
])
def test_windows_begin_by_the_clock(ledger, settings, stored, then, used):
    limited = settings(daily=10**6)
    rules(ledger, [message(limited, 6)])
    assert rules(ledger, [message(limited)], then) == ["ok"]
    assert stored(limited.domain_id) == used


def test_a_clock_that_is_a_little_behind_counts_into_the_window_that_began(ledger, settings,
                                                                           stored):
    limited, midnight = settings(daily=10), datetime(2026, 11, 26, tzinfo=UTC)
    rules(ledger, [message(limited, 6)], midnight + timedelta(seconds=1))
    assert rules(ledger, [message(limited, 5)], midnight - timedelta(seconds=1)) == ["hourly"]
    assert rules(ledger, [message(limited, 4)], midnight - timedelta(seconds=1)) == ["ok"]
    assert rules(ledger, [message(limited, 1)], midnight + timedelta(seconds=2)) == ["hourly"]
    assert stored(limited.domain_id) == (10, 10, 10)


def history(connect, domain):
    cursor = connect("odoo").cursor()
    cursor.execute("""SELECT "window", since, recipients, frozen FROM emboux_outbound_count
                       WHERE domain_id = %s ORDER BY 1, 2""", [domain])
    return cursor.fetchall()


def test_days_and_months_that_are_over_go_to_the_history(ledger, settings, hosting, connect):
    domain, name = hosting.domain("hist", verified=False)
    mine = settings(domain_id=domain, domain=name, mailbox_daily=100)
    rules(ledger, [message(mine, 3)], NOW - timedelta(days=1))
    assert history(connect, domain) == []
    rules(ledger, [message(mine, 4)])
    day = ("day", date(2026, 11, 24), 3, False)
    assert history(connect, domain) == [day]
    rules(ledger, [message(mine, 5)])
    assert history(connect, domain) == [day]
    rules(ledger, [message(mine, 1)], datetime(2026, 12, 3, tzinfo=UTC))
    assert history(connect, domain) == [
        day, ("day", date(2026, 11, 25), 9, False), ("month", date(2026, 11, 1), 12, False)]


@pytest.fixture
def history_kept(odoo):
    """The world's own job, which forgets days that are over a week old, rests."""
    [job] = odoo("ir.model.data").search_read(
        [("module", "=", "emboux_mail_api"), ("name", "=", "ir_cron_close_outbound_windows")],
        ["res_id"])
    odoo("ir.cron").write([job["res_id"]], {"active": False})
    yield
    odoo("ir.cron").write([job["res_id"]], {"active": True})


def test_windows_of_those_who_stopped_are_closed_once(
    ledger, settings, hosting, connect, stored, history_kept
):
    domain, name = hosting.domain("stop", verified=False)
    mine = settings(domain_id=domain, domain=name, mailbox_daily=100)
    rules(ledger, [message(mine, 3)], datetime(2026, 10, 31, 12, tzinfo=UTC))
    close, later = connect("odoo").cursor(), datetime(2026, 11, 3, tzinfo=UTC)
    for _ in range(2):
        close.execute("SELECT emboux_mail.close_windows(%s)", [later])
        assert history(connect, domain) == [
            ("day", date(2026, 10, 31), 3, False), ("month", date(2026, 10, 1), 3, False)]
        assert stored(domain) == (0, 0, 0)
    rules(ledger, [message(mine, 2)], datetime(2026, 11, 4, tzinfo=UTC))
    close.execute("SELECT emboux_mail.close_windows(%s)", [datetime(2026, 11, 5, tzinfo=UTC)])
    assert history(connect, domain) == [
        ("day", date(2026, 10, 31), 3, False), ("day", date(2026, 11, 4), 2, False),
        ("month", date(2026, 10, 1), 3, False)]
    assert stored(domain) == (0, 0, 2)


def test_a_deleted_domain_stops_nobody_and_leaves_nothing(ledger, settings, odoo, hosting, stored):
    domain, name = hosting.domain("gone", verified=False)
    mine, other = settings(domain_id=domain, domain=name), settings()
    rules(ledger, [message(mine), message(other)], NOW - timedelta(days=1))
    odoo("emboux.domain").unlink([domain])
    assert stored(domain) is None
    assert rules(ledger, [message(mine), message(other)]) == ["ok", "ok"]
    assert rules(ledger, [message(mine), message(other)], NOW + timedelta(days=1)) == ["ok", "ok"]


# -- recipients --------------------------------------------------------------------------


def test_a_pair_is_counted_by_the_hour(ledger, settings):
    brake, to = settings(loop_limit=3), ("bob@else.example",)
    asks = [message(brake, to=to)] * 4
    assert rules(ledger, asks) == ["ok", "ok", "ok", "loop"]
    assert rules(ledger, [message(brake, to=("carl@else.example",))]) == ["ok"]
    assert rules(ledger, [message(brake, 2, to=("x@else.example", "bob@else.example"))]) == ["loop"]
    assert rules(ledger, asks[:2], NOW + timedelta(hours=1)) == ["ok", "ok"]
    [verdict], _facts = ledger(look([message(brake, 0, RCPT, to)], NOW))
    assert (verdict.rule, verdict.used) == ("loop", 3)


def test_a_suppressed_recipient_refuses_the_message(ledger, settings, odoo, stored):
    name = settings().domain
    odoo("emboux.suppression").create([
        {"email": f"gone@{name}", "reason": "bounce"},
        {"email": f"old@{name}", "expires_at": "2020-01-01 00:00:00"},
        {"email": f"tag+x@{name}", "reason": "complaint"}])
    mine = settings()
    for recipient, rule in ((f"gone@{name}", "suppressed"), (f"gone+x@{name}", "suppressed"),
                            (f"old@{name}", "ok"), (f"tag+x@{name}", "suppressed"),
                            (f"tag@{name}", "ok"), (f"gonex@{name}", "ok"), ("", "ok"),
                            ("'; DROP TABLE x; --@{y}", "ok")):
        assert rules(ledger, [message(mine, to=(recipient,))]) == [rule], recipient
    assert rules(ledger, [message(mine, 2, to=(f"ok@{name}", f"gone@{name}")), message(mine)]) == [
        "suppressed", "ok"]
    assert stored(mine.domain_id) == (6, 6, 6)


# -- settings ----------------------------------------------------------------------------


def test_a_subdomain_has_limits_of_its_own_and_its_parents_enforcement(ledger, hosting, odoo):
    domains = odoo("emboux.domain")
    parent, name = hosting.domain("par", verified=False, state="verified", is_wildcard=True)
    child = domains.create({"name": f"sub.{name}", "backend_id": hosting.backend})
    hosting.mailbox(child, "ann", outbound_daily_limit=7)
    domains.write([parent], {
        "outbound_daily_limit": 900, "outbound_enforcement": "monitor",
        "outbound_mailbox_monthly_limit": 70, "outbound_spike_multiplier": 3})
    domains.write([child], {"outbound_daily_limit": 5, "outbound_spike_multiplier": 9})
    login = f"ann@sub.{name}"

    def loaded():
        return ledger(load_settings([login, "nobody@else.example"]))[login]

    found = loaded()
    assert (found.daily, found.enforcement, found.spike_multiplier) == (5, "monitor", 9.0)
    assert (found.mailbox_daily, found.mailbox_monthly) == (7, 0)
    assert (found.domain_id, found.parent_id) == (child, parent)
    assert ledger(load_domain(child)) == replace(found, login="", mailbox_id=0, mailbox_daily=0,
                                                 mailbox_monthly=0)
    domains.write([child], {"outbound_inherit": False})
    assert (loaded().daily, loaded().enforcement) == (5, "enforce")
    domains.write([parent], {"outbound_status": "blocked"})
    assert loaded().blocked == name
    domains.write([parent], {"outbound_status": "open", "state": "suspended"})
    assert loaded().suspended == name
    domains.write([parent], {"state": "pending"})
    assert (loaded().suspended, loaded().unverified) == (None, name)


def test_what_was_counted_belongs_to_owner_and_name(ledger, hosting, odoo, stored):
    """Deleted and added again: the day goes on, for the domain and for the mailbox."""
    domain, name = hosting.domain("back", state="verified", verified=False)
    login = f"ann@{name}"

    def send(count):
        [found] = ledger(load_settings([login])).values()
        return rules(ledger, [message(found, count)], now=None)

    box = hosting.mailbox(domain, "ann", outbound_daily_limit=5)
    assert send(5) == ["ok"]
    odoo("emboux.mailbox").write([box], {"active": False})
    odoo("emboux.mailbox").unlink([box])
    hosting.mailbox(domain, "ann")
    assert send(1) == ["mailbox_daily"]
    box = odoo("emboux.mailbox").search([("email", "=", login)])
    odoo("emboux.mailbox").write(box, {"active": False})
    odoo("emboux.mailbox").unlink(box)
    odoo("emboux.domain").unlink([domain])
    assert stored(domain) is None
    again, _name = hosting.domain(name=name, state="verified", verified=False)
    assert stored(again)[1:] == (5, 5)
    hosting.mailbox(again, "ann")
    assert send(1) == ["mailbox_daily"]


def test_the_usual_day_is_the_mean_of_the_last_seven_with_mail(ledger, hosting, connect, settings):
    domain, name = hosting.domain("usual", verified=False, state="verified")
    hosting.mailbox(domain, "ann")
    cursor, today = connect("odoo").cursor(), datetime.now(UTC).date()

    def usual():
        return ledger(load_settings([f"ann@{name}"]))[f"ann@{name}"].usual

    assert usual() is None
    for age in (2, 4, 5, 6, 7, 9, 10, 11):
        cursor.execute("""INSERT INTO emboux_outbound_count
                                 (domain_id, "window", since, recipients, frozen)
                          VALUES (%s, 'day', %s, %s, false)""",
                       [domain, today - timedelta(age), 100 * age])
    assert usual() == pytest.approx(100 * (2 + 4 + 5 + 6 + 7 + 9 + 10) / 7)
    # the last day is in the ledger until the domain sends again
    mine = settings(domain_id=domain, domain=name)
    rules(ledger, [message(mine, 30)], datetime.now(UTC) - timedelta(days=1))
    assert usual() == pytest.approx((30 + 100 * (2 + 4 + 5 + 6 + 7 + 9)) / 7)
    ledger(charge([message(mine, 5)]))
    assert usual() == pytest.approx((30 + 100 * (2 + 4 + 5 + 6 + 7 + 9)) / 7)


# -- many at once ------------------------------------------------------------------------

_BATCH = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=1, max_size=8)


@checking(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workers=st.lists(st.lists(_BATCH, min_size=1, max_size=5), min_size=2, max_size=4),
       limits=st.tuples(st.integers(1, 60), st.integers(1, 60)), own=st.integers(0, 30),
       forgetful=st.integers(0, 2))
def test_any_interleaving_lets_pass_exactly_what_the_limits_allow(
        state, status, settings, stored, workers, limits, own, forgetful):
    """Several ledgers at once, each with batches for two domains; some remember, some do not."""
    senders = [settings(daily=limit, mailbox_daily=own) for limit in limits]
    accepted, refused, failures = Counter(), [], []

    def work(batches, known):
        connection = psycopg2.connect(
            host="127.0.0.1", port=status["postgres"]["port"], dbname=status["postgres"]["db"],
            user="emboux_policy", password=state.secret("emboux_policy"))
        try:
            for batch in batches:
                asks = [message(senders[place], n) for place, n in batch]
                with connection, connection.cursor() as cursor:
                    if known:
                        known._again = 0.0  # try each time, however often it fails
                        decided = drive(known_module.charge(asks, known), cursor)
                    else:
                        decided, _facts = drive(charge(asks), cursor)
                for (place, n), verdict in zip(batch, decided, strict=True):
                    if verdict.accepted:
                        accepted[place] += n
                    else:
                        refused.append((place, n))
        except psycopg2.Error as error:
            failures.append(error)
        finally:
            connection.close()

    memories = [Known() if place >= forgetful else None for place in range(len(workers))]
    threads = [threading.Thread(target=work, args=given)
               for given in zip(workers, memories, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for place, sender in enumerate(senders):
        limit = min(limits[place], own or limits[place])
        assert accepted[place] <= limit, "never more than the limit"
        used = stored(sender.domain_id)
        assert (used or (0, 0, 0)) == (accepted[place],) * 3, "counters equal what was accepted"
        if own and used:
            assert stored(-sender.mailbox_id) == used
        for number, n in refused:
            # what was used only grew since: it did not fit then either way
            assert number != place or accepted[place] + n > limit, "never fewer than possible"
