"""The real Postfix asks the daemon: what a mail program sees, and what reaches the outside."""

import os
import smtplib
import statistics
import threading
import time
from collections import Counter
from email import policy

import argon2
import pytest
from support.mail_client import eventually, message
from support.private_postgres import PrivatePostgres

OUTSIDE = "ann@outside.tests.example"
CAP = 300
#: Five thousand take some minutes:
#: EMBOUX_HACKED=5000 ./setup/test tests/policy/test_postfix_policy.py
FIRED = int(os.environ.get("EMBOUX_HACKED", "1000"))
SENDERS = 8


@pytest.fixture
def quick(connect):
    """Give a mailbox a password that is checked in a millisecond, for many log-ins."""

    def make(login):
        password = f"quick to check {login}"
        found = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(password)
        connect("odoo").cursor().execute(
            "UPDATE emboux_mailbox SET password_hash = %s WHERE email = %s", [found, login])
        return password

    return make


def refused(call, *args):
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as caught:
        call(*args)
    if isinstance(caught.value, smtplib.SMTPRecipientsRefused):
        [(code, text)] = caught.value.recipients.values()
        return code, text.decode()
    return caught.value.smtp_code, caught.value.smtp_error.decode()


def sent_as(mail, prefix):
    return sum(subject.startswith(prefix) for subject in mail.outside_subjects())


class Firing:
    """A mail program out of control: many connections, each message again and again."""

    def __init__(self, mail, login, password, messages, subject):
        self.mail, self.login, self.password = mail, login, password
        self.subject, self.said, self.texts = subject, Counter(), Counter()
        self._left, self._guard = iter(range(messages)), threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(SENDERS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join()

    def _next(self):
        with self._guard:
            return next(self._left, None)

    def _run(self):
        number = self._next()
        while number is not None:
            errors = 0
            with self.mail.login(self.login, self.password) as smtp:
                # a session with many errors is slowed down by Postfix, so it begins a new one
                while number is not None and errors < 8:
                    try:
                        to = f"r{number}@outside.tests.example"  # else it is taken for a loop
                        smtp.send_message(message(self.login, to, f"{self.subject} {number}"),
                                          self.login, [to])
                        self._note(250, "")
                    except smtplib.SMTPRecipientsRefused as error:
                        errors += 1
                        [(code, text)] = error.recipients.values()
                        self._note(code, text.decode())
                    except smtplib.SMTPDataError as error:
                        errors += 1
                        self._note(error.smtp_code, error.smtp_error.decode())
                        smtp.rset()  # smtplib does so only when the body was refused
                    number = self._next()

    def _note(self, code, text):
        with self._guard:
            self.said[code] += 1
            self.texts[text] += 1


def test_a_hacked_mailbox_is_stopped_at_the_cap(sender, quick, mail, stored):
    domain, ann = sender(outbound_daily_limit=CAP, outbound_hourly_fraction=1)
    subject = f"hacked {domain}"
    firing = Firing(mail, ann, quick(ann), FIRED, subject)
    began = time.monotonic()
    firing.start()
    firing.join()
    seconds = time.monotonic() - began
    assert firing.said == {250: CAP, 450: FIRED - CAP}, firing.said
    told = " ".join(firing.texts)
    name = ann.partition("@")[2]
    assert f"4.7.1 <DATA>: Data command rejected: {name} sending limit of {CAP} recipients per" \
        in told, told
    assert f"reached (used {CAP}), try again at" in told
    assert stored(domain) == (CAP,) * 3
    eventually("all that was taken at the outside", lambda: sent_as(mail, subject) == CAP,
               seconds=60)
    print(f"{FIRED} messages in {seconds:.1f} s")  # noqa: T201 - a figure for whoever looks


def test_a_list_that_is_too_long_is_refused_before_its_body(sender, mail, hosting, stored):
    domain, ann = sender(outbound_daily_limit=60)
    with mail.login(ann, hosting.PASSWORD) as smtp:
        smtp.mail(ann)
        for number in range(11):
            assert smtp.rcpt(f"r{number}@outside.tests.example")[0] == 250
        code, text = smtp.docmd("DATA")
        assert (code, b"less than this message to 11" in text) == (450, True), text
    assert stored(domain) is None


def test_a_suppressed_recipient_never_reaches_the_outside(sender, mail, hosting, odoo):
    domain, ann = sender()
    gone = f"gone@{ann.partition('@')[2]}.tests.example"
    odoo("emboux.suppression").create({"email": gone, "reason": "bounce"})
    with mail.login(ann, hosting.PASSWORD) as smtp:
        said = smtp.sendmail(ann, [OUTSIDE, gone, f"GONE+x@{gone.partition('@')[2]}"],
                             message(ann, OUTSIDE, f"to both {domain}").as_bytes(
                                 policy=policy.SMTP))
    assert len(said) == 2
    for code, text in said.values():
        assert (code, b"5.1.6" in text, b"suppression list" in text) == (550, True, True), text
    assert b"gone" not in mail.outside(f"to both {domain}").lower()


def test_a_suspended_or_blocked_sender_is_refused_and_resumes_at_once(
        sender, mail, hosting, odoo):
    domain, ann = sender()
    domains = odoo("emboux.domain")
    with mail.login(ann, hosting.PASSWORD) as smtp:
        def submit(subject):
            smtp.send_message(message(ann, OUTSIDE, subject), ann, [OUTSIDE])

        def passes(subject):
            try:
                submit(subject)
            except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
                smtp.rset()
                return False
            return True

        for before, after, words in (
            ({"state": "suspended"}, {"state": "verified"}, "is suspended"),
            ({"outbound_status": "blocked"}, {"outbound_status": "open"}, "Sending is suspended"),
        ):
            domains.write([domain], before)
            eventually("the refusal", lambda: not passes("perhaps"), seconds=2)
            code, text = refused(submit, "refused")
            assert (code // 100, "5.7.1" in text, words in text) == (5, True, True), text
            domains.write([domain], after)
            began = time.monotonic()
            eventually("sending again", lambda: passes("again"), seconds=5)
            assert time.monotonic() - began < 1


def test_each_later_recipient_of_a_session_takes_some_milliseconds(sender, mail, hosting):
    _domain, ann = sender(outbound_daily_limit=6000)
    taken = []
    with mail.login(ann, hosting.PASSWORD) as smtp:
        smtp.mail(ann)
        for number in range(101):
            began = time.perf_counter()
            assert smtp.rcpt(f"r{number}@outside.tests.example")[0] == 250
            taken.append(1000 * (time.perf_counter() - began))
    later = sorted(taken[1:])
    print(f"later recipients: median {statistics.median(later):.2f} ms, "  # noqa: T201 - a figure
          f"90 % within {later[89]:.2f} ms")
    # 8 ms were measured while the machine ran other tests (see the print); the bound is far above
    # that, because what it is to find is a daemon that hangs up after each answer: Postfix then
    # waits for a whole second each time.
    assert statistics.median(later) < 250, later


def test_a_restart_of_the_daemon_loses_no_message(sender, mail, quick, stored, world_policy):
    domain, ann = sender(outbound_daily_limit=10**6)
    subject = f"restart {domain}"
    firing = Firing(mail, ann, quick(ann), 200, subject)
    firing.start()
    for _ in range(2):
        eventually("some mail", lambda: firing.said.total() > 20, seconds=30)
        world_policy.replace()
    firing.join()
    assert firing.said[250] + firing.said[450] == 200
    assert firing.said[250] >= 100
    eventually("all that was taken at the outside",
               lambda: sent_as(mail, subject) == firing.said[250], seconds=60)
    assert firing.said[250] <= stored(domain)[1] <= firing.said[250] + 2 * SENDERS


def test_postgresql_stops_under_load_and_no_message_is_lost(
        sender, mail, quick, state, status, world_policy):
    domain, ann = sender(outbound_daily_limit=10**6)
    password, subject = quick(ann), f"without {domain}"
    cluster = PrivatePostgres(state, status["postgres"]["db"])
    cluster.start()
    try:
        cluster.copy()
        world_policy.replace(
            "--wait", "1", "--db-port", str(cluster.state.port("postgres")),
            environment={"EMBOUX_POLICY_PASSWORD": cluster.state.secret("emboux_policy")})
        firing = Firing(mail, ann, password, 300, subject)
        firing.start()
        eventually("some mail", lambda: firing.said[250] > 30, seconds=30)
        cluster.crash()
        eventually("deferrals", lambda: firing.said[450] >= SENDERS, seconds=60)
        cluster.start()
        firing.join()
        counted = int(cluster.sql(f"SELECT in_day FROM emboux_mail.sent WHERE subject = {domain}"))
    finally:
        world_policy.replace()
        cluster.stop()
    assert firing.said[250] + firing.said[450] == 300, firing.said
    assert firing.said[250] > 60, "it sends again by itself"
    assert any("4.3.0" in text and "sending limits cannot be looked up" in text
               for text in firing.texts), firing.texts
    assert firing.said[250] <= counted <= firing.said[250] + SENDERS
    eventually("all that was taken at the outside",
               lambda: sent_as(mail, subject) == firing.said[250], seconds=60)
