# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import HttpCase, tagged


@tagged("post_install", "-at_install")
class TestOperatorTours(HttpCase):
    """What the operator does with customers in the web client."""

    def setUp(self):
        super().setUp()
        backend = self.env.ref("emboux_mail_api.backend_local")
        backend.write(dict.fromkeys(("mail_host", "smtp_host", "imap_host"), "mail.unit.example"))
        product = self.env["product.product"].create({"name": "Mail", "type": "service"})
        plan, _small = self.env["emboux.plan"].create([
            {"name": "Tour Plan", "product_id": product.id, "price": 20, "trial_days": 0,
             "domain_limit": 5},
            {"name": "Tour Small", "product_id": product.id, "trial_days": 0, "domain_limit": 1},
        ])
        self.customer, self.heir = (
            self.env["emboux.customer"].create(
                {"plan_id": plan.id, "partner_id": self.env["res.partner"].create(
                    {"name": name, "email": f"{name[5:]}@outside.example"}).id})
            for name in ("Tour Customer", "Tour Heir")
        )
        self.plan = plan
        self.one, self.two = self.env["emboux.domain"].create([
            {"name": f"tour-{name}.example", "backend_id": backend.id, "state": "verified",
             "partner_id": self.customer.partner_id.id} for name in ("one", "two")
        ])

    def test_plan_change(self):
        self.start_tour("/odoo/email-plans", "emboux_change_terms", login="admin")
        self.assertFalse(self.plan.active)
        self.assertEqual((self.plan.price, self.plan.replaced_by_id.price), (20, 25))
        self.assertEqual(self.customer.plan_id, self.plan)
        self.start_tour("/odoo/email-customers", "emboux_change_plan", login="admin")
        self.assertEqual(self.customer.domain_limit, 1)

    def test_suspend_and_activate(self):
        self.start_tour("/odoo/email-customers", "emboux_suspend_customer", login="admin")
        self.assertEqual(self.one.state, "suspended")
        self.start_tour("/odoo/email-customers", "emboux_activate_customer", login="admin")
        self.assertEqual((self.one.state, self.two.state), ("verified", "verified"))

    def test_transfer(self):
        self.start_tour("/odoo/email-customers", "emboux_key_for_customer", login="admin")
        self.start_tour("/odoo/email-domains", "emboux_transfer_domain", login="admin")
        self.assertEqual(self.one.partner_id, self.heir.partner_id)
        self.assertEqual((self.customer.domains_used, self.heir.domains_used), (1, 1))


@tagged("post_install", "-at_install")
class TestOperatorToursPhone(TestOperatorTours):
    """The same on a phone."""

    browser_size = "375x667"
    touch_enabled = True
