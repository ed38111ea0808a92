# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""SNS's messages over HTTP, as Amazon posts them, with a verifier that trusts the tests' host.

The Odoo under test is this process, so that the trust is put in by the test and by nothing that
could be configured or sent.
"""

import json
import tempfile
from unittest import mock

from odoo.tests import HttpCase, tagged

from odoo.addons.emboux_core.net import guard
from odoo.addons.emboux_core.tests.emboux_case import SEND
from odoo.addons.emboux_core.tests.http_server import answer

from ..controllers.api import dispatcher
from ..events.fetch import Fetcher
from ..events.sns import SnsVerifier
from ..models import webhook_event
from .provider_reports import ses_bounce, ses_complaint
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

PATH = "/emboux/v1/webhooks/ses"
TEXT = "text/plain; charset=UTF-8"


@tagged("post_install", "-at_install")
class TestSesOverHttp(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        backend = cls.env.ref("emboux_mail_api.backend_local")
        backend.mail_host = "mail.unit.example"
        cls.domain = cls.env["emboux.domain"].create(
            {"name": "unit.example", "backend_id": backend.id, "state": "verified"})
        cls.env["ir.config_parameter"].set_param("emboux_mail_api.ses_topics", TOPIC)

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.server, trusted = tls_server(folder)
        self.addCleanup(self.server.stop)
        self.asked = []
        self.startPatcher(mock.patch.object(
            guard.socket, "getaddrinfo", resolve_to(self.server, self.asked)))
        verifier = SnsVerifier(Fetcher(allow_private=True, ca_file=trusted))
        self.startPatcher(mock.patch.object(webhook_event, "SNS", verifier))
        self.server.script(answer(200, certificate()))
        # all requests share the test's one transaction: there is nobody to wait for
        self.startPatcher(mock.patch.object(dispatcher, "take_lock"))

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; here every name leads there."""
        return SEND(session, request, **options)

    def post(self, message, content_type=TEXT):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.url_open(PATH, data=data, method="POST", headers={
            "Content-Type": content_type, "x-amz-sns-message-type": "Notification"})

    def assert_answer(self, status, message, content_type=TEXT):
        got = self.post(message, content_type)
        self.assertEqual(got.status_code, status, got.text)
        return got.json()

    def stored(self):
        self.env.invalidate_all()
        return self.env["emboux.webhook.event"].search([])

    def test_a_bounce_and_its_repetitions(self):
        for version in ("1", "2"):
            message = sign(notification(ses_bounce("jane@far.example")), version=version)
            for content_type in (TEXT, "text/plain", "application/json"):
                self.assertEqual(self.assert_answer(200, message, content_type),
                                 {"accepted": True})
        self.assertEqual(self.stored().mapped("recipient"), ["jane@far.example"])
        self.assertTrue(self.env["emboux.suppression"].search(
            [("email", "=", "jane@far.example"), ("source", "=", "Amazon SES")]))
        self.assertEqual([seen.path for seen in self.server.seen],
                         [CERTIFICATE_URL.removeprefix(f"https://{HOST}")])

    def test_a_complaint_before_its_bounce(self):
        for report in (ses_complaint("jane@far.example"), ses_bounce("jane@far.example")):
            self.assert_answer(200, sign(notification(report)))
        [entry] = self.env["emboux.suppression"].search([("email", "=", "jane@far.example")])
        self.assertEqual(entry.reason, "complaint")

    def test_what_is_refused(self):
        message = notification(ses_bounce("jane@far.example"))
        good = sign(message)
        for bad in (
            message | {"Signature": "AAAA", "SignatureVersion": "2"},
            sign(message, rsa_key("stranger")), good | {"Message": good["Message"] + " "},
            good | {"SignatureVersion": "3"}, sign(message | {"TopicArn": f"{TOPIC}2"}),
            sign(message | {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"}),
            sign(message | {"SigningCertURL": f"https://{HOST}@evil.example/x.pem"}),
            sign(message | {"SigningCertURL": CERTIFICATE_URL.replace("https", "http")}),
            sign(confirmation(SubscribeURL="https://evil.example/?Action=ConfirmSubscription")),
        ):
            self.assertIn("signature is not valid", self.assert_answer(403, bad)["detail"])
        self.assertFalse(self.stored())
        self.assertLessEqual(set(self.asked), {(HOST, 443)})
        self.assertLessEqual({seen.path for seen in self.server.seen},
                             {CERTIFICATE_URL.removeprefix(f"https://{HOST}")})

    def test_a_subscription_is_confirmed(self):
        self.server.script(answer(200, b"<ConfirmSubscriptionResponse/>"))
        self.assert_answer(200, sign(confirmation()))
        self.assertEqual(self.server.seen[-1].path, CONFIRM_URL.removeprefix(f"https://{HOST}"))
        self.assert_answer(200, sign(confirmation("UnsubscribeConfirmation")))
        self.assertEqual(len(self.server.seen), 2, "who unsubscribes is not subscribed anew")
        self.assertFalse(self.stored())

    def test_the_topics_of_our_providers_are_ours(self):
        """Without any setting; those that a provider had before as well."""
        self.env["ir.config_parameter"].set_param("emboux_mail_api.ses_topics", "")
        message = sign(notification(ses_bounce("jane@far.example")))
        self.assert_answer(403, message)
        provider = self.env["emboux.provider"].create(
            {"name": "SES", "kind": "ses", "region": "eu-west-1", "topic_arn": TOPIC})
        self.assert_answer(200, message)
        provider.write({"topic_arn": f"{TOPIC}2", "active": False})
        self.assert_answer(200, sign(notification(ses_bounce("joe@far.example"), "m2")))
        self.server.script(answer(200, b"<ConfirmSubscriptionResponse/>"))
        self.assert_answer(200, sign(confirmation()))
        self.assert_answer(403, sign(notification(ses_bounce("x@far.example"), "m3")
                                     | {"TopicArn": f"{TOPIC}3"}))
        self.assertEqual(len(self.stored()), 2)

    def test_a_topic_of_somebody_elses_is_not_subscribed_to(self):
        other = f"{TOPIC}2"
        self.assert_answer(403, sign(confirmation(
            TopicArn=other, SubscribeURL=CONFIRM_URL.replace(TOPIC, other))))
        self.assertFalse(self.asked)

    def test_amazon_is_away(self):
        """429, because SNS repeats after it and after no 4xx beside it."""
        self.server.replies.clear()
        self.server.script(answer(503, b""))
        got = self.post(sign(notification(ses_bounce("jane@far.example"))))
        self.assertEqual((got.status_code, got.headers["Retry-After"]), (429, "30"))
        self.server.script(answer(200, certificate()))
        self.assert_answer(200, sign(notification(ses_bounce("jane@far.example"))))
        self.assertEqual(len(self.stored()), 1)

    def test_invalid_bodies(self):
        whole = json.dumps(sign(notification(ses_bounce("jane@far.example")))).encode()
        named_oddly = json.dumps(notification({})).replace('"Message"', '"Message\\ud800"')
        for body in (
            b"", b"{", whole[:-20], whole + b"}", b"\xff\xfe" + whole, b"[]", b"null",
            b'{"Type": "Notification"}', b"[" * 50_000, whole.replace(b"jane", b"\xe9\xff"),
            json.dumps(notification({}) | {"Message": 7}).encode(), named_oddly.encode(),
        ):
            with self.subTest(body[:40]):
                self.assertEqual(self.post(body).status_code, 422)
        self.assertEqual(self.post(b'{"Message": "' + b"x" * 10_000_000 + b'"}').status_code, 413)
        for content_type in ("text/html", "application/x-www-form-urlencoded", "multipart/mixed"):
            self.assertEqual(self.post(whole, content_type).status_code, 415)
        self.assertFalse(self.stored())
        self.assertFalse(self.asked)

    def test_other_operations_take_no_plain_text(self):
        got = self.url_open("/emboux/v1/webhooks/mailgun", data=b"{}",
                            headers={"Content-Type": TEXT})
        self.assertEqual(got.status_code, 415)

    def test_a_signed_message_that_is_not_understood_is_not_sent_again(self):
        for said in ("no JSON", {"notificationType": "Bounce"}, ses_bounce("nul\0@far.example"),
                     "[" * 100_000):
            self.assert_answer(200, sign(notification(said, f"m{str(said)[:20]}")))
        self.assertEqual(self.stored().mapped("state").count("unreadable"), 3)
