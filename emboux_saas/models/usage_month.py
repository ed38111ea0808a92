# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.tools import SQL, format_date

from odoo.addons.emboux_core.models.fields import BigInteger

from ..billing.engine import GIGABYTE


class UsageMonth(models.Model):
    """Usage by month and domain, for people: levels as the mean of the month's days, as they are
    billed; of the present month, of its days so far."""

    _name = "emboux.usage.month"
    _description = "Email Usage by Month"
    _auto = False
    _order = "month desc, domain_name, id"
    _rec_name = "domain_name"

    customer_id = fields.Many2one("emboux.customer", readonly=True)
    partner_id = fields.Many2one("res.partner", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    domain_name = fields.Char("Domain", readonly=True)
    month = fields.Date(readonly=True)
    month_name = fields.Char(compute="_compute_month_name")
    mailboxes = fields.Float(readonly=True, digits=(16, 2))
    gigabytes = fields.Float("Storage (GB)", readonly=True, digits=(16, 3))
    messages = BigInteger(readonly=True)
    transfer_gb = fields.Float("Traffic (GB)", readonly=True, digits=(16, 3))

    @api.depends("month")
    def _compute_month_name(self):
        for row in self:
            row.month_name = format_date(self.env, row.month, date_format="LLLL y")

    @property
    def _table_query(self):
        return SQL(
            """
            WITH spans AS (
                -- whoever asks for one customer reads only their rows: by both of their numbers
                SELECT u.*, c.partner_id, c.company_id, least(%(today)s, lead(u.day) OVER (
                           PARTITION BY c.partner_id, u.customer_id, u.domain_name
                           ORDER BY u.day) - 1) AS last
                  FROM emboux_usage u JOIN emboux_customer c ON c.id = u.customer_id
                 WHERE u.day <= %(today)s
            ), parts AS (
                -- each span, cut at the ends of months; a row's counts are those of its own month
                SELECT s.*, m.first::date AS month,
                       least(s.last, (m.first + interval '1 month')::date - 1)
                           - greatest(s.day, m.first::date) + 1 AS days,
                       least((m.first + interval '1 month')::date - 1, %(today)s)
                           - m.first::date + 1 AS of_days,
                       date_trunc('month', s.day::timestamp) = m.first AS own
                  FROM spans s
                 -- as an array, of which PostgreSQL expects a few months, and not a thousand;
                 -- after the last day of a domain there is nothing more to be told
                 CROSS JOIN LATERAL unnest(ARRAY(SELECT generate_series(
                       date_trunc('month', s.day::timestamp),
                       CASE WHEN s.has_domain THEN s.last ELSE s.day END::timestamp,
                       interval '1 month'))) AS m(first)
            )
            SELECT min(id)::bigint * 1200
                       + (extract(year FROM month)::integer * 12
                          + extract(month FROM month)::integer) %% 1200 AS id,
                   customer_id, partner_id, company_id, domain_name, month,
                   sum(mailboxes::bigint * days)::float8 / max(of_days) AS mailboxes,
                   sum(bytes::numeric * days)::float8 / max(of_days) / %(gigabyte)s AS gigabytes,
                   sum(CASE WHEN own THEN messages ELSE 0 END)::bigint AS messages,
                   sum(CASE WHEN own THEN transfer_in + transfer_out ELSE 0 END)::float8
                       / %(gigabyte)s AS transfer_gb
              FROM parts
             GROUP BY customer_id, partner_id, company_id, domain_name, month
            """,
            today=fields.Date.today(),
            gigabyte=float(GIGABYTE),
        )
