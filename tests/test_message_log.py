"""Where is my mail?  What the message log says of mail that real servers moved."""

import smtplib
import time

import pytest
from support.api_client import done
from support.mail_client import eventually

OUTSIDE = "ann@outside.tests.example"
UNDER_WAY = ("accepted", "held", "delayed")


@pytest.fixture(scope="module")
def acme(hosting, customers):
    """A customer with a domain and the mailboxes ann and bob; (domain, name, API)."""
    return customers.hosted(hosting, "acme", "ann", "bob", area="all")


@pytest.fixture(scope="module")
def rival(hosting, customers):
    return customers.hosted(hosting, "rival", "eve", area="all")


def stories(api, ended=True, seconds=30, count=1, **params):
    """So many messages that fit, with all that happened to them; ``ended``: none is under way."""

    def probe():
        items = done(api.get("/messages", params=params), 200)["items"]
        over = not ended or all(item["status"] not in UNDER_WAY for item in items)
        return len(items) == count and over and items

    found = eventually(f"{count} messages of {params}", probe, seconds)
    return [done(api.get(f"/messages/{item['id']}"), 200) for item in found]


def kinds(story):
    return [event["kind"] for event in story["events"]]


def unique(local_part):
    return f"{local_part}+{time.time_ns()}@outside.tests.example"


def test_out_by_smtp(acme, mail, hosting):
    _domain, name, api = acme
    to = unique("joe")
    mail.submit(f"ann@{name}", hosting.PASSWORD, to, "out")
    [story] = stories(api, recipient=to)
    assert (story["status"], story["direction"], story["login"]) == (
        "delivered", "out", f"ann@{name}")
    assert kinds(story) == ["accepted", "delivered"]
    words = [event["words"] for event in story["events"]]
    assert words[0].startswith(f"ann@{name} submitted ") and "localhost" in words[0]
    assert "took it: 250 2.0.0 Kept (TLSv1.3" in words[1]
    assert story["message_id"].startswith("out.") and story["size"] > 200
    # by any of its names
    assert stories(api, message_id=f"<{story['message_id']}>") == [story]
    assert stories(api, queue_id=story["queue_id"], recipient=to) == [story]


def test_in_and_into_which_folder(acme, mail, hosting, master):
    _domain, name, api = acme
    sender = unique("writes")
    mail.from_outside(sender, f"bob+list@{name}", "in")
    [story] = eventually("where it was stored", lambda: [
        story for story in stories(api, sender=sender) if "filed" in kinds(story)])
    assert (story["status"], story["direction"], story["login"]) == ("received", "in", None)
    assert kinds(story) == ["accepted", "delivered", "filed"]
    assert story["events"][2]["words"] == "It was stored in the folder INBOX."
    assert story["relay"] == "mail.emboux.example", "not where its socket lies"


def test_an_alias_to_three_addresses_outside(acme, mail, hosting, odoo):
    """One greylisted for two attempts, one refused, one accepted."""
    domain, name, api = acme
    ends = [unique("greylist"), unique("reject550"), unique("takes")]
    odoo("emboux.alias").create({
        "domain_id": domain, "local_part": "three", "destinations": "\n".join(ends)})
    sender = unique("asks")
    mail.from_outside(sender, f"three@{name}", "for three")
    found = {story["recipient"]: story for story in stories(
        api, sender=sender, direction="forwarded", count=3, seconds=90)}
    grey, refused, taken = (found[end] for end in ends)
    assert (grey["status"], grey["attempts"]) == ("delivered", 3)
    assert kinds(grey) == ["accepted", "delayed", "delayed", "delivered"]
    assert "450 4.7.1 Greylisted, as asked" in grey["events"][1]["words"]
    assert (refused["status"], refused["dsn"]) == ("failed", "5.1.1")
    assert "refuses this recipient" in refused["events"][1]["words"]
    assert "reported" in kinds(refused), "the sender was told"
    assert kinds(taken)[:2] == ["accepted", "delivered"]
    assert {story["original_recipient"] for story in found.values()} == {f"three@{name}"}


def test_between_two_customers_each_sees_their_own_side(acme, rival, mail, hosting, odoo):
    _domain, name, api = acme
    their_domain, theirs, their_api = rival
    secret = unique("secret")
    odoo("emboux.alias").create({
        "domain_id": their_domain, "local_part": "info", "destinations": secret})
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"eve@{theirs}", "to eve")
    mail.submit(f"ann@{name}", hosting.PASSWORD, f"info@{theirs}", "to info")
    out = stories(api, recipient=theirs, count=2)
    assert {(story["recipient"], story["status"]) for story in out} == {
        (f"eve@{theirs}", "delivered"), (f"info@{theirs}", "delivered")}
    assert secret not in str(out), "where it leads is not the sender's to see"
    [received] = stories(their_api, recipient=f"eve@{theirs}")
    assert (received["direction"], received["login"], received["client"]) == ("in", None, None)
    [forwarded] = stories(their_api, recipient=secret)
    assert forwarded["direction"] == "forwarded" and forwarded["login"] is None
    for story in out:
        assert their_api.get(f"/messages/{story['id']}").status_code == 404
    assert api.get(f"/messages/{received['id']}").status_code == 404


def test_refused_at_the_door(acme, mail, hosting):
    _domain, name, api = acme
    sender = unique("guesses")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.from_outside(sender, f"nobody@{name}", "for nobody")
    [story] = stories(api, sender=sender)
    assert (story["status"], story["direction"], story["dsn"]) == ("rejected", "in", "5.1.1")
    assert kinds(story) == ["rejected"]
    assert "was told 550 5.1.1" in story["events"][0]["words"]


def test_suppressed(acme, mail, hosting, odoo):
    _domain, name, api = acme
    to = unique("gone").replace("+", ".")
    odoo("emboux.suppression").create({"email": to, "reason": "bounce"})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.submit(f"ann@{name}", hosting.PASSWORD, to, "for who is gone")
    [story] = stories(api, recipient=to)
    assert (story["status"], story["direction"]) == ("suppressed", "out")


def test_on_hold_released_and_discarded(acme, mail, hosting, odoo):
    """What stands in the queue is held with a suspension; somebody releases one of two."""
    domain, name, api = acme
    first, second = unique("defer450"), unique("defer450")
    for to in (first, second):
        mail.submit(f"bob@{name}", hosting.PASSWORD, to, "waits")
        stories(api, ended=False, recipient=to, status="delayed")
    odoo("emboux.domain").action_suspend([domain])
    try:
        for to in (first, second):
            stories(api, ended=False, recipient=to, status="held")
        [held] = odoo("emboux.held.message").search([("recipients", "like", first)])
        odoo("emboux.held.message").action_discard([held])
        [story] = stories(api, recipient=first)
        assert story["status"] == "canceled"
        assert kinds(story)[-2:] == ["discard_asked", "deleted"]
        assert story["events"][-2]["words"] == "Administrator discarded it."
    finally:
        odoo("emboux.domain").action_activate([domain])
    [story] = eventually("the release", lambda: [
        story for story in stories(api, ended=False, recipient=second)
        if "released" in kinds(story)])
    assert kinds(story)[:4] == ["accepted", "delayed", "held", "released"]


def test_what_odoo_sends_is_in_it(acme, mail, hosting, odoo):
    """Of Odoo's own mail the record says what became of it."""
    domain, name, api = acme
    to = unique("customer").replace("+", ".")
    [mailbox] = odoo("emboux.mailbox").search([("email", "=", f"ann@{name}")])
    odoo("emboux.mailbox").action_use_as_outgoing_tls([mailbox])
    number = odoo("mail.mail").create({
        "subject": "from Odoo", "email_from": f"ann@{name}", "email_to": to, "body_html": "Hi",
        "auto_delete": False})
    odoo("mail.mail").send([number])
    [story] = stories(api, recipient=to)
    assert story["status"] == "delivered"
    action = odoo("mail.mail").action_emboux_story([number])
    assert action["res_model"] == "emboux.message"
    found = odoo("emboux.message").search_read(action["domain"], ["recipient"])
    assert [row["recipient"] for row in found] == [to]


def test_the_envelope_in_the_chatter_says_what_became_of_it(hosting, odoo, browser, status):
    domain, name = hosting.domain("chatter")
    box = hosting.mailbox(domain, "ann", send_as="domain")
    [me] = odoo("res.users").search([("login", "=", status["odoo"]["login"])])
    [before] = odoo("res.users").read([me], ["email"])
    odoo("emboux.mailbox").action_use_as_outgoing_tls([box])
    odoo("res.users").write([me], {"email": f"ann@{name}"})
    try:
        people = [odoo("res.partner").create({"name": who, "email": f"{who}@outside.tests.example"})
                  for who in ("chatter", "reject550")]
        document = odoo("res.partner").create({"name": "A document with mail"})
        odoo.execute("res.partner", "message_post", [document], body="Hello", partner_ids=people,
                     message_type="comment", subtype_xmlid="mail.mt_comment")
        eventually("what became of it", lambda: all(
            row["emboux_outcome"] for row in odoo("mail.notification").search_read(
                [("res_partner_id", "in", people)], ["emboux_outcome"])), 40)
        browser.open(f"/odoo/res.partner/{document}", ".o-mail-Message .fa-envelope-o")
        browser.page.click(".o-mail-Message .fa-envelope-o")
        said = browser.page.inner_text(".o-mail-MessageNotificationPopover")
        browser.picture("envelope")
        assert "Delivered: 250 2.0.0 Kept" in said and "Failed: 550 5.1.1" in said, said
        assert browser.errors == []
    finally:
        odoo("res.users").write([me], {"email": before["email"]})
        servers = odoo("ir.mail_server")
        servers.unlink(servers.search([("emboux_mailbox_id", "=", box)]))
