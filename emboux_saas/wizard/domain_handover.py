# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from markupsafe import Markup

from odoo import api, fields, models


class HandoverDialog(models.TransientModel):
    """Moves a domain to another customer: says what moves, and what is missing for it."""

    _name = "emboux.domain.handover"
    _description = "Domain Handover"

    domain_id = fields.Many2one("emboux.domain", required=True, readonly=True)
    present_id = fields.Many2one(related="domain_id.partner_id", string="From")
    customer_id = fields.Many2one("emboux.customer", "To", required=True)
    consequences = fields.Html(compute="_compute_consequences")

    @api.depends("domain_id", "customer_id")
    def _compute_consequences(self):
        for wizard in self:
            wizard.consequences = Markup("<ul>%s</ul>") % Markup().join(
                Markup("<li>%s</li>") % line for line in wizard._consequences()
            )

    def _consequences(self):
        domain, customer = self.domain_id, self.customer_id
        yield self.env._(
            "%(domain)s moves with %(mailboxes)s mailboxes and %(aliases)s aliases; passwords and "
            "mail stay as they are.",
            domain=domain.display_name, mailboxes=domain.mailbox_count, aliases=domain.alias_count,
        )
        if domain.partner_id:
            yield self.env._(
                "The portal users and API keys of %s lose access to it.",
                domain.partner_id.display_name,
            )
        if not customer:
            return
        if not customer.active_key_count:
            yield self.env._(
                "%s has no active API key: make one first, or this is refused.",
                customer.display_name,
            )
        plan = customer.plan_id
        if plan:
            yield self.env._("It gets the limits of the plan %s.", plan.display_name)
            if plan.mailbox_limit and domain.mailbox_count > plan.mailbox_limit:
                yield self.env._(
                    "It has more mailboxes than the %s of that plan: they stay, none can be added.",
                    plan.mailbox_limit,
                )

    def action_apply(self):
        self.ensure_one()
        self.domain_id._hand_over(self.customer_id.partner_id)
        return {"type": "ir.actions.act_window_close"}
