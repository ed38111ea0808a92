# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""With whom an ``EmbouxBackend`` connects, and with whom it never does."""

import datetime
import os
import socket
import tempfile
import time
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from odoo.addons.emboux_core.net import guard, http
from odoo.addons.emboux_core.net.errors import Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.tests.emboux_case import OK, FaultCase, alias, page, user
from odoo.addons.emboux_core.tests.http_server import ScriptedServer, answer, drip


class TestConnecting(FaultCase):
    def addresses(self, *found):
        """Let every name have these addresses, look-up by look-up."""
        answers = [
            [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "",
              (a, self.server.port)) for a in one]
            for one in found
        ]
        return self.startPatcher(mock.patch.object(guard.socket, "getaddrinfo",
                                                   side_effect=answers))

    def test_addresses_that_are_no_urls_of_an_api(self):
        for url, said in {
            "": "https://", None: "https://", False: "https://", "mail.example": "https://",
            "ftp://mail.example": "https://", "http://mail.example": "https://",
            "file:///etc/passwd": "https://", "https://": "not a URL",
            "https://ann:secret@mail.example": "no user name",
            "https://mail.example/?a=b": "no user name", "https://mail.example/#x": "no user name",
            "https://mail.example?": "no user name", "https://mail.example:99999": "not a URL",
            "https://mail.example:0": "not a URL", "https://mail.example:x": "not a URL",
            "https://[::1": "not a URL", "https://mail.example\\@evil.example/": "no user name",
            "https://mail example": "not a URL", "https://mail.example/../x": "not a URL",
            "https://mail.example/a%2fb": "not a URL", "https://-": "not a URL",
            "https://b\u00fccher\u202e.example": "not a URL",
        }.items():
            with self.subTest(url):
                with self.assertRaisesRegex(Refused, said) as caught:
                    http.check_url(url)
                self.assertNotIn("secret", str(caught.exception))
                self.failure(Refused, self.read, self.client(url or " ", allow_private=False))

    def test_addresses_that_are(self):
        for url, kept in {
            " https://Mail.example/ ": "https://mail.example",
            "https://mail.example:8443/a/b/": "https://mail.example:8443/a/b",
            "https://bücher.example": "https://xn--bcher-kva.example",
            "https://[2001:DB8::1]:444": "https://[2001:db8::1]:444",
        }.items():
            self.assertEqual(http.check_url(url), kept)

    def test_names_with_an_address_of_ours_are_refused_before_a_byte_is_sent(self):
        backend = self.client(f"https://mail.example:{self.server.port}", allow_private=False)
        for address in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
                        "0.0.0.0", "::1", "::ffff:127.0.0.1", "fd00::1", "fe80::1",
                        "64:ff9b::7f00:1"):
            with self.subTest(address), mock.patch.object(guard.socket, "socket") as connecting:
                self.addresses([address])
                said = self.failure(Refused, self.put, backend)
                self.assertEqual(said, f"mail.example has the address {address}, which is not on "
                                       "the public internet.")
                self.assertFalse(connecting.called)
        self.assertEqual(self.server.connections, 0)
        self.assertFalse(self.pauses)

    def test_the_address_that_was_looked_at_is_the_one_that_is_used(self):
        """Another look-up would have another answer: DNS rebinding."""
        self.patch(guard, "is_public", lambda address: address == "192.0.2.1")
        looked_up = self.addresses(["192.0.2.1"], ["127.0.0.1"])
        backend = self.client(f"https://mail.example:{self.server.port}", allow_private=False)
        with mock.patch.object(guard.socket.socket, "connect", side_effect=OSError) as connect:
            self.failure(Refused, self.put, backend)
        connect.assert_called_once_with(("192.0.2.1", self.server.port))
        self.assertEqual(looked_up.call_count, 2, "the second try looks again, and is refused")
        self.assertEqual(self.server.connections, 0)

    def test_plain_http_stays_on_this_machine(self):
        backend = self.client(f"http://mail.example:{self.server.port}")
        self.addresses(["10.0.0.1"], ["10.0.0.1", "127.0.0.1"])
        self.assertIn("use https for mail.example", self.failure(Refused, self.put, backend))
        self.server.script(answer(200, page()))
        self.read(backend)
        self.assertEqual(self.server.connections, 1)

    def test_the_next_address_when_the_first_takes_no_connections(self):
        self.addresses(["127.0.0.2", "127.0.0.1"])  # the server is on the second alone
        self.server.script(answer(200, page()))
        self.read(self.client(f"http://mail.example:{self.server.port}"))
        self.assertEqual(self.server.connections, 1)

    def test_what_was_never_sent_is_unreachable(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            backend = self.client(f"http://127.0.0.1:{closed.getsockname()[1]}")
            self.assertIn("Nothing takes connections", self.failure(Unreachable, self.put, backend))
        self.assertEqual(self.pauses, [0.5, 1.0])
        for error, said in ((TimeoutError(), "within 5 s"), (OSError(101, "x"), "came about")):
            with mock.patch.object(guard.socket.socket, "connect", side_effect=error):
                self.assertIn(said, self.failure(Unreachable, self.put))
        for error in (socket.gaierror(-2, "Name or service not known"), UnicodeError()):
            with mock.patch.object(guard.socket, "getaddrinfo", side_effect=error):
                self.assertIn("cannot be resolved", self.failure(Unreachable, self.put))

    def test_the_environment_names_no_proxy(self):
        self.startPatcher(mock.patch.dict(os.environ, {
            "http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9",
        }))  # fmt: skip
        self.server.script(answer(200, page()))
        self.read()
        self.assertEqual(self.server.seen[0].path.partition("?")[0], "/emboux/v1/aliases/")


class TestTls(FaultCase):
    """A server with a certificate for mail.example."""

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.certificate = self.write_certificate(folder)
        self.secure = ScriptedServer((self.certificate, f"{folder}/key.pem")).start()
        self.addCleanup(self.secure.stop)
        target = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.secure.port))
        self.startPatcher(mock.patch.object(guard.socket, "getaddrinfo", return_value=[target]))

    def write_certificate(self, folder):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("mail.example")]), False)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        pem = serialization.Encoding.PEM
        with open(f"{folder}/key.pem", "wb") as file:
            file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
        with open(f"{folder}/certificate.pem", "wb") as file:
            file.write(certificate.public_bytes(pem))
        return f"{folder}/certificate.pem"

    def test_a_trusted_certificate(self):
        self.secure.script(answer(200, page(alias())), answer(200, user()))
        backend = self.client("https://mail.example", ca_file=self.certificate)
        self.assertEqual(len(self.read(backend)), 1)
        self.put(backend)
        self.assertEqual(self.secure.connections, 1)

    def test_dripping_over_tls(self):
        self.secure.script(drip(OK, b"X: y\r\n"))
        backend = self.hasty(read=5, total=0.5, url="https://mail.example",
                             ca_file=self.certificate)
        self.assertIn("within 0.5 s", self.failure(UnknownOutcome, self.put, backend))

    def test_a_certificate_that_is_not_trusted_or_of_another_name(self):
        for url, trusted, said in (
            ("https://mail.example", None, "self-signed"),
            ("https://else.example", self.certificate, "Hostname mismatch"),
        ):
            with self.subTest(url):
                backend = self.client(url, ca_file=trusted)
                self.assertIn(said, self.failure(Unreachable, self.put, backend))
        self.assertFalse(self.secure.seen)
        self.assertFalse(self.pauses, "a certificate does not mend itself within a second")

    def test_the_environment_adds_no_authorities(self):
        self.startPatcher(mock.patch.dict(os.environ, {"REQUESTS_CA_BUNDLE": self.certificate}))
        self.failure(Unreachable, self.put, self.client("https://mail.example"))
        self.assertFalse(self.secure.seen)

    def test_a_handshake_that_does_not_end(self):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            target = (socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())
            self.patch(guard.socket, "getaddrinfo", lambda *args, **options: [target])
            timeouts = guard.Timeouts(connect=0.2, read=5, total=0.5)
            backend = self.client("https://mail.example", timeouts=timeouts)
            begin = time.monotonic()
            self.assertIn("No connection to https://mail.example within 0.2 s",
                          self.failure(Unreachable, self.put, backend))
            self.assertLess(time.monotonic() - begin, 2)

    def test_a_server_without_tls(self):
        target = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.server.port))
        self.patch(guard.socket, "getaddrinfo", lambda *args, **options: [target])
        self.assertIn("No connection over TLS",
                      self.failure(Unreachable, self.put, self.client("https://mail.example")))
        self.assertFalse(self.server.seen)
