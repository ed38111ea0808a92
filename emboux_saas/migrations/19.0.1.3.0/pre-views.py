# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo.addons.emboux_core.upgrade import rename_button


def migrate(cr, _version):
    rename_button(cr, "emboux.domain", "action_transfer", "action_hand_over")
