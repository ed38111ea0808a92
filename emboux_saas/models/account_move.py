from datetime import timedelta

from odoo import api, fields, models

MEASURES = [
    ("base", "Base Price"),
    ("mailboxes", "Mailboxes"),
    ("storage", "Storage"),
    ("messages", "Messages"),
]


class AccountMove(models.Model):
    """An invoice for a month of email: one for each customer and month."""

    _inherit = "account.move"

    emboux_customer_id = fields.Many2one(
        "emboux.customer", "Email Customer", readonly=True, copy=False, index="btree_not_null",
        ondelete="restrict",
    )
    emboux_month = fields.Date("Month of Email", readonly=True, copy=False)

    _emboux_month_unique = models.UniqueIndex(
        "(emboux_customer_id, emboux_month) WHERE emboux_customer_id IS NOT NULL",
        "This customer has an invoice for this month already.",
    )

    def unlink(self):
        """A draft that is deleted is made anew by the next night's run."""
        # as superuser: who keeps the books need not see the customers
        for customer, moves in self.sudo().grouped("emboux_customer_id").items():
            day = min(moves.mapped("emboux_month")) - timedelta(1) if customer else None
            if customer.billed_until and customer.billed_until > day:
                customer.billed_until = day
        return super().unlink()

    def action_open_emboux_usage(self):
        """All usage that this invoice is made of."""
        lines = self.invoice_line_ids.filtered("emboux_measure")
        return self.emboux_customer_id._open_usage(
            min(lines.mapped("emboux_from")), max(lines.mapped("emboux_to"))
        )


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    emboux_measure = fields.Selection(MEASURES, "Measure", readonly=True, copy=False)
    emboux_from = fields.Date("Used From", readonly=True, copy=False)
    emboux_to = fields.Date("Used Until", readonly=True, copy=False)

    def action_open_emboux_usage(self):
        """The rows of usage behind this line."""
        self.ensure_one()
        return self.move_id.emboux_customer_id._open_usage(
            self.emboux_from, self.emboux_to, self.emboux_measure
        )


class Customer(models.Model):
    _inherit = "emboux.customer"

    invoice_ids = fields.One2many(
        "account.move", "emboux_customer_id", "Invoices",
        groups="account.group_account_invoice,account.group_account_readonly",
    )
    invoice_count = fields.Integer(
        compute="_compute_invoice_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    @api.depends("invoice_ids")
    def _compute_invoice_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("emboux_customer_id", "in", self.ids)], ["emboux_customer_id"], ["__count"]
            )
        )
        for customer in self:
            customer.invoice_count = counts.get(customer, 0)

    def action_open_invoices(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "account.action_move_out_invoice_type"
        )
        return action | {
            "domain": [("emboux_customer_id", "=", self.id)],
            "context": {"default_move_type": "out_invoice", "create": False},
        }

    def action_open_usage(self):
        """By month, for the one whose form it is."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_usage_month")
        return action | {"domain": [("customer_id", "=", self.id)], "context": {}}

    def _open_usage(self, first, last, measure=None):
        """The rows from one day to another, with those before whose levels still held."""
        self.ensure_one()
        rows = self.env["emboux.usage"]._behind(self, first, last)
        if measure == "messages":
            rows = rows.filtered(lambda row: row.messages and row.day >= first)
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_usage")
        return action | {"domain": [("id", "in", rows.ids)], "context": {}}
