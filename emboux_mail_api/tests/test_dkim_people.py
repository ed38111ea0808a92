# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""DKIM keys: who is told, who may do what by hand, and the cron that does it by itself."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core.dns.expected import DkimKey
from odoo.addons.emboux_mail_api.providers.dkim import OVERLAP, SigningKey, generate

from .dkim_case import DAY, DUE, DkimCase


@tagged("post_install", "-at_install")
class TestTelling(DkimCase):
    def test_responsible_and_owner_are_told_what_to_publish(self):
        owner = self.env["res.partner"].create({"name": "Acme", "email": "it@acme.example"})
        self.domain.partner_id = owner
        new, new_ed = self.rotated()
        message = self.domain.message_ids[0]
        self.assertLessEqual(owner | self.env.user.partner_id, message.notified_partner_ids
                             | message.partner_ids)
        for key in (new, new_ed):
            self.assertIn(f"{key.selector}._domainkey.unit.example", message.body)
            self.assertIn(key.public_key, message.body)
        self.assertNotIn("PRIVATE", message.body)
        activity = self.domain.activity_ids
        self.assertEqual(activity.activity_type_id,
                         self.env.ref("emboux_mail_api.mail_activity_dkim"))
        self.assertEqual(activity.user_id, self.env.user)
        self.assertEqual(activity.date_deadline, fields.Date.today() + timedelta(7))

    def test_the_activity_is_done_once_all_are_seen(self):
        _new, new_ed = self.rotated()
        other = self.domain.activity_schedule("mail.mail_activity_data_todo", summary="Mine",
                                              user_id=self.env.user.id)
        self.look(DUE, without=(new_ed.selector,))
        self.assertEqual(len(self.domain.activity_ids), 2)
        self.look(DUE)
        self.assertEqual(self.domain.activity_ids, other)
        self.assertIn(self.rsa.selector, "".join(self.domain.message_ids.mapped("body")))

    def test_nobody_responsible(self):
        self.domain.user_id = False
        self.rotated()
        self.look(DUE)
        self.assertEqual(len(self.keys().filtered("retired")), 2)


@tagged("post_install", "-at_install")
class TestByHand(DkimCase):
    def test_by_hand(self):
        answer = self.by_hand()
        self.assertIn("rsa-20260302", answer["params"]["message"])
        self.assertEqual(len(self.keys()), 4)
        self.assertEqual(self.signer(), [[self.rsa.selector], [self.ed.selector]])
        with self.assertRaisesRegex(UserError, "has not been seen in the DNS yet"):
            self.by_hand()
        self.look(DAY)
        self.assertTrue(self.rsa.retired and self.ed.retired)

    def test_a_customer_and_a_user_may_not(self):
        for login, group in (("plain", "emboux_core.group_user"),
                             ("shop", "emboux_mail_api.group_customer")):
            user = new_test_user(self.env, login, group)
            with self.assertRaises(AccessError, msg=login):
                self.domain.with_user(user).action_new_dkim_key()
        self.assertEqual(len(self.keys()), 2)

    def test_a_manager_may_and_sees_no_private_key(self):
        manager = new_test_user(self.env, "boss", "emboux_core.group_manager")
        self.domain.with_user(manager).action_new_dkim_key()
        keys = self.domain.with_user(manager).dkim_key_ids
        self.assertEqual(len(keys), 4)
        self.assertNotIn("private_key", keys.read()[0])
        with self.assertRaises(AccessError):
            keys.read(["private_key"])
        with self.assertRaises(AccessError):
            keys.write({"retired": DAY})

    def test_it_is_in_the_audit_trail_without_the_key(self):
        self.by_hand()
        self.env.cr.flush()
        trail = self.env["emboux.audit"].sudo().search([("model", "=", "emboux.dkim.key")], limit=2)
        self.assertEqual(trail.mapped("user_id"), self.env.user)
        self.assertEqual(trail.mapped("action"), ["create", "create"])
        self.assertNotIn("PRIVATE", "".join(trail.mapped("changes")))

    def test_a_stolen_key_leaves_the_dns_at_once(self):
        with self.assertRaisesRegex(UserError, "make a new key first"):
            self.rsa.with_user(self.env.user).action_remove_now()
        self.by_hand()
        self.look(DAY)
        plain = new_test_user(self.env, "plain", "emboux_core.group_user")
        with self.assertRaises(AccessError):
            self.rsa.with_user(plain).action_remove_now()
        self.assertIn(self.rsa.selector, self.published())
        self.rsa.with_user(self.env.user).action_remove_now()
        self.assertEqual(self.rsa.life, "removed")
        self.assertNotIn(self.rsa.selector, self.published())
        self.assertIn(self.ed.selector, self.published())

    def test_suspended(self):
        self.domain.action_suspend()
        with self.assertRaisesRegex(UserError, "activate it first"):
            self.by_hand()


@tagged("post_install", "-at_install")
class TestCron(DkimCase):
    def run_cron(self, day):
        """As the scheduler would on that day."""
        self.env.flush_all()
        with (
            self.enter_registry_test_mode(),
            patch.object(fields.Date, "today", lambda: day),
        ):
            self.env.ref("emboux_mail_api.ir_cron_rotate_dkim").sudo().method_direct_trigger()
        self.env.invalidate_all()

    def test_a_day_of_many_domains(self):
        others = self.env["emboux.domain"].create(
            [{"name": f"d{n}.example", "backend_id": self.backend.id, "state": "verified"}
             for n in range(3)]
        )
        for domain in others:
            self.look(DAY, domain=domain)
        others.sudo().dkim_key_ids.write({"made": DAY})
        with patch("odoo.addons.emboux_mail_api.models.domain_dkim.BATCH", 2):
            self.run_cron(DUE)
        for domain in self.domain | others.sudo():
            self.assertEqual(len(domain.dkim_key_ids), 4, domain.name)

    def test_suspended_domains_stand_still_and_catch_up(self):
        self.rotated()
        self.look(DUE)
        self.domain.action_suspend()
        self.run_cron(DUE + OVERLAP)
        self.assertEqual(self.rsa.life, "retired")
        self.look(DUE + OVERLAP, without=(self.keys("ed25519")[-1].selector,))
        self.assertTrue(self.keys("ed25519")[-1].signs)
        self.domain.action_activate()
        self.run_cron(DUE + OVERLAP)
        self.assertEqual(self.rsa.life, "removed")

    def test_one_that_fails_holds_up_no_other(self):
        other = self.make_domain("other.example", state="verified").sudo()
        self.look(DAY, domain=other)
        other.dkim_key_ids.write({"made": DAY})
        model = type(self.env["emboux.dkim.key"])
        make = model._make

        def fails(keys, domain, *args, **kwargs):
            if domain.name == "unit.example":
                raise ValueError("no entropy")
            return make(keys, domain, *args, **kwargs)

        with (
            patch.object(model, "_make", fails),
            self.assertLogs("odoo.addons.emboux_core.transactions", "ERROR") as logs,
        ):
            self.run_cron(DUE)
        self.assertTrue(any("emboux.domain unit.example: no ent" in line for line in logs.output))
        self.assertEqual(len(other.dkim_key_ids), 4)
        self.assertEqual(len(self.keys()), 2)
        self.run_cron(DUE + timedelta(1))
        self.assertEqual(len(self.keys()), 4, "tried again the next day")

    def test_looking_at_many_costs_few_statements(self):
        """The same for forty domains as for five, as long as nothing is due."""
        key = generate("rsa", "same")  # making forty takes seconds and is not what is counted
        counts = []
        for batch in (range(5), range(5, 40)):
            with patch(
                "odoo.addons.emboux_mail_api.models.dkim_key.generate",
                lambda key_type, selector: SigningKey(DkimKey(selector, key_type), key.private_pem),
            ):
                domains = self.env["emboux.domain"].create(
                    [{"name": f"d{n}.example", "backend_id": self.backend.id, "state": "verified"}
                     for n in batch]
                )
            domains.sudo().dkim_key_ids.write({"made": DAY, "seen": DAY})
            self.env["emboux.domain"].sudo().search([]).write({"dkim_next": False})
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.run_cron(DAY)
            counts.append(self.env.cr.sql_log_count - before)
            self.assertFalse(domains.sudo().filtered(lambda d: not d.dkim_next))
        self.assertLessEqual(counts[1], counts[0], counts)  # the first one warms up
        self.assertLess(counts[1], 40, counts)
