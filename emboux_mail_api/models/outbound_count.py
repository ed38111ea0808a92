from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

KEPT_DAYS = 7


class OutboundCount(models.Model):
    """Recipients that a domain's mail went to, by day and by month (UTC)."""

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
    @api.private
    def _add(self, domain, recipients):
        """Count, and return the day's and the month's sum, in one statement."""
        self.env.cr.execute(
            SQL(
                """INSERT INTO emboux_outbound_count AS c
                          (domain_id, "window", since, recipients, frozen)
                   SELECT %(domain)s, w, date_trunc(w, now() AT TIME ZONE 'UTC')::date,
                          %(recipients)s, false
                     FROM unnest(ARRAY['day', 'month']) AS w
                       ON CONFLICT (domain_id, since, "window")
                       DO UPDATE SET recipients = c.recipients + excluded.recipients
                   RETURNING "window", recipients""",
                domain=domain.id,
                recipients=recipients,
            )
        )
        sums = dict(self.env.cr.fetchall())
        self.invalidate_model()
        return sums["day"], sums["month"]

    @api.model
    def _used(self, domain):
        """The current day's and month's recipients."""
        today = fields.Date.today()
        rows = self.search(
            [("domain_id", "=", domain.id), "|",
             "&", ("window", "=", "day"), ("since", "=", today),
             "&", ("window", "=", "month"), ("since", "=", today.replace(day=1))]
        )
        used = {row.window: row.recipients for row in rows}
        return used.get("day", 0), used.get("month", 0)

    @api.model
    @api.private
    def _reset_daily(self):
        """Forget the days before the last seven; returns how many rows went."""
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
        over = self.search(
            [
                ("window", "=", "month"),
                ("since", "<", fields.Date.today().replace(day=1)),
                ("frozen", "=", False),
            ]
        )
        over.frozen = True
        return len(over)
