# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Names and addresses as people type them, and what becomes of them at the border."""

from odoo.addons.emboux_core.addresses import (
    AddressError,
    display_address,
    display_domain,
    normalise_address,
    normalise_domain,
    normalise_local_part,
    normalise_reported,
    parse_destinations,
    reported_without_tag,
    split_address,
)
from odoo.addons.emboux_core.tests.dns_server import PlainTest

#: What somebody reports that mail was sent to, and its one spelling.
REPORTED = (
    ("u1@x.example", "u1@x.example"),
    (" U1@X.Example. ", "u1@x.example"),
    ("User Name <u1@x.example>", "u1@x.example"),
    ('"Name, User <x>" <U1@x.example>', "u1@x.example"),
    ("<u1@x.example>", "u1@x.example"),
    ("u1@x.example (User Name)", "u1@x.example"),
    ("<@a.example,@b.example:u1@x.example>", "u1@x.example"),
    ('"u1"@x.example', "u1@x.example"),
    ('"u\\1"@x.example', "u1@x.example"),
    ('"u1".b@x.example', "u1.b@x.example"),
    ("Ab..Cd@Docomo.Example", "ab..cd@docomo.example"),
    ('"ab..cd"@docomo.example', "ab..cd@docomo.example"),
    (".ab.@docomo.example", ".ab.@docomo.example"),
    ("-dash@x.example", "-dash@x.example"),
    ("a/b=c!d@x.example", "a/b=c!d@x.example"),
    ("José2@x.example", "josé2@x.example"),
    ("JOSE\u03012@x.example", "josé2@x.example"),
    ("Anna@Bücher.Example.", "anna@xn--bcher-kva.example"),
    ("anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"),
    ("anna@BU\u0308CHER。example", "anna@xn--bcher-kva.example"),
    ("y@My_Host.example", "y@my_host.example"),
    ("y@my_host.Bücher.example", "y@my_host.xn--bcher-kva.example"),
    ("y@host", "y@host"),
    ("y@[192.0.2.1]", "y@[192.0.2.1]"),
    ("y@[IPv6:2001:DB8::1]", "y@[ipv6:2001:db8::1]"),
    ('"A b"@x.example', '"a b"@x.example'),
    ("A b@x.example", '"a b"@x.example'),
    ('"a@b"@x.example', '"a@b"@x.example'),
    ("a@b@x.example", '"a@b"@x.example'),
    ('"a\\"b"@x.example', '"a\\"b"@x.example'),
    ('a"b@x.example', '"a\\"b"@x.example'),
    ("Anna+Shop@x.example", "anna+shop@x.example"),
    ('"anna+shop"@x.example', "anna+shop@x.example"),
    ('"+x y"@x.example', '"+x y"@x.example'),
    ("'; DROP TABLE x; --@x.example", "\"'; drop table x; --\"@x.example"),
)


class TestDomain(PlainTest):
    def test_accepted_forms(self):
        for typed, expected in {
            "example.com": "example.com",
            " Example.COM.\n": "example.com",
            "\u00a0example.com\u3000": "example.com",
            "Bücher.example": "xn--bcher-kva.example",
            "XN--BCHER-KVA.Example": "xn--bcher-kva.example",
            "BU\u0308CHER.example": "xn--bcher-kva.example",
            "straße.de": "xn--strae-oqa.de",
            "例え。テスト": "xn--r8jz45g.xn--zckzah",
            "ｅｘａｍｐｌｅ.com": "example.com",
            "my--shop.example.com": "my--shop.example.com",
            "3com.com": "3com.com",
            "אבג.ישראל": "xn--4dbcd.xn--4dbrk0ce",
            "نامه\u200cای.com": "xn--mgba3gch31f060k.com",
            "a" * 63 + ".com": "a" * 63 + ".com",
        }.items():
            with self.subTest(typed):
                self.assertEqual(normalise_domain(typed), expected)
                self.assertEqual(normalise_domain(expected), expected, "not idempotent")

    def test_length_limits(self):
        longest = ".".join(["a" * 63] * 3 + ["b" * 57, "com"])
        self.assertEqual(len(normalise_domain(longest)), 253)
        with self.assertRaisesRegex(AddressError, "254 characters"):
            normalise_domain(longest.replace("b", "bb", 1))
        with self.assertRaisesRegex(AddressError, "more than 63"):
            normalise_domain("a" * 64 + ".com")
        with self.assertRaisesRegex(AddressError, "longer than 253"):
            normalise_domain("a." * 100_000 + "com")

    def test_refused_with_the_fault_named(self):
        for typed, fault in {
            "": "empty",
            " . ": "empty part",
            "com": "one part",
            "localhost.": "one part",
            "a..com": "empty part",
            ".example.com": "empty part",
            "example.com..": "empty part",
            "192.0.2.1": "IP address",
            "[192.0.2.1]": "IP address",
            "2001:db8::1": "IP address",
            "[IPv6:2001:db8::1]": "IP address",
            "-a.com": "hyphen",
            "a-.com": "hyphen",
            "under_score.com": '"_"',
            "ｕ＿ｓ.com": '"_"',
            "ex ample.com": '" "',
            "example.com:25": '":"',
            "exa'mple.com": '"\'"',
            "example.123": "ends in a number",
            "1.2.3": "ends in a number",
            "https://example.com": "URL",
            "example.com/path": "URL",
            "info@example.com": "mail address",
            "*.example.com": "wildcard",
            "xn--a.com": "not valid",
            "xn--.com": "hyphen",
            "xn--abc-.com": "hyphen",
            "xn--bcher-kv.com": "",
            "ab--ü.com": "not valid",
            "exa\u200bmple.com": r"U\+200B",
            "exa\u00admple.com": r"U\+00AD",
            "\ufeffexample.com": r"U\+FEFF",
            "exa\x00mple.com": r"U\+0000",
            "exa\nmple.com": r"U\+000A",
            "exa\ufe0fmple.com": r"U\+FE0F",
            "exa\u202emple.com": r"U\+202E",
            "exa\ud800mple.com": r"U\+D800",
            "exa\u200dmple.com": "not valid",
            "אa.com": "mixes",
            "3com.ישראל": "mixes",
            "☃.com": "",
        }.items():
            with self.subTest(typed), self.assertRaisesRegex(AddressError, fault) as caught:
                normalise_domain(typed)
            self.assertTrue(str(caught.exception).endswith((".", ")")), str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_only_text(self):
        for value in (None, 5, b"example.com", False, ["example.com"]):
            with self.subTest(value), self.assertRaisesRegex(AddressError, "not text"):
                normalise_domain(value)

    def test_display(self):
        self.assertEqual(display_domain("xn--bcher-kva.example"), "bücher.example")
        self.assertEqual(display_domain("my--shop.example.com"), "my--shop.example.com")
        self.assertEqual(display_domain("xn--zzzzzzzzz99.example"), "xn--zzzzzzzzz99.example")


class TestAddress(PlainTest):
    def test_local_part(self):
        for typed in ("info", "o'brien", "a.b.c", "!#$%&'*-/=?^_`{|}~", "a" * 64):
            self.assertEqual(normalise_local_part(typed), typed)
        self.assertEqual(normalise_local_part("Info"), "info")
        self.assertEqual(normalise_local_part("a+b", plus=True), "a+b")

    def test_local_part_refused(self):
        for typed, fault in {
            "": "empty",
            ".a": "dot",
            "a.": "dot",
            "a..b": "dot",
            '"a b"': "quoted string",
            "a b": "white space",
            " a": "white space",
            "a\x7f": r"U\+007F",
            "a+b": "same mailbox",
            "jürgen": "outside ASCII",
            "ａ": "outside ASCII",
            "a@b": '"@"',
            "a,b": '","',
            "a" * 65: "65 characters",
        }.items():
            with self.subTest(typed), self.assertRaisesRegex(AddressError, fault):
                normalise_local_part(typed)

    def test_split_at_last_at(self):
        self.assertEqual(split_address('"a@b"@Example.com'), ('"a@b"', "Example.com"))
        for typed in ("info", "@example.com", "info@", "@", None):
            with self.subTest(typed), self.assertRaises(AddressError):
                split_address(typed)

    def test_address(self):
        address = normalise_address(" Info@Bücher.Example \n")
        self.assertEqual(address, "info@xn--bcher-kva.example")
        self.assertEqual(display_address(address), "info@bücher.example")
        for typed, fault in {
            "Ann <ann@example.com>": "angle brackets",
            "info @example.com": "white space",
            "a@b@example.com": '"@"',
            "a+b@example.com": "same mailbox",
            " ": "empty",
        }.items():
            with self.subTest(typed), self.assertRaisesRegex(AddressError, fault):
                normalise_address(typed)

    def test_address_of_254_octets_at_most(self):
        domain = ".".join(["d" * 63, "d" * 63, "d" * 57, "com"])
        longest = normalise_address("l" * 64 + "@" + domain)
        self.assertEqual(len(longest), 254)
        with self.assertRaisesRegex(AddressError, "255 characters"):
            normalise_address("l" * 64 + "@" + domain.replace(".com", "d.com"))

    def test_reported_has_one_spelling(self):
        for typed, expected in REPORTED:
            with self.subTest(typed):
                self.assertEqual(normalise_reported(typed), expected)
                self.assertEqual(normalise_reported(expected), expected, "not idempotent")

    def test_what_is_created_is_spelt_alike(self):
        for typed in ("Info@Bücher.example", "a+b@x.example", "o'brien@x.example"):
            strict = normalise_address(typed, plus=True)
            self.assertEqual(normalise_reported(typed), strict)
            self.assertEqual(normalise_reported(strict), strict)

    def test_reported_that_is_no_address(self):
        for typed, fault in {
            "": "no @",
            "postmaster": "no @",
            "@x.example": "nothing before",
            "u@": "nothing after",
            "u@.": "nothing on one side",
            '""@x.example': "nothing on one side",
            "u\x00@x.example": r"U\+0000",
            "u@x.exa\x00mple": r"U\+0000",
            "a\n@x.example": r"U\+000A",
            "u\ud800@x.example": r"U\+D800",
            "u" * 1000 + "@x.example": "longer than 1000",
            "ü" * 500 + "@x.example": "longer than 1000",
        }.items():
            with self.subTest(typed), self.assertRaisesRegex(AddressError, fault):
                normalise_reported(typed)
        with self.assertRaisesRegex(AddressError, "not text"):
            normalise_reported(None)

    def test_without_tag(self):
        for address, base in (
            ("anna+shop@x.example", "anna@x.example"),
            ("anna+a+b@x.example", "anna@x.example"),
            ("+shop@x.example", "+shop@x.example"),
            ("anna@x.example", "anna@x.example"),
            ("anna@a+b.example", "anna@a+b.example"),
            ('"an na+shop"@x.example', '"an na"@x.example'),
            ('"anna+s h"@x.example', "anna@x.example"),
        ):
            self.assertEqual(reported_without_tag(address), base)

    def test_destinations(self):
        self.assertEqual(
            parse_destinations(
                "B@example.com\r\na+x@Example.com, b@EXAMPLE.com;c@bücher.example\n"
            ),
            ("b@example.com", "a+x@example.com", "c@xn--bcher-kva.example"),
        )
        with self.assertRaisesRegex(AddressError, '"nonsense"'):
            parse_destinations("a@example.com\nnonsense")
        for empty in ("", " \n,; "):
            with self.subTest(empty), self.assertRaisesRegex(AddressError, "empty"):
                parse_destinations(empty)

    def test_at_most_100_destinations(self):
        hundred = "\n".join(f"a{n}@example.com" for n in range(100))
        self.assertEqual(len(parse_destinations(hundred + "\na0@example.com")), 100)
        with self.assertRaisesRegex(AddressError, "more than 100"):
            parse_destinations(hundred + "\nb@example.com")
