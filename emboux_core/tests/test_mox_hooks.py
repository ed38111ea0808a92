# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What mox tells, as read from a running one, and what it adds to a message."""

import json

from ..backends import mox_hooks
from ..net.answers import Unfit
from .dns_server import PlainTest

OUTGOING = {
    "Version": 0, "Event": "failed", "DSN": False, "Suppressing": True, "QueueMsgID": 16,
    "FromID": "", "MessageID": "<1@a.example>", "Subject": "x",
    "WebhookQueued": "2026-11-21T00:03:27Z", "SMTPCode": 550, "SMTPEnhancedCode": "5.0.0",
    "Error": "got 550 5.0.0 no", "Extra": {"Recipient": "Bob@b.example"},
}
INCOMING = {
    "Version": 0, "From": [], "Subject": "x", "MessageID": "<1@b.example>", "Text": "", "HTML": "",
    "Meta": {"MsgID": 44, "RcptTo": "sales@a.example", "MailboxName": "Inbox"},
}
STORED = (
    b"X-Mox-Reason: no-bad-signals;\r\n\tDelivered-To: not a field\r\n"
    b"Delivered-To: odoo@a.example\r\n"
    b"Return-Path: <bob@b.example>\r\n"
    b"Authentication-Results: mox;\r\n\tspf=pass\r\n"
    b"Received: from b.example\r\n\tby mox\r\n"
    b"Delivered-To: list@b.example\r\nX-Mox-Extra-Recipient: odoo@a.example\r\n"
    b"Subject: x\r\n\r\nReceived: in the text\r\nDelivered-To: x\r\n"
)


def told(sample, **changes):
    return json.dumps({**sample, **changes}).encode()


class TestMoxHooks(PlainTest):
    def test_what_mox_adds_is_taken_out_and_nothing_else(self):
        self.assertEqual(
            mox_hooks.as_received(STORED, "sales@a.example"),
            b"Delivered-To: sales@a.example\r\n"
            b"Return-Path: <bob@b.example>\r\n"
            b"Authentication-Results: mox;\r\n\tspf=pass\r\n" + STORED[STORED.index(b"Received:"):])
        plain = b"Subject: x\r\n\r\nReceived: y\r\nDelivered-To: z\r\n"
        self.assertEqual(mox_hooks.as_received(plain, ""), plain)
        for odd in (b"", b"no header at all", b"\r\n\r\nDelivered-To: x\r\nReceived: y"):
            self.assertEqual(mox_hooks.as_received(odd, ""), odd)

    def test_an_event(self):
        event = mox_hooks.Event.parse(told(OUTGOING))
        self.assertEqual(
            (event.kind, event.message_id, event.recipient, event.returned, event.answer),
            ("failed", "<1@a.example>", "bob@b.example", False, "got 550 5.0.0 no"))
        event = mox_hooks.Event.parse(told(OUTGOING, Error="no\nsuch", Extra=None, More=1))
        self.assertEqual((event.recipient, event.answer), ("", "550 5.0.0 no such"))

    def test_what_is_no_event(self):
        for body in (
            b"", b"[]", b"x", b"[" * 100_000, told(OUTGOING, Event=1), told(OUTGOING, Event="A b"),
            told(OUTGOING, MessageID=None), told(OUTGOING, SMTPCode="550"),
            told(OUTGOING, Extra=[]), told(OUTGOING, Extra={"Recipient": 1}),
            told(OUTGOING, MessageID="x\n"), told(OUTGOING, SMTPCode=-1),
        ):
            with self.assertRaises(Unfit):
                mox_hooks.Event.parse(body)

    def test_a_message(self):
        found = mox_hooks.Incoming.parse(told(INCOMING))
        self.assertEqual((found.number, found.recipient), (44, "sales@a.example"))
        for meta in (None, {}, {"MsgID": 0, "RcptTo": ""}, {"MsgID": True, "RcptTo": ""},
                     {"MsgID": 1, "RcptTo": "a\r\nSubject: x"}, {"MsgID": 2**70, "RcptTo": ""}):
            with self.assertRaises(Unfit):
                mox_hooks.Incoming.parse(told(INCOMING, Meta=meta))

    def test_names_and_secrets(self):
        name = mox_hooks.name_of("17", b"body")
        self.assertEqual(name, mox_hooks.name_of("17", b"body"))
        self.assertNotEqual(name, mox_hooks.name_of("17", b"of another database of mox"))
        for wrong in ("", None, "a b", "x" * 101, "\n"):
            self.assertEqual(mox_hooks.name_of(wrong, b""), "")
        secret = mox_hooks.new_secret()
        self.assertTrue(mox_hooks.is_secret(secret, secret))
        for wrong in ("", secret[:-1], secret + "x", "Bearer ä", "\udcff"):
            self.assertFalse(mox_hooks.is_secret(secret, wrong))
        self.assertFalse(mox_hooks.is_secret("", ""))
