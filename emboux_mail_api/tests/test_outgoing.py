# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from unittest.mock import patch

from argon2 import PasswordHasher

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from odoo.addons.base.models.ir_mail_server import IrMail_Server

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestOutgoing(PlatformCase):
    """What the button writes; that it really sends is shown in tests/ on real Postfix."""

    def setUp(self):
        super().setUp()
        # Odoo opens no SMTP connection in unit tests, and another cursor sees no test data
        self.startPatcher(patch.object(IrMail_Server, "test_smtp_connection", autospec=True))
        self.enter_registry_test_mode_for_cursor()

    def enter_registry_test_mode_for_cursor(self):
        mode = self.enter_registry_test_mode()
        mode.__enter__()
        self.addCleanup(mode.__exit__, None, None, None)

    def test_both_ways(self):
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        server = mailbox.mail_server_ids
        self.assertEqual(
            (server.smtp_host, server.smtp_port, server.smtp_encryption, server.smtp_user),
            ("mail.unit.example", 465, "ssl_strict", "odoo@unit.example"),
        )
        mailbox.action_use_as_outgoing_starttls()
        self.assertEqual(mailbox.mail_server_ids, server, "renewed, not doubled")
        self.assertEqual((server.smtp_port, server.smtp_encryption), (587, "starttls_strict"))

    def test_it_sends_for_the_whole_domain_with_a_password_of_its_own(self):
        mailbox = self.make_mailbox("odoo", password="what the person types")
        mailbox.action_use_as_outgoing_tls()
        self.assertEqual(mailbox.send_as, "domain")
        [[person, service]] = self.rows(
            "SELECT password_hash, service_password_hash FROM emboux_mailbox WHERE id = %s",
            mailbox.id,
        )
        self.assertTrue(PasswordHasher().verify(person, "what the person types"))
        self.assertTrue(PasswordHasher().verify(service, mailbox.mail_server_ids.smtp_pass))

    def test_subdomains_come_into_the_from_filter_and_leave_it(self):
        self.domain.is_wildcard = True
        self.make_domain("b.unit.example")
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        server = mailbox.mail_server_ids
        self.assertEqual(server.from_filter, "unit.example,b.unit.example")
        added = self.make_domain("a.unit.example")
        self.assertEqual(server.from_filter, "unit.example,a.unit.example,b.unit.example")
        added.unlink()
        self.assertEqual(server.from_filter, "unit.example,b.unit.example")
        for sender, matches in (("x@b.unit.example", True), ("x@c.unit.example", False)):
            self.assertEqual(server._match_from_filter(sender, server.from_filter), matches)

    def test_the_from_filter_follows_the_owner(self):
        """Mail in the name of another customer's subdomain would be refused by our own server."""
        theirs = self.env["res.partner"].create({"name": "Theirs"})
        self.domain.is_wildcard = True
        child = self.make_domain("b.unit.example")
        self.make_domain("c.unit.example", partner_id=theirs.id)
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        server = mailbox.mail_server_ids
        self.assertEqual(server.from_filter, "unit.example,b.unit.example")
        child.partner_id = theirs
        self.assertEqual(server.from_filter, "unit.example")
        self.domain.partner_id = theirs
        self.assertEqual(server.from_filter, "unit.example,b.unit.example,c.unit.example")
        child._set_parent(child.browse(), wildcard=False)
        self.assertEqual(server.from_filter, "unit.example,c.unit.example", "detached")
        child._set_parent(self.domain, wildcard=False)
        self.assertEqual(server.from_filter, "unit.example,b.unit.example,c.unit.example")

    def test_a_renewal_that_fails_leaves_what_works(self):
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        password = mailbox.mail_server_ids.smtp_pass
        with (
            patch.object(IrMail_Server, "test_smtp_connection", side_effect=UserError("no")),
            self.assertRaises(UserError),
        ):
            mailbox.action_use_as_outgoing_starttls()
        [[service]] = self.rows(
            "SELECT service_password_hash FROM emboux_mailbox WHERE id = %s", mailbox.id
        )
        self.assertTrue(PasswordHasher().verify(service, password))

    def settle(self, **delta):
        """The job, so much later."""
        self.env.flush_all()
        now = fields.Datetime.now() + timedelta(**delta)
        with (patch.object(fields.Datetime, "now", lambda *_args: now),
              self.env.registry.cursor() as cr):
            self.env(cr=cr, user=1)["emboux.mailbox"]._cron_end_trials()
        self.env.invalidate_all()

    def test_a_trial_left_by_a_dead_process_is_rolled_back(self):
        mailbox = self.make_mailbox("odoo")
        before = mailbox.sudo().service_password_hash
        with patch.object(IrMail_Server, "create", side_effect=KeyboardInterrupt):
            try:
                mailbox.action_use_as_outgoing_tls()
            except KeyboardInterrupt:
                self.env.cr.postrollback.clear()  # as nobody lives to do it
        self.env.invalidate_all()
        self.assertEqual(mailbox.send_as, "domain", "the mail server has to see it for the test")
        self.settle(minutes=9)
        self.assertEqual(mailbox.send_as, "domain", "somebody may be at it still")
        self.settle(minutes=11)
        self.assertEqual(mailbox.send_as, "self")
        self.assertEqual(mailbox.sudo().service_password_hash, before)
        mailbox.action_use_as_outgoing_tls()
        self.settle(minutes=11)
        self.assertEqual(mailbox.send_as, "domain", "it is in use")

    def test_a_failure_after_the_test_rolls_it_back(self):
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        mailbox.mail_server_ids.emboux_mailbox_id = False  # as if rolled back
        self.env.flush_all()
        self.env.cr.postrollback.run()
        self.env.invalidate_all()
        self.assertEqual(mailbox.send_as, "self")

    def test_a_second_try_knows_what_was_before_the_first(self):
        mailbox = self.make_mailbox("odoo")
        with patch.object(IrMail_Server, "create", side_effect=KeyboardInterrupt):
            for _try in range(2):
                try:
                    mailbox.action_use_as_outgoing_tls()
                except KeyboardInterrupt:
                    self.env.cr.postrollback.clear()
                self.env.invalidate_all()
        self.settle(minutes=11)
        self.assertEqual(mailbox.send_as, "self")

    def test_changes_that_would_stop_odoos_mail_are_refused(self):
        mailbox = self.make_mailbox("odoo")
        mailbox.action_use_as_outgoing_tls()
        for change in ({"send_as": "self"}, {"active": False}):
            with self.assertRaisesRegex(UserError, "Odoo sends through"):
                mailbox.write(change)
        with self.assertRaisesRegex(UserError, "Odoo sends through"):
            mailbox.unlink()

    def test_a_mailbox_that_cannot_send_says_why(self):
        pending = self.make_mailbox("odoo", self.make_domain("late.example"))
        with self.assertRaisesRegex(UserError, "not verified yet"):
            pending.action_use_as_outgoing_tls()
        suspended = self.make_mailbox("gone", state="suspended")
        with self.assertRaisesRegex(UserError, "is suspended"):
            suspended.action_use_as_outgoing_tls()
        self.backend.smtp_host = False
        with self.assertRaisesRegex(UserError, "no SMTP host"):
            self.make_mailbox("odoo").action_use_as_outgoing_tls()
