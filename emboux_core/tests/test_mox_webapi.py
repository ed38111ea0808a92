# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""mox's HTTP APIs for a mailbox, and every answer that may come."""

import base64
import email
import email.policy
import json
import smtplib
import time
from unittest.mock import Mock

from ..backends.mox_account import MoxAccount
from ..backends.mox_api import MoxNo
from ..backends.mox_session import MoxSession
from ..backends.mox_webapi import MoxWebApi, NotCarried
from ..net.errors import Busy, NotAuthorised, Refused, UnknownOutcome, Unreachable
from ..net.guard import Timeouts
from .dns_server import PlainTest
from .emboux_case import SEND
from .http_server import ScriptedServer, answer, drip, raw, reset, silence
from .test_mox_compose import composed

PASSWORD = "the password of ann"
SENT = {"MessageID": "<1@a.example>",
        "Submissions": [{"Address": "bob@b.example", "QueueMsgID": 7, "FromID": "abc"}]}


class MoxHttpCase(PlainTest):
    def setUp(self):
        super().setUp()
        self.server = ScriptedServer().start()
        self.addCleanup(self.server.stop)
        self.now = 1_800_000_000.0
        self.url = f"http://127.0.0.1:{self.server.port}/admin/"

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        return SEND(session, request, **options)

    def client(self, kind=MoxWebApi, **options):
        options = {"allow_private": True, "clock": lambda: self.now} | options
        return kind(self.url, "ann@a.example", PASSWORD, **options)

    def failure(self, kind, call, *arguments):
        """The message of an error of exactly this kind, which must hold no secret."""
        with self.assertRaises(kind) as caught:
            call(*arguments)
        self.assertIs(type(caught.exception), kind)
        login = base64.b64encode(f"ann@a.example:{PASSWORD}".encode()).decode()
        seen, shown = caught.exception, ""
        while seen is not None:
            shown += str(seen) + repr(seen) + repr(vars(seen))
            seen = seen.__cause__ or seen.__context__
        for secret in (PASSWORD, login, "a webhook's secret"):
            self.assertNotIn(secret, shown)
        return str(caught.exception)


class TestMoxWebApi(MoxHttpCase):
    def send(self, client=None, message=None):
        return (client or self.client()).send(
            message or composed(), ["bob@b.example"], {"Recipient": "bob@b.example"})

    def test_sending(self):
        self.server.script(answer(200, SENT))
        [sent] = self.send()
        self.assertEqual((sent.address, sent.number, sent.from_id), ("bob@b.example", 7, "abc"))
        [seen] = self.server.seen
        self.assertEqual((seen.method, seen.path), ("POST", "/webapi/v0/Send"))
        kind, _space, login = seen.headers["Authorization"].partition(" ")
        self.assertEqual((kind, base64.b64decode(login).decode()),
                         ("Basic", f"ann@a.example:{PASSWORD}"))
        head = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + seen.body, policy=email.policy.HTTP)
        [part] = form.iter_parts()
        self.assertEqual(part.get_param("name", header="content-disposition"), "request")
        request = json.loads(part.get_payload(decode=True))
        self.assertEqual(request["Extra"], {"Recipient": "bob@b.example"})
        self.assertEqual(request["Subject"], "Grüße")

    def test_a_message_as_it_lies_there(self):
        self.server.script(answer(200, b"Subject: x\r\n\r\n\x00\xff"))
        self.assertEqual(self.client().raw(44), b"Subject: x\r\n\r\n\x00\xff")
        self.assertEqual(self.server.seen[0].path, "/webapi/v0/MessageRawGet")

    def test_what_its_codes_mean(self):
        for code, kind, words in (
            ("badFrom", Refused, "may not send"), ("messageTooLarge", Refused, "too large"),
            ("user", Refused, "as mox says"), ("protocol", Refused, "as mox says"),
            ("newInTheFuture", Refused, "as mox says"),
            ("messageLimitReached", Busy, "in a day"), ("recipientLimitReached", Busy, "new"),
            ("domainDisabled", Busy, "switched off"), ("server", Unreachable, "as mox says"),
            ("sentOverQuota", UnknownOutcome, "as mox says"),
        ):
            with self.subTest(code=code):
                self.server.script(answer(400, {"Code": code, "Message": "as mox says"}))
                self.assertIn(words, self.failure(kind, self.send))

    def test_answers_that_are_none(self):
        for wrong in (
            answer(200, b"<html>"), answer(200, []), answer(200, {**SENT, "Submissions": None}),
            answer(200, {**SENT, "MessageID": "<2@a.example>"}),
            answer(200, {**SENT, "Submissions": []}), answer(400, b"<html>"), answer(403, b"no"),
            answer(500, b"x"), answer(502), reset(), raw(b"nonsense\r\n\r\n"),
        ):
            self.server.script(wrong)
            self.failure(UnknownOutcome, self.send)
        self.assertEqual(len(self.server.seen), 11, "none is repeated: it might be sent twice")
        self.server.script(reset(), answer(503))
        self.failure(Unreachable, self.client().raw, 1)
        self.failure(Unreachable, self.client().raw, 1)
        self.server.script(answer(404, b"404 page not found"))
        self.assertIn("WebAPIHTTPS", self.failure(Refused, self.send))

    def test_it_does_not_wait_for_ever(self):
        hasty = Timeouts(connect=1, read=0.3, total=0.6)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        for fault in (silence(), drip(head, b" ")):
            self.server.script(fault)
            began = time.monotonic()
            self.failure(UnknownOutcome, self.send, self.client(timeouts=hasty))
            self.assertLess(time.monotonic() - began, 5)

    def test_a_wrong_password_is_tried_once_in_a_minute(self):
        client = self.client()
        self.server.script(answer(401, b"401 - unauthorized - use http basic auth"))
        for _try in range(3):
            self.assertIn("does not accept", self.failure(NotAuthorised, client.raw, 1))
        # ten in a minute shut out all that comes from us
        self.assertEqual(len(self.server.seen), 1)
        self.now += 61
        self.server.script(answer(401, b"401 - unauthorized - login is disabled for this account"))
        self.assertIn("suspended", self.failure(NotAuthorised, client.raw, 1))

    def test_when_there_were_too_many_calls(self):
        client = self.client()
        self.server.script(answer(429, b"429 - too many auth attempts"))
        self.now += 50 - self.now % 60
        self.failure(Busy, client.raw, 1)
        self.failure(Busy, client.raw, 1)
        self.assertEqual(len(self.server.seen), 1)
        self.now += 13
        self.server.script(answer(200, b"x"))
        self.assertEqual(client.raw(1), b"x")

    def test_without_a_call(self):
        self.failure(Refused, self.send, self.client(allow_private=False))
        large = composed()
        large.add_attachment(b"\0" * 8_000_000, "application", "pdf", filename="a.pdf")
        self.assertIn("too large", self.failure(NotCarried, self.send, None, large))
        nobody = MoxWebApi(self.url, "ann@a.example", "", allow_private=True)
        self.failure(NotAuthorised, self.send, nobody)
        self.assertFalse(self.server.seen)


class TestMoxSession(MoxHttpCase):
    """What Odoo sees in the place of an SMTP session."""

    def setUp(self):
        super().setUp()
        self.smtp = Mock()
        self.session = MoxSession(self.client(), "a.example", "ann@a.example", lambda: self.smtp)

    def send(self, message, *recipients):
        self.session.send_message(message, "bounce@a.example", recipients or ("bob@b.example",))

    def test_by_http(self):
        self.server.script(answer(200, SENT))
        self.send(composed(), "bob@b.example", "bob@b.example")
        self.session.quit()
        self.assertFalse(self.smtp.mock_calls)
        self.assertIn(b'"Extra": {"Recipient": "bob@b.example"}', self.server.seen[0].body)

    def test_what_http_does_not_carry_goes_by_smtp(self):
        message = composed(Cc="c@b.example", Return_Path="bounce@a.example")
        self.send(message)
        [call, *_others] = self.smtp.send_message.mock_calls
        self.assertEqual(call.args, (message, "bounce@a.example", ("bob@b.example",)))
        self.assertEqual(message["X-Mox-Extra-Recipient"], "bob@b.example")
        self.assertNotIn("Return-Path", message)
        self.session.quit()
        self.smtp.quit.assert_called_once()

    def test_its_errors_are_those_of_smtp(self):
        for reply, code in (
            (answer(400, {"Code": "messageLimitReached", "Message": ""}), 421),
            (answer(400, {"Code": "badFrom", "Message": ""}), 554),
            (reset(), 554), (answer(429), 421),
        ):
            self.server.script(reply)
            with self.assertRaises(smtplib.SMTPResponseException) as caught:
                self.send(composed())
            self.assertEqual(caught.exception.smtp_code, code)


class TestMoxAccount(MoxHttpCase):
    LOGIN = (answer(200, {"result": "t0ken"}, Set_Cookie="webaccountlogin=t0ken; Path=/"),
             answer(200, {"result": "csrf"}, Set_Cookie="webaccountsession=s; Path=/"))

    def account(self):
        return self.client(MoxAccount)

    def test_webhooks(self):
        account = self.account()
        done = answer(200, {"result": None})
        self.server.script(*self.LOGIN, done, done)
        account.set_incoming("https://odoo.example/in", "a webhook's secret")
        account.set_outgoing("", "")
        self.assertEqual([(seen.path.rpartition("/")[2], seen.json["params"])
                          for seen in self.server.seen], [
            ("LoginPrep", []), ("Login", ["t0ken", "ann@a.example", PASSWORD]),
            ("IncomingWebhookSave", ["https://odoo.example/in", "a webhook's secret"]),
            ("OutgoingWebhookSave", ["", "", []]),
        ])
        self.assertEqual(self.server.seen[0].path, "/account/api/LoginPrep")
        self.assertEqual(self.server.seen[2].headers["Cookie"], "webaccountsession=s")

    def test_it_may_be_at_the_root(self):
        """Where mox serves it unless its configuration says otherwise."""
        self.server.script(answer(404, b"404 page not found"), *self.LOGIN,
                           answer(200, {"result": None}))
        self.account().set_incoming("", "")
        self.assertEqual([seen.path for seen in self.server.seen], [
            "/account/api/LoginPrep", "/api/LoginPrep", "/api/Login", "/api/IncomingWebhookSave"])

    def test_unique_return_paths_leave_alone_what_others_set(self):
        week = 7 * 86400 * 10**9
        config = {"FromIDLoginAddresses": ["app@a.example"], "KeepRetiredMessagePeriod": week * 2,
                  "KeepRetiredWebhookPeriod": 0}
        self.server.script(*self.LOGIN, answer(200, {"result": [config, 0, 0, []]}),
                           *[answer(200, {"result": None})] * 2)
        self.account().use_from_ids(True, 7 * 86400)
        kept, listed = (seen.json["params"] for seen in self.server.seen[-2:])
        self.assertEqual((kept, listed),
                         ([week * 2, week], [["app@a.example", "ann@a.example"]]))
        config["FromIDLoginAddresses"] = listed[0]
        self.server.script(*self.LOGIN, answer(200, {"result": [config, 0, 0, []]}),
                           answer(200, {"result": None}))
        self.account().use_from_ids(False, 0)
        self.assertEqual(self.server.seen[-1].json["params"], [["app@a.example"]])

    def test_refusals(self):
        def error(code, text):
            return answer(200, {"result": None, "error": {"code": code, "message": text}})

        self.server.script(*self.LOGIN, error("user:error", "bad url a webhook's secret"))
        words = self.failure(MoxNo, self.account().set_incoming, "x", "a webhook's secret")
        self.assertIn("repeats a secret", words)
        self.server.script(*self.LOGIN, error("sherpa:badFunction", "no such"))
        self.assertIn("too old", self.failure(Refused, self.account().set_outgoing, "x", "y"))
        self.server.script(self.LOGIN[0], error("user:loginFailed", "invalid credentials"))
        self.assertIn("Renew Odoo's", self.failure(
            NotAuthorised, self.account().set_outgoing, "x", "y"))
        self.server.script(answer(404), answer(404))
        self.failure(UnknownOutcome, self.account().set_outgoing, "x", "y")
