# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.plan_terms import TERMS


class PlanChangeDialog(models.TransientModel):
    """New terms for a plan with customers: says which customers exceed them before the change."""

    _name = "emboux.plan.change"
    _description = "Change of a Plan's Terms"
    _inherit = "emboux.plan.terms.mixin"

    plan_id = fields.Many2one("emboux.plan", required=True, readonly=True)
    customer_count = fields.Integer(related="plan_id.customer_count")
    choice = fields.Selection(
        [
            ("keep", "Keep their terms: only new customers get these"),
            ("move", "Get these terms now"),
        ],
        "Current Customers",
        required=True,
        default="keep",
    )
    changes = fields.Html(compute="_compute_changes")
    changed = fields.Boolean(compute="_compute_changes")
    consequences = fields.Html(compute="_compute_consequences")

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        plan = self.env["emboux.plan"].browse(values.get("plan_id"))
        if plan:
            values["company_id"] = plan.company_id.id
            for name in set(TERMS) & set(fields):
                many = self._fields[name].type == "many2many"
                values[name] = plan[name].ids if many else plan[name]
        return values

    @api.depends("plan_id", *TERMS)
    def _compute_changes(self):
        for wizard in self:
            changed = wizard._changed_names()
            wizard.changed = bool(changed)
            wizard.changes = Markup("<ul>%s</ul>") % Markup().join(
                Markup("<li>%s: %s → <b>%s</b></li>") % (
                    self._fields[name]._description_string(self.env),
                    wizard.plan_id._show_term(name), wizard._show_term(name),
                )
                for name in changed
            ) if changed else Markup("<p>%s</p>") % self.env._("Nothing yet.")

    @api.depends("plan_id", *TERMS)
    def _compute_consequences(self):
        for wizard in self:
            wizard.consequences = wizard.plan_id.with_context(
                active_test=False
            ).customer_ids._consequences_of(wizard)

    def _changed_names(self):
        """The terms that differ from the plan's, in their order."""
        return [
            name for name in TERMS
            if (self[name]._origin.ids != self.plan_id[name].ids
                if self._fields[name].type == "many2many"
                else self[name] != self.plan_id[name])
        ]

    def action_apply(self):
        self.ensure_one()
        names = self._changed_names()
        if not names:
            raise UserError(self.env._("The terms are as they were. Change one, or discard."))
        values = {
            name: [fields.Command.set(self[name].ids)]
            if self._fields[name].type == "many2many" else self[name]
            for name in names
        }
        plan = self.plan_id._change_terms(
            values, keep=self.choice == "keep" and bool(self.customer_count)
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "emboux.plan",
            "res_id": plan.id,
            "view_mode": "form",
            "target": "main",
        }
