# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""``Mailgun`` against a stand-in for its API that keeps state and can be broken."""

import time

import requests

from odoo.addons.emboux_core.net import http
from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.net.guard import Timeouts
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_core.tests.http_server import answer, raw, reset, silence
from odoo.addons.emboux_mail_api.providers.base import FAILED, PENDING, VERIFIED, Credential, Relay
from odoo.addons.emboux_mail_api.providers.mailgun import EVENTS, Mailgun, new_password

from .mailgun_server import DKIM_VALUE, NO_DOMAIN, MailgunServer

KEY = "key-s3cretS3cretS3cret"
HOOK = "https://mail.host.example/emboux/v1/webhooks/mailgun"
PASSWORD = "a-secret-password-of-a-tenant"
A = "a.example"
SEND = requests.Session.send


class MailgunCase(PlainTest):
    def setUp(self):
        super().setUp()
        self.server = MailgunServer(KEY).start()
        self.addCleanup(self.server.stop)
        self.pauses = []
        self.mailgun = self.client()

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's tests let requests to 127.0.0.1 pass alone; ours resolve all names themselves."""
        return SEND(session, request, **options)

    def pause(self, seconds):
        self.pauses.append(seconds)
        if self.server.allowed is not None:
            self.server.allowed = 100

    def client(self, key=KEY, **options):
        options = {
            "webhook_url": HOOK, "url": f"http://127.0.0.1:{self.server.port}",
            "allow_private": True, "sleep": self.pause, "jitter": lambda: 1.0,
        } | options  # fmt: skip
        return Mailgun(key, **options)

    def asked(self):
        asked = [f"{seen.method} {seen.path}" for seen in self.server.seen]
        self.server.seen.clear()
        return asked

    def calls(self, mailgun=None):
        """Each call, and what is asked first in it."""
        mailgun = mailgun or self.mailgun
        base = f"domains/{A}"
        return (
            (mailgun.check, (), "GET", "/v4/domains", False),
            (mailgun.status, (A,), "GET", f"/v4/{base}", False),
            (mailgun.register, (A,), "POST", "/v4/domains", True),
            (mailgun.verify, (A,), "PUT", f"/v4/{base}/verify", True),
            (mailgun.delete, (A,), "DELETE", f"/v3/{base}/credentials/emboux", True),
            (mailgun.ensure_credential, (A, PASSWORD), "PUT", f"/v3/{base}/credentials/emboux",
             True),
            (mailgun.delete_credential, (A,), "DELETE", f"/v3/{base}/credentials/emboux", True),
        )  # fmt: skip

    def failure(self, kind, call, *arguments):
        """The sentence of the error of exactly this kind, in which there is no secret."""
        with self.assertRaises(kind) as caught:
            call(*arguments)
        error = caught.exception
        self.assertEqual(isinstance(error, NotAuthorised), kind is NotAuthorised, error)
        shown = [repr(self.mailgun)]
        while error is not None:
            shown += [str(error), repr(error), repr(vars(error))]
            error = error.__cause__ or error.__context__
        for secret in (KEY, PASSWORD):
            self.assertNotIn(secret, "\n".join(shown))
        return str(caught.exception)


class TestDomains(MailgunCase):
    def test_a_new_domain_is_made_with_its_webhooks(self):
        made = self.mailgun.register(A)
        self.assertEqual((made.name, made.state, made.spf), (A, PENDING, ("include:mailgun.org",)))
        [record] = made.records
        self.assertEqual(
            (record.key, record.record_type, record.name, record.value, record.level),
            ("dkim:k1", "TXT", f"k1._domainkey.{A}", DKIM_VALUE, "required"),
        )
        self.assertEqual(made.reason, "Mailgun does not find in the DNS yet: SPF of a.example, "
                                      "TXT of k1._domainkey.a.example.")
        form = self.server.seen[0].body.decode()
        self.assertIn('name="dkim_key_size"\r\n\r\n2048\r\n', form)
        self.assertIn('name="force_dkim_authority"\r\n\r\ntrue\r\n', form)
        self.assertEqual(self.server.webhooks[A], {event: [HOOK] for event in EVENTS})

    def test_registering_once_more_changes_nothing(self):
        first = self.mailgun.register(A)
        self.asked()
        self.assertEqual(self.mailgun.register(A), first)
        self.assertEqual(
            self.asked(),
            ["POST /v4/domains", f"GET /v4/domains/{A}", f"GET /v3/domains/{A}/webhooks"],
        )

    def test_a_subdomain_is_signed_by_its_parent(self):
        self.mailgun.register(f"sub.{A}", parent=A)
        form = self.server.seen[0].body.decode()
        self.assertIn('name="force_dkim_authority"\r\n\r\nfalse\r\n', form)

    def test_somebody_elses_domain(self):
        self.server.elsewhere.add(A)
        self.assertEqual(
            self.failure(Refused, self.mailgun.register, A),
            "This domain name is already taken. It is not among the domains of this Mailgun "
            "account.",
        )
        self.assertFalse(self.server.domains)

    def test_without_a_webhook_url_none_is_set(self):
        self.client(webhook_url="").register(A)
        self.assertEqual(self.asked(), ["POST /v4/domains"])

    def test_urls_of_others_stay(self):
        self.server.webhooks[A] = {"complained": ["https://other.example/"],
                                   "permanent_fail": [HOOK]}  # fmt: skip
        self.mailgun.register(A)
        self.assertEqual(self.server.webhooks[A]["complained"], ["https://other.example/", HOOK])
        self.assertEqual(self.server.webhooks[A]["permanent_fail"], [HOOK])
        self.assertNotIn(f"PUT /v3/domains/{A}/webhooks/permanent_fail", self.asked())

    def test_no_room_for_a_webhook_leaves_nothing_behind(self):
        urls = [f"https://other.example/{number}" for number in range(3)]
        self.server.webhooks[A] = {"complained": urls}
        self.assertIn("remove one of them", self.failure(Refused, self.mailgun.register, A))
        self.assertFalse(self.server.domains)
        self.mailgun_has(A)
        self.server.webhooks[A] = {"complained": urls}
        self.failure(Refused, self.mailgun.register, A)
        self.assertIn(A, self.server.domains, "it was there before")

    def mailgun_has(self, name):
        self.client(webhook_url="").register(name)

    def test_what_was_refused_and_cannot_be_taken_back_is_not_called_refused(self):
        self.server.fault("GET", f"/v3/domains/{A}/webhooks", answer(400, {"message": "No."}))
        self.server.fault("DELETE", f"/v3/domains/{A}", answer(500))
        self.assertEqual(self.failure(UnknownOutcome, self.mailgun.register, A),
                         "No. Mailgun has the domain nevertheless.")

    def test_webhooks_that_cannot_be_set_now(self):
        busy = [answer(503)] * 3
        self.server.fault("GET", f"/v3/domains/{A}/webhooks", *busy)
        self.failure(UnknownOutcome, self.mailgun.register, A)
        self.server.fault("GET", f"/v3/domains/{A}/webhooks", *busy)
        self.failure(Unreachable, self.mailgun.register, A)
        self.server.fault("GET", f"/v3/domains/{A}/webhooks", answer(404, NO_DOMAIN))
        said = self.failure(UnknownOutcome, self.mailgun.register, A)
        self.assertIn("does not know it everywhere", said)
        self.mailgun.register(A)
        self.assertEqual(set(self.server.webhooks[A]), set(EVENTS))

    def test_a_webhook_whose_answer_got_lost(self):
        self.server.fault("POST", f"/v3/domains/{A}/webhooks", answer(400, {"message": "There."}))
        self.server.webhooks[A] = {}
        said = self.failure(Refused, self.mailgun.register, A)
        self.assertEqual(said, "There.", "neither POST nor PUT took it")
        self.assertFalse(self.server.domains)

    def test_verification(self):
        self.mailgun.register(A)
        self.assertEqual(self.mailgun.verify(A).state, PENDING)
        self.server.in_dns.add(A)
        self.assertEqual(self.mailgun.status(A).state, PENDING, "nobody has asked it to look")
        found = self.mailgun.verify(A)
        self.assertEqual((found.state, found.reason),
                         (VERIFIED, "Mailgun has verified the domain."))
        self.assertEqual(self.mailgun.verify(A), found)
        self.assertEqual(self.mailgun.status(A), found)
        self.assertIn("register it first", self.failure(Refused, self.mailgun.verify, "b.example"))

    def test_a_disabled_domain(self):
        self.mailgun_has(A)
        self.server.domains[A] |= {"state": "disabled", "disabled": {"reason": "bad customer"}}
        found = self.mailgun.status(A)
        self.assertEqual((found.state, found.reason),
                         (FAILED, "Mailgun has disabled the domain (bad customer)."))
        del self.server.domains[A]["disabled"]
        self.assertEqual(self.mailgun.status(A).reason, "Mailgun has disabled the domain.")

    def test_a_domain_that_is_not_there(self):
        self.assertIsNone(self.mailgun.status(A))

    def test_deleting_leaves_nothing_and_may_be_repeated(self):
        self.mailgun.register(A)
        self.mailgun.ensure_credential(A)
        self.mailgun.delete(A)
        self.assertEqual(
            (self.server.domains, dict(self.server.credentials), dict(self.server.webhooks)),
            ({}, {}, {}),
        )
        self.mailgun.delete(A)

    def test_a_404_that_is_no_answer_of_mailgun_is_not_taken_for_gone(self):
        page = answer(404, b"<html>Not found</html>")
        for call, arguments, method, path, _changes in self.calls()[1:]:
            with self.subTest(call.__name__):
                self.server.fault(method, path, page)
                self.assertIn("check the address", self.failure(Refused, call, *arguments))

    def test_checking_the_key(self):
        self.assertEqual(self.mailgun.check(), "Mailgun (US) answers, and this key reaches 0 "
                                               "domains.")
        self.mailgun_has(A)
        self.assertEqual(self.client(region="eu").check(),
                         "Mailgun (EU) answers, and this key reaches 1 domain.")

    def test_automatic_sender_security_wants_cnames(self):
        self.mailgun_has(A)
        whole = self.server._whole(A)
        whole["sending_dns_records"] = [
            {"record_type": "CNAME", "name": f"pdk1._domainkey.{A}", "valid": "valid",
             "value": "pdk1._domainkey.1.dkim1.mailgun.com", "cached": []},
        ]  # fmt: skip
        self.server.fault("GET", f"/v4/domains/{A}", answer(200, whole))
        [record] = self.mailgun.status(A).records
        self.assertEqual((record.key, record.record_type, record.value),
                         ("dkim:pdk1", "CNAME", "pdk1._domainkey.1.dkim1.mailgun.com."))


class TestCredentials(MailgunCase):
    def setUp(self):
        super().setUp()
        self.client(webhook_url="").register(A)
        self.asked()

    def test_it_is_made_and_then_kept(self):
        made = self.mailgun.ensure_credential(A, PASSWORD)
        self.assertEqual(made, Credential(f"emboux@{A}", PASSWORD))
        self.assertEqual(self.mailgun.ensure_credential(A, PASSWORD), made)
        self.assertEqual(self.server.credentials[A], {"emboux": PASSWORD})
        path = f"/v3/domains/{A}/credentials"
        self.assertEqual(self.asked(), [f"PUT {path}/emboux", f"POST {path}",
                                        f"PUT {path}/emboux"])  # fmt: skip
        self.assertNotIn(PASSWORD, repr(made))

    def test_without_a_password_there_is_a_new_one(self):
        first, second = self.mailgun.ensure_credential(A), self.mailgun.ensure_credential(A)
        self.assertNotEqual(first.password, second.password)
        self.assertEqual(self.server.credentials[A], {"emboux": second.password})

    def test_new_passwords_fit(self):
        passwords = {new_password() for _number in range(100)}
        self.assertEqual((len(passwords), {len(password) for password in passwords}), (100, {32}))

    def test_passwords_that_mailgun_does_not_take(self):
        for password in ("four", "x" * 33, "über-geheim", "a b c d e"):
            with self.subTest(password), self.assertRaises(ValueError):
                self.mailgun.ensure_credential(A, password)
        self.assertFalse(self.asked())

    def test_it_came_to_be_meanwhile(self):
        self.server.credentials[A]["emboux"] = "old-one"
        self.server.fault("PUT", f"/v3/domains/{A}/credentials/emboux", answer(404, NO_DOMAIN))
        self.mailgun.ensure_credential(A, PASSWORD)
        self.assertEqual(self.server.credentials[A], {"emboux": PASSWORD})

    def test_of_a_domain_that_is_not_there(self):
        said = self.failure(Refused, self.mailgun.ensure_credential, "b.example", PASSWORD)
        self.assertIn("register it first", said)

    def test_deleting_twice(self):
        self.assertFalse(self.mailgun.has_credential(A))
        self.mailgun.ensure_credential(A)
        self.assertTrue(self.mailgun.has_credential(A))
        self.mailgun.delete_credential(A)
        self.assertFalse(self.server.credentials[A])
        self.mailgun.delete_credential(A)

    def test_a_reason_that_repeats_the_password_is_not_shown(self):
        self.server.fault("PUT", f"/v3/domains/{A}/credentials/emboux",
                          answer(400, {"message": f"{PASSWORD} is weak"}))  # fmt: skip
        said = self.failure(Refused, self.mailgun.ensure_credential, A, PASSWORD)
        self.assertIn("repeats a secret", said)

    def test_relays(self):
        self.assertEqual(Mailgun(KEY).relay(), Relay("smtp.mailgun.org", 465, "implicit"))
        self.assertEqual(Mailgun(KEY, region="eu").relay().host, "smtp.eu.mailgun.org")
        self.assertEqual(Mailgun(KEY, smtp_host="127.0.0.1").relay().host, "127.0.0.1")


class TestFaults(MailgunCase):
    """What each call makes of a Mailgun that is slow, busy, broken or of another mind."""

    def setUp(self):
        super().setUp()
        self.client(webhook_url="").register(A)
        self.asked()

    def each(self, replies, of_read, of_change, said="", mailgun=None):
        for call, arguments, method, path, changes in self.calls(mailgun):
            with self.subTest(call.__name__):
                self.server.fault(method, path, *replies)
                kind = of_change if changes else of_read
                self.assertIn(said, self.failure(kind, call, *arguments))
                deadline = time.monotonic() + 5  # what a hasty client asked last may be on its way
                while self.server._faults and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.assertFalse(self.server._faults, "not all was asked that the test expects")

    def test_a_key_that_is_not_accepted(self):
        wrong = self.client("key-another")
        for call, arguments, _method, _path, _changes in self.calls(wrong):
            with self.subTest(call.__name__):
                self.assertIn("does not accept the API key",
                              self.failure(NotAuthorised, call, *arguments))
        self.each([answer(403, {"message": "Plan does not allow it"})], NotAuthorised,
                  NotAuthorised, "(Plan does not allow it)")

    def test_a_key_that_no_header_can_hold(self):
        self.assertIn("copy it again",
                      self.failure(NotAuthorised, self.client("a key\n b").check))
        self.assertFalse(self.asked())

    def test_errors_of_its_own(self):
        self.each([answer(500)], Unreachable, UnknownOutcome, "error of its own")
        self.each([answer(502)] * 3, Unreachable, UnknownOutcome, "error of its own")
        self.each([answer(503)] * 3, Unreachable, Unreachable, "too busy")

    def test_temporary_failures_are_retried(self):
        self.server.fault("GET", f"/v4/domains/{A}", answer(502), reset())
        self.assertEqual(self.mailgun.status(A).name, A)
        self.assertEqual(self.pauses, [0.5, 1.0])

    def test_all_calls_together_have_an_end(self):
        """Whoever saves waits for the calls of a whole registration, of which each has its own."""
        end = time.monotonic() + 1
        hurried = self.client(timeouts=Timeouts(connect=5, read=15, total=25, until=end))
        self.server.fault("POST", "/v4/domains", silence())
        with self.assertRaises(UnknownOutcome):
            hurried.register(A)
        with self.assertRaises(Unreachable):
            hurried.check()
        self.assertLess(time.monotonic(), end + 2)

    def test_silence(self):
        hasty = self.client(timeouts=Timeouts(connect=5, read=0.1, total=20))
        self.each([silence()] * 3, Unreachable, UnknownOutcome, "within 0.1 s", hasty)

    def test_what_is_not_mailguns(self):
        for reply in (answer(200, b"<html>Log in</html>"), answer(200, []), answer(204),
                      answer(200, {}), answer(200, {"message": 7, "domain": 7})):
            self.each([reply], Unreachable, UnknownOutcome, "did not answer as Mailgun does")
        self.each([raw(b"")] * 3, Unreachable, UnknownOutcome, "ended before")

    def test_fields_of_another_shape(self):
        whole = self.server._whole(A)
        record = whole["sending_dns_records"][1]
        for wrong in (
            {"domain": whole["domain"] | {"name": "b.example"}},
            {"domain": whole["domain"] | {"state": "odd"}},
            {"sending_dns_records": None},
            {"sending_dns_records": [record | {"value": None}]},
            {"sending_dns_records": [record | {"name": "a b"}]},
            {"sending_dns_records": [record | {"record_type": "CNAME", "value": "a..b"}]},
        ):
            with self.subTest(wrong):
                self.server.fault("GET", f"/v4/domains/{A}", answer(200, whole | wrong))
                self.failure(Unreachable, self.mailgun.status, A)

    def test_the_rate_limit_is_honoured(self):
        for says in ("retry-after", "reset", "body"):
            with self.subTest(says):
                self.pauses.clear()
                self.server.limit_says, self.server.allowed = (says,), 0
                self.assertEqual(self.mailgun.status(A).name, A)
                [pause] = self.pauses
                self.assertTrue(2 <= pause <= 4, pause)

    def test_a_rate_limit_that_lasts_is_left_to_the_caller(self):
        self.server.limit_seconds, self.server.allowed = 60, 0
        for says in ("retry-after", "reset", "body"):
            self.server.limit_says = (says,)
            said = self.failure(Unreachable, self.mailgun.register, "b.example")
            self.assertRegex(said, r"left alone for (59|60|61) s")
        self.assertFalse(self.pauses)

    def test_a_limit_that_means_nothing(self):
        for header in ("soon", "-5", "9" * 30, "nan"):
            with self.subTest(header):
                self.pauses.clear()
                self.server.fault("GET", f"/v4/domains/{A}",
                                  answer(429, {}, X_RateLimit_Reset=header))  # fmt: skip
                self.mailgun.status(A)
                self.assertEqual(self.pauses, [0.5])

    def test_a_lost_answer_of_a_new_domain_is_found_again(self):
        self.server.fault("POST", "/v4/domains", reset())
        self.assertEqual(self.mailgun.register("b.example").name, "b.example")
        self.assertEqual(self.asked()[:2], ["POST /v4/domains"] * 2)

    def test_the_log_holds_no_secret(self):
        self.server.fault("PUT", f"/v3/domains/{A}/credentials/emboux", reset())
        with self.assertLogs(http._logger, "DEBUG") as ours, self.assertLogs(level="DEBUG") as all:
            self.mailgun.ensure_credential(A, PASSWORD)
        text = "\n".join(ours.output + all.output)
        self.assertIn("again in 0.5 s", text)
        self.assertNotIn(PASSWORD, text)
        self.assertNotIn(KEY, text)
