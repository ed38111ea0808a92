# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.emboux_mail_api.models.customer import QuotaReached
from odoo.addons.emboux_saas import post_init_hook, uninstall_hook

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestPeople(SaasCase):
    """A portal user of a customer's contact reaches what a key of the customer's reaches."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.group = cls.env.ref("emboux_mail_api.group_customer")
        cls.contact = cls.env["res.partner"].create(
            {"name": "Ann", "email": "ann@outside.example", "parent_id": cls.acme.partner_id.id}
        )
        cls.user = cls.make_portal_user(cls.contact, "ann.portal")

    def bound(self, user=None):
        user = (user or self.user).sudo()
        self.assertEqual(bool(user.emboux_partner_id), self.group in user.group_ids)
        return user.emboux_partner_id

    def test_bound_by_the_contact(self):
        self.assertEqual(self.bound(), self.acme.partner_id)
        stranger = self.make_portal_user(self.env["res.partner"].create({"name": "S"}), "s.portal")
        self.assertFalse(self.bound(stranger))

    def test_bound_when_the_contact_becomes_a_customer(self):
        partner = self.env["res.partner"].create({"name": "Late", "email": "l@outside.example"})
        user = self.make_portal_user(partner, "late.portal")
        customer = self.env["emboux.customer"].create({"partner_id": partner.id})
        self.assertEqual(self.bound(user), partner)
        customer.unlink()
        self.assertFalse(self.bound(user))
        self.assertTrue(user._is_portal())

    def test_follows_the_contact_to_another_company(self):
        other = self.make_customer("Other", self.plan)
        self.contact.parent_id = other.partner_id
        self.assertEqual(self.bound(), other.partner_id)
        self.contact.parent_id = False
        self.assertFalse(self.bound())

    def test_revoked_and_given_again_by_odoos_own_dialog(self):
        portal, public = self.env.ref("base.group_portal"), self.env.ref("base.group_public")
        self.user.sudo().write(
            {"group_ids": [Command.unlink(portal.id), Command.link(public.id)], "active": False})
        self.assertFalse(self.bound())
        self.user.sudo().write(
            {"active": True, "group_ids": [Command.link(portal.id), Command.unlink(public.id)]})
        self.assertEqual(self.bound(), self.acme.partner_id)

    def test_an_employee_is_no_longer_bound(self):
        self.user.sudo().write({"group_ids": [
            Command.unlink(self.env.ref("base.group_portal").id),
            Command.link(self.env.ref("base.group_user").id)]})
        self.assertFalse(self.bound())

    def test_technical_users_of_keys_stay_as_their_key_made_them(self):
        key = self.make_key(self.acme)
        user = key.sudo().user_id
        self.assertEqual(self.bound(user), self.acme.partner_id)
        user.write({"group_ids": [Command.link(self.group.id)]})
        self.assertEqual(self.bound(user), self.acme.partner_id)

    def test_the_add_on_comes_and_goes(self):
        key = self.make_key(self.acme)
        uninstall_hook(self.env)
        self.assertFalse(self.bound())
        self.assertTrue(self.user._is_portal())
        self.assertEqual(self.bound(key.sudo().user_id), self.acme.partner_id)
        post_init_hook(self.env)
        self.assertEqual(self.bound(), self.acme.partner_id)

    def test_reaches_own_records_and_nothing_else(self):
        theirs = self.make_customer("Theirs").partner_id
        their_domain = self.make_domain("theirs.example", partner_id=theirs.id)
        env = self.env(user=self.user)
        self.assertEqual(env["emboux.domain"].search([]), self.mine)
        with self.assertRaises(AccessError):
            their_domain.with_env(env).check_access("read")
        for values in ({"state": "verified"}, {"outbound_daily_limit": 0}, {"partner_id": 1},
                       {"reserved_names": ""}, {"suspended_with_customer": False}):
            with self.assertRaises(AccessError, msg=values):
                self.mine.with_env(env).write(values)
        for model in ("emboux.customer", "emboux.notice", "emboux.customer.report",
                      "emboux.plan.change", "emboux.customer.stop", "emboux.domain.handover"):
            with self.assertRaises(AccessError, msg=model):
                env[model].search([])
        for name in ("second.example", "third.example"):
            env["emboux.domain"].create({"name": name})
        with self.assertRaises(QuotaReached):
            env["emboux.domain"].create({"name": "fourth.example"})

    def test_works_in_the_company_of_the_plan(self):
        company = self.env["res.company"].create({"name": "Second Company"})
        self.env.user.sudo().company_ids = [Command.link(company.id)]
        plan = self.make_plan("Elsewhere", company_id=company.id, product_id=self.env[
            "product.product"].create({"name": "M", "type": "service"}).id)
        customer = self.make_customer("There", plan)
        user = self.make_portal_user(customer.partner_id, "there.portal")
        self.assertEqual(user.company_id, company)


@tagged("post_install", "-at_install")
class TestStorage(SaasCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.acme.storage_limit_mb = 1000
        cls.user = cls.make_portal_user(cls.acme.partner_id, "acme.portal")
        cls.as_customer = cls.env(user=cls.user)

    def box(self, name, quota, env=None):
        return (env or self.as_customer)["emboux.mailbox"].create(
            {"local_part": name, "domain_id": self.mine.id, "quota_mb": quota}
        )

    def test_quotas_together_stay_within_the_storage(self):
        first = self.box("a", 600)
        self.box("b", 400)
        with self.refused(QuotaReached, "100 MB more"):
            self.box("c", 100)
        with self.assertRaises(QuotaReached):
            first.quota_mb = 700
        first.quota_mb = 500
        self.box("c", 100)

    def test_without_limit_does_not_fit(self):
        box = self.box("a", 600)
        with self.refused(QuotaReached, "Give it a quota"):
            box.quota_mb = 0

    def test_the_operator_may_exceed_and_the_customer_may_reduce_in_steps(self):
        box = self.box("a", 3000, self.env)
        with self.assertRaises(QuotaReached):
            self.box("b", 1)
        box.with_env(self.as_customer).quota_mb = 2000

    def test_archived_mailboxes_and_all_domains_count(self):
        self.box("a", 600).sudo().active = False
        second = self.as_customer["emboux.domain"].create({"name": "second.example"})
        with self.assertRaises(QuotaReached):
            self.as_customer["emboux.mailbox"].create(
                {"local_part": "a", "domain_id": second.id, "quota_mb": 401}
            )

    def test_in_bulk_each_by_itself(self):
        rows = {number: {"local_part": f"x{number}", "domain_id": self.mine.id, "quota_mb": 400}
                for number in range(3)}
        made, refused = self.as_customer["emboux.mailbox"]._create_each(rows)
        self.assertEqual((list(made), list(refused)), ([0, 1], [2]))
        self.assertEqual(refused[2][0], 409)


@tagged("post_install", "-at_install")
class TestTransfer(SaasCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.make_customer("Other", cls.make_plan("Wide", outbound_daily_limit=900))
        cls.box = cls.make_mailbox("ann", cls.mine)
        cls.alias = cls.make_alias("sales", "ann@mine.example", cls.mine)
        cls.key = cls.make_key(cls.acme)
        cls.user = cls.make_portal_user(cls.acme.partner_id, "acme.portal")

    def dialog(self):
        return self.env["emboux.domain.handover"].create(
            {"domain_id": self.mine.id, "customer_id": self.other.id}
        )

    def test_refused_without_an_active_key(self):
        self.assertIn("no active API key", self.dialog().consequences)
        with self.refused(UserError, "has no active API key"):
            self.dialog().action_apply()
        self.make_key(self.other).action_revoke()
        with self.refused(UserError, "has no active API key"):
            self.dialog().action_apply()
        self.assertEqual(self.mine.partner_id, self.acme.partner_id)

    def test_moves_with_counters_terms_and_visibility(self):
        self.make_key(self.other)
        new_user = self.make_portal_user(self.other.partner_id, "other.portal")
        self.assertEqual(self.mine.with_user(self.user).name, "mine.example")
        self.dialog().action_apply()
        self.assertEqual((self.acme.domains_used, self.other.domains_used), (0, 1))
        self.assertEqual(self.mine.plan_outbound_daily_limit, 900)
        for user in (self.user, self.key.sudo().user_id):
            env = self.env(user=user)
            for model in ("emboux.domain", "emboux.mailbox", "emboux.alias"):
                self.assertFalse(env[model].search([]), model)
            for record in (self.mine, self.box, self.alias):
                with self.assertRaises(AccessError):
                    record.with_env(env).check_access("read")
        env = self.env(user=new_user)
        self.assertEqual(env["emboux.mailbox"].search([]), self.box)
        self.assertIn("has moved to Other", self.acme.message_ids[:1].body)
        self.assertIn("has come from Acme", self.other.message_ids[:1].body)

    def test_not_to_a_stopped_customer(self):
        self.make_key(self.other)
        self.other._change_customer_state("suspended", "Not paid.")
        with self.refused(UserError, "is stopped"):
            self.dialog().action_apply()

    def test_a_domain_frozen_with_its_owner_works_with_the_new_one(self):
        self.make_key(self.other)
        self.acme._change_customer_state("suspended", "Not paid.")
        self.dialog().action_apply()
        self.assertEqual(self.mine.state, "verified")
        self.acme._change_customer_state("active", "Paid.")
        self.assertEqual(self.mine.state, "verified")
