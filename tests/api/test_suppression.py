"""Suppressed recipients, the providers' webhooks, and the counters' resets."""

import hashlib
import hmac
import json
import time

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
        "email": f"a@{part}.example", "reason": "complaint", "source": "a provider",
        "expires_at": None, "created_at": ""}
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


@pytest.mark.parametrize("recipient", ["x", "a%20b@x.example", "%40x.example", "a@", "a@x"])
def test_suppression_check_customer_bad_address_is_named(customer, recipient):
    assert set(faults(customer.get(f"/suppression/check/{recipient}"))) == {"recipient"}


def test_suppression_delete_master_lets_mail_through_again(master, customer, suppress):
    email = suppress()
    assert detail(customer.delete(f"/suppression/{email}"), 403) == MASTER_REQUIRED
    assert done(customer.get(f"/suppression/check/{email}"))["suppressed"] is True
    answer = master.delete(f"/suppression/{in_path(email.upper())}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert done(customer.get(f"/suppression/check/{email}"))["suppressed"] is False
    detail(master.delete(f"/suppression/{email}"), 404)


# -- webhooks ----------------------------------------------------------------------------


@pytest.fixture
def events(connect):
    cursor = connect("odoo").cursor()

    def stored(token):
        cursor.execute(
            "SELECT provider, payload FROM emboux_webhook_event WHERE token = %s", [token])
        return cursor.fetchall()

    return stored


@pytest.fixture
def nobody(master, parameter):
    parameter("mailgun_signing_key", SIGNING_KEY)
    return master.with_key(None)


def mailgun(key=SIGNING_KEY, age=0, **changed):
    """A report as Mailgun signs it."""
    signed = {"timestamp": str(int(time.time()) - age), "token": new_name("token")}
    text = (signed["timestamp"] + signed["token"]).encode()
    signed["signature"] = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    return {"signature": signed | changed, "event-data": {"event": "failed", "recipient": "a@b.c"}}


def test_webhooks_mailgun_post_signature_is_accepted_once(nobody, events):
    report = mailgun()
    assert done(nobody.post("/webhooks/mailgun", report), 200) == {"accepted": True}
    [(provider, payload)] = events(report["signature"]["token"])
    assert provider == "mailgun"
    assert json.loads(payload)["event-data"] == report["event-data"]
    assert "signature is not valid" in detail(nobody.post("/webhooks/mailgun", report), 403)
    assert len(events(report["signature"]["token"])) == 1


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
    name = domains(customer)
    remember(connect, name, "day", (0, 1, 7, 8, 30))
    first = done(master.post("/outbound/reset-daily"), 200)
    assert set(first) == {"removed"} and first["removed"] >= 2
    kept = [("day", 0, False), ("day", 1, False), ("day", 7, False)]
    assert count(connect, name) == kept
    assert done(master.post("/outbound/reset-daily"), 200) == {"removed": 0}
    assert count(connect, name) == kept


def test_outbound_reset_monthly_master_freezes_what_is_over(master, customer, domains, connect):
    name = domains(customer)
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
