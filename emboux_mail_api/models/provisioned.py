from odoo import models


class Provisioned(models.AbstractModel):
    _name = "emboux.provisioned"
    _inherit = ["emboux.provisioned", "emboux.audited"]
    _description = "Provisioned on a Mail Backend"
