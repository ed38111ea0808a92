# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from importlib import util

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, file_path

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestPlanOfCustomer(SaasCase):
    def test_the_plan_gives_limits_to_the_customer_and_terms_to_the_domains(self):
        plan = self.make_plan(
            "Big", domain_limit=9, mailbox_limit=8, alias_limit=7, mailbox_quota_limit_mb=600,
            storage_limit_mb=5000, transfer_limit_gb=4, outbound_daily_limit=300,
            outbound_over_limit="hold", retention_trash=30,
        )
        archived = self.make_domain("old.example", partner_id=self.acme.partner_id.id,
                                    active=False)
        self.acme.plan_id = plan
        self.assertEqual(
            [self.acme[name] for name in ("domain_limit", "mailbox_limit", "alias_limit",
                                          "mailbox_quota_limit_mb", "storage_limit_mb")],
            [9, 8, 7, 600, 5000],
        )
        for domain in self.mine | archived:
            self.assertEqual(
                (domain.plan_outbound_daily_limit, domain.plan_outbound_over_limit,
                 domain.retention_trash,
                 domain.transfer_limit),
                (300, "hold", 30, 4 * 10**9),
            )
        new = self.make_domain("new.example", partner_id=self.acme.partner_id.id)
        self.assertEqual((new.plan_outbound_daily_limit, new.transfer_limit), (300, 4 * 10**9))
        self.assertEqual(self.domain.plan_outbound_daily_limit, 0,
                         "the operator's own has no plan")

    def decides(self, domain):
        return domain._effective_settings()[domain.id]["daily"]

    def test_what_the_operator_sets_stays_and_the_stricter_decides(self):
        self.plan.sudo().outbound_daily_limit = 100
        wide = self.make_domain("x.example", partner_id=self.acme.partner_id.id,
                                outbound_daily_limit=777)
        narrow = self.make_domain("y.example", partner_id=self.acme.partner_id.id,
                                  outbound_daily_limit=20)
        self.assertEqual((self.decides(wide), self.decides(narrow)), (100, 20))
        self.acme.plan_id = self.make_plan("Large", outbound_daily_limit=500)
        self.assertEqual((self.decides(wide), self.decides(narrow)), (500, 20))
        self.assertEqual((wide.outbound_daily_limit, narrow.outbound_daily_limit), (777, 20))
        self.acme.plan_id = False
        self.assertEqual((self.decides(wide), self.decides(narrow)), (777, 20))

    def test_the_plan_binds_a_domain_under_the_operators_parent(self):
        self.domain.write({"is_wildcard": True, "outbound_hourly_fraction": 1})
        self.plan.sudo().outbound_daily_limit = 10
        child = self.make_domain("shop.unit.example", partner_id=self.acme.partner_id.id,
                                 outbound_hourly_fraction=1)
        for _ in range(10):
            self.assertTrue(child._decide_outgoing(1)[0].accepted)
        self.assertEqual(child._decide_outgoing(1)[0].rule, "hourly")
        child.invalidate_recordset()
        self.assertEqual((child.outbound_cap, child.outbound_cap_reason), (10, "by the plan"))

    def test_what_the_former_owners_plan_gave_does_not_stay(self):
        self.plan.sudo().outbound_daily_limit = 100
        self.acme._apply_plan()
        self.assertEqual(self.decides(self.mine), 100)
        nobody = self.make_customer("No Plan")
        self.make_key(nobody)
        self.mine._hand_over(nobody.partner_id)
        self.assertEqual(self.decides(self.mine), 0)
        other = self.make_customer("Other", self.make_plan("Wide", outbound_daily_limit=900))
        self.make_key(other)
        self.mine._hand_over(other.partner_id)
        self.assertEqual(self.decides(self.mine), 900)
        other.unlink()
        self.assertEqual(self.decides(self.mine), 0)

    def test_the_tiers_are_the_plans(self):
        self.mine.outbound_tier = "business"
        self.assertEqual(self.mine.outbound_tier, "Business")
        with self.refused(ValidationError, "Take one of: .*Business.*standard"):
            self.mine.outbound_tier = "gold"
        self.plan.sudo().name = "Pro"
        self.assertEqual(self.mine.outbound_tier, "Pro")
        self.acme.plan_id = False
        self.plan.unlink()
        self.assertEqual(self.mine.outbound_tier, "standard")

    def test_what_was_sent_is_billed_once_when_a_domain_is_taken_back(self):
        usage = self.env["emboux.usage"].sudo()
        self.mine._decide_outgoing(5)
        self.mine.unlink()
        again = self.make_domain("mine.example", partner_id=self.acme.partner_id.id,
                                 state="verified")
        again._decide_outgoing(2)
        usage._settle(again)
        self.assertEqual(
            sum(usage.search([("domain_name", "=", "mine.example")]).mapped("messages")), 7)

    def test_a_new_domain_warms_up_from_the_day_on_which_it_may_send(self):
        self.plan.sudo().outbound_warmup_start = 50
        domain = self.make_domain("warm.example", partner_id=self.acme.partner_id.id)
        self.assertFalse(domain.outbound_warmup_since)
        domain.state = "verified"
        self.assertTrue(domain.outbound_warmup_since)

    def test_a_trial_begins_with_the_plan_that_has_one(self):
        plan = self.make_plan("Try", trial_days=10)
        customer = self.make_customer("Trier", plan)
        self.assertEqual(customer.state, "trial")
        self.assertEqual((customer.trial_end - customer.state_since.date()).days, 10)
        self.assertEqual(self.acme.state, "active")
        self.assertEqual(self.make_customer("No Plan").state, "active")

    def test_a_customer_is_the_company_and_not_its_contact(self):
        contact = self.env["res.partner"].create(
            {"name": "Ann", "parent_id": self.acme.partner_id.id}
        )
        with self.refused(ValidationError, "choose that one"):
            self.env["emboux.customer"].create({"partner_id": contact.id})
        other = self.env["res.partner"].create({"name": "Group", "is_company": True})
        with self.refused(ValidationError, "customer themselves"):
            self.acme.partner_id.parent_id = other

    def test_managers_see_and_administrators_change(self):
        manager = new_test_user(self.env, "plan.manager", groups="emboux_core.group_manager")
        env = self.env(user=manager)
        self.assertEqual(self.plan.with_env(env).name, "Business")
        for record, values in ((self.plan, {"name": "x"}), (self.acme, {"domain_limit": 9})):
            with self.assertRaises(AccessError):
                record.with_env(env).write(values)
        with self.assertRaises(AccessError):
            env["emboux.plan.change"].create({"plan_id": self.plan.id})
        with self.assertRaises(AccessError):
            self.acme.with_env(env)._change_customer_state("suspended", "no")
        self.assertTrue(self.acme.with_env(env).read([]))
        self.assertTrue(env["emboux.customer.report"].search(
            [("customer_id", "=", self.acme.id)]).read([]))

    def test_companies_do_not_see_each_others_plans_and_customers(self):
        company = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env, "plan.stranger", groups="emboux_core.group_admin", company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        env = self.env(user=stranger)
        notice = self.acme._notify("activated") and self.told(self.acme, "activated")
        for record in (self.plan, self.acme, notice):
            with self.assertRaises(AccessError, msg=record):
                record.with_env(env).check_access("read")
        self.assertFalse(env["emboux.customer.report"].search([("id", "=", self.acme.id)]))


@tagged("post_install", "-at_install")
class TestChangeOfTerms(SaasCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("second.example", "third.example"):
            cls.make_domain(name, partner_id=cls.acme.partner_id.id)
        for name in ("ann", "bob", "cat"):
            cls.make_mailbox(name, cls.mine, quota_mb=400)
        for name in ("a", "b"):
            cls.make_alias(name, "ann@mine.example", cls.mine)

    def dialog(self, **values):
        form = Form(self.env["emboux.plan.change"].with_context(default_plan_id=self.plan.id))
        for name, value in values.items():
            form[name] = value
        return form

    def test_terms_with_customers_are_not_changed_past_the_dialog(self):
        for values in (
            {"price": 12},
            {"domain_limit": 9},
            {"retention_junk": 3},
            {"provider_ids": [(4, self.env["emboux.provider"]._provider_of_this_server().id)]},
        ):
            with self.refused(UserError, "Use Change Terms"):
                self.plan.write(values)
        self.plan.write({"name": "Renamed", "price": 10, "trial_days": 3})  # the price is as it was
        empty = self.make_plan("Empty")
        empty.price = 99
        self.assertEqual(empty.price, 99)

    def test_the_dialog_says_what_changes_and_what_breaks(self):
        form = self.dialog()
        self.assertEqual(form.price, 10)
        self.assertFalse(form.changed)
        form.domain_limit = 2
        form.price = 12
        self.assertIn("Maximum Domains: 3 → <b>2</b>", form.changes)
        self.assertIn("Has 3 domains where 2 are allowed", form.consequences)
        form.mailbox_limit = 2
        form.alias_limit = 1
        form.mailbox_quota_limit_mb = 300
        form.storage_limit_mb = 1000
        form.retention_trash = 30
        form.transfer_limit_gb = 1
        said = form.consequences
        for sentence in ("Has 3 mailboxes in a domain where 2", "Has 2 aliases for a mailbox where",
                         "Has a mailbox of 400 MB", "mailboxes of 1200 MB together",
                         "Mail in Trash that is older than 30 days", "Acme"):
            self.assertIn(sentence, said)
        self.env.cr.execute(
            "INSERT INTO emboux_mail.transfer (domain_id, day, bytes_in, bytes_out)"
            " VALUES (%s, current_date, %s, 0)", [self.mine.id, 3 * 10**9])
        self.env.invalidate_all()
        self.assertIn("has moved 3.0 of 1 GB", self.dialog(transfer_limit_gb=1).consequences)

    def test_fitting_terms_break_nothing(self):
        self.assertIn("all customers stay within", self.dialog(domain_limit=30).consequences)

    def test_a_provider_and_a_busy_day(self):
        other = self.env["emboux.provider"].create({"name": "Other", "kind": "mailgun"})
        form = self.dialog(outbound_daily_limit=10)
        form.provider_ids.add(other)
        self.assertIn("Sends by a provider that is not allowed", form.consequences)
        self.env["emboux.outbound.count"].create(
            {"domain_id": self.mine.id, "window": "day", "since": "2020-01-01", "recipients": 44}
        )
        self.assertIn("sent to 44 recipients", self.dialog(outbound_daily_limit=10).consequences)

    def test_keep(self):
        wizard = self.dialog(price=12, domain_limit=2).save()
        wizard.choice = "keep"
        new = self.env["emboux.plan"].browse(wizard.action_apply()["res_id"])
        self.assertNotEqual(new, self.plan)
        self.assertEqual((new.name, new.price, new.domain_limit, new.active),
                         ("Business", 12, 2, True))
        self.assertEqual((self.plan.price, self.plan.active, self.plan.replaced_by_id),
                         (10, False, new))
        self.assertIn("until", self.plan.display_name)
        self.assertEqual((self.acme.plan_id, self.acme.domain_limit), (self.plan, 3))

    def test_move(self):
        wizard = self.dialog(price=12, domain_limit=2, outbound_daily_limit=55).save()
        wizard.choice = "move"
        wizard.action_apply()
        self.assertEqual((self.plan.price, self.plan.active), (12, True))
        self.assertEqual((self.acme.domain_limit, self.mine.plan_outbound_daily_limit), (2, 55))
        self.assertEqual(self.acme.mrr, 12)

    def test_the_audit_trail_has_the_terms_before_and_after(self):
        self.env.cr.flush()
        wizard = self.dialog(price=12).save()
        wizard.choice = "move"
        wizard.action_apply()
        self.env.cr.flush()
        entry = self.env["emboux.audit"].search(
            [("model", "=", "emboux.plan"), ("res_id", "=", self.plan.id)], limit=1)
        self.assertIn("Monthly Price: 10.0 → 12.0", entry.changes)
        self.assertEqual(entry.user_id, self.env.user)
        self.assertIn("Monthly Price: 10.0 → 12.0", self.plan.message_ids[:1].body)

    def test_unchanged_terms_are_reported(self):
        with self.refused(UserError, "as they were"):
            self.dialog().save().action_apply()

    def test_another_plan_for_a_customer(self):
        small = self.make_plan("Small", domain_limit=1)
        form = Form(self.env["emboux.customer.plan"].with_context(
            default_customer_id=self.acme.id))
        form.plan_id = small
        self.assertIn("Has 3 domains where 1 are allowed", form.consequences)
        form.save().action_apply()
        self.assertEqual((self.acme.plan_id, self.acme.domain_limit), (small, 1))

    def test_what_breaks_takes_as_many_statements_for_many_customers_as_for_one(self):
        wizard = self.dialog(
            domain_limit=1, alias_limit=1, outbound_daily_limit=1, storage_limit_mb=1
        ).save()
        many = self.acme
        for number in range(12):
            customer = self.make_customer(f"Many {number}", self.plan)
            domain = self.make_domain(f"m{number}.example", partner_id=customer.partner_id.id)
            self.make_mailbox("x", domain)
            many |= customer
        counts = []
        for customers in (self.acme, many):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            customers._exceeding_customers(wizard)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 2, counts)


def run_update(cr):
    """What runs when an installed database comes to this version, in the order of the add-ons."""
    for addon in ("emboux_mail_api", "emboux_saas"):
        path = file_path(f"{addon}/migrations/19.0.1.1.0/post-limits.py")
        spec = util.spec_from_file_location(f"{addon}_limits", path)
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.migrate(cr, "19.0.1.0.0")


@tagged("post_install", "-at_install")
class TestUpdate(SaasCase):
    """A database in which plan, setting and parent stood in one field."""

    def before(self, domain, **values):
        self.env.flush_all()
        for name, value in values.items():
            self.env.cr.execute(
                SQL("UPDATE emboux_domain SET %s = %s WHERE id = %s",
                    SQL.identifier(name), value, domain.id))

    def update(self):
        run_update(self.env.cr)
        self.env.invalidate_all()

    def test_values_from_the_plan_become_the_plans(self):
        self.plan.sudo().write({"outbound_daily_limit": 100, "outbound_over_limit": "hold",
                                "outbound_unit": "messages"})
        strict = self.make_domain("strict.example", partner_id=self.acme.partner_id.id)
        for domain, daily in ((self.mine, 100), (strict, 30)):
            self.before(domain, outbound_daily_limit=daily, outbound_over_limit="hold",
                        outbound_unit="messages", outbound_warmup_profile="standard",
                        plan_outbound_daily_limit=None, plan_outbound_over_limit=None,
                        plan_outbound_unit=None)
        self.update()
        self.assertEqual((self.mine.outbound_daily_limit, self.mine.plan_outbound_daily_limit,
                          self.mine.outbound_unit, self.mine.plan_outbound_unit),
                         (0, 100, False, "messages"))
        self.assertEqual((strict.outbound_daily_limit, strict.plan_outbound_daily_limit), (30, 100))
        found = self.mine._effective_settings()[self.mine.id]
        self.assertEqual((found["daily"], found["unit"], found["over_limit"]),
                         (100, "messages", "hold"))

    def test_what_the_parent_limited_stays_limited_and_the_plan_binds(self):
        self.domain.write({"is_wildcard": True, "outbound_daily_limit": 900,
                           "outbound_spike_multiplier": 3})
        alone = self.make_domain("alone.unit.example")
        self.plan.sudo().outbound_daily_limit = 10
        bought = self.make_domain("shop.unit.example", partner_id=self.acme.partner_id.id)
        self.before(bought, outbound_daily_limit=10, plan_outbound_daily_limit=None)
        self.update()
        self.assertEqual(
            [
                (
                    d._effective_settings()[d.id]["daily"],
                    d._effective_settings()[d.id]["spike_multiplier"],
                )
                for d in (alone, bought)
            ],
            [(900, 3.0), (10, 3.0)],
        )

    def test_active_senders_do_not_warm_up_and_tiers_are_plans(self):
        self.before(self.mine, outbound_tier="gold", outbound_daily_limit=1000,
                    outbound_warmup_since="2020-01-01", transfer_over_limit="warn")
        self.before(self.domain, transfer_over_limit="warn", transfer_limit=5)
        self.update()
        self.assertEqual((self.mine.outbound_tier, self.mine.outbound_warmup_since),
                         ("standard", False))
        self.assertTrue(self.mine._decide_outgoing(160)[0].accepted)
        self.assertEqual((self.mine.transfer_over_limit, self.domain.transfer_over_limit),
                         ("defer", "warn"))

    def test_the_audit_trail_says_who_suspended_a_mailbox(self):
        user = self.make_portal_user(self.acme.partner_id, "acme.update")
        ann, bob, cat = (self.make_mailbox(name, self.mine) for name in ("ann", "bob", "cat"))
        ann.with_user(user).action_suspend()
        (bob | cat).action_suspend()
        cat.action_activate()
        cat.with_user(user).action_suspend()
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.env.cr.execute("UPDATE emboux_mailbox SET suspended_by_operator = NULL,"
                            " suspended_by_customer = NULL")
        self.update()
        self.assertEqual((ann | bob | cat).mapped("suspended_by_customer"), [True, False, True])
        self.assertEqual((ann | bob | cat).mapped("suspended_by_operator"), [False, True, False])
