# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .. import keys
from ..models.api_key import LOOK_UP, AddressRefused, KeyRefused
from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestApiKey(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Acme", "ref": "ACME"})
        cls.keys = cls.env["emboux.api.key"]

    def _make(self, **values):
        return self.keys._make({"name": "Shop", "partner_id": self.partner.id, **values})

    def _open(self, secret, address="192.0.2.7"):
        return self.keys.sudo()._authenticate(secret, address)

    def test_a_secret_is_recognised_and_a_typo_too(self):
        secret = keys.generate()
        self.assertTrue(secret.startswith("emboux_"))
        self.assertTrue(keys.is_well_formed(secret))
        for place in (7, 20, len(secret) - 1):
            other = "A" if secret[place] != "A" else "B"
            self.assertFalse(keys.is_well_formed(secret[:place] + other + secret[place + 1 :]))
        for text in ("", "emboux_", secret[:-1], secret + "A", secret.upper(), "x" * 49):
            self.assertFalse(keys.is_well_formed(text))
        self.assertEqual(keys.redact(f"GET /{secret}/usage"), "GET /emboux_***/usage")

    def test_a_master_key_reaches_companies_that_are_made_later(self):
        key, _secret = self.keys._make({"name": "Master", "role": "master"})
        customers, _secret = self._make()
        late = self.env["res.company"].sudo().create({"name": "Late"})
        user = key.sudo().user_id
        self.assertIn(late, user.company_ids)
        self.assertNotIn(late, customers.sudo().user_id.company_ids)
        domain = self.make_domain("late.example", company_id=late.id)
        found = self.env["emboux.domain"].with_user(user).search([("name", "=", "late.example")])
        self.assertEqual(found.ids, domain.ids)
        asleep = self.env["res.company"].sudo().create({"name": "Asleep"})
        asleep.active = False
        again, _secret = self.keys._make({"name": "Another", "role": "master"})
        asleep.active = True
        for some in (user, again.sudo().user_id):
            self.assertIn(asleep, some.company_ids)

    def test_only_a_hash_is_stored(self):
        key, secret = self._make()
        self.env.flush_all()
        self.env.cr.execute("SELECT row_to_json(k)::text FROM emboux_api_key k WHERE id = %s",
                            [key.id])
        [[row]] = self.env.cr.fetchall()
        self.assertNotIn(secret, row)
        self.assertIn(keys.digest(secret), row)
        with self.assertRaises(AccessError):
            key.read(["token_hash"])

    def test_the_look_up_among_thousands_of_keys_and_customers_reads_few_rows(self):
        key, secret = self._make()
        self.rows(
            "INSERT INTO emboux_api_key (name, role, partner_id, user_id, token_hash, area)"
            " SELECT name, role, partner_id, user_id, md5(n::text), area"
            " FROM emboux_api_key, generate_series(1, 5000) n WHERE id = %s RETURNING 1",
            key.id,
        )
        # copies of whole rows: other add-ons have columns of theirs that must not be empty
        customer = self.env["emboux.customer"]._for_partner(key.partner_id)
        self.rows(
            """WITH made AS (
                   INSERT INTO res_partner SELECT (jsonb_populate_record(p, jsonb_build_object(
                       'id', nextval('res_partner_id_seq'), 'name', 'P' || n))).*
                     FROM res_partner p, generate_series(1, 3000) n WHERE p.id = %s RETURNING id)
               INSERT INTO emboux_customer SELECT (jsonb_populate_record(c, jsonb_build_object(
                   'id', nextval('emboux_customer_id_seq'), 'partner_id', made.id))).*
                 FROM emboux_customer c, made WHERE c.id = %s RETURNING 1""",
            key.partner_id.id, customer.id,
        )
        self.env.cr.execute("ANALYZE emboux_api_key, emboux_customer")
        [[plan]] = self.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {LOOK_UP}", keys.digest(secret))
        steps, tables = [plan[0]["Plan"]], []
        while steps:
            step = steps.pop()
            steps += step.get("Plans", [])
            if "Relation Name" in step:
                self.assertIn("Index", step["Node Type"], plan)
                tables.append((step["Relation Name"], step["Actual Rows"] * step["Actual Loops"]))
        self.assertEqual({table for table, _rows in tables}, {"emboux_api_key", "emboux_customer"})
        self.assertLessEqual(sum(rows for _table, rows in tables), 4, plan)

    def test_it_opens_until_it_is_revoked_or_expires(self):
        key, secret = self._make(expires_at=fields.Datetime.now() + timedelta(days=1))
        bearer = self._open(secret)
        self.assertEqual((bearer.id, bearer.partner_id, bearer.role),
                         (key.id, self.partner.id, "customer"))
        self.assertNotIn(secret, repr(bearer))
        key.expires_at = fields.Datetime.now() - timedelta(days=1)
        self.env.flush_all()
        with self.assertRaisesRegex(KeyRefused, "expired"):
            self._open(secret)
        self.assertEqual(key.state, "expired")
        key.expires_at = False
        key.action_revoke()
        self.env.flush_all()
        with self.assertRaisesRegex(KeyRefused, "revoked"):
            self._open(secret)
        self.assertIn(key, self.keys.search([("state", "=", "revoked")]))
        self.assertNotIn(key, self.keys.search([("state", "in", ("active", "expired"))]))

    def test_unknown_keys_do_not_open(self):
        with self.assertRaisesRegex(KeyRefused, "not known"):
            self._open(keys.generate())
        with self.assertRaisesRegex(KeyRefused, "mistyped"):
            self._open("secret")

    def test_networks(self):
        _key, secret = self._make(networks="192.0.2.0/24, 2001:db8::/32")
        self._open(secret, "192.0.2.200")
        self._open(secret, "2001:db8::5")
        self._open(secret, "::ffff:192.0.2.200")
        for elsewhere in ("198.51.100.1", "2001:db9::1"):
            with self.assertRaises(AddressRefused):
                self._open(secret, elsewhere)
        with self.assertRaisesRegex(ValidationError, "is not a network"):
            self._make(networks="here")

    def test_who_may_make_keys(self):
        manager = new_test_user(self.env, "keymanager", "emboux_core.group_manager")
        with self.assertRaises(AccessError):
            self.keys.with_user(manager)._make({"name": "Mine", "role": "master"})
        with self.assertRaises(AccessError):
            self.keys.with_user(manager).search([])
        with self.assertRaises(AccessError):
            self.keys.create({"name": "By hand", "role": "master"})
        key, _secret = self._make()
        for field, value in (("role", "master"), ("read_only", True), ("partner_id", False),
                             ("user_id", self.env.user.id), ("token_hash", "x"),
                             ("domain_name", False), ("revoked_at", False)):
            with self.assertRaises(AccessError, msg=field):
                key.write({field: value})

    def test_a_customers_key_needs_a_customer(self):
        with self.assertRaisesRegex(ValidationError, "Choose the customer"):
            self._make(partner_id=False)
        with self.assertRaisesRegex(ValidationError, "has to be in the future"):
            self._make(expires_at=fields.Datetime.now())

    def test_its_user_cannot_log_in_and_has_its_name(self):
        key, _secret = self._make()
        user = key.sudo().user_id
        self.assertFalse(user.active)
        self.assertTrue(user.share, "it takes no licence")
        self.env.cr.execute("SELECT password FROM res_users WHERE id = %s", [user.id])
        self.assertFalse(self.env.cr.fetchone()[0])
        key.name = "Web shop"
        self.assertEqual(user.name, "Web shop")

    def test_keys_are_revoked_not_deleted(self):
        key, _secret = self._make()
        with self.assertRaises(AccessError):
            key.unlink()
        with self.assertRaises(UserError):
            key.sudo().unlink()

    def test_the_dialog_shows_the_secret_once(self):
        form = Form(self.env["emboux.new.api.key"])
        form.name = "Shop"
        form.partner_id = self.partner
        wizard = form.save()
        action = wizard.action_make()
        shown = self.env["emboux.new.api.key"].with_context(**action["context"]).browse(
            action["res_id"])
        secret = shown.secret
        self.assertEqual(self._open(secret).id, wizard.key_id.id)
        self.assertFalse(self.env["emboux.new.api.key"].browse(wizard.id).secret)
        self.env.flush_all()
        self.env.cr.execute("SELECT row_to_json(w)::text FROM emboux_new_api_key w")
        self.assertNotIn(secret, str(self.env.cr.fetchall()))
        self.assertEqual(wizard.key_id.expires_at.date(),
                         (fields.Datetime.now() + timedelta(365)).date())
        self.assertEqual(wizard.action_close()["res_id"], wizard.key_id.id)

    def test_a_master_key_in_the_dialog_belongs_to_nobody(self):
        form = Form(self.env["emboux.new.api.key"])
        form.name = "Operator"
        form.partner_id = self.partner
        form.role = "master"
        wizard = form.save()
        wizard.action_make()
        self.assertEqual(wizard.key_id.role, "master")
        self.assertFalse(wizard.key_id.partner_id)
