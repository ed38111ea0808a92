# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Signatures of SNS, against certificates that a server of the tests gives out over real TLS."""

import base64
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from unittest import mock

from odoo.addons.emboux_core.net import guard
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_core.tests.emboux_case import SEND
from odoo.addons.emboux_core.tests.http_server import answer, drip, reset

from ..events.fetch import Fetcher, FetchFailed
from ..events.sns import (
    NotSigned,
    SnsVerifier,
    TryLater,
    is_certificate_url,
    is_confirmation_url,
    is_topic,
)
from .provider_reports import ses_bounce
from .sns_signer import (
    CERTIFICATE_URL,
    CONFIRM_URL,
    HOST,
    TOPIC,
    certificate,
    confirmation,
    notification,
    resolve_to,
    rsa_key,
    sign,
    tls_server,
)

BOUNCE = notification(ses_bounce("jane@example.com"))
TOPICS = frozenset({TOPIC})
#: Addresses that are not SNS's, however they look.
TRICKS = (
    "http://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
    "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
    "https://evil.example@sns.eu-west-1.amazonaws.com/x.pem",
    "https://a:b@sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com:443/x.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
    "https://sns.eu-west-1.amazonaws.com./x.pem",
    "https://SNS.eu-west-1.amazonaws.com/x.pem",
    "HTTPS://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com/x.pem?y",
    "https://sns.eu-west-1.amazonaws.com/x.pem#y",
    "https://sns.eu-west-1.amazonaws.com/../x.pem",
    "https://sns.eu-west-1.amazonaws.com/x.pem/",
    "https://sns.eu-west-1.amazonaws.com/x.txt",
    "https://sns.eu-west-1.amazonaws.com/%2e%2e/x.pem",
    "https://sns.eu-west-1.amazonaws.com/x.pem\n",
    "https://sns.eu-west-1.amazonaws.com/x.pem\r\nHost: evil.example",
    " https://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com//evil.example/x.pem",
    "https://evilsns.eu-west-1.amazonaws.com/x.pem",
    "https://x.sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com.cn.evil/x.pem",
    "https://sns.amazonaws.com/x.pem",
    "https://sns.evil.amazonaws.com/x.pem",
    "https://sns.x.y.amazonaws.com/x.pem",
    "https://sqs.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.org/x.pem",
    "https://sns.eu-w\u0435st-1.amazonaws.com/x.pem",
    "https://sns.eu-west-\u0661.amazonaws.com/x.pem",
    "https://sns.eu-west-1\uff0eamazonaws.com/x.pem",
    "https://127.0.0.1/x.pem",
    "file:///etc/ssl/certs/x.pem",
    "",
)


class SnsCase(PlainTest):
    """A server that is SNS's host to this test; ``asked`` holds all names that were looked up."""

    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.server, self.trusted = tls_server(self.folder)
        self.addCleanup(self.server.stop)
        self.asked = []
        self.enterContext(mock.patch.object(
            guard.socket, "getaddrinfo", resolve_to(self.server, self.asked)))
        self.now = datetime.now(UTC)
        self.verifier = self.make_verifier()

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; here every name leads there."""
        return SEND(session, request, **options)

    def make_verifier(self, **options):
        fetcher = Fetcher(allow_private=True, ca_file=self.trusted, **options)
        return SnsVerifier(fetcher, clock=lambda: self.now)

    def script(self, *replies):
        self.server.script(*(replies or [answer(200, certificate())]))

    def verify(self, message, topics=TOPICS):
        self.verifier.verify(message, topics)

    def refused(self, message, words, topics=TOPICS):
        with self.assertRaisesRegex(NotSigned, words):
            self.verify(message, topics)


class TestSignature(SnsCase):
    def test_both_versions(self):
        self.script()
        for version in ("1", "2"):
            self.verify(sign(BOUNCE, version=version))
            self.verify(sign(BOUNCE | {"Subject": "Amazon SES Email Event"}, version=version))
            self.verify(sign(confirmation(), version=version))
            self.verify(sign(confirmation("UnsubscribeConfirmation"), version=version))
        self.assertEqual([seen.path for seen in self.server.seen],
                         [CERTIFICATE_URL.removeprefix(f"https://{HOST}")])
        self.assertEqual(self.asked, [(HOST, 443)])

    def test_white_space_and_every_script_are_signed_as_they_are(self):
        self.script()
        self.verify(sign(BOUNCE | {"Message": "  Grüße \U0001f600\r\n", "Subject": " x "}))

    def test_each_field_is_signed(self):
        self.script()
        other = f"{TOPIC}2"
        for message in (BOUNCE | {"Subject": "Hello"}, confirmation()):
            good = sign(message)
            self.verify(good)
            for name in ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token",
                         "TopicArn"):
                if name in message:
                    changed = other if name == "TopicArn" else message[name] + "x"
                    with self.subTest(type=message["Type"], field=name):
                        self.refused(good | {name: changed}, "not of this message",
                                     TOPICS | {other})
        self.refused(sign(BOUNCE) | {"Subject": "added"}, "not of this message")
        self.refused({k: v for k, v in sign(BOUNCE | {"Subject": "x"}).items() if k != "Subject"},
                     "not of this message")

    def test_a_line_break_does_not_move_a_border(self):
        """Two fields that read like one: the text is the same, the message is not Amazon's."""
        self.script()
        message = BOUNCE | {"Subject": "x"}
        good = sign(message)
        self.verify(good)
        self.refused(good | {"Type": "SubscriptionConfirmation", "Token": "x",
                             "SubscribeURL": CONFIRM_URL}, "not of this message")

    def test_a_wrong_key(self):
        self.script()
        for version in ("1", "2"):
            self.refused(sign(BOUNCE, rsa_key("stranger"), version), "not of this message")

    def test_a_version_that_is_not_the_signatures(self):
        self.script()
        self.refused(sign(BOUNCE, version="1") | {"SignatureVersion": "2"}, "not of this message")
        for version in ("", "0", "3", "1 ", "SHA1"):
            self.refused(sign(BOUNCE) | {"SignatureVersion": version}, "neither 1 nor 2")

    def test_malformed_signatures(self):
        self.script()
        for signature in ("", "AAAA", base64.b64encode(b"x" * 256).decode()):
            self.refused(BOUNCE | {"Signature": signature, "SignatureVersion": "2"},
                         "not of this message")
        for signature in ("!", "AAA", "Ä"):
            self.refused(BOUNCE | {"Signature": signature, "SignatureVersion": "2"}, "Base64")

    def test_types_and_missing_fields(self):
        for changed in ({"Type": "Something"}, {"Type": ""}):
            self.refused(sign(BOUNCE) | changed, "none of SNS")
        for name in ("Token", "SubscribeURL"):
            self.refused({k: v for k, v in sign(confirmation()).items() if k != name},
                         f"{name} is missing")
        self.assertFalse(self.asked)

    def test_nobody_is_asked_about_a_topic_that_is_not_configured(self):
        for topics in (frozenset(), frozenset({TOPIC.upper()}), frozenset({f"{TOPIC}s"})):
            self.refused(sign(BOUNCE), "not configured", topics)
        self.assertFalse(self.asked)


class TestAddresses(SnsCase):
    def test_no_other_host_is_ever_asked(self):
        for url in TRICKS:
            with self.subTest(url):
                self.assertFalse(is_certificate_url(url))
                self.refused(sign(BOUNCE | {"SigningCertURL": url}), "not one of SNS")
                hidden = url.removesuffix("/x.pem") + (
                    f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=x")
                if url.endswith("/x.pem"):
                    self.assertFalse(is_confirmation_url(hidden, TOPIC))
        self.assertFalse(self.asked)
        self.assertFalse(self.server.connections)

    def test_where_certificates_are(self):
        for host in ("sns.eu-west-1.amazonaws.com", "sns.us-gov-west-1.amazonaws.com",
                     "sns.ap-southeast-4.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn",
                     "sns.us-iso-east-1.amazonaws.com"):
            for path in ("SimpleNotificationService-56e67fcb41f6fec09b0196692625d385.pem",
                         "some/folder/x.pem"):
                self.assertTrue(is_certificate_url(f"https://{host}/{path}"))

    def test_confirmations_do_nothing_else(self):
        self.assertTrue(is_confirmation_url(CONFIRM_URL, TOPIC))
        escaped = CONFIRM_URL.replace(TOPIC, TOPIC.replace(":", "%3A"))
        self.assertTrue(is_confirmation_url(escaped, TOPIC))
        for url in (
            CONFIRM_URL.replace("ConfirmSubscription", "Unsubscribe"),
            CONFIRM_URL + "&Action=DeleteTopic",
            CONFIRM_URL.replace("https://", "http://"),
            CONFIRM_URL.replace(TOPIC, f"{TOPIC}2"),
            CONFIRM_URL.replace("/?", "/x?"),
            CONFIRM_URL.replace(HOST, f"{HOST}.evil.example"),
            CONFIRM_URL.replace(HOST, f"{HOST}:8443"),
            CONFIRM_URL.replace(HOST, f"x@{HOST}"),
            CONFIRM_URL + "#x", CONFIRM_URL + "\n", "",
        ):
            self.assertFalse(is_confirmation_url(url, TOPIC), url)
            with self.assertRaises(NotSigned):
                self.verifier.confirm(confirmation(SubscribeURL=url))
        self.assertFalse(self.asked)

    def test_topics(self):
        for text in (TOPIC, "arn:aws-cn:sns:cn-north-1:123456789012:x"):
            self.assertTrue(is_topic(text))
        for text in ("", "x", TOPIC + " ", TOPIC.replace("sns", "sqs"), f"{TOPIC}:c9135db0"):
            self.assertFalse(is_topic(text))


class TestCertificate(SnsCase):
    def test_a_redirection_is_not_followed(self):
        for status in (301, 302, 307, 308):
            self.script(answer(status, b"", Location="https://evil.example/x.pem"))
            self.refused(sign(BOUNCE), "no certificate at that address")
        self.assertEqual(set(self.asked), {(HOST, 443)})
        self.script(answer(302, b"", Location="https://evil.example/"))
        with self.assertRaises(TryLater):
            self.verifier.confirm(confirmation())
        self.assertEqual(set(self.asked), {(HOST, 443)})

    def test_another_hosts_server_is_not_believed(self):
        stranger, trusted = tls_server(self.folder, "sns.us-east-1.amazonaws.com")
        self.addCleanup(stranger.stop)
        self.trusted = trusted
        self.verifier = self.make_verifier()
        with mock.patch.object(guard.socket, "getaddrinfo", resolve_to(stranger, self.asked)), \
                self.assertRaises(TryLater):
            self.verify(sign(BOUNCE))
        self.assertFalse(stranger.seen)

    def test_a_server_without_a_trusted_certificate(self):
        self.verifier = SnsVerifier(Fetcher(allow_private=True), clock=lambda: self.now)
        with self.assertRaises(TryLater):
            self.verify(sign(BOUNCE))
        self.assertFalse(self.server.seen)

    def test_a_name_that_resolves_to_a_private_address(self):
        self.verifier = SnsVerifier(Fetcher(ca_file=self.trusted), clock=lambda: self.now)
        with self.assertRaisesRegex(TryLater, "not on the public internet"):
            self.verify(sign(BOUNCE))
        self.assertFalse(self.server.connections)

    def test_no_proxy_of_the_environment(self):
        self.enterContext(mock.patch.dict(os.environ, {
            "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
            "ALL_PROXY": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}))
        self.script()
        self.verify(sign(BOUNCE))

    def test_dates_count_at_each_use(self):
        self.script()
        self.verify(sign(BOUNCE))
        for days in (-2, 2):
            self.now = datetime.now(UTC) + timedelta(days=days)
            self.refused(sign(BOUNCE), "not valid today")
        self.now = datetime.now(UTC)
        self.verify(sign(BOUNCE))
        self.assertEqual(len(self.server.seen), 1)

    def test_unusable_certificates(self):
        short = rsa_key("short", 1024)
        for body, words in (
            (b"", "is no certificate"), (b"\xff\xfe", "is no certificate"),
            (certificate()[:200], "is no certificate"),
            (certificate(short), "2048 bits"),
        ):
            self.script(answer(200, body))
            self.refused(sign(BOUNCE), words)
        self.script(answer(404, b"no such key"))
        self.refused(sign(BOUNCE), "no certificate at that address")

    def test_amazon_is_away(self):
        for reply in (answer(503, b""), answer(429, b""), reset()):
            self.script(reply)
            with self.assertRaises(TryLater):
                self.verify(sign(BOUNCE))
        self.script()
        self.verify(sign(BOUNCE))  # nothing bad was remembered

    def test_an_answer_without_end(self):
        self.script(answer(200, b"x" * 100_000))
        with self.assertRaisesRegex(TryLater, "longer than"):
            self.verify(sign(BOUNCE))
        self.script(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"))
        self.verifier = self.make_verifier(
            timeouts=guard.Timeouts(connect=1, read=1, total=0.5))
        begin = time.monotonic()
        with self.assertRaisesRegex(TryLater, "within 0.5 s"):
            self.verify(sign(BOUNCE))
        self.assertLess(time.monotonic() - begin, 3)

    def test_invented_addresses_cost_little(self):
        self.server.script(*[answer(404, b"")] * 20)
        for number in range(20):
            self.refused(sign(BOUNCE | {"SigningCertURL": f"https://{HOST}/{number}.pem"}),
                         "no certificate")
        with self.assertRaisesRegex(TryLater, "too many certificates"):
            self.verify(sign(BOUNCE))
        self.assertEqual(len(self.server.seen), 20)

    def test_nothing_but_https(self):
        with self.assertRaisesRegex(FetchFailed, "but by https"):
            Fetcher(allow_private=True).get(f"http://127.0.0.1:{self.server.port}/", 100)
        self.assertFalse(self.server.connections)


class TestConfirmation(SnsCase):
    def test_it_is_visited_once(self):
        self.script(answer(200, b"<ConfirmSubscriptionResponse/>"))
        self.verifier.confirm(confirmation())
        [seen] = self.server.seen
        self.assertEqual((seen.method, f"https://{HOST}{seen.path}"), ("GET", CONFIRM_URL))
        self.assertEqual(self.asked, [(HOST, 443)])

    def test_amazon_does_not_want_it(self):
        for status in (400, 403, 500):
            self.script(answer(status, b""))
            with self.assertRaises(TryLater):
                self.verifier.confirm(confirmation())
