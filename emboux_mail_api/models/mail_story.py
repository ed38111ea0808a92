# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""From Odoo's own messages to what the message log knows of them."""

from odoo import models


class Message(models.Model):
    _inherit = "mail.message"

    def action_emboux_story(self):
        """The messages of the log with these Message-IDs."""
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_mail_api.action_message")
        names = [name.strip("<> ") for name in self.mapped("message_id") if name]
        return action | {"domain": [("message_id", "in", names)]}


class Mail(models.Model):
    _inherit = "mail.mail"

    def action_emboux_story(self):
        return self.mail_message_id.action_emboux_story()
