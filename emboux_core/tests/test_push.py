# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Messages on their way to an Odoo: what is sent, and every answer that may come."""

import email
import email.policy
import time

from ..net import push, signature
from ..net.guard import Timeouts
from .dns_server import PlainTest
from .http_server import ScriptedServer, answer, drip, raw, reset, silence

ONE = push.Message("msg_1", b"Subject: One\r\n\r\n\x00\xff\r\n--not-a-boundary\r\n")
TWO = push.Message("msg_2", b"Subject: Two\n\nbare newlines\n")


def taken(*rows):
    return {"messages": [{"status": status, "sentence": text} for status, text in rows]}


class TestPush(PlainTest):
    def setUp(self):
        super().setUp()
        self.server = ScriptedServer().start()
        self.addCleanup(self.server.stop)
        self.secret = signature.new_secret()

    def push(self, *messages, **kwargs):
        pusher = push.Pusher(Timeouts(connect=1.0, read=0.5, total=1.0))
        url = f"http://127.0.0.1:{self.server.port}{push.path_of(7)}"
        return pusher.push(url, self.secret, messages or [ONE, TWO],
                           **{"allow_private": True, **kwargs})

    def test_each_is_signed_and_unchanged(self):
        self.server.script(answer(200, taken((200, "Taken."), (422, "No document."))))
        self.assertEqual(self.push(headers={"X-Odoo-Database": "one"}), [
            push.Outcome(200, "Taken."), push.Outcome(422, "No document."),
        ])
        [seen] = self.server.seen
        self.assertEqual((seen.method, seen.path), ("POST", "/emboux/inbound/7"))
        self.assertEqual(seen.headers["X-Odoo-Database"], "one")
        kind = f"Content-Type: {seen.headers['Content-Type']}\r\n\r\n".encode()
        form = email.message_from_bytes(kind + seen.body, policy=email.policy.HTTP)
        self.assertEqual(len(form.get_payload()), 2)
        for message, part in zip((ONE, TWO), form.iter_parts(), strict=True):
            self.assertIn(message.body, seen.body)
            self.assertEqual(part["webhook-id"], message.number)
            self.assertTrue(signature.is_signed(self.secret, part, message.body))
            self.assertFalse(signature.is_signed(self.secret, part, message.body + b"."))
            self.assertFalse(signature.is_signed(signature.new_secret(), part, message.body))
            self.assertFalse(signature.is_signed(
                self.secret, part, message.body, time.time() + signature.TOLERANCE + 2))

    def test_whoever_refuses_the_request_refuses_each(self):
        self.server.script(answer(413, b"<html>", Content_Type="text/html"))
        self.assertEqual(self.push(), [push.Outcome(413, "")] * 2)
        self.server.script(answer(404, b"No\r\nsuch mailbox", Content_Type="text/plain"))
        self.assertEqual(self.push(ONE), [push.Outcome(404, "No such mailbox")])

    def test_an_answer_that_is_none_takes_nothing(self):
        for wrong in (
            b"", b"<html>Welcome</html>", [], {"messages": {}}, taken((200, "Taken.")),
            taken((200, "a"), (200, "b"), (200, "c")), taken((200, "a"), ("200", "b")),
            taken((200, "a"), (True, "b")), taken((200, "a"), (200, None)), taken((1, ""), (2, "")),
        ):
            with self.subTest(wrong=wrong):
                self.server.script(answer(200, wrong))
                self.assertEqual({outcome.status for outcome in self.push()}, {0})

    def test_no_answer_in_time_is_none(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        for fault in (reset(), silence(), drip(head, b" "), raw(b"nonsense\r\n\r\n")):
            self.server.script(fault)
            began = time.monotonic()
            [outcome] = self.push(ONE)
            self.assertEqual(outcome.status, 0)
            self.assertIn("Odoo did not answer", outcome.sentence)
            self.assertNotIn("v1,", outcome.sentence)
            self.assertLess(time.monotonic() - began, 5)

    def test_a_redirection_is_not_followed(self):
        self.server.script(answer(307, Location=f"http://127.0.0.1:{self.server.port}/elsewhere"))
        self.assertEqual(self.push(ONE)[0].status, 307)
        self.assertEqual(len(self.server.seen), 1)

    def test_private_addresses_are_not_called_for_others(self):
        [outcome] = self.push(ONE, allow_private=False)
        self.assertEqual(outcome.status, 0)
        self.assertIn("not on the public internet", outcome.sentence)
        self.assertFalse(self.server.seen)
