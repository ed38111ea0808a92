# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import UserError
from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import tagged

from odoo.addons.emboux_mail_api import uninstall_hook

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestLeaving(PlatformCase):
    def test_a_staging_copy_is_no_platform(self):
        self.make_mailbox("ann", password="of production")
        self.env.flush_all()
        for query in get_neutralization_queries(["emboux_core", "emboux_mail_api", "emboux_saas"]):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        for view in ("logins", "service_logins", "dkim_keys", "usage"):
            self.assertFalse(self.rows(f"SELECT 1 FROM emboux_mail.{view}"), view)
        self.assertEqual(self.rows("SELECT DISTINCT state FROM emboux_domain"), [("suspended",)])
        crons = self.env["ir.cron"].search([("cron_name", "like", "Email Hosting")])
        self.assertFalse(crons, "no scheduled action of ours is active")

    def test_uninstalling_is_refused_while_domains_live_here(self):
        with self.assertRaisesRegex(UserError, "Domains still live on this Odoo: .*unit.example"):
            uninstall_hook(self.env)
