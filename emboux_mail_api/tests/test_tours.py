# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.tests import HttpCase, tagged

from odoo.addons.emboux_core.tests.dns_server import DnsServer


@tagged("post_install", "-at_install")
class TestTours(HttpCase):
    """The add-ons' tours against a DNS server in this process; tests/ runs them on real mail."""

    def test_main_job(self):
        backend = self.env.ref("emboux_mail_api.backend_local")
        hosts = dict.fromkeys(("mail_host", "smtp_host", "imap_host"), "mail.unit.example")
        backend.write(hosts)
        dns = DnsServer({"example": "mail.unit IN A 127.0.0.1"}).start()
        self.addCleanup(dns.stop)
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("emboux_core.dns_nameservers", f"127.0.0.1:{dns.port}")
        parameters.set_param("emboux_core.dns_port", str(dns.port))
        parameters.set_param("emboux_core.dns_allow_private", "True")

        self.start_tour("/odoo/email-domains", "emboux_add_domain", login="admin")
        domain = self.env["emboux.domain"].search([("name", "=", "tour.example")])
        dns.add_zone(domain.name, domain.zone_text)
        self.start_tour("/odoo/email-domains", "emboux_check_domain", login="admin")
        self.assertEqual(domain.state, "verified")
        self.start_tour("/odoo/mailboxes", "emboux_add_mailbox", login="admin")
        self.start_tour("/odoo/email-aliases", "emboux_add_alias", login="admin")
        self.start_tour("/odoo/mailboxes", "emboux_set_password", login="admin")
        self.assertEqual(
            domain.alias_ids.sorted("email").mapped("destinations"),
            ["office@tour.example", "office@tour.example"],
        )
