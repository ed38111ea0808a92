# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date

from odoo.tests import HttpCase, new_test_user, tagged

from .billing_case import BillingCase


@tagged("post_install", "-at_install")
class TestBillingTour(HttpCase, BillingCase):
    def test_from_the_customer_to_what_is_behind_a_line(self):
        customer = self.make_customer("Tour Billing")
        customer.period_ids.sudo().since = date(2026, 7, 1)
        customer.sudo().billed_until = date(2026, 8, 31)
        domain = self.owned_domain("tour-billing.example", customer)
        for name in ("ann", "bob", "eve"):
            self.make_mailbox(name, domain)
        self.note(date(2026, 9, 11), domain)
        invoice = self.bill(customer)
        self.assertEqual(invoice.invoice_line_ids.mapped("quantity"), [1, 1.33])
        self.start_tour("/odoo/email-customers", "emboux_invoice_usage", login="admin")
        invoice.action_post()
        new_test_user(
            self.env, "tour-billing", groups="base.group_portal", password="tour-billing",  # noqa: S106
            partner_id=customer.partner_id.id,
        )
        self.start_tour("/my/email/usage", "emboux_portal_invoice", login="tour-billing")


@tagged("post_install", "-at_install")
class TestBillingTourPhone(TestBillingTour):
    """The same on a phone."""

    browser_size = "375x667"
    touch_enabled = True
