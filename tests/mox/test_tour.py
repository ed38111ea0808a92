"""From a new backend to mail in a mox, in the real web client: with the stand-in, and with a real
mox also by SMTP and IMAP."""

import imaplib
import smtplib
import ssl
import time
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from asking import Asking
from leaving import remove
from real import KINDS
from support.mail_client import eventually

NAME = "mox-tour.example"
PASSWORD = "tour password 1"
LOCALSERVE = "mox@localhost", "moxmoxmox"  # whom "mox localserve" begins with
FAR = [f"{who}@far.example" for who in ("first", "second", "third")]


class RealMail:
    """Mail to and from a real mox, whose certificate is its own."""

    def __init__(self, server):
        self._port = {name: server.port(name) for name in ("Submissions", "IMAPS")}
        self._url, self._inboxes = server.url, {}
        self._tls = ssl.create_default_context(cafile=server.folder / "localhost.crt")

    def _message(self, sender, recipient, subject):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, recipient, subject
        message["Message-ID"] = f"<{subject}@{NAME}>"
        message.set_content("Hello")
        return message

    def submit(self, recipient, subject, sender=f"ann@{NAME}", password=PASSWORD):
        with smtplib.SMTP_SSL("localhost", self._port["Submissions"], timeout=30,
                              context=self._tls) as smtp:
            smtp.login(sender, password)
            smtp.send_message(self._message(sender, recipient, subject))

    def open(self, email):
        """As its user: take what comes, which an account without experience does not, and read."""
        user = Asking(self._url).log_in(email, PASSWORD, base="/account/api/")
        user("JunkFilterSave", None, base="/account/api/")
        imap = imaplib.IMAP4_SSL("localhost", self._port["IMAPS"], ssl_context=self._tls)
        imap.login(email, PASSWORD)
        self._inboxes[email] = imap

    def has(self, email, subject):
        imap = self._inboxes[email]  # few connections are taken in a minute
        imap.select("INBOX", readonly=True)
        return imap.search(None, "SUBJECT", subject)[1][0]


@pytest.fixture(scope="module", params=[kind for kind in KINDS if "2024" not in kind][:1]
                + KINDS[2:3])
def world(request, servers, odoo):
    """A mox without a backend in Odoo, and nothing left of it afterwards."""
    odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
    yield servers(request.param)
    remove(odoo, NAME, "Tour mox")


def test_a_mox_from_the_first_click_to_its_queue(world, browser, odoo, state):
    ask = Asking(world.url).log_in(world.password)
    real = RealMail(world) if hasattr(world, "folder") else None
    browser.tour("emboux_mox_backend", "/odoo/email-backends", mox=world.url)
    browser.tour("emboux_mox_domain", "/odoo/email-domains")
    browser.tour("emboux_mox_mailboxes", "/odoo/mailboxes")
    browser.tour("emboux_mox_list", "/odoo/email-aliases")
    browser.assert_no_danger()
    accounts, lists = ask("DomainLocalparts", NAME)
    assert {accounts[local] for local in ("", "ann")} == {f"ann_{NAME}"}
    assert len(lists["team"]["Addresses"]) == 3
    if real:
        for who in ("ann", "bob", "cid"):
            real.open(f"{who}@{NAME}")
        for recipient in (f"ann@{NAME}", f"anything@{NAME}", f"team@{NAME}"):
            # from outside it takes mail of domains alone that are in the DNS
            real.submit(recipient, f"to-{recipient.partition('@')[0]}", *LOCALSERVE)
        for who, subject in (("ann", "to-ann"), ("ann", "to-anything"), ("ann", "to-team"),
                             ("bob", "to-team"), ("cid", "to-team")):
            eventually(f"{subject} is with {who}",
                       lambda who=who, subject=subject: real.has(f"{who}@{NAME}", subject),
                       seconds=90)  # it makes a new sender wait
    # three that wait, because of a rule that is gone by then
    rule = ask("QueueHoldRuleAdd", {"RecipientDomainStr": "far.example"})
    for recipient in FAR:
        if real:
            real.submit(recipient, f"far-{recipient.partition('@')[0]}")
        else:
            world.queue.put(recipient, sender=f"ann@{NAME}", account=f"ann_{NAME}")
    ask("QueueHoldRuleRemove", rule["ID"])
    later = [message["ID"] for message in ask("QueueList", {}, {})]
    ask("QueueNextAttemptSet", {"IDs": later}, 60)
    ask("QueueHoldSet", {"IDs": later}, False)
    browser.tour("emboux_mox_queue", "/odoo/email-server-message")
    left = {f"{m['RecipientLocalpart']}@{m['RecipientDomainStr']}": m["Hold"]
            for m in ask("QueueList", {}, {}) if m["RecipientDomainStr"] == "far.example"}
    assert left == {FAR[0]: False, FAR[2]: False}
    # in the list other tests' domains may be before it, on more than a page
    [domain] = odoo("emboux.domain").search([("name", "=", NAME)])
    browser.assert_no_danger()
    browser.tour("emboux_mox_suspend", f"/odoo/email-domains/{domain}")
    assert ask("DomainConfig", NAME)["Disabled"] is True
    browser.tour("emboux_mox_activate", f"/odoo/email-domains/{domain}")
    assert ask("DomainConfig", NAME)["Disabled"] is False
    shows_its_own_check(browser, domain)
    [mailbox] = odoo("emboux.mailbox").search([("email", "=", f"cid@{NAME}")])
    browser.tour("emboux_mox_suspend_mailbox", f"/odoo/mailboxes/{mailbox}")
    assert ask("Account", f"cid_{NAME}")[0]["LoginDisabled"]
    for page in ("message", "hold-rule", "hook", "suppression", "report", "login", "route"):
        browser.open(f"/odoo/email-server-{page}", ".o_list_view")
        browser.assert_no_danger()
        assert not browser.errors, browser.errors
        browser.picture(f"mox_{page}")
    for kind in ("dmarc", "tls"):
        browser.open(f"/odoo/email-server-report-{kind}", ".o_graph_view")
        browser.assert_no_danger()
        assert not browser.errors, browser.errors
    if not real:
        draws_what_was_reported(world, browser)
        # a page that cannot be read is seen to be one
        world.answer("LoginAttempts", "no list")
        browser.open("/odoo/email-server-login", ".o_list_view")
        with pytest.raises(AssertionError, match="no list where one should be"):
            browser.assert_no_danger()


def shows_its_own_check(browser, domain):
    """mox's verdicts below our own, one section after the other."""
    browser.open(f"/odoo/email-domains/{domain}", ".o_form_view")
    browser.page.click("a.nav-link:has-text('DNS')")
    browser.page.click("button[name=action_server_check]")
    # it asks name servers, and may wait for some of them
    wrong = browser.page.wait_for_selector(
        "details:has(.text-bg-danger) summary:has-text('MX')", timeout=60_000)
    wrong.click()
    browser.page.wait_for_selector("details[open] .text-danger")
    browser.assert_no_danger()
    wrong.scroll_into_view_if_needed()
    browser.picture("mox_check")


def draws_what_was_reported(world, browser):
    """Passed and failed, one above the other, for each kind by itself."""
    end = int(time.time())
    record = world.reports.dmarc_record
    world.reports.put_dmarc(NAME, end - 86400, end, [
        record("192.0.2.1", 40), record("192.0.2.9", 2, "reject", "fail", "fail")])
    moment = datetime.fromtimestamp(end, UTC).isoformat()
    world.reports.put_tls(NAME, moment, moment, success=7, failure=1,
                          details=[{"ResultType": "certificate-expired"}])
    for kind, passed, failed in (("dmarc", 40, 2), ("tls", 7, 1)):
        browser.open("/odoo/email-server-report", ".o_list_view tr.o_data_row")
        browser.page.click(f"button:has-text('{kind.upper()} Chart')")
        browser.page.wait_for_selector(".o_graph_canvas_container canvas", timeout=60_000)
        sets = browser.page.evaluate(
            "Chart.getChart(document.querySelector('.o_graph_canvas_container canvas'))"
            ".data.datasets.filter(set => set.type !== 'line')"  # that of the sums
            ".map(set => [set.label, set.stack, set.data.reduce((a, b) => a + b)])")
        assert {label: total for label, _stack, total in sets} == {
            "Passed": passed, "Failed": failed}
        assert len({stack for _label, stack, _total in sets}) == 1, "beside each other"
        browser.picture(f"mox_report_{kind}")
