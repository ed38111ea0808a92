# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date, timedelta

from odoo.exceptions import UserError
from odoo.tests import tagged

from .billing_case import BillingCase

DAY = date(2026, 9, 10)


@tagged("post_install", "-at_install")
class TestPlanPeriod(BillingCase):
    """What a customer pays from which day on."""

    def periods(self, customer=None):
        rows = (customer or self.customer).period_ids.sorted("since")
        return [(row.since, row.plan_id.name, row.is_paid, row.price) for row in rows]

    def test_it_begins_with_the_plan(self):
        self.assertEqual(self.periods(), [(date(2026, 7, 1), "Basic", True, 10)])

    def test_another_plan_and_back_on_the_same_day(self):
        large = self.make_plan("Large", price=30)
        with self.at(DAY):
            self.customer.plan_id = large
            self.assertEqual(self.periods()[1:], [(DAY, "Large", True, 30)])
            self.customer.plan_id = self.plan
        self.assertEqual(self.periods()[1:], [(DAY, "Basic", True, 10)])

    def test_unchanged_terms_add_no_row(self):
        with self.at(DAY):
            self.customer.sudo().write({"state": "past_due"})
            self.customer.sudo().write({"plan_id": self.plan.id})
        self.assertEqual(len(self.periods()), 1)

    def test_trial_suspension_and_end_are_free(self):
        with self.at(DAY):
            tried = self.make_plan("Tried", price=10, trial_days=14)
            trial = self.make_customer("Trial", plan_id=tried.id)
        with self.at(DAY + timedelta(14)):
            trial._change_customer_state("active", "The trial is over.")
        with self.at(DAY + timedelta(20)):
            trial._change_customer_state("suspended", "They did not pay.")
        with self.at(DAY + timedelta(25)):
            trial._change_customer_state("active", "They paid.")
        with self.at(DAY + timedelta(30)):
            trial._change_customer_state("ended", "They wanted it.")
        self.assertEqual(
            self.periods(trial),
            [
                (DAY, "Tried", False, 10),
                (DAY + timedelta(14), "Tried", True, 10),
                (DAY + timedelta(20), "Tried", False, 10),
                (DAY + timedelta(25), "Tried", True, 10),
                (DAY + timedelta(30), "Tried", False, 10),
            ],
        )

    def test_new_prices_apply_from_today_only(self):
        other = self.make_customer("Other")
        with self.at(DAY):
            self.env["emboux.plan"].browse(self.plan.id).sudo().write({"price": 12})
        self.assertEqual(
            self.periods(), [(date(2026, 7, 1), "Basic", True, 10), (DAY, "Basic", True, 12)]
        )
        self.assertEqual(self.periods(other)[0][3], 12)

    def test_a_customer_stays_with_one_company(self):
        abroad = self.env["res.company"].create({"name": "Abroad"})
        plan = self.make_plan("Abroad", price=1, company_id=abroad.id)
        with self.assertRaisesRegex(UserError, "one invoice has one seller"):
            self.customer.plan_id = plan

    def test_a_customer_without_a_plan_has_no_history(self):
        partner = self.env["res.partner"].create({"name": "Bare"})
        bare = self.env["emboux.customer"].create({"partner_id": partner.id})
        self.assertFalse(bare.period_ids)
