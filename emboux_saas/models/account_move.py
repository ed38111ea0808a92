# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields, models
from odoo.tools import formatLang

MEASURES = [
    ("base", "Base Price"),
    ("mailboxes", "Mailboxes"),
    ("storage", "Storage"),
    ("messages", "Messages"),
]


class AccountMove(models.Model):
    """An invoice for a month of email: one for each customer and month.

    When it is paid, or its payment fails, the customer's state is updated and the customer
    notified.
    """

    _inherit = "account.move"

    emboux_customer_id = fields.Many2one(
        "emboux.customer", "Email Customer", readonly=True, copy=False, index="btree_not_null",
        ondelete="restrict",
    )
    emboux_month = fields.Date("Month of Email Usage", readonly=True, copy=False)

    _emboux_month_unique = models.UniqueIndex(
        "(emboux_customer_id, emboux_month) WHERE emboux_customer_id IS NOT NULL",
        "This customer has an invoice for this month already.",
    )

    def unlink(self):
        """A deleted draft is created again by the next nightly run."""
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

    # -- paid, and not --------------------------------------------------------------------------

    def _invoice_paid_hook(self):
        """A payment immediately lifts a suspension for non-payment."""
        done = super()._invoice_paid_hook()
        # as superuser: who books payments need not look after email
        customers = self.env["emboux.customer"].sudo().search(
            [
                ("partner_id", "in", self.commercial_partner_id.ids),
                "|", ("state", "=", "past_due"),
                "&", ("state", "=", "suspended"), ("state_cause", "=", "payment"),
            ]
        )
        owed = customers._overdue_invoices() if customers else {}
        for customer in customers.filtered(lambda c: c.partner_id not in owed):
            customer._dun(None)
        return done

    def _notify_payment_failed(self, reason, period):
        """``period``: what failed, so that each failure is told once."""
        for move in self.filtered("emboux_customer_id"):
            # as superuser: whoever's payment it is, the operator's system tells
            customer = move.sudo().emboux_customer_id
            due = move.invoice_date_due
            values = {
                "invoice": move.name,
                "amount": formatLang(
                    customer._in_customer_language(),
                    move.amount_residual,
                    currency_obj=move.currency_id,
                ),
                "due": due,
                "until": due and due + timedelta(days=customer._dunning_days()),
                "reason": reason or "",
                "period": period,
            }
            customer._notify("payment_failed", {k: v for k, v in values.items() if v})


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
