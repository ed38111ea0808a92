# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class Message(models.Model):
    _inherit = "mail.message"

    def _get_forbidden_access(self, operation):
        """A message that no thread shows may be made by anybody, and ``message_notify`` of any
        model sends it to any partner: a customer's only where they may change the record."""
        forbidden = super()._get_forbidden_access(operation)
        # a user who has a customer is bound to it; the superuser is not asked
        if operation != "create" or not self.env.user.emboux_partner_id:
            return forbidden

        def is_loose(message):
            if message.model not in self.env or not message.res_id:
                return True
            return message.message_type == "user_notification" and not (
                self.env[message.model].browse(message.res_id).has_access("write")
            )

        # as superuser: of which record it is
        return forbidden | (self - forbidden).sudo().filtered(is_loose).sudo(False)
