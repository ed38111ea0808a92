"""The nightly count on the running platform: by the feed of what was committed, and again."""

import time

import pytest

USAGE = ["domain_name", "has_domain", "mailboxes", "messages"]


@pytest.fixture
def count(odoo):
    """Run the nightly job now, as the scheduler does."""
    [job] = odoo("ir.model.data").search_read(
        [("module", "=", "emboux_saas"), ("name", "=", "ir_cron_count_usage")], ["res_id"])

    def count():
        odoo("ir.cron").method_direct_trigger([job["res_id"]])

    return count


@pytest.fixture
def customer(odoo):
    """Makes customers; returns (customer's id, partner's id)."""

    def customer():
        partner = odoo("res.partner").create({"name": f"Billed {time.time_ns()}"})
        return odoo("emboux.customer").create({"partner_id": partner}), partner

    return customer


def usage(odoo, customer):
    rows = odoo("emboux.usage").search_read(
        [("customer_id", "=", customer)], USAGE, order="domain_name, day")
    return [tuple(row[name] for name in USAGE) for row in rows]


def test_night_counts_what_changed_and_once(odoo, hosting, customer, count):
    number, partner = customer()
    domain, name = hosting.domain("billed", verified=False, partner_id=partner)
    hosting.mailbox(domain, "ann")
    count()
    assert usage(odoo, number) == [(name, True, 1, 0)]
    box = hosting.mailbox(domain, "bob")
    count()
    count()
    assert usage(odoo, number) == [(name, True, 2, 0)], "one row for a day"
    odoo("emboux.mailbox").unlink([box])
    count()
    assert usage(odoo, number) == [(name, True, 1, 0)]


def test_domain_that_is_given_away_or_deleted(odoo, hosting, customer, count):
    (one, partner), (other, heir) = customer(), customer()
    domain, name = hosting.domain("given", verified=False, partner_id=partner)
    count()
    odoo("emboux.domain").write([domain], {"partner_id": heir})
    assert usage(odoo, one) == [(name, False, 0, 0)], "at once, not at night"
    assert usage(odoo, other) == [(name, True, 0, 0)]
    count()
    odoo("emboux.domain").unlink([domain])
    count()
    assert usage(odoo, one) == usage(odoo, other) == [(name, False, 0, 0)]


def test_night_of_a_thousand_mailboxes_and_of_one(odoo, hosting, customer, count, connect):
    """What has not changed is not looked at: the job writes no row of it and reads none."""
    number, partner = customer()
    domain, name = hosting.domain("many", verified=False, partner_id=partner)
    odoo("emboux.mailbox").create(
        [{"domain_id": domain, "local_part": f"n{box}"} for box in range(1000)])
    count()
    assert usage(odoo, number) == [(name, True, 1000, 0)]
    cursor = connect("odoo").cursor()
    cursor.execute("SELECT ctid::text, xmin::text FROM emboux_usage WHERE customer_id = %s",
                   [number])
    before = cursor.fetchall()
    count()
    cursor.execute("SELECT ctid::text, xmin::text FROM emboux_usage WHERE customer_id = %s",
                   [number])
    assert cursor.fetchall() == before
