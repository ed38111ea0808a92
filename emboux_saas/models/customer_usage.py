from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.mailbox import MEGABYTE

PAYING = ("active", "past_due")


class CustomerUsage(models.Model):
    """How much of his plan a customer uses; a fixed number of statements for a whole list."""

    _inherit = "emboux.customer"

    # as superuser: who sees the customer may see how much he uses
    mailbox_count = fields.Integer("Mailboxes", compute="_compute_usage", compute_sudo=True)
    storage_granted_mb = fields.Integer(
        "Granted (MB)", compute="_compute_usage", compute_sudo=True,
        help="The quotas of all his mailboxes together.",
    )
    storage_used_mb = fields.Float(
        "Stored (MB)", compute="_compute_usage", compute_sudo=True, digits=(16, 1)
    )
    domains_percent = fields.Float("Domains Used (%)", compute="_compute_domains_percent")
    storage_percent = fields.Float(
        "Storage Granted (%)", compute="_compute_usage", compute_sudo=True
    )
    stored_percent = fields.Float(
        "Storage Filled (%)", compute="_compute_usage", compute_sudo=True,
        help="What is stored, in per cent of the storage, or of the quotas where there is no limit "
        "for the storage.",
    )
    transfer_percent = fields.Float(
        "Transfer Used (%)", compute="_compute_transfer_percent", compute_sudo=True,
        help="Of the domain that has used most of what it may move in this month.",
    )
    mrr = fields.Monetary(
        "Monthly Price", compute="_compute_mrr", store=True, aggregator="sum",
        help="The plan's price of a customer who pays; without what he uses above it.",
    )

    @api.depends("domains_used", "domain_limit")
    def _compute_domains_percent(self):
        for customer in self:
            customer.domains_percent = _percent(customer.domains_used, customer.domain_limit)

    @api.depends("partner_id", "storage_limit_mb")
    def _compute_usage(self):
        found = self._count_mailboxes()
        for customer in self:
            row = found.get(customer.partner_id.id, {})
            granted = row.get("granted", 0)
            stored = row.get("stored", 0) / MEGABYTE
            limit = customer.storage_limit_mb
            customer.mailbox_count = row.get("mailboxes", 0)
            customer.storage_granted_mb = granted
            customer.storage_used_mb = stored
            customer.storage_percent = _percent(granted, limit)
            customer.stored_percent = _percent(stored, limit or granted)

    @api.depends("partner_id")
    def _compute_transfer_percent(self):
        domains = self.env["emboux.domain"].with_context(active_test=False).search(
            [("partner_id", "in", self.partner_id.ids), ("transfer_limit", ">", 0)]
        )
        most = {}
        for domain in domains:
            used = _percent(domain.transfer_used, domain.transfer_limit)
            most[domain.partner_id] = max(used, most.get(domain.partner_id, 0))
        for customer in self:
            customer.transfer_percent = most.get(customer.partner_id, 0)

    @api.depends("state", "plan_id.price")
    def _compute_mrr(self):
        for customer in self:
            customer.mrr = customer.plan_id.price if customer.state in PAYING else 0

    def _count_mailboxes(self):
        """Partner id to what the mailboxes of his domains come to, archived ones too."""
        self.env.flush_all()
        rows = self.env.execute_query_dict(
            SQL(
                """SELECT d.partner_id, sum(m.mailboxes)::bigint AS mailboxes,
                          max(m.mailboxes) AS most, sum(m.granted)::bigint AS granted,
                          max(m.largest) AS largest, sum(m.endless)::bigint AS endless,
                          sum(m.stored)::bigint AS stored
                     FROM emboux_domain d
                     JOIN (SELECT domain_id, count(*) AS mailboxes, sum(quota_mb) AS granted,
                                  max(quota_mb) AS largest,
                                  count(*) FILTER (WHERE coalesce(quota_mb, 0) = 0) AS endless,
                                  sum(coalesce(usage_bytes, 0)) AS stored
                             FROM emboux_mailbox
                            WHERE domain_id IN (SELECT id FROM emboux_domain
                                                 WHERE partner_id = ANY(%(partners)s))
                            GROUP BY domain_id) m ON m.domain_id = d.id
                    GROUP BY d.partner_id""",
                partners=self.partner_id.ids,
            )
        )
        return {
            row.pop("partner_id"): {name: value or 0 for name, value in row.items()}
            for row in rows
        }

    def action_open_domains(self):
        self.ensure_one()
        return self.partner_id.action_open_emboux_domains()

    def action_open_mailboxes(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_mailbox")
        return action | {"domain": [("domain_id.partner_id", "=", self.partner_id.id)],
                         "context": {}}

    def action_open_notices(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_notice")
        return action | {"domain": [("customer_id", "=", self.id)], "context": {}}


def _percent(used, limit):
    return 100 * used / limit if limit else 0.0
