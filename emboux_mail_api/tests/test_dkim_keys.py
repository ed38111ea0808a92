# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The life of a domain's DKIM keys in the database, day by day."""

from datetime import timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_core.tests.setting_case import store_parameter
from odoo.addons.emboux_mail_api.providers.dkim import OVERLAP, ROTATE_AFTER

from .dkim_case import DAY, DUE, DkimCase


@tagged("post_install", "-at_install")
class TestFirstKeys(DkimCase):
    def test_a_domain_has_a_key_of_each_type(self):
        with patch.object(fields.Date, "today", lambda: DAY):
            domain = self.make_domain("new.example")
        keys = self.keys(domain=domain)
        self.assertEqual(
            sorted((k.key_type, k.selector, k.made) for k in keys),
            [("ed25519", "ed25519-20260302", DAY), ("rsa", "rsa-20260302", DAY)],
        )
        self.assertEqual(self.published(domain), set(keys.mapped("selector")))
        levels = {r.key: r.level for r in domain.dns_record_ids}
        self.assertEqual(levels["dkim:rsa-20260302"], "required")
        self.assertEqual(levels["dkim:ed25519-20260302"], "recommended")

    def test_the_rsa_key_signs_at_once_and_ed25519_once_it_is_seen(self):
        domain = self.make_domain("new.example")
        rsa, ed = self.keys("rsa", domain), self.keys("ed25519", domain)
        self.assertEqual(self.signer("new.example"), [[], []], "a mere claim sends nothing")
        self.look(DAY, without=(ed.selector,), domain=domain)
        self.assertEqual(domain.state, "verified", "Ed25519 is not asked for")
        self.assertEqual(self.signer("new.example"), [[rsa.selector], []])
        self.look(DAY + timedelta(1), domain=domain)
        self.assertEqual(self.signer("new.example"), [[rsa.selector], [ed.selector]])
        self.assertEqual((rsa.seen, ed.seen), (DAY, DAY + timedelta(1)))

    def test_provisioning_again_makes_no_key(self):
        before = self.domain.dkim_key_ids
        self.domain.with_user(self.env.user).action_try_now()
        self.backend.mail_host = "mx2.unit.example"
        self.assertEqual(self.domain.dkim_key_ids, before)

    def test_a_subdomain_has_none_and_signs_with_its_parents(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example")
        self.assertFalse(child.dkim_key_ids)
        self.assertEqual(self.signer("shop.unit.example"),
                         [[self.rsa.selector], [self.ed.selector]])
        self.turn(DUE)
        self.look(DUE)
        self.assertEqual(self.signer("shop.unit.example"), self.signer())
        self.assertNotEqual(self.signer(), [[self.rsa.selector], [self.ed.selector]])
        self.assertFalse(child.dkim_key_ids)
        with self.assertRaisesRegex(UserError, "key of unit.example"):
            child.action_new_dkim_key()

    def test_two_of_a_type_cannot_sign(self):
        new, _ed = self.rotated()
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            new.signs = True
            new.flush_recordset()

    def test_without_ed25519(self):
        self.env["ir.config_parameter"].sudo().set_param("emboux_mail_api.dkim_ed25519", "False")
        domain = self.make_domain("plain.example")
        self.assertEqual(self.keys(domain=domain).mapped("key_type"), ["rsa"])
        self.turn(DAY)
        self.assertEqual(self.signer(), [[self.rsa.selector], []])
        self.assertEqual((self.ed.retired, self.ed.life), (DAY, "retired"))
        self.assertIn(self.ed.selector, self.published(), "mail under way is checked with it")
        self.turn(DAY + OVERLAP)
        self.assertEqual(self.published(), {self.rsa.selector})
        self.assertFalse(self.rsa.retired)


@tagged("post_install", "-at_install")
class TestRotation(DkimCase):
    def test_nothing_happens_before_it_is_due(self):
        self.stands_still(DUE - timedelta(1))
        self.assertEqual(self.published(), {self.rsa.selector, self.ed.selector})

    def test_new_keys_are_made_and_do_not_sign_before_they_are_seen(self):
        new, new_ed = self.rotated()
        self.assertEqual(len(self.keys()), 4)
        self.assertEqual((new.selector, new.made), (f"rsa-{DUE:%Y%m%d}", DUE))
        self.assertEqual(self.published(), set(self.keys().mapped("selector")))
        self.look(DUE + timedelta(1), without=(new.selector, new_ed.selector))
        self.stands_still(DUE + timedelta(1))
        self.assertEqual(self.signer(), [[self.rsa.selector], [self.ed.selector]])
        self.assertEqual((self.rsa.life, new.life), ("signing", "waiting"))

    def test_a_key_that_waits_is_nothing_wrong_with_the_domain(self):
        new, new_ed = self.rotated()
        self.look(DUE, without=(new.selector, new_ed.selector))
        self.assertEqual(self.row(new).state, "missing")
        self.assertEqual(
            [self.row(key).level for key in (self.rsa, new, new_ed)],
            ["required", "recommended", "recommended"],
        )
        self.assertEqual((self.domain.dns_state, self.domain.state), ("ok", "verified"))
        self.assertIn("takes over once it is seen", self.row(new).purpose)

    def test_while_one_waits_no_further_one_is_made(self):
        self.rotated()
        self.stands_still(DUE + 2 * ROTATE_AFTER)

    def test_once_seen_it_signs_and_the_old_one_stays_published(self):
        new, new_ed = self.rotated()
        seen = DUE + timedelta(3)
        self.look(seen)
        self.assertEqual(self.signer(), [[new.selector], [new_ed.selector]])
        self.assertEqual((new.seen, new.life), (seen, "signing"))
        self.assertEqual((self.rsa.retired, self.rsa.life), (seen, "retired"))
        self.assertEqual(self.rsa.leaves, seen + OVERLAP)
        self.assertEqual(self.published(), set(self.keys().mapped("selector")))
        self.assertEqual(
            [self.row(key).level for key in (self.rsa, new)], ["recommended", "required"]
        )
        self.assertIn(str(seen + OVERLAP), self.row(self.rsa).purpose)

    def test_a_retired_key_has_no_private_half(self):
        self.rotated()
        self.look(DUE)
        kept = dict(self.rows(
            "SELECT retired IS NULL, bool_or(private_key IS NOT NULL) FROM emboux_dkim_key"
            " WHERE domain_id = %s GROUP BY 1", self.domain.id))
        self.assertEqual(kept, {True: True, False: False})

    def test_each_type_waits_for_its_own_record(self):
        new, new_ed = self.rotated()
        self.look(DUE, without=(new_ed.selector,))
        self.assertEqual(self.signer(), [[new.selector], [self.ed.selector]])

    def test_after_the_overlap_it_is_removed(self):
        new, new_ed = self.rotated()
        self.look(DUE)
        self.stands_still(DUE + OVERLAP - timedelta(1))
        self.assertIn(self.rsa.selector, self.published())
        self.turn(DUE + OVERLAP)
        self.assertEqual(self.published(), {new.selector, new_ed.selector})
        self.assertEqual((self.rsa.removed, self.rsa.life), (DUE + OVERLAP, "removed"))
        self.assertIn(f"{self.rsa.selector}._domainkey.unit.example",
                      self.domain.message_ids[0].body)
        self.stands_still(DUE + OVERLAP + timedelta(1))

    def test_a_silent_dns_and_a_lost_record_leave_the_rsa_key_signing(self):
        self.look(DAY, without=(self.rsa.selector, self.ed.selector))
        self.turn(DAY)
        self.assertEqual(self.signer(), [[self.rsa.selector], []],
                         "a signature without a record is of no use beside another")
        self.assertFalse(self.rsa.retired or self.ed.retired)
        self.look(DAY)
        self.assertEqual(self.signer(), [[self.rsa.selector], [self.ed.selector]])

    def test_a_selector_is_never_used_again(self):
        self.by_hand(DAY)
        self.look(DAY)
        self.turn(DAY + OVERLAP)
        removed = self.keys().filtered("removed")
        self.assertEqual(len(removed), 2)
        made = self.env["emboux.dkim.key"]._make(self.domain, ["rsa"], DAY)
        self.assertNotIn(made.selector, (self.keys() - made).mapped("selector"))

    def test_zero_days_is_never(self):
        parameters = self.env["ir.config_parameter"].sudo()
        for value in ("0", "-1"):
            parameters.set_param("emboux_mail_api.dkim_rotate_days", value)
            self.stands_still(DUE + 10 * ROTATE_AFTER)
        self.by_hand(DUE)
        self.look(DUE)
        self.assertTrue(self.rsa.retired, "a rotation by hand goes on to its end")
        self.turn(DUE + OVERLAP)
        self.assertTrue(self.rsa.removed)

    def test_days_are_a_setting(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("emboux_mail_api.dkim_rotate_days", "30")
        self.stands_still(DAY + timedelta(29))
        self.turn(DAY + timedelta(30))
        self.assertEqual(len(self.keys()), 4)

    def test_a_setting_that_is_no_number_is_told_and_not_followed(self):
        store_parameter(self.env, "emboux_mail_api.dkim_rotate_days", "half a year")
        with self.assertLogs("odoo.addons.emboux_core.settings", "WARNING"):
            self.assertEqual(self.domain._dkim_rotate_after(), ROTATE_AFTER)

    def test_a_domain_that_never_got_through_gets_no_further_key(self):
        domain = self.make_domain("late.example")
        self.keys(domain=domain).write({"made": DAY})
        self.turn(DUE, domain)
        self.assertEqual(len(self.keys(domain=domain)), 2)

    def test_an_rsa_key_of_before_goes_on_and_ed25519_comes_beside_it(self):
        self.ed.unlink()
        self.rsa.write({"selector": "emboux", "seen": False})
        self.domain._provision()
        self.look(DAY)
        self.assertEqual(self.published(), {"emboux"})
        self.turn(DAY + timedelta(1))
        new_ed = self.keys("ed25519")
        self.assertEqual(self.signer(), [["emboux"], []])
        self.look(DAY + timedelta(2))
        self.assertEqual(self.signer(), [["emboux"], [new_ed.selector]])
        self.assertFalse(self.rsa.retired)
