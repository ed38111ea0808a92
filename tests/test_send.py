"""Mail that is sent by HTTP, through the real Postfix, and what comes back about it."""

import base64
import email
import email.policy
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.api_client import done
from support.mail_client import eventually


@pytest.fixture(scope="module")
def acme(hosting, customers):
    """(domain, name, key that sends) of a customer with the mailbox ann."""
    return customers.hosted(hosting, "sends", "ann", "bob")


def unique(local_part):
    return f"{local_part}.{time.time_ns()}@outside.tests.example"


def send(api, name, to, **values):
    body = {"from": f"Ann <ann@{name}>", "to": [to], "subject": "by HTTP", "text": "Hello.\n"}
    return done(api.post("/messages/send", body | values), 202)


def story(api, sent, *statuses, seconds=40):
    """What happened to the first recipient, once it has one of these statuses."""
    def probe():
        found = done(api.get(f"/messages/{sent['recipients'][0]['id']}"), 200)
        return found["status"] in statuses and found

    return eventually(f"one of {statuses}", probe, seconds)


def kinds(found):
    return [event["kind"] for event in found["events"]]


def test_it_arrives_signed_and_has_its_story(acme, mail):
    _domain, name, api = acme
    to = unique("joe")
    subject = f"by HTTP {time.time_ns()}"
    sent = send(
        api, name, f"Jöe <{to}>", subject=subject, html="<p>Hello <img src='cid:logo'></p>",
        cc=[f"bob@{name}"], headers={"List-Unsubscribe": f"<https://acme.example/{'x' * 300}>"},
        extra={"order": "4711"}, tags=["invoice"],
        attachments=[
            {"name": "logo.png", "content": base64.b64encode(b"\x89PNG").decode(),
             "content_type": "image/png", "content_id": "logo"},
            {"name": "Rechnung Ä.pdf", "content": base64.b64encode(b"%PDF" * 500).decode(),
             "content_type": "application/pdf"}])
    assert [(each["recipient"], each["status"]) for each in sent["recipients"]] == [
        (to, "accepted"), (f"bob@{name}", "accepted")]
    raw = mail.outside(subject)
    got = email.message_from_bytes(raw, policy=email.policy.default)
    first = sent["recipients"][0]
    assert got["X-Envelope-From"] == f"<bounce+{first['from_id']}@{name}>"
    assert f"d={name};" in "".join(got["DKIM-Signature"].split())
    assert got["From"].addresses[0].addr_spec == f"ann@{name}"
    assert got["To"].addresses[0].display_name == "Jöe"
    assert got["Message-ID"] == f"<{sent['message_id']}>"
    assert "x" * 300 in got["List-Unsubscribe"]
    assert got.get_body(("html",)).get_content().startswith("<p>Hello")
    [pdf] = [part for part in got.iter_attachments() if part.get_filename() == "Rechnung Ä.pdf"]
    assert pdf.get_content() == b"%PDF" * 500
    found = story(api, sent, "delivered")
    assert [event["kind"] for event in found["events"]] == ["accepted", "delivered"]
    assert (found["extra"], found["tags"]) == ({"order": "4711"}, ["invoice"])
    assert found["from_id"] == first["from_id"] and found["queue_id"]
    # one row for each recipient, and no second one from the log
    time.sleep(3)
    listed = done(api.get("/messages", params={"message_id": sent["message_id"]}), 200)["items"]
    assert {(item["recipient"], item["direction"], item["status"]) for item in listed} == {
        (to, "out", "delivered"), (f"bob@{name}", "internal", "received")}


def test_refused_for_one_and_taken_for_the_others(acme, odoo):
    _domain, name, api = acme
    gone, nobody, well = unique("gone"), f"nobody@{name}", unique("well")
    odoo("emboux.suppression").create({"email": gone, "reason": "bounce"})
    sent = send(api, name, gone, cc=[nobody, well])
    assert [(each["status"], each["code"]) for each in sent["recipients"]] == [
        ("suppressed", "suppressed"), ("rejected", "badAddress"), ("accepted", None)]
    assert "suppression list" in sent["recipients"][0]["detail"]
    first = story(api, sent, "suppressed")
    assert [event["kind"] for event in first["events"]] == ["suppressed"]
    time.sleep(3)
    listed = done(api.get("/messages", params={"message_id": sent["message_id"]}), 200)["items"]
    assert len(listed) == 3, "what was refused is there once"


def test_who_may_send_as_whom(acme, hosting, customers, odoo, master):
    domain, name, api = acme

    def code(key, sender, **values):
        answer = key.post("/messages/send", {
            "from": sender, "to": ["joe@outside.tests.example"], "text": "x", **values})
        return answer.status_code, answer.json().get("code")

    assert code(api, "ann@elsewhere.example") == (403, "badFrom")
    assert code(api, f"sales@{name}") == (403, "badFrom")
    [bob] = odoo("emboux.mailbox").search([("email", "=", f"bob@{name}")])
    odoo("emboux.mailbox").write([bob], {"send_as": "domain"})
    assert code(api, f"sales@{name}") == (202, None)
    ref = done(master.get(f"/domains/{name}"), 200)["partner_ref"]
    narrow = customers.key(ref, area="send", sender=f"ann@{name}")
    assert code(narrow, f"bob@{name}") == (403, "badFrom")
    assert code(narrow, f"ann@{name}") == (202, None)
    assert code(customers.key(ref, area="mailboxes"), f"ann@{name}") == (403, None)
    assert code(customers.key(ref, read_only=True), f"ann@{name}") == (403, None)
    stranger = customers()
    assert code(stranger, f"ann@{name}") == (403, "badFrom")
    odoo("emboux.domain").action_suspend([domain])
    try:
        assert code(api, f"ann@{name}") == (409, "domainDisabled")
    finally:
        odoo("emboux.domain").action_activate([domain])


def test_nobody_else_may_use_the_envelope_sender(acme, mail, hosting):
    _domain, name, api = acme
    sent = send(api, name, unique("joe"))
    tag = sent["recipients"][0]["from_id"]
    with mail.login(f"bob@{name}", hosting.PASSWORD) as smtp:
        smtp.mail(f"bounce+{tag}@{name}")
        code, text = smtp.rcpt("joe@outside.tests.example")
    assert (code, b"not owned by user" in text) == (553, True), text


def test_bad_requests_name_the_field(acme):
    _domain, name, api = acme
    good = {"from": f"ann@{name}", "to": ["joe@outside.tests.example"], "text": "x"}
    for wrong, code, field in (
        ({"from": "nonsense"}, "badFrom", "from"),
        ({"from": f"a@{name}, b@{name}"}, "badFrom", "from"),
        ({"to": ["joe@outside"]}, "badAddress", "to"), ({"to": []}, "noRecipients", "to"),
        ({"cc": ["joe@x.example\r\nBcc: eve@x.example"]}, "user", "cc"),
        ({"subject": "x\r\nBcc: eve@x.example"}, "user", "subject"),
        ({"headers": {"X-A": "x\nBcc: eve@x.example"}}, "user", "headers"),
        ({"headers": {"Bcc": "eve@x.example"}}, "user", "headers"),
        ({"headers": {"X A": "1"}}, "user", "headers"),
        ({"text": ""}, "missingBody", "text"),
        ({"message_id": "no id"}, "malformedMessageID", "message_id"),
        ({"send_at": "2099-01-01T00:00:00Z"}, "user", "send_at"),
    ):
        answer = api.post("/messages/send", good | wrong)
        body = answer.json()
        assert (answer.status_code, body.get("code")) == (422, code), (wrong, body)
        assert [fault["field"] for fault in body["detail"]] == [field], (wrong, body)
    assert api.post("/messages/send", good | {"colour": "red"}).status_code == 422
    assert api.post("/messages/send", good | {"extra": {"a b": "1"}}).status_code == 422


def test_the_same_request_twice_is_sent_once(acme, mail):
    _domain, name, api = acme
    subject = f"once-{time.time_ns()}"
    body = {"from": f"ann@{name}", "to": [unique("joe")], "subject": subject, "text": "x"}
    headers = {"Idempotency-Key": subject}
    first, second = (done(api.post("/messages/send", body, headers=headers), 202) for _ in "12")
    assert first == second
    mail.outside(subject)
    time.sleep(2)
    assert mail.outside_subjects().count(subject) == 1


def test_a_whole_message(acme, mail):
    _domain, name, api = acme
    subject, to = f"raw {time.time_ns()}", unique("raw")
    raw = (f"From: Ann <ann@{name}>\r\nTo: <{to}>\r\nBcc: <eve@outside.tests.example>\r\n"
           f"Subject: {subject}\r\nMessage-ID: <kept.{time.time_ns()}@shop.example>\r\n"
           "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
           "Grüße\r\n")
    sent = done(api.post("/messages/send", {"raw": raw}), 202)
    assert [each["recipient"] for each in sent["recipients"]] == [to, "eve@outside.tests.example"]
    got = email.message_from_bytes(mail.outside(subject), policy=email.policy.default)
    assert got["Bcc"] is None and got.get_content().strip() == "Grüße"
    assert sent["message_id"].startswith("kept.")


def test_as_a_form_with_files(acme, mail):
    _domain, name, api = acme
    subject, large = f"form {time.time_ns()}", b"0123456789abcdef" * 200_000
    message = {"from": f"ann@{name}", "to": [unique("form")], "subject": subject,
               "html": "<img src='cid:logo'>"}
    key = {"Idempotency-Key": f"form-{time.time_ns()}"}

    def ask(content):
        return api("POST", "/messages/send", headers=key, files=[
            ("message", (None, json.dumps(message), "application/json")),
            ("attachments", ("logo.png", b"\x89PNG", "image/png", {"Content-ID": "<logo>"})),
            ("attachments", ("large.bin", content, "application/octet-stream"))])

    done(ask(large), 202)
    got = email.message_from_bytes(mail.outside(subject), policy=email.policy.default)
    parts = {part.get_filename(): part for part in got.walk() if part.get_filename()}
    assert parts["large.bin"].get_content() == large
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert ask(large).headers["Idempotency-Replayed"] == "true"
    assert ask(b"another").status_code == 422, "not the same request"
    broken = api("POST", "/messages/send", files=[("attachments", ("x", b"x", "text/plain"))])
    assert broken.status_code == 422


def test_later_and_taken_back(acme, mail, odoo, connect):
    _domain, name, api = acme
    at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    kept, taken = (f"later {which} {time.time_ns()}" for which in ("kept", "taken"))
    first = send(api, name, unique("joe"), subject=kept, send_at=at)
    second = send(api, name, unique("joe"), subject=taken, send_at=at)
    [number] = [each["id"] for each in second["recipients"]]
    done(api.delete(f"/messages/{number}"), 204)
    assert api.delete(f"/messages/{number}").status_code == 404
    assert story(api, second, "canceled")["events"][-1]["kind"] == "taken_back"
    assert kept not in mail.outside_subjects()
    found = odoo("emboux.message").search_read(
        [("id", "=", int(first["recipients"][0]["id"]))], ["status"])
    assert found[0]["status"] == "accepted"
    # its time has come
    rows = connect("odoo").cursor()
    rows.execute("UPDATE emboux_submission SET (send_at, next_try) ="
                 " (now() AT TIME ZONE 'UTC' - interval '1 minute',"
                 " now() AT TIME ZONE 'UTC' - interval '1 minute')")
    [cron] = odoo("ir.cron").search([("code", "=", "model._cron_send()")])
    odoo("ir.cron").method_direct_trigger([cron])
    mail.outside(kept)
    assert kinds(story(api, first, "delivered")) == ["accepted", "scheduled", "delivered"]
    assert api.delete(f"/messages/{first['recipients'][0]['id']}").status_code == 404
    rows.execute("SELECT count(*) FROM emboux_submission")
    assert rows.fetchone() == (0,)


def test_what_a_killed_process_has_handed_over_is_not_sent_again(acme, mail, odoo, connect):
    _domain, name, api = acme
    subject = f"killed {time.time_ns()}"
    at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    sent = send(api, name, unique("joe"), subject=subject, send_at=at)
    rows = connect("odoo").cursor()
    # as the reader of the log has found it meanwhile
    rows.execute("UPDATE emboux_mail.message SET queue_id = '4A1B2C3D4E' WHERE id = %s",
                 [sent["recipients"][0]["id"]])
    rows.execute("UPDATE emboux_submission SET attempts = 1,"
                 " next_try = now() AT TIME ZONE 'UTC' - interval '1 minute'")
    [cron] = odoo("ir.cron").search([("code", "=", "model._cron_send()")])
    odoo("ir.cron").method_direct_trigger([cron])
    rows.execute("SELECT count(*) FROM emboux_submission")
    assert rows.fetchone() == (0,)
    time.sleep(2)
    assert subject not in mail.outside_subjects()


def test_batch_answers_for_each(acme, mail):
    _domain, name, api = acme
    subject = f"batch {time.time_ns()}"
    good = {"from": f"ann@{name}", "to": [unique("joe")], "subject": subject, "text": "x"}
    answers = done(api.post("/messages/send-batch", {"messages": [
        good, good | {"from": "nonsense"}, good | {"to": [unique("eve")]}]}), 200)["messages"]
    assert [(each["status"], each["code"]) for each in answers] == [
        (202, None), (422, "badFrom"), (202, None)]
    eventually("both", lambda: mail.outside_subjects().count(subject) == 2)


def test_sandbox_plays_every_outcome(acme, mail, customers, master):
    _domain, name, api = acme
    ref = done(master.get(f"/domains/{name}"), 200)["partner_ref"]
    test = customers.key(ref, area="send", test=True)
    subject = f"played {time.time_ns()}"
    for role, status in (
        ("delivered", "delivered"), ("bounced+552-5.2.2", "bounced"), ("delayed", "delayed"),
        ("complained", "complained"), ("suppressed", "suppressed"), ("failed", "failed"),
    ):
        for key, to in ((test, f"{role}@outside.tests.example"), (api, f"{role}@sandbox.invalid")):
            sent = send(key, name, to, subject=subject)
            found = story(api, sent, status)
            if role.startswith("bounced"):
                assert found["dsn"] == "5.2.2"
                assert [event["kind"] for event in found["events"]] == [
                    "accepted", "delivered", "bounced"]
    time.sleep(2)
    assert subject not in mail.outside_subjects()


DSN = """From: MAILER-DAEMON@mx.outside.example\r
To: <{to}>\r
Subject: Undelivered Mail Returned to Sender\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
It could not be delivered.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.outside.example\r
\r
Final-Recipient: rfc822; joe@outside.example\r
Action: {action}\r
Status: {status}\r
Diagnostic-Code: smtp; {said}\r
--b--\r
"""


def test_a_report_that_comes_back_finds_its_message(acme, mail, odoo):
    """Minutes later, from a server beyond: never into a person's mailbox."""
    _domain, name, api = acme
    to = unique("joe")
    sent = send(api, name, to)
    story(api, sent, "delivered")
    back = f"bounce+{sent['recipients'][0]['from_id']}@{name}"
    for action, status, said in (("delayed", "4.4.1", "450 4.4.1 later"),
                                 ("failed", "5.1.1", "550 5.1.1 no such user")):
        text = DSN.format(to=back, action=action, status=status, said=said)
        mail.raw_from_outside("", back, text)
        # the daemon may have lost its connection to the database: then Postfix tries again
        kind = {"failed": "bounced"}.get(action, action)
        eventually(kind, lambda kind=kind: kind in kinds(story(api, sent, "delivered", "bounced")))
    found = story(api, sent, "bounced")
    assert [event["kind"] for event in found["events"]] == [
        "accepted", "delivered", "delayed", "bounced"]
    assert "mx.outside.example reports that it was not delivered: 550 5.1.1 no such user" in (
        found["events"][-1]["words"])
    # they get no more mail
    assert send(api, name, to)["recipients"][0]["status"] == "suppressed"
    # what is about nothing that is known is taken, and dropped
    mail.raw_from_outside("", f"bounce+{'a' * 26}@{name}", DSN.format(
        to="x", action="failed", status="5.1.1", said="no"))
