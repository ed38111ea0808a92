from datetime import timedelta

from odoo import fields
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core.tests.dns_server import DnsServer

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestDnsCheck(PlatformCase):
    """Against a DNS server on loopback that holds what a person would have set."""

    def setUp(self):
        super().setUp()
        self.dns = DnsServer().start()
        self.addCleanup(self.dns.stop)
        # the world above the domains: whose name servers are these
        self.dns.add_zone("example", "mail.unit IN A 127.0.0.1")
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("emboux_core.dns_nameservers", f"127.0.0.1:{self.dns.port}")
        parameters.set_param("emboux_core.dns_port", str(self.dns.port))
        parameters.set_param("emboux_core.dns_allow_private", "True")

    def _publish(self, domain, without=()):
        wanted = domain.dns_record_ids.filtered(lambda r: r.key not in without)
        self.dns.add_zone(domain.name, wanted._zone_text())

    def _states(self, domain):
        return {record.key: record.state for record in domain.dns_record_ids}

    def test_published_records_turn_green_and_the_domain_verified(self):
        domain = self.make_domain("green.example")
        self._publish(domain)
        action = domain.action_check_now()
        self.assertEqual(
            set(domain.dns_record_ids.mapped("state")), {"ok"}, domain.dns_record_ids.mapped("note")
        )
        self.assertEqual(domain.state, "verified")
        self.assertTrue(domain.owned_since)
        self.assertEqual(action["params"]["type"], "success")
        self.assertIn("127.0.0.1", domain.check_message)

    def test_what_is_missing_is_named_and_ownership_counts_by_itself(self):
        domain = self.make_domain("half.example")
        self._publish(domain, without=("mx", "spf"))
        action = domain.action_check_now()
        states = self._states(domain)
        self.assertEqual((states["mx"], states["spf"]), ("missing", "missing"))
        self.assertEqual(states["verification"], "ok")
        self.assertEqual(domain.state, "pending")
        self.assertTrue(domain.owned_since, "mail is taken before the MX is moved")
        self.assertEqual(action["params"]["type"], "warning")
        self.assertIn("MX half.example", action["params"]["message"])

    def test_optional_records_do_not_hold_up(self):
        domain = self.make_domain("lean.example")
        self._publish(domain, without=("dmarc", "srv:imaps", "srv:submissions"))
        domain.action_check_now()
        self.assertEqual(domain.state, "verified")
        self.assertEqual(self._states(domain)["dmarc"], "missing")

    def test_a_silent_server_is_unknown_not_missing(self):
        domain = self.make_domain("silent.example")
        self._publish(domain)
        self.dns.fault("silent.example", "servfail")
        action = domain.action_check_now()
        self.assertEqual(set(self._states(domain).values()), {"unknown"})
        self.assertEqual(action["params"]["type"], "danger")
        self.assertIn("127.0.0.1", domain.check_message, "it says who was asked")

    def test_a_silent_server_does_not_undo_what_was_seen(self):
        domain = self.make_domain("later.example")
        self._publish(domain)
        domain.action_check_now()
        self.dns.fault("later.example", "servfail")
        domain.action_check_now()
        self.assertEqual(set(self._states(domain).values()), {"ok"})
        self.assertEqual(domain.state, "verified")

    def test_the_responsible_is_told_only_what_changed(self):
        responsible = new_test_user(self.env, "told", groups="emboux_core.group_manager")
        domain = self.make_domain("told.example", user_id=responsible.id)
        self._publish(domain)
        domain.action_check_now()
        before = domain.message_ids
        domain.action_check_now()
        self.assertEqual(domain.message_ids, before, "nothing new, nothing told")
        self._publish(domain, without=("mx",))
        domain.action_check_now()
        told = domain.message_ids - before
        self.assertEqual(len(told), 1)
        self.assertIn("MX told.example", told.body)
        self.assertNotIn("spf", told.body.lower())
        self.assertIn(domain.user_id.partner_id, told.notified_partner_ids)
        self.assertTrue(domain.activity_ids)
        self.assertEqual(domain.state, "verified", "one look-up does not take it away")
        self._publish(domain)
        domain.action_check_now()
        warnings = self.env.ref("mail.mail_activity_data_warning")
        self.assertNotIn(warnings, domain.activity_ids.activity_type_id, "mended")

    def test_cron_takes_what_is_due_and_plans_the_next(self):
        domains = self.env["emboux.domain"].create(
            [{"name": f"cron{n}.example", "backend_id": self.backend.id} for n in range(5)]
        )
        for domain in domains[:4]:
            self._publish(domain)
        waiting = self.make_domain("waiting.example")
        now = fields.Datetime.now()
        self.env["emboux.domain"].search([]).sudo().next_check = now + timedelta(hours=3)
        domains.sudo().next_check = now - timedelta(seconds=1)
        with self.enter_registry_test_mode():
            self.env.ref("emboux_core.ir_cron_check_dns").method_direct_trigger()
        self.assertEqual(domains.mapped("state"), ["verified"] * 4 + ["pending"])
        self.assertFalse(waiting.last_check, "not due yet")
        for domain in domains[:4]:
            self.assertGreater(domain.next_check, now + timedelta(hours=23))
        self.assertLess(domains[4].next_check, now + timedelta(hours=1))

    def test_a_user_who_may_not_write_cannot_make_us_ask(self):
        user = self.env["res.users"].create(
            {
                "name": "U",
                "login": "dns.user",
                "group_ids": [(4, self.env.ref("emboux_core.group_user").id)],
            }
        )
        self.make_mailbox("u", user_id=user.id)
        with self.assertRaisesRegex(Exception, "not allowed|access"):
            self.domain.with_user(user).action_check_now()
