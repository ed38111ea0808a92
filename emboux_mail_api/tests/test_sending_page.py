# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .reputation_case import ReputationCase


@tagged("post_install", "-at_install")
class TestSendingPage(ReputationCase):
    """What people see of a domain's sending is what the policy goes by."""

    def send(self, domain, recipients):
        decision, _day, _month = domain._decide_outgoing(recipients)
        self.assertEqual(decision.action, "accept", decision.reason)
        domain.invalidate_recordset()

    def record(self, domain, days_ago, recipients):
        self.env["emboux.outbound.count"].sudo().create(
            {
                "domain_id": domain.id, "window": "day", "recipients": recipients,
                "since": fields.Date.today() - timedelta(days=days_ago),
            }
        )

    def health(self, domain):
        self.env.flush_all()
        self.env.invalidate_all()
        return self.env["emboux.outbound.health"].search([("domain_id", "=", domain.id)])

    def test_today_against_the_limit_that_is_met_first(self):
        self.domain.write({"outbound_daily_limit": 1000, "outbound_hourly_fraction": 1,
                           "outbound_warmup_profile": "none"})
        self.send(self.domain, 40)
        self.assertEqual(
            (self.domain.outbound_today, self.domain.outbound_cap, self.domain.outbound_use),
            (40, 1000, 0.04))
        self.domain.write(
            {"outbound_warmup_start": 100, "outbound_warmup_profile": "fast",
             "outbound_warmup_since": fields.Date.today() - timedelta(days=2)})
        self.domain.invalidate_recordset()
        self.assertEqual(self.domain.outbound_cap, 324)  # 100 x 1.8 x 1.8
        self.assertIn("Day 3", self.domain.outbound_warmup_day)
        self.assertIn("324", self.domain.outbound_warmup_day)

    def test_without_a_limit(self):
        self.domain.write({"outbound_daily_limit": 0, "outbound_warmup_start": 0})
        self.domain.invalidate_recordset()
        self.assertEqual((self.domain.outbound_cap, self.domain.outbound_use), (0, 0.0))
        self.assertFalse(self.domain.outbound_warmup_day)

    def test_history_of_seven_days_and_today(self):
        self.record(self.domain, 3, 70)
        self.record(self.domain, 1, 90)
        self.send(self.domain, 5)
        history = self.domain.outbound_history
        self.assertEqual(len(history["days"]), 8)
        self.assertEqual(history["sent"], [0, 0, 0, 0, 70, 0, 90, 5])
        self.assertEqual(history["days"][-1], fields.Date.to_string(fields.Date.today()))

    def test_a_subdomain_shows_its_own_limits_and_its_own_use(self):
        self.domain.write({"is_wildcard": True, "outbound_daily_limit": 500,
                           "outbound_hourly_fraction": 1})
        child = self.make_domain("news.unit.example", outbound_daily_limit=30,
                                 outbound_hourly_fraction=1)
        self.send(child, 7)
        self.send(self.domain, 2)
        self.assertEqual((child.outbound_today, child.outbound_cap), (7, 30))
        self.assertEqual(self.domain.outbound_today, 2)

    def test_all_domains_riskiest_first(self):
        self.record(self.domain, 1, 1000)
        self.send(self.domain, 10)
        row = self.health(self.domain)
        self.assertEqual((row.sent, row.today, row.risk), (1010, 10, 0))
        self.domain.sudo().write({"outbound_status": "blocked", "outbound_reason": "Figures."})
        row = self.health(self.domain)
        self.assertEqual((row.outbound_status, row.risk), ("blocked", 100))
        first = self.env["emboux.outbound.health"].search([], limit=1)
        self.assertGreaterEqual(first.risk, row.risk)
        self.assertEqual(row.action_open_domain()["res_id"], self.domain.id)

    def test_who_may_see_it(self):
        manager = new_test_user(self.env, "h.manager", groups="emboux_core.group_manager")
        user = new_test_user(self.env, "h.user", groups="emboux_core.group_user")
        model = self.env["emboux.outbound.health"]
        self.assertTrue(model.with_user(manager).search_count([]))
        with self.assertRaises(AccessError):
            model.with_user(user).search([])
        other = self.env["res.company"].create({"name": "Other"})
        theirs = self.env["emboux.domain"].sudo().create(
            {"name": "theirs.example", "backend_id": self.backend.id, "company_id": other.id})
        self.env.flush_all()
        self.assertNotIn(theirs, model.with_user(manager).search([]).domain_id)

    def test_groups_and_measures(self):
        rows = self.env["emboux.outbound.health"]._read_group(
            [], ["outbound_status"], ["sent:sum", "risk:max"])
        self.assertTrue(rows)
