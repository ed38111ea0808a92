# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Each case is refused with a sentence that names the fault, and leaves nothing behind."""

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from .common import PlatformCase

LONG = "a" * 63

#: what is typed -> a word of the sentence that comes back
BAD_DOMAINS = {
    "": "empty",
    "   ": "empty",
    "localhost": "one part",
    "example": "one part",
    ".": "empty",
    "..": "",
    "a..example": "empty",
    ".example.com": "",
    "-a.example": "hyphen",
    "a-.example": "hyphen",
    "under_score.example": "_",
    "sp ace.example": "",
    "ex!ample.com": "!",
    "192.0.2.1": "IP",
    "[192.0.2.1]": "",
    "2001:db8::1": "",
    "http://example.com": "",
    "example.com/path": "",
    "info@example.com": "@",
    "*.example.com": "*",
    f"{LONG}a.example": "63",
    ".".join([LONG] * 4) + ".example": "25",
    "example.123": "",
    "xn--.example": "",
    "xn--zzzzzzz99999.example": "",
    "a\u200bb.example": "",
    "a\nb.example": "",
    "\u0627a.example": "",
    "\u2603\ufe0f\u20e3.example": "",
}

BAD_LOCAL_PARTS = {
    "": "empty",
    "  ": "empty",
    ".ann": "dot",
    "ann.": "dot",
    "an..n": "dot",
    "an n": "",
    "ann+tag": "+",
    '"ann"': "",
    "ann@": "",
    "ann@other.example": "",
    "a,b": ",",
    "a;b": ";",
    "a<b>": "",
    "a(b)": "",
    "a\\b": "",
    "a\nb": "",
    "a\x00b": "",
    "a/b": "/",
    "a%b": "%",
    "a!b": "!",
    "o'brien": "'",
    "jürgen": "ASCII",
    "\u200bann": "",
    "a" * 65: "64",
    "-dash": "begins with a hyphen",
    "-": "begins with a hyphen",
    "a\x00": "U+0000",
    "a\ud800b": "",
}

BAD_DESTINATIONS = {
    "": "",
    "\n \n": "",
    "ann": "@",
    "@": "",
    "@unit.example": "",
    "ann@": "",
    "ann@localhost": "one part",
    "Ann Adams <ann@a.example>": "",
    "ann@a.example bob@b.example": "",
    "ann@a.example\nbad@@b.example": "",
    "ann@-a.example": "hyphen",
    "-ann@a.example": "begins with a hyphen",
    "a\x00b@a.example": "U+0000",
    "\n".join(f"u{number}@a.example" for number in range(101)): "100",
    "me@unit.example": "itself",
    "nobody@unit.example": "does not exist",
}

BAD_VALUES = [
    ("emboux.mailbox", {"local_part": "q", "quota_mb": -1}, "between"),
    ("emboux.mailbox", {"local_part": "q", "quota_mb": 2_000_000_000}, "between"),
    ("emboux.mailbox", {"local_part": "q", "quota_mb": 3_000_000_000}, "between"),
    ("emboux.mailbox", {"local_part": "q", "password": "short"}, "too short"),
    ("emboux.mailbox", {"local_part": "q", "password": "x" * 257}, "too long"),
    ("emboux.mailbox", {"local_part": "q", "password": "tab\tinside it"}, "control"),
    ("emboux.mailbox", {"local_part": "quentin-q", "password": "Quentin-Q"}, "address itself"),
    ("emboux.mailbox", {"local_part": "q", "password": "abababababab"}, "same few"),
    ("emboux.alias", {"local_part": "q", "kind": "catch_all", "destinations": "a@a.example"},
     "no address of its own"),
]


@tagged("post_install", "-at_install")
class TestBadInput(PlatformCase):
    def _refused(self, model, values, word, error=UserError):
        """Refused with a sentence of words, and the table as before."""
        before = self.env[model].with_context(active_test=False).search_count([])
        addresses = self.env["emboux.address"].search_count([])
        with self.assertRaises(error) as caught:
            self.env[model].create(values)
            self.env.flush_all()
        sentence = str(caught.exception)
        self.assertIn(word, sentence, f"{values!r} was refused with: {sentence}")
        self.assertGreater(len(sentence.split()), 3, f"{values!r}: {sentence}")
        self.assertNotIn("Traceback", sentence)
        self.env.invalidate_all()
        after = self.env[model].with_context(active_test=False).search_count([])
        self.assertEqual(after, before, f"{values!r} left something behind")
        self.assertEqual(self.env["emboux.address"].search_count([]), addresses)

    def test_there_are_enough_cases(self):
        cases = (BAD_DOMAINS, BAD_LOCAL_PARTS, BAD_DESTINATIONS, BAD_VALUES)
        self.assertGreaterEqual(sum(map(len, cases)), 60)

    def test_domains(self):
        for name, word in BAD_DOMAINS.items():
            with self.subTest(name=name):
                self._refused(
                    "emboux.domain", {"name": name, "backend_id": self.backend.id}, word
                )

    def test_local_parts_of_mailboxes_and_aliases(self):
        for local_part, word in BAD_LOCAL_PARTS.items():
            with self.subTest(local_part=local_part):
                values = {"local_part": local_part, "domain_id": self.domain.id}
                self._refused("emboux.mailbox", values, word)
                values["destinations"] = "a@elsewhere.example.net"
                self._refused("emboux.alias", values, word)

    def test_destinations(self):
        for destinations, word in BAD_DESTINATIONS.items():
            with self.subTest(destinations=destinations):
                self._refused(
                    "emboux.alias",
                    {
                        "local_part": "me",
                        "domain_id": self.domain.id,
                        "destinations": destinations,
                    },
                    word,
                )

    def test_catch_all_that_points_at_itself(self):
        for destination in ("nobody@unit.example", "nobody+tag@unit.example"):
            self._refused(
                "emboux.alias",
                {"kind": "catch_all", "domain_id": self.domain.id, "destinations": destination},
                "caught by it again",
            )

    def test_other_values(self):
        for model, values, word in BAD_VALUES:
            with self.subTest(model=model, values=values):
                self._refused(model, values | {"domain_id": self.domain.id}, word)

    def test_control_characters_and_endless_text(self):
        """In every text that somebody can write; the database would answer with a traceback."""
        mailbox, alias = self.make_mailbox("ann"), self.make_alias("sales", "a@far.example.net")
        key, _secret = self.env["emboux.api.key"]._make({"name": "Key", "role": "master"})
        entry = self.env["emboux.suppression"].create({"email": "a@far.example"})
        for record, field, lines in (
            (mailbox, "name", False), (mailbox, "vacation_subject", False),
            (mailbox, "vacation_text", True), (mailbox, "forward_to", True),
            (alias, "destinations", True), (key, "name", False), (key, "networks", False),
            (entry, "detail", False), (entry, "source", False), (entry, "email", False),
            (self.env["emboux.provider"]._provider_of_this_server(), "name", False),
        ):
            for text in ("nul\0byte", "half\ud800", "bell\x07", "x" * 200_001,
                         *(() if lines else ("two\r\nlines", "two\nlines", "next\x85line",
                                             "sep\u2028arated"))):
                with self.subTest(field=f"{record._name} {field}", text=text[:10]):
                    with self.assertRaises(UserError) as caught, self.env.cr.savepoint():
                        record.write({field: text})
                        self.env.flush_all()
                    self.assertNotIn("\0", str(caught.exception))
        for name in ("nul\0byte", "two\nlines", "x" * 256):
            with self.assertRaises(UserError):
                self.env["emboux.api.key"]._make({"name": name, "role": "master"})
            with self.assertRaises(UserError):
                self.make_mailbox("q", name=name)
        mailbox.name = "Ann Müller-O’Neil \u200d👩\u200d💻"
        mailbox.vacation_text = "several\n\tlines\r\n"

    def test_control_characters_in_the_form(self):
        with Form(self.env["emboux.mailbox"].with_context(
                default_domain_id=self.domain.id)) as form:
            form.local_part = "fine"
            form.local_part = "a\0b"
            with self.assertRaisesRegex(UserError, r"U\+0000"):
                form.save()
            form.local_part = "fine"

    def test_an_address_of_more_than_254_characters(self):
        name = ".".join(["d" * 63] * 3) + ".example"
        domain = self.make_domain(name, state="verified")
        for model, values in (
            ("emboux.mailbox", {}), ("emboux.alias", {"destinations": "a@far.example.net"}),
        ):
            self._refused(model, {"local_part": "l" * 64, "domain_id": domain.id, **values},
                          "at most 254")
            self.env[model].create({"local_part": f"l{len(values)}{'l' * 50}",
                                    "domain_id": domain.id, **values})

    def test_passwords_are_not_quoted_back(self):
        with self.assertRaises(ValidationError) as caught:
            self.make_mailbox("q", password="hunter2")
        self.assertNotIn("hunter2", str(caught.exception))

    def test_values_that_are_no_choice(self):
        for model, field in (("emboux.mailbox", "state"), ("emboux.mailbox", "send_as"),
                             ("emboux.alias", "kind")):
            with self.subTest(model=model, field=field):
                values = {"local_part": "q", "domain_id": self.domain.id, field: "nonsense"}
                if model == "emboux.alias":
                    values["destinations"] = "a@elsewhere.example.net"
                self._refused(model, values, "nonsense", ValueError)

    def test_ports_and_hosts_of_a_backend(self):
        for values, word in (
            ({"smtp_tls_port": 0}, "from 1 to 65535"),
            ({"smtp_starttls_port": -1}, "from 1 to 65535"),
            ({"imap_tls_port": 65536}, "from 1 to 65535"),
            ({"mail_host": "192.0.2.1"}, "IP"),
            ({"mail_host": "mailserver"}, "one part"),
            ({"imap_host": "192.0.2.1"}, "IP"),
        ):
            with self.subTest(values=values), self.assertRaisesRegex(UserError, word):
                self.backend.write(values)

    def test_bad_input_by_write(self):
        alias = self.make_alias("sales", "a@elsewhere.example.net")
        mailbox = self.make_mailbox("ann")
        for record, values in (
            (alias, {"destinations": "sales@unit.example"}),
            (alias, {"destinations": "nothing"}),
            (mailbox, {"quota_mb": -5}),
            (mailbox, {"password": "short"}),
        ):
            with self.subTest(values=values), self.assertRaises(UserError):
                record.write(values)
                self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(alias.destinations, "a@elsewhere.example.net")
        self.assertGreaterEqual(mailbox.quota_mb, 0)
