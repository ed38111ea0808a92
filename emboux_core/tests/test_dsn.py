# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import email
import textwrap

from odoo.tests import TransactionCase, tagged

from odoo.addons.emboux_core import dsn

from .dns_server import PlainTest

OK = ("rfc822; ann@outside.example", "delivered", "2.0.0")
LATE = ("rfc822; ann@outside.example", "delayed", "4.4.1")
RELAYED = ("rfc822; ann@outside.example", "relayed", "2.0.0")
GONE = ("rfc822; bob@outside.example", "failed", "5.1.1")
FULL = ("rfc822; eve@outside.example", "failed", "5.2.2")


def report(*recipients, kind="message/delivery-status", report_type="delivery-status",
           returned="text/rfc822-headers", message_id="<sent@odoo.example>"):
    """A DSN as Postfix writes it; recipients: (Final-Recipient, Action, Status)."""
    blocks = "".join(
        f"\nFinal-Recipient: {final}\nAction: {action}\nStatus: {status}\n"
        for final, action, status in recipients
    )
    head = textwrap.dedent(
        f"""\
        Return-Path: <>
        From: MAILER-DAEMON@mail.example
        To: bounce@odoo.example
        Subject: Delivery report
        Message-ID: <report@mail.example>
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type={report_type}; boundary="b"

        --b
        Content-Type: text/plain

        What happened.

        --b
        Content-Type: {kind}

        """
    )
    tail = textwrap.dedent(
        f"""
        --b
        Content-Type: {returned}

        From: notifications@odoo.example
        To: ann@outside.example
        Message-ID: {message_id}
        Subject: Good morning

        --b--
        """
    )
    return (head + "Reporting-MTA: dns; mail.example\n" + blocks + tail).encode()


def recipients(raw):
    """The recipients in a DSN, as Odoo reads the first of them."""
    [part] = [p for p in email.message_from_bytes(raw).walk()
              if p.get_content_type() == "message/delivery-status"]
    return [block["Final-Recipient"] for block in part.get_payload()[1:] if block.keys()]


class TestDsn(PlainTest):
    def test_what_is_no_report_is_left_alone(self):
        self.assertIsNone(dsn.failures(b"Subject: multipart/report\n\nabout multipart/report\n"))
        self.assertIsNone(dsn.failures(b"Subject: hello\n\nGood morning\n"))

    def test_a_plain_bounce_is_left_as_it_is(self):
        self.assertIsNone(dsn.failures(report(GONE)))

    def test_what_did_not_fail_is_no_bounce(self):
        for told in (OK, LATE, RELAYED):
            self.assertEqual(dsn.failures(report(told)), [], told)

    def test_each_recipient_that_failed_is_a_bounce(self):
        bounces = dsn.failures(report(OK, GONE, LATE, FULL))
        self.assertEqual([recipients(raw) for raw in bounces], [[GONE[0]], [FULL[0]]])
        for raw in bounces:
            self.assertIn(b"<sent@odoo.example>", raw)

    def test_a_read_receipt_is_no_bounce(self):
        receipt = report(kind="message/disposition-notification",
                         report_type="disposition-notification")
        self.assertEqual(dsn.failures(receipt), [])

    def test_internationalised_reports_are_translated(self):
        """RFC 6533: other types, and addresses in UTF-8 or escaped."""
        for final in ("utf-8; bob@b\\x{FC}cher.example", "utf-8; bob@bücher.example"):
            raw = report((final, "failed", "5.1.1"), kind="message/global-delivery-status",
                         returned="message/global-headers")
            [bounce] = dsn.failures(raw)
            self.assertEqual(recipients(bounce), ["rfc822; bob@xn--bcher-kva.example"])
            self.assertIn(b"Content-Type: text/rfc822-headers", bounce)
            self.assertIn(b"<sent@odoo.example>", bounce)


@tagged("post_install", "-at_install")
class TestBounces(TransactionCase):
    """The right notification of the right recipient, in Odoo's own gateway."""

    def setUp(self):
        super().setUp()
        self.people = self.env["res.partner"].create(
            [{"name": name, "email": f"{name}@outside.example"} for name in ("ann", "bob", "eve")]
        )
        document = self.env["res.partner"].create({"name": "A document"})
        self.message = document.message_post(
            body="Good morning", message_type="comment", subtype_xmlid="mail.mt_comment",
            partner_ids=self.people.ids,
        )
        self.message.notification_ids.notification_status = "sent"

    def process(self, *told, **options):
        self.env["mail.thread"].message_process(
            None, report(*told, message_id=self.message.message_id, **options)
        )

    def bounced(self):
        notices = self.message.notification_ids
        return notices.filtered(
            lambda n: n.notification_status == "bounce").res_partner_id.mapped("name")

    def test_of_two_that_failed_both_are_marked_and_no_other(self):
        self.process(LATE, GONE, FULL)
        self.assertEqual(sorted(self.bounced()), ["bob", "eve"])

    def test_an_internationalised_report_marks_its_recipient(self):
        """RFC 6533, of which Odoo's own gateway understands nothing."""
        self.people[1].email = "bob@bücher.example"
        self.process((r"utf-8; bob@b\x{FC}cher.example", "failed", "5.1.1"), LATE,
                     kind="message/global-delivery-status", returned="message/global-headers")
        self.assertEqual(self.bounced(), ["bob"])

    def test_a_report_of_an_internationalised_domain_marks_its_recipient(self):
        """Mail servers name the A-labels, also where nothing else is internationalised."""
        self.people[1].email = "bob@bücher.example"
        self.process(("rfc822; bob@xn--bcher-kva.example", "failed", "5.1.1"))
        self.assertEqual(self.bounced(), ["bob"])
        self.assertEqual(self.people.mapped("message_bounce"), [0, 1, 0])

    def test_who_is_merely_late_is_not(self):
        self.process(LATE)
        self.process(OK)
        self.assertFalse(self.bounced())

    def test_who_has_read_it_is_not(self):
        (self.people - self.people[0]).unlink()
        self.process(kind="message/disposition-notification",
                     report_type="disposition-notification")
        self.assertFalse(self.bounced())
