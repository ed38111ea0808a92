# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models


class Users(models.Model):
    """What a technical user is bound to; the record rules ask for it."""

    _inherit = "res.users"

    emboux_partner_id = fields.Many2one(
        "res.partner",
        "Email Customer",
        groups="base.group_system",
        copy=False,
        help="The customer whose domains this user reaches.",
    )
    emboux_domain_name = fields.Char(
        "Only This Email Domain", groups="base.group_system", copy=False,
        help="The one domain that this user reaches.",
    )

    def _get_invalidation_fields(self):
        # record rules are cached with what they were made from
        return super()._get_invalidation_fields() | {"emboux_partner_id", "emboux_domain_name"}
