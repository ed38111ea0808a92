# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""mox calls Odoo over HTTP."""

import logging
from unittest.mock import Mock, patch

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from ..net.errors import NotAuthorised, Unreachable
from .mox_mailbox_case import FarMox
from .test_mox_hooks import INCOMING, OUTGOING, told

# trap 9 of mox v0.0.17: in its payload the text of this is that of the file
RAW = (
    b"X-Mox-Reason: no-bad-signals\r\nDelivered-To: odoo@mox.example\r\n"
    b"Return-Path: <bob@b.example>\r\nReceived: from b.example by mox\r\n"
    b"From: Bob <bob@b.example>\r\nTo: %s\r\nSubject: An answer\r\n"
    b"Message-ID: <answer@b.example>\r\nReferences: %s\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
    b"--m\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe text that Bob wrote.\r\n"
    b"--m\r\nContent-Type: text/plain; name=notes.txt\r\n"
    b"Content-Disposition: attachment; filename=notes.txt\r\n\r\nThe file.\r\n--m--\r\n"
)
REPORT = (
    b"Return-Path: <>\r\nFrom: mailer-daemon@b.example\r\nTo: odoo@mox.example\r\n"
    b"Message-ID: <report@b.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=m\r\n\r\n"
    b"--m\r\n\r\nNo such user.\r\n--m\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; b.example\r\n\r\nFinal-Recipient: rfc822; bob@b.example\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\n\r\n--m--\r\n"
)
WRONG = {"Text": "The file.", "HTML": ""}


@tagged("post_install", "-at_install")
class TestMoxHookHttp(HttpCase):
    def setUp(self):
        super().setUp()
        far = FarMox()
        model = self.env.registry["emboux.backend"]
        self.startPatcher(patch.object(model, "_client", lambda _backend: far))
        backend = self.env["emboux.backend"].create(
            {"name": "mox", "kind": "mox", "url": "https://mox.example"})
        domain = self.env["emboux.domain"].create(
            {"name": "mox.example", "backend_id": backend.id})
        self.mailbox = self.env["emboux.mailbox"].create(
            {"local_part": "odoo", "domain_id": domain.id})
        self.mailbox.sudo().write({"mox_secret": "Bearer s3cret", "mox_receives": True})
        self.webapi = Mock()
        self.startPatcher(patch.object(
            self.env.registry["emboux.mailbox"], "_mox_webapi", lambda _mailbox: self.webapi))
        self.document = self.env["res.partner"].create({"name": "Document"})
        self.parent = self.document.message_post(body="A question")
        self.webapi.raw.return_value = RAW % (b"odoo@mox.example", self.parent.message_id.encode())
        self.env.flush_all()

    def call(self, direction, body, hook="17", authorization="Bearer s3cret", number=None):
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if hook is not None:
            headers["X-Mox-Webhook-Id"] = hook
        if authorization is not None:
            headers["Authorization"] = authorization
        url = f"/emboux/mox/{self.mailbox.id if number is None else number}/{direction}"
        answer = self.url_open(url, data=body, headers=headers, method="POST")
        self.env.invalidate_all()
        return answer

    def incoming(self, **options):
        return self.call("incoming", told(INCOMING, **WRONG), **options)

    def answers(self):
        return self.document.message_ids.filtered(lambda m: m.message_type == "email")

    # -- incoming ----------------------------------------------------------------------------

    def test_a_message_becomes_mail(self):
        answer = self.incoming()
        self.assertEqual((answer.status_code, answer.text), (200, "Taken."))
        [message] = self.answers()
        self.assertIn("The text that Bob wrote.", message.body)
        self.assertEqual(message.attachment_ids.mapped("name"), ["notes.txt"])
        self.webapi.raw.assert_called_once_with(44)
        self.assertNotIn("Set-Cookie", answer.headers)

    def test_once_by_the_number_of_the_call(self):
        self.incoming()
        self.assertEqual(self.incoming().text, "Taken before.")
        self.assertEqual(len(self.webapi.raw.mock_calls), 1)
        self.assertEqual(len(self.answers()), 1)

    def test_once_by_the_message(self):
        self.incoming()
        self.assertEqual(self.incoming(hook="18").text, "Taken.")
        self.assertEqual(len(self.webapi.raw.mock_calls), 2)
        self.assertEqual(len(self.answers()), 1)

    def test_a_report_counts_once(self):
        """Odoo keeps no report of a failure, so that it does not know it again."""
        bob = self.env["res.partner"].create({"name": "Bob", "email": "bob@b.example"})
        self.webapi.raw.return_value = REPORT
        with patch.object(self.env.registry["emboux.mox.hook"], "_is_taken", lambda *_args: False):
            for _call in range(2):  # as two at once do
                self.assertEqual(self.incoming().status_code, 200)
        self.assertEqual(bob.message_bounce, 1)

    def test_what_cannot_be_fetched_comes_again(self):
        for fault in (Unreachable("the line is cut"), NotAuthorised("Renew it.")):
            self.webapi.raw.side_effect = fault
            with self.assertLogs("odoo.addons.emboux_core.controllers.mox_hook", logging.WARNING):
                answer = self.incoming()
            self.assertEqual((answer.status_code, answer.text), (503, str(fault)))
        self.webapi.raw.side_effect = None
        self.assertEqual(self.incoming().status_code, 200)
        self.assertEqual(len(self.answers()), 1)

    def test_what_odoo_fails_on_comes_again(self):
        gateway = self.env.registry["mail.thread"]
        with patch.object(gateway, "message_process", side_effect=ZeroDivisionError), \
                mute_logger("odoo.addons.emboux_core.controllers.inbound"):
            self.assertEqual(self.incoming().status_code, 503)
        self.assertEqual(self.incoming().text, "Taken.")

    @mute_logger("odoo.addons.emboux_core.models.mail_thread")
    def test_what_has_no_place_does_not_come_again(self):
        self.webapi.raw.return_value = RAW % (b"nobody@mox.example", b"<x@b.example>")
        self.assertEqual(self.incoming().status_code, 200)
        self.assertEqual(self.incoming().text, "Taken before.")

    def test_an_alias_is_found_by_the_address_that_it_was_sent_to(self):
        alias_domain = self.env["mail.alias.domain"].create({"name": "mox.example"})
        self.env["mail.alias"].create({
            "alias_name": "mox-answers", "alias_domain_id": alias_domain.id,
            "alias_model_id": self.env["ir.model"]._get("res.partner").id,
        })
        self.webapi.raw.return_value = RAW % (b"undisclosed:;", b"<x@b.example>")
        meta = {"MsgID": 44, "RcptTo": "mox-answers@mox.example"}
        self.assertEqual(self.call("incoming", told(INCOMING, Meta=meta)).status_code, 200)
        self.assertTrue(self.env["res.partner"].search([("name", "=", "An answer")]))

    def test_after_a_stop_nothing_is_filed(self):
        self.mailbox.sudo().mox_receives = False
        self.assertEqual(self.incoming().status_code, 200)
        self.assertFalse(self.webapi.raw.mock_calls)

    # -- outgoing ----------------------------------------------------------------------------

    def test_an_event_marks_a_notification(self):
        bob = self.env["res.partner"].create({"name": "Bob", "email": "bob@b.example"})
        sent = self.document.message_post(body="x", partner_ids=bob.ids)
        sent.notification_ids.notification_status = "sent"
        body = told(OUTGOING, MessageID=sent.message_id)
        self.assertEqual(self.call("outgoing", body).status_code, 200)
        self.assertEqual(sent.notification_ids.notification_status, "bounce")
        sent.notification_ids.notification_status = "sent"
        self.assertEqual(self.call("outgoing", body).text, "Taken before.")
        self.assertEqual(sent.notification_ids.notification_status, "sent")

    def test_an_event_of_an_unknown_message(self):
        self.assertEqual(self.call("outgoing", told(OUTGOING)).status_code, 200)
        self.assertEqual(
            self.call("outgoing", told(OUTGOING, Event="quitenew"), hook="18").status_code, 200)

    # -- who calls, and what ------------------------------------------------------------------

    def test_who_may_call(self):
        other = self.env["emboux.mailbox"].create(
            {"local_part": "other", "domain_id": self.mailbox.domain_id.id})
        self.env.flush_all()
        for wrong in (
            {"authorization": None}, {"authorization": ""}, {"authorization": "Bearer s3cre"},
            {"authorization": "s3cret"}, {"authorization": "Basic s3cret"},
            {"number": other.id, "authorization": ""}, {"number": other.id}, {"number": 2**31 - 1},
        ):
            for direction in ("incoming", "outgoing"):
                with self.subTest(direction=direction, **wrong):
                    answer = self.call(direction, told(INCOMING), **wrong)
                    self.assertEqual(answer.status_code, 401)
                    self.assertNotIn("s3cret", answer.text)
        self.assertFalse(self.webapi.raw.mock_calls)
        self.assertEqual(self.url_open(f"/emboux/mox/{self.mailbox.id}/incoming").status_code, 405)

    @mute_logger("odoo.addons.emboux_core.controllers.mox_hook")
    def test_what_is_not_understood(self):
        for direction in ("incoming", "outgoing"):
            for body in (b"", b"x", b"[]", told(OUTGOING, Event=None, Meta=None)):
                self.assertEqual(self.call(direction, body).status_code, 400)
            self.assertEqual(self.call(direction, told(INCOMING), hook=None).status_code, 400)
        self.assertFalse(self.webapi.raw.mock_calls)
