# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup

from odoo import api, fields, models


class ParentChange(models.TransientModel):
    """Says how subdomains are affected before a parent is changed."""

    _name = "emboux.parent.change"
    _description = "Change of a Wildcard Parent"

    domain_id = fields.Many2one("emboux.domain", required=True, readonly=True)
    change = fields.Selection(
        [
            ("detach", "Detach from its parent"),
            ("dissolve", "Stop being a wildcard parent"),
            ("unverify", "Revoke the verification"),
        ],
        required=True,
        readonly=True,
    )
    consequences = fields.Html(compute="_compute_consequences")

    @api.depends("domain_id", "change")
    def _compute_consequences(self):
        for wizard in self:
            lines = wizard.domain_id._consequences(wizard.change) if wizard.change else []
            wizard.consequences = Markup("<ul>%s</ul>") % Markup().join(
                Markup("<li>%s</li>") % line for line in lines
            ) if lines else Markup("<p>%s</p>") % self.env._("No subdomain is affected.")

    def action_apply(self):
        self.ensure_one()
        domain = self.domain_id
        if self.change == "detach":
            domain._set_parent(domain.browse(), domain.is_wildcard)
        elif self.change == "dissolve":
            domain._set_parent(domain.parent_id, False, detach=True)
        else:
            domain.state = "pending"
        return {"type": "ir.actions.act_window_close"}
