"""What the operator does with a customer in the browser, and what the mail servers make of it."""

import pytest

OUTSIDE = "ann@outside.tests.example"
BOX = "info@tour-one.example"


@pytest.fixture(scope="module")
def customers(odoo, hosting):
    """Two customers of a plan; the first one's domain receives and sends. Returns their ids."""
    product = odoo("product.product").create({"name": "Mail", "type": "service"})
    plan = odoo("emboux.plan").create(
        {"name": "Tour World", "product_id": product, "trial_days": 0, "price": 9})
    found = {}
    for name in ("Tour Customer", "Tour Heir"):
        partner = odoo("res.partner").create({"name": name, "email": f"{name[5:]}@outside.example"})
        found[name] = partner, odoo("emboux.customer").create(
            {"partner_id": partner, "plan_id": plan})
    domain, _name = hosting.domain(name="tour-one.example",
                                   partner_id=found["Tour Customer"][0])
    hosting.mailbox(domain, "info")
    return found, domain


def test_suspended_and_activated(customers, browser, mail, hosting, odoo):
    found, domain = customers
    mail.from_outside(OUTSIDE, BOX, "before")
    mail.arrives(BOX, hosting.PASSWORD, "before")
    browser.tour("emboux_suspend_customer", "/odoo/email-customers")
    browser.picture("customer_suspended")
    assert not mail.can_login(BOX, hosting.PASSWORD)
    with pytest.raises(Exception, match="suspended"):
        mail.from_outside(OUTSIDE, BOX, "meanwhile")
    browser.tour("emboux_activate_customer", "/odoo/email-customers")
    assert mail.subjects(BOX, hosting.PASSWORD) == ["before"]
    mail.from_outside(OUTSIDE, BOX, "after")
    mail.arrives(BOX, hosting.PASSWORD, "after")
    mail.submit(BOX, hosting.PASSWORD, OUTSIDE, "sent after the pause")
    mail.outside("sent after the pause")
    told = odoo("emboux.notice").search_read(
        [("customer_id", "=", found["Tour Customer"][1])], ["kind"])
    assert {row["kind"] for row in told} >= {"suspended", "activated"}


def test_handed_over_and_its_mail_stays(customers, browser, mail, hosting, odoo):
    found, domain = customers
    browser.tour("emboux_key_for_customer", "/odoo/email-customers")
    browser.tour("emboux_transfer_domain", "/odoo/email-domains")
    browser.picture("domain_transferred")
    [row] = odoo("emboux.domain").read([domain], ["partner_id", "state"])
    assert (row["partner_id"][0], row["state"]) == (found["Tour Heir"][0], "verified")
    assert "before" in mail.subjects(BOX, hosting.PASSWORD), "with the password it had"
    mail.from_outside(OUTSIDE, BOX, "to the heir")
    mail.arrives(BOX, hosting.PASSWORD, "to the heir")
