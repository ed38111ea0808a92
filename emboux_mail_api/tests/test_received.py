# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that a webhook is told: taken apart, and who it is really from."""

import base64
import json
import random
from email.message import EmailMessage

import dkim
import dns.exception
import dns.message
import dns.rdata
import dns.resolver
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from odoo.exceptions import UserError
from odoo.tests import BaseCase, tagged

from ..controllers.api.schemas.webhook import ReceivedEvent
from ..sending import authentication, received
from .common import PlatformCase

TOP = b"Return-Path: <joe@far.example>\r\nDelivered-To: orders@unit.example\r\n"
RECEIVED = (b"Received: from mx.far.example (unknown [192.0.2.7])\r\n"
            b"\tby mail.unit.example (Postfix) with ESMTP id 4A1B2C\r\n")


def message(**headers):
    mail = EmailMessage()
    mail["From"] = "J\u00f6e <joe@far.example>"
    mail["To"] = "orders@unit.example, Bob <bob@unit.example>"
    mail["Subject"] = "Gr\u00fc\u00dfe"
    mail["Message-ID"] = "<1@far.example>"
    mail["Date"] = "Fri, 27 Nov 2026 10:00:00 +0100"
    mail["References"] = "<0@unit.example> <00@unit.example>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Hello.\n")
    mail.add_alternative("<p>Hello <img src='cid:logo'></p>", subtype="html")
    mail.add_attachment(
        b"%PDF", maintype="application", subtype="pdf", filename="Rechnung \u00c4.pdf")
    return mail


class Zone:
    """Answers as ``dns.resolver.Resolver``: {(name, type): [text]}, or an error to raise."""

    def __init__(self, records):
        self.records = records

    def resolve(self, name, kind):
        found = self.records.get((str(name).rstrip("."), kind))
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise dns.resolver.NXDOMAIN
        return [dns.rdata.from_text("IN", kind, text) for text in found]


@tagged("post_install", "-at_install")
class TestTakeApart(BaseCase):
    def test_what_is_in_it(self):
        raw = RECEIVED + message().as_bytes().replace(b"\n", b"\r\n")
        found = received.take_apart(TOP + raw)
        self.assertEqual((found.sender, found.recipients), ("joe@far.example",
                                                            ("orders@unit.example",)))
        self.assertEqual((found.client.address, found.client.helo), ("192.0.2.7", "mx.far.example"))
        data = found.data
        self.assertEqual(data["from"], [{"name": "J\u00f6e", "address": "joe@far.example"}])
        self.assertEqual([box["address"] for box in data["to"]],
                         ["orders@unit.example", "bob@unit.example"])
        self.assertEqual(data["subject"], "Gr\u00fc\u00dfe")
        self.assertEqual(data["message_id"], "1@far.example")
        self.assertEqual(data["references"], ["0@unit.example", "00@unit.example"])
        self.assertEqual(data["date"], "2026-11-27T10:00:00+01:00")
        self.assertEqual(data["text"].strip(), "Hello.")
        self.assertIn("cid:logo", data["html"])
        [pdf] = found.attachments
        self.assertEqual((pdf.name, pdf.content), ("Rechnung \u00c4.pdf", b"%PDF"))
        self.assertEqual(data["structure"]["content_type"], "multipart/mixed")
        self.assertEqual(found.raw, raw)

    def test_what_no_program_should_send(self):
        """It is read as far as it can be, and is JSON that PostgreSQL takes."""
        for body in (
            b"", b"\r\n\r\n", b"no header", b"Subject: \xff\xfe\r\n\r\n\xff",
            b"Subject: =?utf-8?q?=00=ED=A0=80?=\r\n\r\nx\0y",
            b"From: <<<>>>\r\nTo: @,;:\r\nDate: yesterday\r\n\r\n",
            b"Content-Type: text/plain; charset=none\r\n\r\nx",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\nContent-Type:"
            b" message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--",
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
            b"Content-Disposition: attachment; filename*=nonsense''%ff\r\n\r\nx",
        ):
            data = received.take_apart(TOP + body).data
            self.assertNotIn("\\u0000", json.dumps(data), body)
            json.dumps(data, ensure_ascii=False).encode()

    def test_random_bytes(self):
        """Pieces of a message in disorder end in an event, and in no error."""
        pieces = message().as_bytes().splitlines(keepends=True)
        chance = random.Random(20261130)
        for _ in range(300):
            some = chance.sample(pieces, chance.randrange(1, len(pieces)))
            body = bytearray(b"".join(some))
            for _ in range(chance.randrange(5)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            json.dumps(received.take_apart(bytes(body)).data, ensure_ascii=False).encode()


@tagged("post_install", "-at_install")
class TestAuthentication(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        cls.private = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption())
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        cls.key = f'"v=DKIM1; k=rsa; " "p={base64.b64encode(public).decode()[:200]}" ' \
                  f'"{base64.b64encode(public).decode()[200:]}"'

    def check(self, zone, raw=None, sender="joe@far.example", address="192.0.2.7"):
        raw = raw or message().as_bytes()
        return authentication.check(raw, sender, address, "mx.far.example", Zone(zone)).shown()

    def test_a_name_server_that_fails_is_no_record_that_is_missing(self):
        """SERVFAIL may pass (RFC 7208 2.6.6, 6376 6.1.2, 7489 6.6.3)."""
        asked = dns.message.make_query("far.example", "TXT")
        for error in (dns.resolver.NoNameservers(request=asked, errors=[]),
                      dns.exception.Timeout()):
            away = {(name, "TXT"): error for name in (
                "far.example", "s1._domainkey.far.example", "_dmarc.far.example")}
            shown = self.check(away, self.signed())
            self.assertEqual(
                (shown["spf"]["result"], [each["result"] for each in shown["dkim"]],
                 shown["dmarc"]["result"]), ("temperror", ["temperror"], "temperror"))

    def signed(self, domain="far.example"):
        raw = message().as_bytes().replace(b"\n", b"\r\n")
        return dkim.sign(raw, b"s1", domain.encode(), self.private) + raw

    def test_spf(self):
        for record, address, result in (
            ('"v=spf1 ip4:192.0.2.0/24 -all"', "192.0.2.7", "pass"),
            ('"v=spf1 ip4:192.0.2.0/24 -all"', "198.51.100.1", "fail"),
            ('"v=spf1 ip4:192.0.2.0/24 ~all"', "198.51.100.1", "softfail"),
            ('"v=spf1 ?all"', "192.0.2.7", "neutral"),
            ('"v=spf1 mx -all"', "192.0.2.9", "pass"), ('"v=spf1 a -all"', "2001:db8::7", "pass"),
            ('"v=spf1 include:far.example -all"', "192.0.2.7", "permerror"),
            ('"v=spf1 nonsense -all"', "192.0.2.7", "permerror"),
        ):
            zone = {("far.example", "TXT"): [record], ("far.example", "MX"): ["10 mx.far.example."],
                    ("mx.far.example", "A"): ["192.0.2.9"],
                    ("far.example", "AAAA"): ["2001:db8::7"]}
            self.assertEqual(self.check(zone, address=address)["spf"],
                             {"result": result, "domain": "far.example"}, record)
        self.assertEqual(self.check({})["spf"]["result"], "none")
        self.assertEqual(self.check({}, address="")["spf"]["result"], "none")
        away = {("far.example", "TXT"): dns.exception.Timeout()}
        self.assertEqual(self.check(away)["spf"]["result"], "temperror")

    def test_dkim(self):
        zone = {("s1._domainkey.far.example", "TXT"): [self.key]}
        good = self.signed()
        [found] = self.check(zone, good)["dkim"]
        self.assertEqual(found, {"result": "pass", "domain": "far.example", "selector": "s1"})
        for raw, records, result in (
            (good.replace(b"Hello.", b"Hallo."), zone, "fail"),
            (good, {("s1._domainkey.far.example", "TXT"): dns.exception.Timeout()}, "temperror"),
            (good, {}, "permerror"), (good.replace(b"v=1;", b"v=9;", 1), zone, "permerror"),
        ):
            self.assertEqual([each["result"] for each in self.check(records, raw)["dkim"]],
                             [result])
        self.assertEqual(self.check(zone)["dkim"], [])

    def test_dmarc(self):
        zone = {("s1._domainkey.far.example", "TXT"): [self.key],
                ("s1._domainkey.other.example", "TXT"): [self.key],
                ("_dmarc.far.example", "TXT"): ['"v=DMARC1; p=reject; sp=none"']}
        spf = {("far.example", "TXT"): ['"v=spf1 ip4:192.0.2.7 -all"']}
        for records, raw, expected in (
            (zone, self.signed(), "pass"), (zone | spf, None, "pass"), (zone, None, "fail"),
            (zone, self.signed("other.example"), "fail"),
        ):
            self.assertEqual(self.check(records, raw)["dmarc"],
                             {"result": expected, "policy": "reject"})
        self.assertEqual(self.check({})["dmarc"], {"result": "none", "policy": None})
        two = zone | {("_dmarc.far.example", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']}
        self.assertEqual(self.check(two)["dmarc"]["result"], "none")
        below = message().as_bytes().replace(b"joe@far.example>", b"joe@news.far.example>", 1)
        self.assertEqual(self.check(zone | spf, below)["dmarc"],
                         {"result": "pass", "policy": "none"})
        strict = zone | spf | {
            ("_dmarc.far.example", "TXT"): ['"v=DMARC1; p=quarantine; aspf=s"']}
        self.assertEqual(self.check(strict, below)["dmarc"],
                         {"result": "fail", "policy": "quarantine"})


@tagged("post_install", "-at_install")
class TestMailboxWebhook(PlatformCase):
    def setUp(self):
        super().setUp()
        self.mailbox = self.make_mailbox("in")
        self.hook = self.env["emboux.webhook"].create(
            {"name": "Shop", "url": "https://shop.example/"})
        self.patch(authentication, "resolver", lambda _nameservers: Zone({}))

    def told(self):
        return [json.loads(payload) for [payload] in self.rows(
            "SELECT payload FROM emboux_mail.webhook_delivery WHERE webhook_id = %s"
            " AND type = 'message.received' ORDER BY id", self.hook.id)]

    def take(self, mail):
        self.hook.sudo()._take_message(self.mailbox, TOP + RECEIVED + mail.as_bytes())

    def test_told_once_with_its_parts(self):
        self.mailbox.webhook_id = self.hook
        large = bytes(range(256)) * 1000
        mail = message()
        mail.add_attachment(large, maintype="image", subtype="png", filename="large.png")
        for _twice in range(2):
            self.take(mail)
        [event] = self.told()
        ReceivedEvent.model_validate(event)
        data = event["data"]
        self.assertEqual((data["mailbox"], data["recipients"]),
                         ("in@unit.example", ["orders@unit.example"]))
        small, big = data["attachments"]
        self.assertEqual(base64.b64decode(small["content"]), b"%PDF")
        self.assertIsNone(big["content"])
        number = int(big["url"].partition("/web/content/")[2].partition("?")[0])
        kept = self.env["ir.attachment"].sudo().browse(number)
        self.assertEqual((kept.raw, kept.public), (large, False))
        self.assertIn(kept.access_token, big["url"])
        self.env.cr.execute("UPDATE ir_attachment SET create_date = create_date - interval '15 d'"
                            " WHERE id = %s", [kept.id])
        kept.invalidate_recordset()
        self.assertEqual(self.env["emboux.webhook"]._gc_shared(), (1, False))

    def test_postfix_hands_it_over(self):
        before = self.rows("SELECT path FROM emboux_mail.pushed WHERE email = 'in@unit.example'")
        self.mailbox.webhook_id = self.hook
        after = self.rows("SELECT path, url, secret IS NOT NULL FROM emboux_mail.pushed"
                          " WHERE email = 'in@unit.example'")
        self.assertEqual((before, after),
                         ([], [(f"/emboux/received/{self.mailbox.id}", None, True)]))
        self.assertEqual(self.rows("SELECT emboux_mail.transport_of('IN@unit.example')"),
                         [("in@unit.example",)])

    def test_what_does_not_go_together(self):
        self.mailbox.forward_to = "joe@far.example"
        with self.assertRaisesRegex(UserError, "forwards"):
            self.mailbox.webhook_id = self.hook
        self.mailbox.forward_to = False
        stranger = self.env["emboux.webhook"].create({
            "name": "Other", "url": "https://other.example/",
            "partner_id": self.env["res.partner"].create({"name": "Other"}).id})
        with self.assertRaisesRegex(UserError, "does not belong"):
            self.mailbox.webhook_id = stranger
        self.mailbox.sudo().push_secret = "whsec_x"
        with self.assertRaisesRegex(UserError, "goes to Odoo"):
            self.mailbox.webhook_id = self.hook
