"""People decide about any message in the real Postfix' queue, and about mail that comes in."""

import email
import email.policy
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from support.api_client import done
from support.mail_client import eventually, message

LATER = "defer450@outside.tests.example"


@pytest.fixture(scope="module")
def acme(hosting, customers):
    """(domain, name, key) of a customer with the mailboxes ann and bob."""
    return customers.hosted(hosting, "control", "ann", "bob", area="all")


@pytest.fixture
def waiting(acme, mail, hosting, odoo):
    """Submit a message that the outside puts off; returns (its row in the queue, subject)."""
    _domain, name, _api = acme

    def make(to=LATER, sender=None):
        sender = sender or f"ann@{name}"
        subject, others = f"control {time.time_ns()}", of_sender(odoo, sender)
        with mail.login(sender, hosting.PASSWORD) as smtp:
            smtp.send_message(message(sender, to, subject))
        return listed(odoo, sender, others=others), subject

    return make


def of_sender(odoo, sender):
    """Those of an earlier test may still wait."""
    return odoo("emboux.queue.message").search([("sender", "=", sender)])


def listed(odoo, sender, queue="deferred", row=None, others=()):
    """The message of that sender, once it is in that queue: one that is known, or a new one."""
    wanted = [("sender", "=", sender), ("queue", "=", queue), ("id", "not in", others)]
    if row:
        wanted.append(("id", "=", row["id"]))

    def probe():
        found = odoo("emboux.queue.message").search_read(wanted, [], limit=1)
        return found and found[0]

    return eventually(f"a message of {sender} in {queue}", probe, 40)


def gone(odoo, row):
    eventually("its end", lambda: not odoo("emboux.queue.message").search(
        [("id", "=", row["id"])]), 40)


def story(api, row, *kinds):
    """Its events, once these are among them."""
    def probe():
        items = done(api.get("/messages", params={"queue_id": row["queue_id"]}), 200)["items"]
        for item in items:
            events = done(api.get(f"/messages/{item['id']}"), 200)["events"]
            if set(kinds) <= {event["kind"] for event in events}:
                return events
        return None

    return eventually(f"{kinds} in the story", probe, 40)


def test_what_waits_is_listed_with_why_and_when(acme, waiting, odoo, hosting):
    domain, name, _api = acme
    row, _subject = waiting()
    assert (row["login"], row["recipients"], row["recipient_count"]) == (
        f"ann@{name}", LATER, 1)
    assert row["domain_id"][0] == domain and row["size"] > 0
    assert "not ready for this recipient" in row["reason"]
    assert row["next_try"]
    odoo("emboux.queue.message").action_drop([row["id"]])
    gone(odoo, row)


def test_tried_at_once_and_put_off(acme, waiting, odoo):
    _domain, _name, api = acme
    row, _subject = waiting()
    until = datetime.now(UTC) + timedelta(hours=2)
    # the list's button asks when
    wizard = odoo("emboux.queue.postpone").create({"until": until.strftime("%Y-%m-%d %H:%M:%S")})
    odoo.execute("emboux.queue.postpone", "action_postpone", [wizard],
                 context={"active_ids": [row["id"]]})
    put_off = eventually("its time", lambda: [
        r for r in odoo("emboux.queue.message").search_read([("id", "=", row["id"])], [])
        if r["next_try"] and r["next_try"][:16] == until.strftime("%Y-%m-%d %H:%M")], 20)[0]
    assert not put_off["wish"] and not put_off["note"]
    before = story(api, row, "postpone_asked")
    time.sleep(25)  # Postfix of this world looks every ten seconds
    assert len(story(api, row, "postpone_asked")) == len(before), "nobody tried it"
    odoo("emboux.queue.message").action_deliver([row["id"]])
    eventually("another attempt", lambda: len(story(api, row, "deliver_asked")) > len(before) + 1)
    words = {event["kind"]: event["words"] for event in story(api, row, "deliver_asked")}
    assert "asked for an attempt at once" in words["deliver_asked"]
    assert "put its next attempt off until" in words["postpone_asked"]
    odoo("emboux.queue.message").action_drop([row["id"]])
    gone(odoo, row)


def test_held_released_and_returned_to_its_sender(acme, waiting, odoo, mail, hosting):
    _domain, name, api = acme
    row, subject = waiting()
    odoo("emboux.queue.message").action_hold([row["id"]])
    held = listed(odoo, f"ann@{name}", "hold", row)
    eventually("its reason", lambda: odoo("emboux.held.message").search(
        [("queue_id", "=", row["queue_id"]), ("reason", "=", "by_hand"), ("state", "=", "held")]))
    odoo("emboux.queue.message").action_release([held["id"]])
    listed(odoo, f"ann@{name}", "deferred", row)
    odoo("emboux.queue.message").action_fail([held["id"]])
    gone(odoo, row)
    events = story(api, row, "hold_asked", "release_asked", "fail_asked", "expired")
    kinds = [event["kind"] for event in events]
    assert kinds.index("hold_asked") < kinds.index("release_asked") < kinds.index("fail_asked")
    assert all(event["details"]["by"] for event in events if event["kind"].endswith("_asked"))
    with mail.imap(f"ann@{name}", hosting.PASSWORD) as imap:
        report = eventually("the report", lambda: newest(imap, "Undelivered"), 30)
    assert subject in report


def newest(imap, subject):
    imap.select("INBOX")
    _ok, [numbers] = imap.search(None, "SUBJECT", f'"{subject}"')
    if not numbers:
        return None
    _ok, found = imap.fetch(numbers.split()[-1], "(RFC822)")
    return found[0][1].decode(errors="replace")


def test_in_the_web_client(acme, waiting, odoo, browser):
    """Found among others, held, and deleted after a question."""
    _domain, name, _api = acme
    row, _subject = waiting()
    page = browser.page
    browser.open("/odoo/email-queue", ".o_list_view")
    page.fill(".o_searchview_input", f"ann@{name}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".o_data_row:has-text('ann@{name}'):has-text('450 4.2.1')")
    page.click(".o_data_row >> nth=0 >> .o_list_record_selector input")
    page.click("button:has-text('Hold')")
    listed(odoo, f"ann@{name}", "hold", row)
    browser.picture("mail_queue")
    browser.open(f"/odoo/email-queue/{row['id']}", ".o_form_view")
    page.wait_for_selector(".badge:has-text('On Hold')")
    page.click("button[name=action_drop]")
    page.wait_for_selector(".modal:has-text('for good')")
    page.click(".modal-footer .btn-primary")
    gone(odoo, row)
    assert browser.errors == []


def test_deleted_while_it_is_on_hold(acme, waiting, odoo):
    _domain, name, api = acme
    row, _subject = waiting()
    odoo("emboux.queue.message").action_hold([row["id"]])
    held = listed(odoo, f"ann@{name}", "hold", row)
    eventually("its row", lambda: odoo("emboux.queue.message").search(
        [("id", "=", held["id"]), ("held_id", "!=", False)]))
    odoo("emboux.queue.message").action_drop([held["id"]])
    gone(odoo, row)
    events = story(api, row, "discard_asked", "deleted")
    assert "discarded it" in next(e["words"] for e in events if e["kind"] == "discard_asked")


def test_mail_from_outside_too(acme, odoo, mail, master, hosting):
    """It has no login, and nobody's plan; by the API, with a key that is in the story."""
    _domain, name, api = acme
    rule = done(master.post("/hold-rules/", {
        "name": "Under investigation", "recipient_domain": name}), 201)["id"]
    subject = f"from outside {time.time_ns()}"
    sender = f"x{time.time_ns()}@far.tests.example"
    try:
        time.sleep(3)
        mail.from_outside(sender, f"bob@{name}", subject)
        held = listed(odoo, sender, "hold")
        assert held["login"] == "" and held["domain_id"][1] == name
    finally:
        done(master.delete(f"/hold-rules/{rule}"), 204)
    [shown] = done(master.get("/queue/", params={"q": sender}), 200)["items"]
    assert (shown["queue"], shown["domain"], shown["login"]) == ("hold", name, None)
    assert api.get("/queue/").status_code == 403
    assert master.post(f"/queue/{shown['id']}", {"act": "deliver"}).status_code == 409
    asked = done(master.post(f"/queue/{shown['id']}", {"act": "release"}), 202)
    assert asked["asked_for"] == "release"
    gone(odoo, held)
    eventually("it in the mailbox", lambda: subject in mail.subjects(
        f"bob@{name}", hosting.PASSWORD), 30)


@pytest.mark.parametrize("rule", [
    {"login": "ann@{name}"}, {"sender_domain": "{name}"},
    {"recipient_domain": "outside.tests.example", "login": "ann@{name}"}])
def test_hold_rules(rule, acme, odoo, mail, hosting):
    _domain, name, api = acme
    values = {field: value.format(name=name) for field, value in rule.items()}
    number = odoo("emboux.hold.rule").create({"name": "Looked into", **values})
    subject, others = f"rule {time.time_ns()}", of_sender(odoo, f"ann@{name}")
    try:
        time.sleep(3)
        with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
            smtp.send_message(message(f"ann@{name}", "joe@outside.tests.example", subject))
        held = listed(odoo, f"ann@{name}", "hold", others=others)
        [row] = eventually("why", lambda: odoo("emboux.held.message").search_read(
            [("queue_id", "=", held["queue_id"])], ["reason", "state", "charged_at"]))
        assert (row["reason"], row["state"], row["charged_at"]) == ("rule", "held", False)
        assert subject not in mail.outside_subjects()
        if "login" in values:
            other = f"others {time.time_ns()}"
            with mail.login(f"bob@{name}", hosting.PASSWORD) as smtp:
                smtp.send_message(message(f"bob@{name}", "joe@outside.tests.example", other))
            mail.outside(other)
    finally:
        odoo("emboux.hold.rule").unlink([number])
    events = story(api, held, "held")
    assert any("Looked into" in str(event["details"]) for event in events)
    odoo("emboux.held.message").action_release([row["id"]])
    mail.outside(subject)
    time.sleep(3)
    with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
        smtp.send_message(message(f"ann@{name}", "joe@outside.tests.example", subject + " free"))
    mail.outside(subject + " free")


class Catcher:
    """Another mail server."""

    def __init__(self):
        self.got, self._lock = [], threading.Lock()

    async def handle_DATA(self, _server, _session, envelope):
        with self._lock:
            self.got.append(email.message_from_bytes(
                envelope.content, policy=email.policy.default)["Subject"])
        return "250 2.0.0 caught"


def test_routes(acme, mail, hosting, master, state):
    _domain, name, api = acme
    catcher = Catcher()
    port = state.port("catcher")
    server = Controller(catcher, hostname="127.0.0.1", port=port)
    server.start()
    far = f"far{time.time_ns()}.tests.example"
    try:
        assert master.put(f"/routes/{name}", {"host": "127.0.0.1"}).status_code == 422
        done(master.put(f"/routes/{far}", {"host": "127.0.0.1", "port": port}), 200)
        subject = f"route {time.time_ns()}"
        with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
            smtp.send_message(message(f"ann@{name}", f"joe@{far}", subject))
        eventually("it at the other server", lambda: subject in catcher.got)
        assert subject not in mail.outside_subjects()
        [item] = done(master.get("/routes/", params={"q": far}), 200)["items"]
        assert (item["host"], item["port"]) == ("127.0.0.1", port)
        done(master.delete(f"/routes/{far}"), 204)
        assert master.delete(f"/routes/{far}").status_code == 404
        # Postfix remembers for half a minute, unless it is told
        second = f"as usual {time.time_ns()}"
        time.sleep(8)
        with mail.login(f"ann@{name}", hosting.PASSWORD) as smtp:
            smtp.send_message(message(f"ann@{name}", f"joe@{far}", second))
        mail.outside(second)
        assert second not in catcher.got
    finally:
        server.stop()
