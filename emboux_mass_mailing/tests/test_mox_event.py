# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import TransactionCase, tagged

from odoo.addons.emboux_core.backends.mox_hooks import Event


@tagged("post_install", "-at_install")
class TestMoxEvent(TransactionCase):
    """The traces of a mailing, whose messages Odoo has deleted by then."""

    def setUp(self):
        super().setUp()
        self.bob = self.env["res.partner"].create({"name": "Bob", "email": "Bob@b.example"})
        self.trace, self.other = self.env["mailing.trace"].create([
            {"model": "res.partner", "res_id": self.bob.id, "email": email,
             "message_id": f"<{email}>", "trace_status": "sent"}
            for email in ("Bob@b.example", "eve@b.example")
        ])

    def tell(self, kind, recipient="bob@b.example"):
        self.env["emboux.mox.hook"]._take_event_elsewhere(
            Event(kind, self.trace.message_id, recipient, False, 550, "550 5.1.1 no such user"))

    def test_a_failure_is_a_bounce(self):
        self.tell("failed")
        self.assertEqual(self.trace.trace_status, "bounce")
        self.assertIn("no such user", self.trace.failure_reason)
        self.assertEqual(self.bob.message_bounce, 1)
        self.assertEqual(self.other.trace_status, "sent")
        for kind in ("failed", "suppressed", "delivered"):
            self.tell(kind)
        self.assertEqual((self.trace.trace_status, self.bob.message_bounce), ("bounce", 1))

    def test_what_mox_did_not_send(self):
        for kind in ("suppressed", "canceled"):
            self.trace.trace_status = "sent"
            self.tell(kind)
            self.assertEqual(self.trace.trace_status, "error")
            self.assertTrue(self.trace.failure_reason)

    def test_what_it_is_not_about(self):
        self.tell("delivered")
        self.tell("failed", "eve@b.example")
        self.assertEqual(self.trace.trace_status, "sent")
