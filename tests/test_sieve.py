"""Forwarding and out-of-office replies, as Dovecot carries them out from the commit on."""

import base64
import datetime
import mailbox as mailboxes
import smtplib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy

import pytest
from parts import system
from support.mail_client import eventually, message
from support.postqueue import deferred, flush

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


def test_a_full_mailbox_that_keeps_a_copy_forwards_once(box, domain, mail, hosting, odoo, state):
    """Found full at its delivery only, mail waits; each try must not forward it once more."""
    number, address = box(forward_to=FRIEND)
    odoo("emboux.mailbox").write([number], {"quota_mb": 1})
    odoo("emboux.alias").create(
        {"domain_id": domain[0], "local_part": "to-the-full", "destinations": address})
    # by an alias: its room is not asked for when it comes in
    large = ("y" * 75 + "\n") * 14000  # just over 1 MB
    mail.from_outside(OUTSIDE, f"to-the-full@{domain[1]}", "waits for room", large)
    for _ in range(4):
        time.sleep(1)
        flush(state)
    assert mail.subjects(address, hosting.PASSWORD) == []
    odoo("emboux.mailbox").write([number], {"quota_mb": 10})
    eventually("it is there", lambda: flush(state) or "waits for room" in mail.subjects(
        address, hosting.PASSWORD), seconds=60)
    mail.outside("waits for room")
    assert mail.outside_subjects().count("waits for room") == 1


def test_concurrent_mail_does_not_wait(box, mail, hosting, state):
    """What one delivery leaves of the room is written while the next one fetches its script."""
    _number, address = box()
    subjects = [f"at once {n}" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda subject: mail.from_outside(OUTSIDE, address, subject), subjects))
    eventually("all of them", lambda: (
        address in deferred(state)
        or set(subjects) == set(mail.subjects(address, hosting.PASSWORD))))
    assert address not in deferred(state)


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
    # another sender gets their own
    mail.from_outside("bea@outside.tests.example", address, "question of another")
    eventually("a second reply", lambda: len(replies(address)) == 2)


def test_a_reply_to_mail_for_an_alias(box, domain, mail, odoo, replies):
    _number, address = box(vacation_on=True, vacation_text="Away")
    odoo("emboux.alias").create(
        {"domain_id": domain[0], "local_part": "desk", "destinations": address})
    mail.from_outside(OUTSIDE, f"desk@{domain[1]}", "to the desk")
    eventually("a reply", lambda: replies(address))


def test_a_reply_to_mail_through_nested_aliases(box, domain, hosting, mail, odoo, replies):
    """By an alias of an alias in another domain of the owner's, with a tag, as the mailbox with
    one (RFC 5230 4.5); not to whoever names nobody, as lists and blind copies do."""
    _number, address = box(vacation_on=True, vacation_text="Away for ${hex:41}" + "." * 5000)
    other, other_name = hosting.domain("rules-other")
    for place, local_part, to in ((domain, "front", address),
                                  ((other, other_name), "front", f"front+in@{domain[1]}")):
        odoo("emboux.alias").create(
            {"domain_id": place[0], "local_part": local_part, "destinations": to})
    for number, to in enumerate((f"front@{other_name}", f"Front+X@{other_name}",
                                 f"front+y@{domain[1]}", address.replace("@", "+z@"))):
        sender = f"writer{number}@outside.tests.example"
        mail.from_outside(sender, to, f"a long way {number}")
        [reply] = eventually(f"a reply to mail for {to}", lambda s=sender: [
            m for m in replies(address) if s in str(m["To"])])
        text = "".join(reply.get_content().split())
        assert text == "Awayfor${hex:41}" + "." * 5000
    with mail_server(mail) as smtp:
        text = message("blind@outside.tests.example", "others@outside.tests.example", "blind")
        smtp.send_message(text, "blind@outside.tests.example", [f"front@{other_name}"])
    mail.arrives(address, hosting.PASSWORD, "blind")
    assert not [m for m in replies(address) if "blind@" in str(m["To"])]


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


def own_script(state, address, text):
    """Put there as by ManageSieve."""
    doveadm = ["/usr/bin/doveadm", "-c", str(state.path("dovecot", "dovecot.conf")), "sieve"]
    system.run(system.as_root([*doveadm, "put", "-u", address, "own"]), input=text)
    system.run(system.as_root([*doveadm, "activate", "-u", address, "own"]))


def without_sender(mail, to, subject):
    with mail_server(mail) as smtp:
        smtp.ehlo("outside.tests.example")
        smtp.send_message(message("MAILER-DAEMON@outside.tests.example", to, subject), "", [to])


REFUSES = "reject550@outside.tests.example"
UNDELIVERED = "Undelivered Mail Returned to Sender"


def test_the_bounce_of_a_forward_stays(box, mail, hosting):
    """The other server refuses; it would refuse the bounce too, and nobody would learn of it."""
    _number, address = box(forward_to=REFUSES, forward_keep=False)
    mail.from_outside(OUTSIDE, address, "refused further on")
    mail.arrives(address, hosting.PASSWORD, UNDELIVERED)
    without_sender(mail, address, "a bounce from elsewhere")
    mail.arrives(address, hosting.PASSWORD, "a bounce from elsewhere")
    assert "a bounce from elsewhere" not in mail.outside_subjects()


@pytest.mark.parametrize(("script", "folder"), [
    ('redirect "{0}";', "INBOX"),
    ('redirect "{0}"; redirect "bob@outside.tests.example";', "INBOX"),
    ('redirect "{0}"; discard;', "INBOX"),
    ('require "copy"; redirect :copy "{0}";', "INBOX"),
    ('require ["fileinto"]; if header :contains "subject" "Undelivered" '
     '{{ fileinto "Archive"; redirect "{0}"; }} else {{ redirect "{0}"; }}', "Archive"),
    ('require ["fileinto", "copy"]; fileinto "Archive"; redirect :copy "{0}";', "Archive"),
    ('require ["fileinto"]; if header :contains "subject" "Undelivered" {{ fileinto "Archive"; }} '
     'else {{ redirect "{0}"; }}', "Archive"),
], ids=["alone", "to-two", "discard", "copy", "filed", "filed-copy", "sorted"])
def test_the_bounce_of_a_users_own_redirect_stays(
    box, mail, hosting, state, script, folder, request
):
    _number, address = box(f"-{request.node.callspec.id}")
    own_script(state, address, script.format(REFUSES))
    mail.from_outside(OUTSIDE, address, f"own redirect {address}")
    mail.arrives(address, hosting.PASSWORD, UNDELIVERED, folder)
    # what is filed before a redirect that is refused, Pigeonhole keeps besides
    for where in ("INBOX", "Archive"):
        found = mail.subjects(address, hosting.PASSWORD, where).count(UNDELIVERED)
        assert found == 1 if where == folder else found <= 1, where


def test_a_users_script_still_rejects(box, mail, hosting, state):
    """The rejection has no envelope sender either."""
    _number, address = box()
    own_script(state, address, 'require "reject"; reject "Not here";')
    mail.from_outside(OUTSIDE, address, f"unwanted {address}")
    mail.outside(f"Rejected: unwanted {address}")


class ManageSieve:
    """RFC 5804, as far as it is needed."""

    def __init__(self, mail, address, password):
        port = mail.status["sieve"]["port"]
        self._socket = socket.create_connection(("localhost", port), timeout=30)
        self._greeted()
        self._said("STARTTLS")
        self._socket = mail.tls.wrap_socket(self._socket, server_hostname="localhost")
        self._greeted()
        token = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        assert self._said(f'AUTHENTICATE "PLAIN" "{token}"').startswith("OK")

    def _greeted(self):
        self._file = self._socket.makefile("rb")
        self._answer()

    def _answer(self):
        while True:
            line = self._file.readline().decode()
            if line.startswith(("OK", "NO", "BYE")):
                return line
            assert line, "it has hung up"

    def _said(self, line):
        self._socket.sendall(f"{line}\r\n".encode())
        return self._answer()

    def put(self, name, text):
        return self._said(f'PUTSCRIPT "{name}" {{{len(text)}+}}\r\n{text}')

    def space(self, name, size):
        return self._said(f'HAVESPACE "{name}" {size}')


def test_what_a_user_may_keep_as_scripts(box, mail, hosting):
    _number, address = box()
    client = ManageSieve(mail, address, hosting.PASSWORD)
    small = "keep;\r\n"
    assert client.put("small", small).startswith("OK")
    assert client.put("large", small + f"# {'x' * 200_000}\r\n").startswith("NO")
    for number in range(19):
        assert client.put(f"n{number}", small).startswith("OK")
    assert "QUOTA/MAXSCRIPTS" in client.put("one too many", small)
    assert client.put("n1", small).startswith("OK")
    large = small + f"# {'x' * 100_000}\r\n"
    said = [client.put(f"n{number}", large) for number in range(6)]
    assert said[0].startswith("OK")
    assert "QUOTA/MAXSTORAGE" in said[-1]


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
    subject = f"waits with Postfix {time.time_ns()}"  # an earlier run's may leave in this one
    mail.from_outside(OUTSIDE, f"via@{other_name}", subject)
    time.sleep(1)
    assert subject not in mail.outside_subjects()
