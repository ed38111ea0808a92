# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Domain Connect with a provider that a test has written: discovery, template, links."""

import base64
import json
import socket
import tempfile
from dataclasses import replace
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from odoo.addons.emboux_core.dns import domain_connect
from odoo.addons.emboux_core.dns.domain_connect import (
    EXAMPLE_SERVICE,
    DnsProvider,
    Signer,
    apply_url,
    discover,
    make_template,
    supports,
    template_text,
)
from odoo.addons.emboux_core.dns.expected import DkimKey, MailService, expected_records
from odoo.addons.emboux_core.dns.lookup import Resolver
from odoo.addons.emboux_core.net import guard
from odoo.addons.emboux_core.net.errors import Refused, Unreachable
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.tests import test_backend_emboux_connect as connect
from odoo.addons.emboux_core.tests.dns_server import DnsServer, PlainTest
from odoo.addons.emboux_core.tests.http_server import ScriptedServer, answer, drip, reset, silence

HOST = "mail.example"  # the name in the certificate
SEND = requests.Session.send
SETTINGS = {
    "providerId": "dns.example", "providerName": "DNS Example",
    "urlSyncUX": "https://connect.dns.example/ux", "urlAPI": f"https://{HOST}",
    "urlControlPanel": "https://panel.dns.example/?domain=%domain%", "width": 800,
}  # fmt: skip
PROVIDER = DnsProvider(
    "shop.test", "", "dns.example", "DNS Example", f"https://{HOST}", "https://connect.dns.example"
)
KEYS = (DkimKey("s1", "rsa", "QUI+/w=="), DkimKey("s2", "ed25519", "A" * 43 + "="))
SERVICE = MailService(
    mx=EXAMPLE_SERVICE.mx, spf=EXAMPLE_SERVICE.spf, dkim=KEYS, verification="t0ken",
    imap_host=EXAMPLE_SERVICE.imap_host, smtp_host=EXAMPLE_SERVICE.smtp_host,
)  # fmt: skip


class ProviderCase(PlainTest):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.trusted = connect.TestTls.write_certificate(self, folder)
        self.server = ScriptedServer((self.trusted, f"{folder}/key.pem")).start()
        self.addCleanup(self.server.stop)
        self.dns = DnsServer({"test": "", "shop.test": f'_domainconnect TXT "{HOST}"\n'}).start()
        self.addCleanup(self.dns.stop)
        target = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.server.port))
        self.startPatcher(mock.patch.object(guard.socket, "getaddrinfo", return_value=[target]))

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; ours resolve all names themselves."""
        return SEND(session, request, **options)

    def discover(self, domain="shop.test", **options):
        resolver = Resolver((("127.0.0.1", self.dns.port),), self.dns.port, 1.0, True)
        return discover(domain, resolver, ca_file=self.trusted, **options)


class TestDiscovery(ProviderCase):
    def test_a_provider(self):
        self.server.script(answer(200, SETTINGS))
        found = self.discover()
        self.assertEqual(self.server.seen[0].path, "/v2/shop.test/settings")
        self.assertNotIn("Authorization", self.server.seen[0].headers)
        self.assertEqual((found.zone, found.host, found.name), ("shop.test", "", "DNS Example"))
        self.assertEqual(found.sync_url, "https://connect.dns.example/ux")
        self.assertEqual(found.control_panel, "https://panel.dns.example/?domain=shop.test")
        self.assertEqual((found.width, found.height), (800, 750))

    def test_a_subdomain_and_a_path(self):
        self.dns.add_zone("shop.test", f'_domainconnect TXT "{HOST}/a/dc"\n')
        self.server.script(answer(200, SETTINGS))
        found = self.discover("News.shop.test")
        self.assertEqual((found.zone, found.host), ("shop.test", "news"))
        self.assertEqual(self.server.seen[0].path, "/a/dc/v2/shop.test/settings")

    def test_zones_without(self):
        for texts in ((), ("a", "b"), ("https://x.test/",), ("u:p@x.test",), ("x.test/../y",),
                      ("x.test?a=b",), ("x.test#a",), ("",)):  # fmt: skip
            with self.subTest(texts):
                zone = "".join(f'_domainconnect TXT "{text}"\n' for text in texts)
                self.dns.add_zone("shop.test", zone)
                self.assertIsNone(self.discover())
        self.assertFalse(self.server.seen)

    def test_a_record_that_was_left_over(self):
        self.server.script(answer(404))
        self.assertIsNone(self.discover())

    def test_providers_that_do_not_answer_as_they_should(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for reply, said in (
            (answer(500), "answers with 500"), (answer(302, Location="https://x.test"), "with 302"),
            (answer(200, b"{"), "not JSON"), (answer(200, []), "not an object"),
            (answer(200, {**SETTINGS, "providerId": 1}), '"providerId"'),
            (answer(200, {**SETTINGS, "urlAPI": "http://x.test"}), "https://"),
            (answer(200, {**SETTINGS, "urlSyncUX": "javascript:alert(1)"}), "https://"),
            (answer(200, b" " * 70_000), "too long"), (reset(), "no usable answer"),
            (silence(), "in time"), (drip(head, b"X"), "in time"),
        ):  # fmt: skip
            with self.subTest(said):
                self.server.script(reply)
                with self.assertRaisesRegex(Unreachable, said):
                    self.discover(timeouts=Timeouts(1, 0.3, 0.5))

    def test_parts_that_can_be_done_without(self):
        self.server.script(answer(200, {
            **SETTINGS, "urlControlPanel": "javascript:alert(1)", "urlSyncUX": None, "width": "9",
            "providerDisplayName": "Brand\n\x00x" + "y" * 500,
        }))  # fmt: skip
        found = self.discover()
        self.assertEqual((found.control_panel, found.sync_url, found.width), ("", "", 750))
        self.assertRegex(found.name, "^Brand xy+$")
        self.assertLessEqual(len(found.name), 200)

    def test_our_own_network_is_not_called(self):
        with self.assertRaisesRegex(Refused, "not on the public internet"):
            supports(PROVIDER, ca_file=self.trusted)
        for url in (f"https://{HOST}:8080", "https://192.0.2.1:25"):
            with self.assertRaisesRegex(Refused, "not at 443"):
                supports(replace(PROVIDER, api_url=url))
        self.assertFalse(self.server.connections)

    def test_dns_that_does_not_answer(self):
        self.dns.fault("shop.test", "servfail")
        with self.assertRaises(Unreachable):
            self.discover()

    def test_whether_it_has_the_template(self):
        options = {"allow_private": True, "ca_file": self.trusted}
        self.server.script(answer(200), answer(404), answer(503))
        self.assertTrue(supports(PROVIDER, **options))
        self.assertFalse(supports(PROVIDER, **options))
        self.assertRaises(Unreachable, supports, PROVIDER, **options)
        self.assertEqual(
            self.server.seen[0].path,
            "/v2/domainTemplates/providers/emboux.example/services/mail",
        )
        self.assertFalse(supports(DnsProvider("a.test", "", "x", "X", "https://x.test")))


class TestTemplate(PlainTest):
    def setUp(self):
        super().setUp()
        self.template = make_template()

    def link(self, records, provider=PROVIDER, **options):
        url = apply_url(provider, records, self.template, **options)
        return url, {k: v[0] for k, v in parse_qs(urlsplit(url).query, True).items()}

    def filled(self, query):
        """Return (type, name, value) of what a provider would write."""
        made = set()
        groups = query["groupId"].split(",")
        domain = ".".join(filter(None, (query["host"], query["domain"])))

        def fill(text):
            for name, value in query.items():
                text = str(text).replace(f"%{name}%", value)
            return text

        for entry in self.template["records"]:
            if entry["groupId"] not in groups:
                continue
            kind, host = entry["type"], fill(entry.get("host", ""))
            owner = domain if host in ("@", "") else f"{host}.{domain}"
            if kind == "MX":
                made.add((kind, owner, f"{entry['priority']} {entry['pointsTo']}."))
            elif kind == "SPFM":
                made.add(("TXT", owner, f"v=spf1 {entry['spfRules']} ~all"))
            elif kind == "SRV":
                made.add((kind, f"{entry['service']}.{entry['protocol']}.{owner}",
                          "{priority} {weight} {port} {target}.".format(**entry)))  # fmt: skip
            else:
                made.add((kind, owner, fill(entry["data"])))
        return made

    def test_the_file_is_what_the_records_say(self):
        with open(domain_connect.TEMPLATE_FILE) as file:
            self.assertEqual(file.read(), template_text(self.template))
        self.assertEqual(domain_connect.TEMPLATE_FILE.name, "emboux.example.mail.json")
        self.assertTrue(self.template["warnPhishing"])
        signed = make_template(key_domain="emboux.example")
        self.assertNotIn("warnPhishing", signed)

    def test_a_link_writes_the_records(self):
        for domain, host in (("shop.test", ""), ("news.shop.test", "news")):
            records = expected_records(domain, SERVICE)
            provider = DnsProvider("shop.test", host, "x", "X", "https://a.test", "https://u.test")
            url, query = self.link(records, provider)
            self.assertEqual(
                url.partition("?")[0],
                "https://u.test/v2/domainTemplates/providers/emboux.example/services/mail/apply",
            )
            self.assertEqual((query["domain"], query["host"]), ("shop.test", host))
            self.assertEqual(self.filled(query), {(r.record_type, r.name, r.value)
                                                  for r in records})  # fmt: skip

    def test_a_link_for_some_of_the_records(self):
        records = expected_records("shop.test", SERVICE)
        chosen = tuple(r for r in records if r.key in ("dkim:s2", "spf"))
        url, query = self.link(chosen, redirect_uri="https://o.test/?a=b&c", state="x y")
        self.assertEqual(self.filled(query), {(r.record_type, r.name, r.value) for r in chosen})
        self.assertEqual((query["redirect_uri"], query["state"]), ("https://o.test/?a=b&c", "x y"))
        self.assertIn("state=x%20y", url)

    def test_records_of_another_platform_are_not_taken_for_ours(self):
        other = MailService(spf=("include:else.test",))
        with self.assertRaisesRegex(ValueError, "does not have this record"):
            self.link(expected_records("shop.test", other))
        many = MailService(dkim=tuple(DkimKey(f"k{n}", "rsa", "QUJD") for n in range(5)))
        with self.assertRaisesRegex(ValueError, "4 DKIM keys"):
            self.link(expected_records("shop.test", many))
        with self.assertRaisesRegex(ValueError, "takes no links"):
            self.link((), DnsProvider("a.test", "", "x", "X", "https://x.test"))

    def test_a_signature(self):
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())  # fmt: skip
        signer = Signer("_dck1", pem)
        url, query = self.link(expected_records("shop.test", SERVICE), signer=signer)
        text, _, rest = url.partition("?")[2].partition("&sig=")
        self.assertTrue(rest.endswith("&key=_dck1"))
        key.public_key().verify(
            base64.b64decode(query["sig"]), text.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        self.assertNotIn("PRIVATE", repr(signer))

    def test_the_template_is_one_of_the_specification(self):
        text = json.dumps(self.template)
        self.assertNotIn(" ", self.template["serviceId"])
        for entry in self.template["records"]:
            needed = {
                "MX": {"host", "pointsTo", "priority", "ttl"},
                "SPFM": {"host", "spfRules"},
                "TXT": {"host", "data", "ttl"},
                "SRV": {"name", "target", "ttl", "priority", "protocol", "service", "weight",
                        "port"},
            }[entry["type"]]  # fmt: skip
            self.assertLessEqual(needed, set(entry))
            self.assertNotIn("%", entry["groupId"] + entry.get("txtConflictMatchingPrefix", ""))
        self.assertEqual(text.count("%verification%"), 1)
