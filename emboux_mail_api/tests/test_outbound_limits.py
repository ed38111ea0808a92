# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from odoo.addons.emboux_mail_api.models.customer import OthersSuspension
from odoo.addons.emboux_mail_api.models.domain_tenancy import GivenUp

from .reputation_case import ReputationCase


class LimitsCase(ReputationCase):
    def terms(self, domain):
        return domain._effective_settings()[domain.id]

    def own(self, domain):
        """As the domain's owner, over whichever door."""
        return domain.with_env(self.as_customer())

    def refused(self, kind, words):
        return self.assertRaisesRegex(kind, words)


@tagged("post_install", "-at_install")
class TestWhatDecides(LimitsCase):
    """Of the owner's plan and the operator's setting the stricter; never the parent's limits."""

    def grant(self, domain, **values):
        domain.sudo().write({f"plan_outbound_{name}": value for name, value in values.items()})

    def test_the_stricter_of_plan_and_setting(self):
        for column, name, plan, own, decides in (
            ("daily", "daily_limit", 0, 0, 0),
            ("daily", "daily_limit", 10, 0, 10),
            ("daily", "daily_limit", 0, 7, 7),
            ("daily", "daily_limit", 10, 7, 7),
            ("daily", "daily_limit", 10, 777, 10),
            ("monthly", "monthly_limit", 100, 0, 100),
            ("monthly", "monthly_limit", 100, 70, 70),
            ("monthly", "monthly_limit", 100, 700, 100),
            ("unit", "unit", False, False, "recipients"),
            ("unit", "unit", "messages", False, "messages"),
            ("unit", "unit", "messages", "recipients", "recipients"),
            ("unit", "unit", "recipients", "messages", "recipients"),
            ("over_limit", "over_limit", False, False, "defer"),
            ("over_limit", "over_limit", "hold", False, "hold"),
            ("over_limit", "over_limit", "hold", "defer", "hold"),
            ("over_limit", "over_limit", "hold", "reject", "reject"),
            ("warmup_profile", "warmup_profile", False, False, "standard"),
            ("warmup_profile", "warmup_profile", "none", False, "none"),
            ("warmup_profile", "warmup_profile", "fast", "conservative", "conservative"),
            ("warmup_profile", "warmup_profile", "standard", "none", "standard"),
            ("warmup_start", "warmup_start", 30, 20, 20),
            ("warmup_start", "warmup_start", 30, 0, 30),
        ):
            self.grant(self.domain, **{name: plan})
            self.domain.write({f"outbound_{name}": own})
            self.assertEqual(self.terms(self.domain)[column], decides, (name, plan, own))
            self.grant(self.domain, **{name: False})
            self.domain.write({f"outbound_{name}": False})

    def test_nobody_writes_what_the_plan_grants(self):
        with self.assertRaises(AccessError):
            self.domain.plan_outbound_daily_limit = 5

    def test_a_subdomain_has_limits_of_its_own(self):
        self.domain.write({
            "is_wildcard": True, "outbound_daily_limit": 900, "outbound_spike_multiplier": 3,
            "outbound_mailbox_daily_limit": 9, "outbound_enforcement": "monitor",
        })
        child = self.make_domain("shop.unit.example", partner_id=self.acme.id)
        self.grant(child, daily_limit=10)
        found = self.terms(child)
        self.assertEqual(
            (found["daily"], found["spike_multiplier"], found["mailbox_daily"],
             found["enforcement"]), (10, 5.0, 0, "monitor"))
        child.outbound_daily_limit = 4
        child.outbound_hourly_fraction = 1
        self.domain.outbound_enforcement = "enforce"
        self.assertTrue(child._decide_outgoing(4)[0].accepted)
        self.assertEqual(child._decide_outgoing(1)[0].rule, "hourly")
        child.outbound_inherit = False
        child.outbound_enforcement = "off"
        self.assertEqual(self.terms(child)["enforcement"], "off")

    def test_what_is_shown_is_what_decides(self):
        self.domain.write({"is_wildcard": True, "outbound_daily_limit": 900})
        child = self.make_domain("shop.unit.example", partner_id=self.acme.id)
        self.grant(child, daily_limit=10, monthly_limit=80)
        child.write({"outbound_monthly_limit": 70})
        child.invalidate_recordset()
        self.assertEqual((child.outbound_cap, child.outbound_month_cap), (10, 70))
        self.assertEqual(child.outbound_cap_reason, "by the plan")
        for text in ("Recipients per Day", ">10<", "by the plan", ">70<", "set for this domain",
                     "by unit.example"):
            self.assertIn(text, child.outbound_terms)
        child.outbound_daily_limit = 6
        child.invalidate_recordset()
        self.assertEqual((child.outbound_cap, child.outbound_cap_reason),
                         (6, "set for this domain"))

    def test_a_parent_that_is_stopped_shows_on_its_children(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example", partner_id=self.acme.id)
        self.assertFalse(child.outbound_parent_stop)
        self.domain.sudo().write({"outbound_status": "blocked", "outbound_reason": "Figures."})
        self.assertIn("Sending of unit.example", child.outbound_parent_stop)
        self.assertIn("Figures.", child.outbound_parent_stop)
        health = self.env["emboux.outbound.health"]
        self.env.flush_all()
        self.assertEqual(
            health.search([("domain_id", "=", child.id)]).outbound_status, "blocked")
        self.domain.outbound_status = "open"
        self.domain.action_suspend()
        self.assertIn("unit.example, through which it sends, is suspended",
                      child.outbound_parent_stop)
        self.assertEqual(child._decide_outgoing(1)[0].rule, "suspended")
        self.domain.action_activate()
        self.assertFalse(child.outbound_parent_stop)


@tagged("post_install", "-at_install")
class TestWarmUp(LimitsCase):
    def test_it_begins_with_the_first_day_on_which_a_domain_may_send(self):
        domain = self.make_domain("new.example", outbound_daily_limit=1000)
        self.assertFalse(domain.outbound_warmup_since)
        domain.state = "verified"
        self.assertEqual(domain.outbound_warmup_since, fields.Date.today())
        found = self.terms(domain)
        self.assertEqual((found["warmup_profile"], found["warmup_start"]), ("standard", 50))
        self.assertEqual(domain._decide_outgoing(51)[0].rule, "warmup")
        domain.outbound_warmup_since -= timedelta(days=10)
        self.assertTrue(domain._decide_outgoing(51)[0].accepted)
        # day 32 has 50 x 1.1^32 = 1055
        domain.outbound_warmup_since = fields.Date.today() - timedelta(days=32)
        domain.invalidate_recordset()
        self.assertFalse(domain.outbound_warmup_day)
        self.assertEqual(domain.outbound_cap, 1000)

    def test_a_child_and_one_that_is_made_verified_begin_too(self):
        self.domain.is_wildcard = True
        child = self.make_domain("shop.unit.example")
        self.assertEqual(child.outbound_warmup_since, fields.Date.today())
        self.assertEqual(self.domain.outbound_warmup_since, fields.Date.today())

    def test_without_a_limit_nobody_is_throttled(self):
        self.assertEqual(self.terms(self.domain)["warmup_start"], 0)
        self.assertTrue(self.domain._decide_outgoing(5000)[0].accepted)

    def test_its_first_day_is_a_parameter(self):
        self.set_parameter("warmup_start", "7")
        self.domain.outbound_daily_limit = 100
        self.assertEqual(self.domain._decide_outgoing(8)[0].rule, "warmup")

    def test_who_has_sent_before_is_left_alone(self):
        domain = self.make_domain("old.example", outbound_daily_limit=1000)
        self.sent(400, days_ago=3, domain=domain)
        domain.state = "verified"
        self.assertFalse(domain.outbound_warmup_since)


@tagged("post_install", "-at_install")
class TestTier(LimitsCase):
    def test_it_is_one_of_a_closed_list(self):
        self.assertEqual(self.domain.outbound_tier, "standard")
        self.domain.outbound_tier = " Standard "
        self.assertEqual(self.domain.outbound_tier, "standard")
        for wrong in ("gold", "x" * 60, "standard2"):
            with self.refused(ValidationError, "Take one of: .*standard"):
                self.domain.outbound_tier = wrong
        with self.refused(ValidationError, "no tier platinum"):
            self.make_domain("tier.example", outbound_tier="platinum")


@tagged("post_install", "-at_install")
class TestKeptByName(LimitsCase):
    """What belongs to owner and name outlives the row."""

    def again(self, domain, owner=None, **values):
        name, owner = domain.name, owner or domain.partner_id
        domain._delete_contents()
        domain.unlink()
        return self.make_domain(name, partner_id=owner.id, **values)

    def used(self, domain):
        return self.env["emboux.outbound.count"]._used(domain)

    def test_counters_days_and_warm_up_come_back_to_their_owner(self):
        self.domain.outbound_daily_limit = 40
        self.domain.outbound_hourly_fraction = 1
        self.sent(70, days_ago=2)
        began = fields.Date.today() - timedelta(days=9)
        self.domain.outbound_warmup_since = began
        self.assertTrue(self.domain._decide_outgoing(30)[0].accepted)
        again = self.again(self.domain, state="verified")
        self.assertEqual(self.used(again), (30, 30))
        self.assertEqual((again.outbound_warmup_since, again.outbound_daily_limit), (began, 40))
        self.assertEqual(again._decide_outgoing(11)[0].rule, "hourly")
        days = self.env["emboux.outbound.count"].search([("domain_id", "=", again.id)])
        self.assertEqual(days.mapped("recipients"), [70])
        # and once more, with what came on top
        self.assertTrue(again._decide_outgoing(5)[0].accepted)
        self.assertEqual(self.used(self.again(again, state="verified")), (35, 35))

    def test_somebody_else_begins_anew(self):
        other = self.env["res.partner"].create({"name": "Other"})
        self.domain.outbound_daily_limit = 40
        self.domain._decide_outgoing(5)
        theirs = self.again(self.domain, other, state="verified")
        self.assertEqual((self.used(theirs), theirs.outbound_daily_limit), ((0, 0), 0))
        # and what its former owner gets back does not depend on the way in which it comes back
        theirs._decide_outgoing(2)
        theirs.partner_id = self.acme
        self.assertEqual((self.used(theirs), theirs.outbound_daily_limit), ((7, 7), 40))

    def test_a_mailbox_own_counter_and_limit(self):
        self.make_mailbox("ann", outbound_daily_limit=3)
        login = "ann@unit.example"
        self.assertTrue(self.domain._decide_outgoing(3, login=login)[0].accepted)
        self.env["emboux.mailbox"].search([("email", "=", login)])._delete_with_mail()
        box = self.make_mailbox("ann")
        self.assertEqual(box.outbound_daily_limit, 3)
        self.assertEqual(self.domain._decide_outgoing(1, login=login)[0].rule, "mailbox_daily")
        again = self.again(self.domain, state="verified")
        self.make_mailbox("ann", again)
        self.assertEqual(again._decide_outgoing(1, login=login)[0].rule, "mailbox_daily")

    def test_the_transfer_of_the_month_and_what_was_reported(self):
        self.env.cr.execute(
            "INSERT INTO emboux_mail.transfer (domain_id, day, bytes_in, bytes_out) VALUES"
            " (%s, (now() AT TIME ZONE 'UTC')::date, 70, 30)", [self.domain.id])
        self.many(3)
        before = self.domain._rates()
        self.assertEqual(before.bounces, 3)
        again = self.again(self.domain, state="verified")
        self.assertEqual(again.transfer_used, 100)
        self.assertEqual(again._rates().bounces, 3)

    def test_a_name_that_was_only_claimed_keeps_nothing_from_nobody(self):
        claim = self.make_domain("claimed.example", partner_id=self.acme.id)
        claim.unlink()
        other = self.env["res.partner"].create({"name": "Other"})
        self.assertTrue(self.make_domain("claimed.example", partner_id=other.id))

    # -- what is stopped stays ---------------------------------------------------------------

    def assert_stays(self, domain, words):
        for door in (
            domain.unlink, domain._delete_contents, lambda: domain.write({"active": False}),
            self.own(domain).unlink, lambda: self.own(domain)._delete_contents(),
        ):
            with self.refused(OthersSuspension, words), self.env.cr.savepoint():
                door()
        self.assertTrue(domain.exists().active)

    def test_a_blocked_domain_is_neither_deleted_nor_archived(self):
        self.domain.sudo().write({"outbound_status": "blocked", "outbound_reason": "Figures."})
        self.assert_stays(self.domain, r"blocked \(Figures")
        self.domain.outbound_status = "open"
        self.domain.unlink()

    def test_a_suspended_domain_is_neither_deleted_nor_archived(self):
        self.domain.action_suspend()
        self.assert_stays(self.domain, "suspended")
        self.domain.action_activate()
        self.own(self.domain).unlink()

    def test_a_block_outlives_an_erasure(self):
        self.domain.sudo().write({"outbound_status": "blocked", "outbound_reason": "Figures."})
        self.domain.sudo().with_context(emboux_erase=True).unlink()
        with self.refused(OthersSuspension, "blocked"):  # the context alone opens nothing
            other = self.make_domain("b.example", outbound_status="blocked")
            other.with_context(emboux_erase=True).unlink()
        again = self.make_domain("unit.example", partner_id=self.acme.id, state="verified")
        self.assertEqual((again.outbound_status, again.outbound_reason), ("blocked", "Figures."))
        self.assertEqual(again._decide_outgoing(1)[0].rule, "blocked")


@tagged("post_install", "-at_install")
class TestNamesGivenUp(LimitsCase):
    """A name below a wildcard parent is kept for who had it, for some weeks."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parent = cls.make_domain("parent.example", state="verified", is_wildcard=True)
        cls.rival = cls.env["res.partner"].create({"name": "Rival"})
        key, _secret = cls.env["emboux.api.key"]._make(
            {"name": "Rival's", "partner_id": cls.rival.id})
        cls.as_rival = cls.env(user=key.sudo().user_id, context={})
        cls.given_up = cls.make_domain("shop.parent.example", partner_id=cls.acme.id)
        cls.given_up.unlink()

    def age(self, days):
        self.env.cr.execute(
            "UPDATE emboux_mail.kept SET gone_at = gone_at - %s * interval '1 day'", [days])

    def test_another_customer_waits(self):
        for name in ("shop.parent.example", "SHOP.Parent.example", "x.shop.parent.example"):
            with self.refused(GivenUp, "may reclaim it until"):
                self.as_rival["emboux.domain"].create({"name": name})
        with self.refused(GivenUp, "may reclaim it until"):
            self.as_rival["emboux.domain"].browse()._register_subdomain("shop.parent.example")
        self.assertTrue(self.as_rival["emboux.domain"].create({"name": "s.parent.example"}))
        self.age(31)
        self.assertTrue(self.as_rival["emboux.domain"].create({"name": "shop.parent.example"}))

    def test_its_days_are_a_parameter(self):
        self.set_parameter("quarantine_days", "3")
        self.age(2)
        with self.refused(GivenUp, "may reclaim it until"):
            self.as_rival["emboux.domain"].create({"name": "shop.parent.example"})
        self.age(2)
        self.assertTrue(self.as_rival["emboux.domain"].create({"name": "shop.parent.example"}))

    def test_its_former_owner_takes_it_back_at_once(self):
        domain = self.as_customer()["emboux.domain"].create({"name": "shop.parent.example"})
        self.assertEqual(domain.state, "verified")
        domain.unlink()
        with self.refused(GivenUp, "may reclaim it until"):
            self.as_rival["emboux.domain"].create({"name": "shop.parent.example"})

    def test_the_operator_gives_it_by_hand(self):
        domain = self.make_domain("shop.parent.example", partner_id=self.rival.id)
        domain.unlink()
        # now it is the rival's, who had it last
        with self.refused(GivenUp, "may reclaim it until"):
            self.as_customer()["emboux.domain"].create({"name": "shop.parent.example"})
        self.assertTrue(self.as_rival["emboux.domain"].create({"name": "shop.parent.example"}))

    def test_a_stand_alone_domain_does_not_take_it_either(self):
        self.parent.is_wildcard = False
        claim = self.as_rival["emboux.domain"].create({"name": "shop.parent.example"})
        self.parent.is_wildcard = True
        claim = claim.with_env(self.env)
        with self.refused(GivenUp, "may reclaim it until"):
            claim._set_parent(self.parent, False)
        with self.refused(GivenUp, "may reclaim it until"):
            claim._register_subdomain(claim.name)
        claim.with_context(emboux_release=True)._set_parent(self.parent, False)
        self.assertEqual(claim.parent_id, self.parent)


@tagged("post_install", "-at_install")
class TestWhoSuspended(LimitsCase):
    """Who suspended a mailbox lifts it: operator and customer, each their own."""

    def setUp(self):
        super().setUp()
        self.box = self.make_mailbox("ann")
        self.theirs = self.own(self.box)

    def sides(self):
        self.box.invalidate_recordset()
        return (self.box.state, self.box.suspended_by_operator, self.box.suspended_by_customer)

    def test_a_customer_cannot_lift_the_operators_suspension(self):
        self.box.action_suspend()
        for door in (self.theirs.action_activate, lambda: self.theirs.write({"state": "active"}),
                     lambda: self.theirs.sudo().write({"state": "active"}), self.theirs.unlink,
                     self.theirs._delete_with_mail, self.own(self.domain)._delete_contents):
            with self.refused(OthersSuspension, "suspended by the operator"), (
                    self.env.cr.savepoint()):
                door()
        self.assertEqual(self.sides(), ("suspended", True, False))
        self.assertIn("operator", self.theirs.suspended_note)
        self.theirs.write({"name": "Ann"})  # the rest is the customer's as before
        self.box.action_activate()
        self.assertEqual(self.sides(), ("active", False, False))

    def test_the_operator_cannot_lift_the_customers_suspension(self):
        self.theirs.action_suspend()
        self.assertEqual(self.sides(), ("suspended", False, True))
        with self.refused(OthersSuspension, "by its owner"):
            self.box.action_activate()
        self.theirs.action_activate()
        self.assertEqual(self.sides(), ("active", False, False))

    def test_each_side_lifts_only_its_own_suspension(self):
        self.theirs.action_suspend()
        self.box.action_suspend()
        self.assertEqual(self.sides(), ("suspended", True, True))
        told = self.box.action_activate()
        self.assertIn("by its owner", told["params"]["message"])
        self.assertEqual(self.sides(), ("suspended", False, True))
        self.box.action_suspend()
        self.theirs.write({"state": "active", "name": "Anna"})
        self.assertEqual(self.sides(), ("suspended", True, False))
        self.assertEqual(self.box.name, "Anna")
        self.box.action_activate()
        self.assertEqual(self.sides(), ("active", False, False))

    def test_a_mailbox_created_suspended(self):
        made = self.theirs.create(
            {"domain_id": self.domain.id, "local_part": "bob", "state": "suspended"})
        self.assertTrue(made.suspended_by_customer)
        made.action_activate()
        box = self.make_mailbox("cat", state="suspended")
        with self.refused(UserError, "by the operator"):
            self.own(box).action_activate()

    def test_nobody_writes_who_suspended(self):
        for who in (self.box, self.theirs):
            for name in ("suspended_by_operator", "suspended_by_customer"):
                with self.assertRaises(AccessError):
                    who.write({name: True})
