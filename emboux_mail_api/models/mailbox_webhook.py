# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.models.mailbox_rules import FORWARD, VACATION


class MailboxWebhook(models.Model):
    """A webhook that is told of the mail, instead of what else becomes of it.

    The view ``emboux_mail.sieve`` renders forwarding and reply into the script that Dovecot runs at
    delivery, so that they hold from the commit on.  A script that the mailbox's user has put there,
    by ManageSieve, runs after them.
    """

    _inherit = "emboux.mailbox"
    _customer_fields = frozenset({*FORWARD, *VACATION, "webhook_id"})
    _audited_fields = (*FORWARD, "vacation_on", "vacation_from", "vacation_until", "webhook_id")

    backend_kind = fields.Selection(related="domain_id.backend_id.kind", string="Kind of Server")
    webhook_id = fields.Many2one(
        "emboux.webhook", "Mail Goes to Webhook", ondelete="restrict", index="btree_not_null",
        copy=False, tracking=True,
        help="Each message is sent to the webhook as an event message.received, with its parts, "
             "and not kept in the mailbox.")

    @api.constrains("webhook_id", "forward_to", "vacation_on", "domain_id")
    def _check_webhook(self):
        for mailbox in self.filtered("webhook_id"):
            # as superuser: whose they are may be asked, and the secret is in nobody's reach
            own = mailbox.sudo()
            hook = own.webhook_id
            if own.domain_id.backend_id.kind != "local":
                raise UserError(self.env._(
                    "%s is on a server that this Odoo does not run.", mailbox.display_name))
            if hook.partner_id != own.domain_id.partner_id or (
                hook.domain_id and hook.domain_id != own.domain_id
            ) or hook.company_id != own.domain_id.company_id:
                raise UserError(self.env._(
                    "The webhook %(webhook)s does not belong to %(domain)s.",
                    webhook=hook.name, domain=own.domain_id.display_name))
            if own.push_secret:
                raise UserError(self.env._(
                    "The mail of %s goes to Odoo already.", mailbox.display_name))
            if mailbox.forward_to or mailbox.vacation_on:
                raise UserError(self.env._(
                    "%s forwards or replies: end that first, because nothing is kept that it could "
                    "do so with.", mailbox.display_name))
