# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""An ``EmbouxBackend`` and a platform that is slow, broken or lying."""

import datetime
import gzip
import json
import time
from email.utils import format_datetime

from odoo.addons.emboux_core.backends.base import DomainSpec
from odoo.addons.emboux_core.net import http
from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.tests.emboux_case import (
    KEY,
    NOT_FOUND,
    OK,
    SERVICE,
    FaultCase,
    alias,
    domain,
    page,
    user,
)
from odoo.addons.emboux_core.tests.http_server import answer, drip, raw, reset, silence


class TestRepeats(FaultCase):
    def test_temporary_failures_are_retried(self):
        for reply in (answer(429), answer(502), answer(503), answer(504), reset(), raw(b"")):
            with self.subTest(reply):
                self.pauses.clear()
                self.server.script(reply, reply, answer(200, page(alias())))
                self.assertEqual(len(self.read()), 1)
                self.requests()
                self.assertEqual(self.pauses, [0.5, 1.0])

    def test_jitter_shortens_the_pause_by_half_at_most(self):
        self.server.script(*[answer(502)] * 3)
        self.failure(Unreachable, self.read, self.client(jitter=lambda: 0.0))
        self.assertEqual(self.pauses, [0.25, 0.5])

    def test_all_tries_of_a_post_have_one_key(self):
        self.server.script(reset(), answer(502), answer(201, alias("@a.example")))
        self.post()
        keys = [seen.headers["Idempotency-Key"] for seen in self.server.seen]
        self.assertEqual((len(keys), len(set(keys))), (3, 1))
        self.assertEqual({seen.body for seen in self.server.seen}, {self.server.seen[0].body})

    def test_a_refusal_is_not_retried(self):
        for status in (400, 403, 405, 409, 412, 413, 415, 422):
            with self.subTest(status):
                self.server.script(answer(status, {"detail": "No, never."}))
                self.assertEqual(self.failure(Refused, self.put), "No, never.")
        self.requests()
        self.assertFalse(self.pauses)

    def test_retry_after_is_waited_for(self):
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=9)
        self.server.script(
            answer(503, Retry_After="7"), answer(429, Retry_After=format_datetime(soon, True)),
            answer(200, user()),
        )  # fmt: skip
        self.put()
        self.assertEqual(self.pauses[0], 7)
        self.assertTrue(5 < self.pauses[1] <= 9, self.pauses)

    def test_a_long_retry_after_is_left_to_the_caller(self):
        self.server.script(answer(429, Retry_After="11"))
        self.assertIn("left alone for 11 s", self.failure(Unreachable, self.put))
        self.assertFalse(self.pauses)
        self.requests()

    def test_a_retry_after_that_means_nothing(self):
        for text in ("soon", "-5", "1e9", "٣", "Mon, 99 Jan 2026 00:00:00 GMT", "9" * 400):
            with self.subTest(text):
                self.pauses.clear()
                head = b"HTTP/1.1 429 Busy\r\nConnection: close\r\nRetry-After: %b\r\n\r\n"
                self.server.script(raw(head % text.encode()), answer(200, page()))
                self.read()
                self.assertEqual(self.pauses, [0.5])

    def test_pauses_end_with_the_deadline(self):
        self.server.script(answer(503, Retry_After="9"))
        self.failure(Unreachable, self.put, self.hasty(total=5))
        self.assertFalse(self.pauses, "the deadline would be over after it")
        self.requests()

    def test_one_connection_serves_many_calls(self):
        self.server.script(*[answer(204)] * 3, answer(404, NOT_FOUND), answer(200, page()))
        for _number in range(4):
            self.backend.delete_alias("@a.example")
        self.read()
        self.assertEqual(self.server.connections, 1)

    def test_cookies_are_not_kept(self):
        self.server.script(answer(204, Set_Cookie="a=b; Path=/"), answer(204))
        self.backend.delete_alias("@a.example")
        self.backend.delete_alias("@a.example")
        self.assertNotIn("Cookie", self.server.seen[1].headers)


class TestOutcomes(FaultCase):
    """Which of the three failures it is: a question changes nothing, a change may be done."""

    def outcome(self, replies, of_read, of_change, backend=None, said=""):
        for call, kind in ((self.read, of_read), (self.put, of_change), (self.post, of_change)):
            with self.subTest(call=call.__name__):
                self.server.replies.clear()
                self.server.script(*replies)
                self.assertIn(said, self.failure(kind, call, backend or self.backend))
                self.requests()

    def test_errors_of_its_own(self):
        for replies in ([answer(500)], [answer(501)], [answer(502)] * 3, [answer(504)] * 3):
            with self.subTest(replies):
                self.outcome(replies, Unreachable, UnknownOutcome, said="error of its own")

    def test_not_taken(self):
        for status in (429, 503):
            self.outcome([answer(status)] * 3, Unreachable, Unreachable, said=f"({status})")

    def test_one_lost_answer_outweighs_later_ones(self):
        for first in (reset(), answer(502), answer(504)):
            self.outcome([first, answer(503), answer(429)], Unreachable, UnknownOutcome)
        self.server.script(reset(), answer(401, {"detail": "The key is revoked"}))
        self.assertIn("got lost", self.failure(UnknownOutcome, self.put))
        self.server.script(reset(), answer(409, {"detail": "The quota is used up."}))
        self.assertEqual(self.failure(Refused, self.put), "The quota is used up.")

    def test_silence(self):
        self.outcome([silence()] * 3, Unreachable, UnknownOutcome, self.hasty(read=0.1),
                     "Nothing more came within 0.1 s")

    def test_dripping(self):
        for head, byte in (
            (b"", b"H"),
            (OK, b"X: y\r\n"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (OK + b"Content-Length: 9999\r\n\r\n", b" "),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        ):
            with self.subTest(head + byte):
                begin = time.monotonic()
                self.server.script(drip(head, byte))
                backend = self.hasty(read=5, total=0.2)
                self.assertIn("No whole answer came within 0.2 s",
                              self.failure(UnknownOutcome, self.put, backend))
                self.assertLess(time.monotonic() - begin, 2)

    def test_the_connection_ends_too_early(self):
        body = b'{"items": [], "next": null}'
        for reply in (
            raw(b""),
            raw(b"HTTP/1.1 "),
            raw(OK + b"Content-Length: 99\r\n\r\n" + body),
            raw(OK + b"Transfer-Encoding: chunked\r\n\r\n1b\r\n" + body + b"\r\n"),
            reset(),
        ):
            with self.subTest(reply):
                self.outcome([reply] * 3, Unreachable, UnknownOutcome,
                             said="ended before the answer was complete")

    def test_no_http_at_all(self):
        for text in (b"220 mail.example ESMTP\r\n", b"HTTP/1.1 42 What\r\n\r\n", b"\0" * 100_000,
                     OK + b"Content-Length: 1, 2\r\n\r\n", OK + b"A: b\r\n" * 200 + b"\r\n",
                     OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(text[:30]):
                self.outcome([raw(text)] * 3, Unreachable, UnknownOutcome)

    def test_too_long_an_answer_is_cut_off_and_not_asked_for_again(self):
        self.patch(http, "MAX_RESPONSE_BYTES", 2 * 1024**2)
        mega = b" " * 1024**2
        for reply in (
            raw(OK + b"Content-Length: 99999999\r\n\r\n", *[mega] * 3),
            raw(OK + b"\r\n", *[mega] * 3),
            raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"100000\r\n", mega, b"\r\n"] * 3),
        ):
            with self.subTest(reply):
                self.outcome([reply], Unreachable, UnknownOutcome, said="longer than 2 MiB")

    def test_compressed_answers_are_not_unpacked(self):
        packed = gzip.compress(json.dumps(page()).encode())
        self.server.script(answer(200, packed, Content_Encoding="gzip"))
        self.assertIn("not JSON", self.failure(Unreachable, self.read))

    def test_json_of_another_shape(self):
        for body in (
            b"", b"<html>Log in</html>", b"null", b"[]", b"{}", b'"text"', b"7", b"{", b"\xff\xfe",
            b"[" * 200_000, b'{"a": ' + b"9" * 10_000 + b"}", b'{"items": {}, "next": null}',
            b'{"items": [7], "next": null}',
        ):
            with self.subTest(body[:20]):
                self.outcome([answer(200, body)], Unreachable, UnknownOutcome,
                             said="did not answer as an Emboux platform does")

    def test_fields_of_another_type(self):
        whole = user()
        for field, wrong in {
            "email": ("ann", 7, None, "ann@a.example\0", "ann@@a.example",
                      f"{'a' * 300}@a.example"),
            "quota": (-1, 1.5, "1", None, True, 2**63),
            "suspended": (0, "false", None),
            "send_as_domain": (0, None),
            "display_name": (None, []),
        }.items():
            for value in wrong:
                with self.subTest(field=field, value=value):
                    self.server.script(answer(200, whole | {field: value}))
                    self.assertNotIn("something else", self.failure(UnknownOutcome, self.put))
        self.server.script(answer(200, whole | {"invented": "later"}))
        self.put()

    def test_a_service_that_no_dns_can_hold(self):
        mx, dkim = SERVICE["mx"][0], SERVICE["dkim"][0]
        for wrong in (
            {"mx": [mx | {"host": "a b"}]}, {"mx": [mx | {"host": ""}]},
            {"mx": [mx | {"preference": 70000}]}, {"spf": ["a:x -all"]}, {"spf": "a:x"},
            {"dkim": [dkim | {"selector": "a..b"}]}, {"dkim": [dkim | {"selector": "s;p"}]},
            {"dkim": [dkim | {"public_key": "QUJD; t=y"}]}, {"dkim": [dkim | {"key_type": 7}]},
            {"dkim_domain": "a"}, {"verification": "a b"}, {"imap_host": "host\n"},
            {"records": [{"key": "mx"}]}, {"mta_sts_host": "a b", "mta_sts_id": "a1"},
            {"tls_report": "nobody"}, {"autoconfig_host": 7}, {"imap_host": "-.-;"},
            {"imaps_port": 0}, {"submissions_port": 65536},
        ):
            with self.subTest(wrong):
                self.server.script(answer(201, domain(service=SERVICE | wrong)))
                self.failure(UnknownOutcome, self.backend.ensure_domain, DomainSpec("a.example"))

    def test_absurd_statuses(self):
        for status in (101, 202, 204, 206, 299, 600, 999):
            with self.subTest(status):
                body = None if status in (101, 204) else user()
                self.outcome([answer(status, body)], Unreachable, UnknownOutcome)

    def test_redirections_are_not_followed(self):
        there = f"http://127.0.0.1:{self.server.port}/x?token=1"
        for status in (301, 302, 303, 307, 308):
            self.outcome([answer(status, Location=there)], Refused, Refused,
                         said=f"redirects ({status}) to http://127.0.0.1:{self.server.port}: if")
        for there in ("//[", "javascript:alert(1)", "http://user:pw@[::1", "\xff", "/login",
                      f"https://{'a' * 999}.example/"):
            self.outcome([answer(302, Location=there)], Refused, Refused, said="redirects (302).")


class TestWords(FaultCase):
    def test_fields_are_joined(self):
        self.server.script(answer(422, {"detail": [
            {"field": "quota", "message": "it is too large"},
            {"field": None, "message": "give the password or its hash, not both"},
        ]}))  # fmt: skip
        self.assertEqual(self.failure(Refused, self.put),
                         "quota: it is too large; give the password or its hash, not both")

    def test_a_key_that_is_not_accepted(self):
        for body in ({"detail": "Unknown key"}, b"<html>", {"detail": [1]}):
            self.server.script(answer(401, body))
            self.assertIn("Make a new key", self.failure(NotAuthorised, self.read))

    def test_what_is_not_the_platforms_reason_is_not_shown(self):
        for body in (b"<html>Forbidden</html>", {"error": "x"}, {"detail": 7}, {"detail": [7]},
                     {"detail": [{"message": "x"}]}, {"detail": ""}):
            with self.subTest(body):
                self.server.script(answer(403, body))
                self.assertEqual(
                    self.failure(Refused, self.put),
                    "It answered with 403, but not as an Emboux platform does: check the address.",
                )

    def test_reasons_are_made_fit_to_show(self):
        self.server.script(answer(409, {"detail": "a\0b\r\n\u2028c \ud800" + "x" * 9000}))
        said = self.failure(Refused, self.put)
        self.assertTrue(said.isprintable() and said.startswith("a b c "), said)
        self.assertEqual(len(said), 500)

    def test_a_reason_that_repeats_a_secret_is_not_shown(self):
        for secret in (KEY, "a secret password"):
            for status, kind in ((409, Refused), (401, NotAuthorised), (422, Refused)):
                self.server.script(answer(status, {"detail": f"You said {secret}"}))
                said = self.failure(kind, lambda: self.put(password="a secret password"))
                self.assertIn("repeats a secret", said)

    def test_a_key_that_no_header_can_hold(self):
        for key in ("", None, False, f"{KEY}\nX: y", "schlüssel", f"{KEY} {KEY}"):
            with self.subTest(key):
                self.assertIn("copy it again",
                              self.failure(NotAuthorised, self.read, self.client(key=key)))
        self.assertEqual(self.server.connections, 0)
        self.server.script(answer(200, page()))
        self.read(self.client(key=f" {KEY}\n"))
        self.assertEqual(self.server.seen[0].headers["Authorization"], f"Bearer {KEY}")

    def test_the_log_holds_no_secret(self):
        self.server.script(reset(), answer(502), answer(409, {"detail": "No."}))
        with self.assertLogs(http._logger, "DEBUG") as ours, self.assertLogs(level="DEBUG") as all:
            self.failure(Refused, lambda: self.put(password="a secret password"))
        text = "\n".join(ours.output + all.output)
        self.assertIn("again in 0.5 s", text)
        self.assertNotIn(KEY, text)
        self.assertNotIn("a secret password", text)
