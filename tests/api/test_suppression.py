"""Suppressed recipients, the providers' webhooks, and the counters' resets."""

import hashlib
import hmac
import itertools
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from support.api_client import detail, done, faults, in_path, new_name, pages

MASTER_REQUIRED = "Master token required"
SIGNING_KEY = "signing-key-of-the-tests"
SNS = {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:x",
       "Message": "{}", "Timestamp": "2026-01-01T00:00:00.000Z", "SignatureVersion": "1",
       "Signature": "AAAA", "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem"}


@pytest.fixture(scope="module")
def customer(customers):
    return customers()


@pytest.fixture
def suppress(odoo):
    """Put a recipient on the list, as the operator would in the form."""

    def put(email=None, **values):
        email = email or f"r@{new_name('suppressed')}"
        odoo("emboux.suppression").create({"email": email, **values})
        return email

    return put


# -- suppression -------------------------------------------------------------------------


def test_suppression_list_master_pages_and_filters(master, suppress):
    part = new_name("s").removesuffix(".example")
    emails = [suppress(f"{who}@{part}.example", reason=reason, source="a provider")
              for who, reason in (("c", "bounce"), ("a", "complaint"), ("b", "bounce"))]
    listed = pages(master, "/suppression", q=part)
    assert [item["email"] for item in listed] == sorted(emails)
    assert listed[0] | {"created_at": ""} == {
        "email": f"a@{part}.example", "partner_ref": None, "reason": "complaint",
        "source": "a provider", "detail": None, "expires_at": None, "created_at": ""}
    page = done(master.get("/suppression", params={"q": part, "reason": "bounce"}), 200)
    assert [item["email"][0] for item in page["items"]] == ["b", "c"] and page["total"] == 2
    assert set(faults(master.get("/suppression?reason=bored"))) == {"reason"}


def test_suppression_list_customer_is_refused(customer, suppress):
    assert detail(customer.get("/suppression"), 403) == MASTER_REQUIRED


def test_suppression_check_customer_asks_for_one(customer, suppress):
    email = suppress(reason="bounce")
    assert done(customer.get(f"/suppression/check/{email}"), 200) == {
        "email": email, "suppressed": True, "reason": "bounce", "expires_at": None}
    assert done(customer.get(f"/suppression/check/{in_path(email.upper())}"))["suppressed"] is True
    free = f"free@{new_name()}"
    assert done(customer.get(f"/suppression/check/{free}"), 200) == {
        "email": free, "suppressed": False, "reason": None, "expires_at": None}


def test_suppression_check_customer_over_is_over(customer, suppress):
    over = suppress(expires_at="2026-01-01 00:00:00")
    assert done(customer.get(f"/suppression/check/{over}"), 200)["suppressed"] is False
    until = suppress(expires_at="2099-01-01 00:00:00")
    answer = done(customer.get(f"/suppression/check/{until}"), 200)
    assert (answer["suppressed"], answer["expires_at"]) == (True, "2099-01-01T00:00:00Z")


def test_suppression_check_customer_tags_and_idna(customer, suppress):
    name = new_name("b")
    suppress(f"ann+news@ü.{name}")
    path = f"/suppression/check/{in_path(f'Ann+News@Ü.{name}')}"
    assert done(customer.get(path), 200)["suppressed"] is True
    path = f"/suppression/check/{in_path(f'ann@ü.{name}')}"
    assert done(customer.get(path), 200)["suppressed"] is False


@pytest.mark.parametrize("recipient", ["x", "%40x.example", "a@", "a%00@x.example"])
def test_suppression_check_customer_bad_address_is_named(customer, recipient):
    assert set(faults(customer.get(f"/suppression/check/{recipient}"))) == {"recipient"}


@pytest.mark.parametrize(("listed", "asked"), [
    ("ab..cd@docomo.{}", '"Ab..Cd"@DOCOMO.{}.'), ("josé2@{}", "JOSÉ2@{}"),
    ("y@my_host.{}", "Y@My_Host.{}."), ("User <u1@{}>", "u1+tag@{}"), ('"a b"@{}', "A b@{}"),
    ("a/b@{}", "A/B@{}"), ("-dash@ü.{}", "-dash@Ü.{}"),
])
def test_suppression_whatever_was_sent_to_is_found_and_removed(
    master, customer, suppress, listed, asked
):
    name = new_name()
    suppress(listed.format(name), reason="bounce")
    path = in_path(asked.format(name))
    assert done(customer.get(f"/suppression/check/{path}"), 200)["suppressed"] is True
    path = in_path(asked.replace("+tag", "").format(name))
    assert master.delete(f"/suppression/{path}").status_code == 204
    assert done(customer.get(f"/suppression/check/{path}"), 200)["suppressed"] is False


def test_suppression_delete_master_lets_mail_through_again(master, customer, suppress):
    email = suppress()
    assert detail(customer.delete(f"/suppression/{email}"), 403) == MASTER_REQUIRED
    assert done(customer.get(f"/suppression/check/{email}"))["suppressed"] is True
    answer = master.delete(f"/suppression/{in_path(email.upper())}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert done(customer.get(f"/suppression/check/{email}"))["suppressed"] is False
    detail(master.delete(f"/suppression/{email}"), 404)


@pytest.fixture
def partner_id(odoo):
    """The record of a customer's reference."""
    return lambda ref: odoo("res.partner").search([("ref", "=", ref)])[0]


def test_suppression_check_customer_own_and_global_entries(
    master, customers, suppress, partner_id
):
    mine, theirs = customers.partner(), customers.partner()
    me, them = customers.key(mine), customers.key(theirs)
    email = suppress(reason="bounce", partner_id=partner_id(mine))
    path = f"/suppression/check/{email}"
    assert [done(api.get(path))["suppressed"] for api in (me, them, master)] == [True, False, True]
    suppress(email, reason="complaint")
    answers = [done(api.get(path)) for api in (me, them, master)]
    assert [answer["reason"] for answer in answers] == ["complaint"] * 3


def test_suppression_list_master_one_line_for_each_customer(
    master, customers, suppress, partner_id
):
    refs = sorted(customers.partner() for _ in range(3))
    email = suppress()
    for ref in refs:
        suppress(email, partner_id=partner_id(ref))
    listed = pages(master, "/suppression", q=email)
    assert [item["email"] for item in listed] == [email] * 4
    assert {item["partner_ref"] for item in listed} == {None, *refs}
    [only] = pages(master, "/suppression", partner_ref=refs[0])
    assert only["partner_ref"] == refs[0]
    assert set(faults(master.get("/suppression?partner_ref=nobody"))) == {"partner_ref"}


def test_suppression_delete_master_for_one_customer_or_for_all(
    master, customers, suppress, partner_id
):
    first, second = customers.partner(), customers.partner()
    email = suppress()
    for ref in (first, second):
        suppress(email, partner_id=partner_id(ref))
    path = f"/suppression/{email}"
    assert master.delete(path, params={"partner_ref": first}).status_code == 204
    detail(master.delete(path, params={"partner_ref": first}), 404)
    assert set(faults(master.delete(path, params={"partner_ref": "nobody"}))) == {"partner_ref"}
    assert {item["partner_ref"] for item in pages(master, "/suppression", q=email)} == {
        None, second}
    assert master.delete(path).status_code == 204
    assert pages(master, "/suppression", q=email) == []


# -- webhooks ----------------------------------------------------------------------------


@pytest.fixture
def events(connect):
    cursor = connect("odoo").cursor()

    def stored(token):
        cursor.execute(
            "SELECT provider, payload FROM emboux_webhook_event WHERE payload LIKE %s",
            [f"%{token}%"])
        return cursor.fetchall()

    return stored


@pytest.fixture
def nobody(master, parameter):
    parameter("mailgun_signing_key", SIGNING_KEY)
    return master.with_key(None)


_NUMBERS = itertools.count(1)


def bounced(sender="bob@nowhere.example", recipient="a@b.example", number=None):
    """What Mailgun says of a message that came back."""
    return {
        "event": "failed", "severity": "permanent", "reason": "bounce", "recipient": recipient,
        "id": number or f"event{next(_NUMBERS)}-{time.time_ns()}", "timestamp": time.time(),
        "envelope": {"sender": sender, "targets": recipient, "transport": "smtp"},
        "delivery-status": {"code": 550, "message": "5.1.1 no such user", "attempt-no": 1},
        "message": {"headers": {"from": sender, "to": recipient, "message-id": "x@y"}, "size": 9},
    }


def mailgun(key=SIGNING_KEY, age=0, data=None, **changed):
    """A report as Mailgun signs it."""
    signed = {"timestamp": str(int(time.time()) - age), "token": new_name("token")}
    text = (signed["timestamp"] + signed["token"]).encode()
    signed["signature"] = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    return {"signature": signed | changed, "event-data": data or bounced()}


def test_webhooks_mailgun_post_signature_is_accepted_once(nobody, events):
    report = mailgun()
    assert done(nobody.post("/webhooks/mailgun", report), 200) == {"accepted": True}
    [(provider, payload)] = events(report["signature"]["token"])
    assert provider == "mailgun"
    assert json.loads(payload)["event-data"] == report["event-data"]
    assert "signature is not valid" in detail(nobody.post("/webhooks/mailgun", report), 403)
    assert len(events(report["signature"]["token"])) == 1


def test_webhooks_mailgun_post_known_report_with_another_token_changes_nothing(nobody, events):
    data = bounced()
    first, again = mailgun(data=data), mailgun(data=data)
    for report in (first, again):
        assert done(nobody.post("/webhooks/mailgun", report), 200) == {"accepted": True}
    assert len(events(first["signature"]["token"])) == 1
    assert events(again["signature"]["token"]) == []


def test_webhooks_mailgun_post_bounce_suppresses_for_the_customer(
    nobody, master, customers, domains
):
    ref = customers.partner()
    customer, stranger = customers.key(ref), customers()
    name, recipient = domains(customer, verified=True), f"gone@{new_name('far')}"
    report = mailgun(data=bounced(f"bob@{name}", recipient))
    done(nobody.post("/webhooks/mailgun", report), 200)
    path = f"/suppression/check/{recipient}"
    assert done(customer.get(path))["reason"] == "bounce"
    assert done(stranger.get(path))["suppressed"] is False
    [listed] = pages(master, "/suppression", partner_ref=ref)
    assert (listed["email"], listed["source"]) == (recipient, "Mailgun")
    assert "5.1.1 no such user" in listed["detail"]


def test_webhooks_mailgun_post_duplicates_at_once_are_one(
    nobody, customers, domains, connect
):
    """Sixteen at a time: the same event with its own token each, and one token many times."""
    name, data = domains(customers(), verified=True), []
    data = [bounced(f"bob@{name}", f"r{number}@far.example") for number in range(4)]
    reports = [mailgun(data=data[number % 4]) for number in range(400)]
    reports += [reports[0]] * 40
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(
            lambda report: nobody.with_key(None).post("/webhooks/mailgun", report).status_code,
            reports))
    assert Counter(answers) == {200: 400, 403: 40}
    with connect("odoo").cursor() as cr:
        cr.execute(
            """SELECT count(*), count(*) FILTER (WHERE e.counts) FROM emboux_webhook_event e
                 JOIN emboux_domain d ON d.id = e.domain_id WHERE d.name = %s""", [name])
        assert cr.fetchone() == (4, 4)


def test_webhooks_mailgun_post_guillotine_at_once_blocks_in_time(
    nobody, master, customers, domains, connect
):
    """Reports at once about one domain: none is judged without those before it."""
    customer = customers()
    name = domains(customer, verified=True)
    with connect("odoo").cursor() as cr:
        cr.execute(
            """INSERT INTO emboux_outbound_count (domain_id, "window", since, recipients, frozen)
               SELECT id, 'day', (now() AT TIME ZONE 'UTC')::date, 2000, false
                 FROM emboux_domain WHERE name = %s""", [name])

    def post(numbers):
        reports = [mailgun(data=bounced(f"bob@{name}", f"r{number}@far.example"))
                   for number in numbers]
        with ThreadPoolExecutor(11) as pool:
            return list(pool.map(
                lambda report: nobody.with_key(None).post("/webhooks/mailgun", report).status_code,
                reports))

    assert set(post(range(10))) == {200}  # 0.5 %
    assert done(customer.get(f"/domains/{name}/outbound"))["outbound_status"] == "open"
    assert post([10]) == [200]
    shown = done(customer.get(f"/domains/{name}/outbound"))
    assert shown["outbound_status"] == "blocked"
    assert shown["outbound_reason"].startswith("11 of 2000 recipients (0.55 %) bounced permanently")
    path = f"/domains/{name}/outbound"
    assert detail(customer.put(path, {"outbound_status": "open"}), 403) == MASTER_REQUIRED
    lifted = done(master.put(path, {"outbound_status": "open"}), 200)
    assert (lifted["outbound_status"], lifted["outbound_reason"]) == ("open", None)
    assert set(post(range(20, 25))) == {200}
    assert done(customer.get(path))["outbound_status"] == "open"


@pytest.mark.parametrize("path", ["/webhooks/mailgun", "/webhooks/ses"])
def test_webhooks_post_invalid_bodies(nobody, path):
    whole = json.dumps(SNS if path.endswith("ses") else mailgun()).encode()
    for body in (b"", b"{", whole[:-9], b"\xff" + whole, whole.replace(b'"', b"\xe9"), b"[]",
                 b"[" * 50_000, b'{"signature": ' * 20_000):
        answer = nobody("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (body[:40], answer.text)
    large = b'{"event-data": "' + b"x" * 10_000_000 + b'"}'
    answer = nobody("POST", path, data=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/webhooks/mailgun", "/webhooks/ses"])
def test_webhooks_post_a_body_that_ends_too_early(nobody, path):
    """The head promises more than comes."""
    url = urlsplit(nobody.url + path)
    with socket.create_connection((url.hostname, url.port), timeout=30) as sock:
        sock.sendall(
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 9999\r\n"
            "Content-Type: application/json\r\nConnection: close\r\n\r\n{\"Type\": ".encode())
        sock.shutdown(socket.SHUT_WR)
        status = sock.makefile("rb").readline()
    assert status.split()[1:2] in ([b"400"], [b"422"]), status


@pytest.mark.parametrize("path", ["/webhooks/mailgun", "/webhooks/ses"])
def test_webhooks_post_a_long_body_of_unknown_length(nobody, path):
    parts = (b" " * 65536 for _number in range(160))
    answer = nobody("POST", path, data=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code in (413, 422), answer.text


def test_webhooks_ses_post_is_plain_text_by_name(nobody):
    """As SNS sends it; no other operation takes it."""
    for path, expected in (("/webhooks/ses", 403), ("/webhooks/mailgun", 415)):
        answer = nobody("POST", path, data=json.dumps(SNS).encode(),
                        headers={"Content-Type": "text/plain; charset=UTF-8"})
        assert answer.status_code == expected, answer.text


@pytest.mark.parametrize("report", [
    mailgun(key="another key"), mailgun(signature="0" * 64), mailgun(signature=""),
    mailgun(timestamp="1"), mailgun(age=3600), mailgun(age=-3600), mailgun(token="another"),
    mailgun(key=""),
])
def test_webhooks_mailgun_post_bad_signature_changes_nothing(nobody, events, report):
    assert "signature is not valid" in detail(nobody.post("/webhooks/mailgun", report), 403)
    assert events(report["signature"]["token"]) == []


def test_webhooks_mailgun_post_without_a_configured_key_accepts_nothing(nobody, parameter, events):
    parameter("mailgun_signing_key", False)
    report = mailgun(key="")
    detail(nobody.post("/webhooks/mailgun", report), 403)
    assert events(report["signature"]["token"]) == []


def test_webhooks_mailgun_post_a_key_is_no_signature(master, nobody, events):
    report = mailgun(key="another key")
    detail(master.post("/webhooks/mailgun", report), 403)
    assert events(report["signature"]["token"]) == []


def test_webhooks_mailgun_post_bad_body_is_named(nobody):
    report = mailgun()
    for field in ("timestamp", "token", "signature"):
        signed = {key: value for key, value in report["signature"].items() if key != field}
        answer = nobody.post("/webhooks/mailgun", report | {"signature": signed})
        assert set(faults(answer)) == {f"signature.{field}"}
    assert set(faults(nobody.post("/webhooks/mailgun", {}))) == {"signature", "event-data"}


def test_webhooks_ses_post_unsigned_changes_nothing(nobody, master, connect):
    with connect("odoo").cursor() as cr:
        cr.execute("SELECT count(*) FROM emboux_webhook_event WHERE provider = 'ses'")
        [before] = cr.fetchone()
        for api in (nobody, master):
            assert "signature is not valid" in detail(api.post("/webhooks/ses", SNS), 403)
        cr.execute("SELECT count(*) FROM emboux_webhook_event WHERE provider = 'ses'")
        assert cr.fetchone() == (before,)
    assert "Signature" in faults(nobody.post("/webhooks/ses", {"Type": "Notification"}))


# -- outbound/reset ----------------------------------------------------------------------


def count(connect, name):
    """Counted days and months of a domain: (window, age in days or months, frozen)."""
    with connect("odoo").cursor() as cr:
        cr.execute(
            """SELECT c."window", c.recipients, c.frozen FROM emboux_outbound_count c
                 JOIN emboux_domain d ON d.id = c.domain_id WHERE d.name = %s
                ORDER BY 1, 2""", [name])
        return cr.fetchall()


def remember(connect, name, window, ages):
    """Counters of earlier days or months, with as many recipients as they are old."""
    with connect("odoo").cursor() as cr:
        for age in ages:
            cr.execute(
                """INSERT INTO emboux_outbound_count
                          (domain_id, "window", since, recipients, frozen)
                   SELECT id, %(window)s,
                          (date_trunc(%(window)s, now() AT TIME ZONE 'UTC')
                           - make_interval(days => %(days)s, months => %(months)s))::date,
                          %(age)s, false FROM emboux_domain WHERE name = %(name)s""",
                {"window": window, "age": age, "name": name,
                 "days": age if window == "day" else 0, "months": age if window == "month" else 0})


def test_outbound_reset_daily_master_keeps_seven_days(master, customer, domains, connect):
    name = domains(customer, verified=True)
    remember(connect, name, "day", (0, 1, 7, 8, 30))
    first = done(master.post("/outbound/reset-daily"), 200)
    assert set(first) == {"removed"} and first["removed"] >= 2
    kept = [("day", 0, False), ("day", 1, False), ("day", 7, False)]
    assert count(connect, name) == kept
    assert done(master.post("/outbound/reset-daily"), 200) == {"removed": 0}
    assert count(connect, name) == kept


def test_outbound_reset_monthly_master_freezes_what_is_over(master, customer, domains, connect):
    name = domains(customer, verified=True)
    remember(connect, name, "month", (0, 1, 2))
    remember(connect, name, "day", (3,))
    first = done(master.post("/outbound/reset-monthly"), 200)
    assert set(first) == {"frozen"} and first["frozen"] >= 2
    frozen = [("day", 3, False), ("month", 0, False), ("month", 1, True), ("month", 2, True)]
    assert count(connect, name) == frozen
    assert done(master.post("/outbound/reset-monthly"), 200) == {"frozen": 0}
    assert count(connect, name) == frozen


def test_outbound_reset_customer_is_refused(customer):
    for path in ("/outbound/reset-daily", "/outbound/reset-monthly"):
        assert detail(customer.post(path), 403) == MASTER_REQUIRED
