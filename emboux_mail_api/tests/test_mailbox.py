# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from unittest.mock import patch

from argon2 import PasswordHasher

from odoo.exceptions import AccessError, UserError
from odoo.modules.module import load_script
from odoo.tests import Form, tagged
from odoo.tools import file_path

from odoo.addons.emboux_core import passwords
from odoo.addons.emboux_core.net.errors import Refused, UnknownOutcome, Unreachable

from ..backends.local import LocalBackend
from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestMailbox(PlatformCase):
    def _hash(self, mailbox):
        return self.rows("SELECT password_hash FROM emboux_mailbox WHERE id = %s", mailbox.id)[0][0]

    def test_address_is_normalised(self):
        mailbox = self.make_mailbox("  Ann.Adams ")
        self.assertEqual(mailbox.local_part, "ann.adams")
        self.assertEqual(mailbox.email, "ann.adams@unit.example")
        self.assertEqual(mailbox.display_name, "ann.adams@unit.example")

    def test_people_see_the_unicode_address(self):
        domain = self.make_domain("bücher.example")
        mailbox = self.make_mailbox("info", domain)
        self.assertEqual(mailbox.email, "info@xn--bcher-kva.example")
        self.assertEqual(mailbox.display_name, "info@bücher.example")

    def test_password_is_hashed_and_never_comes_back(self):
        mailbox = self.make_mailbox("ann", password="correct horse battery")
        self.assertTrue(PasswordHasher().verify(self._hash(mailbox), "correct horse battery"))
        self.assertFalse(mailbox.password)
        self.assertFalse(mailbox.read(["password"])[0]["password"])
        self.assertTrue(mailbox.has_password)
        with self.assertRaises(AccessError):
            mailbox.with_user(self.env.ref("base.user_admin")).read(["password_hash"])
        self.assertNotIn(
            "password_hash", mailbox.with_user(self.env.ref("base.user_admin")).fields_get()
        )
        chatter = " ".join(str(body) for body in mailbox.message_ids.mapped("body"))
        self.assertNotIn("correct horse", chatter)
        self.assertNotIn("argon2", chatter)

    def test_a_hash_cannot_be_written(self):
        admin = self.env.ref("base.user_admin")
        mailbox = self.make_mailbox("ann").with_user(admin)
        with self.assertRaises(AccessError):
            mailbox.write({"password_hash": "$argon2id$mine"})
        with self.assertRaises(AccessError):
            self.env["emboux.mailbox"].with_user(admin).create(
                {"local_part": "eve", "domain_id": self.domain.id,
                 "password_hash": "$argon2id$mine"}
            )

    def test_hashes_that_cost_too_much_go_with_the_new_version(self):
        """They were taken once; one of them makes everybody wait who logs in."""
        output = "$c29tZXNhbHRzYWx0$VtZbYbeUQsDiKLYdyVwMaUoN0hXbR/qOe2wT8dVnGvw"
        hashes = {
            "huge": "$argon2id$v=19$m=262144,t=10,p=8" + output,
            "slow": "$2b$14$" + "a" * 53,
            "fine": "$argon2id$v=19$m=65536,t=3,p=4" + output,
            "ours": passwords.HASHER.hash("a password"),
        }
        boxes = {name: self.make_mailbox(name) for name in (*hashes, "none")}
        for name, text in hashes.items():
            boxes[name].sudo().password_hash = text
        self.env.flush_all()
        path = file_path("emboux_mail_api/migrations/19.0.1.1.0/post-tenants.py")
        with self.assertLogs("post-tenants", "WARNING"):
            load_script(path, "post-tenants").migrate(self.env.cr, "19.0.1.0.0")
        self.env.invalidate_all()
        self.assertEqual({name for name, box in boxes.items() if box.has_password},
                         {"fine", "ours"})
        self.assertIn("new password", str(boxes["huge"].message_ids[0].body))
        [note] = self.domain.message_ids.filtered(lambda m: "need a new password" in str(m.body))
        self.assertIn("huge@unit.example, slow@unit.example", str(note.body))

    def test_writing_a_password_replaces_the_hash(self):
        mailbox = self.make_mailbox("ann", password="the first password")
        before = self._hash(mailbox)
        mailbox.password = "the second password"
        self.assertNotEqual(self._hash(mailbox), before)
        self.assertTrue(PasswordHasher().verify(self._hash(mailbox), "the second password"))
        mailbox.write({"name": "Ann"})
        mailbox.write({"password": False})
        self.assertTrue(PasswordHasher().verify(self._hash(mailbox), "the second password"))

    def test_dialog_sets_the_generated_password_once(self):
        mailbox = self.make_mailbox("ann")
        action = mailbox.action_set_password()
        form = Form(self.env["emboux.set.password"].with_context(**action["context"]))
        generated = form.password
        self.assertEqual(len(generated), 23)
        wizard = form.save()
        wizard.action_apply()
        self.assertTrue(PasswordHasher().verify(self._hash(mailbox), generated))
        self.assertFalse(wizard.password)
        [[stored]] = self.rows(
            "SELECT count(*) FROM information_schema.columns"
            " WHERE table_name = 'emboux_set_password' AND column_name = 'password'"
        )
        self.assertEqual(stored, 0, "the dialog's password is in no table")

    def test_catch_all_is_installed_in_the_same_save(self):
        mailbox = self.make_mailbox("ann", catch_all=True)
        self.assertTrue(mailbox.catch_all)
        alias = self.env["emboux.alias"].search([("email", "=", "@unit.example")])
        self.assertEqual((alias.kind, alias.destinations), ("catch_all", "ann@unit.example"))
        self.assertIn(mailbox, self.env["emboux.mailbox"].search([("catch_all", "=", True)]))

    def test_catch_all_by_the_form(self):
        form = Form(self.env["emboux.mailbox"])
        form.local_part = "ann@unit.example"
        form.domain_id = self.domain
        form.catch_all = True
        mailbox = form.save()
        self.assertEqual(mailbox.email, "ann@unit.example")
        self.assertTrue(self.domain.alias_ids.filtered(lambda a: a.kind == "catch_all"))

    def test_archiving_ends_the_catch_all_and_it_can_be_made_again(self):
        ann = self.make_mailbox("ann", catch_all=True)
        ann.active = False
        self.assertFalse(self.rows("SELECT 1 FROM emboux_mail.aliases WHERE address LIKE '@%'"))
        alias = self.make_alias(False, "x@elsewhere.example.net", kind="catch_all")
        alias.active = False
        bob = self.make_mailbox("bob", catch_all=True)
        self.assertEqual((alias.active, alias.destinations), (True, bob.email))

    def test_a_mailbox_with_mail_is_archived_before_it_is_deleted(self):
        ann = self.make_mailbox("ann")
        ann.sudo().message_total = 3
        with self.assertRaisesRegex(UserError, "holds 3 messages"):
            ann.unlink()
        ann.active = False
        ann.unlink()

    def test_called_twice_with_the_same_values(self):
        """As Odoo does after a serialization failure."""
        values = {"local_part": "Ann", "domain_id": self.domain.id, "catch_all": True,
                  "password": "the same password"}
        before = dict(values)
        for _attempt in range(2):
            with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
                mailbox = self.env["emboux.mailbox"].create(values)
                self.assertTrue(mailbox.has_password)
                self.assertTrue(mailbox.catch_all)
                raise ZeroDivisionError
        self.assertEqual(values, before)

    def test_the_backend_is_told_once_and_with_the_new_password(self):
        with patch.object(LocalBackend, "ensure_mailbox", autospec=True) as told:
            ann = self.make_mailbox("ann", password="the first password", catch_all=True)
            self.make_mailbox("bob")
            ann.password = "the second password"
            ann.quota_mb = 5
        specs = [call.args[1] for call in told.call_args_list]
        self.assertEqual(
            [(spec.email, spec.password) for spec in specs],
            [
                ("ann@unit.example", "the first password"),
                ("bob@unit.example", None),
                ("ann@unit.example", "the second password"),
                ("ann@unit.example", None),
            ],
        )

    def test_what_the_backend_refuses_is_not_saved(self):
        for error, words in ((Refused("the name is taken"), "the name is taken"),
                             (Unreachable("no route"), "nothing was saved"),
                             (UnknownOutcome("timed out"), "repeating is safe")):
            with (
                patch.object(LocalBackend, "ensure_mailbox", side_effect=error),
                self.assertRaises(UserError) as caught,
            ):
                self.make_mailbox("ann")
            self.assertIn(words, str(caught.exception))
            held = self.env["emboux.address"].search([("email", "=", "ann@unit.example")])
            self.assertFalse(held)

    def test_a_second_catch_all_gets_copies_and_unticking_ends_it(self):
        ann = self.make_mailbox("ann", catch_all=True)
        bob = self.make_mailbox("bob", catch_all=True)
        alias = self.env["emboux.alias"].search([("email", "=", "@unit.example")])
        self.assertEqual(alias.destinations.split("\n"), [ann.email, bob.email])
        ann.catch_all = False
        self.assertEqual(alias.destinations, bob.email)
        self.assertFalse(ann.catch_all)
        bob.unlink()
        self.assertFalse(alias.exists())

    def test_a_mailbox_that_an_alias_needs_is_not_deleted(self):
        ann = self.make_mailbox("ann")
        self.make_alias("sales", "ann@unit.example")
        with self.assertRaisesRegex(UserError, "sales@unit.example delivers to"):
            ann.unlink()

    def test_an_address_is_one_thing(self):
        self.make_mailbox("ann")
        self.assert_taken("emboux.address", lambda: self.make_mailbox("ANN"), "exists already")

    def test_an_alias_cannot_take_a_mailbox_address(self):
        self.make_mailbox("ann")
        self.assert_taken(
            "emboux.address",
            lambda: self.make_alias("ann", "bob@elsewhere.example.net"),
            "exists already",
        )

    def test_a_mailbox_cannot_take_an_alias_address(self):
        self.make_alias("ann", "bob@elsewhere.example.net")
        self.assert_taken("emboux.address", lambda: self.make_mailbox("ann"), "exists already")

    def test_address_does_not_change(self):
        mailbox = self.make_mailbox("ann")
        with self.assertRaisesRegex(UserError, "cannot be changed"):
            mailbox.local_part = "eve"
        with self.assertRaisesRegex(UserError, "cannot be changed"):
            mailbox.domain_id = self.make_domain("other.example")
        mailbox.local_part = "ANN"
        self.assertEqual(mailbox.email, "ann@unit.example")

    def test_quota_starts_at_the_backends_default(self):
        self.backend.default_quota_mb = 777
        self.assertEqual(self.make_mailbox("ann").quota_mb, 777)
        self.assertEqual(self.make_mailbox("bob", quota_mb=5).quota_mb, 5)

    def test_usage_is_fetched_as_a_delta(self):
        ann, bob = self.make_mailbox("ann", quota_mb=10), self.make_mailbox("bob")
        self.backend._sync_usage()
        self.rows(
            "INSERT INTO emboux_mail.usage (username, bytes, messages)"
            " VALUES ('ann@unit.example', 5242880, 3), ('bob@unit.example', 3000000000, 7)"
            " RETURNING 1"
        )
        self.backend._sync_usage()
        self.assertEqual((ann.usage_bytes, ann.message_total, ann.usage_percent),
                         (5242880, 3, 50.0))
        self.assertEqual(bob.usage_bytes, 3000000000, "more than 2 GiB fit")
        self.assertEqual(self.domain.usage_bytes, 3005242880)
        self.rows(
            "UPDATE emboux_mail.usage SET bytes = 0 WHERE username = 'ann@unit.example' RETURNING 1"
        )
        self.backend._sync_usage()
        self.assertEqual((ann.usage_bytes, self.domain.usage_bytes), (0, 3000000000))

    def test_deleting_forgets_what_was_counted(self):
        ann = self.make_mailbox("ann")
        self.rows(
            "INSERT INTO emboux_mail.usage (username, bytes) VALUES ('ann@unit.example', 9)"
            " RETURNING 1"
        )
        ann.unlink()
        self.assertFalse(self.rows("SELECT 1 FROM emboux_mail.usage"
                                   " WHERE username = 'ann@unit.example'"))

    def test_many_at_once(self):
        boxes = self.env["emboux.mailbox"].create(
            [
                {
                    "local_part": f"user{number}",
                    "domain_id": self.domain.id,
                    "password": f"password number {number}",
                }
                for number in range(20)
            ]
        )
        hashes = dict(
            self.rows("SELECT email, password_hash FROM emboux_mailbox WHERE id = ANY(%s)",
                      boxes.ids)
        )
        for number, box in enumerate(boxes):
            self.assertTrue(PasswordHasher().verify(hashes[box.email], f"password number {number}"))
