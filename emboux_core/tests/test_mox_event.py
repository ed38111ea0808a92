# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dataclasses import replace

from odoo.tests import tagged

from ..backends.mox_hooks import Event
from .mox_mailbox_case import MoxMailboxCase

FAILED = Event("failed", "", "bob@b.example", False, 550, "550 5.1.1 no such user")


@tagged("post_install", "-at_install")
class TestMoxEvent(MoxMailboxCase):
    """What Odoo shows of a message after mox has told of it."""

    def setUp(self):
        super().setUp()
        self.mailbox = self.make_odoos()
        self.bob, self.eve = self.env["res.partner"].create(
            [{"name": name, "email": f"{name}@b.example"} for name in ("Bob", "eve")])
        self.message = self.bob.message_post(
            body="Hello", partner_ids=(self.bob | self.eve).ids, message_type="comment",
            subtype_xmlid="mail.mt_comment", mail_auto_delete=False)
        self.mails = self.env["mail.mail"].search([("mail_message_id", "=", self.message.id)])
        self.mails.state = "sent"
        self.notifications = self.message.notification_ids.sudo()
        self.notifications.notification_status = "sent"
        self.calls = 0

    def tell(self, kind="failed", name=None, mailbox=None, **values):
        self.calls += 1
        event = replace(FAILED, kind=kind, message_id=self.message.message_id, **values)
        hooks = self.env["emboux.mox.hook"].sudo()
        hooks._take_event((mailbox or self.mailbox).id, name or f"{self.calls}", event)
        self.env.invalidate_all()

    def of(self, partner):
        [found] = self.notifications.filtered(lambda n: n.res_partner_id == partner)
        return found

    def test_a_failure_is_a_bounce(self):
        self.tell()
        bob = self.of(self.bob)
        self.assertEqual((bob.notification_status, bob.failure_type), ("bounce", "mail_bounce"))
        self.assertIn("550 5.1.1 no such user", bob.failure_reason)
        self.assertEqual(self.of(self.eve).notification_status, "sent")
        self.assertEqual(self.bob.message_bounce, 1)
        [mail] = self.mails
        self.assertEqual(mail.state, "sent", "Retry would send it to the other one again")
        self.assertIn("bob@b.example: It could not be delivered", mail.failure_reason)

    def test_of_one_recipient_the_mail_has_failed(self):
        self.mails.recipient_ids = self.bob
        self.tell()
        self.assertEqual((self.mails.state, self.mails.failure_type), ("exception", "unknown"))

    def test_nothing_hides_a_failure(self):
        self.tell()
        reason = self.of(self.bob).failure_reason
        for kind in ("delivered", "delayed", "relayed", "suppressed", "canceled", "failed"):
            self.tell(kind)
            bob = self.of(self.bob)
            self.assertEqual((bob.notification_status, bob.failure_reason), ("bounce", reason))
        self.assertEqual(self.bob.message_bounce, 1, "it is counted once")

    def test_the_way_to_arrival(self):
        self.tell("delayed", answer="451 later")
        self.assertEqual(self.of(self.bob).notification_status, "pending")
        self.assertIn("451 later", self.of(self.bob).failure_reason)
        self.tell("delivered")
        bob = self.of(self.bob)
        self.assertEqual((bob.notification_status, bob.failure_reason, bob.emboux_arrived),
                         ("sent", False, True))
        self.tell("delayed")
        self.assertEqual(self.of(self.bob).notification_status, "sent", "an old one that was late")
        self.tell("failed", returned=True)
        self.assertEqual(self.of(self.bob).notification_status, "bounce", "a report came back")

    def test_what_mox_does_not_send(self):
        for kind, words in (("suppressed", "suppression list"), ("canceled", "took it out")):
            self.notifications.write({"notification_status": "sent", "failure_reason": False})
            self.tell(kind)
            bob = self.of(self.bob)
            self.assertEqual((bob.notification_status, bob.failure_type), ("exception", "unknown"))
            self.assertIn(words, bob.failure_reason)
        self.assertFalse(self.bob.message_bounce)

    def test_once(self):
        self.tell(name="17:abc")
        self.notifications.notification_status = "sent"
        self.tell(name="17:abc")
        self.assertEqual(self.of(self.bob).notification_status, "sent")
        other = self.make_mailbox(self.mailbox.domain_id, "other")
        self.tell(name="17:abc", mailbox=other)
        self.assertEqual(self.of(self.bob).notification_status, "bounce")

    def test_what_it_is_not_about(self):
        self.tell("unrecognized")
        self.tell("somethingnew")
        self.tell(recipient="nobody@b.example")
        self.tell(recipient="")
        self.assertEqual(set(self.notifications.mapped("notification_status")), {"sent"})
        self.message.record_company_id = self.env["res.company"].create({"name": "Another"})
        self.tell()
        self.assertEqual(set(self.notifications.mapped("notification_status")), {"sent"})
        self.message.message_id = "<other@a.example>"

    def test_without_a_recipient_the_only_one(self):
        self.of(self.eve).unlink()
        self.notifications = self.notifications.exists()
        self.tell(recipient="")
        self.assertEqual(self.of(self.bob).notification_status, "exception")

    def test_old_calls_are_forgotten(self):
        self.tell("delivered")
        hooks = self.env["emboux.mox.hook"].sudo()
        self.assertTrue(hooks._is_taken(self.mailbox, "1"))
        hooks._gc_taken()
        self.assertTrue(hooks._is_taken(self.mailbox, "1"))
        self.later(days=5)
        hooks._gc_taken()
        self.assertFalse(hooks._is_taken(self.mailbox, "1"))
