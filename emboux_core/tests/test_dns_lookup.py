# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Checks over a real network: healthy servers, CNAMEs, SPF, many domains at once."""

import asyncio
import threading
import time
from unittest import mock

from odoo.addons.emboux_core.dns.expected import (
    ExpectedRecord,
    expected_records,
)
from odoo.addons.emboux_core.dns.lookup import Resolver, check_domains, checks_as_done
from odoo.addons.emboux_core.dns.zone import find_zone
from odoo.addons.emboux_core.tests.dns_case import (
    GOOD_ZONE,
    HOST_ZONE,
    KEY,
    SERVICE,
    LookupCase,
    glue,
)


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

    def test_ours_behind_others_is_found(self):
        """RFC 7208 5.2, 6.1: what matters is what receivers come to, not where it stands."""
        self.resolver.add_zone(
            "other.test",
            'a IN TXT "v=spf1 include:b.other.test -all"\n'
            'b IN TXT "v=spf1 include:spf.host.test -all"\n'
            'list IN TXT "v=spf1 ip4:192.0.2.0/25 ip4:192.0.2.0/24 -all"\n'
            'none IN TXT "v=spf1 ip4:192.0.2.0/25 -all"\n'
            'broken IN TXT "v=spf1 ip4:192.0.2.1~all"\n',
        )
        for record, state, note in (
            ("v=spf1 redirect=a.other.test", "ok", "^$"),
            ("v=spf1 include:a.other.test -all", "ok", "^$"),
            ("v=spf1 redirect=list.other.test", "ok", "^$"),
            ("v=spf1 redirect=none.other.test", "wrong", "Add include:spf.host.test"),
            ("v=spf1 ~include:a.other.test -all", "wrong", "Add include:spf.host.test"),
            ("v=spf1 include:broken.other.test include:spf.host.test -all", "wrong",
             "broken.other.test has .*a space is missing"),
        ):  # fmt: skip
            with self.subTest(record):
                good = "v=spf1 include:spf.host.test ~all"
                self.serve("shop.test", GOOD_ZONE.replace(good, record))
                verdict = next(v for v in self.check().verdicts if v.key == "spf")
                self.assertEqual((verdict.state, verdict.found), (state, record), verdict)
                self.assertRegex(verdict.note, note)

    def test_what_breaks_the_record_for_others_alone_is_harmless(self):
        self.assertTrue(self.spf(" ".join(["ptr"] * 10)).harmless)
        self.assertFalse(self.spf("ip4:192.0.2.1/33").harmless)

    def test_an_answer_that_never_came_is_unknown(self):
        self.resolver.add_zone("other.test", "")
        self.resolver.fault("a.other.test", "servfail")
        good = "v=spf1 include:spf.host.test ~all"
        self.serve("shop.test", GOOD_ZONE.replace(good, "v=spf1 redirect=a.other.test"))
        verdict = next(v for v in self.check().verdicts if v.key == "spf")
        self.assertEqual(verdict.state, "unknown", verdict)

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
        # more than the thirty that answer take on a busy machine
        checks = self.check_all(dead + alive, settings, deadline_s=6.0, concurrency=10)
        self.assertLess(time.monotonic() - started, 7.5)
        for domain in alive:
            self.assert_all(checks[domain], "ok")
        for domain in dead:
            self.assert_all(checks[domain], "unknown")
            self.assertIn("The check ended after 6 s", checks[domain].error)

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


class TestAsDone(LookupCase):
    def setUp(self):
        super().setUp()
        for domain in ("shop.test", "dead.test"):
            self.serve(domain)
        self.server.fault("dead.test", "timeout")
        self.patient = Resolver(
            self.settings.nameservers, self.resolver.port, timeout_s=60, allow_private=True
        )
        self.jobs = [
            (domain, expected_records(domain, SERVICE)) for domain in ("dead.test", "shop.test")
        ]

    def test_each_is_given_once_it_is_there(self):
        started, seen = time.monotonic(), []
        for checks in checks_as_done(self.jobs, self.patient, deadline_s=2.0):
            seen += [(check.domain, time.monotonic() - started) for check in checks]
            last = checks[-1]
        self.assertEqual([domain for domain, _seconds in seen], ["shop.test", "dead.test"])
        self.assertLess(seen[0][1], 1.5, "it did not wait for the other")
        self.assert_all(last, "unknown")
        self.assertIn("The check ended after 2 s", last.error)

    def test_all_that_is_there_is_given_at_once(self):
        jobs = [(f"shop{n}.test", expected_records(f"shop{n}.test", SERVICE)) for n in range(9)]
        for domain, _records in jobs:
            self.serve(domain)
        given = checks_as_done(jobs, self.settings)
        found = next(given)
        time.sleep(1)
        rest = list(given)
        self.assertLessEqual(len(rest), 1)
        found += [check for checks in rest for check in checks]
        self.assertEqual({check.domain: check for check in found},
                         check_domains(jobs, self.settings))

    def test_whoever_takes_no_more_ends_it(self):
        given = checks_as_done(self.jobs, self.patient, deadline_s=30.0)
        next(given)
        started = time.monotonic()
        given.close()
        self.assertLess(time.monotonic() - started, 5)

    def test_nothing_to_do(self):
        self.assertEqual(list(checks_as_done([], self.settings)), [])
