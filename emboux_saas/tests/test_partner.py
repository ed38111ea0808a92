# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import tagged

from odoo.addons.emboux_mail_api.tests.common import PlatformCase


@tagged("post_install", "-at_install")
class TestPartner(PlatformCase):
    def test_a_customers_domains_are_counted_and_opened(self):
        partner, other = self.env["res.partner"].create([{"name": "Acme"}, {"name": "Other"}])
        self.domain.partner_id = partner
        self.assertEqual((partner.emboux_domain_count, other.emboux_domain_count), (1, 0))
        action = partner.action_open_emboux_domains()
        self.assertEqual(self.env["emboux.domain"].search(action["domain"]), self.domain)
        self.assertEqual(action["context"]["default_partner_id"], partner.id)
