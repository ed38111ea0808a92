# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A domain that sends too badly is stopped, at the edge, once, with figures; who may lift it."""

from datetime import timedelta

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.emboux_core.tests.setting_case import store_parameter

from ..models.domain_reputation import ACTIVITY
from .provider_reports import ses_complaint
from .reputation_case import ReputationCase


@tagged("post_install", "-at_install")
class TestGuillotine(ReputationCase):
    def assert_status(self, status, domain=None):
        domain = domain or self.domain
        domain.invalidate_recordset()
        self.assertEqual(domain.outbound_status, status, domain.outbound_reason)

    def test_bounces_at_the_edge(self):
        self.sent(1000)
        self.many(5)
        self.assert_status("open")  # 0.5 % is reached, not exceeded
        self.many(1, start=5)
        self.assert_status("blocked")
        self.assertEqual(
            self.domain.outbound_reason,
            "6 of 1000 recipients (0.60 %) bounced permanently since "
            f"{self.now - timedelta(days=7):%Y-%m-%d %H:%M} UTC; at most 0.5 % may.")
        self.assertTrue(self.domain.outbound_reason.isascii())

    def test_complaints_at_the_edge(self):
        self.sent(3000)
        self.many(3, "complained")
        self.assert_status("open")  # 0.1 %
        self.many(1, "complained", start=3)
        self.assert_status("blocked")
        self.assertIn("4 of 3000 recipients (0.13 %) complained", self.domain.outbound_reason)

    def test_both_providers_count_together(self):
        self.sent(1000)
        self.many(2, "complained")
        said = ses_complaint("a@far.example", at=f"{self.now.isoformat()}Z")
        said["mail"]["timestamp"] = said["complaint"]["timestamp"]
        self.ses(said)
        self.assert_status("blocked")

    def test_the_smallest_sample(self):
        self.sent(199)
        self.many(50)
        self.assert_status("open")
        self.sent(1, days_ago=1)
        self.many(1, start=50)
        self.assert_status("blocked")

    def test_few_reports_block_nobody(self):
        self.sent(200)
        self.many(2)
        self.many(2, "complained")
        self.assert_status("open")
        self.many(1, start=2)
        self.assert_status("blocked")

    def test_what_does_not_count(self):
        self.sent(1000)
        self.many(10, severity="temporary")
        self.many(10, start=10, reason="suppress-bounce")
        self.many(10, "unsubscribed")
        self.many(10, "delivered")
        self.many(10, start=20, sender="x@operator.example")
        self.assert_status("open")
        self.assertEqual(self.domain.outbound_bounces, 0)
        self.assert_status("open", self.operators)  # it has sent nothing

    def test_the_window_rolls(self):
        """The history's eight rows are what a window of seven days needs."""
        self.sent(10_000, days_ago=9)
        self.sent(1000, days_ago=7)
        self.many(6, at=self.now.timestamp() - 7.01 * 86400)
        self.assert_status("open")
        self.many(5, start=6)
        self.assert_status("open")
        self.assertEqual((self.domain.outbound_sent, self.domain.outbound_bounces), (1000, 5))
        self.later(days=6)
        self.assertEqual(self.domain._rates().bounces, 5)
        self.assertEqual(self.domain._rates().sent, 0)
        self.later(days=2)
        self.assertEqual(self.domain._rates().bounces, 0)

    def test_mail_that_was_sent_before_the_window(self):
        """A complaint about last month's letter says nothing about this week's."""
        self.sent(1000)
        for number in range(5):
            said = ses_complaint(f"r{number}@far.example", at=f"{self.now.isoformat()}Z",
                                 number=f"n{number}")
            said["mail"]["timestamp"] = f"{(self.now - timedelta(days=8)).isoformat()}Z"
            self.ses(said, f"m{number}")
        self.assert_status("open")
        self.assertEqual(len(self.stored(kind="complaint", counts=True)), 5)

    def test_settings(self):
        self.set_parameter("guillotine_bounce_percent", "2")
        self.set_parameter("guillotine_least_sent", "50")
        self.set_parameter("guillotine_least_events", "2")
        self.set_parameter("guillotine_days", "1")
        self.sent(100)
        self.sent(100, days_ago=1)
        self.sent(900, days_ago=2)
        self.many(4)
        self.assert_status("open")
        self.many(1, start=4)
        self.assert_status("blocked")
        self.assertIn("5 of 200 recipients (2.50 %)", self.domain.outbound_reason)
        self.assertIn("at most 2 % may", self.domain.outbound_reason)

    @mute_logger("odoo.addons.emboux_core.settings")
    def test_settings_that_cannot_be_used_are_the_defaults(self):
        for name in ("bounce_percent", "complaint_percent", "days", "least_sent", "least_events"):
            for value in ("x", "-1", "nan", "Infinity", "1e99"):
                store_parameter(self.env, f"emboux_mail_api.guillotine_{name}", value)
        settings = self.env["emboux.reputation"]._settings()
        self.assertEqual(
            (str(settings.bounce_percent), str(settings.complaint_percent), settings.window.days,
             settings.least_sent, settings.least_events), ("0.5", "0.1", 7, 200, 3))
        store_parameter(self.env, "emboux_mail_api.guillotine_days", "30")
        self.assertEqual(self.env["emboux.reputation"]._settings().window.days, 7)

    def test_the_settings_form(self):
        form = self.env["res.config.settings"].create(
            {"emboux_bounce_percent": 1.25, "emboux_suppression_blacklist": True,
             "emboux_ses_topics": "arn:aws:sns:eu-west-1:1:a arn:aws:sns:eu-west-1:1:b"})
        form.execute()
        settings = self.env["emboux.reputation"]._settings()
        self.assertEqual((str(settings.bounce_percent), settings.blacklist), ("1.25", True))
        self.assertEqual(len(self.env["emboux.reputation"]._topics()), 2)
        for values in ({"emboux_window_days": 8}, {"emboux_window_days": 0},
                       {"emboux_bounce_percent": 0}, {"emboux_complaint_percent": 101},
                       {"emboux_least_events": 0}, {"emboux_payload_days": 0},
                       {"emboux_ses_topics": "https://sns.example/topic"}):
            with self.subTest(**values), self.assertRaises(ValidationError):
                self.env["res.config.settings"].create(values).execute()

    def test_nothing_is_enforced_nothing_is_blocked(self):
        self.sent(1000)
        self.domain.outbound_enforcement = "off"
        self.many(10)
        self.assert_status("open")
        self.domain.outbound_enforcement = "monitor"
        self.many(1, start=10)
        self.assert_status("blocked")

    def test_a_subdomain_is_stopped_alone(self):
        self.domain.is_wildcard = True
        sub = self.make_domain("shop.unit.example")
        self.sent(1000, domain=sub)
        self.many(6, sender="x@shop.unit.example")
        self.assert_status("blocked", sub)
        self.assert_status("open")


@tagged("post_install", "-at_install")
class TestTold(ReputationCase):
    def block(self, **values):
        self.sent(1000)
        self.many(6, **values)
        self.assertEqual(self.domain.outbound_status, "blocked")

    def activities(self):
        return self.domain.activity_ids.filtered(
            lambda a: a.activity_type_id == self.env.ref(ACTIVITY))

    def test_owner_responsible_and_operator_are_told_once(self):
        self.domain.user_id = self.users["manager"]
        mails = self.env["mail.mail"].sudo()
        before = mails.search([])
        self.block()
        self.env.flush_all()
        told = (mails.search([]) - before).filtered(
            lambda m: self.acme in m.recipient_ids or "boss@acme" in (m.email_to or ""))
        self.assertEqual(len(told), 1)
        self.assertEqual(told.state, "outgoing", "a provider does not wait for our mail")
        for words in ("unit.example may not send", "6 of 1000 recipients", "not affected"):
            self.assertIn(words, f"{told.subject} {told.body_html}")
        people = self.activities().user_id
        self.assertIn(self.users["manager"], people)
        self.assertIn(self.users["admin"], people)
        self.assertNotIn(self.users["user"], people)
        count = len(self.activities())
        self.assertEqual(count, len(people), "one for each")
        self.many(10, start=6)
        self.assertEqual(len(self.activities()), count)
        again = (mails.search([]) - before).filtered(lambda m: self.acme in m.recipient_ids)
        self.assertEqual(len(again), 1)

    def test_in_the_owners_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.acme.lang = "de_DE"
        self.block()  # no translation is there yet: it must not fail

    def test_an_owner_without_address_and_nobody_responsible(self):
        self.acme.email = False
        self.domain.user_id = False
        self.block()
        self.assertTrue(self.activities())

    def test_it_is_audited(self):
        self.block()
        self.env.flush_all()
        self.env.cr.precommit.run()
        [entry] = self.env["emboux.audit"].search(
            [("model", "=", "emboux.domain"), ("changes", "like", "6 of 1000")])
        self.assertIn("open → blocked", entry.changes)


@tagged("post_install", "-at_install")
class TestLifted(ReputationCase):
    def setUp(self):
        super().setUp()
        self.sent(1000)
        self.many(6)
        self.assertEqual(self.domain.outbound_status, "blocked")

    def lift(self):
        self.domain.with_env(self.as_role("admin")).action_lift_block()
        self.assertEqual(self.domain.outbound_status, "open")

    def send_today(self, recipients):
        today = self.env["emboux.outbound.count"].search(
            [("domain_id", "=", self.domain.id), ("window", "=", "day"),
             ("since", "=", self.now.date())])
        today.recipients += recipients

    def test_who_may_not(self):
        customer = self.as_customer()
        for env in (self.as_role("manager"), self.as_role("user"), customer):
            domain = self.domain.with_env(env)
            for change in (domain.action_lift_block,
                           lambda d=domain: d.write({"outbound_status": "open"})):
                with self.assertRaises(AccessError):
                    change()
        for env in (self.as_role("admin"), self.as_role("manager"), customer):
            for values in ({"outbound_window_since": self.now}, {"outbound_window_sent": 5},
                           {"outbound_reason": False}):
                with self.assertRaises(AccessError):
                    self.domain.with_env(env).write(values)
        self.assertEqual(self.domain.outbound_status, "blocked")

    def test_a_customers_key_may_not(self):
        """Nor by anything else that customers may write to their domain."""
        domain = self.domain.with_env(self.as_customer())
        with self.assertRaises(AccessError):
            domain.with_context(default_outbound_status="open").write({"outbound_status": "open"})

    def test_an_administrator_and_a_master_key_may(self):
        self.lift()
        self.domain.sudo().outbound_status = "blocked"
        key, _secret = self.env["emboux.api.key"]._make({"name": "Master", "role": "master"})
        master = self.env(user=key.sudo().user_id, context={})
        self.domain.with_env(master).write({"outbound_status": "open"})
        self.assertEqual(self.domain.outbound_status, "open")

    def test_lifting_begins_afresh(self):
        self.later(minutes=5)
        self.lift()
        self.assertFalse(self.domain.outbound_reason)
        self.assertEqual(self.domain.outbound_window_since, self.now)
        self.domain.invalidate_recordset()
        self.assertEqual((self.domain.outbound_sent, self.domain.outbound_bounces), (0, 0))
        self.later(minutes=5)
        self.many(50, start=100)
        self.assertEqual(self.domain.outbound_status, "open", "nothing was sent since")
        self.send_today(199)
        self.many(1, start=200)
        self.assertEqual(self.domain.outbound_status, "open", "the sample is too small")
        self.send_today(1)
        self.many(1, start=201)
        self.assertEqual(self.domain.outbound_status, "blocked")
        self.assertIn("52 of 200 recipients", self.domain.outbound_reason)

    def test_what_was_sent_before_and_comes_back_later_does_not_count(self):
        self.later(minutes=5)
        self.lift()
        self.send_today(300)
        self.later(minutes=5)
        for number in range(5):
            said = ses_complaint(f"r{number}@far.example", at=f"{self.now.isoformat()}Z",
                                 number=f"n{number}")
            said["mail"]["timestamp"] = f"{(self.now - timedelta(minutes=7)).isoformat()}Z"
            self.ses(said, f"m{number}")
        self.many(5, start=100, at=self.now.timestamp() - 400)
        self.assertEqual(self.domain.outbound_status, "open")
        self.assertEqual(self.domain._rates().sent, 300)

    def test_the_fresh_window_grows_old(self):
        self.later(minutes=5)
        self.lift()
        self.later(days=8)
        self.sent(400)
        self.assertEqual(self.domain._rates().sent, 400)
        self.assertEqual(self.domain._rates().since, self.now - timedelta(days=7))

    def test_activities_are_done(self):
        self.assertTrue(self.domain.activity_ids)
        self.lift()
        self.assertFalse(self.domain.activity_ids.filtered(
            lambda a: a.activity_type_id == self.env.ref(ACTIVITY)))

    def test_lifting_an_open_domain_does_nothing(self):
        self.lift()
        since = self.domain.outbound_window_since
        self.later(minutes=5)
        self.domain.with_env(self.as_role("manager")).write({"outbound_status": "open"})
        self.assertEqual(self.domain.outbound_window_since, since)

    def test_a_manual_block_has_a_reason_too(self):
        self.lift()
        self.domain.with_env(self.as_role("manager")).outbound_status = "blocked"
        self.assertEqual(self.domain.outbound_reason, "Stopped by the operator.")
        with self.assertRaises(AccessError):
            self.domain.with_env(self.as_role("manager")).outbound_status = "open"

    def test_the_form(self):
        for role, may in (("manager", False), ("admin", True)):
            domain = self.domain.with_env(self.as_role(role))
            arch = domain.get_views([(False, "form")])["views"]["form"]["arch"]
            self.assertEqual("action_lift_block" in arch, may)
            shown = domain.read(["outbound_sent", "outbound_bounces", "outbound_bounce_rate"])[0]
            self.assertEqual(shown["outbound_bounces"], 6)
            self.assertEqual(shown["outbound_bounce_rate"], 0.006)
