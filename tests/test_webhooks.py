"""Webhooks on the real stack: what happens is told, signed, in order, and at least once."""

import base64
import email.message
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import playwright
import psycopg2
import pytest
import requests
from parts import system
from parts import webhooks as webhooks_part
from parts.supervisor import Supervisor, is_alive
from standardwebhooks import WebhookVerificationError
from support.api_client import done
from support.hook_receiver import Receiver, answer, endless, nonsense, ok, reset, slow
from support.mail_client import eventually

SANDBOX = "sandbox.invalid"


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def loopback(odoo):
    """The receiver is on this machine, which no customer's may be."""
    parameters = odoo("ir.config_parameter")
    parameters.set_param("emboux_mail_api.webhook_networks", "127.0.0.1/32")
    time.sleep(6)  # the daemon reads it every five seconds
    yield
    parameters.set_param("emboux_mail_api.webhook_networks", False)


@pytest.fixture(scope="module")
def acme(hosting, customers):
    """(domain, name, key) of a customer with the mailbox ann."""
    return customers.hosted(hosting, "hooks", "ann")


@pytest.fixture
def rows(connect):
    return connect("odoo").cursor()


@pytest.fixture
def hook(receiver, request):
    """Make a webhook of the key's that calls a path of this test alone."""
    made = []

    def make(api, *types, answers=None, **values):
        path = f"/{request.node.name[:60]}-{len(made)}"
        if answers:
            receiver.answers[path] = answers
        created = done(api.post("/webhooks/", {
            "name": path, "url": receiver.url(path), "types": list(types)} | values), 201)
        made.append((api, created["id"]))
        return created | {"path": path, "api": api}

    yield make
    for api, number in made:
        api.delete(f"/webhooks/{number}")


def send(api, name, to, **values):
    return done(api.post("/messages/send", {
        "from": f"ann@{name}", "to": [to], "subject": "x", "text": "x"} | values), 202)


def heard(receiver, hook, count, kind=None, seconds=30):
    return eventually(
        f"{count} calls of {hook['path']}",
        lambda: (found := receiver.calls(hook["path"], kind))[count - 1:] and found, seconds)


def deliveries(hook, **query):
    return done(hook["api"].get(f"/webhooks/{hook['id']}/deliveries", params=query), 200)["items"]


def test_each_message_is_told_signed_in_order_with_what_it_was_sent_with(
    acme, receiver, hook, mail
):
    _domain, name, api = acme
    made = hook(api)
    to = f"joe.{time.time_ns()}@outside.tests.example"
    sent = send(api, name, to, extra={"order": "4711"}, tags=["invoice"])
    first, second = heard(receiver, made, 2)
    assert [first.type, second.type] == ["message.accepted", "message.delivered"]
    for call in (first, second):
        assert call.verify(made["secret"]) == call.event
        with pytest.raises(WebhookVerificationError):
            call.verify("whsec_" + "A" * 43 + "=")
        assert call.headers["Content-Type"] == "application/json"
        data = call.data
        assert (data["recipient"], data["extra"], data["tags"]) == (
            to, {"order": "4711"}, ["invoice"])
        assert data["id"] == sent["recipients"][0]["id"]
        assert data["message_id"] == sent["message_id"]
        assert data["domain"] == name
    assert second.data["event"]["text"].startswith("250 ")
    assert first.number != second.number
    [last, before] = deliveries(made)
    assert (last["type"], before["type"]) == ("message.delivered", "message.accepted")
    assert last["event_id"] == second.number and last["body"] == second.event
    assert [each["status"] for each in last["tries"]] == [200]


def test_the_library_for_node_takes_them(acme, receiver, hook, tmp_path):
    _domain, name, api = acme
    made = hook(api)
    renewed = done(api("POST", f"/webhooks/{made['id']}/secret"), 200)["secret"]
    send(api, name, f"delivered@{SANDBOX}", extra={"name": "Gr\u00fc\u00dfe \u2713"})
    calls = heard(receiver, made, 2)
    recorded = tmp_path / "calls.json"
    recorded.write_text(json.dumps([
        [secret, {key.lower(): value for key, value in call.headers.items()}, body]
        for call in calls
        for secret, body in ((renewed, call.body.decode()), (made["secret"], call.body.decode()),
                             ("whsec_" + "A" * 43 + "=", call.body.decode()),
                             (renewed, call.body.decode() + " "))]))
    node = Path(playwright.__file__).parent / "driver" / "node"
    said = system.run([str(node), str(Path(__file__).parent / "support" / "node" / "verify.js"),
                       str(recorded)])
    assert json.loads(said) == [
        "good", "good", "WebhookVerificationError", "WebhookVerificationError"] * 2


def test_what_the_sandbox_plays_is_told_too(acme, receiver, hook):
    _domain, name, api = acme
    made = hook(api)
    for role, kinds in (
        ("delivered", ["message.accepted", "message.delivered"]),
        ("bounced+550-5.1.1", ["message.accepted", "message.delivered", "message.bounced"]),
        ("delayed", ["message.accepted", "message.delayed"]),
        ("complained", ["message.accepted", "message.delivered", "message.complained"]),
        ("suppressed", ["message.suppressed"]),
        ("failed", ["message.accepted", "message.failed"]),
    ):
        [recipient] = send(api, name, f"{role}@{SANDBOX}")["recipients"]

        def told(number=recipient["id"]):
            return [call.type for call in receiver.calls(made["path"])
                    if call.data["id"] == number]

        eventually(role, lambda kinds=kinds, told=told: len(told()) >= len(kinds))
        assert told() == kinds


def test_mail_by_smtp_and_what_is_refused(acme, receiver, hook, mail, hosting, odoo):
    _domain, name, api = acme
    made = hook(api)
    to = f"smtp.{time.time_ns()}@outside.tests.example"
    gone = f"gone.{time.time_ns()}@outside.tests.example"
    odoo("emboux.suppression").create({"email": gone, "reason": "bounce"})
    with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
        smtp.sendmail(f"ann@{name}", [to], f"From: ann@{name}\r\nSubject: x\r\n\r\nx\r\n")
        smtp.mail(f"ann@{name}")
        assert smtp.rcpt(gone)[0] == 550
        smtp.rset()
    told = heard(receiver, made, 3)
    of = {(call.type, call.data["recipient"]) for call in told}
    assert of == {("message.accepted", to), ("message.delivered", to),
                  ("message.suppressed", gone)}


def test_only_what_it_asks_for(acme, receiver, hook, hosting):
    _domain, name, api = acme
    failed = hook(api, "message.failed", "message.bounced")
    everything = hook(api)
    for role in ("delivered", "failed"):
        send(api, name, f"{role}@{SANDBOX}")
    heard(receiver, everything, 4)
    assert [call.type for call in heard(receiver, failed, 1)] == ["message.failed"]


def test_domains_mailboxes_and_keys(acme, receiver, hook, odoo, rows, hosting):
    domain, name, api = acme
    made = hook(api)
    odoo("emboux.domain").action_suspend([domain])
    odoo("emboux.domain").action_activate([domain])
    suspended, verified = heard(receiver, made, 2)
    assert (suspended.type, verified.type) == ("domain.suspended", "domain.verified")
    assert suspended.data["domain"] == name
    odoo("emboux.domain").write([domain], {"outbound_status": "blocked"})
    odoo("emboux.domain").write([domain], {"outbound_status": "open"})
    assert [call.type for call in heard(receiver, made, 4)[2:]] == [
        "domain.blocked", "domain.unblocked"]
    [box] = odoo("emboux.mailbox").search([("email", "=", f"ann@{name}")])
    odoo("emboux.mailbox").write([box], {"quota_mb": 10})
    rows.execute("INSERT INTO emboux_mail.usage (username, bytes) VALUES (%s, 1000)"
                 " ON CONFLICT (username) DO UPDATE SET bytes = 1000", [f"ann@{name}"])
    for size in (9_000_000, 9_600_000, 9_700_000, 10_500_000, 10_600_000):
        rows.execute("UPDATE emboux_mail.usage SET bytes = %s WHERE username = %s",
                     [size, f"ann@{name}"])
    warned, full = heard(receiver, made, 6)[4:]
    assert (warned.type, full.type) == ("mailbox.quota_warning", "mailbox.quota_full")
    assert (warned.data["used"], warned.data["quota"]) == (9_600_000, 10 * 1024 * 1024)
    rows.execute("DELETE FROM emboux_mail.usage WHERE username = %s", [f"ann@{name}"])
    number = done(api.get("/webhooks/"), 200)["items"][0]["partner_ref"]
    [partner] = odoo("res.partner").search([("ref", "=", number)])
    [key] = odoo("emboux.api.key").search([("partner_id", "=", partner)])[:1]
    soon = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
    odoo("emboux.api.key").write([key], {"expires_at": soon})
    [cron] = odoo("ir.cron").search([("code", "=", "model._cron_tell_expiring()")])
    for _twice in range(2):
        odoo("ir.cron").method_direct_trigger([cron])
    expiring = heard(receiver, made, 7)[6]
    assert (expiring.type, expiring.data["key"]) == ("key.expiring", key)
    odoo("emboux.api.key").write([key], {"expires_at": False})
    time.sleep(2)
    assert len(receiver.calls(made["path"])) == 7


def test_nobody_hears_of_somebody_elses(acme, receiver, hook, customers, hosting, master):
    _domain, name, api = acme
    _other, other_name, stranger = customers.hosted(hosting, "rival", "ann")
    mine, theirs = hook(api), hook(stranger)
    operators = hook(master)
    assert operators["partner_ref"] is None
    send(api, name, f"delivered@{SANDBOX}")
    send(stranger, other_name, f"delivered@{SANDBOX}")
    assert {call.data["domain"] for call in heard(receiver, mine, 2)} == {name}
    assert {call.data["domain"] for call in heard(receiver, theirs, 2)} == {other_name}
    assert {call.data["domain"] for call in heard(receiver, operators, 4)} >= {name, other_name}
    for path in ("", "/deliveries"):
        assert api.get(f"/webhooks/{theirs['id']}{path}").status_code == 404
    for path in ("/test", "/secret", "/send-again"):
        body = {"json": {}} if path == "/send-again" else {}
        assert api("POST", f"/webhooks/{theirs['id']}{path}", **body).status_code == 404
    assert api.delete(f"/webhooks/{theirs['id']}").status_code == 404
    assert api.put(f"/webhooks/{theirs['id']}", {"name": "x"}).status_code == 404
    [delivery, *_more] = deliveries(theirs)
    again = f"/deliveries/{delivery['id']}/send-again"
    assert api("POST", f"/webhooks/{theirs['id']}{again}").status_code == 404
    assert api("POST", f"/webhooks/{mine['id']}{again}").status_code == 404
    refused = api.post("/webhooks/", {
        "name": "x", "url": receiver.url("/x"), "domain": other_name})
    assert refused.status_code == 404
    assert api.post("/webhooks/", {
        "name": "x", "url": receiver.url("/x"), "partner_ref": "x"}).status_code == 422


def test_a_key_of_one_domain_hears_of_it_alone(acme, customers, receiver, hook, master):
    _domain, name, api = acme
    ref = done(master.get(f"/domains/{name}"), 200)["partner_ref"]
    narrow = customers.key(ref, domain=name)
    everything = hook(api)
    assert narrow.post("/webhooks/", {
        "name": "x", "url": receiver.url("/x")}).status_code in (403, 404)
    mine = hook(narrow, domain=name)
    assert narrow.get(f"/webhooks/{everything['id']}").status_code == 404
    assert [each["id"] for each in done(narrow.get("/webhooks/"), 200)["items"]] == [mine["id"]]


def test_answers_that_are_no_success_are_tried_again_in_order(acme, receiver, hook, rows):
    _domain, name, api = acme
    made = hook(api, answers=[answer(500, b"out of order"), reset, nonsense, ok])
    [recipient] = send(api, name, f"delivered@{SANDBOX}")["recipients"]
    # 0 s, 5 s; what follows is brought forward
    heard(receiver, made, 2)
    eventually("the second attempt is written down", lambda: [
        each for each in deliveries(made) if len(each["tries"]) == 2])
    for attempts in (3, 4):
        rows.execute("UPDATE emboux_mail.webhook_delivery SET next_try = emboux_mail.utc_now()"
                     " WHERE webhook_id = %s AND state = 'pending'", [made["id"]])
        heard(receiver, made, attempts)
        time.sleep(0.5)
    told = heard(receiver, made, 5)
    assert [call.type for call in told] == ["message.accepted"] * 4 + ["message.delivered"]
    assert len({call.number for call in told[:4]}) == 1, "the same number each time"
    assert told[1].at - told[0].at > 4
    assert {call.data["id"] for call in told} == {recipient["id"]}
    accepted = deliveries(made)[-1]
    said = [(each["status"], each["text"]) for each in accepted["tries"]]
    assert said[0] == (500, "out of order") and said[3] == (200, "")
    assert said[1] == (0, "It ended the connection without an answer.")
    assert said[2][0] == 0 and said[2][1]
    shown = done(api.get(f"/webhooks/{made['id']}"), 200)
    assert (shown["state"], shown["failing_since"], shown["problem"]) == ("enabled", None, None)


def test_gone_stops_it_and_its_owner_is_told(acme, receiver, hook, odoo):
    _domain, name, api = acme
    made = hook(api, answers=[answer(410)])
    send(api, name, f"delivered@{SANDBOX}")
    eventually("its end", lambda: done(
        api.get(f"/webhooks/{made['id']}"), 200)["state"] == "failing")
    [cron] = odoo("ir.cron").search([("code", "=", "model._cron_tell()")])
    odoo("ir.cron").method_direct_trigger([cron])
    [row] = odoo("emboux.webhook").read([made["id"]], ["told_at", "message_ids", "partner_id"])
    assert row["told_at"]
    told = odoo("mail.message").read(row["message_ids"], ["subject", "partner_ids"])
    [notice] = [each for each in told if each["subject"]]
    assert "is stopped" in notice["subject"] and notice["partner_ids"] == [row["partner_id"][0]]
    # what happens meanwhile waits, and is sent when it is resumed
    send(api, name, f"delivered@{SANDBOX}")
    time.sleep(2)
    assert len(receiver.calls(made["path"])) == 1
    receiver.answers[made["path"]] = [ok]
    done(api.put(f"/webhooks/{made['id']}", {"state": "enabled"}), 200)
    assert [call.type for call in heard(receiver, made, 5)[1:]].count("message.accepted") == 2


def test_retry_after_is_obeyed(acme, receiver, hook):
    _domain, name, api = acme
    made = hook(api, answers=[answer(429, Retry_After="7"), ok])
    send(api, name, f"delivered@{SANDBOX}")
    heard(receiver, made, 1)
    send(api, name, f"delivered@{SANDBOX}")
    told = heard(receiver, made, 5)
    assert 6 < told[1].at - told[0].at < 20
    assert min(call.at for call in told[1:]) - told[0].at > 6, "another event waits too"


def test_a_slow_one_holds_up_nobody(acme, receiver, hook):
    _domain, name, api = acme
    idle = hook(api, answers=[slow(20)])
    lying = hook(api, answers=[endless])
    quick = hook(api)
    for _ in range(10):
        send(api, name, f"delivered@{SANDBOX}")
    began = time.monotonic()
    heard(receiver, quick, 20, seconds=10)
    assert time.monotonic() - began < 10
    eventually("the deadline", lambda: [
        each for each in deliveries(idle) if each["tries"]], 30)
    tried = [each for each in deliveries(idle) if each["tries"]][0]["tries"][0]
    assert tried["status"] == 0 and "15 seconds" in tried["text"] and 14000 < tried["ms"] < 17000
    eventually("the end of what is endless", lambda: [
        each for each in deliveries(lying) if each["tries"]], 30)


def test_redirections_stay_with_the_host(acme, receiver, hook):
    _domain, name, api = acme
    same = hook(api, answers=[answer(308, Location="/elsewhere")])
    other = hook(api, answers=[answer(307, Location="http://127.0.0.2:1/x")])
    got = hook(api, answers=[answer(302, Location="/get")])
    send(api, name, f"suppressed@{SANDBOX}")
    [call] = heard(receiver, {"path": "/elsewhere"}, 1)
    call.verify(same["secret"])
    assert eventually("delivered", lambda: deliveries(same, state="delivered"))
    tried = eventually("refused", lambda: [e for e in deliveries(other) if e["tries"]])
    assert "redirects to another host" in tried[0]["tries"][0]["text"]
    tried = eventually("no success", lambda: [e for e in deliveries(got) if e["tries"]])
    assert tried[0]["tries"][0]["status"] == 302
    assert not receiver.calls("GET")


INSIDE = ("127.0.0.2", "[::1]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
          "[::ffff:127.0.0.2]", "[fe80::1]", "[fd00::1]", "100.64.0.1", "0.0.0.0", "2130706434",
          "[64:ff9b::a00:1]", "localhost.tests.example", "224.0.0.1", "0x7f000002")


@pytest.mark.parametrize("host", INSIDE)
def test_nothing_is_sent_inside(host, acme, receiver, hook, rows, odoo):
    """However the address is written; with a setting that allows another one of this machine."""
    _domain, name, api = acme
    made = hook(api)
    rows.execute("UPDATE emboux_webhook SET url = %s WHERE id = %s",
                 [f"https://{host}:{receiver.port}/inside", made["id"]])
    send(api, name, f"suppressed@{SANDBOX}")
    [tried] = eventually("an attempt", lambda: [e for e in deliveries(made) if e["tries"]])
    text = tried["tries"][0]["text"]
    assert tried["tries"][0]["status"] == 0
    assert any(words in text for words in (
        "not on the public internet", "cannot be resolved", "no address")), text
    assert not receiver.calls("/inside")


def test_what_leads_inside_is_refused_at_once(acme, odoo):
    _domain, name, api = acme
    parameters = odoo("ir.config_parameter")
    parameters.set_param("emboux_mail_api.webhook_networks", False)
    try:
        for url, word in (
            ("https://127.0.0.1/x", "public"), ("https://[::1]/x", "public"),
            ("https://localhost/x", "public"), ("http://shop.example/x", "https"),
            ("ftp://shop.example/x", "https://shop"), ("https://u:p@shop.example/x", "header"),
            ("https://shop.example/x#y", "#"), ("nonsense", "https://shop"),
            ("https://[::1", "not an address"),
        ):
            refused = api.post("/webhooks/", {"name": "x", "url": url})
            assert refused.status_code == 422, (url, refused.text)
            assert word in refused.text, (url, refused.text)
    finally:
        parameters.set_param("emboux_mail_api.webhook_networks", "127.0.0.1/32")
    for headers in ({"Host": "x"}, {"webhook-id": "x"}, {"Content-Length": "1"}, {"x y": "1"},
                    {"X": "a\r\nY: b"}):
        refused = api.post("/webhooks/", {
            "name": "x", "url": "https://shop.example/x", "headers": headers})
        assert refused.status_code == 422, refused.text


def test_only_a_certificate_that_is_trusted(acme, hook, state, tmp_path, rows):
    _domain, name, api = acme
    made = hook(api)
    trusted, stranger = (ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) for _ in "12")
    trusted.load_cert_chain(state.path("tls", "cert.pem"), state.path("tls", "key.pem"))
    system.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", str(tmp_path / "key.pem"),
                "-out", str(tmp_path / "cert.pem"), "-subj", "/CN=localhost", "-addext",
                "subjectAltName=IP:127.0.0.1"])
    stranger.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    for context, well in ((trusted, True), (stranger, False)):
        receiver = Receiver(context)
        try:
            rows.execute("UPDATE emboux_webhook SET url = %s, not_before = NULL WHERE id = %s",
                         [receiver.url("/tls"), made["id"]])
            tested = done(api("POST", f"/webhooks/{made['id']}/test"), 202)["delivery"]
            [tried] = eventually("an attempt", lambda number=tested: [
                each for each in deliveries(made) if each["id"] == number and each["tries"]])
            assert (tried["state"] == "delivered") is well
            if not well:
                assert "certificate is not valid" in tried["tries"][0]["text"]
            assert len(receiver.calls("/tls")) == int(well)
        finally:
            receiver.close()


def test_two_secrets_while_one_is_changed(acme, receiver, hook):
    _domain, name, api = acme
    made = hook(api, headers={"Authorization": "Bearer theirs", "X-Shop": "7"})
    renewed = done(api("POST", f"/webhooks/{made['id']}/secret"), 200)
    assert renewed["secret"] != made["secret"] and renewed["former_secret_until"]
    assert sorted(renewed["header_names"]) == ["Authorization", "X-Shop"]
    assert "theirs" not in json.dumps(renewed)
    tested = done(api("POST", f"/webhooks/{made['id']}/test"), 202)
    [call] = heard(receiver, made, 1)
    for secret in (made["secret"], renewed["secret"]):
        call.verify(secret)
    assert call.type == "webhook.test"
    assert (call.headers["Authorization"], call.headers["X-Shop"]) == ("Bearer theirs", "7")
    assert deliveries(made)[0]["id"] == tested["delivery"]


def test_paused_waits_and_again_sends_the_same(acme, receiver, hook):
    _domain, name, api = acme
    made = hook(api)
    done(api.put(f"/webhooks/{made['id']}", {"state": "paused"}), 200)
    send(api, name, f"delivered@{SANDBOX}")
    time.sleep(2)
    assert not receiver.calls(made["path"])
    done(api.put(f"/webhooks/{made['id']}", {"state": "enabled"}), 200)
    first = heard(receiver, made, 2)
    eventually("written down", lambda: len(deliveries(made, state="delivered")) == 2)
    again = done(api.post(f"/webhooks/{made['id']}/send-again", {"state": "delivered"}), 200)
    assert again["count"] == 2
    told = heard(receiver, made, 4)
    assert [call.number for call in told[2:]] == [call.number for call in first]
    one = deliveries(made)[0]
    done(api("POST", f"/webhooks/{made['id']}/deliveries/{one['id']}/send-again"), 200)
    assert heard(receiver, made, 5)[4].number == one["event_id"]


def test_mail_that_comes_in(acme, receiver, hook, mail, hosting, odoo, customers, master):
    """To a mailbox whose mail goes to the webhook, by an alias too; told again until it is taken,
    with attachments to be fetched, and signed as the sender's domain has said."""
    domain, name, api = acme
    ref = done(master.get(f"/domains/{name}"), 200)["partner_ref"]
    whole = customers.key(ref)
    made = hook(api, "message.bounced", answers=[answer(500), ok])
    done(whole.post("/users/", {"email": f"in@{name}"}), 201)
    stranger, *_rest = customers.hosted(hosting, "other")[2:]
    theirs = hook(stranger)
    assert whole.put(f"/users/in@{name}", {"webhook": theirs["id"]}).status_code == 422
    shown = done(whole.put(f"/users/in@{name}", {"webhook": made["id"]}), 200)
    assert shown["webhook"] == made["id"]
    done(whole.post("/aliases/", {"address": f"orders@{name}", "destinations": [f"in@{name}"]}))
    large = bytes(range(256)) * 2000
    text = email.message.EmailMessage()
    text["From"], text["To"] = "Joe <joe@far.tests.example>", f"orders@{name}"
    text["Subject"] = f"my order {time.time_ns()}"
    text.set_content("Two of them.")
    text.add_attachment(b"small", maintype="text", subtype="csv", filename="order.csv")
    text.add_attachment(large, maintype="image", subtype="png", filename="large.png")
    time.sleep(1)
    mail.raw_from_outside("joe@far.tests.example", f"orders@{name}", text.as_bytes(
        policy=text.policy.clone(linesep="\r\n")))
    first, second = heard(receiver, made, 2, seconds=60)
    assert first.number == second.number and first.body == second.body
    assert second.verify(made["secret"]) == second.event
    data = second.data
    assert second.type == "message.received"
    assert (data["mailbox"], data["recipients"]) == (f"in@{name}", [f"orders@{name}"])
    assert (data["sender"], data["subject"]) == ("joe@far.tests.example", text["Subject"])
    assert data["text"].strip() == "Two of them." and data["client"] == "127.0.0.1"
    small, big = data["attachments"]
    assert base64.b64decode(small["content"]) == b"small"
    assert requests.get(big["url"], timeout=30).content == large
    assert requests.get(big["url"].partition("&")[0], timeout=30).status_code in (403, 404)
    assert data["authentication"]["dmarc"]["result"] in ("none", "fail")
    [box] = odoo("emboux.mailbox").search([("email", "=", f"in@{name}")])
    assert odoo("emboux.mailbox").search([("id", "=", box), ("webhook_id", "=", made["id"])])
    # ours is signed, and says so
    subject = f"signed {time.time_ns()}"
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"in@{name}", subject)
    signed = heard(receiver, made, 3)[2].data
    assert signed["subject"] == subject
    assert "pass" in [each["result"] for each in signed["authentication"]["dkim"]]
    assert signed["authentication"]["dmarc"]["result"] == "pass"
    # paused it waits, and nothing is lost
    done(api.put(f"/webhooks/{made['id']}", {"state": "paused"}), 200)
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"in@{name}", "waits")
    eventually("it to be written down", lambda: deliveries(made, state="pending"))
    assert api.delete(f"/webhooks/{made['id']}").status_code == 409, "a mailbox needs it"
    done(api.put(f"/webhooks/{made['id']}", {"state": "enabled"}), 200)
    assert heard(receiver, made, 4)[3].data["subject"] == "waits"
    assert done(whole.put(f"/users/in@{name}", {"webhook": 0}), 200)["webhook"] is None
    time.sleep(1)
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"in@{name}", "is kept")
    time.sleep(3)
    assert len(receiver.calls(made["path"])) == 4


def test_the_daemons_role_reads_nothing_but_what_it_sends(connect):
    rows = connect("emboux_webhooks").cursor()
    rows.execute("SELECT count(*) FROM emboux_mail.due_deliveries('{}', '{}', '{}', 10)")
    for statement in ("SELECT payload FROM emboux_mail.webhook_delivery",
                      "SELECT secret FROM emboux_webhook", "SELECT * FROM emboux_mail.message",
                      "SELECT * FROM res_users", "DELETE FROM emboux_mail.webhook_delivery",
                      "UPDATE emboux_webhook SET url = 'x'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows.execute(statement)


def test_in_the_web_client(browser, receiver, odoo, acme):
    """Made, tested and looked at by a person; what fails is red, and says why."""
    page = browser.page
    receiver.answers["/by-hand"] = [ok, answer(503, b"closed for lunch")]
    browser.open("/odoo/email-webhooks/new", ".o_form_view")
    page.fill("[name=name] input", "By hand")
    page.fill("[name=url] input", receiver.url("/by-hand"))
    page.click(".o_form_button_save")
    page.wait_for_selector("[name=signing_secret]:has-text('whsec_')")
    page.click("button[name=action_test]")
    page.wait_for_selector(".o_notification:has-text('the answer was 200')", timeout=20_000)
    page.click("button[name=action_test]")
    page.wait_for_selector(".o_notification:has-text('503 closed for lunch')", timeout=20_000)
    page.wait_for_selector(".alert-warning:has-text('It has been failing since')")
    browser.picture("webhook")
    page.click("button[name=action_open_deliveries]")
    page.wait_for_selector(".o_data_row:has-text('webhook.test')")
    [failed] = odoo("emboux.webhook.delivery").search(
        [("webhook_id.name", "=", "By hand"), ("last_answer", "!=", "")], limit=1)
    browser.open(f"/odoo/email-webhook-deliveries/{failed}",
                 ".o_form_view:has-text('closed for lunch')")
    browser.picture("webhook_delivery")
    page.click("button[name=action_send_again]")
    eventually("the third call", lambda: len(receiver.calls("/by-hand")) >= 3)
    assert browser.errors == []
    hooks = odoo("emboux.webhook")
    hooks.unlink(hooks.search([("name", "=", "By hand")]))


class WorldDaemon:
    """The daemon that sends the world's webhooks: killed, and another in its place."""

    def __init__(self, state, database):
        self._state = state
        [self._service] = webhooks_part.services(state, database)
        self._own = Supervisor(state, echo=False, pids="pids-webhooks.json")

    def kill(self):
        if self._own.running:
            self._own.kill("webhooks")
            return
        pids = json.loads(self._state.path("run", "pids.json").read_text())
        pid, started, *_ = pids["webhooks"]
        system.run(system.as_root(["sh", "-c", 'kill -s KILL -- "-$0"', str(pid)]))
        eventually("its end", lambda: not is_alive(pid, started))

    def start(self):
        self._own.start(self._service)

    def stop(self):
        self._own.stop()


@pytest.fixture(scope="session")
def world_daemon(state, status):
    """After the test there must be one again."""
    made = WorldDaemon(state, status["postgres"]["db"])
    yield made
    made.stop()


def test_killed_again_and_again_loses_nothing(acme, receiver, hook, world_daemon):
    """While 200 messages are told it is killed five times: each event arrives, in the order of its
    message, and what arrives twice has the same number."""
    _domain, name, api = acme
    made = hook(api, answers=[slow(0.05)])
    ids = []
    for _batch in range(5):
        answered = done(api.post("/messages/send-batch", {"messages": [
            {"from": f"ann@{name}", "to": [f"delivered@{SANDBOX}"], "text": "x"}] * 40}), 200)
        ids += [each["recipients"][0]["id"] for each in answered["messages"]]
        time.sleep(0.3)
        world_daemon.kill()
        world_daemon.start()
    eventually("all of them", lambda: not deliveries(made, state="pending"), 60)
    told = receiver.calls(made["path"])
    by_message = {}
    for call in told:
        if call.data.get("id") not in ids:
            continue  # something late of another test's
        seen = by_message.setdefault(call.data["id"], {})
        seen.setdefault(call.type, call.number)
        assert seen[call.type] == call.number, "twice, under another number"
    assert set(by_message) == set(ids)
    assert all(list(seen) == ["message.accepted", "message.delivered"]
               for seen in by_message.values())
