# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestTenancy(PlatformCase):
    """A customer's technical user, not only by way of the API."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        partners = cls.env["res.partner"]
        cls.acme, cls.other = partners.create([{"name": "Acme"}, {"name": "Other"}])
        cls.mine = cls.make_domain("mine.example", state="verified", partner_id=cls.acme.id)
        cls.theirs = cls.make_domain("theirs.example", state="verified", partner_id=cls.other.id)
        cls.my_box = cls.make_mailbox("ann", cls.mine)
        cls.their_box = cls.make_mailbox("ann", cls.theirs)
        cls.my_alias = cls.make_alias("sales", "ann@mine.example", cls.mine)
        cls.their_alias = cls.make_alias("sales", "ann@theirs.example", cls.theirs)

    def _as_customer(self, **scope):
        key, _secret = self.env["emboux.api.key"]._make(
            {"name": "Shop", "partner_id": self.acme.id, **scope}
        )
        return self.env(user=key.sudo().user_id, context={})

    def test_sees_only_own_records(self):
        env = self._as_customer()
        self.assertEqual(env["emboux.domain"].search([]), self.mine)
        self.assertEqual(env["emboux.mailbox"].search([]), self.my_box)
        self.assertEqual(env["emboux.alias"].search([]), self.my_alias)
        self.assertEqual(env["emboux.dns.record"].search([]).domain_id, self.mine)
        self.assertEqual(set(env["emboux.change"].search([]).mapped("domain_name")),
                         {"mine.example"})
        for record in (self.theirs, self.their_box, self.their_alias, self.domain):
            with self.assertRaises(AccessError):
                record.with_env(env).check_access("read")
            with self.assertRaises(AccessError):
                record.with_env(env).check_access("write")

    def test_may_set_no_field_that_is_the_operators(self):
        env = self._as_customer()
        for model, record in (("emboux.domain", self.mine), ("emboux.mailbox", self.my_box),
                              ("emboux.alias", self.my_alias)):
            allowed = env[model]._collect_names("_customer_fields")
            for name in ("partner_id", "company_id", "backend_id", "is_wildcard", "active",
                         "user_id", "outbound_status", "outbound_daily_limit", "transfer_limit",
                         "retention_trash"):
                if name not in env[model]._fields:
                    continue
                self.assertNotIn(name, allowed)
                with self.assertRaises(AccessError, msg=f"{model}.{name}"):
                    record.with_env(env).write({name: False})

    def test_added_records_belong_to_the_customer_whatever_the_context(self):
        env = self._as_customer()
        domain = env["emboux.domain"].with_context(
            default_partner_id=self.other.id, default_is_wildcard=True,
            default_outbound_status="blocked", default_active=False,
        ).create({"name": "new.example"})
        self.assertEqual(domain.sudo().partner_id, self.acme)
        self.assertFalse(domain.sudo().is_wildcard)
        self.assertEqual(domain.sudo().outbound_status, "open")
        self.assertTrue(domain.sudo().active)
        self.assertEqual(domain.sudo().state, "pending")
        with self.assertRaises(AccessError):
            env["emboux.domain"].create({"name": "b.example", "partner_id": self.other.id})

    def test_creates_nothing_in_other_customers_domains(self):
        env = self._as_customer()
        with self.assertRaises(AccessError):
            env["emboux.mailbox"].create({"domain_id": self.theirs.id, "local_part": "spy"})
        with self.assertRaises(AccessError):
            env["emboux.alias"].create(
                {"domain_id": self.theirs.id, "local_part": "spy", "destinations": "a@b.example"}
            )
        with self.assertRaises(AccessError):
            self.their_box.with_env(env).unlink()

    def test_secrets_and_registers_are_out_of_reach(self):
        env = self._as_customer()
        for model in ("emboux.api.key", "emboux.address", "emboux.audit", "emboux.dkim.key",
                      "emboux.idempotency", "emboux.api.failure", "emboux.customer",
                      "emboux.webhook.event", "emboux.suppression"):
            with self.assertRaises(AccessError, msg=model):
                env[model].search([])
        with self.assertRaises(AccessError):
            self.my_box.with_env(env).read(["password_hash"])
        with self.assertRaises(AccessError):
            self.backend.with_env(env).read(["secret"])

    def test_a_key_for_one_domain(self):
        second = self.make_domain("second.example", state="verified", partner_id=self.acme.id)
        env = self._as_customer(domain_name="Second.Example")
        self.assertEqual(env["emboux.domain"].search([]), second)
        self.assertFalse(env["emboux.mailbox"].search([]))
        self.assertFalse(env["emboux.alias"].search([]))
        with self.assertRaises(AccessError):
            env["emboux.domain"].create({"name": "third.example"})

    def test_a_master_key_for_one_domain(self):
        key, _secret = self.env["emboux.api.key"]._make(
            {"name": "One", "role": "master", "domain_name": "theirs.example"}
        )
        env = self.env(user=key.sudo().user_id, context={})
        self.assertEqual(env["emboux.domain"].search([]), self.theirs)
        self.assertEqual(env["emboux.mailbox"].search([]), self.their_box)

    def test_an_alias_of_another_customer_does_not_block_deletion(self):
        self.make_alias("leech", "ann@mine.example", self.theirs)
        self.my_alias.unlink()
        self.my_box.with_env(self._as_customer()).unlink()
        self.assertFalse(self.my_box.exists())

    def test_wildcard_parents(self):
        """The operator's parent is for all, another customer's for nobody else."""
        self.domain.is_wildcard = True
        self.theirs.is_wildcard = True
        env = self._as_customer()
        handed_out = env["emboux.domain"].create({"name": "shop.unit.example"})
        self.assertEqual(handed_out.sudo().parent_id, self.domain)
        self.assertEqual(handed_out.state, "verified")
        claimed = env["emboux.domain"].create({"name": "shop.theirs.example"})
        self.assertFalse(claimed.sudo().parent_id)
        self.assertEqual(claimed.state, "pending")
