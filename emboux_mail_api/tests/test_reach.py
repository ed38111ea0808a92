# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import time

from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from odoo.addons.emboux_core import passwords

from ..models.customer import QuotaReached
from ..models.webhook_event import SignatureRefused
from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestReach(PlatformCase):
    """What an attacker tried once, and what stopped working with it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.acme, cls.other = cls.env["res.partner"].create([{"name": "Acme"}, {"name": "Other"}])
        for partner in (cls.acme, cls.other):
            cls.env["emboux.api.key"]._make({"name": "Key", "partner_id": partner.id})

    def _remote(self, **values):
        return self.env["emboux.backend"].create(
            {"name": "Elsewhere", "kind": "emboux", "url": "https://platform.example", **values}
        )

    def test_a_backends_key_does_not_follow_to_another_address(self):
        backend = self._remote()
        backend.sudo().secret = "emboux_kept"
        admin = new_test_user(self.env, "hostingadmin", "emboux_core.group_admin")
        backend.with_user(admin).name = "Renamed"
        self.assertEqual(backend.sudo().secret, "emboux_kept")
        backend.with_user(admin).url = "https://listener.example"
        self.assertFalse(backend.sudo().secret)
        self.env.cr.flush()
        trail = self.env["emboux.audit"].search([("model", "=", "emboux.backend")], limit=1)
        self.assertIn("https://platform.example → https://listener.example", trail.changes)

    def test_the_feed_after_a_restore_on_another_cluster(self):
        """Numbers of a busier cluster would never count as new; a cursor of it says nothing."""
        self.make_domain("restored.example", partner_id=self.acme.id)
        feed = self.env["emboux.change"]
        self.env.flush_all()
        self.env.cr.execute("UPDATE emboux_change SET written_by = '9000000000'::xid8")
        parameters = self.env["ir.config_parameter"].sudo()
        here = parameters.get_param("emboux_mail_api.cluster")
        self.assertTrue(here)
        parameters.set_param("emboux_mail_api.cluster", "4711")
        _rows, foreign, _more = feed._since(None, 1000)
        feed._register_hook()
        self.assertEqual(parameters.get_param("emboux_mail_api.cluster"), here)
        self.assertFalse(
            self.rows("SELECT 1 FROM emboux_change WHERE written_by >= '9000000000'::xid8"))
        asked = []
        query = type(feed)._query
        self.patch(type(feed), "_query",
                   lambda self, since, *args: asked.append(since) or query(self, since, *args))
        _rows, ours, _more = feed._since(foreign, 1000)
        feed._since(ours, 1000)
        self.assertEqual(asked[0], "1:1:", "everything is told again")
        self.assertNotEqual(asked[1], "1:1:")

    def test_a_parent_on_another_platform_lends_nothing(self):
        remote = self._remote()
        self.env.cr.execute(
            "UPDATE emboux_domain SET backend_id = %s, is_wildcard = true WHERE id = %s",
            [remote.id, self.domain.id],
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "no verified wildcard parent"):
            self.env["emboux.domain"]._register_subdomain("shop.unit.example")

    def test_a_parent_is_not_given_away_with_others_subdomains(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example", partner_id=self.other.id)
        self.assertEqual(child.parent_id, self.domain)
        with self.assertRaisesRegex(UserError, "subdomains of others"):
            self.domain._hand_over(self.acme)
        child._hand_over(self.acme)
        self.domain._hand_over(self.acme)
        self.assertEqual(self.domain.partner_id, self.acme)

    def test_destinations_do_not_tell_what_others_have(self):
        mine = self.make_domain("mine.example", state="verified", partner_id=self.acme.id)
        theirs = self.make_domain("theirs.example", state="verified", partner_id=self.other.id)
        self.make_mailbox("ceo", theirs)
        for name in ("ceo", "nobody"):
            alias = self.make_alias(f"to.{name}", f"{name}@theirs.example", mine)
            self.assertTrue(alias)

    def test_a_tag_is_no_way_round_the_limit_of_aliases(self):
        self.env["emboux.customer"]._for_partner(self.acme).alias_limit = 1
        mine = self.make_domain("mine.example", state="verified", partner_id=self.acme.id)
        self.make_mailbox("box", mine)
        self.make_alias("one", "box@mine.example", mine)
        for goal in ("box@mine.example", "box+1@mine.example"):
            with self.assertRaises(QuotaReached):
                self.make_alias("two", goal, mine)

    def test_hashes_from_elsewhere_are_hashes(self):
        good = passwords.HASHER.hash("a password")
        self.assertEqual(passwords.accept_hash(good).hash, good)
        for tool in ("$argon2id$v=19$m=65536,t=3,p=4", "$argon2id$v=19$m=65536,t=4,p=1",
                     "$argon2id$v=19$m=102400,t=2,p=8", "$argon2id$v=19$m=19456,t=2,p=1"):
            made = tool + "$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw"
            self.assertEqual(passwords.accept_hash(made).hash, made)
        for bad in (good + "\n{PLAIN}x", good.replace("p=1", "p=1\0"), "{PLAIN}secret", "x",
                    good.replace("m=7168", "m=8"), good.replace("m=7168", "m=9999999"),
                    "$2b$04$" + "a" * 53, "$2b$31$" + "a" * 53, "$argon2i$" + good[10:]):
            with self.assertRaises(passwords.PasswordError, msg=repr(bad)):
                passwords.accept_hash(bad)

    def test_hashes_that_cost_everybody_their_log_in_are_refused_with_the_remedy(self):
        salt, output = "$c29tZXNhbHRzYWx0", "$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw"
        for cost in ("m=262144,t=10,p=8", "m=262144,t=2,p=1", "m=7168,t=41,p=1",
                     "m=102400,t=3,p=1", "m=19456,t=2,p=9", "m=7168,t=999,p=1"):
            with self.assertRaisesRegex(passwords.PasswordError, "give the password", msg=cost):
                passwords.accept_hash(f"$argon2id$v=19${cost}{salt}{output}")
        for bcrypt in ("$2b$13$", "$2b$14$", "$2y$31$", "$2b$09$"):
            with self.assertRaisesRegex(passwords.PasswordError, "10 to 12", msg=bcrypt):
                passwords.accept_hash(bcrypt + "a" * 53)
        for long in (salt * 1 + "A" * 100 + output, salt + output + "A" * 100):
            with self.assertRaises(passwords.PasswordError):
                passwords.accept_hash("$argon2id$v=19$m=19456,t=2,p=1" + long)
        with self.assertRaises(passwords.PasswordError, msg="libsodium takes no leading zero"):
            passwords.accept_hash("$argon2id$v=19$m=19456,t=02,p=1" + salt + output)

    def test_a_webhook_with_strange_text_is_refused(self):
        self.env["ir.config_parameter"].sudo().set_param(
            "emboux_mail_api.mailgun_signing_key", "key")
        events = self.env["emboux.webhook.event"].sudo()
        for timestamp, signature in ((str(int(time.time())), "é"), ("²", "a"), ("9" * 30, "a")):
            with self.assertRaises(SignatureRefused):
                events._accept_mailgun(timestamp, "token", signature, "{}")

    def test_bulk_refuses_what_is_there_without_trying(self):
        self.make_mailbox("ann")
        boxes = self.env["emboux.mailbox"]
        rows = {n: {"domain_id": self.domain.id, "local_part": name}
                for n, name in enumerate(("ann", "Ann", "bob"))}
        made, refused = boxes._create_each(rows)
        self.assertEqual([made[2].email, sorted(made)], ["bob@unit.example", [2]])
        self.assertEqual({n: status for n, (status, _why) in refused.items()}, {0: 409, 1: 409})
        self.assertIn("exists already", refused[0][1])
