from datetime import date

from odoo.tests import HttpCase, tagged

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
        self.assertEqual(self.bill(customer).invoice_line_ids.mapped("quantity"), [1, 1.33])
        self.start_tour("/odoo/email-customers", "emboux_invoice_usage", login="admin")
