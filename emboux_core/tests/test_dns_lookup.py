"""Checks over a real network: healthy, slow, broken and lying name servers on loopback."""

import asyncio
import threading
import time
from unittest import mock

import dns.resolver

from odoo.addons.emboux_core.dns.client import is_public
from odoo.addons.emboux_core.dns.expected import (
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
    expected_records,
)
from odoo.addons.emboux_core.dns.lookup import Resolver, check_domains
from odoo.addons.emboux_core.dns.zone import find_zone
from odoo.addons.emboux_core.tests.dns_server import DnsServer, PlainTest

KEY = "QUJD" * 100
SERVICE = MailService(
    mx=(MxTarget(10, "mx.host.test"),),
    spf=("include:spf.host.test",),
    dkim=(DkimKey("s1", "rsa", KEY),),
    verification="t0ken",
    imap_host="imap.host.test",
)
GOOD_ZONE = f"""
@ IN MX 10 mx.host.test.
@ IN TXT "v=spf1 include:spf.host.test ~all"
_emboux IN TXT "emboux-verification=t0ken"
_dmarc IN TXT "v=DMARC1; p=reject"
s1._domainkey IN TXT "v=DKIM1; k=rsa; " "p={KEY[:200]}" "{KEY[200:]}"
_imaps._tcp IN SRV 0 1 993 imap.host.test.
"""
HOST_ZONE = 'spf IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\nimap IN A 192.0.2.2\n'
TIMEOUT_S = 0.25


def glue(origin, *addresses):
    """Return the delegation of a zone to name servers on these addresses."""
    return "".join(
        f"@ IN NS ns{number}\nns{number} IN {'AAAA' if ':' in address else 'A'} {address}\n"
        for number, address in enumerate(addresses, 1)
    )


class LookupCase(PlainTest):
    """``resolver`` plays the resolver and knows the truth; ``server`` plays the zones' servers."""

    def setUp(self):
        super().setUp()
        self.resolver = self.start(DnsServer({"test": "", "host.test": HOST_ZONE}))
        self.server = self.start(DnsServer({}, "127.0.0.2", self.resolver.port))
        self.settings = Resolver(
            nameservers=(("127.0.0.1", self.resolver.port),),
            authoritative_port=self.resolver.port,
            timeout_s=TIMEOUT_S,
            allow_private=True,
        )

    def start(self, server):
        self.addCleanup(server.stop)
        return server.start()

    def serve(self, origin, text=GOOD_ZONE, addresses=("127.0.0.2",)):
        """Delegate a zone to ``addresses`` and let ``server`` hold ``text``."""
        delegation = glue(origin, *addresses)
        self.resolver.add_zone(origin, delegation)
        self.server.add_zone(origin, delegation + text)

    def check(self, domain="shop.test", **options):
        return self.check_all([domain], **options)[domain]

    def check_all(self, domains, resolver=None, **options):
        jobs = [(domain, expected_records(domain, SERVICE)) for domain in domains]
        return check_domains(jobs, resolver or self.settings, **options)

    def states(self, check):
        return {verdict.key: verdict.state for verdict in check.verdicts}

    def assert_all(self, check, state):
        self.assertEqual(set(self.states(check).values()), {state}, check)


class TestHealthy(LookupCase):
    def test_everything_set(self):
        self.serve("shop.test")
        check = self.check()
        self.assert_all(check, "ok")
        self.assertEqual([v.key for v in check.verdicts],
                         [r.key for r in expected_records("shop.test", SERVICE)])  # fmt: skip
        self.assertEqual((check.asked, check.error), ("ns1.shop.test (127.0.0.2)", ""))

    def test_records_come_from_the_zones_own_servers_without_recursion(self):
        self.serve("shop.test")
        self.resolver.add_zone("shop.test", glue("shop.test", "127.0.0.2") + "@ IN MX 5 old.test.")
        self.assertEqual(self.states(self.check())["mx"], "ok")
        self.assertEqual({recursion for *_, recursion in self.server.queries}, {False})
        self.assertEqual({recursion for *_, recursion in self.resolver.queries}, {True})

    def test_nothing_published_yet(self):
        self.serve("shop.test", "www IN A 192.0.2.1\n")
        check = self.check()
        self.assert_all(check, "missing")
        self.assertEqual(check.error, "")
        self.assertIn("Publish this MX record", check.verdicts[1].note)

    def test_wrong_record_shows_what_was_found(self):
        self.serve("shop.test", GOOD_ZONE.replace("10 mx.host.test.", "10 mx.old.test."))
        check = self.check()
        (wrong,) = [verdict for verdict in check.verdicts if verdict.state != "ok"]
        self.assertEqual((wrong.key, wrong.state, wrong.found), ("mx", "wrong", "10 mx.old.test."))

    def test_subdomain_in_its_parents_zone(self):
        records = GOOD_ZONE.strip().splitlines()
        text = "\n".join(
            line.replace("@ IN", "eu IN") if line[0] == "@" else line.replace(" IN", ".eu IN", 1)
            for line in records
        )
        self.serve("shop.test", text + "\n")
        self.assert_all(self.check("eu.shop.test"), "ok")
        self.assert_all(self.check("us.shop.test"), "missing")

    def test_control_characters_of_a_stranger_are_made_visible(self):
        self.serve("shop.test", '_emboux IN TXT "a\\000b\\010\\255"\n')
        found = self.check().verdicts[0].found
        self.assertEqual(found, "a\\000b\\010\\xff")

    def test_inside_threads_and_a_running_loop(self):
        self.serve("shop.test")
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.check())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def in_loop():
            return self.check()

        results.append(asyncio.run(in_loop()))
        self.assertEqual(len(results), 4)
        for check in results:
            self.assert_all(check, "ok")

    def test_nothing_to_do(self):
        self.assertEqual(check_domains([], self.settings), {})


class TestCname(LookupCase):
    DKIM = "s1._domainkey"

    def alias(self, target):
        lines = [line for line in GOOD_ZONE.splitlines() if not line.startswith(self.DKIM)]
        return "\n".join([*lines, f"{self.DKIM} IN CNAME {target}", ""])

    def dkim(self):
        return next(v for v in self.check().verdicts if v.key == "dkim:s1")

    def test_into_another_zone(self):
        self.serve("shop.test", self.alias("a.host.test."))
        key = f'b IN TXT "p={KEY[:200]}" "{KEY[200:]}"\n'
        self.resolver.add_zone("host.test", HOST_ZONE + "a IN CNAME b\n" + key)
        self.assertEqual(self.dkim().state, "ok")

    def test_a_server_cannot_speak_for_another_zone(self):
        self.serve("shop.test", self.alias("a.host.test."))
        self.server.add_zone("host.test", f'a IN TXT "p={KEY[:200]}" "{KEY[200:]}"\n')
        self.assertEqual(self.dkim().state, "missing")

    def test_within_the_zone(self):
        text = self.alias("a") + f'a IN TXT "p={KEY[:200]}" "{KEY[200:]}"\n'
        self.serve("shop.test", text)
        self.assertEqual(self.dkim().state, "ok")

    def test_to_nowhere(self):
        self.serve("shop.test", self.alias("gone.host.test."))
        verdict = self.dkim()
        self.assertEqual(verdict.state, "missing")
        self.assertIn("alias (CNAME) of gone.host.test", verdict.note)

    def test_loop(self):
        self.serve("shop.test", self.alias("a") + f"a IN CNAME {self.DKIM}\n")
        verdict = self.dkim()
        self.assertEqual(verdict.state, "wrong")
        self.assertIn("do not end", verdict.note)
        self.resolver.add_zone("host.test", HOST_ZONE + "x IN CNAME y\ny IN CNAME x\n")
        self.serve("shop.test", self.alias("x.host.test."))
        self.assertEqual(self.dkim().state, "wrong")

    def test_delegated_below_the_zone(self):
        text = self.alias("a").replace(f"{self.DKIM} IN CNAME a", "_domainkey IN NS ns.host.test.")
        self.serve("shop.test", text)
        self.resolver.add_zone("_domainkey.shop.test", f's1 IN TXT "p={KEY[:200]}" "{KEY[200:]}"\n')
        self.assertEqual(self.dkim().state, "ok")

    def test_expected_cname_is_compared_not_followed(self):
        self.serve("shop.test", self.alias("a.host.test."))
        record = ExpectedRecord(
            "dkim:s1", "CNAME", f"{self.DKIM}.shop.test", "a.host.test.", "required", "Why."
        )
        result = check_domains([("shop.test", (record,))], self.settings)["shop.test"]
        self.assertEqual(result.verdicts[0].state, "ok")


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
            "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
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


class TestSpfLookups(LookupCase):
    def spf(self, extra):
        self.serve("shop.test", GOOD_ZONE.replace("~all", f"{extra} ~all"))
        return next(v for v in self.check().verdicts if v.key == "spf")

    def test_too_many(self):
        verdict = self.spf(" ".join(["ptr"] * 10))
        self.assertEqual(verdict.state, "wrong")
        self.assertIn("more than 10 DNS look-ups", verdict.note)
        self.assertEqual(self.spf(" ".join(["ptr"] * 9)).state, "ok")

    def test_void(self):
        verdict = self.spf("a:x.host.test a:y.host.test mx:z.host.test")
        self.assertEqual(verdict.state, "wrong")
        self.assertEqual(self.spf("a:imap.host.test a:y.host.test mx:z.host.test").state, "ok")

    def test_include_that_does_not_answer_is_not_held_against_the_record(self):
        self.resolver.fault("spf.host.test", "servfail")
        verdict = self.spf("mx")
        self.assertEqual(verdict.state, "ok")
        self.assertIn("did not answer", verdict.note)


class TestManyDomains(LookupCase):
    def test_dead_domains_do_not_hold_up_the_others(self):
        dead = [f"dead{n}.test" for n in range(30)]
        alive = [f"shop{n}.test" for n in range(30)]
        for domain in dead + alive:
            self.serve(domain)
        for domain in dead:
            self.server.fault(domain, "timeout")
        settings = Resolver(
            self.settings.nameservers, self.resolver.port, timeout_s=60, allow_private=True
        )
        started = time.monotonic()
        checks = self.check_all(dead + alive, settings, deadline_s=2.0, concurrency=10)
        self.assertLess(time.monotonic() - started, 2.8)
        for domain in alive:
            self.assert_all(checks[domain], "ok")
        for domain in dead:
            self.assert_all(checks[domain], "unknown")
            self.assertIn("The check ended after 2 s", checks[domain].error)

    def test_what_was_answered_before_the_deadline_is_kept(self):
        self.serve("shop.test")
        self.server.fault("_dmarc.shop.test", "timeout")
        settings = Resolver(
            self.settings.nameservers, self.resolver.port, timeout_s=60, allow_private=True
        )
        states = self.states(self.check(resolver=settings, deadline_s=0.5))
        self.assertEqual(states.pop("dmarc"), "unknown")
        self.assertEqual(set(states.values()), {"ok"})

    def test_a_fault_in_one_check_costs_only_that_one(self):
        self.serve("shop.test")
        self.serve("shop2.test")
        path = "odoo.addons.emboux_core.dns.lookup.find_zone"

        async def stumble(client, domain):
            if domain == "shop.test":
                raise ZeroDivisionError
            return await find_zone(client, domain)

        logger = "odoo.addons.emboux_core.dns.lookup"
        with mock.patch(path, stumble), self.assertLogs(logger, "ERROR"):
            checks = self.check_all(["shop.test", "shop2.test"])
        self.assertIn("ZeroDivisionError", checks["shop.test"].error)
        self.assert_all(checks["shop.test"], "unknown")
        self.assert_all(checks["shop2.test"], "ok")
