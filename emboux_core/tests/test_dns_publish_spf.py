# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mechanisms in SPF records that are somebody else's: put in, taken out, all else untouched."""

from odoo.addons.emboux_core.dns import spf_merge
from odoo.addons.emboux_core.dns.expected import MailService, expected_records
from odoo.addons.emboux_core.dns.publish import ZoneChanged, apply, remove
from odoo.addons.emboux_core.tests.dns_server import PlainTest
from odoo.addons.emboux_core.tests.knot_server import KnotCase


class TestMerging(PlainTest):
    def test_where_mechanisms_go(self):
        for record, merged in {
            "v=spf1 -all": "v=spf1 include:a.test -all",
            "v=spf1": "v=spf1 include:a.test",
            "v=spf1 a  mx ~all": "v=spf1 a  mx include:a.test ~all",
            "V=SPF1 ip4:192.0.2.1 ALL exp=x.test":
                "V=SPF1 ip4:192.0.2.1 include:a.test ALL exp=x.test",
            "v=spf1 a redirect=b.test": "v=spf1 a include:a.test redirect=b.test",
            "v=spf1 -all include:a.test": "v=spf1 include:a.test -all include:a.test",
            "v=spf1 Include:A.test. -all": "v=spf1 Include:A.test. -all",
            "v=spf1 +include:a.test ?all": "v=spf1 +include:a.test ?all",
        }.items():  # fmt: skip
            with self.subTest(record):
                self.assertEqual(spf_merge.merge(record, ["include:a.test"]), merged)
                self.assertEqual(spf_merge.merge(merged, ["include:a.test"]), merged)

    def test_taking_out(self):
        for record, left in {
            "v=spf1 include:a.test -all": "v=spf1 -all",
            "v=spf1 a INCLUDE:a.test  mx": "v=spf1 a  mx",
            "v=spf1 ?include:a.test -all": "v=spf1 ?include:a.test -all",
        }.items():
            self.assertEqual(spf_merge.merge(record, [], ["include:a.test"]), left)

    def test_mechanisms(self):
        self.assertEqual(
            spf_merge.terms("v=spf1 a ip4:192.0.2.1 ?all redirect=x.test"), ("a", "ip4:192.0.2.1")
        )
        self.assertEqual(spf_merge.terms("include:a.test include:b.test"),
                         ("include:a.test", "include:b.test"))  # fmt: skip

    def test_faults_of_the_record_alone(self):
        self.assertEqual(spf_merge.fault("v=spf1 include:a.test mx ~all", "x.test"), "")
        for record, said in (("v=spf1 inclde:a.test", "unknown term"),
                             ("v=spf1" + " mx" * 11, "more than 10")):  # fmt: skip
            self.assertIn(said, spf_merge.fault(record, "x.test"))


class TestSpf(KnotCase):
    def spf(self, *mechanisms):
        service = MailService(spf=mechanisms or ("include:a.test",))
        return tuple(r for r in expected_records(self.zone, service) if r.key == "spf")

    def zone_has(self, *texts):
        self.assertEqual(self.knot.content(self.zone), {f'@ TXT "{text}"' for text in texts})

    def there(self, *texts):
        self.knot.change(self.zone, "".join(f'@ TXT "{text}"\n' for text in texts))

    def test_a_merge_waits_for_its_confirmation(self):
        self.there("v=spf1 mx -all", "else")
        seen = self.plan(self.spf())
        (step,) = seen.steps
        self.assertEqual(step.action, "merge")
        self.assertEqual(
            (step.found, step.value), ("v=spf1 mx -all", "v=spf1 mx include:a.test -all")
        )
        self.assertIn("gets include:a.test; all else in it stays", step.note)
        result = apply(seen, self.primary)
        self.assertEqual(self.states(result), {"spf": "unconfirmed"})
        self.assertEqual((result.published, seen.claim(False)), ((), ()))
        self.zone_has("v=spf1 mx -all", "else")
        result = apply(seen, self.primary, confirm_merge=True)
        self.assertEqual(self.states(result), {"spf": "done"})
        self.zone_has("v=spf1 mx include:a.test -all", "else")
        self.assertEqual(self.knot.ttl(self.zone, "TXT"), 300, "the TTL is theirs too")
        self.assertEqual(result.published[0].value, "include:a.test")
        self.assertEqual(result.published, seen.claim(True))
        seen = self.plan(self.spf(), result.published)
        self.assertEqual(self.actions(seen), {"spf": "there"})
        self.assertEqual(apply(seen, self.primary).published, result.published)

    def test_a_merge_is_taken_back(self):
        self.there("v=spf1 mx -all")
        result = self.publish(self.spf(), confirm_merge=True)
        self.assertEqual(self.knot.ttl(self.zone, "TXT"), 300)
        kept = remove(self.zone, result.published, self.primary)
        self.assertEqual(self.states(kept), {"spf": "unconfirmed"})
        self.assertEqual(kept.published, result.published)
        gone = remove(self.zone, kept.published, self.primary, confirm_merge=True)
        self.assertEqual(gone.published, ())
        self.zone_has("v=spf1 mx -all")

    def test_what_they_had_themselves_stays(self):
        self.there("v=spf1 include:a.test -all")
        result = self.publish(self.spf("include:a.test", "include:b.test"), confirm_merge=True)
        self.zone_has("v=spf1 include:a.test include:b.test -all")
        remove(self.zone, result.published, self.primary, confirm_merge=True)
        self.zone_has("v=spf1 include:a.test -all")

    def test_other_mechanisms_take_the_place_of_ours(self):
        self.there("v=spf1 mx -all")
        result = self.publish(self.spf("include:a.test", "include:b.test"), confirm_merge=True)
        result = self.publish(
            self.spf("include:b.test", "include:c.test"), result.published, confirm_merge=True
        )
        self.zone_has("v=spf1 mx include:b.test include:c.test -all")
        self.assertEqual(result.published[0].value, "include:b.test include:c.test")

    def test_our_record_that_they_have_extended(self):
        result = self.publish(self.spf())
        self.knot.change(self.zone, '@ TXT "v=spf1 include:a.test mx ~all"',
                         '@ TXT "v=spf1 include:a.test ~all"')  # fmt: skip
        result = self.publish(self.spf(), result.published)
        self.assertEqual(self.states(result), {"spf": "there"})
        self.assertEqual([p.value for p in result.published], ["include:a.test"])
        remove(self.zone, result.published, self.primary, confirm_merge=True)
        self.zone_has("v=spf1 mx ~all")

    def test_a_second_record_beside_ours(self):
        ours = self.publish(self.spf())
        self.there("v=spf1 mx -all")
        seen = self.plan(self.spf(), ours.published)
        self.assertIn("takes the place of Emboux' own", seen.steps[0].note)
        self.assertEqual(apply(seen, self.primary).published, ours.published)
        result = apply(seen, self.primary, confirm_merge=True)
        self.zone_has("v=spf1 mx include:a.test -all")
        remove(self.zone, result.published, self.primary, confirm_merge=True)
        self.zone_has("v=spf1 mx -all")

    def test_ours_goes_and_theirs_beside_it_stays(self):
        ours = self.publish(self.spf())
        self.there("v=spf1 mx -all")
        remove(self.zone, ours.published, self.primary)
        self.zone_has("v=spf1 mx -all")

    def test_two_of_theirs(self):
        self.there("v=spf1 mx -all", "v=spf1 a -all")
        seen = self.plan(self.spf())
        self.assertEqual(self.actions(seen), {"spf": "conflict"})
        self.assertIn("has 2 SPF records", seen.steps[0].note)

    def test_records_that_do_not_take_a_mechanism(self):
        for text, said in (
            ("v=spf1 ?include:a.test -all", "Remove ?include:a.test"),
            ("v=spf1 inclde:b.test -all", "unknown term"),
            ("v=spf1 " + " ".join(f"a:h{n}.test" for n in range(10)) + " -all", "more than 10"),
            (r"v=spf1 include:b\007.test -all", "characters that do not belong"),
        ):
            with self.subTest(text):
                self.there(text)
                seen = self.plan(self.spf())
                self.knot.change(self.zone, "", f'@ TXT "{text}"\n')
                self.assertEqual(self.actions(seen), {"spf": "conflict"})
                self.assertIn(said, seen.steps[0].note)

    def test_conflicts_forget_nothing_of_ours(self):
        self.there("v=spf1 mx -all")
        result = self.publish(self.spf(), confirm_merge=True)
        self.there("v=spf1 a -all")
        again = self.publish(self.spf(), result.published)
        self.assertEqual(self.states(again), {"spf": "conflict"})
        self.assertEqual(again.published, result.published)

    def test_a_long_record_is_cut_into_strings(self):
        long = "v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(1, 18))
        self.there(long)
        self.publish(self.spf(), confirm_merge=True)
        text = f"{long} include:a.test"
        self.assertGreater(len(text), 255)
        self.assertEqual(
            self.knot.content(self.zone), {f'@ TXT "{text[:255]}" "{text[255:]}"'}
        )

    def test_they_change_it_in_between(self):
        self.there("v=spf1 mx -all")
        seen = self.plan(self.spf())
        self.knot.change(self.zone, '@ TXT "v=spf1 a -all"\n', '@ TXT "v=spf1 mx -all"\n')
        with self.assertRaises(ZoneChanged):
            apply(seen, self.primary, confirm_merge=True)
        self.zone_has("v=spf1 a -all")
