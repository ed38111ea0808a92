# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from odoo.addons.emboux_saas.models.notice import KINDS

from .saas_case import SaasCase


@tagged("post_install", "-at_install")
class TestNotices(SaasCase):
    def last(self):
        return self.acme.message_ids.filtered("subject")[:1]

    def test_every_kind_has_a_template_with_a_remedy(self):
        for kind, _label in KINDS:
            self.assertTrue(
                self.acme._notify(kind, {"about": "the thing", "until": fields.Date.today(),
                                         "reason": "A reason."}),
                kind,
            )
            message = self.last()
            self.assertTrue(message.subject, kind)
            self.assertNotIn("{{", message.subject)
            self.assertIn("What to do:", message.body, kind)
            self.assertIn("/my/email", message.body, kind)
            self.assertIn("A reason.", message.body, kind)
            self.assertEqual(message.partner_ids, self.acme.partner_id)

    def test_sent_once_for_each_subject_and_period(self):
        box = self.make_mailbox("ann", self.mine)
        self.assertTrue(self.acme._notify("storage_80", {"mailbox": box}))
        self.assertFalse(self.acme._notify("storage_80", {"mailbox": box}))
        self.assertTrue(self.acme._notify("storage_95", {"mailbox": box}))
        self.assertTrue(self.acme._notify("storage_80", {"mailbox": self.make_mailbox(
            "bob", self.mine)}))
        other = self.make_customer("Other")
        self.assertTrue(other._notify("storage_80", {"mailbox": box}))
        self.at(days=32)
        self.assertTrue(self.acme._notify("storage_80", {"mailbox": box}))

    def test_in_the_customers_language_to_customer_and_portal_users(self):
        self.env["res.lang"]._activate_lang("de_DE")
        template = self.env.ref("emboux_saas.mail_template_activated")
        template.with_context(lang="de_DE").subject = "Wieder da"
        self.acme.partner_id.lang = "de_DE"
        contact = self.env["res.partner"].create(
            {"name": "Ann", "email": "ann@outside.example", "parent_id": self.acme.partner_id.id}
        )
        self.make_portal_user(contact, "ann.portal")
        self.acme._notify("activated")
        self.assertEqual(self.last().subject, "Wieder da")
        self.assertEqual(self.last().partner_ids, self.acme.partner_id | contact)
        mails = self.env["mail.mail"].sudo().search([("mail_message_id", "=", self.last().id)])
        self.assertEqual(mails.recipient_ids, self.acme.partner_id | contact)

    def test_a_german_customer_reads_german(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["emboux_saas"], ["de_DE"])
        self.acme.partner_id.lang = "de_DE"
        self.acme._notify("key_expiring", {"key": "Shop", "until": fields.Date.today()})
        self.assertEqual(self.last().subject, "Der API-Schlüssel Shop läuft bald ab")
        self.assertIn("Was zu tun ist:", self.last().body)
        self.assertIn("gilt bis", self.last().body)

    def test_without_address_the_operator_reads_it(self):
        self.acme.partner_id.email = False
        with self.assertLogs("odoo.addons.emboux_saas", "WARNING"):
            self.acme._notify("activated")
        self.assertIn("Not sent", self.last().body)

    def test_stopped_and_allowed_sending(self):
        before = len(self.mine.message_ids)
        self.mine.sudo().write({"outbound_status": "blocked", "outbound_reason": "9 bounced."})
        self.mine._notify_blocked("9 bounced.")
        self.assertIn("9 bounced.", self.last().body)
        self.assertEqual(len(self.told(self.acme, "sending_blocked")), 1)
        told = self.mine.message_ids[: len(self.mine.message_ids) - before]
        self.assertNotIn(self.acme.partner_id, told.partner_ids, "one mail is enough")
        self.mine.action_lift_block()
        self.assertTrue(self.told(self.acme, "sending_released"))

    def test_broken_dns(self):
        record = self.mine.dns_record_ids.filtered(lambda r: r.key == "mx").sudo()
        record.state = "missing"
        self.mine.sudo()._notify_changes([(record, "ok")])
        self.assertIn(record.expected, self.last().body)
        self.assertEqual(self.told(self.acme, "dns_broken").about, "mine.example")
        self.domain.sudo()._notify_changes([(record, "ok")])  # nobody's: nobody is told

    def test_keys_that_expire(self):
        soon = fields.Datetime.now() + timedelta(days=5)
        self.make_key(self.acme, "Shop", expires_at=soon)
        self.make_key(self.acme, "Late", expires_at=soon + timedelta(days=60))
        self.make_key(self.acme, "Gone", expires_at=soon).action_revoke()
        self.run_cron("ir_cron_keys")
        self.run_cron("ir_cron_keys")
        self.assertEqual(len(self.told(self.acme, "key_expiring")), 1)
        self.assertIn("Shop", self.last().subject)
        self.at(days=4)
        self.run_cron("ir_cron_keys")
        self.assertEqual(len(self.told(self.acme, "key_expiring")), 2)
