# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestDunning(SaasCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        company = cls.env.company
        if not company.chart_template:
            cls.env["account.chart.template"].sudo().try_loading(
                "generic_coa", company=company, install_demo=False
            )
        cls.today = fields.Date.today()

    def invoice(self, due_in=-1, product=None, partner=None, post=True):
        invoice = self.env["account.move"].sudo().create(
            {
                "move_type": "out_invoice",
                "partner_id": (partner or self.acme.partner_id).id,
                "invoice_date": self.today - timedelta(days=40),
                "invoice_date_due": self.today + timedelta(days=due_in),
                "invoice_payment_term_id": False,
                "invoice_line_ids": [fields.Command.create(
                    {"product_id": (product or self.product).id, "quantity": 1,
                     "price_unit": 10.0, "tax_ids": [fields.Command.clear()]})],
            }
        )
        if post:
            invoice.action_post()
        return invoice

    def pay(self, invoice):
        self.env["account.payment.register"].sudo().with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({})._create_payments()

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_defect_in_one_does_not_hold_up_the_others(self):
        other = self.make_customer("Other", self.plan)
        self.invoice()
        self.invoice(partner=other.partner_id)
        model = self.env.registry["emboux.customer"]
        original = model._dun

        def fails(customer, invoices):
            if customer == min(self.acme, other, key=lambda c: c.id):
                raise ZeroDivisionError
            return original(customer, invoices)

        with patch.object(model, "_dun", fails):
            self.dun()
        self.assertEqual((self.acme.state, other.state), ("active", "past_due"))

    def dun(self):
        self.run_cron("ir_cron_dunning")
        return self.acme.state

    def test_reminded_then_suspended_and_a_payment_restores_at_once(self):
        invoice = self.invoice(due_in=-1)
        self.assertEqual(self.dun(), "past_due")
        self.assertEqual(self.mine.state, "verified", "mail works meanwhile")
        [notice] = self.told(self.acme, "payment_failed")
        self.assertEqual(notice.about, invoice.name)
        self.assertEqual(self.dun(), "past_due")
        self.assertEqual(len(self.told(self.acme, "payment_failed")), 1)
        self.at(days=8)
        self.assertEqual(self.dun(), "past_due")
        self.assertEqual(len(self.told(self.acme, "payment_failed")), 2)
        self.at(days=6)
        self.assertEqual(self.dun(), "suspended")
        self.assertEqual((self.mine.state, self.acme.state_cause), ("suspended", "payment"))
        self.pay(invoice)
        self.assertEqual((self.acme.state, self.mine.state), ("active", "verified"))
        self.assertTrue(self.told(self.acme, "activated"))

    def test_nobody_is_suspended_on_the_day_of_the_first_reminder(self):
        self.invoice(due_in=-90)
        self.assertEqual(self.dun(), "past_due")
        self.assertEqual(self.dun(), "past_due")
        self.at(days=1)
        self.assertEqual(self.dun(), "suspended")

    def test_a_second_invoice_still_open_restores_nothing(self):
        first, second = self.invoice(due_in=-3), self.invoice(due_in=-2)
        self.dun()
        self.pay(first)
        self.assertEqual(self.acme.state, "past_due")
        self.pay(second)
        self.assertEqual(self.acme.state, "active")

    def test_the_operators_suspension_outlasts_a_payment(self):
        invoice = self.invoice()
        self.acme._change_customer_state("suspended", "Spam.")
        self.assertEqual(self.dun(), "suspended")
        self.pay(invoice)
        self.assertEqual(self.dun(), "suspended")
        self.assertEqual(self.mine.state, "suspended")

    def test_what_is_not_due_not_posted_or_not_for_mail_does_not_count(self):
        other = self.env["product.product"].create({"name": "Desk", "type": "service"})
        self.invoice(due_in=0)
        self.invoice(due_in=-9, post=False)
        self.invoice(due_in=-9, product=other)
        self.invoice(due_in=-9, partner=self.make_customer("Other").partner_id)
        self.assertEqual(self.dun(), "active")

    def test_an_invoice_to_a_contact_is_the_customers(self):
        contact = self.env["res.partner"].create(
            {"name": "Books", "parent_id": self.acme.partner_id.id, "type": "invoice"}
        )
        self.invoice(due_in=-9, partner=contact)
        self.assertEqual(self.dun(), "past_due")

    def test_a_cancelled_invoice_restores_with_the_next_run(self):
        invoice = self.invoice(due_in=-9)
        self.dun()
        invoice.button_draft()
        self.assertEqual(self.dun(), "active")
