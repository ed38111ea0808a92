# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Records written into real zones: Knot takes the updates, and a transfer shows what came of it."""

from dataclasses import replace

from odoo.addons.emboux_core.dns.expected import (
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
    expected_records,
)
from odoo.addons.emboux_core.dns.judge import OK
from odoo.addons.emboux_core.dns.lookup import Resolver, check_domains
from odoo.addons.emboux_core.dns.publish import OwnedRecord, ZoneChanged, apply, plan, remove
from odoo.addons.emboux_core.tests.dns_server import DnsServer
from odoo.addons.emboux_core.tests.knot_server import IDN_ZONE, KnotCase

RSA = "QUJD" * 130
ED25519 = "A" * 43 + "="
SERVICE = MailService(
    mx=(MxTarget(10, "mx1.host.test"), MxTarget(20, "mx2.host.test")),
    spf=("include:spf.host.test",),
    dkim=(DkimKey("s1", "rsa", RSA), DkimKey("s2", "ed25519", ED25519)),
    verification="t0ken",
    imap_host="imap.host.test",
    smtp_host="smtp.host.test",
)
KEY_RECORD = f"v=DKIM1; k=rsa; p={RSA}"
OURS = {
    '_emboux TXT "emboux-verification=t0ken"',
    "@ MX 10 mx1.host.test.",
    "@ MX 20 mx2.host.test.",
    '@ TXT "v=spf1 include:spf.host.test ~all"',
    f's1._domainkey TXT "{KEY_RECORD[:255]}" "{KEY_RECORD[255:510]}" "{KEY_RECORD[510:]}"',
    f's2._domainkey TXT "v=DKIM1; k=ed25519; p={ED25519}"',
    '_dmarc TXT "v=DMARC1; p=none; adkim=r; aspf=r"',
    "_imaps._tcp SRV 0 1 993 imap.host.test.",
    "_submissions._tcp SRV 0 1 465 smtp.host.test.",
}
ALIAS = "autoconfig"


def only(domain, *keys, service=SERVICE):
    return tuple(r for r in expected_records(domain, service) if r.key.split(":")[0] in keys)


class TestPublish(KnotCase):
    def records(self, *keys, **service):
        changed = replace(SERVICE, **service)
        records = expected_records(self.zone, changed)
        return only(self.zone, *keys, service=changed) if keys else records

    def alias(self, target="auto.host.test."):
        return (ExpectedRecord("auto", "CNAME", f"{ALIAS}.{self.zone}", target, "optional", "x"),)

    def there(self, text):
        self.knot.change(self.zone, text)

    def content(self):
        return self.knot.content(self.zone)

    def assert_conflict(self, records, said, published=()):
        before = self.content()
        seen = self.plan(records, published)
        self.assertEqual({step.action for step in seen.steps}, {"conflict"}, seen.steps)
        self.assertRegex(seen.steps[0].note, said)
        result = apply(seen, self.primary, confirm_merge=True)
        self.assertEqual(self.content(), before)
        return seen, result

    # -- into an empty zone ----------------------------------------------------------------

    def test_everything_into_an_empty_zone(self):
        seen = self.plan(self.records())
        self.assertEqual(set(self.actions(seen).values()), {"add"})
        self.assertEqual(self.content(), set(), "a plan changes nothing")
        result = apply(seen, self.primary)
        self.assertEqual(set(self.states(result).values()), {"done"})
        self.assertEqual(self.content(), OURS)
        self.assertEqual(
            {(p.key, p.name, p.value) for p in result.published},
            {(r.key, r.name, r.value) for r in self.records()},
        )
        self.assertEqual(result.published, seen.claim(False))

    def test_publishing_again_changes_nothing(self):
        result = self.publish(self.records())
        serial = self.knot.content(self.zone)
        seen = self.plan(self.records(), result.published)
        self.assertEqual(set(self.actions(seen).values()), {"there"})
        self.assertFalse(seen.changes(True))
        again = apply(seen, self.knot.primary(port=1))  # nothing is sent
        self.assertEqual(again.published, result.published)
        self.assertEqual(self.content(), serial)

    def test_what_was_published_passes_the_check(self):
        self.publish(self.records())
        resolver = DnsServer({
            "test": "", self.zone: "@ IN NS ns\nns IN A 127.0.0.1\n",
            "host.test": 'spf IN TXT "v=spf1 -all"\n',
        }).start()  # fmt: skip
        self.addCleanup(resolver.stop)
        settings = Resolver((("127.0.0.1", resolver.port),), self.knot.port, 5.0, True)
        check = check_domains([(self.zone, self.records())], settings)[self.zone]
        self.assertEqual({v.state for v in check.verdicts}, {OK}, check)

    def test_an_international_domain(self):
        self.zone = IDN_ZONE
        seen = plan("Bücher.test.", expected_records("bücher.test", SERVICE), self.primary)
        self.assertEqual((seen.domain, seen.zone), (IDN_ZONE, IDN_ZONE))
        apply(seen, self.primary)
        self.assertEqual(self.content(), OURS)

    def test_sha512_and_a_ttl(self):
        records = self.records("mx")
        apply(self.plan(records), self.knot.primary("emboux512"), ttl=120)
        self.assertEqual(self.knot.ttl(self.zone, "MX"), 120)
        for ttl in (-1, 2**31):
            with self.assertRaisesRegex(ValueError, "out of range"):
                apply(self.plan(records), self.primary, ttl=ttl)

    def test_a_subdomain_in_the_zone_of_its_parent(self):
        domain = f"news.{self.zone}"
        seen = plan(domain, only(domain, "mx", "spf"), self.primary)
        self.assertEqual(seen.zone, self.zone)
        apply(seen, self.primary)
        self.assertIn("news MX 10 mx1.host.test.", self.content())

    # -- what others have made -------------------------------------------------------------

    def test_records_of_others_stay_and_keep_their_ttl(self):
        self.there('@ TXT "google-site-verification=x"\n_emboux TXT "else"\n_dmarc TXT "hm"\n')
        before = self.content()
        result = self.publish(self.records())
        self.assertEqual(self.content(), before | OURS)
        self.assertEqual(self.knot.ttl(self.zone, "TXT"), 300)
        self.assertEqual(self.knot.ttl(self.zone, "MX"), 3600)
        remove(self.zone, result.published, self.primary)
        self.assertEqual(self.content(), before)

    def test_a_record_that_is_there_is_not_ours_to_remove(self):
        self.there("@ MX 10 mx1.host.test.\n@ MX 20 MX2.host.test.\n")
        result = self.publish(self.records("mx"))
        self.assertEqual(self.states(result), {"mx": "there"})
        self.assertEqual(result.published, ())
        remove(self.zone, result.published, self.primary)
        self.assertEqual(len(self.content()), 2)

    def test_another_mx(self):
        self.there("@ MX 10 mx.else.test.\n")
        seen, result = self.assert_conflict(self.records("mx"), "different places: remove it")
        self.assertEqual(seen.steps[0].found, "10 mx.else.test.")
        self.assertEqual(self.states(result), {"mx": "conflict"})

    def test_the_null_mx(self):
        self.there("@ MX 0 .\n")
        self.assert_conflict(self.records("mx"), "another MX record")

    def test_a_conflict_leaves_the_rest_alone(self):
        self.there("@ MX 10 mx.else.test.\n")
        states = self.states(self.publish(self.records("mx", "verification")))
        self.assertEqual(states, {"mx": "conflict", "verification": "done"})

    def test_another_dkim_key_under_the_selector(self):
        self.there('s1._domainkey TXT "v=DKIM1; k=rsa; p=QUJE"\n')
        self.assert_conflict(self.records("dkim", dkim=SERVICE.dkim[:1]), "one such record only")

    def test_the_same_dkim_key_written_otherwise(self):
        strings = f'"k=rsa;p={RSA[:200]}" "{RSA[200:400]} " "{RSA[400:]}"'
        self.there(f"s1._domainkey TXT {strings}\n")
        result = self.publish(self.records("dkim", dkim=SERVICE.dkim[:1]))
        self.assertEqual(self.states(result), {"dkim:s1": "there"})
        self.assertEqual(result.published, ())

    def test_another_dmarc_record(self):
        self.there('_dmarc TXT "v=DMARC1; p=reject"\n')
        seen = self.plan(self.records("dmarc"))
        self.assertEqual(self.actions(seen), {"dmarc": "there"}, "a policy is theirs to choose")
        self.assertIn("it stays", seen.steps[0].note)
        self.there('_dmarc TXT "v=DMARC1; p=none"\n')
        self.assert_conflict(self.records("dmarc"), "one such record only")

    def test_a_dmarc_record_that_cannot_be_read(self):
        self.there('_dmarc TXT "V=DMARC1 p=none"\n')
        self.assert_conflict(self.records("dmarc"), "one such record only")

    # -- a policy that applies already (RFC 7489 3.2, RFC 9989 4.10) is not undercut ---------

    def below(self, policy, at="", signer=None, published=()):
        """Plan for news.<zone> with this record at _dmarc of a domain above."""
        if policy:
            self.there(f'_dmarc{at} TXT "{policy}"\n')
        domain = f"shop.news.{self.zone}"
        records = only(domain, "dmarc", service=replace(SERVICE, dkim_domain=signer))
        return plan(domain, records, self.primary, published)

    def test_a_domain_under_a_policy_gets_none_of_its_own(self):
        for policy in (
            "v=DMARC1; p=reject", "v=DMARC1; p=none; sp=reject; rua=mailto:a@b.test",
            "v=DMARC1; p=none; rua=mailto:reports@b.test", "v=DMARC1; p=quarantine; pct=10",
        ):  # fmt: skip
            for at in ("", ".news"):
                with self.subTest(policy, at=at):
                    seen = self.below(policy, at)
                    before = self.content()
                    (step,) = seen.steps
                    self.assertEqual((step.action, step.found, step.value),
                                     ("there", policy, policy))  # fmt: skip
                    self.assertRegex(step.note, f"{at[1:]}.*applies to shop.news")
                    result = apply(seen, self.primary, confirm_merge=True)
                    self.assertEqual((self.content(), result.published), (before, ()))
                    self.knot.change(self.zone, delete=f'_dmarc{at} TXT "{policy}"\n')

    def test_a_domain_under_no_policy_gets_its_own(self):
        for policy in ("", " v=DMARC1; p=reject", "v=DMARC1; p=rejct", "v=spf1 -all"):
            with self.subTest(policy):
                self.assertEqual(self.actions(self.below(policy)), {"dmarc": "add"})

    def test_strict_alignment_above_is_said_and_not_undone(self):
        seen = self.below("v=DMARC1; p=reject; adkim=s; rua=mailto:a@b.test", signer=self.zone)
        self.assertEqual(self.actions(seen), {"dmarc": "conflict"})
        self.assertIn("what is forwarded will be rejected", seen.steps[0].note)
        self.assertIn("v=DMARC1; p=reject; adkim=r; rua=mailto:a@b.test", seen.steps[0].note)

    def test_an_own_record_stays_as_it_is(self):
        for policy in ("v=DMARC1; p=reject; rua=mailto:a@b.test", "v=DMARC1; p=quarantine; sp=none",
                       " v=DMARC1; p=reject", "v=DMARC1;p=rejct"):  # fmt: skip
            with self.subTest(policy):
                self.there(f'_dmarc TXT "{policy}"\n')
                before = self.content()
                self.publish(self.records("dmarc"), confirm_merge=True)
                self.assertEqual(self.content(), before)
                self.knot.change(self.zone, delete=f'_dmarc TXT "{policy}"\n')

    def test_our_record_that_they_made_stricter_stays(self):
        result = self.publish(self.records("dmarc"))
        self.knot.change(self.zone, '_dmarc TXT "v=DMARC1; p=reject"\n',
                         '_dmarc TXT "v=DMARC1; p=none; adkim=r; aspf=r"\n')  # fmt: skip
        self.publish(self.records("dmarc"), result.published, confirm_merge=True)
        self.assertEqual(self.content(), {'_dmarc TXT "v=DMARC1; p=reject"'})

    def test_a_policy_beyond_the_zone(self):
        """The zone is of the domain alone, and its parent's records are elsewhere."""
        sub = f"sub.{type(self).knot.zones[0]}"
        parent = sub.partition(".")[2]
        dns = DnsServer({parent: '_dmarc IN TXT "v=DMARC1; p=reject"\n'}).start()
        self.addCleanup(dns.stop)
        resolver = Resolver((("127.0.0.1", dns.port),), timeout_s=0.3)
        look = lambda: plan(sub, only(sub, "dmarc"), self.primary, (), resolver)  # noqa: E731
        self.assertEqual(self.actions(look()), {"dmarc": "there"})
        dns.fault(parent, "servfail")
        seen = look()
        self.assertEqual(self.actions(seen), {"dmarc": "conflict"})
        self.assertIn("could not be found out", seen.steps[0].note)

    def test_another_srv(self):
        self.there("_imaps._tcp SRV 0 1 993 imap.else.test.\n_submissions._tcp SRV 0 0 0 .\n")
        self.assert_conflict(self.records("srv"), "led to different places")

    def test_aliases(self):
        self.there(
            f"_dmarc CNAME dmarc.else.test.\n_emboux CNAME e.{self.zone}.\n"
            'e TXT "emboux-verification=t0ken"\n_imaps._tcp CNAME _imaps._tcp\n'
        )
        self.assert_conflict(self.records("dmarc"), "is an alias .* of dmarc.else.test")
        seen = self.plan(self.records("verification"))
        self.assertEqual(self.actions(seen), {"verification": "there"})
        self.assert_conflict(self.records("srv", smtp_host=""), "is an alias")

    def test_an_alias_to_be_made(self):
        result = self.publish(self.alias())
        self.assertEqual(self.states(result), {"auto": "done"})
        self.assertEqual(self.content(), {f"{ALIAS} CNAME auto.host.test."})
        result = self.publish(self.alias("new.host.test."), result.published)
        self.assertEqual(self.content(), {f"{ALIAS} CNAME new.host.test."})
        self.assert_conflict(self.alias("x.test."), "alias of one other only")
        # our alias makes room for our own record of another type
        text = (ExpectedRecord("t", "TXT", f"{ALIAS}.{self.zone}", "x", "optional", "x"),)
        result = self.publish(text, result.published)
        self.assertEqual(self.content(), {f'{ALIAS} TXT "x"'})
        self.assert_conflict(self.alias(), "has other records")

    def test_an_alias_that_is_not_ours_any_more(self):
        result = self.publish(self.alias())
        self.knot.change(self.zone, delete=f"{ALIAS} CNAME auto.host.test.\n")
        self.there(f"{ALIAS} CNAME else.test.\n")
        text = (ExpectedRecord("t", "TXT", f"{ALIAS}.{self.zone}", "x", "optional", "x"),)
        self.assert_conflict(text, "alias .* of else.test", result.published)

    def test_a_domain_that_is_an_alias(self):
        self.there("www CNAME web.else.test.\n")
        seen = plan(f"www.{self.zone}", only(f"www.{self.zone}", "mx"), self.primary)
        self.assertEqual((seen.zone, self.actions(seen)), (self.zone, {"mx": "conflict"}))

    def test_an_alias_below_which_there_are_names(self):
        self.there(f'a.{ALIAS} TXT "x"\n')
        self.assertEqual(self.states(self.publish(self.alias())), {"auto": "done"})

    def test_names_in_other_zones(self):
        self.there("_domainkey NS ns.else.test.\n")
        self.assert_conflict(self.records("dkim"), "is delegated to other name servers")
        other = f"sub.{type(self).knot.zones[0]}"
        parent = other.partition(".")[2]
        seen = plan(parent, (ExpectedRecord("t", "TXT", f"x.{other}", "x", "optional", "x"),),
                    self.primary)  # fmt: skip
        self.assertIn(f"a zone of its own, {other}", seen.steps[0].note)

    # -- wildcards -------------------------------------------------------------------------

    def test_what_a_wildcard_answers_is_not_there(self):
        self.there('* TXT "v=DMARC1; p=quarantine; pct=x"\n* MX 5 mx.else.test.\n* A 192.0.2.1\n')
        before = self.content()
        result = self.publish(self.records("dmarc", "dkim", "srv", "verification"))
        states = self.states(result)
        # but for a policy, which receivers apply wherever it comes from (RFC 7489 6.6.3)
        self.assertEqual(states.pop("dmarc"), "there")
        self.assertEqual(set(states.values()), {"done"})
        self.assertEqual(len(self.content()), len(before) + 5)
        seen = self.plan(self.records("dmarc", "dkim", "srv", "verification"), result.published)
        self.assertEqual(set(self.actions(seen).values()), {"there"})

    def test_a_wildcard_alias(self):
        self.there("* CNAME www.else.test.\n")
        self.publish(self.records("dmarc"))
        self.assertIn('_dmarc TXT "v=DMARC1; p=none; adkim=r; aspf=r"', self.content())

    def test_a_website_that_a_wildcard_serves_is_not_cut_off(self):
        self.there("* A 192.0.2.1\n")
        domain = f"news.{self.zone}"
        records = only(domain, "mx", "verification")
        seen = plan(domain, records, self.primary)
        self.assertEqual(self.actions(seen), {"verification": "add", "mx": "conflict"})
        self.assertIn("A wildcard answers for news", seen.steps[1].note)
        self.there("news A 192.0.2.1\n")
        seen = plan(domain, records, self.primary)
        self.assertEqual(self.actions(seen), {"verification": "add", "mx": "add"})

    # -- own records that change and go ----------------------------------------------------

    def test_own_records_are_replaced(self):
        result = self.publish(self.records())
        self.there('@ TXT "theirs"\n')
        service = {
            "mx": (MxTarget(5, "mx3.host.test"), MxTarget(20, "mx2.host.test")),
            "dkim": (DkimKey("s1", "rsa", "QUJE"), DkimKey("s2", "ed25519", ED25519)),
            "spf": ("include:new.host.test",), "verification": "an0ther",
        }  # fmt: skip
        seen = self.plan(self.records(**service), result.published)
        self.assertEqual(
            {key for key, action in self.actions(seen).items() if action == "replace"},
            {"mx", "dkim:s1", "spf", "verification"},
        )
        result = apply(seen, self.primary)
        self.assertEqual(
            self.content() - OURS,
            {"@ MX 5 mx3.host.test.", 's1._domainkey TXT "v=DKIM1; k=rsa; p=QUJE"',
             '@ TXT "v=spf1 include:new.host.test ~all"', '@ TXT "theirs"',
             '_emboux TXT "emboux-verification=an0ther"'},
        )  # fmt: skip
        self.assertEqual(len(self.content()), len(OURS) + 1)
        remove(self.zone, result.published, self.primary)
        self.assertEqual(self.content(), {'@ TXT "theirs"'})

    def test_another_preference_of_our_own(self):
        result = self.publish(self.records("mx"))
        changed = self.records("mx", mx=(MxTarget(30, "mx1.host.test"),))
        self.publish(changed, result.published)
        self.assertEqual(self.content(), {"@ MX 30 mx1.host.test."})

    def test_a_key_that_is_not_expected_any_more_goes(self):
        result = self.publish(self.records("dkim"))
        seen = self.plan(self.records("dkim", dkim=SERVICE.dkim[1:]), result.published)
        self.assertEqual(self.actions(seen), {"dkim:s2": "there", "dkim:s1": "remove"})
        result = apply(seen, self.primary)
        self.assertEqual([p.key for p in result.published], ["dkim:s2"])
        self.assertEqual(len(self.content()), 1)

    def test_what_others_have_changed_is_theirs(self):
        result = self.publish(self.records("mx", "verification"))
        self.knot.change(self.zone, "@ MX 10 mx.else.test.\n", "@ MX 10 mx1.host.test.\n")
        changed = self.records("mx", "verification", mx=(MxTarget(1, "mx9.host.test"),))
        seen = self.plan(changed, result.published)
        self.assertEqual(self.actions(seen), {"verification": "there", "mx": "conflict"})
        result = apply(seen, self.primary)
        remove(self.zone, result.published, self.primary)
        self.assertEqual(self.content(), {"@ MX 10 mx.else.test."})

    def test_removing_what_is_gone_already(self):
        result = self.publish(self.records())
        remove(self.zone, result.published, self.primary)
        self.assertEqual(self.content(), set())
        again = remove(self.zone, result.published, self.primary)
        self.assertEqual((again.outcomes, again.published), ((), ()))

    # -- the zone changes in between -------------------------------------------------------

    def test_a_change_in_between(self):
        """The add, the replacement, the alias: whichever set changes, all of it is refused."""
        result = self.publish(self.records("verification"))
        records = self.records("verification", "mx", verification="an0ther") + self.alias()
        for add, delete in (
            ("@ MX 10 mx.else.test.\n", ""),
            ("", '_emboux TXT "emboux-verification=t0ken"\n'),
            ('_emboux TXT "beside"\n', ""),
            (f'{ALIAS} TXT "x"\n', ""),
        ):
            with self.subTest(add=add, delete=delete):
                seen = self.plan(records, result.published)
                self.knot.change(self.zone, add, delete)
                before = self.content()
                with self.assertRaisesRegex(ZoneChanged, "look at it again"):
                    apply(seen, self.primary)
                self.assertEqual(self.content(), before)
                self.assertNotEqual(
                    self.plan(records, result.published).fingerprint, seen.fingerprint
                )
                self.knot.change(self.zone, delete, add)
                self.assertEqual(
                    self.plan(records, result.published).fingerprint, seen.fingerprint
                )

    def test_an_alias_in_between(self):
        seen = self.plan(self.records("dmarc"))
        self.there("_dmarc CNAME dmarc.else.test.\n")
        with self.assertRaises(ZoneChanged):
            apply(seen, self.primary)

    def test_the_same_plan_twice(self):
        seen = self.plan(self.records())
        result = apply(seen, self.primary)
        with self.assertRaises(ZoneChanged):
            apply(seen, self.primary)
        again = self.publish(self.records(), seen.claim(False))
        self.assertEqual(again.published, result.published)

    def test_a_claim_that_came_to_nothing_claims_nothing(self):
        claim = self.plan(self.records("mx", "dmarc")).claim(False)
        self.there("@ MX 10 mx.else.test.\n")
        self.assertEqual(remove(self.zone, claim, self.primary).published, ())
        self.assertEqual(self.content(), {"@ MX 10 mx.else.test."})

    # -- what cannot be published ----------------------------------------------------------

    def test_records_that_cannot_be_written(self):
        zone = self.zone
        for record_type, name, value, said in (
            ("TXT", "else.test", "x", "does not belong"),
            ("TXT", f"x{zone}", "x", "does not belong"),
            ("TXT", f"ü.{zone}", "x", "A-labels"),
            ("TXT", f"{'a' * 64}.{zone}", "x", "63"),
            ("TXT", f"{'a.' * 125}{zone}", "x", "255"),
            ("A", zone, "192.0.2.1", "are possible"),
            ("MX", zone, "ten mx.host.test.", "cannot be published"),
            ("TXT", zone, "", "empty"),
        ):
            record = ExpectedRecord("x", record_type, name, value, "required", "x")
            with self.subTest(name=name, value=value), self.assertRaisesRegex(ValueError, said):
                self.plan((record,))
            with self.assertRaisesRegex(ValueError, said):
                self.plan((), (OwnedRecord("x", record_type, name, value),))
