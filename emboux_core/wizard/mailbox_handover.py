# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..models.notification import notification

DAYS = 30
LONGEST = 366  # days


class MailboxHandover(models.TransientModel):
    """Asks who gets the mail of somebody who has left, and until when."""

    _name = "emboux.mailbox.handover"
    _description = "Hand Over a Mailbox"

    mailbox_id = fields.Many2one("emboux.mailbox", required=True, readonly=True)
    company_id = fields.Many2one(related="mailbox_id.company_id")
    colleague_id = fields.Many2one(
        "emboux.mailbox", "Colleague", required=True,
        domain="[('company_id', '=', company_id), ('id', '!=', mailbox_id),"
        " ('state', '=', 'active')]",
        help="New mail goes to this mailbox too; what was received before stays where it is.",
    )
    until = fields.Date(
        required=True, default=lambda self: fields.Date.context_today(self) + timedelta(DAYS),
        help="The last day. Then the mailbox is suspended and takes no more mail.",
    )
    reply_on = fields.Boolean("Reply to Senders", default=True)
    reply = fields.Text(compute="_compute_reply", store=True, readonly=False, precompute=True)

    @api.depends("colleague_id")
    def _compute_reply(self):
        for wizard in self:
            who = wizard.mailbox_id.name or wizard.mailbox_id.display_name
            colleague = wizard.colleague_id
            wizard.reply = colleague and self.env._(
                "%(person)s does not work here any more. Your message has been forwarded to "
                "%(colleague)s <%(address)s>; please write there from now on.",
                person=who, colleague=colleague.name or colleague.display_name,
                address=colleague.display_name)

    def action_hand_over(self):
        self.ensure_one()
        today = fields.Date.context_today(self)
        if not today <= self.until <= today + timedelta(LONGEST):
            raise UserError(self.env._(
                "Choose a last day from today on, within the next %s days.", LONGEST))
        if self.mailbox_id.user_id.active:
            raise UserError(self.env._(
                "%s still works here: forwarding is in “Out of Office and Forwarding”. Archive "
                "the user first if they have left.", self.mailbox_id.user_id.name))
        self.mailbox_id._hand_over(self.colleague_id, self.until, self.reply_on and self.reply)
        return notification(
            "success",
            self.env._("Mail for %(mailbox)s goes to %(colleague)s as well, until %(day)s.",
                       mailbox=self.mailbox_id.display_name, day=format_date(self.env, self.until),
                       colleague=self.colleague_id.display_name),
            next={"type": "ir.actions.act_window_close"},
        )
