# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import PlatformCase


@tagged("post_install", "-at_install")
class TestOutboundPolicy(PlatformCase):
    """The policy's decision in Odoo's own transaction."""

    def test_it_counts_what_it_accepts_by_the_settings_of_this_moment(self):
        self.domain.write({"outbound_daily_limit": 60})
        decision, today, month = self.domain._decide_outgoing(10)
        self.assertEqual((decision.action, today, month), ("accept", 10, 10))
        decision, today, month = self.domain._decide_outgoing(1)
        self.assertEqual((decision.action, decision.rule, today), ("defer", "hourly", 10))
        self.domain.outbound_daily_limit = 66  # not flushed yet
        self.assertTrue(self.domain._decide_outgoing(1)[0].accepted)
        self.assertEqual(self.env["emboux.outbound.count"]._used(self.domain), (11, 11))

    def test_a_mailbox_has_its_own_limit_or_its_domains(self):
        self.domain.outbound_mailbox_daily_limit = 2
        self.make_mailbox("ann")
        self.make_mailbox("bob", outbound_daily_limit=3)
        for login, most in (("ann@unit.example", 2), ("bob@unit.example", 3)):
            self.assertTrue(self.domain._decide_outgoing(most, login=login)[0].accepted)
            self.assertEqual(self.domain._decide_outgoing(1, login=login)[0].rule, "mailbox_daily")
        other = self.make_domain("other.example", state="verified")
        with self.assertRaisesRegex(UserError, "no mailbox of other.example"):
            other._decide_outgoing(1, login="ann@unit.example")

    def test_a_spike_is_marked_for_the_operator(self):
        self.env["emboux.outbound.count"].sudo().create(
            {"domain_id": self.domain.id, "window": "day", "since": "2026-01-01", "recipients": 10}
        )
        self.assertFalse(self.domain.outbound_flagged_at)
        self.assertEqual(self.domain._decide_outgoing(51)[0].rule, "spike")
        self.assertTrue(self.domain.outbound_flagged_at)
        with self.assertRaises(AccessError):
            self.domain.outbound_flagged_at = False

    def test_the_job_moves_what_is_over_to_the_history_and_may_run_again(self):
        self.domain._decide_outgoing(4)
        self.env.cr.execute(
            "UPDATE emboux_mail.sent SET at = at - interval '40 days' WHERE subject = %s",
            [self.domain.id],
        )
        counts = self.env["emboux.outbound.count"].sudo()
        for _ in range(2):
            counts._cron_close_windows()
            found = counts.search([("domain_id", "=", self.domain.id)])
            # the day is older than those that are kept
            self.assertEqual(
                [(row.window, row.recipients, row.frozen) for row in found], [("month", 4, True)]
            )
        self.assertEqual(counts._used(self.domain), (0, 0))

    def test_limits_are_not_negative(self):
        for field in ("outbound_mailbox_daily_limit", "outbound_recipients_per_message"):
            self.assert_taken(
                "emboux.domain",
                lambda field=field: self.domain.write({field: -1}) and self.env.flush_all(),
                "A sending limit is 0",
            )

    def test_changes_leave_a_trail(self):
        self.domain.outbound_over_limit = "reject"
        self.env.cr.precommit.run()
        [entry] = self.env["emboux.audit"].search(
            [("model", "=", "emboux.domain"), ("res_id", "=", self.domain.id),
             ("action", "=", "write")], limit=1)
        self.assertIn("Over a Limit: reject", entry.changes)
