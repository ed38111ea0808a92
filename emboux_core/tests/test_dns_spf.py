"""How many look-ups an SPF record costs (RFC 7208 4.6.4)."""

import asyncio

from odoo.addons.emboux_core.dns.spf import LookupFailed, count_lookups
from odoo.addons.emboux_core.tests.dns_server import PlainTest


class TestSpfCount(PlainTest):
    def count(self, record, zone=None, hosts=None):
        """Count with a stub of DNS; ``self.asked`` holds the TXT names that were asked."""
        self.asked = []

        async def txt(name):
            self.asked.append(name)
            value = (zone or {}).get(name, ())
            if value == "fail":
                raise LookupFailed(f"{name} did not answer")
            return (value,) if isinstance(value, str) else value

        async def exists(name, kind):
            return (name, kind) in hosts

        return asyncio.run(
            count_lookups(record, "shop.test", txt, exists if hosts is not None else None)
        )

    def test_which_terms_count(self):
        for record, lookups in {
            "v=spf1": 0,
            "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 exp=e.test x-y=z ~all": 0,
            "v=spf1 a mx ptr a:b.test mx:c.test/24//64 exists:d.test +A/24 -all": 7,
            "v=spf1 -all a mx include:never.test": 0,
            "v=spf1 exists:%{i}._spf.%{d} include:%{d}.x.test ~all": 2,
        }.items():
            with self.subTest(record):
                result = self.count(record)
                self.assertEqual((result.lookups, result.error), (lookups, ""))
                self.assertEqual(self.asked, [])

    def test_nested(self):
        zone = {
            "a.test": "v=spf1 include:b.test mx -all",
            "b.test": ("other text", "v=spf1 a ?all"),
            "r.test": "v=spf1 a -all",
        }
        result = self.count("v=spf1 include:A.test. a redirect=r.test", zone)
        self.assertEqual((result.lookups, result.error, result.complete), (7, "", True))
        self.assertEqual(self.asked, ["a.test", "b.test", "r.test"])

    def test_the_same_include_counts_each_time(self):
        zone = {"a.test": "v=spf1 mx -all"}
        self.assertEqual(self.count("v=spf1 include:a.test include:a.test -all", zone).lookups, 4)

    def test_redirect_after_all_is_not_followed(self):
        result = self.count("v=spf1 redirect=r.test mx -all")
        self.assertEqual((result.lookups, result.error, self.asked), (1, "", []))

    def test_ten_are_allowed_and_eleven_are_not(self):
        self.assertEqual(self.count("v=spf1" + " a" * 10 + " ~all").error, "")
        result = self.count("v=spf1" + " a" * 11 + " ~all")
        self.assertRegex(result.error, "shop.test needs more than 10 DNS look-ups")

    def test_stops_at_the_limit(self):
        zone = {f"n{i}.test": f"v=spf1 include:n{i + 1}.test -all" for i in range(1000)}
        result = self.count("v=spf1 include:n0.test -all", zone)
        self.assertRegex(result.error, "more than 10")
        self.assertEqual(len(self.asked), 10)

    def test_fan_out_is_bounded(self):
        zone = {f"n{i}.test": "v=spf1" + f" include:n{i + 1}.test" * 50 for i in range(50)}
        self.assertRegex(self.count("v=spf1 include:n0.test", zone).error, "more than 10")
        self.assertLessEqual(len(self.asked), 10)

    def test_loops(self):
        for zone in (
            {"a.test": "v=spf1 include:a.test -all"},
            {"a.test": "v=spf1 include:SHOP.test -all"},
            {"a.test": "v=spf1 redirect=shop.test."},
        ):
            with self.subTest(zone):
                self.assertRegex(self.count("v=spf1 include:a.test -all", zone).error, "loop")

    def test_permanent_errors(self):
        for record, zone, error in (
            ("v=spf1 include:a.test -all", {}, "include:a.test, which has no SPF record"),
            ("v=spf1 redirect=a.test", {"a.test": "hello"}, "redirect=a.test, which has no"),
            ("v=spf1 include:a.test", {"a.test": ("v=spf1 a", "v=spf1 mx")}, "more than one SPF"),
            ("v=spf1 include:a.test", {"a.test": "v=spf1 bogus:x"}, "a.test has an unknown term"),
            ("v=spf1 include: -all", {}, "without a domain"),
            ("v=spf1 192.0.2.1 -all", {}, 'unknown term "192.0.2.1"'),
        ):
            with self.subTest(record):
                self.assertRegex(self.count(record, zone).error, error)

    def test_void_lookups(self):
        hosts = {("ok.test", "a"), ("shop.test", "mx")}
        record = "v=spf1 a:ok.test mx a:gone1.test mx:gone2.test"
        result = self.count(record, hosts=hosts)
        self.assertEqual((result.voids, result.error), (2, ""))
        result = self.count(record + " exists:gone3.test", hosts=hosts)
        self.assertRegex(result.error, "more than 2 hosts that do not exist")

    def test_dns_that_does_not_answer_is_no_error_of_the_record(self):
        result = self.count("v=spf1 include:a.test mx -all", {"a.test": "fail"})
        self.assertEqual((result.lookups, result.error, result.complete), (2, "", False))
