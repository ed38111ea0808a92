# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the records of hosted domains lead to: MTA-STS policy, settings of mail programs."""

from dataclasses import asdict

from lxml import etree

from odoo.exceptions import ValidationError
from odoo.tests import HttpCase, tagged

from odoo.addons.emboux_core.dns.expected import expected_records
from odoo.addons.emboux_core.tests.dns_server import PlainTest

from .. import policy_files
from .common import PlatformCase

STS, AUTOCONFIG = "/.well-known/mta-sts.txt", "/mail/config-v1.1.xml"
AUTODISCOVER = "/autodiscover/autodiscover.xml"
REQUEST = (
    '<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/'
    'autodiscover/outlook/requestschema/2006"><Request><EMailAddress>{}</EMailAddress>'
    "</Request></Autodiscover>"
)
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "unit.example"><!ENTITY b SYSTEM '
    '"file:///etc/passwd">]><Autodiscover><EMailAddress>ann@&a;&b;</EMailAddress></Autodiscover>'
)


@tagged("post_install", "-at_install")
class TestPolicyHost(PlatformCase, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.backend.policy_host = "Web.Unit.Example"
        cls.make_mailbox("ann")

    def get(self, path, host, **options):
        return self.url_open(path, headers={"Host": host}, **options)

    def discover(self, body, **headers):
        return self.url_open(
            AUTODISCOVER, body, headers={"Content-Type": "text/xml", **headers}
        )

    def test_mta_sts_policy(self):
        for host in ("mta-sts.unit.example", "MTA-STS.Unit.Example:443"):
            answer = self.get(STS, host)
            self.assertEqual(answer.status_code, 200)
            self.assertEqual(answer.headers["Content-Type"], "text/plain; charset=utf-8")
            self.assertNotIn("Set-Cookie", answer.headers)
            self.assertEqual(
                answer.text.split("\r\n"),
                ["version: STSv1", "mode: testing", "mx: mail.unit.example", "max_age: 86400", ""],
            )
        self.backend.mta_sts_mode = "enforce"
        self.assertIn("mode: enforce\r\n", self.get(STS, "mta-sts.unit.example").text)

    def test_no_policy_for_others(self):
        self.make_domain("unproven.example")
        for host in ("unit.example", "autoconfig.unit.example", "mta-sts.unproven.example",
                     "mta-sts.nobody.example", "mta-sts.", "mta-sts.%00", "127.0.0.1:80"):
            self.assertEqual(self.get(STS, host).status_code, 404, host)
        self.backend.policy_host = False
        self.assertEqual(self.get(STS, "mta-sts.unit.example").status_code, 404)

    def test_thunderbird(self):
        first = self.get(AUTOCONFIG, "autoconfig.unit.example")
        self.assertEqual(first.status_code, 200)
        root = etree.fromstring(first.content)
        self.assertEqual(root.findtext(".//incomingServer/hostname"), "mail.unit.example")
        self.assertEqual(root.findtext(".//incomingServer/port"), "993")
        self.assertEqual(root.findtext(".//incomingServer/username"), "%EMAILADDRESS%")
        self.assertEqual(
            [server.findtext("socketType") for server in root.iter("outgoingServer")],
            ["SSL", "STARTTLS"],
        )
        for address in ("ann@unit.example", "nobody@unit.example"):
            again = self.get(f"{AUTOCONFIG}?emailaddress={address}", "autoconfig.unit.example")
            self.assertEqual(again.content, first.content, "nothing about mailboxes")
            on_host = self.get(f"{AUTOCONFIG}?emailaddress={address}", "web.unit.example")
            self.assertEqual(on_host.content, first.content)
        for host in ("autoconfig.nobody.example", "web.unit.example"):
            self.assertEqual(self.get(AUTOCONFIG, host).status_code, 404)

    def test_outlook(self):
        answers = [self.discover(REQUEST.format(f"{name}@Unit.Example"))
                   for name in ("ann", "nobody")]  # fmt: skip
        self.assertEqual({answer.status_code for answer in answers}, {200})
        self.assertEqual(len({answer.content for answer in answers}), 1, "nothing about mailboxes")
        root = etree.fromstring(answers[0].content)
        found = [(p.findtext("{*}Type"), p.findtext("{*}Server"), p.findtext("{*}Port"))
                 for p in root.iter("{*}Protocol")]  # fmt: skip
        self.assertEqual(found, [("IMAP", "mail.unit.example", "993"),
                                 ("SMTP", "mail.unit.example", "465")])
        other = self.discover(REQUEST.format("ann@nobody.example"))
        self.assertEqual(other.status_code, 404)

    def test_outlook_gets_no_entities_and_no_large_bodies(self):
        self.assertEqual(self.discover(BOMB).status_code, 400)
        self.assertEqual(self.discover("<a>").status_code, 400)
        self.assertEqual(self.discover("<a/>").status_code, 400)
        large = REQUEST.format("ann@unit.example") + " " * policy_files.MAX_REQUEST_BYTES
        self.assertEqual(self.discover(large).status_code, 413)
        self.assertEqual(self.url_open(AUTODISCOVER).status_code, 405)

    def test_domains_are_asked_for_what_exists_and_no_more(self):
        keys = set(self.domain.dns_record_ids.mapped("key"))
        self.assertLessEqual({"mta_sts", "mta_sts:host", "autoconfig", "srv:autodiscover"}, keys)
        self.assertNotIn("tls_report", keys)
        rows = {row.key: row for row in self.domain.dns_record_ids}
        self.assertEqual(rows["mta_sts:host"].expected, "web.unit.example.")
        before = rows["mta_sts"].expected
        self.backend.mta_sts_mode = "enforce"
        self.assertNotEqual(rows["mta_sts"].expected, before, "senders have to fetch it anew")
        self.backend.write({"policy_host": False, "tls_report_address": "Tls@Unit.example"})
        keys = set(self.domain.dns_record_ids.mapped("key"))
        self.assertFalse(keys & {"mta_sts", "mta_sts:host", "autoconfig", "srv:autodiscover"})
        self.assertIn("tls_report", keys)

    def test_a_report_address_that_cannot_stand_in_dns(self):
        with self.assertRaisesRegex(ValidationError, "cannot stand in a DNS record"):
            self.backend.tls_report_address = "a!b@unit.example"

    def test_the_services_of_the_api_name_every_field(self):
        service = self.domain.sudo()._mail_service()
        from ..controllers.api.schemas.domain import Service

        self.assertEqual(set(asdict(service)), set(Service.model_fields))
        self.assertTrue(expected_records(self.domain.name, service))


class TestPolicyFiles(PlainTest):
    HOSTS = policy_files.Hosts(("mx.test",), "a<b&c", 993, "s.test", 465, 587)

    def test_what_is_written_is_escaped(self):
        for text in (policy_files.autoconfig("x&<y>", self.HOSTS),
                     policy_files.autodiscover(self.HOSTS)):
            self.assertIn("a<b&c", etree.fromstring(text.encode()).xpath("string()"))

    def test_ids_of_policies(self):
        one = policy_files.mta_sts_policy("testing", ("mx.test",))
        other = policy_files.mta_sts_policy("enforce", ("mx.test",))
        self.assertRegex(policy_files.policy_id(one), r"^[a-z0-9]{1,32}$")
        self.assertNotEqual(policy_files.policy_id(one), policy_files.policy_id(other))

    def test_a_request_in_other_encodings_has_no_doctype_either(self):
        with self.assertRaises(policy_files.NotARequest):
            policy_files.address_asked_for(BOMB.replace("1.0", "1.0").encode("utf-16"))
        with self.assertRaises(policy_files.NotARequest):
            policy_files.address_asked_for(b"")
