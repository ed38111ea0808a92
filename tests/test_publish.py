"""Publishing as a person does it in the browser, into a real name server; then what is broken."""

import time

import dns.message
import dns.query
import pytest
from support.odoo_client import OdooError
from support.zone import Zone

DOMAIN = "publish.example"


@pytest.fixture(scope="module")
def zone(state, status):
    return Zone(state, status)


def new_name():
    return f"pub{time.time_ns() % 10**10}.example"


def published(odoo, name):
    return odoo("emboux.dns.published").search_read(
        [("domain_name", "=", name)], ["key", "name", "record_type", "state"]
    )


def publish(odoo, domain, **values):
    """What the button and the dialog do; returns the dialog's fields."""
    wizard = odoo("emboux.domain").action_publish([domain])["res_id"]
    if values:
        odoo("emboux.publish").write([wizard], values)
    odoo("emboux.publish").action_apply([wizard])
    [row] = odoo("emboux.publish").read([wizard], ["state", "kind", "message"])
    return row


@pytest.fixture(scope="module")
def toured(browser, odoo, hosting, zone):
    """A domain published and verified by clicks alone."""
    for line in zone.records(DOMAIN):  # the zone outlives the database of an earlier run
        zone.delete(*line.split()[:2])
    domain, _name = hosting.domain(name=DOMAIN, verified=False)
    browser.tour("emboux_publish", "/odoo/email-domains")
    browser.picture("published")
    return domain


def test_one_button_publishes_and_verifies(toured, odoo, zone):
    [row] = odoo("emboux.domain").read([toured], ["state", "dns_state", "is_published"])
    assert (row["state"], row["dns_state"], row["is_published"]) == ("verified", "ok", True)
    there = zone.records(DOMAIN)
    assert f"{DOMAIN} MX 10 mail.emboux.example." in there
    assert len(there) == len(published(odoo, DOMAIN)) > 5


def warnings(odoo, domain):
    return odoo("mail.activity").search(
        [("res_model", "=", "emboux.domain"), ("res_id", "=", domain),
         ("activity_type_id.name", "=", "Exception")]
    )


def test_a_broken_record_is_reported_and_repaired_by_the_same_button(toured, odoo, zone):
    before = zone.records(DOMAIN)
    zone.delete(DOMAIN, "MX")
    odoo("emboux.domain").action_check_now([toured])
    [row] = odoo("emboux.domain").read([toured], ["dns_state", "activity_ids", "state"])
    assert (row["dns_state"], row["state"]) == ("attention", "verified")
    assert warnings(odoo, toured), "the responsible has something to do"
    told = odoo("mail.message").search_read(
        [("model", "=", "emboux.domain"), ("res_id", "=", toured)], ["body"], limit=1
    )
    assert f"MX {DOMAIN}" in told[0]["body"]
    assert publish(odoo, toured)["kind"] == "success"
    assert zone.records(DOMAIN) == before
    [row] = odoo("emboux.domain").read([toured], ["dns_state"])
    assert row["dns_state"] == "ok"
    assert not warnings(odoo, toured), "mended"


def test_what_somebody_set_by_hand_is_left_alone(odoo, hosting, zone):
    name = new_name()
    theirs = {f"{name} MX 5 elsewhere.example.", f'{name} TXT "v=spf1 mx -all"'}
    zone.set(f'{name}. MX 5 elsewhere.example.\n{name}. TXT "v=spf1 mx -all"\n')
    domain, _name = hosting.domain(name=name, verified=False)
    row = publish(odoo, domain)
    assert row["kind"] == "warning"
    assert theirs <= zone.records(name)
    publish(odoo, domain, confirm_merge=True)
    there = zone.records(name)
    assert f"{name} MX 5 elsewhere.example." in there
    [spf] = [line for line in there if "spf1" in line]
    assert spf == f'{name} TXT "v=spf1 mx a:mail.emboux.example -all"'
    odoo("emboux.domain").unlink([domain])
    assert zone.records(name) == theirs, "what is left is what was there before"
    assert not published(odoo, name)


def test_withdraw(odoo, hosting, zone):
    domain, name = hosting.domain(name=new_name(), verified=False)
    publish(odoo, domain)
    assert zone.records(name)
    wizard = odoo("emboux.domain").action_withdraw([domain])["res_id"]
    odoo("emboux.publish").action_apply([wizard])
    assert not zone.records(name)
    assert not published(odoo, name)


def mx_of(status, name):
    """What a sender's server finds: the MX of a name, as the zone's server answers."""
    query = dns.message.make_query(name, "MX")
    answer = dns.query.udp(query, status["dns"]["host"], port=status["dns"]["port"], timeout=5)
    return [data.to_text() for rrset in answer.answer for data in rrset]


def test_a_wildcard_parents_records_make_mail_to_its_subdomains_arrive(
    odoo, hosting, zone, status, mail
):
    parent, name = hosting.domain(name=new_name(), verified=False)
    publish(odoo, parent)
    odoo("emboux.domain").write([parent], {"is_wildcard": True})
    child, child_name = hosting.domain(name=f"shop.{name}", verified=False)

    def note(domain):
        odoo("emboux.domain").action_check_now([domain])
        [row] = odoo("emboux.domain").read([domain], ["arrival_note", "state", "dns_state"])
        assert row["state"] == "verified"
        return row["arrival_note"] or ""

    assert mx_of(status, child_name) == []
    assert "does not arrive" in note(child) and f"*.{name}" in note(child)
    odoo("emboux.domain").action_check_now([parent])
    [row] = odoo("emboux.domain").read([parent], ["state", "dns_state"])
    assert (row["state"], row["dns_state"]) == ("verified", "attention")

    assert publish(odoo, parent)["kind"] == "success"
    assert {f"*.{name} MX 10 mail.emboux.example.",
            f'*.{name} TXT "v=spf1 a:mail.emboux.example ~all"'} <= zone.records(name)
    assert mx_of(status, child_name) == ["10 mail.emboux.example."]
    assert note(child) == ""
    hosting.mailbox(child, "ann")
    mail.from_outside("someone@outside.example", f"ann@{child_name}", f"for {child_name}")
    mail.arrives(f"ann@{child_name}", hosting.PASSWORD, f"for {child_name}")

    # a name that has any record is not the wildcard's (RFC 4592 2.2.1)
    taken, taken_name = hosting.domain(name=f"site.{name}", verified=False)
    zone.set(f"{taken_name}. A 192.0.2.1\n")
    assert mx_of(status, taken_name) == []
    assert "records of its own" in note(taken)
    publish(odoo, taken)
    assert mx_of(status, taken_name) == ["10 mail.emboux.example."]
    assert note(taken) == ""


def test_a_zone_that_changed_is_shown_anew(odoo, hosting, zone):
    domain, name = hosting.domain(name=new_name(), verified=False)
    wizard = odoo("emboux.domain").action_publish([domain])["res_id"]
    zone.set(f"{name}. MX 5 elsewhere.example.\n")
    odoo("emboux.publish").action_apply([wizard])
    [row] = odoo("emboux.publish").read([wizard], ["state", "message"])
    assert row["state"] == "plan"
    assert "has changed since you looked" in row["message"]
    assert zone.records(name) == {f"{name} MX 5 elsewhere.example."}


def test_two_concurrent_publishers(odoo, hosting, zone, status):
    """Each ends with a result or a sentence, and rows and zone agree."""
    import threading

    domain, name = hosting.domain(name=new_name(), verified=False)
    wizards = [odoo("emboux.domain").action_publish([domain])["res_id"] for _ in range(4)]
    failures = []

    def press(wizard):
        try:
            odoo("emboux.publish").action_apply([wizard])
        except OdooError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=press, args=(wizard,)) for wizard in wizards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not failures
    rows = published(odoo, name)
    assert {row["state"] for row in rows} == {"published"}
    assert len(rows) == len(zone.records(name)) > 5


def test_the_servers_form(browser, odoo):
    [server] = odoo("emboux.dns.server").search([])
    browser.open(f"/odoo/email-dns-servers/{server}", "button[name=action_test]")
    browser.page.click("button[name=action_test]")
    browser.page.wait_for_selector(".o_notification:has-text('The key may change: example')")
    browser.picture("dns_server")
    assert not browser.errors
