# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from email.message import EmailMessage
from unittest.mock import Mock, patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from odoo.addons.base.models.ir_mail_server import IrMail_Server

from .. import passwords
from ..backends.mox_session import MoxSession
from ..net.errors import Refused, UnknownOutcome, Unreachable
from .mox_mailbox_case import MoxMailboxCase


@tagged("post_install", "-at_install")
class TestMailboxMox(MoxMailboxCase):
    def told(self, mailbox):
        return self.far._mailboxes[mailbox.email]

    # -- the one password --------------------------------------------------------------------

    def test_odoo_gets_the_mailbox_own_password(self):
        mailbox = self.make_odoos(password="what the person typed")
        server = mailbox.mail_server_ids
        self.assertEqual(self.told(mailbox).password, server.smtp_pass)
        self.assertNotEqual(server.smtp_pass, "what the person typed")
        self.assertEqual(mailbox.send_as, "self")
        self.assertFalse(self.told(mailbox).send_as_domain)
        self.assertEqual(server.from_filter, "odoo@far.example")
        self.assertEqual(self.account.calls, [
            ("set_outgoing", mailbox._mox_url("outgoing"), mailbox.sudo().mox_secret)])

    def test_nothing_of_a_password_is_kept_here(self):
        domain = self.make_domain()
        mailbox = self.make_mailbox(domain, "ann", password="what the person typed")
        for password in ("what the person typed", "another one of theirs"):
            if password != self.told(mailbox).password:
                mailbox.password = password
                self.commit()
            self.assertEqual(self.told(mailbox).password, password)
            self.assertEqual(mailbox.sudo().password_hash, passwords.ELSEWHERE)
            self.assertTrue(mailbox.has_password)
        self.assertIn("too short", self.said(lambda: mailbox.write({"password": "short"})))

    def test_renewed_it_stays_the_same(self):
        mailbox = self.make_odoos()
        server, before = mailbox.mail_server_ids, mailbox.mail_server_ids.smtp_pass
        mailbox.action_use_as_outgoing_starttls()
        self.commit()
        self.assertEqual(mailbox.mail_server_ids, server)
        self.assertEqual((server.smtp_pass, server.smtp_port), (before, 587))

    def test_nothing_is_made_where_mox_is_not_told(self):
        domain = self.make_domain()
        domain.sudo().state = "verified"
        for fault, words in (
            (Unreachable("the line is cut"), "would not get in"),
            (UnknownOutcome("no answer"), "would not get in"), (Refused("No."), "refused"),
        ):
            mailbox = self.make_mailbox(domain, f"m{len(self.far.calls)}")
            self.far.faults = {f"ensure {mailbox.email}": fault}
            self.assertIn(words, self.said(mailbox.action_use_as_outgoing_tls))
            self.far.faults = {}
            self.env.invalidate_all()
            self.assertFalse(mailbox.mail_server_ids)
            self.assertFalse(self.tested.mock_calls)
            self.assertFalse(mailbox.has_password)

    def test_a_test_that_fails_says_that_the_password_is_another(self):
        domain = self.make_domain()
        domain.sudo().state = "verified"
        mailbox = self.make_mailbox(domain, "odoo")
        self.tested.side_effect = UserError("535 no")
        words = self.said(mailbox.action_use_as_outgoing_tls)
        self.assertIn("535 no", words)
        self.assertIn("nobody knows", words)

    def test_odoo_keeps_in_step_with_who_sets_another_password(self):
        mailbox = self.make_odoos()
        mailbox.password = "something else entirely"
        self.assertEqual(mailbox.mail_server_ids.smtp_pass, "something else entirely")
        self.commit()
        self.far.faults = {"*": Unreachable("the line is cut")}
        self.assertIn("would not get in", self.said(
            lambda: mailbox.write({"password": "and yet another one"})))

    def test_without_events_it_sends_all_the_same(self):
        self.account.fault = Refused("too old")
        domain = self.make_domain()
        domain.sudo().state = "verified"
        mailbox = self.make_mailbox(domain, "odoo")
        shown = mailbox.action_use_as_outgoing_tls()["params"]
        self.assertEqual(shown["type"], "warning")
        self.assertIn("too old", shown["message"])
        self.assertTrue(mailbox.mail_server_ids)

    def test_no_personal_server_that_locks_the_person_out(self):
        domain = self.make_domain()
        domain.sudo().state = "verified"
        user = new_test_user(self.env, "ann", email="ann@far.example")
        mailbox = self.make_mailbox(domain, user_id=user.id)
        self.assertIn("one password alone", self.said(
            lambda: user.with_user(user)._get_mail_server_values("emboux")))
        mailbox.action_use_as_outgoing_tls()
        values = user.with_user(user)._get_mail_server_values("emboux")
        self.assertEqual(values["smtp_pass"], mailbox.mail_server_ids.smtp_pass)

    # -- as whom it sends --------------------------------------------------------------------

    def test_senders_follow_the_aliases(self):
        mailbox = self.make_odoos()
        server = mailbox.mail_server_ids
        sales = self.make_alias(mailbox.domain_id, "sales", mailbox.email)
        self.assertEqual(server.from_filter, "odoo@far.example,sales@far.example")
        self.make_alias(mailbox.domain_id, "team", mailbox.email, members_send=False)
        self.assertEqual(server.from_filter, "odoo@far.example,sales@far.example")
        other = self.make_mailbox(mailbox.domain_id, "other")
        sales.destinations = other.email
        self.assertEqual(server.from_filter, "odoo@far.example")
        sales.destinations = mailbox.email
        sales.unlink()
        self.assertEqual(server.from_filter, "odoo@far.example")

    def test_a_catch_all_sends_for_its_domain(self):
        mailbox = self.make_odoos(catch_all=True)
        self.assertEqual(mailbox.mail_server_ids.from_filter, "far.example")

    # -- webhooks ----------------------------------------------------------------------------

    def test_receiving(self):
        mailbox = self.make_odoos()
        secret = mailbox.sudo().mox_secret
        self.account.calls.clear()
        mailbox.action_mox_receive()
        self.env.invalidate_all()
        self.assertTrue(mailbox.mox_receives)
        self.assertEqual(self.account.calls, [
            ("set_outgoing", mailbox._mox_url("outgoing"), secret),
            ("set_incoming", mailbox._mox_url("incoming"), secret),
        ])
        self.assertEqual(self.accesses[-1], ("https://far.example", "odoo@far.example",
                                             mailbox.mail_server_ids.smtp_pass))
        mailbox.action_mox_stop()
        self.env.invalidate_all()
        self.assertFalse(mailbox.mox_receives)
        self.assertEqual(self.account.calls[-1], ("set_incoming", "", ""))
        self.assertEqual(mailbox.sudo().mox_secret, secret, "calls that wait carry it")

    def test_receiving_is_refused(self):
        mailbox = self.make_odoos()
        self.account.fault = Refused("No.")
        self.assertIn("No.", self.said(mailbox.action_mox_receive))
        self.assertFalse(mailbox.mox_receives)
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("web.base.url", "http://odoo.far.example")
        parameters.set_param("emboux_core.backend_allow_private", "False")
        self.assertIn("begin with https", self.said(mailbox.action_mox_receive))
        parameters.set_param("emboux_core.backend_allow_private", "True")
        mailbox.action_mox_receive()
        self.assertEqual(self.account.calls[-1][1],
                         f"http://odoo.far.example/emboux/mox/{mailbox.id}/incoming")
        stranger = self.make_mailbox(mailbox.domain_id, "stranger")
        self.assertIn("does not know the password", self.said(stranger.action_mox_receive))
        self.assertIn("not on a mox", self.said(self.make_mailbox(
            self.make_domain("other.example", self.other)).action_mox_receive))

    def test_a_catch_all_is_not_odoos(self):
        mailbox = self.make_odoos()
        mailbox.action_mox_receive()
        self.env.invalidate_all()
        self.assertIn("must not lead there", self.said(
            lambda: mailbox.write({"catch_all": True})))
        other = self.make_domain("b.example")
        other.sudo().state = "verified"
        caught = self.make_mailbox(other, "all", catch_all=True)
        caught.action_use_as_outgoing_tls()
        self.assertIn("must not lead there", self.said(caught.action_mox_receive))

    def test_unique_return_paths(self):
        mailbox = self.make_odoos()
        for use in (True, False):
            mailbox.action_mox_from_ids()
            self.env.invalidate_all()
            self.assertEqual(mailbox.mox_from_ids, use)
            self.assertEqual(self.account.calls[-1], ("use_from_ids", use, 7 * 86400))

    def test_who_may(self):
        mailbox = self.make_odoos()
        manager = new_test_user(self.env, "manager", groups="emboux_core.group_manager")
        theirs = mailbox.with_user(manager)
        for call in (theirs.action_mox_receive, theirs.action_mox_stop, theirs.action_mox_from_ids,
                     lambda: theirs.write({"mox_receives": True}),
                     lambda: theirs.write({"mox_by_webapi": True}),
                     lambda: theirs.read(["mox_secret"]),
                     lambda: mailbox.read(["mox_secret"]),
                     lambda: self.env["emboux.mox.hook"].with_user(manager).search([])):
            with self.assertRaises(AccessError):
                call()

    # -- sending -------------------------------------------------------------------------------

    def test_sessions(self):
        mailbox = self.make_odoos()
        servers, smtp = self.env["ir.mail_server"], Mock(spec=["send_message"])
        self.startPatcher(patch.object(IrMail_Server, "_disable_send", lambda _self: False))
        self.startPatcher(patch.object(IrMail_Server, "_connect__", lambda *_a, **_kw: smtp))
        session = servers._connect__(mail_server_id=mailbox.mail_server_ids.id)
        self.assertIs(session, smtp)
        self.assertTrue(session.emboux_mox)
        mailbox.mox_by_webapi = True
        for way in ({"mail_server_id": mailbox.mail_server_ids.id},
                    {"smtp_from": "odoo@far.example"}):
            session = servers._connect__(**way)
            self.assertIsInstance(session, MoxSession)
            self.assertEqual(session.from_filter, "odoo@far.example")
        plain = servers.create({"name": "other", "smtp_host": "other.example", "sequence": 0,
                                "smtp_encryption": "none", "from_filter": "other.example"})
        del smtp.emboux_mox
        self.assertIs(servers._connect__(mail_server_id=plain.id), smtp)
        self.assertIs(servers._connect__(smtp_from="x@other.example"), smtp)
        self.assertIs(servers._connect__("host.example"), smtp)
        self.assertFalse(hasattr(smtp, "emboux_mox"))
        server = mailbox.mail_server_ids
        server.active = False
        self.assertIn("archived", self.said(lambda: servers._connect__(mail_server_id=server.id)))

    def test_by_smtp_it_says_to_whom(self):
        servers = self.env["ir.mail_server"]

        def prepared(to, on_mox=True):
            message = servers._build_email__("odoo@far.example", to, "Subject", "text",
                                             headers={"Return-Path": "bounce@far.example"})
            session = Mock(spec=["emboux_mox", "from_filter", "smtp_from"], emboux_mox=on_mox,
                           from_filter="far.example", smtp_from=False)
            sender, recipients, message = servers._prepare_email_message__(message, session)
            self.assertIsInstance(message, EmailMessage)
            self.assertEqual(sender, "bounce@far.example")
            return message

        one = prepared(['"Bob" <Bob@b.example>'])
        self.assertEqual(one["X-Mox-Extra-Recipient"], "bob@b.example")
        self.assertNotIn("Return-Path", one, "a pedantic mox refuses it")
        self.assertNotIn("X-Mox-Extra-Recipient", prepared(["a@b.example", "b@b.example"]))
        elsewhere = prepared(["a@b.example"], on_mox=False)
        self.assertNotIn("X-Mox-Extra-Recipient", elsewhere)
        self.assertIn("Return-Path", elsewhere)
