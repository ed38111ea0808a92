# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError


class Partner(models.Model):
    _inherit = "res.partner"

    emboux_domain_ids = fields.One2many(
        "emboux.domain", "partner_id", "Email Domains", groups="emboux_core.group_manager"
    )
    emboux_domain_count = fields.Integer(
        "Email Domain Count",
        compute="_compute_emboux_domain_count",
        groups="emboux_core.group_manager",
    )

    @api.depends("emboux_domain_ids")
    def _compute_emboux_domain_count(self):
        groups = self.env["emboux.domain"]._read_group(
            [("partner_id", "in", self.ids)], ["partner_id"], ["__count"]
        )
        counts = {partner.id: count for partner, count in groups}
        for partner in self:
            partner.emboux_domain_count = counts.get(partner.id, 0)

    @api.constrains("parent_id", "is_company")
    def _check_customer_stands_alone(self):
        # as superuser: whoever edits contacts need not see who is a customer
        customers = self.env["emboux.customer"].sudo().search([("partner_id", "in", self.ids)])
        for partner in customers.partner_id:
            if partner.commercial_partner_id != partner:
                raise ValidationError(
                    self.env._(
                        "%(contact)s is an email hosting customer themselves and cannot become a "
                        "contact of %(company)s. Move their domains there first.",
                        contact=partner.display_name,
                        company=partner.commercial_partner_id.display_name,
                    )
                )

    def write(self, vals):
        done = super().write(vals)
        if {"parent_id", "is_company"} & set(vals):
            # as superuser: users are not everybody's to read
            users = self.env["res.users"].sudo().with_context(active_test=False)
            users.search([("partner_id", "child_of", self.ids)])._bind_email_customer()
        return done

    def action_open_emboux_domains(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        return action | {
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id},
        }
