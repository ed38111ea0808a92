"""A person's mailbox, in plain SMTP and IMAP, when they leave and come back."""

import smtplib
import time

import pytest
from support.mail_client import eventually
from support.odoo_client import Odoo

OUTSIDE = "customer@outside.tests.example"


@pytest.fixture(scope="module")
def domain(hosting):
    """(id, name) of a verified domain that this file shares."""
    return hosting.domain("people")


@pytest.fixture
def person(domain, hosting, odoo):
    """Makes a user with a mailbox; returns the number of the mailbox, its address, the user."""

    def make(local_part):
        user = odoo("res.users").create(
            {"name": f"Person {local_part}", "login": f"{local_part}-{time.time_ns()}"},
            context={"no_reset_password": True})
        number = hosting.mailbox(domain[0], local_part, user_id=user)
        return number, f"{local_part}@{domain[1]}", user

    return make


def test_mail_of_somebody_who_has_left_reaches_a_colleague(person, hosting, odoo, mail):
    number, address, user = person("leaver")
    colleague, their_address, _user = person("colleague")
    odoo("res.users").write([user], {"active": False})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.from_outside(OUTSIDE, address, "while nobody has it")
    wizard = odoo("emboux.mailbox.handover").create(
        {"mailbox_id": number, "colleague_id": colleague})
    odoo("emboux.mailbox.handover").action_hand_over([wizard])

    sender = f"asks.{time.time_ns()}@outside.tests.example"
    mail.from_outside(sender, address, "for who has left")
    mail.arrives(their_address, hosting.PASSWORD, "for who has left")
    reply = mail.outside("Auto: for who has left").decode()
    assert their_address in reply and f"To: <{sender}>" in reply
    eventually("no login", lambda: not mail.can_login(address, hosting.PASSWORD))
    odoo("emboux.mailbox").action_end_handover([number])
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.from_outside(OUTSIDE, address, "when it is over")
    # back again: what came meanwhile is there
    odoo("res.users").write([user], {"active": True})
    odoo("emboux.mailbox").write([number], {"password": "a password of the return"})
    mail.arrives(address, "a password of the return", "for who has left")


def test_what_somebody_writes_leaves_through_their_own_mailbox(
    person, hosting, odoo, mail, status, domain
):
    """Odoo 19's personal outgoing server: their address in the envelope, their login."""
    number, address, user = person("writer")
    login = f"writer-{time.time_ns()}"
    groups = [odoo("ir.model.data").search_read(
        [("module", "=", "base"), ("name", "=", name)], ["res_id"])[0]["res_id"]
        for name in ("group_user", "group_partner_manager")]
    odoo("res.users").write([user], {"login": login, "password": hosting.PASSWORD,
                                     "email": address, "group_ids": [(6, 0, groups)]})
    theirs = Odoo(status["odoo"]["url"], status["odoo"]["db"], login, hosting.PASSWORD)
    # as Odoo's settings let people have servers of their own
    odoo("ir.config_parameter").set_param("base_setup.default_external_email_server", "True")
    theirs("res.users").action_setup_outgoing_mail_server("emboux")
    [row] = theirs("res.users").read([user], ["outgoing_mail_server_type"])
    assert row["outgoing_mail_server_type"] == "emboux"
    assert mail.can_login(address, hosting.PASSWORD), "their mail programs go on"
    customer = theirs("res.partner").create({"name": "Customer", "email": OUTSIDE})
    subject = f"personally {time.time_ns()}"
    theirs("res.partner").message_post(
        [customer], body="Hello", subject=subject, message_type="comment",
        subtype_xmlid="mail.mt_comment", partner_ids=[customer])
    odoo("ir.config_parameter").set_param("base_setup.default_external_email_server", "False")
    text = mail.outside(subject).decode()
    assert f"X-Envelope-From: <{address}>" in text and address in text.partition("\nTo:")[0]
    logged = eventually("the message in the log", lambda: odoo("emboux.message").search_read(
        [("sender", "=", address), ("recipient", "=", OUTSIDE)], ["login"]))
    assert {row["login"] for row in logged} == {address}


def test_another_address_and_the_mail_that_is_there(person, hosting, odoo, mail, connect):
    number, address, _user = person("maiden")
    new = address.replace("maiden", "married")
    mail.from_outside(OUTSIDE, address, "before the change")
    mail.arrives(address, hosting.PASSWORD, "before the change")
    wizard = odoo("emboux.mailbox.rename").create({"mailbox_id": number, "local_part": "married"})
    odoo("emboux.mailbox.rename").action_change([wizard])

    mail.arrives(new, hosting.PASSWORD, "before the change")
    for recipient, subject in ((address, "to the former"), (new, "to the new")):
        mail.from_outside(OUTSIDE, recipient, subject)
        mail.arrives(new, hosting.PASSWORD, subject)
    assert not mail.can_login(address, hosting.PASSWORD)
    mail.submit(new, hosting.PASSWORD, OUTSIDE, "from the new")
    assert f"From: {new}" in mail.outside("from the new").decode()
    rows = connect("odoo").cursor()
    rows.execute("SELECT messages FROM emboux_mail.usage WHERE username = %s", [new])
    assert rows.fetchone() == (3,), "counted on, from what was there"
