# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reports about a message that has one return address for all its recipients."""

from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ..models.message_return import WAIT
from .common import PlatformCase
from .test_returned import fields as group
from .test_returned import plain, report

TAG = "abcdefghijklmnopqrstuvwxyz"


@tagged("post_install", "-at_install")
class TestMessageReturn(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM emboux_mail.log_position")
        cls.log_is_read(timedelta())

    @classmethod
    def log_is_read(cls, ago):
        cls.env.cr.execute(
            """INSERT INTO emboux_mail.log_position (host, path, inode, head, "offset", read_at)
               VALUES ('mail', '/log', 1, '', 0, clock_timestamp() - %s)
                   ON CONFLICT (host, path) DO UPDATE SET read_at = excluded.read_at""", [ago])

    def logged(self, *recipients, **values):
        return {recipient: self.log_message(
            self.domain, recipient=recipient, **{"from_id": TAG} | values)
            for recipient in recipients}

    def take(self, mail, ago=60):
        """``ago``: seconds since it came."""
        came = fields.Datetime.now() - timedelta(seconds=ago)
        head = (f"Return-Path: <>\r\nDelivered-To: bounce+{TAG}@unit.example\r\n"
                f"Received: from mx.far.example (mx.far.example [203.0.113.9])\r\n"
                f"\tby mail.example (Postfix) with ESMTP id 4A1B2C3D4E;\r\n"
                f"\t{came:%a, %d %b %Y %H:%M:%S} +0000 (UTC)\r\n")
        answer = self.env["emboux.message"]._take_returned(head.encode() + mail)
        self.env["emboux.message"].invalidate_model()
        return answer

    def said(self, messages):
        return {name.partition("@")[0]: (each.status, [event["kind"] for event in each.events])
                for name, each in messages.items()}

    def about(self, recipient, action="failed", status="5.1.1", original=None):
        lines = [line for line in group(action, status, "550 no")
                 if not line.startswith("Final-Recipient")]
        lines.append(f"Final-Recipient: rfc822; {recipient}")
        if original:
            lines.append(f"Original-Recipient: rfc822; {original}")
        return lines

    def dsn(self, *groups):
        return report([["Reporting-MTA: dns; mx.far.example"], *groups])

    def test_each_recipient_gets_what_is_said_of_it(self):
        messages = self.logged("joe@far.example", "joan@far.example", "jim@far.example")
        self.assertIsNone(self.take(self.dsn(
            self.about("joe@far.example"), self.about("joan@far.example", "delayed", "4.4.1"))))
        self.assertEqual(self.said(messages), {
            "joe": ("bounced", ["bounced"]), "joan": ("delivered", ["delayed"]),
            "jim": ("delivered", [])})

    def test_our_name_of_it_counts_more_than_the_other_servers(self):
        messages = self.logged("joe@far.example", "joan@far.example")
        self.take(self.dsn(self.about("joan@far.example", original="joe@far.example")))
        self.assertEqual(self.said(messages), {
            "joe": ("bounced", ["bounced"]), "joan": ("delivered", [])})

    def test_an_alias_of_ours_that_led_to_several(self):
        messages = self.logged("joe@far.example", "joan@far.example",
                               original_recipient="team@unit.example")
        self.take(self.dsn(self.about("joan@far.example", original="team@unit.example")))
        self.assertEqual(self.said(messages), {
            "joe": ("delivered", []), "joan": ("bounced", ["bounced"])})
        self.take(self.dsn(self.about("x@beyond.example", original="team@unit.example")))
        self.assertEqual(self.said(messages), {
            "joe": ("delivered", ["returned"]), "joan": ("bounced", ["bounced", "returned"])})

    def test_nobody_is_named(self):
        messages = self.logged("joe@far.example", "joan@far.example")
        before = self.env["emboux.suppression"].search_count([])
        self.take(plain("It could not be delivered: 550 5.1.1 unknown"))
        self.assertEqual(self.said(messages), {
            "joe": ("delivered", ["returned"]), "joan": ("delivered", ["returned"])})
        joe = messages["joe@far.example"]
        self.assertEqual((joe.dsn, joe.answer), ("2.0.0", "250 2.0.0 OK"))
        self.assertEqual(self.env["emboux.suppression"].search_count([]), before)

    def test_in_words_that_name_one(self):
        messages = self.logged("joe@far.example", "joan@far.example")
        self.take(plain("<joan@far.example>:\r\n550 5.1.1 unknown\r\n\r\n--- Below this line is a "
                        "copy of the message.\r\nTo: joe@far.example\r\n"))
        self.assertEqual(self.said(messages), {
            "joe": ("delivered", []), "joan": ("bounced", ["bounced"])})

    def test_of_one_recipient_alone_it_is_that_one(self):
        messages = self.logged("joe@far.example")
        self.take(self.dsn(self.about("elsewhere@beyond.example")))
        self.assertEqual(self.said(messages), {"joe": ("bounced", ["bounced"])})

    def test_it_waits_until_the_log_is_read(self):
        self.log_is_read(timedelta(seconds=58))
        mail = self.dsn(self.about("joan@far.example"))
        self.assertEqual(self.take(mail), WAIT, "nothing is known of its message yet")
        messages = self.logged("joe@far.example")
        self.assertEqual(self.take(mail), WAIT, "it may be about somebody else")
        self.assertEqual(self.said(messages), {"joe": ("delivered", [])})
        messages |= self.logged("joan@far.example")
        self.assertIsNone(self.take(mail))
        self.assertEqual(self.said(messages)["joan"], ("bounced", ["bounced"]))

    def test_it_does_not_wait_for_ever(self):
        self.log_is_read(timedelta(hours=3))
        mail = self.dsn(self.about("joe@far.example"))
        self.assertEqual(self.take(mail, 59 * 60), WAIT)
        self.assertIsNone(self.take(mail, 61 * 60))
        self.env.cr.execute("DELETE FROM emboux_mail.log_position")
        self.assertIsNone(self.take(mail), "nobody reads logs")

    def test_of_what_was_sent_by_http_it_is_the_tags(self):
        self.log_is_read(timedelta(hours=3))
        messages = self.logged("joe@far.example", client="HTTP")
        self.assertIsNone(self.take(self.dsn(self.about("x@beyond.example"))))
        self.assertEqual(self.said(messages), {"joe": ("bounced", ["bounced"])})
