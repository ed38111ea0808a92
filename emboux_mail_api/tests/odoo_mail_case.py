# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from odoo.addons.base.models.ir_mail_server import IrMail_Server

from .common import PlatformCase


class OdooMailCase(PlatformCase):
    """Odoo's own mail, set up by ``unit.example``; nothing leaves."""

    def setUp(self):
        super().setUp()
        # Odoo opens no SMTP connection in unit tests, and another cursor sees no test data
        self.startPatcher(patch.object(IrMail_Server, "test_smtp_connection", autospec=True))
        mode = self.enter_registry_test_mode()
        mode.__enter__()
        self.addCleanup(mode.__exit__, None, None, None)
        self.company = self.domain.company_id
        self.company.alias_domain_id = False

    def start(self, domain=None):
        action = (domain or self.domain).action_use_for_odoo()
        return self.env["emboux.odoo.mail"].browse(action["res_id"])

    def apply(self, domain=None):
        setup = self.start(domain)
        setup.action_apply()
        self.env.invalidate_all()
        return setup

    def queued(self, count):
        """Mails of Odoo that wait to be sent by the setup's server."""
        return self.env["mail.mail"].create([
            {"email_from": "notifications@unit.example", "email_to": f"c{n}@else.example",
             "subject": "News", "body_html": "News"} for n in range(count)
        ])
