# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models


class MailServer(models.Model):
    _inherit = "ir.mail_server"

    emboux_mailbox_id = fields.Many2one(
        "emboux.mailbox", "Emboux Mailbox", readonly=True, copy=False, ondelete="set null",
        index="btree_not_null",
    )

    emboux_personal = fields.Boolean(
        readonly=True, copy=False, help="A user's own, through their mailbox.")

    def _is_ours(self):
        """Whether all of these send through a mailbox here."""
        # as superuser: users send and read no mail servers
        return all(server.emboux_mailbox_id or server.emboux_personal for server in self.sudo())

    def _refresh_from_filter(self):
        for server in self.filtered("emboux_mailbox_id"):
            server.from_filter = server.emboux_mailbox_id._from_filter()
