# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Checks over a real network: slow, broken and lying servers, and delegation."""

from unittest import mock

import dns.resolver

from odoo.addons.emboux_core.dns.expected import ExpectedRecord
from odoo.addons.emboux_core.dns.lookup import Resolver, check_domains
from odoo.addons.emboux_core.net.public import is_public
from odoo.addons.emboux_core.tests.dns_case import GOOD_ZONE, TIMEOUT_S, LookupCase, glue
from odoo.addons.emboux_core.tests.dns_server import DnsServer


class TestBrokenServers(LookupCase):
    def test_next_server_when_the_first_fails(self):
        broken = self.start(DnsServer({}, "127.0.0.3", self.resolver.port))
        broken.add_zone("test", "")
        self.serve("shop.test", addresses=("127.0.0.3", "127.0.0.2"))
        for kind in ("servfail", "refused", "timeout", "lame", "wrong_id", "garbage"):
            with self.subTest(kind):
                broken.fault("test", kind)
                before = len(broken.queries)
                check = self.check()
                self.assertGreater(len(broken.queries), before, "the broken one was not asked")
                self.assert_all(check, "ok")

    def test_every_server_fails(self):
        self.serve("shop.test")
        for kind, said in {
            "servfail": "SERVFAIL",
            "refused": "REFUSED",
            "timeout": "no answer within 0.25 s",
            "wrong_id": "no answer within 0.25 s",
            "lame": "not authoritative",
        }.items():
            with self.subTest(kind):
                self.server.fault("shop.test", kind)
                check = self.check()
                self.assert_all(check, "unknown")
                self.assertIn("ns1.shop.test (127.0.0.2): " + said, check.error)
                self.assertEqual(check.asked, "ns1.shop.test (127.0.0.2)")

    def test_one_record_fails(self):
        self.serve("shop.test")
        for kind in ("servfail", "timeout", "refused"):
            with self.subTest(kind):
                self.server.fault("_dmarc.shop.test", kind)
                check = self.check()
                states = self.states(check)
                self.assertEqual(states.pop("dmarc"), "unknown")
                self.assertEqual(set(states.values()), {"ok"})
                self.assertIn("TXT of _dmarc.shop.test", check.error)

    def test_truncated_answers_are_fetched_over_tcp(self):
        padding = "".join(f'@ IN TXT "{n:03}{"x" * 250}"\n' for n in range(20))
        self.serve("shop.test", GOOD_ZONE + padding)
        self.assert_all(self.check(), "ok")
        self.assertIn(("shop.test", "TXT", "tcp", False), self.server.queries)
        self.server.fault("shop.test", "truncated")
        self.assert_all(self.check(), "ok")

    def test_server_from_before_edns(self):
        self.serve("shop.test")
        self.server.fault("shop.test", "no_edns")
        self.assert_all(self.check(), "ok")

    def test_unreachable_ipv6_does_not_hide_ipv4_nor_the_other_way(self):
        self.serve("shop.test", addresses=("2001:db8::1", "127.0.0.2"))
        self.assert_all(self.check(), "ok")
        six = self.start(DnsServer({}, "::1", self.resolver.port))
        six.add_zone("six.test", glue("six.test", "127.0.0.9", "::1") + GOOD_ZONE)
        self.resolver.add_zone("six.test", glue("six.test", "127.0.0.9", "::1"))
        check = self.check("six.test")
        self.assert_all(check, "ok")
        self.assertEqual(check.asked, "ns1.six.test (127.0.0.9), ns2.six.test (::1)")

    def test_private_addresses_are_left_alone(self):
        self.serve("shop.test")
        settings = Resolver(self.settings.nameservers, self.resolver.port, TIMEOUT_S)
        check = self.check(resolver=settings)
        self.assert_all(check, "unknown")
        self.assertIn("127.0.0.2 is not public", check.error)
        self.assertEqual(self.server.queries, [])

    def test_what_is_public(self):
        for address in ("9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"):
            self.assertTrue(is_public(address), address)
        for address in (
            "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
            "::1", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
            "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "::7f00:1", "64:ff9b:1::a00:1",
            "5f00::1", "3fff::1", "192.88.99.1",
        ):  # fmt: skip
            self.assertFalse(is_public(address), address)


class TestDelegation(LookupCase):
    def test_not_registered(self):
        self.resolver.add_zone("shop", "")
        check = self.check("nobody.shop")
        self.assert_all(check, "missing")
        self.assertIn("nobody.shop is not registered or not delegated", check.error)

    def test_a_private_zone_is_no_registry(self):
        """Names below .internal are nobody's to sell: the zone of its holder counts."""
        self.resolver.add_zone("internal", "")
        check = self.check("nobody.internal")
        self.assert_all(check, "missing")
        self.assertEqual(check.error, "")

    def test_not_registered_below_a_country_registry(self):
        self.resolver.add_zone("co.uk", "")
        self.assertIn("not registered", self.check("nobody.co.uk").error)

    def test_no_such_top_level_domain(self):
        self.resolver.add_zone(".", "@ IN SOA a. b. 1 60 60 60 60\n@ IN NS a.\n")
        check = self.check("shop.nonsense")
        self.assert_all(check, "missing")
        self.assertIn("not registered", check.error)

    def test_resolver_without_the_public_dns_proves_nothing(self):
        self.resolver.fault(".", "nxdomain")
        check = self.check()
        self.assert_all(check, "unknown")
        self.assertIn("does not see the public DNS", check.error)

    def test_resolver_that_fails_proves_nothing(self):
        self.serve("shop.test")
        for kind in ("servfail", "timeout", "refused", "wrong_id"):
            with self.subTest(kind):
                self.resolver.fault("shop.test", kind)
                check = self.check()
                self.assert_all(check, "unknown")
                self.assertIn("Asked the resolver for NS of shop.test", check.error)

    def test_second_resolver(self):
        self.serve("shop.test")
        nameservers = (("127.0.0.9", self.resolver.port), *self.settings.nameservers)
        settings = Resolver(nameservers, self.resolver.port, TIMEOUT_S, allow_private=True)
        self.assert_all(self.check(resolver=settings), "ok")

    def test_name_servers_without_address(self):
        self.resolver.add_zone("shop.test", "@ IN NS ns.gone.test.\n")
        check = self.check()
        self.assert_all(check, "unknown")
        self.assertIn("No name server of shop.test has an address", check.error)

    def test_no_resolver_at_all(self):
        error = dns.resolver.NoResolverConfiguration
        with mock.patch("dns.resolver.Resolver", side_effect=error):
            check = self.check(resolver=Resolver())
        self.assert_all(check, "unknown")
        self.assertIn("/etc/resolv.conf", check.error)

    def test_impossible_names(self):
        self.serve("shop.test")
        record = ExpectedRecord("x", "TXT", "a" * 64 + ".shop.test", "x", "required", "Why.")
        jobs = [("shop.test", (record,)), ("b" * 64 + ".test", (record,))]
        for check in check_domains(jobs, self.settings).values():
            self.assertEqual(check.verdicts[0].state, "unknown")
            self.assertIn("not a possible DNS name", check.verdicts[0].note)

    def test_faults_of_the_caller_raise(self):
        record = ExpectedRecord("x", "PTR", "shop.test", "x", "required", "Why.")
        with self.assertRaisesRegex(ValueError, "PTR"):
            check_domains([("shop.test", (record,))], self.settings)
        with self.assertRaisesRegex(ValueError, "concurrency"):
            check_domains([], self.settings, concurrency=0)
