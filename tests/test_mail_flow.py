"""What Postfix and Dovecot do with what Odoo says, in plain SMTP and IMAP."""

import imaplib
import smtplib
import socket
import urllib.error
from email import policy

import pytest
from support.mail_client import eventually, message
from support.odoo_client import OdooError
from support.postqueue import deferred, flush

OUTSIDE = "ann@outside.tests.example"


@pytest.fixture(scope="module")
def domain(hosting):
    """(id, name) of a verified domain that this file shares."""
    return hosting.domain("flow")


@pytest.fixture
def box(domain, hosting, request):
    """(id, address) of a mailbox of the test's own."""
    local_part = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    return hosting.mailbox(domain[0], local_part), f"{local_part}@{domain[1]}"


def refused(call, *args, **kwargs):
    """(code, text) with which the server refuses."""
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as caught:
        call(*args, **kwargs)
    error = caught.value
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        [(code, text)] = error.recipients.values()
    else:
        code, text = error.smtp_code, error.smtp_error
    return code, text.decode()


# -- who may come in ---------------------------------------------------------------------


def test_stranger_is_refused(box, mail, hosting):
    assert refused(mail.submit, box[1], "not the password", OUTSIDE, "x")[0] == 535
    assert refused(mail.submit, box[1], "not the password", OUTSIDE, "x", tls=False)[0] == 535
    assert not mail.can_login(box[1], "not the password")
    assert not mail.can_login(f"nobody-{box[1]}", hosting.PASSWORD)
    assert mail.can_login(box[1], hosting.PASSWORD)


def test_unknown_address_and_relay_are_refused(domain, mail):
    code, text = refused(mail.from_outside, OUTSIDE, f"nobody@{domain[1]}", "x")
    assert (code, "5.1.1" in text) == (550, True), text
    assert refused(mail.from_outside, OUTSIDE, "x@elsewhere.tests.example", "x")[0] == 554


def test_postmaster_and_abuse_of_each_domain_arrive(hosting, mail, odoo):
    """RFC 5321 4.5.1, RFC 2142; nobody has made these addresses, not even a mailbox."""
    owner = odoo("res.partner").create(
        {"name": "Owner of roles", "email": "Owner <owner-of-roles@outside.tests.example>"})
    domain, name = hosting.domain("roles", partner_id=owner)
    for number, address in enumerate((f"postmaster@{name}", f"Abuse@{name.upper()}",
                                      f"PostMaster+x@{name}")):
        mail.from_outside(OUTSIDE, address, f"role {number} {name}")
        raw = mail.outside(f"role {number} {name}").decode()
        assert "X-Envelope-To: <owner-of-roles" in raw
    assert refused(mail.from_outside, OUTSIDE, f"root@{name}", "x")[0] == 550
    odoo("emboux.domain").action_suspend([domain])
    mail.from_outside(OUTSIDE, f"abuse@{name}", f"they send spam {name}")
    mail.outside(f"they send spam {name}")
    odoo("emboux.domain").action_activate([domain])
    # the owner's own address is there: the operator hears it
    odoo("res.partner").write([owner], {"email": f"abuse@{name}"})
    odoo("emboux.domain").write([domain], {"user_id": False})
    odoo("emboux.backend").write(
        [hosting.backend], {"postmaster": "operator@outside.tests.example"})
    try:
        mail.from_outside(OUTSIDE, f"abuse@{name}", f"no circle {name}")
        assert b"X-Envelope-To: <operator@" in mail.outside(f"no circle {name}")
        # the mail server's own, without a domain
        with smtplib.SMTP("localhost", mail.status["smtp"]["port"], timeout=30) as smtp:
            smtp.ehlo("outside.tests.example")
            smtp.mail(OUTSIDE)
            assert smtp.docmd("RCPT", "TO:<Postmaster>")[0] == 250
            text = message(OUTSIDE, "postmaster", f"bare {name}")
            assert smtp.data(text.as_bytes(policy=policy.SMTP))[0] == 250
        assert b"X-Envelope-To: <operator@" in mail.outside(f"bare {name}")
    finally:
        odoo("emboux.backend").write([hosting.backend], {"postmaster": False})
    hosting.mailbox(domain, "abuse")
    mail.from_outside(OUTSIDE, f"abuse@{name}", "for the mailbox")
    mail.arrives(f"abuse@{name}", hosting.PASSWORD, "for the mailbox")


def raw_smtp(status, *pieces, port="smtp"):
    """All that the server says to these bytes; each piece is sent after an answer to the last."""
    with socket.create_connection(("127.0.0.1", status[port]["port"]), timeout=10) as client:
        said = client.recv(4096)
        for piece in pieces:
            client.sendall(piece)
            said += client.recv(4096)
        client.shutdown(socket.SHUT_WR)
        while more := client.recv(4096):
            said += more
    return said.decode()


def test_bare_newlines_are_refused(box, mail, hosting, status):
    """SMTP smuggling: what looks like the end of a message to one server and not to another."""
    said = raw_smtp(status, b"EHLO outside.tests.example\n")
    assert "bare <LF> received" in said
    start = [b"EHLO outside.tests.example\r\n", f"MAIL FROM:<{OUTSIDE}>\r\n".encode(),
             f"RCPT TO:<{box[1]}>\r\n".encode(), b"DATA\r\n"]
    head = b"Subject: smuggled\r\n\r\nText\r\n"
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n"):
        said = raw_smtp(status, *start, head + end + b"NOOP\r\nMore\r\n.\r\n")
        assert "bare <LF> received" in said, end
        assert "queued" not in said
    assert mail.subjects(box[1], hosting.PASSWORD) == []


def test_unauthorised_pipelining_is_refused(status):
    said = raw_smtp(status, b"HELO outside.tests.example\r\nNOOP\r\nNOOP\r\n")
    assert "SMTP protocol synchronization" in said


def test_no_password_without_encryption(status):
    with smtplib.SMTP("localhost", status["submission"]["port"], timeout=30) as smtp:
        smtp.ehlo()
        assert "auth" not in smtp.esmtp_features
        assert smtp.mail("x@example.org")[0] == 530


def test_an_unproven_domain_takes_and_sends_nothing(hosting, mail):
    domain, name = hosting.domain("unproven", verified=False)
    hosting.mailbox(domain, "ann")
    assert refused(mail.from_outside, OUTSIDE, f"ann@{name}", "x")[0] == 554
    assert refused(mail.submit, f"ann@{name}", hosting.PASSWORD, OUTSIDE, "x")[0] == 535
    assert not mail.can_login(f"ann@{name}", hosting.PASSWORD), "it can hold no mail either"


def test_a_proven_domain_with_wrong_records_sends_nothing(hosting, mail, odoo):
    domain, name = hosting.domain("amiss")
    hosting.mailbox(domain, "ann")
    odoo("emboux.domain").write([domain], {"state": "failed"})
    assert mail.can_login(f"ann@{name}", hosting.PASSWORD)
    code, text = refused(mail.submit, f"ann@{name}", hosting.PASSWORD, OUTSIDE, "x")
    assert code == 554
    assert f"{name} is not verified yet" in text


def test_a_claimed_domain_of_others_takes_no_mail_and_stops_none(box, hosting, mail, odoo):
    """Somebody adds a domain that is not theirs, with a catch-all, and suspends it."""
    claimed, name = hosting.domain("bigprovider", verified=False)
    hosting.mailbox(claimed, "spy", catch_all=True)
    mail.submit(box[1], hosting.PASSWORD, f"friend@{name}", "to the real provider")
    mail.outside("to the real provider")
    odoo("emboux.domain").action_suspend([claimed])
    mail.submit(box[1], hosting.PASSWORD, f"spy@{name}", "to the real one again")
    mail.outside("to the real one again")


# -- who may send as whom ----------------------------------------------------------------


def test_sender_that_is_not_the_mailboxs_is_refused(box, domain, hosting, mail):
    hosting.mailbox(domain[0], "victim")
    for sender in (f"victim@{domain[1]}", "boss@elsewhere.tests.example"):
        code, text = refused(
            mail.submit, box[1], hosting.PASSWORD, OUTSIDE, "spoof", sender=sender
        )
        assert (code, "5.7.1" in text) == (553, True), text


def test_from_header_that_is_not_the_mailboxs_is_refused(box, hosting, mail):
    _id, other = hosting.domain("othertenant")
    own = box[1].partition("@")[2]
    for author in (f"ceo@{other}", "boss@elsewhere.tests.example", f"ceo@{own}"):
        forged = message(author, OUTSIDE, "forged header")
        with mail.login(box[1], hosting.PASSWORD) as smtp:
            code, text = refused(smtp.send_message, forged, box[1], [OUTSIDE])
        assert (code, "5.7.1" in text) == (550, True), text
    assert "forged header" not in mail.outside_subjects()


def test_send_as_the_domain_and_its_subdomains(hosting, mail, odoo):
    parent, name = hosting.domain("parent", is_wildcard=True)
    child, child_name = hosting.domain(name=f"shop.{name}", verified=False)
    [row] = odoo("emboux.domain").read([child], ["state", "parent_id"])
    assert (row["state"], row["parent_id"][0]) == ("verified", parent)
    login = f"odoo@{name}"
    mailbox = hosting.mailbox(parent, "odoo", send_as="domain")
    for number, sender in enumerate((f"anybody@{name}", f"sales@{child_name}")):
        mail.submit(login, hosting.PASSWORD, OUTSIDE, f"as domain {number}", sender=sender)
        raw = mail.outside(f"as domain {number}").decode()
        assert f"d={name};" in raw.replace("\r\n\t", " ").replace("\n\t", " "), "signed by parent"
    odoo("emboux.mailbox").write([mailbox], {"send_as": "self"})
    assert refused(mail.submit, login, hosting.PASSWORD, OUTSIDE, "x",
                   sender=f"anybody@{name}")[0] == 553


def test_the_signers_live_through_mail_in_the_name_of_other_addresses(hosting, mail):
    """As Odoo sends it: From, envelope and login differ, so two questions are asked for each."""
    domain, name = hosting.domain("flow")
    hosting.mailbox(domain, "odoo", send_as="domain")
    with mail.login(f"odoo@{name}", hosting.PASSWORD) as smtp:
        for number in range(60):
            made = message(f"notifications@{name}", OUTSIDE, f"signed {number}")
            smtp.send_message(made, f"bounce@{name}", [OUTSIDE])


def test_send_as_reaches_no_subdomain_of_another_customer(hosting, mail, odoo):
    parent, name = hosting.domain("landlord", is_wildcard=True)
    theirs = odoo("res.partner").create({"name": "Tenant"})
    child, child_name = hosting.domain(name=f"own.{name}", verified=False)
    _id, foreign_name = hosting.domain(name=f"let.{name}", verified=False, partner_id=theirs)
    login = f"odoo@{name}"
    hosting.mailbox(parent, "odoo", send_as="domain")

    def submit(subject, sender, author):
        with mail.login(login, hosting.PASSWORD) as smtp:
            smtp.send_message(message(author, OUTSIDE, subject), sender, [OUTSIDE])

    submit("as an own subdomain", f"sales@{child_name}", f"sales@{child_name}")
    raw = mail.outside("as an own subdomain").decode()
    assert f"d={name};" in raw.replace("\r\n\t", " ").replace("\n\t", " "), "signed by parent"
    code, text = refused(submit, "envelope", f"ceo@{foreign_name}", login)
    assert (code, "5.7.1" in text) == (553, True), text
    code, text = refused(submit, "author", login, f"ceo@{foreign_name}")
    assert (code, "5.7.1" in text) == (550, True), text
    odoo("emboux.domain").write([child], {"partner_id": theirs})
    assert refused(submit, "moved", f"sales@{child_name}", login)[0] == 553
    assert refused(submit, "moved too", login, f"sales@{child_name}")[0] == 550


# -- passwords ---------------------------------------------------------------------------


def test_changed_password_works_at_once(box, hosting, mail, odoo):
    assert mail.can_login(box[1], hosting.PASSWORD)
    odoo("emboux.mailbox").write([box[0]], {"password": "another password"})
    assert mail.can_login(box[1], "another password")
    assert not mail.can_login(box[1], hosting.PASSWORD)
    assert refused(mail.submit, box[1], hosting.PASSWORD, OUTSIDE, "x")[0] == 535


def test_odoos_own_password_sends_but_does_not_read(box, hosting, mail, odoo, connect):
    odoo("emboux.mailbox").action_use_as_outgoing_tls([box[0]])
    [server] = odoo("emboux.mailbox").read([box[0]], ["mail_server_ids"])[0]["mail_server_ids"]
    cursor = connect("odoo").cursor()
    cursor.execute("SELECT smtp_pass FROM ir_mail_server WHERE id = %s", [server])
    [password] = cursor.fetchone()
    assert not mail.can_login(box[1], password)
    mail.submit(box[1], password, OUTSIDE, "with the second password")
    mail.outside("with the second password")
    assert mail.can_login(box[1], hosting.PASSWORD)


def test_a_refusing_server_creates_no_outgoing_server(box, hosting, odoo):
    """The button says what failed, and leaves no half-made outgoing server."""
    backend, model = hosting.backend, odoo("emboux.backend")
    [row] = model.read([backend], ["smtp_tls_port"])
    before = odoo("ir.mail_server").search_count([])
    model.write([backend], {"smtp_tls_port": 9})
    try:
        with pytest.raises(OdooError, match="(?i)connection"):
            odoo("emboux.mailbox").action_use_as_outgoing_tls([box[0]])
    finally:
        model.write([backend], {"smtp_tls_port": row["smtp_tls_port"]})
    assert odoo("ir.mail_server").search_count([]) == before
    [row] = odoo("emboux.mailbox").read([box[0]], ["send_as"])
    assert row["send_as"] == "self"


def test_a_trial_killed_midway_is_rolled_back(
    box, second_odoo, odoo, connect
):
    victim = second_odoo.start(env={"EMBOUX_FAULT": "outgoing:widened"})
    with pytest.raises((urllib.error.URLError, ConnectionError, TimeoutError)):
        victim("emboux.mailbox").action_use_as_outgoing_tls([box[0]])
    [row] = odoo("emboux.mailbox").read([box[0]], ["send_as", "mail_server_ids"])
    assert row == {"id": box[0], "send_as": "domain", "mail_server_ids": []}, "died where it should"
    cursor = connect("odoo").cursor()
    cursor.execute(
        "UPDATE emboux_mailbox SET outgoing_trial_until = now() AT TIME ZONE 'UTC' WHERE id = %s"
        " AND outgoing_before IS NOT NULL", [box[0]])
    assert cursor.rowcount == 1
    [cron] = odoo("ir.model.data").search_read(
        [("module", "=", "emboux_core"), ("name", "=", "ir_cron_end_trials")], ["res_id"])
    odoo("ir.cron").method_direct_trigger([cron["res_id"]])
    [row] = odoo("emboux.mailbox").read([box[0]], ["send_as"])
    assert row["send_as"] == "self"
    cursor.execute(
        "SELECT service_password_hash, outgoing_before FROM emboux_mailbox WHERE id = %s", [box[0]])
    assert cursor.fetchone() == (None, None)


# -- quota -------------------------------------------------------------------------------


def test_over_quota_is_refused_and_loses_nothing(domain, hosting, mail, odoo, state):
    box, address = hosting.mailbox(domain[0], "full", quota_mb=1), f"full@{domain[1]}"
    mail.from_outside(OUTSIDE, address, "the first", "x" * 70 + "\n")
    mail.arrives(address, hosting.PASSWORD, "the first")
    large = ("y" * 75 + "\n") * 14000  # just over 1 MB
    code, text = refused(mail.from_outside, OUTSIDE, address, "too large", large)
    assert 400 <= code < 600
    assert "full" in text.lower(), text
    assert mail.subjects(address, hosting.PASSWORD) == ["the first"]
    # through an alias, where its size is not known at first, it waits until there is room
    odoo("emboux.alias").create(
        {"domain_id": domain[0], "local_part": "to-full", "destinations": address}
    )
    mail.from_outside(OUTSIDE, f"to-full@{domain[1]}", "waits for room", large)
    odoo("emboux.mailbox").write([box], {"quota_mb": 10})
    flush(state)
    mail_arrives = eventually(
        "'waits for room'",
        lambda: flush(state) or "waits for room" in mail.subjects(address, hosting.PASSWORD),
        seconds=90,
    )
    assert mail_arrives


def test_quota_over_imap(domain, hosting, mail):
    address = f"imapfull@{domain[1]}"
    hosting.mailbox(domain[0], "imapfull", quota_mb=1)
    client = mail.imap(address, hosting.PASSWORD)
    answer, text = client.append("INBOX", None, None, b"Subject: large\r\n\r\n" + b"z" * 1200000)
    assert answer == "NO"
    assert b"OVERQUOTA" in text[0]
    client.logout()


def test_use_is_synced_into_odoo(box, hosting, mail, odoo):
    mail.from_outside(OUTSIDE, box[1], "counted", "x" * 70 + "\n")
    mail.arrives(box[1], hosting.PASSWORD, "counted")

    def synced():
        odoo("emboux.mailbox").search_count([])
        [cron] = odoo("ir.cron").search([("cron_name", "like", "Fetch Mailbox Usage")])
        odoo("ir.cron").method_direct_trigger([cron])
        [row] = odoo("emboux.mailbox").read([box[0]], ["usage_bytes", "message_total"])
        return row["message_total"] == 1 and row["usage_bytes"] > 100

    eventually("the use in Odoo", synced)


# -- suspension --------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["mailbox", "domain"])
def test_suspended_neither_receives_nor_sends_and_has_all_its_mail_back(
    what, hosting, mail, odoo, state
):
    domain, name = hosting.domain(f"susp{what}")
    box, address = hosting.mailbox(domain, "ann"), f"ann@{name}"
    other, other_name = hosting.domain("other")
    odoo("emboux.alias").create(
        {"domain_id": other, "local_part": "via", "destinations": address}
    )
    mail.from_outside(OUTSIDE, address, "before")
    mail.arrives(address, hosting.PASSWORD, "before")
    model, record = (odoo("emboux.mailbox"), box) if what == "mailbox" else (
        odoo("emboux.domain"), domain)
    with mail.login(address, hosting.PASSWORD) as smtp:  # a session that is open already
        model.action_suspend([record])
        code, text = refused(smtp.send_message, message(address, OUTSIDE, "in session"), address,
                             [OUTSIDE])
        assert (code, "suspended" in text) == (554, True), text
    assert not mail.can_login(address, hosting.PASSWORD)
    assert refused(mail.submit, address, hosting.PASSWORD, OUTSIDE, "new session")[0] == 535
    code, text = refused(mail.from_outside, OUTSIDE, address, "meanwhile")
    assert (code, "suspended" in text) == (450, True), text
    mail.from_outside(OUTSIDE, f"via@{other_name}", "through an alias")
    eventually("its waiting in the queue", lambda: address in deferred(state))
    model.action_activate([record])
    assert mail.subjects(address, hosting.PASSWORD) == ["before"]
    mail.from_outside(OUTSIDE, address, "after")
    mail.arrives(address, hosting.PASSWORD, "after")
    eventually(
        "the mail that waited",
        lambda: flush(state) or "through an alias" in mail.subjects(address, hosting.PASSWORD),
        seconds=90,
    )
    mail.submit(address, hosting.PASSWORD, OUTSIDE, f"sent again {what}")
    mail.outside(f"sent again {what}")
    assert "in session" not in mail.outside_subjects()


# -- addresses ---------------------------------------------------------------------------


def test_an_international_domain(hosting, mail):
    domain, name = hosting.domain(name="bücher-flow.example")
    hosting.mailbox(domain, "info")
    address = "info@xn--bcher-flow-9db.example"
    mail.from_outside(OUTSIDE, address, "to the A-label")
    mail.arrives(address, hosting.PASSWORD, "to the A-label")
    mail.submit(address, hosting.PASSWORD, OUTSIDE, "from the A-label")
    mail.outside("from the A-label")


def test_a_new_owner_of_an_address_does_not_get_the_old_mail(domain, hosting, mail, odoo):
    address = f"again@{domain[1]}"
    first = hosting.mailbox(domain[0], "again")
    mail.from_outside(OUTSIDE, address, "private")
    mail.arrives(address, hosting.PASSWORD, "private")
    odoo("emboux.mailbox").unlink([first])
    assert refused(mail.from_outside, OUTSIDE, address, "x")[0] == 550
    hosting.mailbox(domain[0], "again")
    assert mail.subjects(address, hosting.PASSWORD) == []


def test_alias_to_many_and_outside(domain, hosting, mail, odoo):
    for local_part in ("one", "two"):
        hosting.mailbox(domain[0], local_part)
    odoo("emboux.alias").create(
        {
            "domain_id": domain[0],
            "local_part": "all",
            "destinations": f"one@{domain[1]}\ntwo@{domain[1]}\nfriend@outside.tests.example",
        }
    )
    mail.from_outside(OUTSIDE, f"all@{domain[1]}", "to all")
    for local_part in ("one", "two"):
        mail.arrives(f"{local_part}@{domain[1]}", hosting.PASSWORD, "to all")
    mail.outside("to all")


def test_imap_folders_are_there(box, hosting, mail):
    client = mail.imap(box[1], hosting.PASSWORD)
    names = b" ".join(client.list()[1])
    for folder in (b"Drafts", b"Sent", b"Junk", b"Trash"):
        assert folder in names
    client.logout()
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(box[1], "")
