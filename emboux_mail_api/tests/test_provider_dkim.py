# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Keys of this server's own: what is published verifies what was signed, and they rotate."""

import base64
import datetime

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from odoo.addons.emboux_core.dns.expected import DkimKey
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_mail_api.providers.base import PENDING, VERIFIED
from odoo.addons.emboux_mail_api.providers.dkim import (
    OVERLAP,
    ROTATE_AFTER,
    Finding,
    KeyLife,
    OwnServer,
    Plan,
    generate,
    plan,
    public_part,
    selector_for,
)

DAY = datetime.date(2026, 3, 1)
MESSAGE = b"From: ann@a.example\r\nTo: bob@b.example\r\nSubject: Hello\r\n\r\nHello\r\n"
A = "a.example"


def pem(private):
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()  # fmt: skip


class TestKeys(PlainTest):
    def published(self, key):
        server = OwnServer(lambda _name: (key.public,), None, lambda _name: Finding(PENDING, ""))
        [record] = server.status(A).records
        return record

    def verifies(self, key, sign_with):
        record = self.published(key)
        signature = dkim.sign(MESSAGE, key.public.selector.encode(), A.encode(), sign_with)
        asked = []

        def txt(name, timeout=5):
            asked.append(name.decode().rstrip("."))
            return record.value.encode()

        self.assertTrue(dkim.verify(signature + MESSAGE, dnsfunc=txt))
        self.assertEqual(asked, [record.name])
        self.assertFalse(dkim.verify(signature + MESSAGE + b"x", dnsfunc=txt))

    def test_rsa(self):
        key = generate("rsa", "rsa-20260301")
        self.assertEqual(self.published(key).name, f"rsa-20260301._domainkey.{A}")
        private = serialization.load_pem_private_key(key.private_pem.encode(), None)
        self.assertEqual(private.key_size, 2048)
        pkcs1 = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )  # fmt: skip
        self.verifies(key, pkcs1)

    def test_ed25519(self):
        key = generate("ed25519", "ed25519-20260301")
        self.assertEqual(self.published(key).value,
                         f"v=DKIM1; k=ed25519; p={key.public.public_key}")
        octets = base64.b64decode(key.public.public_key)
        self.assertEqual(len(octets), 32, "RFC 8463, 4")
        private = serialization.load_pem_private_key(key.private_pem.encode(), None)
        # dkimpy would need PyNaCl for it
        public = ed25519.Ed25519PublicKey.from_public_bytes(octets)
        public.verify(private.sign(MESSAGE), MESSAGE)
        with self.assertRaises(InvalidSignature):
            public.verify(private.sign(MESSAGE), MESSAGE + b"x")

    def test_the_key_of_rfc_8463(self):
        """Appendix A.2."""
        seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
        private = pem(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
        self.assertEqual(
            public_part("brisbane", private),
            DkimKey("brisbane", "ed25519", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        )

    def test_the_private_half_is_not_shown(self):
        for key_type in ("rsa", "ed25519"):
            key = generate(key_type, "s")
            self.assertNotIn("PRIVATE", repr(key))
            self.assertEqual(public_part("s", key.private_pem), key.public)

    def test_other_keys(self):
        short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
        self.assertEqual(public_part("s", pem(short)).key_type, "rsa")
        curve = pem(ec.generate_private_key(ec.SECP256R1()))
        locked = short.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        ).decode()  # fmt: skip
        for text, words in (
            ("", "not an unencrypted"), ("-----BEGIN PRIVATE KEY-----", "not an unencrypted"),
            (curve, "RSA and Ed25519"), (locked, "not an unencrypted"),
        ):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words) as caught:
                public_part("s", text)
            self.assertIsNone(caught.exception.__cause__)
        with self.assertRaisesRegex(ValueError, "choose rsa or ed25519"):
            generate("dsa", "s")

    def test_selectors(self):
        self.assertEqual(selector_for("rsa", DAY), "rsa-20260301")
        self.assertEqual(selector_for("rsa", DAY, {"rsa-20260301"}), "rsa-20260301-2")
        taken = {"rsa-20260301", "rsa-20260301-2"}
        self.assertEqual(selector_for("rsa", DAY, taken), "rsa-20260301-3")


class TestRotation(PlainTest):
    def plan(self, keys, days=0, found=(), types=("rsa",)):
        return plan(keys, DAY + datetime.timedelta(days=days), found, types=types)

    def test_keys_are_made_where_there_are_none(self):
        self.assertEqual(plan((), DAY, ()), Plan(("rsa", "ed25519"), (), (), (), ()))

    def test_the_first_key_signs_before_it_is_seen(self):
        first = KeyLife("one", "rsa", DAY)
        self.assertEqual(self.plan([first]), Plan((), ("one",), (), ("one",), ()))

    def test_a_rotation_from_end_to_end(self):
        old = KeyLife("old", "rsa", DAY)
        due = ROTATE_AFTER.days
        self.assertEqual(self.plan([old], due - 1, {"old"}).make, ())
        self.assertEqual(self.plan([old], due, {"old"}).make, ("rsa",))
        new = KeyLife("new", "rsa", DAY + ROTATE_AFTER)
        both = [new, old]
        self.assertEqual(self.plan(both, due, {"old"}),
                         Plan((), ("old",), (), ("old", "new"), ()))  # fmt: skip
        self.assertEqual(self.plan(both, due + 1, {"old", "new"}),
                         Plan((), ("new",), ("old",), ("old", "new"), ()))  # fmt: skip
        retired = KeyLife("old", "rsa", DAY, DAY + datetime.timedelta(days=due + 1))
        both = [retired, new]
        for days in (due + 1, due + OVERLAP.days):
            self.assertEqual(self.plan(both, days, {"old", "new"}),
                             Plan((), ("new",), (), ("old", "new"), ()))  # fmt: skip
        self.assertEqual(self.plan(both, due + 1 + OVERLAP.days, {"old", "new"}),
                         Plan((), ("new",), (), ("new",), ("old",)))  # fmt: skip

    def test_dns_that_does_not_answer_changes_nobodys_key(self):
        """With nothing found the old key signs on, and none is retired."""
        keys = [KeyLife("old", "rsa", DAY), KeyLife("new", "rsa", DAY + ROTATE_AFTER)]
        made = self.plan(keys, ROTATE_AFTER.days + 1)
        self.assertEqual((made.sign, made.retire, made.remove), (("old",), (), ()))

    def test_a_retired_key_never_signs_again(self):
        keys = [KeyLife("old", "rsa", DAY, DAY)]
        self.assertEqual(self.plan(keys, 1, {"old"}), Plan(("rsa",), (), (), ("old",), ()))

    def test_types_rotate_each_for_itself(self):
        keys = [KeyLife("r", "rsa", DAY), KeyLife("e", "ed25519", DAY + ROTATE_AFTER)]
        made = self.plan(keys, ROTATE_AFTER.days, {"r", "e"}, ("rsa", "ed25519"))
        self.assertEqual((made.make, made.sign, made.retire), (("rsa",), ("r", "e"), ()))

    def test_a_key_beside_the_first_does_not_sign_before_it_is_seen(self):
        """Nobody could verify its signature, and the first type's stands there anyway."""
        keys, types = [KeyLife("r", "rsa", DAY), KeyLife("e", "ed25519", DAY)], ("rsa", "ed25519")
        self.assertEqual(self.plan(keys, types=types), Plan((), ("r",), (), ("r", "e"), ()))
        self.assertEqual(self.plan(keys, 1, {"r", "e"}, types).sign, ("r", "e"))
        self.assertEqual(self.plan(keys, 1, {"r"}, types).sign, ("r",), "nor when it is lost")
        self.assertEqual(self.plan(keys[1:], types=("ed25519",)).sign, ("e",), "nothing else signs")

    def test_of_two_keys_of_a_day_the_later_one_is_the_next(self):
        """Whatever their names: emboux and rsa-20260301, or -2 and -10."""
        for names in (("rsa", "emboux"), ("emboux", "rsa"), ("rsa-2", "rsa-10")):
            made = self.plan([KeyLife(name, "rsa", DAY) for name in names], 0, names)
            self.assertEqual((made.sign, made.retire), (names[1:], names[:1]))

    def test_while_a_key_waits_to_be_seen_no_further_one_is_made(self):
        keys = [KeyLife("old", "rsa", DAY), KeyLife("new", "rsa", DAY + ROTATE_AFTER)]
        late = 3 * ROTATE_AFTER.days
        self.assertEqual(self.plan(keys, late, {"old"}).make, ())
        self.assertEqual(self.plan(keys, late, {"old", "new"}).make, ("rsa",))

    def test_a_type_that_is_no_longer_wanted(self):
        keys = [KeyLife("r", "rsa", DAY), KeyLife("e", "ed25519", DAY)]
        made = self.plan(keys, 1, {"r", "e"})
        self.assertEqual((made.sign, made.retire, made.publish), (("r",), ("e",), ("r", "e")))


class TestOwnServer(PlainTest):
    def setUp(self):
        super().setUp()
        self.keys = {A: (DkimKey("one", "rsa", "QUJD"), DkimKey("two", "ed25519", "REVG"))}
        self.looked = []
        self.own = OwnServer(
            lambda name: self.keys.get(name, ()), self.look,
            lambda _name: Finding(PENDING, "Not looked at yet."), ("a:mail.host.example",),
        )  # fmt: skip

    def look(self, name, records):
        self.looked.append((name, records))
        return Finding(VERIFIED, "All is there.")

    def test_registering(self):
        made = self.own.register(A)
        self.assertEqual([(record.key, record.value) for record in made.records],
                         [("dkim:one", "v=DKIM1; k=rsa; p=QUJD"),
                          ("dkim:two", "v=DKIM1; k=ed25519; p=REVG")])  # fmt: skip
        self.assertEqual((made.state, made.reason, made.spf),
                         (PENDING, "Not looked at yet.", ("a:mail.host.example",)))
        self.assertEqual(self.own.register(A), made)
        self.assertEqual(self.own.status(A), made)
        self.assertFalse(self.looked)

    def test_verifying_looks_for_the_records(self):
        found = self.own.verify(A)
        self.assertEqual((found.state, found.reason), (VERIFIED, "All is there."))
        self.assertEqual(self.looked, [(A, self.own.register(A).records)])

    def test_a_subdomain_needs_no_record_of_its_own(self):
        self.assertEqual(self.own.register(f"sub.{A}", parent=A).records, ())

    def test_what_there_is_not(self):
        self.assertIsNone(self.own.status("b.example"))
        self.assertIsNone(self.own.relay())
        self.assertIsNone(self.own.ensure_credential(A))
        self.own.delete_credential(A)
        self.own.delete(A)
        self.assertIn("no key is needed", self.own.check())
