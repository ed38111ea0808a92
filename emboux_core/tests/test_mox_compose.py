# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A message as mox's Send takes it, and what would not arrive as it was composed."""

import base64
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from ..backends.mox_compose import NotCarried, fields_of
from .dns_server import PlainTest


def composed(**headers):
    """As Odoo composes one: lists of addresses stay lists."""
    message = EmailMessage(policy=SMTP)
    message["Message-Id"] = "<1@a.example>"
    message["Subject"] = "Grüße"
    message["From"] = '"Lee, Ann" <ann@a.example>'
    message["To"] = ['"Bob" <bob@b.example>']
    message["Date"] = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)
    for name, value in headers.items():
        del message[name.replace("_", "-")]
        if value is not None:
            message[name.replace("_", "-")] = value
    message.add_alternative("Grüße\n", subtype="plain", charset="utf-8")
    message.add_alternative("<p>Grüße</p>", subtype="html", charset="utf-8")
    return message


class TestMoxCompose(PlainTest):
    def fields(self, message, *recipients):
        return fields_of(message, recipients or ["bob@b.example"])

    def refuses(self, message, words, *recipients):
        with self.assertRaises(NotCarried) as caught:
            self.fields(message, *recipients)
        self.assertIn(words, str(caught.exception))

    def test_a_message_of_odoo(self):
        found = self.fields(composed(
            references="<r1@a.example> <r2@a.example>", Reply_To="catchall@a.example",
            Return_Path="bounce@a.example", X_Odoo_Objects="sale.order-1", X_Name="Ä" * 100,
        ))
        headers = dict(map(tuple, found.pop("Headers")))
        self.assertEqual(headers.pop("X-Odoo-Objects"), "sale.order-1")
        name = headers.pop("X-Name")
        self.assertTrue(name.isascii() and name.isprintable(), name)
        self.assertFalse(headers, "mox makes the others itself")
        self.assertEqual(found, {
            "From": [{"Name": "Lee, Ann", "Address": "ann@a.example"}],
            "To": [{"Name": "Bob", "Address": "bob@b.example"}], "CC": [], "BCC": [],
            "ReplyTo": [{"Name": "", "Address": "catchall@a.example"}],
            "MessageID": "<1@a.example>", "Subject": "Grüße", "Date": "2026-01-02T03:04:05+00:00",
            "References": ["<r1@a.example>", "<r2@a.example>"],
            "Text": "Grüße\n", "HTML": "<p>Grüße</p>\n",
            "AlternativeFiles": [], "InlineFiles": [], "AttachedFiles": [],
        })

    def test_files(self):
        message = composed()
        html = message.get_payload()[1]
        html.add_related(b"\x89PNG", "image", "png", cid="<logo>", filename="logo.png")
        message.add_attachment("größe\n".encode(), "text", "csv", filename="größe.csv")
        message.add_attachment(b"\0\1", "application", "pdf", filename="a.pdf")
        found = self.fields(message)
        self.assertEqual(
            [(file["Name"], file["ContentType"]) for file in found["AttachedFiles"]],
            [("größe.csv", "text/csv"), ("a.pdf", "application/pdf")])
        self.assertEqual(base64.b64decode(found["AttachedFiles"][0]["Data"]), "größe\n".encode())
        self.assertEqual(found["InlineFiles"][0]["ContentID"], "<logo>")
        self.assertEqual(found["HTML"], "<p>Grüße</p>\n")
        calendar = composed()
        calendar.add_alternative("BEGIN:VCALENDAR\n", subtype="calendar",
                                 params={"method": "REQUEST"})
        [file] = self.fields(calendar)["AlternativeFiles"]
        self.assertEqual(file["ContentType"], 'text/calendar; charset="utf-8"; method="REQUEST"')

    def test_who_gets_it(self):
        message = composed(Cc="cc@b.example")
        found = self.fields(message, "bob@B.EXAMPLE", "cc@b.example", "hidden@b.example")
        self.assertEqual(found["BCC"], [{"Address": "hidden@b.example"}])
        self.refuses(message, "not to get it", "bob@b.example")
        self.refuses(composed(To="Friends: bob@b.example;"), "group")
        self.refuses(composed(To="somebody"), "no address")

    def test_what_it_answers(self):
        for references, answered, expected in (
            ("<1@a> <2@a>", "<2@a>", ["<1@a>", "<2@a>"]), (None, "<2@a>", ["<2@a>"]),
            (None, None, []),
        ):
            headers = {"References": references, "In_Reply_To": answered}
            self.assertEqual(self.fields(composed(**headers))["References"], expected)
        self.refuses(composed(References="<1@a> <2@a>", In_Reply_To="<1@a>"), "not the last")

    def test_what_would_not_arrive_as_it_is(self):
        forwarded = composed()
        inner = EmailMessage(policy=SMTP)
        inner.set_content("inside")
        forwarded.add_attachment(inner)
        self.refuses(forwarded, "message/rfc822")
        twice = composed()
        twice.make_mixed()
        twice.attach(EmailMessage(policy=SMTP))
        twice.get_payload()[-1].set_content("read this too")
        self.refuses(twice, "more than one text")
        empty = EmailMessage(policy=SMTP)
        empty["From"], empty["To"] = "ann@a.example", "bob@b.example"
        self.refuses(empty, "no text")
        two = composed(From="ann@a.example, bob@a.example")
        self.refuses(two, "no single sender")
        report = EmailMessage(policy=SMTP)
        report["From"], report["To"] = "ann@a.example", "bob@b.example"
        report["Content-Type"] = "multipart/report"
        report.set_payload([composed()])
        self.refuses(report, "multipart/report")
        long = composed(X_Long="x" * 1000)
        self.refuses(long, "too long")
        wrong = composed()
        wrong.get_payload()[0].set_charset("utf-8")
        wrong.get_payload()[0].replace_header("Content-Type", "text/plain; charset=ascii")
        self.refuses(wrong, "character set")
