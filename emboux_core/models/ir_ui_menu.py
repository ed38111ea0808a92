# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class IrUiMenu(models.Model):
    _inherit = "ir.ui.menu"

    def _load_menus_blacklist(self):
        """Pages of mail servers are shown once there is one whose pages these are."""
        hidden = super()._load_menus_blacklist()
        # as superuser: what a menu shows does not depend on whose server it is
        if not self.env["emboux.backend"].sudo()._with_servers():
            hidden.append(self.env.ref("emboux_core.menu_server").id)
        return hidden
