# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""From Odoo's own messages to what the message log knows of them."""

from odoo import models

FAILED = ("failed", "bounced", "complained", "suppressed", "canceled", "rejected")


class Message(models.Model):
    _inherit = "mail.message"

    def action_emboux_story(self):
        """The messages of the log with these Message-IDs."""
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_mail_api.action_message")
        names = [name.strip("<> ") for name in self.mapped("message_id") if name]
        return action | {"domain": [("message_id", "in", names)]}


    def emboux_outcomes(self):
        """For the envelope beside a message: what became of it, for each recipient.

        Who may read the message may know that; of the companies that they work for.
        """
        self.check_access("read")
        names = [name.strip("<> ") for name in self.mapped("message_id") if name]
        # as superuser: the log is for those who manage mail, this part of it for who wrote
        found = self.env["emboux.message"].sudo().search(
            [("message_id", "in", names), ("company_id", "in", self.env.companies.ids),
             ("direction", "in", ("out", "internal"))], limit=20)
        statuses = dict(found._fields["status"]._description_selection(self.env))
        return [
            {"recipient": message.recipient, "status": statuses[message.status],
             "failed": message.status in FAILED, "words": message._story()[-1][1]}
            for message in found
        ]


class Mail(models.Model):
    _inherit = "mail.mail"

    def action_emboux_story(self):
        return self.mail_message_id.action_emboux_story()
