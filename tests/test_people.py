"""A person's mailbox, in plain SMTP and IMAP, when they leave and come back."""

import smtplib
import time

import pytest
from support.mail_client import eventually

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
