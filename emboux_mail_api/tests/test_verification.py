# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from freezegun import freeze_time
from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_core.dns.judge import Verdict
from odoo.addons.emboux_core.dns.lookup import DomainCheck

from .common import PlatformCase

NOW = "2026-03-10 09:00:00"


@tagged("post_install", "-at_install")
class VerificationCase(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.env["res.partner"].create(
            {"name": "Owner", "email": "owner@unit-owner.example"})
        cls.responsible = new_test_user(
            cls.env, "responsible", groups="emboux_core.group_manager", email="r@unit.example")

    def make(self, name, **values):
        return self.make_domain(
            name, partner_id=self.owner.id, user_id=self.responsible.id, **values)

    def look(self, domain, missing=(), unknown=(), harmless=(), day=0):
        """What a look-up on a later day finds."""
        verdicts = [
            Verdict(
                record.key,
                "missing" if record.key in missing
                else "unknown" if record.key in unknown
                else "wrong" if record.key in harmless else "ok",
                harmless=record.key in harmless,
            )
            for record in domain.dns_record_ids
        ]
        with freeze_time(fields.Datetime.to_datetime(NOW) + timedelta(days=day)):
            domain._store_check(DomainCheck(domain.name, tuple(verdicts), "ns (192.0.2.1)"))

    def steps(self, domain):
        return domain.state_history_ids.sorted("id").mapped("state")


class TestStates(VerificationCase):
    def test_each_step_has_its_time_and_reason(self):
        domain = self.make("steps.example")
        self.assertEqual(domain.state, "pending")
        self.look(domain)
        domain.action_suspend()
        domain.action_activate()
        self.assertEqual(
            self.steps(domain), ["pending", "verified", "suspended", "verified"])
        for step in domain.state_history_ids:
            self.assertTrue(step.reason and step.happened_at)
        self.assertIn("All required DNS records", domain.state_history_ids.sorted("id")[1].reason)
        self.assertIn(self.env.user.name, domain.state_history_ids.sorted("id")[2].reason)
        self.assertTrue(domain.state_since)

    def test_owner_and_responsible_are_told_of_success(self):
        domain = self.make("told.example")
        self.look(domain)
        told = domain.message_ids.notified_partner_ids
        self.assertIn(self.owner, told)
        self.assertIn(self.responsible.partner_id, told)
        activity = domain.activity_ids.filtered(lambda a: a.user_id == self.responsible)
        self.assertIn("told.example is verified", activity.summary)

    def test_one_flaky_look_up_takes_nothing_away(self):
        domain = self.make("flaky.example")
        self.look(domain)
        self.look(domain, missing=("spf",), day=1)
        self.assertEqual((domain.state, domain.failing_days), ("verified", 1))
        self.look(domain, day=2)
        self.assertEqual((domain.state, domain.failing_days), ("verified", 0))

    def test_several_failures_on_one_day_count_once(self):
        domain = self.make("oneday.example")
        self.look(domain)
        for _time in range(5):
            self.look(domain, missing=("spf",), day=1)
        self.assertEqual((domain.state, domain.failing_days), ("verified", 1))

    def test_verification_is_lost_on_the_third_failing_day_with_a_reason(self):
        domain = self.make("lost.example")
        self.look(domain)
        for day in (1, 2):
            self.look(domain, missing=("spf",), day=day)
            self.assertEqual(domain.state, "verified")
        before = domain.message_ids
        self.look(domain, missing=("spf",), day=5)
        self.assertEqual(domain.state, "failed")
        self.assertIn("TXT lost.example", domain.state_reason)
        told = (domain.message_ids - before).notified_partner_ids
        self.assertIn(self.owner, told)
        warning = self.env.ref("mail.mail_activity_data_warning")
        self.assertIn(warning, domain.activity_ids.activity_type_id)
        may_send = self.rows(
            "SELECT unverified IS NULL FROM emboux_mail.sending_domains WHERE id = %s", domain.id)
        self.assertEqual(may_send, [(False,)])

    def test_only_what_makes_receivers_refuse_counts(self):
        """The mail of the domain comes in elsewhere now, or its SPF record breaks for others."""
        domain = self.make("elsewhere.example")
        self.look(domain)
        self.look(domain, missing=("spf",), day=1)
        for day in range(2, 6):
            self.look(domain, harmless=("mx", "spf"), day=day)
            self.assertEqual((domain.state, domain.failing_days), ("verified", 0))
            self.assertEqual(domain.dns_state, "attention")

    def test_a_domain_that_nobody_has_proven_is_not_proven_by_that(self):
        domain = self.make("unproven.example")
        self.look(domain, harmless=("mx",))
        self.assertEqual(domain.state, "pending")

    def test_days_without_an_answer_do_not_count(self):
        domain = self.make("silent.example")
        self.look(domain)
        keys = domain.dns_record_ids.mapped("key")
        for day in range(1, 6):
            self.look(domain, unknown=keys, day=day)
        self.assertEqual((domain.state, domain.failing_days), ("verified", 0))

    def test_the_proof_of_ownership_may_be_taken_out_once_it_was_given(self):
        domain = self.make("proof.example")
        self.look(domain)
        for day in range(1, 6):
            self.look(domain, missing=("verification",), day=day)
        self.assertEqual(domain.state, "verified")

    def test_a_failed_domain_comes_back_by_itself(self):
        domain = self.make("back.example")
        self.look(domain)
        for day in (1, 2, 3):
            self.look(domain, missing=("spf",), day=day)
        self.assertEqual(domain.state, "failed")
        self.look(domain, day=4)
        self.assertEqual((domain.state, domain.failing_days), ("verified", 0))

    def test_what_was_verified_by_hand_is_not_lost_by_its_dns(self):
        domain = self.make("hand.example", state="verified")
        for day in range(5):
            self.look(domain, missing=("spf",), day=day)
        self.assertEqual(domain.state, "verified")

    def test_a_suspended_domain_that_becomes_verified_stays_suspended(self):
        domain = self.make("frozen.example")
        domain.action_suspend()
        self.look(domain)
        self.assertEqual((domain.state, domain.state_before), ("suspended", "verified"))
        domain.action_activate()
        self.assertEqual(domain.state, "verified")

    def test_nobody_writes_a_step_or_a_reason(self):
        domain = self.make("nobody.example")
        for user in (self.responsible, self.env.ref("base.user_admin")):
            with self.assertRaises(AccessError):
                domain.with_user(user).state_reason = "because"
            with self.assertRaises(AccessError):
                domain.state_history_ids[0].with_user(user).reason = "because"


class TestClaims(VerificationCase):
    def test_a_claim_that_nobody_proves_runs_out(self):
        with freeze_time(NOW):
            domain = self.make("claim.example")
        self.look(domain, missing=("verification",), day=13)
        self.assertEqual(domain.state, "pending")
        self.look(domain, missing=("verification",), day=15)
        self.assertEqual(domain.state, "failed")
        self.assertIn("14 days", domain.state_reason)

    def customer(self, name):
        """A customer's environment, as their API key has it."""
        partner = self.env["res.partner"].create({"name": name})
        key, _secret = self.env["emboux.api.key"]._make({"name": name, "partner_id": partner.id})
        return self.env(user=key.sudo().user_id, context={})

    def claim(self, env, name="several.example"):
        """The customer's domain, with a mailbox and an alias, and a password for the mailbox."""
        domain = env["emboux.domain"].create({"name": name})
        env["emboux.mailbox"].create({"domain_id": domain.id, "local_part": "info",
                                      "password": "a password of a claim"})
        env["emboux.alias"].create({"domain_id": domain.id, "local_part": "sales",
                                    "destinations": f"info@{name}"})
        return domain.with_env(self.env)

    def test_several_claim_a_name_and_the_first_proof_wins(self):
        first, second, third = (self.claim(self.customer(who)) for who in ("A", "B", "C"))
        self.assertEqual(len({first.token, second.token, third.token}), 3)
        self.assertEqual({d.state for d in first | second | third}, {"pending"})
        keys = {d: set(d.dns_record_ids.filtered(
            lambda r: r.key.startswith("dkim")).mapped("expected")) for d in (first, second)}
        self.assertFalse(keys[first] & keys[second], "each has keys of its own")
        for domain in first | second | third:
            record = domain.dns_record_ids.filtered(lambda r: r.key == "verification")
            self.assertIn(domain.token, record.expected)
        self.assertFalse(self.in_views("several.example"))
        self.look(second)
        self.assertEqual(second.state, "verified")
        for loser in first | third:
            self.assertEqual((loser.state, bool(loser.owned_since)), ("failed", False))
            self.assertIn("Somebody else has proven", loser.state_reason)
            self.assertEqual(loser.mailbox_ids.email, "info@several.example", "nothing is deleted")
        self.assertEqual(
            self.rows("SELECT mail_folder FROM emboux_mail.logins WHERE email = %s",
                      "info@several.example"),
            [(second.mailbox_ids.sudo().mail_folder,)])
        for view, name in self.in_views("several.example").items():
            self.assertEqual(len(name), len(set(name)), view)
        self.look(third)
        self.assertEqual((third.state, bool(third.owned_since)), ("failed", False))
        self.assertIn("another customer has it here", third.state_reason)
        self.assertEqual(second.state, "verified")

    def in_views(self, name):
        """What the mail servers' views have of a name: view to its rows' first column."""
        views = [view for [view] in self.rows(
            "SELECT viewname::text FROM pg_views WHERE schemaname = 'emboux_mail'"
            " AND viewname NOT IN ('sending_domains', 'carried', 'dkim_keys')")]
        found = {}
        for view in views:
            rows = self.rows(f"SELECT v::text FROM emboux_mail.{view} v WHERE v::text LIKE %s",
                             f"%{name}%")
            if rows:
                found[view] = [row for [row] in rows]
        return found

    def test_a_claim_opens_and_holds_nothing(self):
        """Mail that was put there by IMAP would be gone from sight with another one's proof."""
        domain = self.claim(self.customer("A"))
        self.assertFalse(self.in_views("several.example"))
        self.look(domain)
        self.assertIn("logins", self.in_views("several.example"))
        self.assertIn("users", self.in_views("several.example"))

    def test_a_claim_beside_a_proven_domain_tells_nothing_and_changes_nothing(self):
        owner = self.customer("Owner")
        theirs = self.claim(owner)
        self.look(theirs)
        self.env.cr.execute(
            "INSERT INTO emboux_mail.usage (username, bytes, messages) VALUES (%s, 4711, 3)",
            ["info@several.example"])
        env = self.customer("A")
        mine, free = self.claim(env), self.claim(env, "nobodys.example")
        for field in ("state", "state_reason", "owned_since", "check_message", "sending_note",
                      "dns_state"):
            self.assertEqual(mine[field], free[field], field)
        self.assertEqual(len(mine.dns_record_ids), len(free.dns_record_ids))
        box = mine.mailbox_ids
        self.assertEqual(box._counted(), {})
        self.backend._sync_usage()
        self.assertEqual((box.usage_bytes, theirs.mailbox_ids.usage_bytes), (0, 4711))
        changes, _cursor, _more = env["emboux.change"]._since(None, 100)
        self.assertNotIn("usage", [kind for kind, *_rest in changes])
        mine.with_env(env)._delete_contents()
        mine.with_env(env).unlink()
        self.assertEqual(
            self.rows("SELECT bytes FROM emboux_mail.usage WHERE username = %s",
                      "info@several.example"), [(4711,)])
        self.assertEqual(theirs.state, "verified")

    def test_one_claim_of_one_owner(self):
        env = self.customer("A")
        self.claim(env)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            env["emboux.domain"].create({"name": "SEVERAL.example."})

    def test_the_operator_is_told_that_a_name_is_proven(self):
        theirs = self.claim(self.customer("Owner"))
        claim = self.make("several.example")
        self.assertTrue(claim, "nobody has proven it")
        self.look(theirs)
        with self.assertRaisesRegex(UserError, "Owner has proven ownership"):
            self.make_domain("several.example")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            claim.state = "verified"
            self.env.flush_all()

    def test_a_domain_that_lost_its_verification_stays_its_owners(self):
        proven = self.make("proven.example")
        self.look(proven)
        for day in (1, 2, 3):
            self.look(proven, missing=("spf",), day=day)
        self.assertEqual(proven.state, "failed")
        with self.assertRaisesRegex(UserError, "has proven ownership"):
            self.make_domain("proven.example")

    def test_mail_provider_domains_cannot_be_claimed(self):
        env = self.customer("A")
        for name in ("gmail.com", "Mail.Outlook.com", "yahoo.co.jp", "gmx.at", "hotmail.fr",
                     "icloud.com", "proton.me", "web.de", "mail.ru", "x.y.fastmail.com"):
            with self.assertRaisesRegex(ValidationError, "belongs to a mail provider"):
                env["emboux.domain"].create({"name": name})
            with self.assertRaisesRegex(ValidationError, "belongs to a mail provider"):
                self.make(name)
        for name in ("gmailer.example", "yahoo.example.com", "myicloud.com", "outlooks.example"):
            self.assertTrue(env["emboux.domain"].create({"name": name}))

    def test_a_public_suffix_cannot_be_claimed(self):
        for name in ("co.uk", "github.io", "xn--55qx5d.cn"):
            with self.assertRaisesRegex(ValidationError, "public suffix"):
                self.make_domain(name)
        self.assertTrue(self.make_domain("somebody.co.uk"))


class TestParents(VerificationCase):
    def setUp(self):
        super().setUp()
        self.parent = self.make("wild.example")
        self.look(self.parent)
        self.parent.is_wildcard = True
        self.child = self.make_domain("shop.wild.example")
        self.make_mailbox("ann", self.child)

    def lose(self):
        for day in (1, 2, 3):
            self.look(self.parent, missing=("spf",), day=day)

    def may_send(self):
        return self.rows(
            "SELECT unverified IS NULL FROM emboux_mail.sending_domains WHERE id = %s",
            self.child.id)

    def test_a_subdomain_follows_its_parent_both_ways(self):
        self.assertEqual(self.child.state, "verified")
        self.assertIn("wild.example", self.child.state_reason)
        self.lose()
        self.assertEqual((self.parent.state, self.child.state), ("failed", "pending"))
        self.assertIn("wild.example", self.child.state_reason)
        self.assertEqual(self.may_send(), [(False,)])
        self.look(self.parent, day=4)
        self.assertEqual((self.parent.state, self.child.state), ("verified", "verified"))
        self.assertEqual(self.may_send(), [(True,)])

    def test_a_suspended_parent_stops_its_subdomains_and_loses_none(self):
        self.parent.action_suspend()
        self.assertEqual((self.child.state, self.may_send()), ("verified", [(False,)]))
        self.parent.action_activate()
        self.assertEqual(self.may_send(), [(True,)])

    def test_a_suspended_subdomain_stays_so_whatever_becomes_of_its_parent(self):
        self.child.action_suspend()
        self.lose()
        self.look(self.parent, day=4)
        self.assertEqual(self.child.state, "suspended")
        self.child.action_activate()
        self.assertEqual(self.child.state, "verified")

    def test_dissolving_announces_its_effects_first(self):
        with self.assertRaisesRegex(UserError, r"shop.wild.example \(1 mailboxes\)"):
            self.parent._set_parent(self.parent.browse(), False)
        self.assertTrue(self.parent.is_wildcard)
        action = self.parent.with_context(change="dissolve").action_change_parent()
        wizard = self.env["emboux.parent.change"].with_context(**action["context"]).create({})
        self.assertIn("shop.wild.example", wizard.consequences)
        self.assertEqual(self.child.parent_id, self.parent, "nothing is done by looking")
        wizard.action_apply()
        self.assertFalse(self.parent.is_wildcard or self.child.parent_id)
        self.assertEqual((self.child.state, self.child.owned_since), ("pending", False))
        self.assertIn("verification", self.child.dns_record_ids.mapped("key"))

    def test_detaching_one_leaves_the_others(self):
        other = self.make_domain("blog.wild.example")
        action = self.child.with_context(change="detach").action_change_parent()
        wizard = self.env["emboux.parent.change"].with_context(**action["context"]).create({})
        self.assertIn("shop.wild.example", wizard.consequences)
        self.assertNotIn("blog", wizard.consequences)
        wizard.action_apply()
        self.assertFalse(self.child.parent_id)
        self.assertEqual(other.parent_id, self.parent)
        self.assertTrue(self.parent.is_wildcard)

    def test_revoking_the_verification_names_the_affected_subdomains(self):
        action = self.parent.with_context(change="unverify").action_change_parent()
        wizard = self.env["emboux.parent.change"].with_context(**action["context"]).create({})
        self.assertIn("shop.wild.example", wizard.consequences)
        self.assertIn("keeps taking mail", wizard.consequences)
        wizard.action_apply()
        self.assertEqual((self.parent.state, self.child.state), ("pending", "pending"))

    def test_a_manager_cannot_revoke_the_verification(self):
        wizard = self.env["emboux.parent.change"].with_user(self.responsible).create(
            {"domain_id": self.parent.id, "change": "unverify"})
        with self.assertRaises(AccessError):
            wizard.action_apply()
