# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``Ses`` over HTTP against moto's server, completed by ``ses_server``."""

import time
from unittest import mock

import botocore.endpoint

from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_mail_api.providers.base import FAILED, PENDING, VERIFIED, Relay
from odoo.addons.emboux_mail_api.providers.ses import Ses

from .ses_server import ACCESS_KEY, SECRET_KEY, TOKENS, SesServer, page, reply

A = "a.example"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:emboux"
HOOK = "https://mail.host.example/emboux/v1/webhooks/ses"
SET = "/v2/email/configuration-sets/emboux"


class SesCase(PlainTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = SesServer().start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.server.reset()
        self.pauses = []
        clock = mock.Mock(wraps=botocore.endpoint.time, sleep=self.pauses.append)
        self.startPatcher(mock.patch.object(botocore.endpoint, "time", clock))
        self.ses = self.client()

    def client(self, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region="eu-west-1", **options):
        options = {"endpoint": self.server.url, "allow_private": True} | options
        return Ses(access_key, secret_key, region, **options)

    def with_events(self, **options):
        """A client whose topic is there."""
        ses = self.client(topic_arn=TOPIC, webhook_url=HOOK, **options)
        ses._aws.call("sns", "create_topic", {"Name": "emboux"}, changes=True)
        self.asked()
        return ses

    def asked(self):
        asked = [f"{method} {path.removeprefix('/v2/email')}"
                 for method, path, _value in self.server.seen]  # fmt: skip
        self.server.seen.clear()
        return asked

    def calls(self, ses=None):
        ses = ses or self.ses
        return (
            (ses.check, (), False), (ses.status, (A,), False), (ses.register, (A,), True),
            (ses.verify, (A,), False), (ses.delete, (A,), True),
        )  # fmt: skip

    def failure(self, kind, call, *arguments):
        """The sentence of the error of exactly this kind, in which there is no secret."""
        with self.assertRaises(kind) as caught:
            call(*arguments)
        error = caught.exception
        self.assertEqual(isinstance(error, NotAuthorised), kind is NotAuthorised, error)
        shown = [repr(self.ses), repr(vars(self.ses))]
        while error is not None:
            shown += [str(error), repr(error), repr(vars(error))]
            error = error.__cause__ or error.__context__
        self.assertNotIn(SECRET_KEY, "\n".join(shown))
        return str(caught.exception)


class TestDomains(SesCase):
    def test_a_new_domain_has_easy_dkim_of_2048_bits(self):
        made = self.ses.register(A)
        self.assertEqual((made.name, made.state), (A, PENDING))
        self.assertEqual(made.spf, ("include:amazonses.com",))
        self.assertEqual(
            [(record.key, record.record_type, record.name, record.value)
             for record in made.records],
            [(f"dkim:{token}", "CNAME", f"{token}._domainkey.{A}", f"{token}.dkim.amazonses.com.")
             for token in TOKENS],
        )  # fmt: skip
        status, identity = self.server.ask_moto("GET", f"/v2/email/identities/{A}")
        self.assertEqual((status, identity["IdentityType"]), (200, "DOMAIN"))
        self.assertEqual(identity["DkimAttributes"]["NextSigningKeyLength"], "RSA_2048_BIT")

    def test_registering_once_more_changes_nothing(self):
        self.assertEqual(self.ses.register(A), self.ses.register(A))
        self.assertEqual(self.asked(), ["POST /identities", f"GET /identities/{A}"] * 2)

    def test_subdomains_send_by_their_parent(self):
        self.ses.register(A)
        self.assertIn("is not verified at Amazon SES",
                      self.failure(Refused, self.ses.register, f"sub.{A}", A))
        self.server.identity(A, "SUCCESS", verified=True)
        made = self.ses.register(f"sub.{A}", parent=A)
        self.assertEqual((made.name, made.state, made.records), (f"sub.{A}", VERIFIED, ()))
        self.assertIsNone(self.ses.status(f"sub.{A}"), "it has no identity of its own")
        self.assertIn("b.example is not verified",
                      self.failure(Refused, self.ses.register, "sub.b.example", "b.example"))

    def test_a_made_domain_that_is_not_shown_yet(self):
        gone = reply(404, code="NotFoundException", message="Not there.")
        self.server.fault(None, gone)
        self.assertIn("does not show it yet", self.failure(UnknownOutcome, self.ses.register, A))
        self.server.fault(None, *[reply(503)] * 3)
        self.failure(Unreachable, self.ses.register, A)

    def test_states(self):
        self.ses.register(A)
        for status, verified, error, state, words in (
            ("SUCCESS", True, "", VERIFIED, "has verified"),
            ("PENDING", False, "HOST_NOT_FOUND", PENDING, "are not in the domain's DNS"),
            ("PENDING", False, "", PENDING, "does not find the DKIM records yet."),
            ("PENDING", False, "A_NEW_ONE", PENDING, "does not find the DKIM records yet."),
            ("PENDING", True, "", PENDING, "its DKIM is not verified"),
            ("TEMPORARY_FAILURE", False, "DNS_SERVER_ERROR", PENDING, "answered with an error"),
            ("NOT_STARTED", False, "", PENDING, "verify it once more"),
            ("FAILED", False, "INVALID_VALUE", FAILED, "gave up: A CNAME record"),
            ("FAILED", False, "", FAILED, "were not in the domain's DNS in time"),
        ):
            with self.subTest(status=status, error=error):
                self.server.identity(A, status, verified, error)
                found = self.ses.status(A)
                self.assertEqual(found.state, state)
                self.assertIn(words, found.reason)

    def test_verifying_begins_anew_only_what_has_ended(self):
        self.ses.register(A)
        self.asked()
        for status, verified in (("PENDING", False), ("SUCCESS", True)):
            self.server.identity(A, status, verified)
            self.ses.verify(A)
            self.assertEqual(self.asked(), [f"GET /identities/{A}"])
        for status in ("FAILED", "NOT_STARTED"):
            self.server.identity(A, status)
            found = self.ses.verify(A)
            self.assertEqual(found.state, PENDING)
            sent = self.server.seen[1][2]
            self.assertEqual(
                (sent["SigningAttributesOrigin"], sent["SigningAttributes"]),
                ("AWS_SES", {"NextSigningKeyLength": "RSA_2048_BIT"}),
            )
            self.assertEqual(self.asked()[1], f"PUT /identities/{A}/dkim/signing")

    def test_what_is_not_there(self):
        self.assertIsNone(self.ses.status(A))
        self.assertIn("register it first", self.failure(Refused, self.ses.verify, A))

    def test_deleting_twice(self):
        self.ses.register(A)
        self.ses.delete(A)
        self.assertEqual(self.server.ask_moto("GET", f"/v2/email/identities/{A}")[0], 404)
        self.server.fault(reply(404, code="NotFoundException", message="Not there."))
        self.ses.delete(A)

    def test_checking(self):
        self.assertEqual(self.ses.check(),
                         "Amazon SES in eu-west-1 answers, and the account may send.")
        self.server.account["ProductionAccessEnabled"] = False
        self.assertIn("sandbox", self.ses.check())
        self.server.account["SendingEnabled"] = False
        self.assertIn("paused", self.failure(Refused, self.ses.check))

    def test_relay_and_credential_are_the_accounts(self):
        self.assertEqual(self.ses.relay(),
                         Relay("email-smtp.eu-west-1.amazonaws.com", 465, "implicit"))
        self.assertIsNone(self.ses.ensure_credential(A))
        self.ses.delete_credential(A)
        self.assertFalse(self.asked())


class TestEvents(SesCase):
    WISHED = {
        "Enabled": True,
        "MatchingEventTypes": ["BOUNCE", "COMPLAINT"],
        "SnsDestination": {"TopicArn": TOPIC},
    }

    def test_they_are_set_before_the_domain_is_made(self):
        ses = self.with_events()
        ses.register(A)
        self.assertEqual(
            self.asked(),
            ["GET /configuration-sets/emboux/event-destinations", "POST /configuration-sets",
             "POST /configuration-sets/emboux/event-destinations", "POST /",
             "POST /identities", f"GET /identities/{A}"],
        )  # fmt: skip
        self.assertEqual(self.server.destinations["emboux"], {"emboux-webhook": self.WISHED})
        found = ses._aws.call("sns", "list_subscriptions", {}, changes=False)["Subscriptions"]
        self.assertEqual([(row["Protocol"], row["Endpoint"]) for row in found], [("https", HOOK)])
        _status, identity = self.server.ask_moto("GET", f"/v2/email/identities/{A}")
        self.assertEqual(identity["ConfigurationSetName"], "emboux")

    def test_once_more_changes_nothing(self):
        ses = self.with_events()
        ses.register(A)
        ses.register("b.example")
        self.assertEqual(self.server.destinations["emboux"], {"emboux-webhook": self.WISHED})
        found = ses._aws.call("sns", "list_subscriptions", {}, changes=False)["Subscriptions"]
        self.assertEqual(len(found), 1)
        self.assertNotIn("PUT", " ".join(self.asked()))

    def test_what_differs_is_set_right(self):
        ses = self.with_events(deliveries=True)
        ses.register(A)
        for wrong in ({"Enabled": False}, {"MatchingEventTypes": ["BOUNCE"]},
                      {"SnsDestination": {"TopicArn": "arn:other"}}):  # fmt: skip
            with self.subTest(wrong):
                self.server.destinations["emboux"] = {"emboux-webhook": self.WISHED | wrong,
                                                      "theirs": self.WISHED}  # fmt: skip
                ses.register(A)
                self.assertEqual(
                    self.server.destinations["emboux"]["emboux-webhook"]["MatchingEventTypes"],
                    ["BOUNCE", "COMPLAINT", "DELIVERY"],
                )
                self.assertEqual(self.server.destinations["emboux"]["theirs"], self.WISHED)

    def test_a_domain_that_was_there_gets_the_configuration_set(self):
        self.ses.register(A)
        ses = self.with_events()
        ses.register(A)
        self.assertEqual(self.asked()[-1], f"PUT /identities/{A}/configuration-set")
        ses.register(A)
        self.assertEqual(self.asked()[-1], f"GET /identities/{A}", "once is enough")

    def test_a_topic_that_is_not_there_leaves_no_domain(self):
        ses = self.client(topic_arn=TOPIC, webhook_url=HOOK)
        self.failure(Refused, ses.register, A)
        self.assertEqual(self.server.ask_moto("GET", f"/v2/email/identities/{A}")[0], 404)


class TestFaults(SesCase):
    def setUp(self):
        super().setUp()
        self.ses.register(A)
        self.asked()

    def each(self, replies, of_read, of_change, said="", ses=None):
        for call, arguments, changes in self.calls(ses):
            with self.subTest(call.__name__):
                self.server.fault(*replies)
                kind = of_change if changes else of_read
                self.assertIn(said, self.failure(kind, call, *arguments))
                self.assertFalse(self.server._faults, "not all was asked that the test expects")

    def test_keys_that_are_not_accepted(self):
        for status, code in ((403, "UnrecognizedClientException"), (403, "AccessDeniedException"),
                             (400, "ExpiredTokenException"), (401, "Odd"),
                             (403, "SignatureDoesNotMatch")):  # fmt: skip
            refusal = reply(status, code=code, message=f"{ACCESS_KEY} {SECRET_KEY}")
            self.each([refusal], NotAuthorised, NotAuthorised, f"({code})")

    def test_keys_that_cannot_be_any(self):
        for access, secret in (("", SECRET_KEY), (ACCESS_KEY, ""), ("a key", SECRET_KEY),
                               (None, None)):  # fmt: skip
            said = self.failure(NotAuthorised, self.client(access, secret).check)
            self.assertIn("copy it again", said)
        self.assertIn("eu-west-1", self.failure(Refused, self.client(region="x/y").check))
        self.assertFalse(self.asked())

    def test_errors_of_its_own_are_repeated_twice(self):
        for status in (500, 502, 504):
            self.each([reply(status)] * 3, Unreachable, UnknownOutcome, "error of its own")
        self.assertTrue(self.pauses)

    def test_temporary_failures_are_retried(self):
        self.server.fault(reply(500), reply(429, code="TooManyRequestsException", message="Slow."))
        self.assertEqual(self.ses.status(A).name, A)
        self.assertEqual((len(self.pauses), len(self.asked())), (2, 3))

    def test_too_busy(self):
        busy = reply(429, code="TooManyRequestsException", message="Slow down.")
        self.each([busy] * 3, Unreachable, Unreachable, "too busy")
        self.each([reply(503)] * 3, Unreachable, Unreachable, "too busy")

    def test_one_lost_answer_outweighs_later_ones(self):
        self.server.fault(reply(500), reply(503), reply(503))
        self.failure(UnknownOutcome, self.ses.delete, A)
        self.server.fault(reply(500), reply(403, code="AccessDeniedException", message="No."))
        self.assertIn("got lost", self.failure(UnknownOutcome, self.ses.delete, A))
        self.server.fault(reply(500), reply(503), reply(503))
        self.failure(Unreachable, self.ses.status, A)

    def test_all_calls_together_have_an_end(self):
        late = self.client(timeouts=Timeouts(until=time.monotonic()))
        with self.assertRaisesRegex(Unreachable, "no time left"):
            late.check()
        self.assertEqual(self.asked(), [], "not even tried")
        hurried = self.client(timeouts=Timeouts(connect=5, read=15, until=time.monotonic() + 20))
        hurried.check()
        config = hurried._aws._client("sesv2").meta.config
        self.assertEqual(config.retries["total_max_attempts"], 1)

    def test_silence(self):
        hasty = self.client(timeouts=Timeouts(connect=5, read=0.1))
        self.each([self.server.silence()] * 3, Unreachable, UnknownOutcome, "within 0.1 s", hasty)

    def test_nobody_there(self):
        gone = SesServer()
        gone._server.server_close()
        deaf = self.client(endpoint=gone.url)
        for call, arguments, _changes in self.calls(deaf):
            with self.subTest(call.__name__):
                self.assertIn("No connection", self.failure(Unreachable, call, *arguments))

    def test_what_is_not_amazons(self):
        self.each([page(200, b"<html>Log in</html>")], Unreachable, UnknownOutcome,
                  "did not answer as Amazon does")  # fmt: skip
        self.each([page(404, b"<html>Not found</html>")], Refused, Refused, "as Amazon does")

    def test_answers_of_another_shape(self):
        for body in ({}, {"IdentityType": "EMAIL_ADDRESS"},
                     {"IdentityType": "DOMAIN", "VerifiedForSendingStatus": True},
                     {"IdentityType": "DOMAIN", "VerifiedForSendingStatus": True,
                      "DkimAttributes": {"Status": "SUCCESS"}},
                     {"IdentityType": "DOMAIN", "VerifiedForSendingStatus": True,
                      "DkimAttributes": {"Status": "SUCCESS", "Tokens": ["a b"]}}):  # fmt: skip
            with self.subTest(body):
                self.server.fault(reply(200, body))
                self.failure(Unreachable, self.ses.status, A)
        for body in (b"<html>", b"[]", b"7", b"{"):
            with self.subTest(body):
                self.server.fault(reply(200, body))
                self.failure(Unreachable, self.ses.status, A)
                self.server.fault(reply(200, body))
                self.failure(UnknownOutcome, self.ses.register, "b.example")

    def test_a_refusal_in_its_own_words(self):
        refusal = reply(400, code="LimitExceededException", message="You have 10,000 identities.")
        self.server.fault(*[refusal] * 3)  # boto3 repeats this one
        self.assertEqual(self.failure(Refused, self.ses.register, "b.example"),
                         "You have 10,000 identities.")
        secret = reply(400, code="BadRequestException", message=f"Not {SECRET_KEY}")
        self.server.fault(secret)
        self.assertIn("repeats a secret", self.failure(Refused, self.ses.register, "b.example"))

    def test_the_log_holds_no_secret(self):
        with self.assertLogs(level="DEBUG") as logged:
            self.ses.status(A)
        self.assertNotIn(SECRET_KEY, "\n".join(logged.output))

    def test_plain_http_and_odd_endpoints_are_refused(self):
        said = self.failure(Refused, self.client(allow_private=False).check)
        self.assertIn("https://", said)
        self.assertFalse(self.asked())
