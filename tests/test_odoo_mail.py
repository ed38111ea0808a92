"""Odoo's own mail, set up by one click for two companies: out by real servers, signed, and back."""

import email
import email.policy
import mailbox
import smtplib
import time

import dkim
import pytest
from support.mail_client import Mail, eventually, message
from support.odoo_client import Odoo
from support.smtp_recorder import SmtpRecorder
from support.zone import Zone, txt_of

OUTSIDE = "customer@outside.tests.example"
PASSWORD = "a password of the tests"


class Company:
    """A company whose Odoo mail goes by a domain of its own, and a user of it, whose address is
    of no domain that any server may send for."""

    def __init__(self, odoo, hosting, name, company, set_up):
        self.odoo, self.hosting, self.name, self.id = odoo, hosting, name, company
        self.domain, self.domain_name = hosting.domain("odoo", company_id=company)
        set_up(self.domain)
        # what was sent before had no server that would take it
        self.last_mail = max(odoo("mail.mail").search([]), default=0)
        [self.setup] = odoo("emboux.odoo.mail").search([("domain_id", "=", self.domain)])
        self.login = f"{name}-{time.time_ns()}@elsewhere.tests.example"
        self.user = self.new_user(self.login)

    def new_user(self, login, **values):
        """Somebody of the company, who logs in by this address."""
        return self.odoo("res.users").create({
            "name": f"User {self.name}", "login": login, "email": login,
            "password": PASSWORD, "company_id": self.id, "company_ids": [(6, 0, [self.id])],
            "notification_type": "email",
            "group_ids": [(4, self._group("base.group_user")),
                          (4, self._group("base.group_partner_manager"))], **values,
        }, context={"no_reset_password": True})

    def _group(self, name):
        module, _dot, name = name.partition(".")
        return self.odoo("ir.model.data").search_read(
            [("module", "=", module), ("name", "=", name)], ["res_id"])[0]["res_id"]

    def read(self, *fields):
        [row] = self.odoo("emboux.odoo.mail").read([self.setup], list(fields))
        return row

    def steps(self):
        return self.odoo("emboux.odoo.mail.step").search_read(
            [("setup_id", "=", self.setup)], ["kind", "state", "found", "plan", "outcome"])

    def partner(self, kind):
        """Somebody outside, who is written to about ``kind``; returns (id, address)."""
        address = f"{kind}.{self.name}.{time.time_ns()}@outside.tests.example"
        return self.odoo("res.partner").create(
            {"name": f"{kind} of {self.name}", "email": address, "company_id": self.id}), address


@pytest.fixture(scope="module")
def companies(odoo, hosting, browser):
    """One is set up as people do it, with a test mail out and back; the other by its methods."""

    def by_clicks(domain):
        browser.tour("emboux_use_for_odoo", f"/odoo/email-domains/{domain}", seconds=120)
        browser.picture("odoo_mail")

    def by_methods(domain):
        setup = odoo("emboux.domain").action_use_for_odoo([domain])["res_id"]
        odoo("emboux.odoo.mail").action_apply([setup])

    main = odoo("res.users").read([odoo.uid], ["company_id"])[0]["company_id"][0]
    for left in odoo("emboux.odoo.mail").search([("company_id", "=", main)]):
        odoo("emboux.odoo.mail").action_undo([left])
    other = odoo("res.company").create({"name": f"Other {time.time_ns()}"})
    odoo("res.users").write([odoo.uid], {"company_ids": [(4, other)]})
    made = [Company(odoo, hosting, "main", main, by_clicks),
            Company(odoo, hosting, "other", other, by_methods)]
    made[0].neighbour, made[1].neighbour = reversed(made)
    yield made
    for company in made:
        odoo("emboux.odoo.mail").action_undo([company.setup])
        left = [step for step in company.steps() if step["state"] not in ("undone", "kept")]
        assert not left


@pytest.fixture(scope="module")
def recorder(companies, odoo, state, status):
    """Between Odoo and the submission server of both companies, from now on."""
    made = SmtpRecorder(
        state.path("tls", "cert.pem"), state.path("tls", "key.pem"),
        state.path("tls", "ca-bundle.pem"), status["smtps"]["port"]).start()
    servers = [company.read("server_id")["server_id"][0] for company in companies]
    odoo("ir.mail_server").write(servers, {"smtp_port": made.port})
    yield made
    odoo("ir.mail_server").write(servers, {"smtp_port": status["smtps"]["port"]})
    made.stop()


@pytest.fixture(scope="module")
def setup(companies):
    return companies[0]


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def body_of(raw):
    """The message without the lines of the sink."""
    lines = raw.split(b"\n")
    while lines[0].startswith(b"X-Envelope"):
        del lines[0]
    return b"\n".join(lines)


def posted(odoo, document, subject, **values):
    """Post on the document as somebody writes in the chatter; returns the message's id."""
    return odoo("res.partner").message_post(
        [document], body="Good morning", subject=subject, message_type="comment",
        subtype_xmlid="mail.mt_comment", **values,
    )


def bodies(odoo, document):
    rows = odoo("mail.message").search_read(
        [("model", "=", "res.partner"), ("res_id", "=", document)], ["body", "email_from"])
    return " ".join(row["body"] for row in rows)


def test_all_steps_are_done(companies):
    for company in companies:
        assert company.read("state")["state"] == "done", company.steps()


def test_the_test_mail_is_in_the_chatter(odoo, setup):
    assert setup.read("test_state")["test_state"] == "arrived"
    rows = odoo("mail.message").search_read(
        [("model", "=", "emboux.odoo.mail"), ("res_id", "=", setup.setup),
         ("message_type", "=", "email")], ["body"])
    assert ["came back into it" in row["body"] for row in rows] == [True]


def test_a_user_gets_a_mailbox_and_sends_by_its_address(companies, odoo, browser, mail, status):
    setup = companies[0]
    browser.tour("emboux_user_mailbox", f"/odoo/action-base.action_res_users/{setup.user}")
    browser.picture("user_with_mailbox")
    [user] = odoo("res.users").read([setup.user], ["email", "login"])
    assert user == {"id": setup.user, "email": f"user.main@{setup.domain_name}",
                    "login": setup.login}
    sent = parsed(mail.received(chatter(setup, odoo, status)))
    assert user["email"] in sent["From"]
    # as before, for the tests that follow
    odoo("res.users").write([setup.user], {"email": setup.login})


@pytest.fixture
def few_answers(odoo):
    odoo("ir.config_parameter").set_param("mail.gateway.loop.threshold", "5")
    yield 5
    odoo("ir.config_parameter").set_param("mail.gateway.loop.threshold", "20")


def test_two_systems_that_answer_each_other_come_to_an_end(setup, odoo, mail, few_answers):
    """An alias that takes mail of employees alone says so to whoever else writes; a robot answers
    whatever it gets."""
    [model] = odoo("ir.model").search([("model", "=", "res.partner")])
    domain = setup.read("alias_domain_id")["alias_domain_id"][0]
    name = f"closed-{time.time_ns()}"
    alias = odoo("mail.alias").create(
        {"alias_name": name, "alias_model_id": model, "alias_domain_id": domain,
         "alias_contact": "partners"})
    robot = f"robot.{time.time_ns()}@outside.tests.example"
    seen = set()

    def answers():
        box = mailbox.Maildir(mail.status["sink"]["maildir"], create=False)
        return [(key, found) for key, found in box.iteritems()
                if f"<{robot}>" in found.get_all("X-Envelope-To", []) and key not in seen]

    mail.send(message(robot, f"{name}@{setup.domain_name}", "Hello robot"),
              robot, [f"{name}@{setup.domain_name}"])
    last = time.monotonic()
    while time.monotonic() - last < 6:
        for key, found in answers():
            seen.add(key)
            last = time.monotonic()
            assert len(seen) < 15, "they go on and on"
            back = message(robot, f"{name}@{setup.domain_name}", f"Robot answer {len(seen)}")
            back["In-Reply-To"] = found["Message-ID"]
            mail.send(back, robot, [f"{name}@{setup.domain_name}"])
        time.sleep(0.2)
    assert len(seen) == few_answers, "Odoo answers so often, and no more"
    odoo("mail.alias").unlink([alias])


# -- every kind of mail, of every company -------------------------------------------------------


def chatter(company, odoo, status):
    """Of a user whose address no server may send for, on a document of the company."""
    partner, address = company.partner("chatter")
    user = Odoo(status["odoo"]["url"], status["odoo"]["db"], company.login, PASSWORD)
    posted(user, partner, "from the chatter", partner_ids=[partner])
    return address


def notification(company, odoo, status):
    partner, address = company.partner("notification")
    user = Odoo(status["odoo"]["url"], status["odoo"]["db"], company.login, PASSWORD)
    document = odoo("res.partner").create({"name": "A document", "company_id": company.id})
    user("res.partner").message_notify(
        [document], body="Look", subject="Look at this", partner_ids=[partner])
    return address


def invitation(company, odoo, status):
    _partner, address = company.partner("invitation")
    odoo("res.users").create({"name": "Invited", "login": address, "email": address,
                              "company_id": company.id, "company_ids": [(6, 0, [company.id])]})
    return address


def password_reset(company, odoo, status):
    _partner, address = company.partner("reset")
    user = odoo("res.users").create(
        {"name": "Forgetful", "login": address, "email": address, "company_id": company.id,
         "company_ids": [(6, 0, [company.id])]}, context={"no_reset_password": True})
    odoo("res.users").action_reset_password([user])
    return address


def mailing(company, odoo, status):
    """To many, by Odoo's composer."""
    partner, address = company.partner("mailing")
    wizard = odoo("mail.compose.message").create(
        {"composition_mode": "mass_mail", "model": "res.partner", "res_ids": str([partner]),
         "subject": "News", "body": "<p>News</p>", "force_send": True})
    odoo("mail.compose.message").action_send_mail([wizard])
    return address


def invoice(company, odoo, status):
    """Of the company, by Odoo's own template for it; without the PDF, which nothing here makes."""
    here = {"allowed_company_ids": [company.id]}
    partner, address = company.partner("invoice")
    if not odoo("account.journal").search([("type", "=", "sale"), ("company_id", "=", company.id)]):
        odoo("account.chart.template").try_loading([], "generic_coa", company.id)
    made = odoo("account.move").create(
        {"move_type": "out_invoice", "partner_id": partner, "invoice_line_ids": [
            (0, 0, {"name": "Hosting", "price_unit": 10.0, "tax_ids": [(5,)]})]}, context=here)
    odoo("account.move").action_post([made], context=here)
    [own] = odoo("ir.model.data").search_read(
        [("module", "=", "account"), ("name", "=", "email_template_edi_invoice")], ["res_id"])
    [plain] = odoo("mail.template").copy([own["res_id"]], {"report_template_ids": [(5,)]})
    odoo("mail.template").send_mail([plain], made, force_send=True, context=here)
    odoo("mail.template").unlink([plain])
    return address


def template(company, odoo, status):
    """Of somebody's own making, on a document of the company."""
    partner, address = company.partner("template")
    [model] = odoo("ir.model").search([("model", "=", "res.partner")])
    made = odoo("mail.template").create(
        {"name": "Reminder", "model_id": model, "subject": "A reminder", "email_to": address,
         "email_from": "{{ object.company_id.email_formatted or user.email_formatted }}",
         "body_html": "<p>Please look.</p>"})
    odoo("mail.template").send_mail([made], partner, force_send=True)
    return address


def own_notice(company, odoo, status):
    """Ours: that a record of a domain is missing, to whoever is responsible for the domain."""
    _partner, address = company.partner("notice")
    user = company.new_user(address)
    odoo("emboux.domain").write([company.domain], {"user_id": user},
                                context={"mail_auto_subscribe_no_notify": True})
    Zone(company.hosting.state, status).delete(company.domain_name, "MX")
    odoo("emboux.domain").action_check_now([company.domain])
    company.hosting.publish(company.domain)
    # it is for nobody any more that all is well again
    odoo("emboux.domain").write([company.domain], {"user_id": False})
    odoo("emboux.domain").action_check_now([company.domain])
    return address


def neighbours_address(company, odoo, status):
    """Of a user whose address is of the other company's domain, for which a server is there."""
    partner, address = company.partner("neighbour")
    login = f"guest-{time.time_ns()}@{company.neighbour.domain_name}"
    company.new_user(login)
    user = Odoo(status["odoo"]["url"], status["odoo"]["db"], login, PASSWORD)
    posted(user, partner, "from next door", partner_ids=[partner])
    return address


def answer(company, odoo, status):
    """What a customer answers on a document of no company, to who follows it."""
    _partner, address = company.partner("follower")
    user = company.new_user(address)
    [follower] = odoo("res.users").read([user], ["partner_id"])
    _partner, customer = company.partner("asked")
    document = odoo("res.partner").create({"name": "A shared one", "email": customer})
    author = Odoo(status["odoo"]["url"], status["odoo"]["db"], company.login, PASSWORD)
    posted(author, document, "a shared question", partner_ids=[document])
    odoo("res.partner").message_subscribe(
        [document], partner_ids=[follower["partner_id"][0]])
    mail = Mail(status)
    sent = parsed(mail.received(customer))
    catchall = f"catchall@{company.domain_name}"
    reply = message(customer, catchall, "A shared answer")
    reply["In-Reply-To"] = sent["Message-ID"]
    mail.send(reply, customer, [catchall])
    return address


KINDS = (
    chatter, notification, invitation, password_reset, mailing, invoice, template, own_notice,
    neighbours_address, answer)


def assert_it_leaves_by_its_own_domain(company, kind, odoo, status, mail, recorder):
    address, name = kind(company, odoo, status), company.domain_name
    raw = mail.received(address)
    sent = parsed(raw)
    assert sent["X-Envelope-From"] == f"<bounce@{name}>"
    assert f"@{name}" in sent["From"], sent["From"]
    assert f"@{name}" in (sent["Reply-To"] or sent["From"]), sent["Reply-To"]
    assert sent["Return-Path"] in (None, f"<bounce@{name}>", f"bounce@{name}")
    assert dkim.verify(body_of(raw), dnsfunc=txt_of(status))
    assert f"d={name}" in sent["DKIM-Signature"]
    sessions = recorder.sessions_for(address)
    assert sessions, "by the company's server"
    for session in sessions:
        assert session.login == f"odoo@{name}", session.commands
        assert (f"bounce@{name}", [address]) in session.envelopes(), session.commands
        assert {sender for sender, _to in session.envelopes()} == {f"bounce@{name}"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_mail_leaves_by_its_own_companys_domain(
    companies, odoo, status, mail, kind, recorder
):
    for company in companies:
        assert_it_leaves_by_its_own_domain(company, kind, odoo, status, mail, recorder)


def test_the_notice_of_a_job_that_is_switched_off_reaches_the_administrators(setup, odoo, status):
    """By Odoo's own code: the fifth failure in a week is told in a channel, of which no mail is
    made."""
    [model] = odoo("ir.model").search([("model", "=", "res.partner")])
    job = odoo("ir.cron").create({
        "name": f"Fails {time.time_ns()}", "model_id": model, "state": "code",
        "code": "raise UserError('It fails.')", "failure_count": 4,
        "first_failure_date": "2020-01-01 00:00:00", "nextcall": "2020-01-01 00:00:00"})
    own_notice(setup, odoo, status)  # wakes the scheduler
    eventually("the job switched off", lambda: not odoo("ir.cron").read(
        [job], ["active"])[0]["active"], seconds=90)
    [channel] = odoo("ir.model.data").search_read(
        [("module", "=", "mail"), ("name", "=", "channel_admin")], ["res_id"])
    [told] = odoo("mail.message").search_read(
        [("model", "=", "discuss.channel"), ("res_id", "=", channel["res_id"]),
         ("body", "like", f"({job}) has been deactivated")], ["mail_ids", "notification_ids"])
    assert not told["mail_ids"] and not told["notification_ids"]
    odoo("ir.cron").unlink([job])


def test_no_mail_failed_for_its_sender(companies, odoo):
    failed = odoo("mail.mail").search_read(
        [("state", "=", "exception"), ("id", ">", companies[-1].last_mail)],
        ["subject", "failure_reason"])
    assert not failed


def test_what_the_policy_puts_off_leaves_when_there_is_room(setup, odoo, mail):
    partner, address = setup.partner("later")
    odoo("emboux.domain").write(
        [setup.domain], {"outbound_daily_limit": 1, "outbound_hourly_fraction": 1.0})
    try:
        posted(odoo, partner, "not today", partner_ids=[partner])
        [waiting] = eventually("the refusal", lambda: odoo("mail.mail").search_read(
            [("recipient_ids", "in", [partner]), ("waits_for_room", "=", True)],
            ["state", "failure_reason", "scheduled_date"]))
        assert waiting["state"] == "outgoing" and waiting["scheduled_date"], waiting
        assert waiting["failure_reason"].startswith("450 "), waiting
    finally:
        odoo("emboux.domain").write([setup.domain], {"outbound_daily_limit": 0})
    odoo("mail.mail").send([waiting["id"]])
    assert "not today" in body_of(mail.received(address)).decode()


# -- replies, new mail, bounces -----------------------------------------------------------------


def test_a_reply_reaches_the_chatter(companies, odoo, mail, status):
    for company in companies:
        partner, address = company.partner("reply")
        posted(odoo, partner, "a question", partner_ids=[partner])
        sent = parsed(mail.received(address))
        catchall = f"catchall@{company.domain_name}"
        reply = message(address, catchall, "An answer", "An answer.\n")
        reply["In-Reply-To"] = sent["Message-ID"]
        mail.send(reply, address, [catchall])
        eventually("the reply in the chatter",
                   lambda partner=partner: "An answer." in bodies(odoo, partner))


def test_mail_to_two_aliases_of_which_no_header_tells_makes_both_documents(setup, odoo, mail):
    [model] = odoo("ir.model").search([("model", "=", "res.partner")])
    names = [f"team{number}-{time.time_ns()}" for number in (1, 2)]
    domain = setup.read("alias_domain_id")["alias_domain_id"][0]
    aliases = odoo("mail.alias").create(
        [{"alias_name": name, "alias_model_id": model, "alias_domain_id": domain,
          "alias_defaults": repr({"ref": name})} for name in names])
    sender = f"sender.{time.time_ns()}@outside.tests.example"
    made = message(sender, "undisclosed@outside.tests.example", "For two teams")
    mail.send(made, sender, [f"{name}@{setup.domain_name}" for name in names])
    for name in names:
        eventually(f"the document of {name}",
                   lambda name=name: odoo("res.partner").search([("ref", "=", name)]))
        assert len(odoo("res.partner").search([("ref", "=", name)])) == 1
    odoo("mail.alias").unlink(aliases)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        mail.send(made, OUTSIDE, [f"{names[0]}@{setup.domain_name}"])


def test_a_bounce_marks_the_message_and_the_recipient(companies, odoo, mail):
    for company in companies:
        partner = odoo("res.partner").create(
            {"name": "Gone", "email": f"reject550+{time.time_ns()}@outside.tests.example",
             "company_id": company.id})
        posted(odoo, partner, "to nobody", partner_ids=[partner])

        def marked(partner=partner):
            found = odoo("mail.notification").search_read(
                [("res_partner_id", "=", partner)], ["notification_status"])
            return [row["notification_status"] for row in found] == ["bounce"]

        eventually("the bounce at the message", marked)
        assert odoo("res.partner").read([partner], ["message_bounce"])[0]["message_bounce"] == 1


def test_mail_for_nobody_is_refused_at_smtp(setup, mail):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mail.from_outside(OUTSIDE, f"nobody@{setup.domain_name}", "for nobody")
    [(code, _words)] = refused.value.recipients.values()
    assert code == 550


def test_what_no_document_takes_goes_back_to_its_sender_and_holds_up_nothing(setup, odoo, mail):
    """The address of Odoo's own mailbox is that of no alias."""
    sender = f"astray.{time.time_ns()}@outside.tests.example"
    made = message(sender, f"odoo@{setup.domain_name}", "astray")
    mail.send(made, sender, [f"odoo@{setup.domain_name}"])
    returned = mail.received(sender).decode(errors="replace")
    assert "Odoo has no document for this message" in " ".join(returned.split())
