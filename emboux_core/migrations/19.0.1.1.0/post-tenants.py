# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Odoo's outgoing servers named the subdomains of other owners too, and detached ones."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["ir.mail_server"].search(
        [("emboux_mailbox_id", "!=", False), ("active", "in", (True, False))]
    )._refresh_from_filter()
