# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_saas.models import customer as customer_file

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestErase(SaasCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = cls.make_key(cls.acme)
        cls.box = cls.make_mailbox("ann", cls.mine)
        cls.box.sudo().message_total = 7
        cls.make_alias("sales", "ann@mine.example", cls.mine)
        cls.others = cls.make_mailbox("keep")
        cls.acme._change_customer_state("ended", "They left.")

    def erase(self):
        self.run_cron("ir_cron_erase")
        return bool(self.mine.exists())

    def test_told_twice_then_erased(self):
        self.assertTrue(self.erase())
        self.assertFalse(self.told(self.acme, "erasing_soon"))
        for days, count in ((24, 1), (5, 2)):
            self.at(days=days)
            self.assertTrue(self.erase())
            self.assertTrue(self.erase())
            self.assertEqual(len(self.told(self.acme, "erasing_soon")), count)
        self.at(days=1)
        self.assertFalse(self.erase())
        self.assertFalse(self.box.exists())
        self.assertTrue(self.others.exists())
        self.assertEqual((self.acme.state, self.acme.erase_on), ("ended", False))
        self.assertTrue(self.acme.erased_at)
        self.assertEqual((self.key.state, self.acme.domains_used), ("revoked", 0))

    def test_what_was_blocked_or_suspended_is_erased_too(self):
        self.mine.sudo().outbound_status = "blocked"
        self.box.action_suspend()
        self.at(days=50)
        self.erase()
        self.at(days=1)
        self.assertFalse(self.erase())

    def test_late_notice_postpones_the_erasure_by_a_day(self):
        self.at(days=50)
        self.assertTrue(self.erase())
        self.assertEqual(self.acme.erase_on, fields.Date.context_today(self.acme) + timedelta(1))
        self.assertEqual(len(self.told(self.acme, "erasing_soon")), 1)
        self.at(days=1)
        self.assertFalse(self.erase())

    def test_a_returning_customer_keeps_everything(self):
        self.at(days=29)
        self.erase()
        self.acme.action_activate()
        self.at(days=3)
        self.assertTrue(self.erase())
        self.assertEqual((self.mine.state, self.box.exists()), ("verified", self.box))

    def test_a_killed_job_resumes_where_it_was(self):
        self.make_mailbox("bob", self.mine)
        self.at(days=29)
        self.erase()
        self.at(days=1)
        steps = []
        original = type(self.acme)._erase_some

        def dies(customer):
            steps.append(1)
            if len(steps) == 3:  # the alias and a mailbox are gone
                raise KeyboardInterrupt
            return original(customer)

        with (patch.object(customer_file, "ERASE_BATCH", 1),
              patch.object(type(self.acme), "_erase_some", dies)):
            # not assertRaises, which would undo what the job has committed
            try:
                self.run_cron("ir_cron_erase")
            except KeyboardInterrupt:
                killed = True
        self.assertTrue(killed)
        self.env.invalidate_all()
        self.assertEqual(len(self.mine.mailbox_ids), 1)
        self.assertFalse(self.erase())

    def test_a_failed_erasure_is_reported_and_does_not_hold_up_others(self):
        second = self.make_customer("Second", self.plan)
        theirs = self.make_domain("second.example", partner_id=second.partner_id.id)
        second._change_customer_state("ended", "x")
        self.at(days=29)
        self.erase()
        self.at(days=1)
        boxes = type(self.box)
        original = boxes._delete_with_mail

        def refuses(mailboxes):
            if self.box in mailboxes:
                raise UserError(mailboxes.env._("Odoo sends through it."))
            return original(mailboxes)

        with (patch.object(boxes, "_delete_with_mail", refuses),
              self.assertLogs("odoo.addons.emboux_core.transactions", "WARNING")):
            self.assertTrue(self.erase())
        self.assertFalse(theirs.exists())
        self.assertIn("Odoo sends through it.", self.acme.message_ids[:1].body)
        self.assertFalse(self.erase())

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_defect_in_one_does_not_hold_up_others(self):
        second = self.make_customer("Second", self.plan)
        theirs = self.make_domain("second.example", partner_id=second.partner_id.id)
        second._change_customer_state("ended", "x")
        self.at(days=29)
        self.erase()
        self.at(days=1)
        original = type(self.acme)._erase_some

        def fails(customer):
            if customer == self.acme:
                raise ZeroDivisionError
            return original(customer)

        with patch.object(type(self.acme), "_erase_some", fails):
            self.assertTrue(self.erase())
        self.assertFalse(theirs.exists())
        self.assertNotIn("division", self.acme.message_ids[:1].body)
        self.assertFalse(self.erase())

    def test_others_subdomains_stand_alone_from_then_on(self):
        self.acme.action_activate()
        self.mine.is_wildcard = True
        child = self.make_domain("shop.mine.example", partner_id=self.acme.partner_id.id)
        child.sudo().partner_id = self.make_customer("Shop").partner_id
        self.acme._change_customer_state("ended", "x")
        self.at(days=29)
        self.erase()
        self.at(days=1)
        self.assertFalse(self.erase())
        self.assertFalse(child.parent_id)
        self.assertEqual(child.state, "pending")
