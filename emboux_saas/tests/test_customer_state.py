# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestStateOfCustomer(SaasCase):
    def test_nobody_writes_the_state_by_hand(self):
        for values in ({"state": "ended"}, {"erase_on": "2020-01-01"}, {"state_cause": "payment"}):
            with self.assertRaises(AccessError):
                self.acme.write(values)
        with self.assertRaises(AccessError):
            self.make_customer("Sly", state="ended")
        sly = self.env["emboux.customer"].with_context(default_state="ended").create(
            {"partner_id": self.env["res.partner"].create({"name": "S"}).id}
        )
        self.assertEqual(sly.state, "active")

    def test_suspending_freezes_and_activating_restores_exactly_what_was(self):
        mine = self.acme.partner_id.id
        self.acme.domain_limit = 0
        by_hand = self.make_domain("hand.example", state="verified", partner_id=mine)
        pending = self.make_domain("pending.example", partner_id=mine)
        archived = self.make_domain("archived.example", state="verified", partner_id=mine,
                                    active=False)
        by_hand.action_suspend()
        self.acme._change_customer_state("suspended", "Not paid.")
        domains = self.mine | by_hand | pending | archived
        self.assertEqual(set(domains.mapped("state")), {"suspended"})
        self.assertEqual(self.mine.state_reason, "Not paid.")
        self.assertEqual(self.domain.state, "verified", "another's")
        self.acme._change_customer_state("active", "Paid.")
        self.assertEqual([d.state for d in (self.mine, by_hand, pending, archived)],
                         ["verified", "suspended", "pending", "verified"])
        self.assertFalse(any(domains.mapped("suspended_with_customer")))

    def test_a_domain_that_was_activated_meanwhile_and_suspended_anew_stays_so(self):
        self.acme._change_customer_state("suspended", "x")
        self.mine.action_activate()
        self.assertFalse(self.mine.suspended_with_customer)
        self.mine.action_suspend()
        self.acme._change_customer_state("active", "x")
        self.assertEqual(self.mine.state, "suspended")

    def test_the_operator_takes_over_what_a_missing_payment_stopped(self):
        self.acme._change_customer_state("suspended", "Not paid.", "payment")
        self.mine.action_suspend()
        self.assertFalse(self.mine.suspended_with_customer)
        self.acme._change_customer_state("active", "Paid.", "payment")
        self.assertEqual(self.mine.state, "suspended", "it was the operator's as well")
        self.acme._change_customer_state("suspended", "Not paid.", "payment")
        self.acme._change_customer_state("suspended", "Abuse.")
        self.assertEqual((self.acme.state_cause, self.acme.state_reason), ("operator", "Abuse."))

    def test_the_same_state_again_changes_nothing(self):
        self.acme._change_customer_state("suspended", "First.")
        self.acme._change_customer_state("suspended", "Second.")
        self.assertEqual(self.acme.state_reason, "First.")
        self.assertEqual(len(self.told(self.acme, "suspended")), 1)

    def test_from_suspended_to_ended_nothing_comes_back_and_then_all_does(self):
        self.acme._change_customer_state("suspended", "x")
        self.acme._change_customer_state("ended", "y")
        self.assertEqual(self.mine.state, "suspended")
        self.assertEqual(self.acme.erase_on, fields.Date.today() + timedelta(days=30))
        self.acme.action_activate()
        self.assertEqual((self.mine.state, self.acme.erase_on), ("verified", False))

    def test_a_stopped_customer_adds_nothing(self):
        user = self.make_portal_user(self.acme.partner_id, "acme.portal")
        self.acme._change_customer_state("suspended", "Not paid.")
        with self.refused(UserError, "is stopped: Not paid."):
            self.env(user=user)["emboux.domain"].create({"name": "sly.example"})
        with self.refused(UserError, "is stopped"):
            self.make_domain("sly.example", partner_id=self.acme.partner_id.id)
        with self.assertRaises(AccessError):
            self.mine.with_user(user).action_activate()

    def test_the_dialog(self):
        self.make_mailbox("ann", self.mine)
        for state, sentence in (("suspended", "Activate restores"), ("ended", "erased for good")):
            action = self.acme.with_context(stop=state).action_stop()
            form = Form(self.env["emboux.customer.stop"].with_context(**action["context"]))
            self.assertIn("1 domains with 1 mailboxes", form.consequences)
            self.assertIn(sentence, form.consequences)
            form.reason = "They asked for it."
            form.save().action_apply()
            self.assertEqual(
                (self.acme.state, self.acme.state_reason), (state, "They asked for it.")
            )

    def test_the_audit_trail_and_the_notices(self):
        self.env.cr.flush()
        self.acme._change_customer_state("suspended", "Abuse.")
        self.env.cr.flush()
        entry = self.env["emboux.audit"].search(
            [("model", "=", "emboux.customer"), ("res_id", "=", self.acme.id)], limit=1
        )
        self.assertIn("active → suspended", entry.changes)
        message = self.acme.message_ids.filtered("subject")[:1]
        self.assertEqual(message.partner_ids, self.acme.partner_id)
        self.assertIn("Abuse.", message.body)

    def test_views_open(self):
        self.make_key(self.acme)
        views = self.acme.get_views([(False, kind) for kind in ("form", "list", "kanban")])
        names = list(views["models"]["emboux.customer"]["fields"])
        self.assertTrue(self.acme.read(names))
        with Form(self.acme) as form:
            form.domain_limit = 44
        self.assertEqual(self.acme.domain_limit, 44)

    def test_a_list_takes_as_many_statements_for_many_customers_as_for_one(self):
        fields = ["partner_id", "plan_id", "state", "domains_used", "mailbox_count", "mrr",
                  "storage_used_mb", "stored_percent", "transfer_percent", "active_key_count"]
        many = self.acme
        for number in range(12):
            customer = self.make_customer(f"Many {number}", self.plan)
            domain = self.make_domain(f"m{number}.example", partner_id=customer.partner_id.id,
                                      transfer_limit=10**9)
            self.make_mailbox("x", domain)
            self.make_key(customer)
            many |= customer
        report = self.env["emboux.customer.report"]

        def figures(customers):
            return report._read_group([("customer_id", "in", customers.ids)], ["plan_id", "state"],
                                      ["mrr:sum", "mailboxes:sum", "__count"])

        for ask in (lambda customers: customers.read(fields), figures):
            counts = []
            for customers in (self.acme, many):
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                ask(customers)
                counts.append(self.env.cr.sql_log_count - before)
            self.assertLessEqual(counts[1], counts[0] + 2, counts)
        self.assertEqual(figures(many)[0][2:], (130.0, 12, 13))


@tagged("post_install", "-at_install")
class TestTrial(SaasCase):
    def trier(self, **values):
        plan = self.make_plan("Try", trial_days=10, **values)
        return self.make_customer("Trier", plan)

    def test_told_a_week_and_a_day_before_and_each_once(self):
        customer = self.trier()
        self.run_cron("ir_cron_trials")
        self.assertFalse(self.told(customer, "trial_ending"))
        for days, count in ((4, 1), (1, 1), (4, 2)):
            self.at(days=days)
            self.run_cron("ir_cron_trials")
            self.run_cron("ir_cron_trials")
            self.assertEqual(len(self.told(customer, "trial_ending")), count)
        self.assertEqual(customer.state, "trial")
        self.at(days=1)
        self.run_cron("ir_cron_trials")
        self.assertEqual((customer.state, customer.state_cause), ("active", "trial"))

    def test_suspended_at_the_end_if_the_plan_says_so(self):
        customer = self.trier(trial_then="suspended")
        self.at(days=11)
        self.run_cron("ir_cron_trials")
        self.assertEqual(customer.state, "suspended")
        self.assertTrue(self.told(customer, "suspended"))
