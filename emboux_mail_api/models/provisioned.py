# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class Provisioned(models.AbstractModel):
    _name = "emboux.provisioned.mixin"
    _inherit = ["emboux.provisioned.mixin", "emboux.audited.mixin"]
    _description = "Provisioned on a Mail Backend"
