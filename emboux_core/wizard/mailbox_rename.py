# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

from ..models.notification import notification


class MailboxRename(models.TransientModel):
    """Asks for another address of a mailbox."""

    _name = "emboux.mailbox.rename"
    _description = "Change the Address of a Mailbox"

    mailbox_id = fields.Many2one("emboux.mailbox", required=True, readonly=True)
    local_part = fields.Char("New Address", required=True)
    domain_name = fields.Char(related="mailbox_id.domain_name")
    keep = fields.Boolean(
        "Keep the Former Address as an Alias", default=True,
        help="Mail to it still arrives here. Without an alias it comes back to its sender, and "
        "anybody may be given the address.",
    )

    def action_change(self):
        self.ensure_one()
        mailbox, former = self.mailbox_id, self.mailbox_id.display_name
        mailbox._change_address(self.local_part, self.keep)
        return notification(
            "success",
            self.env._(
                "%(former)s is %(address)s now. Mail programs log in with the new address, and the "
                "same password.", former=former, address=mailbox.display_name),
            next={"type": "ir.actions.act_window_close"},
        )
