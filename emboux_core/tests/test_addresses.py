"""Names and addresses as people type them, and what becomes of them at the border."""

from odoo.addons.emboux_core.addresses import (
    AddressError,
    display_address,
    display_domain,
    normalise_address,
    normalise_domain,
    normalise_local_part,
    parse_destinations,
    split_address,
)
from odoo.addons.emboux_core.tests.dns_server import PlainTest


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
