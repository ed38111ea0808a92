# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import email
import email.policy

from odoo.tests import TransactionCase, tagged

from .. import message_id

REAL = (
    "<Re:.a.question.123@x.example>", "<a b@x.example>", "<a@b@c.example>",
    "<a,b@x.example>", "<1.2.JavaMail.root@[10.0.0.1]:8080>",
)


def mail(number, text="Hello"):
    field = f"Message-Id: {number}\r\n" if number else ""
    return f"From: a@x.example\r\n{field}Subject: Hi\r\n\r\nMessage-ID: {text}\r\n".encode()


@tagged("post_install", "-at_install")
class TestMessageId(TransactionCase):
    def seen(self, raw):
        return str(email.message_from_bytes(raw, policy=email.policy.SMTP)["Message-ID"])

    def test_one_that_reads_as_it_is_written_stays(self):
        for number in ("<a.b$c@x.example>", "<a@[10.0.0.1]>", "<no-at-sign>", "abc@x.example"):
            raw = mail(number)
            self.assertEqual(message_id.readable(raw), (number, raw))

    def test_others_are_replaced_by_one_of_their_own(self):
        made_ones = set()
        for number in REAL:
            made, raw = message_id.readable(mail(number))
            self.assertEqual(self.seen(raw), made)
            self.assertEqual(message_id.readable(raw), (made, raw), "which stays")
            self.assertEqual(message_id.readable(mail(number, "Other"))[0], made)
            self.assertIn(f"X-Original-Message-ID: {number}".encode(), raw)
            self.assertTrue(raw.endswith(b"\r\n\r\nMessage-ID: Hello\r\n"), "the text is as it was")
            made_ones.add(made)
        self.assertEqual(len(made_ones), len(REAL))

    def test_one_that_python_before_3_13_raises_for(self):
        for number in ("<[ABC]@x.example>", "<[3]@x.example>"):
            made, raw = message_id.readable(mail(number))
            self.assertEqual(self.seen(raw), made)
            self.assertIn(f"Message-ID: {number}".encode().lower(), raw.lower(), "it is kept")

    def test_without_one_the_same_message_has_the_same(self):
        made, raw = message_id.readable(mail(""))
        self.assertEqual(self.seen(raw), made)
        self.assertEqual(message_id.readable(mail(""))[0], made)
        self.assertNotEqual(message_id.readable(mail("", "Other"))[0], made)

    def test_two_messages_that_python_takes_for_one_are_both_filed(self):
        partner = self.env["res.partner"].create({"name": "A document"})
        note = partner.message_post(body="A question")
        for number in ("<Re:1@x.example>", "<Re:2@x.example>", "<[3]@x.example>"):
            more = f"In-Reply-To: {note.message_id}\r\nTo: b@x.example\r\n".encode()
            self.env["mail.thread"].message_process(None, more + mail(number))
        answers = partner.message_ids.filtered(lambda message: message.message_type == "email")
        self.assertEqual(len(answers), 3)
