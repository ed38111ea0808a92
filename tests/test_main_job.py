"""The main job, as a person does it in the browser, and then whether the mail really flows."""

import dkim
import pytest
from support.browser import Browser
from support.zone import txt_of

DOMAIN, OFFICE, PASSWORD = "tour.example", "office@tour.example", "tour password 1"


@pytest.fixture(scope="module")
def browser(status, state):
    browser = Browser(status, state.path("pictures"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def toured(browser, status, odoo, hosting):
    """A domain, a mailbox with catch-all and an alias, all made by clicks."""
    browser.log_in(status["odoo"]["login"], status["odoo"]["password"])
    browser.tour("emboux_add_domain", "/odoo/email-domains")
    [domain] = odoo("emboux.domain").search([("name", "=", DOMAIN)])
    hosting.publish(domain)
    browser.tour("emboux_check_domain", "/odoo/email-domains")
    browser.picture("domain_verified")
    browser.tour("emboux_add_mailbox", "/odoo/mailboxes")
    browser.tour("emboux_add_alias", "/odoo/email-aliases")
    return domain


@pytest.fixture(scope="module")
def outgoing(toured, browser, odoo):
    """Odoo's outgoing server, made with one click; returns its id."""
    browser.tour("emboux_outgoing_server", "/odoo/mailboxes")
    browser.picture("mailbox")
    [mailbox] = odoo("emboux.mailbox").search_read(
        [("email", "=", OFFICE)], ["mail_server_ids", "send_as"]
    )
    assert mailbox["send_as"] == "domain"
    return mailbox["mail_server_ids"][0]


def test_domain_is_verified_by_its_dns(toured, odoo):
    [row] = odoo("emboux.domain").read([toured], ["state", "dns_state", "check_message"])
    assert (row["state"], row["dns_state"]) == ("verified", "ok")
    assert "127.0.0.1" in row["check_message"]


def test_mail_from_outside_reaches_mailbox_alias_and_catch_all(toured, mail):
    for local_part in ("office", "sales", "no-such-person", "office+tag"):
        mail.from_outside("ann@outside.tests.example", f"{local_part}@{DOMAIN}",
                          f"to {local_part}")
    for local_part in ("office", "sales", "no-such-person", "office+tag"):
        mail.arrives(OFFICE, PASSWORD, f"to {local_part}")


def test_catch_all_does_not_steal(toured, mail, hosting):
    hosting.mailbox(toured, "bob")
    mail.from_outside("ann@outside.tests.example", f"bob@{DOMAIN}", "for bob alone")
    mail.arrives(f"bob@{DOMAIN}", hosting.PASSWORD, "for bob alone")
    assert "for bob alone" not in mail.subjects(OFFICE, PASSWORD)


def test_odoo_sends_through_the_new_server_and_it_is_signed(outgoing, odoo, mail, status):
    mail_id = odoo("mail.mail").create(
        {
            "subject": "sent by Odoo",
            "body_html": "<p>Good morning</p>",
            "email_from": f"invoices@{DOMAIN}",
            "email_to": "customer@outside.tests.example",
            "mail_server_id": outgoing,
            "auto_delete": False,
        }
    )
    odoo("mail.mail").send([mail_id])
    [row] = odoo("mail.mail").read([mail_id], ["state", "failure_reason"])
    assert row["state"] == "sent", row
    raw = mail.outside("sent by Odoo")
    assert dkim.verify(raw, dnsfunc=txt_of(status))
    assert f"d={DOMAIN}" in raw.decode().replace("\r\n\t", "").replace(" ", "")
    changed = raw.replace(b"Good morning", b"Good mourning")
    assert changed != raw
    assert not dkim.verify(changed, dnsfunc=txt_of(status))


def test_odoo_picks_the_server_for_every_sender_of_the_domain(outgoing, odoo):
    [server] = odoo("ir.mail_server").read(
        [outgoing], ["from_filter", "smtp_encryption", "smtp_host", "smtp_port"]
    )
    assert server["from_filter"] == DOMAIN
    assert server["smtp_encryption"] == "ssl_strict"


def test_the_persons_password_goes_on_working(outgoing, mail):
    assert mail.can_login(OFFICE, PASSWORD)


def test_renewing_it_over_starttls_works_too(outgoing, odoo):
    [mailbox] = odoo("emboux.mailbox").search([("email", "=", OFFICE)])
    odoo("emboux.mailbox").action_use_as_outgoing_starttls([mailbox])
    [server] = odoo("ir.mail_server").read([outgoing], ["smtp_encryption"])
    assert server["smtp_encryption"] == "starttls_strict"


def test_a_new_password_by_the_dialog(outgoing, browser, mail):
    browser.tour("emboux_set_password", "/odoo/mailboxes")
    assert mail.can_login(OFFICE, "tour password 2")
    assert not mail.can_login(OFFICE, PASSWORD)
