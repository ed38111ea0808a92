"""Odoo's own mail, set up by one click: out by real servers, signed, and back into the chatter."""

import email
import email.policy
import smtplib

import dkim
import pytest
from support.mail_client import eventually, message
from support.zone import txt_of

OUTSIDE = "customer@outside.tests.example"


class Setup:
    """The setup of the test company, applied."""

    def __init__(self, odoo, hosting):
        self.odoo = odoo
        self.domain, self.name = hosting.domain("odoo")
        action = odoo("emboux.domain").action_use_for_odoo([self.domain])
        self.id = action["res_id"]
        self.record = odoo("emboux.odoo.mail")
        self.record.action_apply([self.id])

    def read(self, *fields):
        [row] = self.record.read([self.id], list(fields))
        return row

    def steps(self):
        return self.odoo("emboux.odoo.mail.step").search_read(
            [("setup_id", "=", self.id)], ["kind", "state", "found", "plan", "outcome"])



@pytest.fixture(scope="module")
def setup(odoo, hosting):
    setup = Setup(odoo, hosting)
    yield setup
    setup.record.action_undo([setup.id])
    left = [step for step in setup.steps() if step["state"] not in ("undone", "kept")]
    assert not left


@pytest.fixture(scope="module")
def document(odoo, setup):
    """A document with a chatter, followed by somebody outside."""
    customer = odoo("res.partner").create({"name": "Customer", "email": OUTSIDE})
    document = odoo("res.partner").create({"name": "A document"})
    odoo("res.partner").message_subscribe([document], [customer])
    return document


def posted(odoo, document, subject):
    """Post on the document as somebody writes in the chatter; returns the message's id."""
    return odoo("res.partner").message_post(
        [document], body="Good morning", subject=subject, message_type="comment",
        subtype_xmlid="mail.mt_comment",
    )


def bodies(odoo, document):
    rows = odoo("mail.message").search_read(
        [("model", "=", "res.partner"), ("res_id", "=", document)], ["body", "email_from"])
    return " ".join(row["body"] for row in rows)


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_all_steps_are_done(setup):
    assert setup.read("state")["state"] == "done", setup.steps()


def test_the_test_mail_leaves_and_comes_back(setup):
    setup.record.action_test([setup.id])

    def arrived():
        return setup.read("test_state")["test_state"] == "arrived"

    eventually("the test mail in the chatter", arrived)


def test_chatter_of_a_user_of_another_domain_leaves_signed_and_its_reply_arrives(
    setup, odoo, document, mail, status
):
    [admin] = odoo("res.users").read([odoo.uid], ["email"])
    assert not (admin["email"] or "").endswith(setup.name)
    posted(odoo, document, "from the chatter")
    raw = mail.outside("from the chatter")
    sent = parsed(raw)
    assert f"notifications@{setup.name}" in sent["From"]
    assert f"catchall@{setup.name}" in sent["Reply-To"]
    assert sent["Return-Path"] in (None, f"<bounce@{setup.name}>")
    assert dkim.verify(raw, dnsfunc=txt_of(status))
    reply = message(OUTSIDE, f"catchall@{setup.name}", "Re: from the chatter", "An answer.\n")
    reply["In-Reply-To"] = sent["Message-ID"]
    send(mail, reply, f"catchall@{setup.name}")

    def arrived():
        return "An answer." in bodies(odoo, document)

    eventually("the reply in the chatter", arrived)


def test_mail_for_nobody_is_refused_at_smtp(setup, mail):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mail.from_outside(OUTSIDE, f"nobody@{setup.name}", "for nobody")
    [(code, _words)] = refused.value.recipients.values()
    assert code == 550


def send(mail, made, recipient):
    with smtplib.SMTP("localhost", mail.status["smtp"]["port"], timeout=30) as smtp:
        smtp.ehlo("outside.tests.example")
        smtp.send_message(made, OUTSIDE, [recipient])
