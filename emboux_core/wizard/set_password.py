# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

from .. import passwords
from ..models.notification import notification


class SetPassword(models.TransientModel):
    """Sets a mailbox' password; a generated one is shown here and never again."""

    _name = "emboux.set.password"
    _description = "Set a Mailbox Password"

    mailbox_id = fields.Many2one("emboux.mailbox", required=True, readonly=True)
    email = fields.Char("Email", related="mailbox_id.display_name")
    # Not stored: it lives in the dialog until that is closed, and reaches the mailbox as a hash.
    password = fields.Char(
        store=False,
        required=True,
        compute="_compute_password",
        inverse="_inverse_password",
        default=lambda self: passwords.generate(),
    )

    def _compute_password(self):
        self.password = False

    def _inverse_password(self):
        for wizard in self:
            wizard.mailbox_id._set_password(wizard.password)
        self.invalidate_recordset(["password"])

    def action_apply(self):
        """The saving of this dialog has set the password; say so and close."""
        return notification(
            "success",
            self.env._(
                "The new password of %s works from now on; the old one does not.", self.email
            ),
            next={"type": "ir.actions.act_window_close"},
        )
