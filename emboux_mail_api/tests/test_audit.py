# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestAudit(PlatformCase):
    def setUp(self):
        super().setUp()
        self.env.cr.flush()
        self.before = self.env["emboux.audit"].search([], limit=1).id or 0

    def _trail(self):
        """(who, action, of, changes) of what has happened in this test, oldest first."""
        self.env.cr.flush()
        entries = self.env["emboux.audit"].search([("id", ">", self.before)], order="id")
        return [(e.user_id, e.action, e.name, e.changes or "") for e in entries]

    def test_made_changed_deleted(self):
        me = self.env.user
        mailbox = self.make_mailbox("ann", name="Ann", quota_mb=100, password="first password 1")
        mailbox.write({"quota_mb": 200, "name": "Anna"})
        mailbox.write({"quota_mb": 200})
        mailbox.action_suspend()
        mailbox.unlink()
        trail = self._trail()
        self.assertEqual(
            [(who, action, of) for who, action, of, _changes in trail],
            [(me, action, "ann@unit.example")
             for action in ("create", "password", "write", "write", "write", "unlink")],
        )
        self.assertIn("Quota (MB): 100", trail[0][3])
        self.assertIn("Quota (MB): 100 → 200", trail[2][3])
        self.assertIn("Full Name: Ann → Anna", trail[2][3])
        self.assertIn("active → suspended", trail[3][3] + trail[4][3])

    def test_a_password_is_told_and_not_shown(self):
        mailbox = self.make_mailbox("ann")
        mailbox.password = "a very secret word"
        trail = self._trail()
        self.assertEqual(trail[-1][1], "password")
        self.assertNotIn("very secret", str(trail))
        self.assertNotIn("argon2", str(trail))

    def test_what_did_not_happen_leaves_no_trail(self):
        self._trail()
        alias = self.make_alias("sales", "a@elsewhere.example")
        with self.assertRaises(UserError), self.env.cr.savepoint():
            self.make_alias("other", "a@elsewhere.example")
            self.make_alias("loop", "loop@unit.example")
        self.assertEqual([entry[2] for entry in self._trail()], [alias.display_name])

    def test_a_key_is_who_did_it(self):
        partner = self.env["res.partner"].create({"name": "Acme"})
        domain = self.make_domain("acme.example", state="verified", partner_id=partner.id)
        key, secret = self.env["emboux.api.key"]._make(
            {"name": "Shop of Acme", "partner_id": partner.id})
        env = self.env(user=key.sudo().user_id, context={})
        env["emboux.mailbox"].create({"domain_id": domain.id, "local_part": "ann"})
        trail = self._trail()
        self.assertEqual(trail[-1][0].with_context(active_test=False).name, "Shop of Acme")
        self.assertNotIn(secret, str(trail))
        made = [entry for entry in trail if entry[2] == "Shop of Acme"]
        self.assertEqual([entry[1] for entry in made], ["create"])
        entry = self.env["emboux.audit"].search([], limit=1, order="id desc")
        self.assertEqual(entry.partner_id, partner)
        self.assertEqual(entry.action_open_record()["res_model"], "emboux.mailbox")

    def test_nobody_writes_it(self):
        self.make_mailbox("ann")
        self.env.cr.flush()
        entry = self.env["emboux.audit"].search([], limit=1)
        for attempt in (lambda: entry.write({"name": "x"}), entry.unlink,
                        lambda: entry.copy()):
            with self.assertRaises(AccessError):
                attempt()
