# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The records that a domain should have, and the zone file made of them."""

import base64
from dataclasses import replace

import dns.zone

from odoo.addons.emboux_core.dns.expected import (
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
    expected_records,
    is_wildcard,
    zone_text,
)
from odoo.addons.emboux_core.dns.judge import judge
from odoo.addons.emboux_core.tests.dns_server import PlainTest

RSA = base64.b64encode(b"\x30" * 294).decode()
SERVICE = MailService(
    mx=(MxTarget(20, "mx2.host.test"), MxTarget(10, "MX1.host.test.")),
    spf=("a:mail.host.test", "include:spf.host.test"),
    dkim=(DkimKey("s1", "rsa", RSA), DkimKey("s2", "ed25519", "QUFB")),
    verification="abc123",
    imap_host="imap.host.test",
    imaps_port=993,
    smtp_host="smtp.host.test",
    submissions_port=465,
)


class TestExpected(PlainTest):
    def setUp(self):
        super().setUp()
        self.records = {r.key: r for r in expected_records("Bücher.example.", SERVICE)}

    def test_every_record(self):
        name = "xn--bcher-kva.example"
        self.assertEqual(
            [(r.key, r.record_type, r.name, r.value, r.level) for r in self.records.values()],
            [
                ("verification", "TXT", f"_emboux.{name}", "emboux-verification=abc123",
                 "required"),
                ("mx", "MX", name, "10 mx1.host.test.\n20 mx2.host.test.", "required"),
                ("spf", "TXT", name, "v=spf1 a:mail.host.test include:spf.host.test ~all",
                 "required"),
                ("dkim:s1", "TXT", f"s1._domainkey.{name}", f"v=DKIM1; k=rsa; p={RSA}", "required"),
                ("dkim:s2", "TXT", f"s2._domainkey.{name}", "v=DKIM1; k=ed25519; p=QUFB",
                 "recommended"),
                ("dmarc", "TXT", f"_dmarc.{name}", "v=DMARC1; p=none; adkim=r; aspf=r",
                 "recommended"),
                ("srv:imaps", "SRV", f"_imaps._tcp.{name}", "0 1 993 imap.host.test.", "optional"),
                ("srv:submissions", "SRV", f"_submissions._tcp.{name}", "0 1 465 smtp.host.test.",
                 "optional"),
            ],
        )  # fmt: skip
        for record in self.records.values():
            self.assertRegex(record.purpose, r"^[A-Z].*\.$")

    def test_subdomain_that_inherits_needs_neither_proof_nor_key(self):
        service = MailService(
            mx=SERVICE.mx, spf=SERVICE.spf, dkim=SERVICE.dkim, dkim_domain="example.com"
        )
        keys = [record.key for record in expected_records("shop.example.com", service)]
        self.assertEqual(keys, ["mx", "spf", "dmarc"])

    def test_a_wildcard_parent_serves_its_subdomains_too(self):
        found = {r.key: r for r in expected_records("p.test", replace(SERVICE, wildcard=True))}
        for key in ("mx", "spf"):
            own, theirs = found[key], found[f"wildcard:{key}"]
            self.assertEqual((own.name, theirs.name), ("p.test", "*.p.test"))
            self.assertEqual((theirs.record_type, theirs.value, theirs.level),
                             (own.record_type, own.value, "required"))
            self.assertTrue(is_wildcard(theirs.key) and not is_wildcard(own.key))
        self.assertEqual(len(found), len(self.records) + 2)
        self.assertIn("*.p.test. 3600 IN MX 10 mx1.host.test.", zone_text(tuple(found.values())))
        # judged as the domain's own: by meaning, whatever stands beside it
        theirs = found["wildcard:spf"]
        for text, state in (("v=spf1 mx a:mail.host.test include:spf.host.test -all", "ok"),
                            ("v=spf1 -all", "wrong"), ("another text", "missing")):
            self.assertEqual(judge(theirs, (text,)).state, state)

    def test_service_that_dns_cannot_hold(self):
        for service in (
            MailService(mx=(MxTarget(70000, "mx.test"),)),
            MailService(mx=(MxTarget(10, "mx.test\nevil A 1.2.3.4"),)),
            MailService(imap_host="imap.test", imaps_port=-1),
        ):
            with self.subTest(service), self.assertRaisesRegex(ValueError, "."):
                expected_records("example.com", service)

    def test_what_the_web_host_serves(self):
        service = MailService(mta_sts_host="Web.host.test", mta_sts_id="a1", tls_report="t@h.test",
                              autoconfig_host="web.host.test")  # fmt: skip
        found = {r.key: r for r in expected_records("shop.test", service)}
        self.assertEqual(
            {key: (r.record_type, r.name, r.value) for key, r in found.items() if key != "dmarc"},
            {
                "autoconfig": ("CNAME", "autoconfig.shop.test", "web.host.test."),
                "srv:autodiscover": (
                    "SRV", "_autodiscover._tcp.shop.test", "0 1 443 web.host.test."),
                "mta_sts:host": ("CNAME", "mta-sts.shop.test", "web.host.test."),
                "mta_sts": ("TXT", "_mta-sts.shop.test", "v=STSv1; id=a1"),
                "tls_report": ("TXT", "_smtp._tls.shop.test", "v=TLSRPTv1; rua=mailto:t@h.test"),
            },
        )  # fmt: skip
        for record in found.values():
            self.assertEqual(record.level, "recommended" if record.key == "dmarc" else "optional")
            self.assertRegex(record.purpose, r"^[A-Z].*\.$")
        self.assertNotIn("mta_sts", {r.key for r in expected_records(
            "shop.test", MailService(mta_sts_host="web.host.test"))})  # fmt: skip
        for wrong in ({"mta_sts_id": "a-b"}, {"tls_report": "a;b@h.test"}):
            with self.assertRaises(ValueError):
                expected_records("shop.test", replace(service, **wrong))

    def provided(self, **changes):
        values = {"key": "dkim:abc", "record_type": "CNAME", "name": "abc._domainkey.shop.test",
                  "value": "abc.dkim.test.", "level": "required", "purpose": "Why."}  # fmt: skip
        service = replace(SERVICE, records=(ExpectedRecord(**values | changes),))
        return {record.key: record for record in expected_records("shop.test", service)}

    def test_provider_records_are_listed_with_the_others(self):
        record = self.provided(name="ABC._domainkey.Shop.test.")["dkim:abc"]
        self.assertEqual((record.name, record.value), ("abc._domainkey.shop.test",
                                                       "abc.dkim.test."))
        self.assertIn("provider:proof", self.provided(key="provider:proof"))

    def test_what_a_provider_may_not_want(self):
        for wrong in ({"key": "mx"}, {"key": "dkim:s1"}, {"name": "abc.other.test"},
                      {"name": "notshop.test"}, {"name": "ä.shop.test"}, {"record_type": "NS"},
                      {"level": "urgent"}):  # fmt: skip
            with self.subTest(wrong), self.assertRaises(ValueError):
                self.provided(**wrong)

    def test_zone_text_parses_to_the_same_records(self):
        name = "xn--bcher-kva.example."
        text = zone_text(tuple(self.records.values()), ttl=300)
        zone = dns.zone.from_text(text, origin=name, relativize=False, check_origin=False)
        self.assertEqual({s.ttl for _, s in zone.iterate_rdatasets()}, {300})
        self.assertEqual(
            sorted(r.to_text() for r in zone.find_rdataset(name, "MX")),
            ["10 mx1.host.test.", "20 mx2.host.test."],
        )
        (srv,) = zone.find_rdataset(f"_imaps._tcp.{name}", "SRV")
        self.assertEqual(srv.to_text(), "0 1 993 imap.host.test.")
        (dkim,) = zone.find_rdataset(f"s1._domainkey.{name}", "TXT")
        self.assertEqual(b"".join(dkim.strings).decode(), self.records["dkim:s1"].value)
        self.assertGreater(len(dkim.strings), 1)

    def test_zone_text_says_why_above_each_record(self):
        lines = zone_text(tuple(self.records.values())).splitlines()
        for record in self.records.values():
            start = f"{record.name}. 3600 IN {record.record_type} "
            place = next(i for i, line in enumerate(lines) if line.startswith(start))
            self.assertIn(record.purpose, lines[place - 1])
            self.assertTrue(lines[place - 1].startswith("; "))

    def test_zone_text_escapes(self):
        value = 'a"b\\c; ü\r\n@ IN A 192.0.2.1' + "x" * 600
        record = ExpectedRecord("x", "TXT", "example.com", value, "optional", "Two\nlines.")
        zone = dns.zone.from_text(
            zone_text((record,)), origin="example.com.", relativize=False, check_origin=False
        )
        (txt,) = zone.find_rdataset("example.com.", "TXT")
        self.assertEqual(b"".join(txt.strings).decode(), value)

    def test_zone_text_refuses_what_cannot_be_written(self):
        for name, record_type, value in (
            ("a" * 64 + ".com", "TXT", "x"),
            ("example.com", "MX", "not a preference mail."),
        ):
            record = ExpectedRecord("x", record_type, name, value, "required", "Why.")
            with self.subTest(name), self.assertRaisesRegex(ValueError, "cannot be written"):
                zone_text((record,))
        self.assertEqual(zone_text(()), "")
