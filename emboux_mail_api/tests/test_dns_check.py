# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

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

    def _below(self, policy, without=()):
        """shop.<wildcard parent>, in the parent's zone with this DMARC record; checked."""
        parent = self.make_domain("above.example", state="verified", is_wildcard=True)
        child = self.make_domain("shop.above.example")
        self.assertEqual(child.parent_id, parent)
        wanted = child.dns_record_ids.filtered(lambda r: r.key not in ("dmarc", *without))
        self.dns.add_zone(
            "above.example", f'_dmarc IN TXT "{policy}"\n' + wanted._zone_text()
        )
        child.action_check_now()
        return child, child.dns_record_ids.filtered(lambda r: r.key == "dmarc")

    def test_the_policy_of_the_parent_is_the_childs(self):
        child, record = self._below("v=DMARC1; p=none; sp=reject; rua=mailto:a@above.example")
        self.assertEqual(record.state, "ok", record.note)
        self.assertIn("The DMARC record of above.example applies", record.note)
        self.assertNotIn("p=none; adkim=r", child.zone_text, "it would undercut the parent's")
        self.assertIn("v=spf1", child.zone_text)

    def test_strict_alignment_refuses_what_the_parent_signs(self):
        """d=above.example is not d=shop.above.example (RFC 7489 3.1.1)."""
        policy = "v=DMARC1; p=reject; adkim=s; rua=mailto:a@above.example"
        child, record = self._below(policy)
        self.assertEqual((record.state, record.harmless), ("wrong", True), record.note)
        self.assertIn("what is forwarded will be rejected", record.note)
        self.assertIn("v=DMARC1; p=reject; adkim=r; rua=mailto:a@above.example", record.note)
        # the remedy: the same policy for the child alone, with what it needs
        remedy = record.note[record.note.index("v=DMARC1") :]
        self.dns.add_zone(
            child.name,
            (child.dns_record_ids - record)._zone_text() + f'_dmarc IN TXT "{remedy}"\n',
        )
        child.action_check_now()
        self.assertEqual((record.state, record.found), ("ok", remedy), record.note)

    def test_strict_alignment_and_no_spf_refuses_everything(self):
        _child, record = self._below("v=DMARC1; p=reject; adkim=s", without=("spf",))
        self.assertEqual((record.state, record.harmless), ("wrong", False), record.note)
        self.assertIn("it will be rejected", record.note)

    def test_a_domain_stays_verified_whose_mail_comes_in_elsewhere(self):
        domain = self.make_domain("moved.example")
        self._publish(domain)
        domain.action_check_now()
        others = domain.dns_record_ids.filtered(lambda r: r.key != "mx")._zone_text()
        self.dns.add_zone("moved.example", others + "@ IN MX 10 mx.other.example.\n")
        for _day in range(4):
            domain.sudo().failing_on = False  # it was another day
            domain.action_check_now()
        self.assertEqual(self._states(domain)["mx"], "wrong")
        self.assertEqual((domain.state, domain.failing_days), ("verified", 0))
        self.dns.add_zone("moved.example", others + "@ IN MX 0 .\n")
        domain.action_check_now()
        self.assertEqual(domain.failing_days, 1, "a null MX: receivers refuse such senders")

    def test_spf_behind_a_redirect_is_enough(self):
        domain = self.make_domain("led.example")
        spf = domain.dns_record_ids.filtered(lambda r: r.key == "spf")
        rest = (domain.dns_record_ids - spf)._zone_text()
        self.dns.add_zone(
            "led.example", rest + '@ IN TXT "v=spf1 redirect=_spf.led.example"\n'
            f'_spf IN TXT "v=spf1 include:more.led.example -all"\nmore IN TXT "{spf.expected}"\n'
        )  # fmt: skip
        domain.action_check_now()
        self.assertEqual((spf.state, domain.state), ("ok", "verified"), spf.note)

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

    def _run_job(self, domains):
        self.env["emboux.domain"].search([]).sudo().next_check = (
            fields.Datetime.now() + timedelta(hours=3))
        domains.sudo().next_check = fields.Datetime.now() - timedelta(seconds=1)
        with self.enter_registry_test_mode():
            self.env.ref("emboux_core.ir_cron_check_dns").method_direct_trigger()
        domains.invalidate_recordset()

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_defect_in_one_does_not_hold_up_those_stored_with_it(self):
        domains = self.env["emboux.domain"].create(
            [{"name": f"batch{n}.example", "backend_id": self.backend.id} for n in range(4)]
        )
        for domain in domains:
            self._publish(domain)
        model = self.env.registry["emboux.domain"]
        original = model._store_verdicts

        def fails(domain, answer):
            if domain == domains[1]:
                raise ZeroDivisionError
            return original(domain, answer)

        # all of them are there when they are stored
        with patch.object(model, "_look_up_in_turn", lambda some, deadline: iter(
                [(some, some._look_up(deadline))])), patch.object(model, "_store_verdicts", fails):
            self._run_job(domains)
        self.assertEqual(
            domains.mapped("state"), ["verified", "pending", "verified", "verified"])
        self.assertFalse(domains[1].last_check)
        self.assertGreater(domains[1].next_check, fields.Datetime.now() + timedelta(minutes=50))
        for domain in domains - domains[1]:
            self.assertEqual(domain.state_history_ids.sorted("id").mapped("state"),
                             ["pending", "verified"])

    def test_of_two_claims_that_are_proven_together_the_first_has_it(self):
        first, second = (
            self.make_domain("both.example", partner_id=self.env["res.partner"].create(
                {"name": name}).id) for name in ("One", "Two"))
        tokens = (second.dns_record_ids - first.dns_record_ids).filtered(
            lambda r: r.key == "verification")
        self.dns.add_zone(
            "both.example", first.dns_record_ids._zone_text() + tokens._zone_text())
        (first | second).sudo()._store_checks({
            domain.id: domain._look_up(10.0)[domain.id] for domain in first | second})
        self.assertEqual((first | second).mapped("state"), ["verified", "failed"])
        self.assertTrue(first.owned_since)
        self.assertFalse(second.owned_since)
        self.assertIn("another customer has it here", second.state_reason)

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
