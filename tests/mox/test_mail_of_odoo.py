"""Mail of Odoo's by way of a real mox: sent by its HTTP API, held, released, returned, suppressed,
and told of by its webhooks; asserted by what Odoo shows of it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from asking import Asking
from leaving import remove
from real import KINDS, RealMox
from support.mail_client import eventually
from support.plain_core.backends.mox_directory import account_name

NAME, BACKEND = "mox-pages.example", "Pages mox"
ODOO, PASSWORD = f"odoo@{NAME}", "a password of Odoo's"
ACCOUNT = account_name(ODOO)
#: Another address of it: for any domain but this the next server asks the DNS.
SENDER = "pages@localhost"
LOCALSERVE = "mox@localhost", "moxmoxmox"  # whom "mox localserve" begins with
#: mox's own rehearsals: what the local part ends with is how the next server answers.
LATER, NEVER = "later-temperror@far.example", "x550@far.example"


class Mail:
    """What a person sees and does in Odoo, with ``ask`` for a look at mox itself."""

    def __init__(self, mox, odoo):
        self.odoo = odoo
        self.ask = Asking(mox.url).log_in(mox.password)
        self.backend = odoo("emboux.backend").create(
            {"name": BACKEND, "kind": "mox", "url": mox.url, "secret": mox.password})
        self.domain = odoo("emboux.domain").create({"name": NAME, "backend_id": self.backend})
        self.mailbox = odoo("emboux.mailbox").create(
            {"local_part": "odoo", "domain_id": self.domain, "password": PASSWORD})
        self.server = odoo("ir.mail_server").create({
            "name": "Pages mox", "smtp_host": "localhost", "smtp_port": mox.port("Submissions"),
            "smtp_encryption": "ssl", "smtp_user": ODOO, "smtp_pass": PASSWORD,
            "from_filter": SENDER, "emboux_mailbox_id": self.mailbox})
        mailboxes = odoo("emboux.mailbox")
        mailboxes.write([self.mailbox], {"mox_by_webapi": True})
        mailboxes.action_mox_receive([self.mailbox])
        mailboxes.action_mox_from_ids([self.mailbox])  # with it mox keeps its history
        # take what comes at once, which an account without experience does not; what is for the
        # outside goes to that of mox itself
        for who in ((ODOO, PASSWORD), LOCALSERVE):
            user = Asking(mox.url).log_in(*who, base="/account/api/")
            user("JunkFilterSave", None, base="/account/api/")
        self.ask("AddressAdd", SENDER, ACCOUNT)
        self.ask("AccountSettingsSave", ACCOUNT, 0, 0, 0, False, False)
        self._numbers = itertools.count(1)

    def send(self, recipient):
        """Returns the Message-ID."""
        mails = self.odoo("mail.mail")
        number = mails.create({
            "email_from": SENDER, "email_to": recipient, "subject": f"Offer {next(self._numbers)}",
            "body_html": "<p>Hello</p>", "mail_server_id": self.server, "auto_delete": False})
        mails.send([number])
        [row] = mails.read([number], ["state", "failure_reason", "message_id"])
        assert row["state"] == "sent", row
        return row["message_id"]

    def rows(self, page, *domain):
        """What a page shows once it is opened."""
        model = self.odoo(f"emboux.server.{page}")
        action = model.action_open()
        assert action["type"] == "ir.actions.act_window", action  # else some cannot be read
        fields = [name for name, about in model.fields_get([], ["store"]).items() if about["store"]]
        return model.search_read([("backend_id", "=", self.backend), *domain], fields)

    def message(self, recipient):
        [row] = self.rows("message", ("recipient", "=", recipient))
        return row

    def do(self, action, recipient):
        answer = self.odoo("emboux.server.message")
        answer = getattr(answer, action)([self.message(recipient)["id"]])
        assert answer["params"]["type"] == "success", answer

    def change(self, recipient, **values):
        wizards = self.odoo("emboux.server.change")
        chosen = {"active_ids": [self.message(recipient)["id"]],
                  "active_model": "emboux.server.message"}
        wizards.action_apply([wizards.create(values, context=chosen)], context=chosen)

    def has_left(self, recipient, queue):
        eventually(f"{recipient} is {queue}",
                   lambda: self.message(recipient)["queue"] == queue, seconds=30)


def _in_hours(count):
    """As Odoo writes it."""
    return (datetime.now(UTC) + timedelta(hours=count)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture(scope="module", params=KINDS[2:3])
def mail(request, tmp_path_factory, odoo):
    """By the first real one, which is not the earlier generation: that has no account API for a
    junk filter, nor can it suspend."""
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    folder = tmp_path_factory.mktemp("mox") / "data"
    with RealMox(request.param, folder, transports=("spare",)) as mox:
        try:
            yield Mail(mox, odoo)
        finally:
            remove(odoo, NAME, BACKEND)


def test_held_by_a_rule_and_released_returned_or_deleted(mail):
    rules = mail.odoo("emboux.server.hold.rule")
    rule = rules.create({"backend_id": mail.backend, "recipient_domain": "held.example"})
    [there] = mail.ask("QueueHoldRuleList")
    assert there["RecipientDomainStr"] == "held.example"
    released, returned, deleted = (f"{who}@held.example" for who in ("one", "two", "three"))
    numbers = {to: mail.send(to) for to in (released, returned, deleted)}
    for recipient, message_id in numbers.items():
        row = mail.message(recipient)
        assert (row["queue"], row["login"], row["message_id"], row["attempts"]) == (
            "hold", ACCOUNT, message_id, 0)
        assert row["sender"].startswith("pages+") and row["return_tag"] in row["sender"]
    assert [row["recipient_domain"] for row in mail.rows("hold.rule")] == ["held.example"]
    rules.unlink([rule])
    assert not mail.rows("hold.rule") and not mail.ask("QueueHoldRuleList")
    assert mail.message(released)["queue"] == "hold", "they stay until somebody releases them"
    for action, recipient, end in (("action_release", released, "delivered"),
                                   ("action_fail", returned, "failed"),
                                   ("action_drop", deleted, "failed")):
        mail.do(action, recipient)
        mail.has_left(recipient, end)
    assert mail.message(released)["attempts"] == 1
    assert "delivery canceled by admin" in mail.message(returned)["reason"]
    assert mail.message(deleted)["ended_at"]


def test_what_waits_is_held_put_off_and_sent_otherwise(mail):
    mail.send(LATER)
    eventually("it was tried", lambda: mail.message(LATER)["attempts"], seconds=30)
    row = mail.message(LATER)
    assert row["queue"] == "deferred" and "451" in row["story"], row
    mail.do("action_hold", LATER)
    assert mail.message(LATER)["queue"] == "hold"
    mail.change(LATER, what="transport", transport="spare")
    mail.change(LATER, what="tls", tls="no")
    row = mail.message(LATER)
    assert (row["transport"], row["require_tls"]) == ("spare", "no")
    mail.do("action_release", LATER)
    mail.change(LATER, what="postpone", until=_in_hours(5))
    assert mail.message(LATER)["next_try"] > _in_hours(4)
    mail.do("action_deliver", LATER)
    eventually("it was tried again", lambda: mail.message(LATER)["attempts"] > 1, seconds=30)
    mail.do("action_drop", LATER)
    mail.has_left(LATER, "failed")


def post(mail, recipient):
    """A message on a contact, to it alone; returns a question for how it went."""
    partners, mails = mail.odoo("res.partner"), mail.odoo("mail.mail")
    partner = partners.create({"name": recipient, "email": recipient})
    [number] = partners.message_post(
        [partner], body="Hello", partner_ids=[partner], message_type="comment", email_from=SENDER,
        subtype_xmlid="mail.mt_comment", mail_auto_delete=False, force_send=False)
    queued = mails.search([("mail_message_id", "=", number)])
    mails.write(queued, {"mail_server_id": mail.server})
    mails.send(queued)

    def told():
        [row] = mail.odoo("mail.notification").search_read(
            [("mail_message_id", "=", number)],
            ["notification_status", "emboux_arrived", "failure_reason"])
        return row

    return told


def test_what_became_of_it_is_seen_where_it_was_written(mail):
    zoe, never = post(mail, "zoe@far.example"), post(mail, NEVER)
    eventually("it has arrived", lambda: zoe()["emboux_arrived"], seconds=30)
    eventually("it came back", lambda: never()["notification_status"] == "bounce", seconds=30)
    assert zoe()["notification_status"] == "sent"
    assert "550" in never()["failure_reason"]
    # mox sends nothing more to that address until somebody lets it
    [row] = mail.rows("suppression")
    assert (row["address"], row["manual"]) == (NEVER, False)
    mail.odoo("emboux.server.suppression").unlink([row["id"]])
    assert not mail.rows("suppression")
    made = mail.odoo("emboux.server.suppression").create(
        {"mailbox_id": mail.mailbox, "address": "not@far.example", "reason": "asked"})
    mail.send("not@far.example")
    mail.has_left("not@far.example", "failed")
    assert "suppression" in mail.message("not@far.example")["reason"]
    mail.odoo("emboux.server.suppression").unlink([made])
    # each of these was told, and taken
    eventually("all were told",
               lambda: not mail.rows("hook", ("state", "=", "waiting")), seconds=30)
    done = mail.rows("hook", ("state", "=", "delivered"))
    assert {"delivered", "failed", "suppressed"} <= {row["event"] for row in done}
    assert {row["login"] for row in done} == {ACCOUNT}


def test_an_answer_comes_to_what_it_answers(mail):
    partners = mail.odoo("res.partner")
    document = partners.create({"name": "A document"})
    [note] = partners.message_post([document], body="A note")
    [row] = mail.odoo("mail.message").read([note], ["message_id"])
    answer = mail.ask.web("Send", {
        "To": [{"Address": ODOO}], "Subject": "Re: A note", "Text": "An answer",
        "References": [row["message_id"]]})
    assert answer.status == 200, answer.body
    eventually("it is on the document", lambda: mail.odoo("mail.message").search_count(
        [("model", "=", "res.partner"), ("res_id", "=", document), ("body", "like", "An answer")]),
        seconds=60)
    eventually("it was told", lambda: mail.rows(
        "hook", ("event", "=", "incoming"), ("state", "=", "delivered")), seconds=30)


def test_routes_and_transports(mail):
    routes = mail.odoo("emboux.server.route")
    route = routes.create({"backend_id": mail.backend, "to_domains": "routed.example",
                           "transport": "spare", "attempts": 2})
    [there] = mail.ask("Config")["Routes"]
    assert (there["ToDomain"], there["Transport"], there["MinimumAttempts"]) == (
        ["routed.example"], "spare", 2)
    assert [row["transport"] for row in mail.rows("route")] == ["spare"]
    routes.unlink([route])
    assert not mail.ask("Config")["Routes"]


def test_log_ins_and_reports(mail):
    logins = mail.rows("login")
    assert {"webadmin", "webaccount"} <= {row["protocol"] for row in logins if row["is_ok"]}
    assert ACCOUNT in {row["login"] for row in logins}
    assert mail.rows("report") == []  # none has come: that they can be asked for is what is seen


def test_blocklists(mail):
    wizards = mail.odoo("emboux.server.status")
    wizard = mail.odoo("emboux.backend").action_server_status([mail.backend])["res_id"]
    wizards.write([wizard], {"watched": "zen.blocklist.example\n"})
    wizards.action_save([wizard])
    assert [zone["ASCII"] for zone in mail.ask("DNSBLStatus")[2]] == ["zen.blocklist.example"]
