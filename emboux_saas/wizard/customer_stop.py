# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup

from odoo import api, fields, models


class CustomerStopDialog(models.TransientModel):
    """Suspends or ends a customer: asks for the reason, says what becomes of their mail."""

    _name = "emboux.customer.stop"
    _description = "Suspension or End of an Email Customer"

    customer_id = fields.Many2one("emboux.customer", required=True, readonly=True)
    state = fields.Selection(
        [("suspended", "Suspend"), ("ended", "End")], required=True, readonly=True
    )
    reason = fields.Char(required=True, help="Included in the email to the customer.")
    consequences = fields.Html(compute="_compute_consequences")

    @api.depends("customer_id", "state")
    def _compute_consequences(self):
        for wizard in self:
            customer = wizard.customer_id
            lines = [
                self.env._(
                    "%(domains)s domains with %(mailboxes)s mailboxes neither receive nor send. "
                    "Mail from outside waits with its senders for some days.",
                    domains=customer.domains_used, mailboxes=customer.mailbox_count,
                ),
                self.env._("The customer is told by mail, with this reason."),
            ]
            if wizard.state == "ended":
                lines.append(
                    self.env._(
                        "Everything is kept until %s, and can be restored until then. The customer "
                        "is told 7 days and 1 day before all of it is erased for good.",
                        fields.Date.to_string(customer._erase_day()),
                    )
                )
            else:
                lines.append(self.env._("Nothing is lost: Activate restores everything."))
            wizard.consequences = Markup("<ul>%s</ul>") % Markup().join(
                Markup("<li>%s</li>") % line for line in lines
            )

    def action_apply(self):
        self.ensure_one()
        self.customer_id._change_customer_state(self.state, self.reason)
        return {"type": "ir.actions.act_window_close"}
