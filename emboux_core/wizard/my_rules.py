# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..models.mailbox_rules import FORWARD, VACATION
from ..models.notification import notification


class MyRules(models.TransientModel):
    """The forwarding and the out-of-office reply of one's own mailbox.

    Of the mailbox itself its user may read all and write nothing.
    """

    _name = "emboux.my.rules"
    _description = "My Out of Office and Forwarding"

    mailbox_id = fields.Many2one("emboux.mailbox", required=True, readonly=True)
    email = fields.Char("Address", related="mailbox_id.display_name")
    forward_to = fields.Text(help="Where a copy of each message goes: one address on each line.")
    forward_keep = fields.Boolean("Keep a Copy", default=True)
    vacation_on = fields.Boolean("Out of Office")
    vacation_subject = fields.Char("Subject of the Reply")
    vacation_text = fields.Text("Reply")
    vacation_from = fields.Date("From")
    vacation_until = fields.Date("Until")
    vacation_days = fields.Integer("Reply Again After (days)", default=7)

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if not values.get("mailbox_id"):
            return values
        mailbox = self._own(values["mailbox_id"])
        return values | {name: mailbox[name] for name in (*FORWARD, *VACATION)
                         if name in fields_list}

    @api.model
    def _own(self, number):
        """The mailbox, as superuser, if it is the user's.  :raises AccessError: it is not."""
        mailbox = self.env["emboux.mailbox"].browse(number)
        mailbox.check_access("read")
        if mailbox.user_id != self.env.user:
            raise AccessError(self.env._("This is not your mailbox."))
        # as superuser: of all its fields the user may change these alone
        return mailbox.sudo()

    def action_save(self):
        self.ensure_one()
        self._own(self.mailbox_id.id).write({name: self[name] for name in (*FORWARD, *VACATION)})
        return notification(
            "success", self.env._("Saved. It holds from the next message on."),
            next={"type": "ir.actions.act_window_close"},
        )
