# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

MAX_RISK = 999  # percent; more means nothing


class OutboundHealth(models.Model):
    """All domains that send from here, with what they sent and what came back: one row each."""

    _name = "emboux.outbound.health"
    _description = "Sending of All Domains"
    _auto = False
    _order = "risk desc, sent desc, id"
    _rec_name = "domain_id"

    domain_id = fields.Many2one("emboux.domain", readonly=True)
    partner_id = fields.Many2one("res.partner", "Owner", readonly=True)
    user_id = fields.Many2one("res.users", "Responsible", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    parent_id = fields.Many2one("emboux.domain", "Parent Domain", readonly=True)
    state = fields.Selection(related="domain_id.state")
    outbound_status = fields.Selection(
        [("open", "Open"), ("blocked", "Blocked")], "Sending", readonly=True
    )
    today = BigInteger("Today", readonly=True)
    month = BigInteger("This Month", readonly=True)
    daily_limit = fields.Integer("Plan's Day", readonly=True)
    use = fields.Float("Of the Day (%)", readonly=True, aggregator="max")
    sent = BigInteger("Sent in 7 Days", readonly=True)
    bounces = BigInteger("Bounces", readonly=True)
    complaints = BigInteger("Complaints", readonly=True)
    bounce_rate = fields.Float("Bounces (%)", readonly=True, aggregator="max", digits=(6, 3))
    complaint_rate = fields.Float("Complaints (%)", readonly=True, aggregator="max", digits=(6, 3))
    flagged_at = fields.Datetime("Spike Seen", readonly=True)
    risk = fields.Float(
        readonly=True, aggregator="max",
        help="How near the worse of the two rates is to what stops a domain: 100 is there. "
        "A blocked domain and a fresh spike count more.",
    )

    @property
    def _table_query(self):
        settings = self.env["emboux.reputation"]._settings()
        return SQL(
            """
            WITH clock AS (SELECT now() AT TIME ZONE 'UTC' AS now),
            live AS (
                SELECT s.subject AS domain_id, s.in_day, s.in_month, s.at AT TIME ZONE 'UTC' AS at
                  FROM emboux_mail.sent s WHERE s.subject > 0
            ), days AS (
                SELECT domain_id, recipients FROM emboux_outbound_count, clock
                 WHERE "window" = 'day' AND since > clock.now::date - %(days)s
                 UNION ALL
                SELECT domain_id, in_day FROM live, clock
                 WHERE at::date > clock.now::date - %(days)s
            ), sent AS (
                SELECT domain_id, sum(recipients)::bigint AS n FROM days GROUP BY domain_id
            ), back AS (
                SELECT domain_id, count(*) FILTER (WHERE kind = 'bounce') AS bounces,
                       count(*) FILTER (WHERE kind = 'complaint') AS complaints
                  FROM emboux_webhook_event, clock
                 WHERE counts AND domain_id IS NOT NULL
                   AND happened_at > clock.now - %(days)s * interval '1 day'
                 GROUP BY domain_id
            ), figures AS (
                SELECT d.id, d.id AS domain_id, d.partner_id, d.user_id, d.company_id, d.parent_id,
                       CASE WHEN s.blocked IS NULL THEN 'open' ELSE 'blocked' END
                           AS outbound_status,
                       d.outbound_flagged_at AS flagged_at,
                       CASE WHEN live.at::date = clock.now::date THEN live.in_day ELSE 0 END
                           AS today,
                       CASE WHEN date_trunc('month', live.at) = date_trunc('month', clock.now)
                            THEN live.in_month ELSE 0 END AS month,
                       s.daily AS daily_limit,
                       coalesce(sent.n, 0) AS sent,
                       coalesce(back.bounces, 0) AS bounces,
                       coalesce(back.complaints, 0) AS complaints
                  FROM emboux_domain d
                  JOIN emboux_mail.sending_domains s ON s.id = d.id
                 CROSS JOIN clock
                  LEFT JOIN live ON live.domain_id = d.id
                  LEFT JOIN sent ON sent.domain_id = d.id
                  LEFT JOIN back ON back.domain_id = d.id
            ), rates AS (
                SELECT f.*,
                       100.0 * f.today / nullif(f.daily_limit, 0) AS use,
                       100.0 * f.bounces / nullif(f.sent, 0) AS bounce_rate,
                       100.0 * f.complaints / nullif(f.sent, 0) AS complaint_rate
                  FROM figures f
            )
            SELECT r.*,
                   least(%(most)s, greatest(
                       100 * coalesce(r.bounce_rate, 0) / %(bounce)s,
                       100 * coalesce(r.complaint_rate, 0) / %(complaint)s
                   ) + CASE WHEN r.outbound_status = 'blocked' THEN 100 ELSE 0 END
                     + CASE WHEN r.flagged_at > (SELECT now FROM clock) - interval '1 day'
                            THEN 50 ELSE 0 END)::float8 AS risk
              FROM rates r
            """,
            days=settings.window.days,
            most=MAX_RISK,
            bounce=settings.bounce_percent or 1,
            complaint=settings.complaint_percent or 1,
        )

    def action_open_domain(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "emboux.domain",
            "res_id": self.domain_id.id,
            "views": [(False, "form")],
        }
