# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What is found, judged by meaning."""

import base64

from odoo.addons.emboux_core.dns.expected import ExpectedRecord
from odoo.addons.emboux_core.dns.judge import judge
from odoo.addons.emboux_core.tests.dns_server import PlainTest

KEY = base64.b64encode(bytes(range(200)) + b"\xff\xfe").decode()
OTHER = base64.b64encode(bytes(range(1, 200)) + b"\xff\xfe").decode()


def expected(key, record_type, value, name="shop.test"):
    return ExpectedRecord(key, record_type, name, value, "required", "Why.")


class JudgeCase(PlainTest):
    record: ExpectedRecord

    def check(self, state, *values, note=""):
        """Assert the verdict; an ok one has no note unless one is expected."""
        verdict = judge(self.record, values)
        self.assertEqual((verdict.key, verdict.state), (self.record.key, state), verdict)
        self.assertRegex(verdict.note, note or "^")
        if state != "ok":
            self.assertTrue(verdict.note)
        elif not note:
            self.assertEqual(verdict.note, "")
        self.assertNotIn("\n", verdict.note)
        return verdict


class TestDkim(JudgeCase):
    record = expected("dkim:s1", "TXT", f"v=DKIM1; k=rsa; p={KEY}", "s1._domainkey.shop.test")

    def test_same_key_in_other_words(self):
        for value in (
            f"v=DKIM1; k=rsa; p={KEY}",
            f"v=DKIM1;p={KEY};k=rsa;",
            f"p={KEY}",
            f" v = DKIM1 ; h=sha1:SHA256; s=email; n=our key; p={KEY[:100]} \t {KEY[100:]} ",
            f"v=DKIM1; k=RSA; s=*; p={KEY.rstrip('=')}",
        ):
            with self.subTest(value):
                self.check("ok", value)

    def test_not_the_key(self):
        for value, note in (
            (f"v=DKIM1; k=rsa; p={OTHER}", "another DKIM key"),
            (f"v=DKIM1; k=rsa; p={KEY.lower()}", "another DKIM key"),
            ("v=DKIM1; k=rsa; p=", "revoked"),
            (f"v=DKIM1; k=rsa; p={KEY[:200]}", "cut off after 200 of 270"),
            (f"v=DKIM1; k=ed25519; p={KEY}", "key type is ed25519"),
            (f"v=DKIM1; h=sha1; p={KEY}", "sha256"),
            (f"v=DKIM1; s=tlsrpt; p={KEY}", "not for mail"),
            (f"v=DKIM2; p={KEY}", "no DKIM key"),
            (f"p={KEY}; v=DKIM1", "no DKIM key"),
            (f"v=DKIM1\\; k=rsa\\; p={KEY}", "no DKIM key"),
            ("hello", "no DKIM key"),
            (f"v=DKIM1;\N{NO-BREAK SPACE}p={KEY}", "no DKIM key"),
            (f"v=DKIM1; p={KEY[:100]}\N{NO-BREAK SPACE}{KEY[100:]}", "another DKIM key"),
        ):
            with self.subTest(value):
                self.check("wrong", value, note=note)

    def test_number_of_records(self):
        self.check("missing", note="Publish this TXT record for s1._domainkey.shop.test")
        self.check("ok", f"v=DKIM1; p={KEY}", "unrelated text")
        self.check("wrong", f"v=DKIM1; p={KEY}", f"v=DKIM1; p={OTHER}", note="2 DKIM keys")

    def test_test_mode_is_a_hint(self):
        self.check("ok", f"v=DKIM1; t=s:y; p={KEY}", note="t=y")


class TestMx(JudgeCase):
    record = expected("mx", "MX", "10 mx1.host.test.\n20 mx2.host.test.")

    def test_any_order_and_preference(self):
        self.check("ok", "10 mx1.host.test.", "20 mx2.host.test.")
        self.check("ok", "0 MX2.Host.Test.", "50 mx1.host.test")

    def test_faults(self):
        self.check("missing", note="10 mx1.host.test. and 20 mx2.host.test.")
        self.check("wrong", "10 mx1.host.test.", note="Add MX mx2.host.test so")
        self.check("wrong", "0 .", note="null MX")
        self.check("wrong", "10 old.test.", note="Add MX mx1.*remove old.test")
        found = ("10 mx1.host.test.", "20 mx2.host.test.", "30 old.test.")
        verdict = self.check("ok", *found, note="MX old.test is a backup beside ours")
        self.assertEqual(verdict.found, "\n".join(found))
        for other in ("5 old.test.", "10 old.test."):
            found = ("10 mx1.host.test.", "20 mx2.host.test.", other)
            self.assertTrue(self.check("wrong", *found, note="Remove MX old.test.*where").harmless)
        self.check("wrong", "10 mx1.host.test.", "20 mx2.host.test.", "0 .", note=r"Remove MX \.")


class TestSpf(JudgeCase):
    record = expected("spf", "TXT", "v=spf1 a:mail.host.test include:spf.host.test ~all")

    def test_authorised(self):
        for value in (
            "v=spf1 a:mail.host.test include:spf.host.test ~all",
            "V=SPF1 +include:SPF.host.test. ip4:192.0.2.1 a:mail.host.test mx -all",
            "v=spf1  include:a.test include:spf.host.test include:b.test A:mail.host.test ?all",
        ):
            with self.subTest(value):
                self.check("ok", value)
        verdict = self.check("ok", "some-verification=1", self.record.value, "v=spf10 x")
        self.assertEqual(verdict.found, self.record.value)

    def test_not_authorised(self):
        for value, note in (
            ("v=spf1 a:mail.host.test ~all", 'Add include:spf.host.test .*before "~all"'),
            ("v=spf1 a:mail.host.test", "Add include:spf.host.test .*at its end"),
            ("v=spf1 a:mail.host.test ~all include:spf.host.test", 'in front of "~all"'),
            ("v=spf1 a:mail.host.test -include:spf.host.test ~all", "instead of -include"),
            ("v=spf1 ~a:mail.host.test include:spf.host.test ~all", "instead of ~a:"),
            ("v=spf1 ?a:mail.host.test include:spf.host.test ~all", "instead of [?]a:"),
            ("v=spf1 -a:mail.host.test a:mail.host.test include:spf.host.test -all", "Remove -a:"),
            ("v=spf1 a:mail.host.test include:spf.host.test.evil.test ~all", "Add include"),
            ("v=spf1 a:mail.host.test redirect=spf.host.test", "Add include"),
        ):
            with self.subTest(value):
                self.check("wrong", value, note=note)

    def test_what_receivers_do_not_read(self):
        """One row of the table in test_dns_spf for each way; RFC 7208 4.5, 4.6 and 5 to 7."""
        good = "v=spf1 a:mail.host.test include:spf.host.test"
        for value, note in (
            (f" {good} ~all", "begin with \"v=spf1 \""),
            (f"\t{good} ~all", "begin with"),
            (f"\N{NO-BREAK SPACE}{good} ~all", "begin with"),
            (good.replace(" ", "\t", 1), "begin with"),
            (good.replace(" ", "\N{NO-BREAK SPACE}"), "begin with"),
            (f"{good}\t~all", "a tab"),
            (f"{good}\N{NO-BREAK SPACE}~all", "a no-break space"),
            (f"{good} ip4:192.0.2.1~all", "a space is missing"),
            (f"{good} ip4:999.1.1.1 ~all", "ip4 takes an IPv4 address"),
            (f"{good} a: ~all", "without a domain"),
            (f"{good} redirect=a.test redirect=b.test", "redirect= twice"),
            (f"{good} exp=a.test exp=b.test ~all", "exp= twice"),
            (f"{good} ~all moo", "unknown term"),
        ):
            with self.subTest(value):
                self.assertFalse(self.check("wrong", value, note=note).harmless)

    def test_remarks(self):
        good = "v=spf1 a:mail.host.test include:spf.host.test"
        self.check("ok", f"{good} ip4:0.0.0.0/0 ~all", note="ip4:0.0.0.0/0.* lets anybody")
        self.check("ok", f"{good} ~all mx", note='mx stands behind "~all"')
        self.check("ok", f"{good} ~all x=y exp=e.test")
        self.check("ok", good, f" {good} ~all", "v=spf2.0/pra -all")

    def test_number_of_records(self):
        self.check("missing")
        self.check("missing", "v=spf10 +all", "google-site-verification=1")
        self.check("wrong", self.record.value, "v=spf1 -all", note="2 SPF records.*merge")

    def test_open_to_all_is_a_hint(self):
        self.check("ok", self.record.value.replace("~all", "+all"), note="anybody")

    def test_same_ip4_with_its_prefix(self):
        self.record = expected("spf", "TXT", "v=spf1 ip4:192.0.2.1 ~all")
        self.check("ok", "v=spf1 ip4:192.0.2.1/32 -all")
        self.check("wrong", "v=spf1 ip4:192.0.2.1/3 -all")


class TestDmarc(JudgeCase):
    record = expected("dmarc", "TXT", "v=DMARC1; p=none", "_dmarc.shop.test")

    def test_any_valid_policy(self):
        for value in (
            "v=DMARC1; p=none",
            "v=DMARC1;p=reject;rua=mailto:a@b.test;pct=50",
            "v = DMARC1 ; rua=mailto:a@b.test; p=Quarantine;",
        ):
            with self.subTest(value):
                self.check("ok", value)
        self.check("ok", "v=DMARC1; p=none", "v=spf1 -all")

    def test_faults(self):
        self.check("missing")
        self.check("missing", "p=none; v=DMARC1")
        self.check("wrong", "v=DMARC1; p=nothing", note="policy")
        self.check("wrong", "v=DMARC1", note="policy")
        self.check("wrong", "v=DMARC2; p=none", note="cannot be read")
        self.check("wrong", "v=DMARC1 p=none", note="cannot be read")
        self.check("wrong", "v=DMARC1; p=none", "v=DMARC1; p=reject", note="2 DMARC records")
        self.check("wrong", "v=DMARC1; p=none; p=reject", note="cannot be read")
        self.check("wrong", "v=DMARC1; p=none; sp=no", note="Correct sp=")

    def test_what_receivers_do_not_read(self):
        """RFC 7489 6.4: v=DMARC1 comes first, in capitals; 6.6.3: else it is discarded."""
        for value, note in (
            (" v=DMARC1; p=none", "begin with"),
            ("\tv=DMARC1; p=none", "begin with"),
            ("\N{NO-BREAK SPACE}v=DMARC1; p=none", "begin with"),
            ('"v=DMARC1; p=none"', "begin with"),
            ("v=dmarc1; p=none", "cannot be read"),
            ("v=DMARC1\N{NO-BREAK SPACE}; p=none", "cannot be read"),
            ("v=DMARC1;\N{NO-BREAK SPACE}p=none", "cannot be read"),
            ("v=DMARC1; p=none\N{NO-BREAK SPACE}", "policy"),
            ("v=DMARC1, p=none", "cannot be read"),
        ):
            with self.subTest(value):
                self.check("wrong", value, note=note)
        self.check("ok", "v=DMARC1; p=none", " v=DMARC1; p=reject")

    def test_remarks(self):
        for value, note in (
            ("v=DMARC1; p=none; adkim=x", "adkim=x is ignored"),
            ("v=DMARC1; p=none; pct=101", "pct=101 is ignored"),
            ("v=DMARC1; p=none; rua=a@b.test", "No reports come to a@b.test: write mailto:"),
            ("v=DMARC1; p=none; rua=mailto:a@b.test!10m, b@c.test", "No reports come to b@c.test"),
        ):
            with self.subTest(value):
                self.check("ok", value, note=note)


class TestOthers(JudgeCase):
    def test_ownership(self):
        self.record = expected("verification", "TXT", "emboux-verification=Ab1")
        self.check("ok", "old", " emboux-verification=Ab1 ")
        self.check("missing")
        self.check("wrong", "emboux-verification=ab1", note="Add .*emboux-verification=Ab1")

    def test_srv(self):
        self.record = expected("srv:imaps", "SRV", "0 1 993 imap.host.test.")
        self.check("ok", "5 7 993 IMAP.host.test.", "0 0 993 other.test.")
        self.check("missing")
        for value in ("0 1 143 imap.host.test.", "0 1 993 other.test.", "0 0 0 ."):
            self.check("wrong", value, note="0 1 993 imap.host.test.")

    def test_cname(self):
        self.record = expected("dkim:s1", "CNAME", "s1.dkim.host.test.")
        self.check("ok", "S1.dkim.host.test")
        self.check("missing")
        self.check("wrong", "s2.dkim.host.test.", note="point to s1.dkim")

    def test_unknown_type(self):
        with self.assertRaisesRegex(ValueError, "type PTR"):
            judge(expected("x", "PTR", "a."), ("a.",))

    def test_found_is_bounded(self):
        self.record = expected("verification", "TXT", "x")
        self.assertEqual(len(self.check("wrong", *["y" * 60_000] * 3).found), 2000)
        self.record = expected("spf", "TXT", "v=spf1 a:mail.host.test ~all")
        verdict = self.check("wrong", "v=spf1 " + "y" * 60_000)
        self.assertLessEqual(len(verdict.note), 2000)


class TestMtaSts(JudgeCase):
    record = expected("mta_sts", "TXT", "v=STSv1; id=abc1", "_mta-sts.shop.test")

    def test_the_same_policy(self):
        for value in ("v=STSv1; id=abc1", "v=STSv1;id=abc1;", "v=STSv1 \t; x=y ;\tid=abc1 "):
            self.check("ok", value)
        self.check("ok", "something else", "v=STSv1; id=abc1")

    def test_not_the_policy(self):
        self.check("missing", note="Publish this TXT")
        self.check("missing", "v=STSv2; id=abc1", " id=abc1; v=STSv1")
        self.check("wrong", "v=STSv1; id=old", note="another policy.*id=abc1")
        self.check("wrong", "v=STSv1; id=", note="cannot be read")
        self.check("wrong", "v=STSv1; id=a-b", note="cannot be read")
        self.check("wrong", "v=STSv1; id=abc1", "v=STSv1; id=abc2", note="keep one")

    def test_what_senders_do_not_read(self):
        """RFC 8461 3.1: nothing in front, and blanks around the semicolons alone."""
        for value in (
            " v=STSv1; id=abc1", "\N{NO-BREAK SPACE}v=STSv1; id=abc1", "v = STSv1; id=abc1",
            "v=stsv1; id=abc1", "v=STSv1\N{NO-BREAK SPACE}; id=abc1", "v=STSv1",
            "v=STSv1 id=abc1",
        ):  # fmt: skip
            with self.subTest(value):
                self.check("wrong", value, note="begin with")
        for value in (
            "v=STSv1; id = abc1", "v=STSv1;\N{NO-BREAK SPACE}id=abc1", "v=STSv1; id=abc1 x=y",
            "v=STSv1; id=abc1; id=abc1", "v=STSv1; id=abc1; x",
        ):  # fmt: skip
            with self.subTest(value):
                self.check("wrong", value, note="cannot be read")


class TestTlsReport(JudgeCase):
    record = expected("tls_report", "TXT", "v=TLSRPTv1; rua=mailto:tls@host.test",
                      "_smtp._tls.shop.test")  # fmt: skip

    def test_reports_come_here(self):
        for value in (
            "v=TLSRPTv1; rua=mailto:tls@host.test", "v=TLSRPTv1;rua=MAILTO:Tls@host.test;",
            "v=TLSRPTv1; rua=https://reports.test/x, mailto:tls@host.test",
        ):  # fmt: skip
            self.check("ok", value)

    def test_reports_that_go_elsewhere_are_somebodys_choice(self):
        self.check("ok", "v=TLSRPTv1; rua=mailto:me@shop.test", note="add mailto:tls@host.test")

    def test_no_reports(self):
        self.check("missing", "hello", note="Publish this TXT")
        self.check("wrong", "v=TLSRPTv1; rua=", note="nobody")
        self.check("wrong", "v=TLSRPTv1;", note="nobody")
        self.check("wrong", *["v=TLSRPTv1; rua=mailto:tls@host.test"] * 2, note="keep one")

    def test_what_senders_do_not_read(self):
        """RFC 8460 3: as above, with blanks around the commas too."""
        rua = "rua=mailto:tls@host.test"
        for value in (f" v=TLSRPTv1; {rua}", f"\tv=TLSRPTv1; {rua}", f"v=tlsrptv1; {rua}",
                      f"v=TLSRPTv1\N{NO-BREAK SPACE}; {rua}", f"v=TLSRPTv1 {rua}"):  # fmt: skip
            with self.subTest(value):
                self.check("wrong", value, note="begin with")
        for value in (f"v=TLSRPTv1;\N{NO-BREAK SPACE}{rua}", "v=TLSRPTv1; rua = mailto:a@b.t",
                      f"v=TLSRPTv1; {rua} mailto:a@b.t", f"v=TLSRPTv1; {rua}; {rua}"):  # fmt: skip
            with self.subTest(value):
                self.check("wrong", value, note="cannot be read")
        self.check("ok", f"v=TLSRPTv1 ; {rua}\t,https://r.test/?a=b ; x=y; ")


class TestProvidersAlias(JudgeCase):
    record = expected("dkim:abc", "CNAME", "abc.dkim.test.", "abc._domainkey.shop.test")

    def test_alias(self):
        self.check("ok", "ABC.dkim.test")
        self.check("missing")
        self.check("wrong", "xyz.dkim.test.", note="point to abc.dkim.test.")
