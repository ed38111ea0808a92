# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

KEPT_DAYS = 7


class OutboundCount(models.Model):
    """Recipients of a domain's mail by day and by month (UTC), once these are over.

    What is being counted now stands in ``emboux_mail.sent`` (``sql/policy.sql``).
    """

    _name = "emboux.outbound.count"
    _description = "Recipients Sent To"
    _log_access = False
    _order = "since desc, id desc"
    _rec_name = "since"

    domain_id = fields.Many2one("emboux.domain", required=True, ondelete="cascade")
    partner_id = fields.Many2one(related="domain_id.partner_id")
    company_id = fields.Many2one(related="domain_id.company_id")
    window = fields.Selection([("day", "Day"), ("month", "Month")], required=True)
    since = fields.Date("From", required=True, help="The first day of the window.")
    recipients = BigInteger(required=True)
    frozen = fields.Boolean(help="The month is closed and can be billed.")

    _window_unique = models.UniqueIndex('(domain_id, since, "window")')

    @api.model
    def _used(self, domain):
        """What the domain has sent today and in this month (UTC), by the clock."""
        # as superuser: the rows that the policy charges are nobody's record
        self.env.cr.execute(
            SQL(
                """SELECT CASE WHEN at >= date_trunc('day', clock.now) THEN in_day ELSE 0 END,
                          CASE WHEN at >= date_trunc('month', clock.now) THEN in_month ELSE 0 END
                     FROM (SELECT at AT TIME ZONE 'UTC' AS at, in_day, in_month,
                                  clock_timestamp() AT TIME ZONE 'UTC' AS now
                             FROM emboux_mail.sent WHERE subject = %s) AS clock""",
                domain.id,
            )
        )
        return self.env.cr.fetchone() or (0, 0)

    def _close_windows(self):
        """Write the days and months that are over to the history, also of those who have
        stopped sending; for the others the next message does it."""
        self.env.flush_all()
        self.env.cr.execute("SELECT emboux_mail.close_windows(clock_timestamp())")
        self.invalidate_model()

    @api.model
    @api.private
    def _cron_close_windows(self):
        """The history and the bills; what may be sent needs no job."""
        self._reset_daily()
        self._reset_monthly()

    @api.model
    @api.private
    def _reset_daily(self):
        """Forget the days before the last seven; returns how many rows went."""
        self._close_windows()
        self.env["emboux.domain"]._forget_kept()
        old = self.search(
            [("window", "=", "day"), ("since", "<", fields.Date.today() - timedelta(KEPT_DAYS))]
        )
        count = len(old)
        old.unlink()
        return count

    @api.model
    @api.private
    def _reset_monthly(self):
        """Close the months that are over; returns how many rows were closed by this call."""
        self._close_windows()
        over = self.search(
            [
                ("window", "=", "month"),
                ("since", "<", fields.Date.today().replace(day=1)),
                ("frozen", "=", False),
            ]
        )
        over.frozen = True
        return len(over)
