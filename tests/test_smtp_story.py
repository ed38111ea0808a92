"""A return address for each message of a mailbox, and what a sender says in X-Emboux-Extra-..."""

import email
import email.policy
import time

import dkim
import pytest
from support.api_client import done
from support.mail_client import eventually, message
from support.zone import txt_of

PARTS = ("ann", "bob", "eve", "bounce")


@pytest.fixture(scope="module")
def acme(hosting, customers, odoo):
    """(domain, name, key) of a customer; of ann and bounce each message has a return address."""
    domain, name, api = customers.hosted(hosting, "story", *PARTS, area="all")
    for local_part in ("ann", "bounce"):
        set_return(odoo, f"{local_part}@{name}")
    return domain, name, api


def set_return(odoo, address, **values):
    found = odoo("emboux.mailbox").search([("email", "=", address)])
    odoo("emboux.mailbox").write(found, {"own_return_address": True, **values})


def unique(local_part, domain="outside.tests.example"):
    return f"{local_part}.{time.time_ns()}@{domain}"


def submit(mail, hosting, login, to, sender=None, headers=(), tls=True):
    """Returns the subject and what reached the outside, if anything goes there."""
    subject = f"story {time.time_ns()}"
    text = message(sender or login, ", ".join(to), subject)
    for name, value in headers:
        text[name] = value
    with mail.login(login, hosting.PASSWORD, tls=tls) as smtp:
        smtp.send_message(text, sender or login, to)
    return subject


def arrived(mail, subject):
    return email.message_from_bytes(mail.outside(subject), policy=email.policy.default)


def stories(api, seconds=40, **wanted):
    """Recipient to story, of so many messages as are wanted (``count``), once none is under way."""
    count = wanted.pop("count", 1)

    def probe():
        items = done(api.get("/messages", params=wanted), 200)["items"]
        over = all(item["status"] not in ("accepted", "held", "delayed") for item in items)
        return len(items) == count and over and items

    items = eventually(f"{count} messages of {wanted}", probe, seconds)
    return {item["recipient"]: done(api.get(f"/messages/{item['id']}"), 200) for item in items}


def kinds(story):
    return [event["kind"] for event in story["events"]]


def signatures_hold(raw, status):
    """Whether each DKIM signature of what arrived is right."""
    checked = dkim.DKIM(raw)
    count = sum(name.lower() == b"dkim-signature" for name, _value in checked.headers)
    assert count
    return all(checked.verify(idx=number, dnsfunc=txt_of(status)) for number in range(count))


# -- the return address --------------------------------------------------------------------


def test_each_message_has_its_own_and_the_story_the_persons_address(acme, mail, hosting, odoo):
    _domain, name, api = acme
    seen = set()
    for tls in (True, False):  # ports 465 and 587
        joe, joan = unique("joe"), unique("joan")
        subject = submit(mail, hosting, f"ann@{name}", [joe, joan], tls=tls)
        got = arrived(mail, subject)
        returned = got["X-Envelope-From"].strip("<>")
        assert returned.startswith("bounce+") and returned.endswith(f"@{name}"), returned
        assert got["From"].addresses[0].addr_spec == f"ann@{name}"
        found = stories(api, q=joe.rpartition("@")[0]) | stories(api, q=joan.rpartition("@")[0])
        for story in found.values():
            assert story["sender"] == story["login"] == f"ann@{name}"
            assert returned == f"bounce+{story['from_id']}@{name}"
            assert kinds(story) == ["accepted", "delivered"]
        seen |= {story["from_id"] for story in found.values()}
    assert len(seen) == 2
    # found as before: by the person's address
    assert len(done(api.get("/messages", params={"sender": f"ann@{name}"}), 200)["items"]) >= 4


def test_whose_return_address_it_is(acme, mail, hosting, odoo):
    """The mailbox' setting counts for its address, and that of all who may, for any other."""
    domain, name, api = acme

    def returned_to(login, sender):
        subject = submit(mail, hosting, login, [unique("joe")], sender=sender)
        return arrived(mail, subject)["X-Envelope-From"].strip("<>")

    assert returned_to(f"bob@{name}", f"bob@{name}") == f"bob@{name}"
    assert returned_to(f"ann@{name}", f"ann+shop@{name}").startswith("bounce+")
    # Postfix asks again for what it got, and takes the tag off: "bounce" is a mailbox here
    assert len(returned_to(f"bounce@{name}", f"bounce@{name}")) == 33 + len(f"@{name}")
    set_return(odoo, f"bob@{name}", own_return_address=False, send_as="domain")
    odoo("emboux.alias").create({
        "domain_id": domain, "local_part": "sales", "destinations": f"ann@{name}"})
    assert returned_to(f"bob@{name}", f"sales@{name}") == f"sales@{name}"
    set_return(odoo, f"bob@{name}")
    assert returned_to(f"bob@{name}", f"sales@{name}").startswith("bounce+")
    set_return(odoo, f"eve@{name}", own_return_address=False, send_as="domain")
    assert returned_to(f"bob@{name}", f"sales@{name}") == f"sales@{name}", "or was it eve?"
    assert returned_to(f"eve@{name}", f"ann@{name}").startswith("bounce+"), "it is ann's address"
    for local_part in ("bob", "eve"):
        set_return(odoo, f"{local_part}@{name}", own_return_address=False, send_as="self")
    # the story says which address it was
    to = unique("joe")
    submit(mail, hosting, f"ann@{name}", [to], sender=f"ann+shop@{name}")
    assert stories(api, recipient=to)[to]["sender"] == f"ann+shop@{name}"


def test_nobody_sends_by_a_return_address(acme, mail, hosting):
    _domain, name, api = acme
    to = unique("joe")
    submit(mail, hosting, f"ann@{name}", [to])
    tag = stories(api, recipient=to)[to]["from_id"]
    for login in ("ann", "bob"):
        with mail.login(f"{login}@{name}", hosting.PASSWORD) as smtp:
            smtp.mail(f"bounce+{tag}@{name}")
            code, text = smtp.rcpt("joe@outside.tests.example")
        assert (code, b"not owned by user" in text) == (553, True), text


DSN = """From: MAILER-DAEMON@mx.outside.example\r
To: <{to}>\r
Subject: Undelivered Mail Returned to Sender\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.outside.example\r
{recipients}\r
--b--\r
"""
ARF = """From: complaints@feedback.example\r
To: <{to}>\r
Subject: FW: a complaint\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r
\r
--b\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: Feedback/1\r
Version: 1\r
{fields}\r
--b--\r
"""


def group(recipient, action="failed", status="5.1.1", said="550 5.1.1 no such user", field="Final"):
    return (f"\r\n{field}-Recipient: rfc822; {recipient}\r\nAction: {action}\r\n"
            f"Status: {status}\r\nDiagnostic-Code: smtp; {said}\r\n")


def test_what_comes_back_finds_its_recipient(acme, mail, hosting, odoo):
    _domain, name, api = acme
    to = {who: unique(who) for who in ("joe", "joan", "jim")}
    submit(mail, hosting, f"ann@{name}", list(to.values()))
    inbox = mail.subjects(f"ann@{name}", hosting.PASSWORD)

    def now():
        return {who: stories(api, recipient=address)[address] for who, address in to.items()}

    before = now()
    [tag] = {story["from_id"] for story in before.values()}
    back = f"bounce+{tag}@{name}"

    def report(text, kind, *who):
        known = {each: kinds(story).count(kind) for each, story in now().items()}
        mail.raw_from_outside("", back, text)
        eventually(f"{kind} for {who}", lambda: all(
            kinds(now()[each]).count(kind) > known[each] for each in who), 90)
        after = now()
        for each in to.keys() - set(who):
            assert kinds(after[each]).count(kind) == known[each], (kind, each)
        return after

    # of two recipients of three, each with what became of it
    after = report(DSN.format(to=back, recipients=group(to["joe"]) + group(
        to["joan"], "delayed", "4.4.1", "450 4.4.1 later")), "bounced", "joe")
    assert {who: story["status"] for who, story in after.items()} == {
        "joe": "bounced", "joan": "delivered", "jim": "delivered"}
    assert kinds(after["joan"])[-1] == "delayed"
    # where the server calls the recipient by another name, the one that we gave counts
    after = report(ARF.format(to=back, fields=f"Original-Rcpt-To: <{to['jim']}>\r\n"),
                   "complained", "jim")
    assert after["jim"]["status"] == "complained"
    # nobody is named, or somebody whom nobody knows: all are told, and nothing follows
    after = report(ARF.format(to=back, fields=""), "returned", *to)
    assert [story["status"] for story in after.values()] == ["bounced", "delivered", "complained"]
    assert "without saying for which of its recipients: a complaint" in (
        after["joan"]["events"][-1]["words"])
    after = report(DSN.format(to=back, recipients=group("elsewhere@beyond.example")),
                   "returned", *to)
    assert (after["joan"]["status"], after["joan"]["answer"]) == ("delivered", "450 4.4.1 later")
    suppressed = odoo("emboux.suppression").search_read(
        [("email", "in", list(to.values()))], ["email", "reason"])
    assert {(row["email"], row["reason"]) for row in suppressed} == {
        (to["joe"], "bounce"), (to["jim"], "complaint")}
    assert mail.subjects(f"ann@{name}", hosting.PASSWORD) == inbox, "in nobody's inbox"


def test_what_our_own_server_returns_waits_for_the_log(acme, mail, hosting):
    """It comes back sooner than the log of its message is read; and is no mail of ann's."""
    _domain, name, api = acme
    to, well = f"reject550+{time.time_ns()}@outside.tests.example", unique("well")
    submit(mail, hosting, f"ann@{name}", [to, well])
    story = eventually("the bounce", lambda: [
        story for story in stories(api, recipient=to).values()
        if story["status"] == "bounced"], 90)[0]
    assert kinds(story)[:2] == ["accepted", "failed"] and "bounced" in kinds(story)
    assert kinds(stories(api, recipient=well)[well]) == ["accepted", "delivered"]
    assert not [subject for subject in mail.subjects(f"ann@{name}", hosting.PASSWORD)
                if "Undelivered" in subject]


def test_suspended_and_held_as_any_other(acme, mail, hosting, odoo):
    """The queue's agent goes by the login, and by the sender's domain, which is the same."""
    domain, name, api = acme
    to = f"defer450+{time.time_ns()}@outside.tests.example"
    submit(mail, hosting, f"ann@{name}", [to])

    def status(*wanted):
        def probe():
            items = done(api.get("/messages", params={"recipient": to}), 200)["items"]
            return items and items[0]["status"] in wanted and items[0]
        return eventually(f"one of {wanted}", probe, 40)

    status("delayed")
    odoo("emboux.domain").action_suspend([domain])
    try:
        story = status("held")
        [held] = odoo("emboux.held.message").search([("recipients", "like", to)])
        odoo("emboux.held.message").action_discard([held])
        assert status("canceled")["from_id"] == story["from_id"]
    finally:
        odoo("emboux.domain").action_activate([domain])


def test_on_hold_as_it_comes_in(acme, mail, hosting, odoo):
    """By a rule: what the queue manager has not named yet is the person's all the same."""
    domain, name, api = acme
    rule = odoo("emboux.hold.rule").create({
        "name": "story", "login": f"ann@{name}"})
    to = unique("held")
    try:
        def held():
            with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
                text = message(f"ann@{name}", to, f"held {time.time_ns()}")
                text["X-Emboux-Extra-order"] = "4711"
                smtp.send_message(text, f"ann@{name}", [to])
            time.sleep(3)
            items = done(api.get("/messages", params={"sender": f"ann@{name}",
                                                      "status": "held"}), 200)["items"]
            return items and items[0]

        story = eventually("held by the rule", held, 40)
    finally:
        odoo("emboux.hold.rule").unlink([rule])
    assert story["sender"] == f"ann@{name}" and story["extra"] == {"order": "4711"}
    held = odoo("emboux.held.message").search([("queue_id", "=", story["queue_id"])])
    odoo("emboux.held.message").action_release(held)

    def released():
        found = done(api.get(f"/messages/{story['id']}"), 200)
        return found["status"] == "delivered" and found

    after = eventually("its release", released, 60)
    assert len(after["from_id"]) == 26 and after["sender"] == f"ann@{name}"


# -- what the sender says of it ------------------------------------------------------------


def test_extra_is_taken_out_logged_and_signed_without(acme, mail, hosting, status):
    _domain, name, api = acme
    long = " ".join(["a word of it"] * 30)
    to = unique("joe")
    subject = submit(mail, hosting, f"bob@{name}", [to, f"eve@{name}"], headers=[
        ("X-Emboux-Extra-order", "4711"), ("x-emboux-extra-Long.one", long),
        ("X-Emboux-Extra-greeting", "Grüße, € 5"), ("X-Emboux-Extra-empty", ""),
        ("X-Emboux-Extra-quotes", "a \"b\" \\n <c>; from=<x@y.example>: emboux-extra z=1"),
        ("X-Emboux-Extra-too-long", "x" * 501), ("X-Emboux-Extra-no!name", "1"),
        ("X-Emboux-Other", "stays")])
    raw = mail.outside(subject)
    assert b"emboux-extra" not in raw.lower() and b"X-Emboux-Other: stays" in raw
    assert signatures_hold(raw, status)
    story = stories(api, recipient=to)[to]
    assert story["extra"] == {
        "order": "4711", "Long.one": long, "greeting": "Grüße, € 5", "empty": "",
        "quotes": "a \"b\" \\n <c>; from=<x@y.example>: emboux-extra z=1"}
    assert story["sender"] == f"bob@{name}" and story["from_id"] is None
    inside = stories(api, recipient=f"eve@{name}", q=f"bob@{name}")[f"eve@{name}"]
    assert inside["extra"]["order"] == "4711"
    client = mail.imap(f"eve@{name}", hosting.PASSWORD)
    client.select("INBOX", readonly=True)
    _ok, found = client.search(None, "HEADER", "Subject", f'"{subject}"')
    _ok, parts = client.fetch(found[0].split()[-1], "(BODY.PEEK[])")
    client.logout()
    assert b"emboux-extra" not in parts[0][1].lower()


def test_the_first_twenty_count_and_those_of_attachments_are_no_labels(acme, mail, hosting, status):
    _domain, name, api = acme
    to = unique("joe")
    text = message(f"ann@{name}", to, f"many {time.time_ns()}")
    for number in range(25):
        text[f"X-Emboux-Extra-n{number}"] = str(number)
    text["X-Emboux-Extra-n3"] = "again"
    inner = message("joe@outside.tests.example", f"ann@{name}", "attached")
    inner["X-Emboux-Extra-inner"] = "stays"
    text.add_attachment(inner)
    with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
        smtp.send_message(text, f"ann@{name}", [to])
    raw = mail.outside(text["Subject"])
    assert b"X-Emboux-Extra-n" not in raw and b"X-Emboux-Extra-inner: stays" in raw
    assert signatures_hold(raw, status)
    story = stories(api, recipient=to)[to]
    assert story["extra"] == {f"n{number}": str(number) for number in range(20)}
    assert len(story["from_id"]) == 26


def test_from_outside_such_headers_mean_nothing(acme, mail, hosting):
    _domain, name, api = acme
    sender, subject = unique("writes"), f"outside {time.time_ns()}"
    text = message(sender, f"eve@{name}", subject)
    text["X-Emboux-Extra-order"] = "4711"
    mail.raw_from_outside(sender, f"eve@{name}", text.as_bytes(policy=email.policy.SMTP))
    story = stories(api, sender=sender)[f"eve@{name}"]
    assert story["extra"] == {} and story["from_id"] is None
    client = mail.imap(f"eve@{name}", hosting.PASSWORD)
    client.select("INBOX", readonly=True)
    _ok, found = client.search(None, "HEADER", "X-Emboux-Extra-order", "4711")
    client.logout()
    assert found[0].split()


def test_a_webhook_is_told_of_both(acme, mail, hosting, connect):
    _domain, name, api = acme
    made = done(api.post("/webhooks/", {
        "name": "story", "url": "https://hooks.tests.example/x",
        "types": ["message.accepted", "message.delivered"]}), 201)
    try:
        to = unique("joe")
        submit(mail, hosting, f"ann@{name}", [to], headers=[("X-Emboux-Extra-order", "4711")])
        story = stories(api, recipient=to)[to]
        rows = connect("odoo").cursor()
        rows.execute("SELECT type, payload::jsonb -> 'data' FROM emboux_mail.webhook_delivery"
                     " WHERE about = %s ORDER BY id", [to])
        told = rows.fetchall()
    finally:
        done(api.delete(f"/webhooks/{made['id']}"), 204)
    assert [kind for kind, _data in told] == ["message.accepted", "message.delivered"]
    for _kind, data in told:
        assert (data["extra"], data["from_id"], data["sender"]) == (
            {"order": "4711"}, story["from_id"], f"ann@{name}")
