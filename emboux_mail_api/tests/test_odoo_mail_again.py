# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from smtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from ssl import SSLCertVerificationError
from types import SimpleNamespace
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_mail_server import IrMail_Server

from .odoo_mail_case import OdooMailCase


@tagged("post_install", "-at_install")
class TestOdooMailAgain(OdooMailCase):
    """What a mail server does not take now stays in Odoo's queue."""

    def try_to_send(self, mails, fault, connects=True):
        """Odoo's own way to send, by a session that raises this."""

        def raise_it(*_arguments, **_more):
            if fault:
                raise fault

        session = SimpleNamespace(send_message=raise_it, quit=lambda: None)
        self.patch(type(mails), "_split_by_delayed_batch", lambda mails, _server: mails)
        with patch.object(IrMail_Server, "_disable_send", return_value=False), patch.object(
            IrMail_Server, "_connect__", side_effect=None if connects else fault,
            return_value=session,
        ), mute_logger("odoo.addons.mail.models.mail_mail"):
            mails.send()
        return set(mails.mapped("state"))

    def refused(self, *codes):
        return SMTPRecipientsRefused(
            {f"c{n}@else.example": (code, b"4.7.1 a loop?") for n, code in enumerate(codes)})

    def test_what_the_server_takes_later_stays_in_the_queue(self):
        setup = self.apply()
        [partner] = self.env["res.partner"].create(
            {"name": "Somebody", "email": "somebody@else.example"})
        self.domain.message_post(
            body="Look", partner_ids=partner.ids, force_send=False,
            email_from="notifications@unit.example")
        told = self.env["mail.mail"].search([("recipient_ids", "in", partner.ids)])
        for fault, connects in (
            (self.refused(450), True), (SMTPDataError(451, b"later"), True),
            (SMTPSenderRefused(421, "going down", "a@unit.example"), True),
            (ConnectionRefusedError("nobody there"), False), (TimeoutError("slow"), False),
            (SMTPServerDisconnected("while it restarts"), False),
        ):
            with self.subTest(fault=fault):
                mails = self.queued(2) + told
                self.assertEqual(self.try_to_send(mails, fault, connects), {"outgoing"})
                self.assertEqual(set(mails.mapped("waits_for_room")), {True})
                self.assertGreater(min(mails.mapped("scheduled_date")), fields.Datetime.now())
                self.assertEqual(told.notification_ids.notification_status, "ready")
        self.assertEqual(
            self.try_to_send(mails, self.refused(450)) and mails[0].failure_reason,
            "450 4.7.1 a loop?")
        self.assertEqual(self.try_to_send(mails[:2], None), {"sent"})
        self.assertFalse(mails[0].failure_reason)
        self.assertEqual(setup.server_id._is_ours(), True)

    def test_what_a_pushed_message_makes_odoo_send_waits_for_its_commit(self):
        self.apply()
        mails = self.queued(1).with_context(emboux_push=True)
        self.assertEqual(self.try_to_send(mails, None), {"outgoing"})
        self.assertEqual(self.try_to_send(mails.with_context(emboux_push=False), None), {"sent"})

    def test_what_is_final_fails_at_once(self):
        setup = self.apply()
        for fault, connects in (
            (self.refused(550), True), (self.refused(450, 550), True),
            (SMTPDataError(554, b"never"), True), (ValueError("a defect"), True),
            (SMTPAuthenticationError(535, b"who?"), False),
            (SMTPNotSupportedError("SMTPUTF8"), True),
            (SSLCertVerificationError("another host"), False),
        ):
            with self.subTest(fault=fault):
                self.assertEqual(self.try_to_send(self.queued(1), fault, connects), {"exception"})
        setup.server_id.write({"emboux_mailbox_id": False})
        self.assertEqual(self.try_to_send(self.queued(1), self.refused(450)), {"exception"})

    def test_after_two_days_it_is_final(self):
        self.apply()
        mails = self.queued(2)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE mail_mail SET create_date = create_date - interval '49 hours' WHERE id = %s",
            mails[0].ids)
        self.env.invalidate_all()
        self.try_to_send(mails, self.refused(450))
        self.assertEqual(mails.mapped("state"), ["exception", "outgoing"])
