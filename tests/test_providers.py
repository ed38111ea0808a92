"""Domains at a provider: registered, verified, sending by its relay, deleted; and crashes."""

import hashlib
import hmac
import smtplib
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import dkim
import pytest
from support.api_client import done
from support.mail_client import eventually
from support.odoo_client import OdooError
from support.relay import Relay
from support.zone import txt_of

from odoo.addons.emboux_core.tests.http_server import answer
from odoo.addons.emboux_mail_api.tests.mailgun_server import MailgunServer
from odoo.addons.emboux_mail_api.tests.ses_server import ACCESS_KEY, SECRET_KEY, SesServer

KEY = "key-of-the-tests-0123456789"
HOOK = "https://platform.example/emboux/v1/webhooks/mailgun"


@pytest.fixture(scope="module")
def mailgun():
    server = MailgunServer(KEY).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def relay(state, mailgun):
    def is_known(login, password):
        local, _at, domain = login.partition("@")
        return mailgun.credentials.get(domain, {}).get(local) == password

    server = Relay(state.path("tls", "cert.pem"), state.path("tls", "key.pem"), is_known).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def provider(odoo, mailgun, relay):
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    provider = odoo("emboux.provider").create(
        {
            "name": "Mailgun of the tests", "kind": "mailgun", "region": "eu", "api_key": KEY,
            "endpoint": f"http://127.0.0.1:{mailgun.port}", "webhook_url": HOOK,
            "relay_host": "localhost", "relay_port": relay.port, "sequence": 90,
        }
    )
    odoo("emboux.provider").action_test([provider])
    [row] = odoo("emboux.provider").read([provider], ["state", "state_message"])
    assert row["state"] == "connected", row
    return provider


@pytest.fixture
def at_mailgun(odoo, hosting, mailgun, provider):
    """A domain that Mailgun has verified; returns (id, name)."""

    def make(prefix="mg", **values):
        domain, name = hosting.domain(prefix, verified=False, provider_id=provider, **values)
        mailgun.in_dns.add(name)
        hosting.publish(domain)
        odoo("emboux.domain").action_check_now([domain])
        [row] = odoo("emboux.domain").read([domain], ["state", "state_reason"])
        assert row["state"] == "verified", row
        return domain, name

    return make


def registration(odoo, name):
    return odoo("emboux.registration").search_read(
        [("name", "=", name)], ["state", "verdict", "wish", "error", "domain_id", "login"]
    )


def test_creation_registers_at_the_provider_and_shows_its_records(odoo, hosting, mailgun, provider):
    domain, name = hosting.domain("reg", verified=False, provider_id=provider)
    assert name in mailgun.domains, "told as soon as it was saved"
    assert mailgun.webhooks[name]["permanent_fail"] == [HOOK]
    records = odoo("emboux.dns.record").search_read(
        [("domain_id", "=", domain)], ["name", "record_type", "expected", "level"])
    values = {(r["record_type"], r["name"]): r["expected"] for r in records}
    assert values["TXT", f"k1._domainkey.{name}"].startswith("k=rsa;")
    assert "include:mailgun.org" in values["TXT", name]
    assert not any("emboux._domainkey" in r["name"] for r in records), "Mailgun signs"
    [row] = odoo("emboux.domain").read([domain], ["state"])
    assert row["state"] == "pending"


def test_verified_by_the_provider_and_by_the_proof_of_ownership(odoo, hosting, mailgun, provider):
    domain, name = hosting.domain("own", verified=False, provider_id=provider)
    mailgun.in_dns.add(name)  # somebody before had it at this account
    odoo("emboux.domain").action_check_now([domain])
    [row] = odoo("emboux.domain").read([domain], ["state"])
    assert row["state"] == "pending", "the provider's word alone does not make it yours"
    hosting.publish(domain)
    odoo("emboux.domain").action_check_now([domain])
    [row] = odoo("emboux.domain").read([domain], ["state", "state_history_ids"])
    assert row["state"] == "verified"
    steps = odoo("emboux.domain.step").read(
        row["state_history_ids"], ["state", "reason", "happened_at"]
    )
    assert [step["state"] for step in steps] == ["verified", "pending"]
    assert all(step["reason"] and step["happened_at"] for step in steps)


def test_mail_leaves_by_the_relay_with_the_login_that_activate_makes(
    hosting, mail, mailgun, relay, master, at_mailgun
):
    domain, name = at_mailgun()
    hosting.mailbox(domain, "ann")
    ann = f"ann@{name}"
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mail.submit(ann, hosting.PASSWORD, "bob@outside.example", f"before {name}")
    [(code, sentence)] = refused.value.recipients.values()
    assert code == 554 and b"activate its sending" in sentence

    for _twice in range(2):
        answer = master.put(f"/domains/{name}/activate")
        assert answer.status_code == 200, answer.text
    assert list(mailgun.credentials[name]) == ["emboux"]

    mail.submit(ann, hosting.PASSWORD, "bob@outside.example", f"after {name}")
    [taken] = eventually(
        "mail at the relay", lambda: [t for t in relay.taken if t.sender == ann])
    assert (taken.login, taken.recipients) == (f"emboux@{name}", ("bob@outside.example",))
    assert f"after {name}" not in mail.outside_subjects(), "not by any other way"
    assert b"DKIM-Signature" not in taken.content, "the provider signs"
    # a return address of the message's own is in the same domain
    hosting.mailbox(domain, "shop", own_return_address=True)
    mail.submit(f"shop@{name}", hosting.PASSWORD, "bob@outside.example", f"own {name}")
    [taken] = eventually("mail at the relay", lambda: [
        t for t in relay.taken if t.sender.startswith("bounce+") and t.sender.endswith(f"@{name}")])
    assert taken.login == f"emboux@{name}"


def test_the_story_of_a_message_goes_on_at_the_provider(
    odoo, hosting, mail, relay, master, at_mailgun
):
    """Their relay has taken it; that it arrived they say later, and perhaps before the log is
    read."""
    domain, name = at_mailgun()
    hosting.mailbox(domain, "ann")
    assert master.put(f"/domains/{name}/activate").status_code == 200
    to = f"story@{name}.outside.example"  # who complains gets no more mail
    mail.submit(f"ann@{name}", hosting.PASSWORD, to, f"story {name}")
    eventually("mail at the relay", lambda: [t for t in relay.taken if t.sender == f"ann@{name}"])

    def story(*statuses):
        items = done(master.get("/messages", params={"domain": name}), 200)["items"]
        return [done(master.get(f"/messages/{item['id']}"), 200) for item in items
                if item["status"] in statuses]

    [found] = eventually("the relay's answer in the log", lambda: story("accepted"))
    assert [event["kind"] for event in found["events"]] == ["accepted", "relayed"]
    odoo("ir.config_parameter").set_param(
        "emboux_mail_api.mailgun_signing_key", "key of the story")
    for event, severity in (("delivered", None), ("complained", None)):
        report(master, "key of the story", {
            "id": f"{event}-{name}", "event": event, "timestamp": time.time(),
            "recipient": to, "severity": severity,
            "envelope": {"sender": f"ann@{name}"}, "domain": {"name": name},
            "message": {"headers": {"message-id": found["message_id"]}},
            "delivery-status": {"code": 250, "message": "OK"}})
    [found] = story("complained")
    assert [event["kind"] for event in found["events"]] == [
        "accepted", "relayed", "arrived", "complained"]
    assert found["events"][2]["words"].startswith("Mailgun reports that it was delivered")


def report(api, key, data):
    """What Mailgun posts, signed as it does."""
    moment, token = str(int(time.time())), f"{time.time_ns():050x}"
    signature = hmac.new(key.encode(), f"{moment}{token}".encode(), hashlib.sha256).hexdigest()
    done(api.with_key(None).post("/webhooks/mailgun", {
        "signature": {"timestamp": moment, "token": token, "signature": signature},
        "event-data": data}), 200)


def test_a_new_relay_takes_effect_at_once(
    hosting, mail, odoo, provider, relay, master, at_mailgun, state
):
    """Postfix' queue manager remembers for half a minute how mail from one to another goes."""
    domain, name = at_mailgun()
    hosting.mailbox(domain, "ann")
    ann, bob = f"ann@{name}", "bob@outside.example"
    done(master.put(f"/domains/{name}/activate"))
    mail.submit(ann, hosting.PASSWORD, bob, f"by one {name}")
    eventually("mail at the relay", lambda: [t for t in relay.taken if t.sender == ann])
    other = Relay(state.path("tls", "cert.pem"), state.path("tls", "key.pem"),
                  lambda *_login: True).start()
    odoo("emboux.provider").write([provider], {"relay_port": other.port})

    def by_the_other():
        mail.submit(ann, hosting.PASSWORD, bob, f"by the other {name}")
        time.sleep(0.5)
        return [t for t in other.taken if t.sender == ann]

    try:
        eventually("mail at the other relay", by_the_other, seconds=12)
    finally:
        odoo("emboux.provider").write([provider], {"relay_port": relay.port})
        other.stop()


def test_a_subdomain_sends_within_seconds_signed_by_its_parent(hosting, mail, status):
    _parent, name = hosting.domain("wild", is_wildcard=True)
    began = time.monotonic()
    child, child_name = hosting.domain(name=f"shop.{name}", verified=False)
    hosting.mailbox(child, "ann")
    mail.submit(f"ann@{child_name}", hosting.PASSWORD, "bob@outside.example", f"sub {name}")
    raw = mail.outside(f"sub {name}")
    assert time.monotonic() - began < 10
    assert f"d={name};" in raw.decode().replace("\n\t", " ").replace("\r", "")
    assert dkim.verify(raw, dnsfunc=txt_of(status))


def test_register_subdomain_is_all_that_is_needed(odoo, hosting, mail, mailgun, relay, master,
                                                  at_mailgun):
    _parent, name = at_mailgun("mgw", is_wildcard=True)
    child = f"shop.{name}"
    first = master.post(f"/domains/{child}/register-subdomain")
    assert first.status_code == 201, first.text
    assert master.post(f"/domains/{child}/register-subdomain").status_code == 200
    assert child in mailgun.domains and mailgun.credentials[child]
    [row] = odoo("emboux.domain").search_read([("name", "=", child)], ["id", "state"])
    assert row["state"] == "verified"
    hosting.mailbox(row["id"], "ann")
    mail.submit(f"ann@{child}", hosting.PASSWORD, "bob@outside.example", f"sub of {name}")
    [taken] = eventually("mail of the subdomain at the relay",
                         lambda: [t for t in relay.taken if t.sender == f"ann@{child}"])
    assert taken.login == f"emboux@{child}"


def test_register_subdomain_says_when_the_provider_is_away(odoo, mailgun, master, at_mailgun):
    _parent, name = at_mailgun("mga", is_wildcard=True)
    child = f"away.{name}"
    mailgun.fault("POST", "/v4/domains", *[answer(503, {"message": "busy"})] * 12)
    refused = master.post(f"/domains/{child}/register-subdomain")
    assert refused.status_code == 409 and "Retry-After" in refused.headers, refused.text
    mailgun._faults.clear()
    assert master.post(f"/domains/{child}/register-subdomain").status_code in (200, 201)
    assert child in mailgun.domains


def test_register_subdomain_twice_at_once_with_one_idempotency_key_is_done_once(
    mailgun, master, at_mailgun
):
    """Its work is saved before Mailgun is asked: the key has to keep the second out all the same,
    and has no answer until there is one."""
    _parent, name = at_mailgun("mgk", is_wildcard=True)
    child, asked, gate = f"once.{name}", threading.Event(), threading.Event()

    def slow(handler):
        seen = mailgun.seen[-1]
        asked.set()
        gate.wait(30)
        mailgun._serve(seen, "/v4/domains")(handler)

    mailgun.fault("POST", "/v4/domains", slow)
    key = {"Idempotency-Key": f"once-{name}"}

    def call():
        return master.with_key(master.key).post(
            f"/domains/{child}/register-subdomain", headers=key, timeout=60)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(call)
        assert asked.wait(30)
        second = pool.submit(call)
        time.sleep(1)  # there is nothing to be seen of a request that waits
        assert not second.done(), second.result().text
        gate.set()
        answers = [first.result(), second.result()]
    assert [answer.status_code for answer in answers] == [201, 201], answers[1].text
    assert answers[0].text == answers[1].text
    assert ["Idempotency-Replayed" in answer.headers for answer in answers] == [False, True]
    again = call()
    assert again.status_code == 201 and "Idempotency-Replayed" in again.headers


def test_register_subdomain_that_failed_may_be_tried_again_with_its_key(
    mailgun, master, at_mailgun, connect
):
    _parent, name = at_mailgun("mgf", is_wildcard=True)
    child, key = f"failed.{name}", {"Idempotency-Key": f"failed-{name}"}
    mailgun.fault("POST", "/v4/domains", *[answer(503, {"message": "busy"})] * 12)
    path = f"/domains/{child}/register-subdomain"
    assert master.post(path, headers=key).status_code == 409
    with connect("odoo").cursor() as cr:
        cr.execute("SELECT count(*) FROM emboux_idempotency WHERE token = %s",
                   [key["Idempotency-Key"]])
        assert cr.fetchone() == (0,), "no empty row"
    mailgun._faults.clear()
    done = master.post(path, headers=key)
    assert done.status_code in (200, 201) and "Idempotency-Replayed" not in done.headers
    other = master.post(f"/domains/other.{name}/register-subdomain", headers=key)
    assert other.status_code == 422, other.text


def test_delete_and_create_leave_no_orphan(odoo, hosting, mailgun, provider):
    domain, name = hosting.domain("again", verified=False, provider_id=provider)
    odoo("emboux.domain").unlink([domain])
    assert name not in mailgun.domains
    assert not registration(odoo, name)
    hosting.domain(name=name, verified=False, provider_id=provider)
    assert name in mailgun.domains
    [row] = registration(odoo, name)
    assert (row["state"], row["wish"]) == ("done", "present")


def test_what_the_provider_refuses_is_shown_in_words(odoo, hosting, mailgun, provider):
    mailgun.elsewhere.add("taken-elsewhere.example")
    domain, _name = hosting.domain(
        name="taken-elsewhere.example", verified=False, provider_id=provider)
    [row] = odoo("emboux.domain").read(
        [domain], ["state", "state_reason", "registration_error"])
    assert row["state"] == "failed"
    assert "already taken" in row["state_reason"] and "already taken" in row["registration_error"]


@pytest.mark.parametrize("door", ["form", "verify", "ses-verify", "activate", "try", "test"])
def test_a_resolved_refusal_is_cleared(odoo, hosting, mailgun, provider, master, door):
    name = f"mended-{door}{time.time_ns() % 10**8}.example"
    mailgun.fault("POST", "/v4/domains", answer(400, {"message": "Not just now"}))
    domain, _name = hosting.domain(name=name, verified=False, provider_id=provider)
    [row] = registration(odoo, name)
    assert (row["state"], name in mailgun.domains) == ("refused", False), row
    if door == "form":
        odoo("emboux.domain").action_check_now([domain])
    elif door == "try":
        odoo("emboux.registration").action_try_now([row["id"]])
    elif door == "test":
        odoo("emboux.provider").action_test([provider])
    elif door == "activate":
        assert master.put(f"/domains/{name}/activate").status_code == 200
    else:
        assert master.post(f"/domains/{name}/{door}").status_code == 200
    # the scheduled action, which is triggered too, may be working on it
    [row] = eventually("an answer", lambda: (
        found := registration(odoo, name))[0]["state"] != "pending" and found)
    assert (row["state"], row["error"], name in mailgun.domains) == ("done", False, True), row


def test_a_login_that_vanished_is_made_again(hosting, mail, mailgun, relay, master, at_mailgun):
    domain, name = at_mailgun("van")
    hosting.mailbox(domain, "ann")
    ann = f"ann@{name}"
    increment = master.post(f"/domains/{name}/outbound/increment", {"recipients": 1, "login": ann})
    assert increment.json()["action"] == "reject" and "no SMTP login" in increment.json()["reason"]
    status = master.get(f"/domains/{name}/verify-status").json()
    assert status["verified"] and not status["ready"] and "login" in status["sending_note"]
    assert master.put(f"/domains/{name}/activate").status_code == 200
    mailgun.credentials.pop(name)
    assert master.put(f"/domains/{name}/activate").status_code == 200
    mail.submit(ann, hosting.PASSWORD, "bob@outside.example", f"again {name}")
    eventually("mail at the relay", lambda: [t for t in relay.taken if t.sender == ann])


def test_status_asks_the_provider_when_what_it_knows_is_old(
    odoo, hosting, mailgun, provider, master, connect
):
    domain, name = hosting.domain("old", verified=False, provider_id=provider)
    hosting.publish(domain)
    odoo("emboux.domain").action_check_now([domain])
    mailgun.in_dns.add(name)
    mailgun.domains[name]["state"] = "active"  # it has looked by itself
    assert master.get(f"/domains/{name}/ses-status").json()["state"] == "pending"
    connect("odoo").cursor().execute(
        "UPDATE emboux_registration SET answered_at = answered_at - interval '61 s'"
        " WHERE name = %s", [name])
    before = len(mailgun.seen)
    assert master.get(f"/domains/{name}/ses-status").json()["state"] == "verified"
    assert {seen.method for seen in mailgun.seen[before:]} == {"GET"}, "it changes nothing there"


def test_amazon_verifies_by_its_cnames_and_takes_mail_with_the_accounts_login(
    odoo, hosting, mail, state
):
    ses = SesServer().start()
    relay = Relay(
        state.path("tls", "cert.pem"), state.path("tls", "key.pem"), account_wide=True,
        is_known=lambda login, password: (login, password) == ("AKIASMTP", "smtp-password-1"),
    ).start()
    try:
        provider = odoo("emboux.provider").create(
            {
                "name": "Amazon of the tests", "kind": "ses", "region": "eu-west-1",
                "access_key": ACCESS_KEY, "api_key": SECRET_KEY, "endpoint": ses.url,
                "relay_host": "localhost", "relay_port": relay.port, "sequence": 91,
            }
        )
        domain, name = hosting.domain("ses", verified=False, provider_id=provider)
        records = odoo("emboux.dns.record").search_read(
            [("domain_id", "=", domain), ("record_type", "=", "CNAME"),
             ("level", "=", "required")], ["expected"])
        assert len(records) == 3
        assert all(r["expected"].endswith(".dkim.amazonses.com.") for r in records)
        hosting.publish(domain)
        odoo("emboux.domain").action_check_now([domain])
        fields = ["state", "sending_note"]
        [row] = odoo("emboux.domain").read([domain], fields)
        assert row["state"] == "pending"
        ses.identity(name, "SUCCESS", verified=True)
        odoo("emboux.domain").action_check_now([domain])
        [row] = odoo("emboux.domain").read([domain], fields)
        assert row["state"] == "verified" and "no SMTP login" in row["sending_note"]
        hosting.mailbox(domain, "ann")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            mail.submit(f"ann@{name}", hosting.PASSWORD, "bob@outside.example", "too early")
        odoo("emboux.provider").write(
            [provider], {"smtp_login": "AKIASMTP", "smtp_password": "smtp-password-1"})
        mail.submit(f"ann@{name}", hosting.PASSWORD, "bob@outside.example", f"by {name}")
        [taken] = eventually("mail at the relay of Amazon", lambda: relay.taken)
        assert (taken.login, taken.sender) == ("AKIASMTP", f"ann@{name}")
        odoo("emboux.domain").write([domain], {"active": False})
        boxes = odoo("emboux.mailbox").search([("domain_id", "=", domain)])
        odoo("emboux.mailbox").write(boxes, {"active": False})
        odoo("emboux.mailbox").unlink(boxes)
        odoo("emboux.domain").unlink([domain])
        assert ses.ask_moto("GET", f"/v2/email/identities/{name}")[0] == 404
    finally:
        relay.stop()
        ses.stop()


REGISTER = ("register:claimed", "register:called", "register:credential", "register:noting")
DELETE = ("delete:claimed", "delete:called", "delete:noting")


def run_cron(odoo):
    [cron] = odoo("ir.model.data").search_read(
        [("module", "=", "emboux_mail_api"), ("name", "=", "ir_cron_registrations")], ["res_id"])
    try:
        odoo("ir.cron").method_direct_trigger([cron["res_id"]])
    except OdooError as error:
        assert "already executing" in str(error)  # the world's own scheduler was quicker


def disagreement(odoo, mailgun, name):
    """Where Odoo and the provider differ, as a sentence, or an empty string."""
    domains = odoo("emboux.domain").search_read([("name", "=", name)], ["provider_id"])
    rows = registration(odoo, name)
    if bool(domains) != (name in mailgun.domains):
        return f"domain {domains}, at Mailgun {name in mailgun.domains}"
    if [r["state"] for r in rows] != ["done"] * len(domains):
        return f"registrations {rows}"
    return ""


@pytest.mark.parametrize("point", REGISTER)
def test_killed_while_registering(odoo, hosting, mailgun, second_odoo, at_mailgun, point):
    _parent, name = at_mailgun("kill", is_wildcard=True)
    client = second_odoo.start(env={"EMBOUX_FAULT": point})
    child = f"{point.replace(':', '-')}.{name}"
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        client("emboux.domain").create({"name": child, "backend_id": hosting.backend})
    second_odoo.stop()
    assert odoo("emboux.domain").search([("name", "=", child)]), "saved before the call"
    eventually("agreement", lambda: run_cron(odoo) or not disagreement(odoo, mailgun, child))
    assert mailgun.credentials[child], "it may send"


@pytest.mark.parametrize("point", DELETE)
def test_killed_while_deleting(odoo, hosting, mailgun, second_odoo, provider, point):
    domain, name = hosting.domain("del", verified=False, provider_id=provider)
    assert not disagreement(odoo, mailgun, name)
    client = second_odoo.start(env={"EMBOUX_FAULT": point})
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        client("emboux.domain").unlink([domain])
    second_odoo.stop()
    eventually("agreement", lambda: run_cron(odoo) or not disagreement(odoo, mailgun, name))
    assert name not in mailgun.domains and not registration(odoo, name)
