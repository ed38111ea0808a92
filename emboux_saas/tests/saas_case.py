# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields

from odoo.addons.emboux_mail_api.tests.common import PlatformCase


class SaasCase(PlatformCase):
    """A plan, and the customer Acme who has it, with a domain, a key and a portal user."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product = cls.env["product.product"].create({"name": "Mail", "type": "service"})
        cls.plan = cls.make_plan("Business", domain_limit=3, mailbox_limit=5, price=10)
        cls.acme = cls.make_customer("Acme", cls.plan)
        cls.mine = cls.make_domain(
            "mine.example", state="verified", partner_id=cls.acme.partner_id.id
        )

    @classmethod
    def make_plan(cls, name, **values):
        return cls.env["emboux.plan"].create(
            {"name": name, "product_id": cls.product.id, "trial_days": 0, **values}
        )

    @classmethod
    def make_customer(cls, name, plan=None, **values):
        email = f"{name.lower().replace(' ', '.')}@outside.example"
        partner = cls.env["res.partner"].create({"name": name, "email": email})
        return cls.env["emboux.customer"].create(
            {"partner_id": partner.id, "plan_id": plan.id if plan else False, **values}
        )

    @classmethod
    def make_key(cls, customer, name="Key", **values):
        key, _secret = cls.env["emboux.api.key"]._make(
            {"name": name, "partner_id": customer.partner_id.id, **values}
        )
        return key

    @classmethod
    def make_portal_user(cls, partner, login):
        return cls.env["res.users"].with_context(no_reset_password=True).create(
            {
                "login": login, "partner_id": partner.id,
                "group_ids": [fields.Command.set(cls.env.ref("base.group_portal").ids)],
            }
        )

    def at(self, **delta):
        """Let time be later by this, for whoever asks Odoo for it."""
        now = fields.Datetime.now() + timedelta(**delta)
        for name in ("now", "today"):
            self.startPatcher(patch.object(fields.Datetime, name, lambda *_a, n=now: n))
        self.startPatcher(patch.object(fields.Date, "today", lambda *_a: now.date()))
        self.startPatcher(
            patch.object(fields.Date, "context_today", lambda *_a, **_k: now.date())
        )
        return now

    def run_cron(self, name):
        with self.enter_registry_test_mode():
            self.env.ref(f"emboux_saas.{name}").sudo().method_direct_trigger()
        self.env.invalidate_all()

    @contextmanager
    def refused(self, kind, words):
        """As a request that fails: nothing of it stays."""
        with self.assertRaisesRegex(kind, words), self.env.cr.savepoint():
            yield

    def told(self, customer, kind):
        return self.env["emboux.notice"].search(
            [("customer_id", "=", customer.id), ("kind", "=", kind)]
        )
