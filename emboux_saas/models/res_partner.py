from odoo import api, fields, models


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

    def action_open_emboux_domains(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_core.action_domain")
        return action | {
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id},
        }
