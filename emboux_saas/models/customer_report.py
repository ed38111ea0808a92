# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models
from odoo.tools import SQL

from .customer import STATES


class CustomerReport(models.Model):
    """All customers in one statement: what they have, use and pay."""

    _name = "emboux.customer.report"
    _description = "Email Customers"
    _auto = False
    _rec_name = "partner_id"
    _order = "mrr desc, id"

    customer_id = fields.Many2one("emboux.customer", readonly=True)
    partner_id = fields.Many2one("res.partner", "Contact", readonly=True)
    plan_id = fields.Many2one("emboux.plan", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    state = fields.Selection(STATES, readonly=True)
    create_date = fields.Datetime("Customer Since", readonly=True)
    domains = fields.Integer(readonly=True)
    mailboxes = fields.Integer(readonly=True)
    granted_mb = fields.Integer("Granted (MB)", readonly=True)
    stored_mb = fields.Float("Stored (MB)", readonly=True, digits=(16, 1))
    mrr = fields.Monetary("Monthly Price", readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """SELECT c.id, c.id AS customer_id, c.partner_id, c.plan_id, c.company_id,
                      company.currency_id, c.state, c.create_date, c.mrr,
                      coalesce(c.domains_used, 0) AS domains,
                      coalesce(m.mailboxes, 0) AS mailboxes, coalesce(m.granted, 0) AS granted_mb,
                      coalesce(m.stored, 0) / 1048576.0 AS stored_mb
                 FROM emboux_customer c
                 LEFT JOIN res_company company ON company.id = c.company_id
                 LEFT JOIN (SELECT d.partner_id, count(*) AS mailboxes,
                                   sum(b.quota_mb) AS granted,
                                   sum(coalesce(b.usage_bytes, 0)) AS stored
                              FROM emboux_mailbox b JOIN emboux_domain d ON d.id = b.domain_id
                             GROUP BY d.partner_id) m ON m.partner_id = c.partner_id"""
        )

    def action_open_customer(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "emboux.customer",
            "res_id": self.customer_id.id,
            "view_mode": "form",
        }
