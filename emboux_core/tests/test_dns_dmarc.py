# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""DMARC as it applies: whose record, which policy, and whether our signatures align."""

from dataclasses import replace

from odoo.addons.emboux_core.dns import dmarc
from odoo.addons.emboux_core.dns.expected import MailService, expected_records
from odoo.addons.emboux_core.dns.judge import judge, settle_dmarc
from odoo.addons.emboux_core.dns.lookup import check_domains
from odoo.addons.emboux_core.tests.dns_case import GOOD_ZONE, SERVICE, LookupCase
from odoo.addons.emboux_core.tests.dns_server import PlainTest

LONG = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
#: Domain, what is at _dmarc of whom, whose record applies, what it asks for, what is done; source.
APPLIED = (
    ("shop.test", {"shop.test": "v=DMARC1; p=reject"}, "shop.test", "reject", "reject", "3.2"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=reject"}, "shop.test", "reject", "reject",
     "7489 6.6.3: that of the organisational domain"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=reject; sp=none"}, "shop.test", "none", "none",
     "7489 6.3: sp"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=none; sp=Quarantine"}, "shop.test", "quarantine",
     "quarantine", "7489 6.3: sp"),
    ("shop.test", {"shop.test": "v=DMARC1; p=none; sp=reject"}, "shop.test", "none", "none",
     "7489 6.3: sp is for subdomains"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=none; np=reject"}, "shop.test", "none", "none",
     "9989 4.7: np is for names that do not exist"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=reject", "a.shop.test": "v=DMARC1; p=none"},
     "a.shop.test", "none", "none", "7489 6.6.3: the own record first"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=reject", "a.shop.test": " v=DMARC1; p=none"},
     "shop.test", "reject", "reject", "7489 6.6.3: what begins otherwise is discarded"),
    ("a.shop.test", {"shop.test": ("v=DMARC1; p=reject", "v=DMARC1; p=none")}, "", "", "",
     "7489 6.6.3: of two none counts"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=rejct"}, "", "", "", "7489 6.6.3: no policy"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=rejct; rua=mailto:a@b.test"}, "shop.test", "none",
     "none", "7489 6.6.3: as p=none"),
    ("a.shop.test", {"shop.test": "v=DMARC1; p=none; sp=rejct; rua=mailto:a@b.test"}, "shop.test",
     "none", "none", "7489 6.6.3: as p=none"),
    ("shop.test", {"shop.test": "v=DMARC1; p=reject; pct=0"}, "shop.test", "reject", "quarantine",
     "7489 6.6.4"),
    ("shop.test", {"shop.test": "v=DMARC1; p=quarantine; t=y"}, "shop.test", "quarantine", "none",
     "9989 4.7: t"),
    ("shop.test", {"shop.test": "v=DMARC1; p=reject; pct=10"}, "shop.test", "reject", "reject",
     "7489 6.3: pct"),
    # the tree walk (RFC 9989 4.10)
    ("a.b.shop.test", {"b.shop.test": "v=DMARC1; p=reject"}, "b.shop.test", "reject", "reject",
     "4.10.2: the fewest labels"),
    ("a.b.shop.test", {"b.shop.test": "v=DMARC1; p=none", "shop.test": "v=DMARC1; p=reject"},
     "shop.test", "reject", "reject", "4.10.2: the fewest labels"),
    ("a.b.shop.test", {"b.shop.test": "v=DMARC1; p=none; psd=n", "shop.test": "v=DMARC1; p=reject"},
     "b.shop.test", "none", "none", "4.10.2: psd=n"),
    ("a.shop.test", {"test": "v=DMARC1; p=reject; psd=y"}, "test", "reject", "reject",
     "4.10.1: that of the registry"),
    ("a.b.shop.test", {"test": "v=DMARC1; p=reject; psd=y", "shop.test": "v=DMARC1; p=none"},
     "shop.test", "none", "none", "4.10.2: one label below psd=y"),
    ("a.b.shop.test", {"test": "v=DMARC1; p=reject; psd=y", "b.shop.test": "v=DMARC1; p=none"},
     "test", "reject", "reject", "4.10.1: that of b.shop.test is neither's"),
    (LONG, {"j.mail.example.com": "v=DMARC1; p=reject"}, "j.mail.example.com", "reject", "reject",
     "4.10: eight questions"),
    (LONG, {LONG.partition(".")[2]: "v=DMARC1; p=reject"}, "", "", "", "4.10: eight questions"),
)  # fmt: skip


def as_texts(found):
    return {name: (text,) if isinstance(text, str) else text for name, text in found.items()}


class TestPolicy(PlainTest):
    def test_as_it_applies(self):
        for domain, found, whose, asked, action, source in APPLIED:
            with self.subTest(domain, found=found, source=source):
                policy = dmarc.policy_for(domain, as_texts(found))
                self.assertEqual(
                    policy and (policy.domain, policy.asked, policy.action),
                    (whose, asked, action) if whose else None,
                )

    def test_a_name_that_does_not_exist(self):
        for record, asked in (("p=none; np=reject", "reject"), ("p=none; sp=reject", "reject"),
                              ("p=reject; np=none; sp=reject", "none")):  # fmt: skip
            found = {"shop.test": (f"v=DMARC1; {record}",)}
            self.assertEqual(dmarc.policy_for("a.shop.test", found, exists=False).asked, asked)

    def test_the_walk(self):
        self.assertEqual(dmarc.walk("a.shop.test"), ("a.shop.test", "shop.test", "test"))
        self.assertEqual(dmarc.walk("test"), ("test",))
        for domain, first in ((LONG, "g.h.i.j.mail.example.com"),
                              ("a.b.c.d.e.f.g.h", "b.c.d.e.f.g.h"),
                              ("a.b.c.d.e.f.g", "b.c.d.e.f.g")):  # fmt: skip
            names = dmarc.walk(domain)
            self.assertEqual((names[0], names[1], names[-1]),
                             (domain, first, domain.rpartition(".")[2]))  # fmt: skip
            self.assertLessEqual(len(names), 8)

    def test_the_relaxed_record_keeps_the_rest(self):
        found = {"shop.test": ("v=DMARC1; p=none; sp=reject; adkim=s; aspf=s; rua=mailto:a@b.test;"
                               " fo=1; pct=50; psd=n",)}  # fmt: skip
        policy = dmarc.policy_for("a.shop.test", found)
        self.assertEqual(
            dmarc.relaxed(policy),
            "v=DMARC1; p=reject; adkim=r; aspf=s; rua=mailto:a@b.test; fo=1; pct=50",
        )


class TestAlignment(PlainTest):
    """RFC 7489 3.1: mail passes by an aligned signature or an aligned envelope sender."""

    def judge(self, found, spf="ok", signer="shop.test", domain="a.shop.test", **changes):
        service = MailService(spf=("a:mail.host.test",), dkim_domain=signer)
        (record,) = (r for r in expected_records(domain, service) if r.key == "dmarc")
        record = replace(record, **changes)
        found = as_texts(found)
        alone = judge(record, found.get(domain, ()))
        return settle_dmarc(record, alone, dmarc.policy_for(domain, found), spf)

    def check(self, state, note, *args, **options):
        verdict = self.judge(*args, **options)
        self.assertEqual(verdict.state, state, verdict)
        self.assertRegex(verdict.note, note)
        return verdict

    def test_relaxed_alignment_takes_the_parents_signature(self):
        for record in ("p=reject", "p=reject; adkim=r", "p=reject; adkim=x", "p=none; sp=reject"):
            verdict = self.check("ok", "of shop.test applies .* p=reject",
                                 {"shop.test": f"v=DMARC1; {record}"}, spf="wrong")  # fmt: skip
            self.assertEqual(verdict.found, f"v=DMARC1; {record}")
        self.check("ok", "p=reject for 10 % of its mail",
                   {"shop.test": "v=DMARC1; p=reject; pct=10"})  # fmt: skip

    def test_strict_alignment_above(self):
        found = {"shop.test": "v=DMARC1; p=reject; adkim=s"}
        remedy = "Publish this TXT record for _dmarc.a.shop.test.*v=DMARC1; p=reject; adkim=r"
        for spf in ("missing", "wrong"):
            verdict = self.check("wrong", f"it will be rejected.*{remedy}", found, spf=spf)
            self.assertFalse(verdict.harmless)
        verdict = self.check("wrong", f"SPF record alone.*forwarded will be rejected.*{remedy}",
                             found, spf="ok")  # fmt: skip
        self.assertTrue(verdict.harmless)
        self.check("wrong", "unless its SPF record is right", found, spf="unknown")
        self.check("wrong", "no SPF record speaks", found, spf="ok", own_envelope=False)

    def test_strict_alignment_of_its_own(self):
        self.check("wrong", "rejected. Write adkim=r instead of adkim=s in _dmarc.a.shop.test",
                   {"a.shop.test": "v=DMARC1; p=reject; adkim=s"}, spf="missing")  # fmt: skip
        self.check("wrong", "taken for spam",
                   {"a.shop.test": "v=DMARC1; p=quarantine; adkim=S"}, spf="missing")  # fmt: skip
        self.check("wrong", "Take psd=n out",
                   {"a.shop.test": "v=DMARC1; p=reject; psd=n"}, spf="missing")  # fmt: skip

    def test_strict_alignment_that_nobody_enforces_yet(self):
        for record in ("p=none; adkim=s", "p=quarantine; adkim=s; t=y",
                       "p=reject; sp=none; adkim=s"):  # fmt: skip
            self.check("ok", "nobody refuses it as long as", {"shop.test": f"v=DMARC1; {record}"},
                       spf="missing")  # fmt: skip

    def test_a_domain_that_signs_itself(self):
        for signer in (None, "a.shop.test"):
            self.check("ok", "applies", {"shop.test": "v=DMARC1; p=reject; adkim=s"},
                       spf="missing", signer=signer)  # fmt: skip
        self.check("missing", "Publish this TXT", {}, signer=None)


class TestDmarcLookups(LookupCase):
    LACKING = GOOD_ZONE.replace('_dmarc IN TXT "v=DMARC1; p=reject"\n', "")

    def dmarc(self, domain="a.shop.test", service=SERVICE, **options):
        records = expected_records(domain, service)
        found = check_domains([(domain, records)], self.settings, **options)[domain]
        return next(v for v in found.verdicts if v.key == "dmarc")

    def test_the_record_above_in_the_same_zone(self):
        self.serve("shop.test")
        verdict = self.dmarc()
        self.assertEqual((verdict.state, verdict.found), ("ok", "v=DMARC1; p=reject"))
        self.assertIn("The DMARC record of shop.test applies", verdict.note)

    def test_the_record_above_in_another_zone(self):
        self.serve("a.shop.test", self.LACKING)
        self.resolver.add_zone("shop.test", '_dmarc IN CNAME d.host.test.\n')
        self.resolver.add_zone("host.test", 'd IN TXT "v=DMARC1; p=reject; adkim=s"\n'
                               'spf IN TXT "v=spf1 -all"\n')  # fmt: skip
        verdict = self.dmarc()
        self.assertEqual((verdict.state, verdict.found),
                         ("ok", "v=DMARC1; p=reject; adkim=s"))  # fmt: skip
        signed = replace(SERVICE, dkim=(), dkim_domain="shop.test")
        verdict = self.dmarc(service=signed)
        self.assertEqual((verdict.state, verdict.harmless), ("wrong", True))
        self.serve("a.shop.test", self.LACKING.replace("include:spf.host.test", ""))
        verdict = self.dmarc(service=signed)
        self.assertEqual((verdict.state, verdict.harmless), ("wrong", False))
        self.assertIn("it will be rejected", verdict.note)

    def test_a_parent_that_does_not_answer(self):
        self.serve("a.shop.test", self.LACKING)
        self.resolver.fault("_dmarc.shop.test", "servfail")
        verdict = self.dmarc()
        self.assertEqual(verdict.state, "unknown")
        self.assertIn("above a.shop.test", verdict.note)

    def test_a_registry_that_does_not_answer_has_no_policy_for_us(self):
        self.serve("shop.test", self.LACKING)
        self.resolver.fault("_dmarc.test", "servfail")
        self.assertEqual(self.dmarc("shop.test").state, "missing")

    def test_the_deadline_does_not_make_it_missing(self):
        self.serve("shop.test")
        self.server.fault("s1._domainkey.a.shop.test", "timeout")
        self.settings = replace(self.settings, timeout_s=60)
        self.assertEqual(self.dmarc(deadline_s=2).state, "ok")

    def test_reports_elsewhere_want_an_agreement(self):
        """RFC 7489 7.1"""
        text = self.LACKING + (
            '_dmarc IN TXT "v=DMARC1; p=none; rua=mailto:a@shop.test, mailto:b@mail.shop.test, '
            'mailto:c@host.test, mailto:d@reports.test!10m"\n'
        )
        self.serve("shop.test", text)
        self.resolver.add_zone("host.test", 'shop.test._report._dmarc IN TXT "v=DMARC1"\n'
                               'spf IN TXT "v=spf1 -all"\n')  # fmt: skip
        self.resolver.add_zone("reports.test", "")
        verdict = self.dmarc("shop.test")
        self.assertEqual(verdict.state, "ok")
        self.assertEqual(
            verdict.note,
            "No reports are sent to reports.test until it has the TXT record "
            "shop.test._report._dmarc.reports.test with v=DMARC1 (RFC 7489 7.1).",
        )
