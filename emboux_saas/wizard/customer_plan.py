# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models


class CustomerPlanDialog(models.TransientModel):
    """Another plan for a customer: says what of theirs does not fit into it."""

    _name = "emboux.customer.plan"
    _description = "Change of a Customer's Plan"

    customer_id = fields.Many2one("emboux.customer", required=True, readonly=True)
    present_id = fields.Many2one(related="customer_id.plan_id", string="Current Plan")
    plan_id = fields.Many2one("emboux.plan", "New Plan", required=True)
    consequences = fields.Html(compute="_compute_consequences")

    @api.depends("customer_id", "plan_id")
    def _compute_consequences(self):
        for wizard in self:
            wizard.consequences = (
                wizard.customer_id._consequences_of(wizard.plan_id) if wizard.plan_id else False
            )

    def action_apply(self):
        self.ensure_one()
        self.customer_id.plan_id = self.plan_id
        return {"type": "ir.actions.act_window_close"}
