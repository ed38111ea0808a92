"""The real Postfix and Dovecot: what leaves by aliases, catch-alls and forwards is decided about
and charged, and each spelling of an address is one address."""

import base64
import itertools
import mailbox
import smtplib
import time

import pytest
from parts import system
from support.mail_client import eventually, message

OUT = "outside.tests.example"
OUTSIDE = f"ann@{OUT}"
_NUMBERS = itertools.count(time.time_ns() % 10**6)


@pytest.fixture
def own(hosting, odoo):
    """(domain id, name) of a new verified domain that may send, with these settings."""

    def make(name=None, **values):
        return hosting.domain("exp", name=name, state="verified", verified=False, **values)

    return make


@pytest.fixture
def alias(odoo):
    def make(domain, local_part, *destinations):
        odoo("emboux.alias").create({
            "domain_id": domain, "local_part": local_part, "destinations": "\n".join(destinations),
            "kind": "forward" if local_part else "catch_all"})

    return make


def refused(call, *args, **kwargs):
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as caught:
        call(*args, **kwargs)
    if isinstance(caught.value, smtplib.SMTPRecipientsRefused):
        [(code, text)] = caught.value.recipients.values()
        return code, text.decode()
    return caught.value.smtp_code, caught.value.smtp_error.decode()


def left(mail, subject):
    """To how many recipients outside it has gone."""
    box = mailbox.Maildir(mail.status["sink"]["maildir"], create=False)
    return sum(len(found.get_all("X-Envelope-To")) for found in box if found["Subject"] == subject)


def test_an_alias_is_charged_by_what_leaves_and_a_suppressed_address_gets_nothing(
        own, alias, hosting, mail, odoo, stored):
    domain, name = own(outbound_daily_limit=12, outbound_hourly_fraction=1)
    hosting.mailbox(domain, "ann")
    gone = f"gone@{name}.{OUT}"
    odoo("emboux.suppression").create({"email": gone, "reason": "complaint"})
    alias(domain, "inner", *(f"i{n}@{OUT}" for n in range(3)), gone)
    alias(domain, "team", f"inner@{name}", f"ann@{name}", f"x@{OUT}")
    alias(domain, "dead", gone)
    alias(domain, False, gone)
    subject = f"expanded {domain}"
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"team@{name}", subject)
    mail.from_outside(OUTSIDE, f"team+tag@{name}", subject)
    eventually("what leaves", lambda: left(mail, subject) == 8)
    assert stored(domain) == (8, 8, 8)
    for recipient in (f"dead@{name}", f"anybody@{name}"):
        code, text = refused(mail.from_outside, OUTSIDE, recipient, "to nobody")
        assert (code, "5.1.6" in text) == (550, True), text
        code, text = refused(mail.submit, f"ann@{name}", hosting.PASSWORD, recipient, "to nobody")
        assert (code, "5.1.6" in text) == (550, True), text
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"inner@{name}", subject)
    code, text = refused(mail.from_outside, OUTSIDE, f"team@{name}", subject)
    assert (code, "passes its mail on" in text) == (450, True), text
    mail.from_outside(OUTSIDE, f"ann@{name}", f"stays {domain}")
    mail.arrives(f"ann@{name}", hosting.PASSWORD, f"stays {domain}")
    eventually("what leaves", lambda: left(mail, subject) == 11)
    assert stored(domain) == (11, 11, 11)


def test_a_blocked_domain_relays_nothing_by_its_aliases_and_forwards(
        own, alias, hosting, mail, odoo):
    domain, name = own()
    box = hosting.mailbox(domain, "ann")
    alias(domain, "both", f"ann@{name}", f"x@{OUT}")
    alias(domain, "out", f"x@{OUT}")
    odoo("emboux.mailbox").write([box], {"forward_to": f"y@{OUT}", "forward_keep": False})
    odoo("emboux.domain").write([domain], {"outbound_status": "blocked"})
    subject = f"blocked {domain}"

    def is_told():
        with smtplib.SMTP("localhost", mail.status["smtp"]["port"], timeout=30) as smtp:
            smtp.ehlo("outside.tests.example")
            smtp.mail(OUTSIDE)
            return smtp.rcpt(f"out@{name}")

    code, text = eventually("the refusal", lambda: (s := is_told())[0] == 550 and s)
    assert b"may not send now" in text
    mail.from_outside(OUTSIDE, f"both@{name}", subject)
    mail.arrives(f"ann@{name}", hosting.PASSWORD, subject)
    assert left(mail, subject) == 0


def test_a_circle_of_two_owners_is_refused_for_good(own, alias, mail, odoo):
    partner = odoo("res.partner").create({"name": "Another Owner"})
    (one, first), (two, second) = own(), own(partner_id=partner)
    alias(one, "round", f"round@{second}")
    alias(two, "round", f"round@{first}")
    code, text = refused(mail.from_outside, OUTSIDE, f"round@{first}", "in a circle")
    assert (code, "5.4.6" in text) == (554, True), text


def test_forwarded_mail_is_charged_and_obeys_the_suppression_list(
        own, hosting, mail, odoo, stored, state):
    domain, name = own(outbound_daily_limit=3, outbound_hourly_fraction=1)
    odoo("emboux.suppression").create({"email": f"gone@{name}.{OUT}", "reason": "manual"})
    box = hosting.mailbox(domain, "ann")
    odoo("emboux.mailbox").write([box], {
        "forward_to": f"x@{OUT}\ngone@{name}.{OUT}", "forward_keep": False})
    subject = f"forwarded {domain}"
    for number in range(3):
        mail.from_outside(OUTSIDE, f"ann@{name}", subject)
        eventually("the copy", lambda number=number: left(mail, subject) == number + 1)
    assert stored(domain) == (3, 3, 3)
    # over the limit it waits in the queue: nothing is lost, and it leaves once it may
    late = f"late {domain}"
    mail.from_outside(OUTSIDE, f"ann@{name}", late)
    eventually("the deferral", lambda: f"ann@{name}" in waiting(state))
    odoo("emboux.domain").write([domain], {"outbound_daily_limit": 100})
    eventually("the late copy", lambda: flush(state) or left(mail, late) == 1, seconds=60)
    assert stored(domain) == (4, 4, 4)
    # nobody is left: it stays in the mailbox
    odoo("emboux.mailbox").write([box], {"forward_to": f"gone@{name}.{OUT}"})
    kept = f"kept {domain}"
    mail.from_outside(OUTSIDE, f"ann@{name}", kept)
    mail.arrives(f"ann@{name}", hosting.PASSWORD, kept)


def waiting(state):
    return postfix(state, "/usr/sbin/postqueue", "-p")


def flush(state):
    postfix(state, "/usr/sbin/postqueue", "-f")


def postfix(state, command, *options):
    return system.run(system.as_root(
        [command, "-c", str(state.path("postfix", "etc")), *options]))


def test_a_script_of_the_users_own_reaches_no_suppressed_address(
        own, hosting, mail, odoo, stored, state):
    domain, name = own()
    gone = f"gone@{name}.{OUT}"
    odoo("emboux.suppression").create({"email": gone, "reason": "bounce"})
    box = hosting.mailbox(domain, "ann")
    script = f'redirect "{gone}";'
    put = ["/usr/bin/doveadm", "-c", str(state.path("dovecot", "dovecot.conf")), "sieve", "put",
           "-u", f"ann@{name}", "-a"]
    system.run(system.as_root([*put, "own"]), input=script)
    subject = f"own script {domain}"
    mail.from_outside(OUTSIDE, f"ann@{name}", subject)
    mail.arrives(f"ann@{name}", hosting.PASSWORD, subject)
    assert (left(mail, subject), stored(domain)) == (0, None)
    system.run(system.as_root([*put, "other"]), input=f'redirect "x@{OUT}";')
    odoo("emboux.mailbox").write([box], {"outbound_daily_limit": 1})
    mail.from_outside(OUTSIDE, f"ann@{name}", f"{subject} again")
    eventually("the redirected one", lambda: left(mail, f"{subject} again") == 1)
    assert stored(domain) == (1, 1, 1)


# -- one spelling --------------------------------------------------------------------------


def test_both_labels_of_a_domain_are_one_name(own, alias, hosting, mail, odoo, stored):
    unicode = f"bücher{next(_NUMBERS)}.example"
    domain, _name = own(unicode)
    name = unicode.encode("idna").decode()
    hosting.mailbox(domain, "info")
    alias(domain, "team", f"info@{name}", f"x@{OUT}")
    odoo("emboux.domain").write([domain], {"outbound_daily_limit": 100})
    for number, local in enumerate(("info", "team")):
        subject = f"utf8 {domain} {number}"
        with smtplib.SMTP("localhost", mail.status["smtp"]["port"], timeout=30) as smtp:
            smtp.ehlo("outside.tests.example")
            smtp.send_message(message(OUTSIDE, f"{local}@{unicode}", subject), OUTSIDE,
                              [f"{local}@{unicode}"], mail_options=["SMTPUTF8"])
        mail.arrives(f"info@{name}", hosting.PASSWORD, subject)
    eventually("the alias", lambda: left(mail, f"utf8 {domain} 1") == 1)
    assert stored(domain) == (1, 1, 1)


def test_both_labels_log_in_and_send(own, hosting, mail, stored):
    unicode = f"bücher{next(_NUMBERS)}.example"
    domain, _name = own(unicode)
    name = unicode.encode("idna").decode()
    hosting.mailbox(domain, "info")
    subject = f"utf8 sender {domain}"
    with smtplib.SMTP_SSL("localhost", mail.status["smtps"]["port"], timeout=30,
                          context=mail.tls) as smtp:
        smtp.ehlo()
        user = f"info@{unicode}"
        secret = base64.b64encode(f"\0{user}\0{hosting.PASSWORD}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {secret}")[0] == 235
        for number, to in enumerate((OUTSIDE, f"josé@{OUT}", user)):
            smtp.send_message(message(user, to, f"{subject} {number}"), user, [to],
                              mail_options=["SMTPUTF8"])
    for number in range(2):
        assert "DKIM-Signature" in mail.outside(f"{subject} {number}").decode()
    mail.arrives(f"info@{name}", hosting.PASSWORD, f"{subject} 2")
    assert stored(domain) == (3, 3, 3)
    code, text = refused(mail.submit, f"info@{name}", hosting.PASSWORD, OUTSIDE, "spoof",
                         sender=f"other@{name}")
    assert code == 553, text


def test_each_spelling_of_a_suppressed_recipient_is_refused(own, hosting, mail, odoo):
    domain, name = own()
    hosting.mailbox(domain, "ann")
    unicode = f"müller{next(_NUMBERS)}-out.example"
    alabel = unicode.encode("idna").decode()
    odoo("emboux.suppression").create([
        {"email": f"victim@{name}.{OUT}", "reason": "bounce"},
        {"email": f"anna@{alabel}", "reason": "bounce"}])
    with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
        smtp.ehlo()
        for recipient in (f"victim@{name}.{OUT}", f"victim@{name}.{OUT}.", f'"victim"@{name}.{OUT}',
                          f"VICTIM+x@{name.upper()}.{OUT}", f"anna@{alabel}", f"anna@{unicode}",
                          f"Anna+t@{unicode.upper()}"):
            smtp.rset()
            smtp.docmd("MAIL", f"FROM:<ann@{name}> SMTPUTF8")
            smtp.send(f"RCPT TO:<{recipient}>\r\n".encode())
            code, text = smtp.getreply()
            assert (code, b"5.1.6" in text) == (550, True), (recipient, text)
        smtp.rset()
