# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""From Odoo's own messages to what the message log knows of them."""

from odoo import fields, models

from .message_words import plain


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


class Notification(models.Model):
    """The envelope's tooltip in the chatter: what became of the mail to this person."""

    _inherit = "mail.notification"

    emboux_outcome = fields.Char("What Became of It", compute="_compute_emboux_outcome")

    def _compute_emboux_outcome(self):
        """As superuser: whoever reads the message may know whether it has arrived, as Odoo's own
        status tells them."""
        mails = self.sudo().filtered(
            lambda n: n.notification_type == "email" and n.mail_message_id.message_id)
        found = {}
        if mails:
            names = [n.mail_message_id.message_id.strip("<> ") for n in mails]
            self.env.cr.execute(
                """SELECT message_id, recipient, original_recipient, status, answer
                     FROM emboux_mail.message
                    WHERE message_id = ANY(%s) AND direction <> 'in' ORDER BY id""", [names])
            for name, to, original, status, answer in self.env.cr.fetchall():
                found[name, to] = found[name, original or to] = status, answer
        status_words = dict(
            self.env["emboux.message"]._fields["status"]._description_selection(self.env))
        for notification in self:
            mail = notification.sudo()
            address = mail.mail_email_address or mail.res_partner_id.email_normalized or ""
            status, answer = found.get(
                ((mail.mail_message_id.message_id or "").strip("<> "), address.lower()), ("", ""))
            notification.emboux_outcome = ": ".join(
                filter(None, (status_words.get(status), plain(answer)))) or False

    def _to_store_defaults(self, target):
        return [*super()._to_store_defaults(target), "emboux_outcome"]


class OdooMail(models.Model):
    _inherit = "emboux.odoo.mail"

    def _fate_of_test(self):
        # as superuser: of a mail of Odoo itself
        found = self.env["emboux.message"].sudo().search(
            [("message_id", "=", (self.test_message_id or "").strip("<> "))], order="id desc",
            limit=1) if self.test_message_id else None
        if not found:
            return super()._fate_of_test()
        status = dict(found._fields["status"]._description_selection(self.env))[found.status]
        words = ": ".join(filter(None, (status, plain(found.answer))))
        return self.env._("The message log says: %s.", words)
