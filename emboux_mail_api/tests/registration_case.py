# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from .common import PlatformCase
from .memory_provider import MemoryProvider


@tagged("post_install", "-at_install")
class RegistrationCase(PlatformCase):
    def setUp(self):
        super().setUp()
        self.provider = self.env["emboux.provider"].create(
            {"name": "Memory", "kind": "mailgun", "region": "eu", "sequence": 90})
        self.far = MemoryProvider()
        model = self.env.registry["emboux.provider"]
        original = model._client
        self.startPatcher(patch.object(
            model, "_client",
            lambda provider: self.far if provider.id == self.provider.id else original(provider)))
        self.registry_enter_test_mode()
        self.now = fields.Datetime.now()
        self.startPatcher(patch.object(fields.Datetime, "now", lambda *_args: self.now))

    def commit(self):
        """The end of the user's transaction, as far as a test can play it."""
        self.env.flush_all()
        self.env.cr.postcommit.run()
        self.env.invalidate_all()

    def make(self, name="p.example", **values):
        domain = self.make_domain(name, provider_id=self.provider.id, **values)
        self.commit()
        return domain

    def row(self, name="p.example"):
        return self.env["emboux.registration"].sudo().search([("name", "=", name)])

    def run_cron(self, method="_cron_registrations"):
        self.env.flush_all()
        with self.env.registry.cursor() as cr:
            getattr(self.env(cr=cr, user=1)["emboux.registration"], method)()
        self.env.invalidate_all()

    def later(self, **delta):
        self.now += timedelta(**delta)
