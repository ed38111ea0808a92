# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Servers that refuse, keep silent or lie: each in words, and with an outcome that is true."""

import dataclasses
import socket
import time
import types
from unittest import mock

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rrset

from odoo.addons.emboux_core.dns import primary
from odoo.addons.emboux_core.dns.expected import MailService, MxTarget, expected_records
from odoo.addons.emboux_core.dns.primary import Session
from odoo.addons.emboux_core.dns.publish import Primary, ZoneChanged, apply, plan
from odoo.addons.emboux_core.net.errors import NotAuthorised, Refused, UnknownOutcome, Unreachable
from odoo.addons.emboux_core.tests.dns_server import DnsServer
from odoo.addons.emboux_core.tests.knot_server import SECRETS, KnotCase

SERVICE = MailService(mx=(MxTarget(10, "mx1.host.test"),), verification="t0ken")
HASTE_S = 0.3  # for a server that says nothing
PATIENCE_S = 2.0  # for one that says something after it has said nothing
SILENT, END = object(), object()


class Liar(DnsServer):
    """Stands between us and Knot; ``lie(asked, answer)`` gives what to send, None for the truth.

    Both are octets; ``answer`` is what Knot says. ``before`` is asked first, so that Knot may
    never see the question.
    """

    def __init__(self, port):
        super().__init__()
        self.knot_port = port
        self.lie = self.before = lambda *_octets: None

    def reply(self, wire, transport):
        said = self.before(wire)
        if said is None:
            with socket.create_connection(("127.0.0.1", self.knot_port), 5) as knot:
                knot.sendall(len(wire).to_bytes(2, "big") + wire)
                with knot.makefile("rb") as file:
                    answer = file.read(int.from_bytes(file.read(2), "big"))
            said = self.lie(wire, answer)
            said = answer if said is None else said
        if said is END:
            raise ConnectionError
        return None if said is SILENT else said


def is_update(wire):
    return dns.opcode.from_flags(int.from_bytes(wire[2:4], "big")) == dns.opcode.UPDATE


def coded(rcode):
    """An unsigned answer with this code and nothing but the question."""
    def lie(wire, *_):
        end = wire.index(b"\0", 12) + 5  # behind the name, type and class
        return wire[:2] + bytes([0x84 | wire[2], rcode, 0, 1]) + bytes(6) + wire[12:end]

    return lie


def on_update(lie):
    return lambda wire, *rest: lie(wire, *rest) if is_update(wire) else None


class FaultCase(KnotCase):
    def setUp(self):
        super().setUp()
        self.liar = Liar(self.knot.port).start()
        self.addCleanup(self.liar.stop)
        keys = ("mx", "verification")
        self.records = tuple(r for r in expected_records(self.zone, SERVICE) if r.key in keys)

    def settings(self, **options):
        return self.knot.primary(**{"port": self.liar.port, **options})

    def failure(self, kind, call, *arguments):
        with self.assertRaises(kind) as caught:
            call(*arguments)
        self.assertIs(type(caught.exception), kind)
        text = str(caught.exception)
        self.assertRegex(text, r"^\S.*\w\)?\.$")
        for _algorithm, secret in SECRETS.values():
            self.assertNotIn(secret, text)
        return text

    def look(self, **options):
        return plan(self.zone, self.records, self.settings(**options))


#: What can be said to Knot 3.4, which answers NOTAUTH alone where 3.2 names the error (RFC 8945).
CHECK_KEY = "|check the name and the secret of the TSIG key"


class TestKeys(FaultCase):
    def assert_key(self, said, **options):
        for call in (self.look, lambda **o: apply(self.plan(self.records), self.settings(**o))):
            self.assertRegex(self.failure(NotAuthorised, lambda c=call: c(**options)), said)
        self.assertEqual(self.knot.content(self.zone), set())

    def test_a_wrong_secret(self):
        self.assert_key("does not accept the signature: .* secret", key_secret="AAAA")

    def test_an_unknown_name(self):
        self.assert_key("does not know the TSIG key nobody" + CHECK_KEY, key_name="nobody")

    def test_another_algorithm(self):
        self.assert_key("does not know the TSIG key emboux with hmac-sha512" + CHECK_KEY,
                        key_algorithm="hmac-sha512")  # fmt: skip

    def test_a_wrong_clock(self):
        seen = self.plan(self.records)
        late = types.SimpleNamespace(time=lambda: time.time() - 3600)
        self.startPatcher(mock.patch.object(dns.message, "time", late))
        for call in (self.look, lambda: apply(seen, self.primary)):
            self.assertIn("set the clocks", self.failure(NotAuthorised, call))

    def test_a_key_that_may_only_ask(self):
        seen = plan(self.zone, self.records, self.knot.primary("reader"))
        said = self.failure(NotAuthorised, apply, seen, self.knot.primary("reader"))
        self.assertRegex(said, "reader with hmac-sha256, or not for this zone" + CHECK_KEY)

    def test_no_key(self):
        bare = Primary("127.0.0.1", self.knot.port, allow_private=True)
        seen = plan(self.zone, self.records, bare)
        said = self.failure(Refused, apply, seen, bare)
        self.assertRegex(said, "does not change .* wants another key for updates")

    def test_keys_that_cannot_be_used(self):
        for options in (
            {"key_secret": ""}, {"key_secret": "s3cret!"}, {"key_secret": "sécret"},
            {"key_name": ""}, {"key_name": "a" * 64}, {"key_name": "a..b"},
            {"key_algorithm": "hmac-md5"}, {"host": ""}, {"port": 0}, {"port": 65536},
        ):  # fmt: skip
            with self.subTest(options):
                said = self.failure(Refused, lambda o=options: self.look(**o))
                self.assertNotIn("cret!", said)

    def test_the_secret_stays_out_of_sight(self):
        shown = repr(self.primary) + str(self.primary) + repr(Session(self.primary))
        self.assertNotIn(self.primary.key_secret, shown)
        self.assertNotIn(self.primary.key_secret, repr(self.plan(self.records)))
        with self.assertRaises(dataclasses.FrozenInstanceError):
            self.primary.key_secret = ""


class TestReach(FaultCase):
    def test_private_addresses_are_not_contacted(self):
        for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "::1", "127.1",
                     "::ffff:10.0.0.1", "0.0.0.0"):  # fmt: skip
            with self.subTest(host), mock.patch.object(primary.socket, "socket") as connecting:
                said = self.failure(
                    Refused, lambda h=host: self.look(host=h, allow_private=False)
                )
                self.assertIn("not on the public internet", said)
                self.assertFalse(connecting.called)

    def test_the_address_that_was_looked_at_is_the_one_that_is_used(self):
        found = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 53))]
                 for address in ("192.0.2.1", "127.0.0.1")]  # fmt: skip
        self.startPatcher(mock.patch.object(primary, "is_public", lambda a: a == "192.0.2.1"))
        self.startPatcher(mock.patch.object(primary.socket, "getaddrinfo", side_effect=found))
        with mock.patch.object(primary.socket.socket, "connect", side_effect=OSError) as connect:
            self.failure(Unreachable, lambda: self.look(host="ns.test", allow_private=False))
        connect.assert_called_once_with(("192.0.2.1", 53))

    def test_the_next_address(self):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, self.knot.port))
                 for address in ("127.0.0.2", "127.0.0.1")]  # fmt: skip
        self.startPatcher(
            mock.patch.object(primary.socket, "getaddrinfo", return_value=found)
        )
        self.assertEqual(len(self.look(host="ns.test").steps), 2)

    def test_nobody_there(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            said = self.failure(Unreachable, lambda: self.look(port=port))
            self.assertIn(f"127.0.0.1 port {port} cannot be reached over TCP: nothing takes", said)
        for error in (socket.gaierror(-2, "x"), UnicodeError()):
            with mock.patch.object(primary.socket, "getaddrinfo", side_effect=error):
                said = self.failure(Unreachable, lambda: self.look(host="ns.test"))
                self.assertIn("has no address", said)
        with mock.patch.object(primary.socket.socket, "connect", side_effect=TimeoutError):
            self.assertIn("within 10 s", self.failure(Unreachable, self.look))

    def test_a_server_of_other_zones(self):
        for domain in ("else.example", "more.test"):
            with self.subTest(domain):
                said = self.failure(Refused, lambda d=domain: plan(d, (), self.primary))
                self.assertIn("REFUSED: enter the server that holds the zone", said)


class TestLies(FaultCase):
    def assert_no_plan(self, lie, said, kind=Unreachable, **options):
        self.liar.lie = lie
        self.assertRegex(self.failure(kind, lambda: self.look(**options)), said)

    def edited(self, change, **fields):
        """A lie to unsigned questions: the answer with something changed."""
        def lie(_wire, answer):
            message = dns.message.from_wire(answer)
            change(message)
            return message.to_wire()

        self.bare = {"key_name": "", "key_secret": ""}
        return lie

    def test_silence(self):
        self.assert_no_plan(lambda *_: SILENT, "no answer came within 0.3 s", timeout_s=HASTE_S)

    def test_the_whole_call_has_a_deadline(self):
        begun = time.monotonic()
        self.assert_no_plan(lambda *_: SILENT, "no answer", timeout_s=30, deadline_s=HASTE_S)
        self.assertLess(time.monotonic() - begun, 5)

    def test_half_an_answer(self):
        """The length promises more than ever comes."""
        self.liar.reply = lambda wire, _transport: _Short(b"\0" * 20)
        said = self.failure(Unreachable, lambda: self.look(timeout_s=HASTE_S))
        self.assertIn("no answer came within 0.3 s", said)

    def test_connections_that_end(self):
        self.assert_no_plan(lambda *_: END, "connection ended")
        turns = iter([None, END] * 50)
        self.liar.lie = lambda *_: next(turns)
        self.assertEqual(len(self.look().steps), 2, "asked again over another connection")

    def test_garbage(self):
        self.assert_no_plan(lambda wire, _: wire[:2] + b"\xff" * 20, "cannot be read")
        self.assert_no_plan(lambda *_: b"\0", "cannot be read")

    def test_answers_that_are_not_signed(self):
        self.assert_no_plan(coded(dns.rcode.NOERROR), "not signed")
        self.assert_no_plan(coded(dns.rcode.NXDOMAIN), "not signed")

    def test_answers_that_were_changed_on_the_way(self):
        self.assert_no_plan(lambda _, a: a[:3] + bytes([a[3] ^ 3]) + a[4:], "BadSignature")

    def test_codes(self):
        for code, kind, said in (
            (dns.rcode.REFUSED, Refused, "REFUSED: enter the server"),
            (dns.rcode.NOTAUTH, NotAuthorised, "NOTAUTH: check the name and the secret"),
            (dns.rcode.SERVFAIL, Unreachable, "SERVFAIL: it has a fault of its own"),
            (dns.rcode.NOTIMP, Refused, "NOTIMP"),
        ):
            with self.subTest(said):
                self.assert_no_plan(coded(code), said, kind)

    def test_another_question(self):
        lie = self.edited(lambda message: setattr(message, "id", message.id ^ 1))
        self.assert_no_plan(lie, "another question", **self.bare)

    def test_a_cut_answer(self):
        def cut(message):
            message.flags |= dns.flags.TC

        self.assert_no_plan(self.edited(cut), "is cut off", **self.bare)

    def test_not_authoritative(self):
        def lame(message):
            message.flags &= ~dns.flags.AA

        self.assert_no_plan(self.edited(lame), "does not hold the zone", Refused, **self.bare)

    def test_the_soa_of_something_else(self):
        def other(message):
            message.answer = [
                dns.rrset.from_text("else.test.", 60, "IN", "SOA", "a. b. 1 1 1 1 1")
            ]

        self.assert_no_plan(self.edited(other), "does not hold the zone", Refused, **self.bare)

    def test_authority_that_ends_in_between(self):
        self.records = self.records[:1]

        def lame(message):
            if message.question[0].name.to_text().startswith("_emboux"):
                message.flags &= ~dns.flags.AA

        self.assert_no_plan(self.edited(lame), "does not answer for _emboux", **self.bare)

    def test_a_circle_of_aliases(self):
        name = f"_emboux.{self.zone}."

        def circle(message):
            if message.question[0].name.to_text() == name:
                message.set_rcode(0)
                message.answer = [dns.rrset.from_text(name, 60, "IN", "CNAME", name)]

        self.liar.lie = self.edited(circle)
        seen = self.look(**self.bare)
        self.assertEqual(self.actions(seen), {"verification": "conflict", "mx": "add"})


class TestUpdates(FaultCase):
    def setUp(self):
        super().setUp()
        self.seen = self.plan(self.records)

    def send(self, **options):
        return apply(self.seen, self.settings(**options))

    def test_codes(self):
        for code, kind, said in (
            (dns.rcode.REFUSED, Refused, "REFUSED.: allow the key"),
            (dns.rcode.NOTAUTH, NotAuthorised, "NOTAUTH.: check the name and the secret"),
            (dns.rcode.NOTZONE, Refused, "NOTZONE.: a record lies outside"),
            (dns.rcode.NOTIMP, Refused, "NOTIMP.: it takes no dynamic updates"),
            (dns.rcode.FORMERR, Refused, "FORMERR"),
            (dns.rcode.SERVFAIL, Unreachable, "SERVFAIL.: it has a fault of its own"),
        ):
            with self.subTest(said):
                self.liar.before = on_update(coded(code))
                self.assertRegex(self.failure(kind, self.send), said)
        self.assertEqual(self.knot.content(self.zone), set())

    def test_prerequisites_that_are_not_met(self):
        bare = Primary("127.0.0.1", self.liar.port, allow_private=True)
        for code in (dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN):
            self.liar.before = on_update(coded(code))
            self.failure(ZoneChanged, apply, self.seen, bare)
        # an unsigned one may be anybody's
        self.failure(UnknownOutcome, self.send)

    def test_an_answer_that_gets_lost_after_the_deed(self):
        for lie in (lambda *_: SILENT, lambda *_: END, lambda w, _: w[:2] + b"\xff" * 20,
                    coded(dns.rcode.NOERROR)):  # fmt: skip
            self.liar.lie = on_update(lie)
            result = self.send(timeout_s=PATIENCE_S)
            self.assertEqual(set(self.states(result).values()), {"done"})
            self.assertEqual(len(self.knot.content(self.zone)), 2)
            gone = plan(self.zone, (), self.primary, result.published)
            self.assertEqual(apply(gone, self.settings(timeout_s=PATIENCE_S)).published, ())
            self.assertEqual(self.knot.content(self.zone), set())

    def test_an_answer_that_gets_lost_before(self):
        for lie in (SILENT, END):
            self.liar.before = on_update(lambda _wire, lie=lie: lie)
            self.assertIn("was sent the change", self.failure(
                UnknownOutcome, lambda: self.send(timeout_s=PATIENCE_S)))  # fmt: skip

    def test_a_lost_answer_and_nobody_to_ask(self):
        self.liar.lie = lambda *_: SILENT
        self.failure(UnknownOutcome, lambda: self.send(deadline_s=HASTE_S))
        # the claim, kept before, finds what was done
        again = plan(self.zone, self.records, self.primary, self.seen.claim(False))
        self.assertEqual(set(self.actions(again).values()), {"there"})
        self.assertEqual(set(apply(again, self.primary).published), set(self.seen.claim(False)))

    def test_nobody_there(self):
        with mock.patch.object(primary.socket.socket, "connect", side_effect=TimeoutError):
            self.failure(Unreachable, self.send)

    def test_a_change_that_is_too_long(self):
        many = tuple(
            dataclasses.replace(self.records[0], key=f"k{n}", value=f"{n}" * 250)
            for n in range(300)
        )
        seen = self.plan(many)
        self.assertIn("too long for one message", self.failure(Refused, apply, seen, self.primary))

    def test_a_wildcard_that_nobody_tells_about(self):
        self.knot.change(self.zone, '* TXT "x"\n')
        self.liar.lie = on_update(lambda *_: SILENT)
        said = self.failure(Unreachable, lambda: self.look(timeout_s=PATIENCE_S))
        self.assertIn("no answer", said)


class _Short(bytes):
    """Octets that claim to be one more than they are."""

    def __len__(self):
        return super().__len__() + 1
