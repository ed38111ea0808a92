"""Forwarding and out-of-office replies, as Dovecot carries them out from the commit on."""

import datetime
import mailbox as mailboxes
import smtplib
import time
from email import message_from_bytes, policy

import pytest
from parts import system
from support.mail_client import eventually, message

OUTSIDE = "ann@outside.tests.example"
FRIEND = "friend@outside.tests.example"


@pytest.fixture(scope="module")
def domain(hosting):
    """(id, name) of a verified domain that this file shares."""
    return hosting.domain("rules")


@pytest.fixture
def box(domain, hosting, odoo, request):
    """A mailbox of the test's own, by the rules that are given; returns its address."""

    def make(suffix="", **rules):
        local_part = (request.node.name.removeprefix("test_").replace("_", "-")[:30] + suffix)
        number = hosting.mailbox(domain[0], local_part)
        if rules:
            odoo("emboux.mailbox").write([number], rules)
        return number, f"{local_part}@{domain[1]}"

    return make


@pytest.fixture
def replies(status):
    """The messages that reached the outside from an address."""

    def found(sender):
        box = mailboxes.Maildir(status["sink"]["maildir"], create=False)
        every = [message_from_bytes(box.get_bytes(key), policy=policy.default)
                 for key in box.iterkeys()]
        return [m for m in every if sender in str(m["From"])]

    return found


def test_forwarding_keeps_a_copy(box, mail, hosting):
    _number, address = box(forward_to=FRIEND)
    mail.from_outside(OUTSIDE, address, "forwarded and kept")
    mail.arrives(address, hosting.PASSWORD, "forwarded and kept")
    raw = mail.outside("forwarded and kept").decode()
    assert f"From: {OUTSIDE}" in raw


def test_forwarding_without_a_copy(box, mail, hosting, odoo):
    number, address = box(forward_to=FRIEND, forward_keep=False)
    mail.from_outside(OUTSIDE, address, "forwarded alone")
    mail.outside("forwarded alone")
    assert mail.subjects(address, hosting.PASSWORD) == []
    # it ends with the commit
    odoo("emboux.mailbox").write([number], {"forward_to": False})
    mail.from_outside(OUTSIDE, address, "stays here")
    mail.arrives(address, hosting.PASSWORD, "stays here")
    assert "stays here" not in mail.outside_subjects()


def test_forwarding_to_ten(box, mail):
    _number, address = box(forward_to="\n".join(f"f{n}@outside.tests.example" for n in range(10)))
    mail.from_outside(OUTSIDE, address, "to all ten")
    eventually("ten copies", lambda: mail.outside_subjects().count("to all ten") == 10)


def test_a_reply_reaches_the_sender_once(box, mail, hosting, replies):
    text = 'I am away; "urgent" matters: \\office\\\n.\n${hex:41} Grüße'
    _number, address = box(vacation_on=True, vacation_text=text, vacation_subject='"Away" – Ö')
    for number in range(3):
        mail.from_outside(OUTSIDE, address, f"question {number}")
        mail.arrives(address, hosting.PASSWORD, f"question {number}")
    [reply] = eventually("a reply", lambda: replies(address))
    assert reply["Subject"] == '"Away" – Ö'
    assert "\n".join(reply.get_content().splitlines()).strip() == text
    assert reply["To"] == f"<{OUTSIDE}>" or OUTSIDE in reply["To"]
    # another sender gets his own
    mail.from_outside("bea@outside.tests.example", address, "question of another")
    eventually("a second reply", lambda: len(replies(address)) == 2)


def test_a_reply_to_mail_for_an_alias(box, domain, mail, odoo, replies):
    _number, address = box(vacation_on=True, vacation_text="Away")
    odoo("emboux.alias").create(
        {"domain_id": domain[0], "local_part": "desk", "destinations": address})
    mail.from_outside(OUTSIDE, f"desk@{domain[1]}", "to the desk")
    eventually("a reply", lambda: replies(address))


def test_no_reply_to_lists_and_robots(box, mail, hosting, replies):
    _number, address = box(vacation_on=True, vacation_text="Away")
    for number, header in enumerate((("List-Id", "<news.tests.example>"),
                                     ("Auto-Submitted", "auto-replied"), ("Precedence", "bulk"))):
        text = message(OUTSIDE, address, f"robot {number}")
        text[header[0]] = header[1]
        with mail_server(mail) as smtp:
            smtp.send_message(text, OUTSIDE, [address])
        mail.arrives(address, hosting.PASSWORD, f"robot {number}")
    mail.from_outside("bea@outside.tests.example", address, "a person")
    found = eventually("a reply to the person", lambda: replies(address))
    assert [OUTSIDE in str(m["To"]) for m in found] == [False]


def mail_server(mail):
    return smtplib.SMTP("localhost", mail.status["smtp"]["port"], timeout=30)


def test_the_days_of_a_reply(box, mail, hosting, odoo, replies):
    today = datetime.datetime.now(datetime.UTC).date()
    number, address = box(vacation_on=True, vacation_text="Away",
                          vacation_from=str(today + datetime.timedelta(days=2)))
    mail.from_outside(OUTSIDE, address, "too early")
    mail.arrives(address, hosting.PASSWORD, "too early")
    odoo("emboux.mailbox").write([number], {
        "vacation_from": False, "vacation_until": str(today - datetime.timedelta(days=2))})
    mail.from_outside(OUTSIDE, address, "too late")
    mail.arrives(address, hosting.PASSWORD, "too late")
    odoo("emboux.mailbox").write([number], {
        "vacation_from": str(today - datetime.timedelta(days=1)),
        "vacation_until": str(today + datetime.timedelta(days=1))})
    mail.from_outside(OUTSIDE, address, "in time")
    eventually("the one reply", lambda: len(replies(address)) == 1)


def test_the_users_own_script_comes_after(box, mail, hosting, state):
    """What the user has put there by ManageSieve still sorts the mail that is kept."""
    _number, address = box(forward_to=FRIEND)
    config = str(state.path("dovecot", "dovecot.conf"))
    doveadm = ["/usr/bin/doveadm", "-c", config, "sieve"]
    system.run(system.as_root([*doveadm, "put", "-u", address, "own"]),
               input='require "fileinto"; fileinto "Archive";')
    system.run(system.as_root([*doveadm, "activate", "-u", address, "own"]))
    mail.from_outside(OUTSIDE, address, "sorted and forwarded")
    mail.outside("sorted and forwarded")
    mail.arrives(address, hosting.PASSWORD, "sorted and forwarded", "Archive")
    assert mail.subjects(address, hosting.PASSWORD) == []


def test_two_owners_that_forward_to_each_other(hosting, mail, odoo):
    """Neither can be told of the other's rules, so Dovecot has to end it."""
    ids = [odoo("res.partner").create({"name": name}) for name in ("One", "Two")]
    (one, one_name), (two, two_name) = (
        hosting.domain("loop", partner_id=partner) for partner in ids)
    first, second = hosting.mailbox(one, "ann"), hosting.mailbox(two, "bob")
    odoo("emboux.mailbox").write([first], {"forward_to": f"bob@{two_name}"})
    odoo("emboux.mailbox").write([second], {"forward_to": f"ann@{one_name}"})
    mail.from_outside(OUTSIDE, f"ann@{one_name}", "round and round")
    mail.arrives(f"bob@{two_name}", hosting.PASSWORD, "round and round")
    time.sleep(3)
    for address in (f"ann@{one_name}", f"bob@{two_name}"):
        assert len(mail.subjects(address, hosting.PASSWORD)) <= 2


def test_a_suspended_domain_forwards_nothing(hosting, mail, odoo):
    domain, name = hosting.domain("quiet")
    number = hosting.mailbox(domain, "ann")
    odoo("emboux.mailbox").write([number], {"forward_to": FRIEND})
    other, other_name = hosting.domain("quietalias")
    odoo("emboux.alias").create(
        {"domain_id": other, "local_part": "via", "destinations": f"ann@{name}"})
    odoo("emboux.domain").action_suspend([domain])
    mail.from_outside(OUTSIDE, f"via@{other_name}", "waits with Postfix")
    time.sleep(1)
    assert "waits with Postfix" not in mail.outside_subjects()
