# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import hashlib
import logging
import uuid

from dns.resolver import NoResolverConfiguration
from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.transactions import delete_in_batches

from ..sending import authentication, received
from ..settings import WEBHOOK_DAYS

_logger = logging.getLogger(__name__)


class MailboxWebhook(models.Model):
    """A mailbox whose mail a webhook is told, instead of its being kept."""

    _inherit = "emboux.mailbox"
    _audited_fields = ("webhook_id",)
    _customer_fields = frozenset({"webhook_id"})

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

    @api.private
    def _take_for_webhook(self, body):
        """Tell the webhook of a message; once, however often it is handed over.

        As superuser: the mail server is no user.
        :param body: with Return-Path and Delivered-To on top.
        """
        self.ensure_one()
        number = str(uuid.UUID(hashlib.sha256(body).hexdigest()[:32]))
        self.env.cr.execute(
            "SELECT 1 FROM emboux_mail.webhook_delivery WHERE webhook_id = %s AND event_id = %s",
            [self.webhook_id.id, number])
        if self.env.cr.fetchone():
            return
        message = received.take_apart(body)
        who = self._authenticated(message)
        data = {
            "mailbox": self.email, "domain": self.domain_id.name, "sender": message.sender,
            "recipients": list(message.recipients), **message.data,
            "attachments": self.webhook_id._share(message.attachments),
            "authentication": who.shown(), "client": message.client.address or None,
        }
        self.webhook_id._tell_alone("message.received", number, self.email, data)

    def _authenticated(self, message):
        try:
            asked = authentication.resolver(
                self.env["emboux.domain"]._dns_resolver().nameservers)
        except NoResolverConfiguration:
            _logger.warning("nobody can be asked who mail is from: there is no resolver")
            return authentication.Result()
        return authentication.check(
            message.raw, message.sender, message.client.address, message.client.helo, asked)


class Webhook(models.Model):
    _inherit = "emboux.webhook"

    mailbox_ids = fields.One2many("emboux.mailbox", "webhook_id", "Mailboxes")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # as superuser: mail would be lost of mailboxes that the user does not see, too
        if used := self.sudo().with_context(active_test=False).mailbox_ids[:5]:
            raise UserError(self.env._(
                "Mail of %s goes to this webhook. Let it be kept, or go elsewhere, first.",
                ", ".join(used.mapped("email"))))

    def _share(self, attachments):
        """As in an event: small ones with their content, others by a link that is good as long as
        the delivery is kept."""
        shown, left = [], received.INLINE_IN_ALL
        for each in attachments:
            if len(each.content) <= min(received.INLINE, left):
                left -= len(each.content)
                shown.append(received.shown(each, content=each.content))
                continue
            made = self.env["ir.attachment"].create({
                "name": each.name, "raw": each.content, "mimetype": each.content_type,
                "res_model": self._name, "res_id": self.id,
                "description": "emboux: message.received"})
            made.generate_access_token()
            url = (f"{self.get_base_url()}/web/content/{made.id}"
                   f"?download=1&access_token={made.access_token}")
            shown.append(received.shown(each, url=url))
        return shown

    def _tell_alone(self, kind, number, about, data):
        """An event for this webhook alone, whatever it asks for.

        :param number: its ``webhook-id``, a UUID.
        """
        self.env.cr.execute(
            """INSERT INTO emboux_mail.webhook_delivery
                      (webhook_id, event_id, type, subject, about, created_at, next_try, payload)
               VALUES (%(hook)s, %(number)s, %(kind)s, 'received ' || %(number)s, %(about)s,
                       date_trunc('second', emboux_mail.utc_now()), emboux_mail.utc_now(),
                       emboux_mail.webhook_body(%(kind)s, emboux_mail.iso(emboux_mail.utc_now()),
                                                %(data)s))""",
            {"hook": self.id, "number": number, "kind": kind, "about": about, "data": Json(data)})
        self.env.cr.execute("SELECT pg_notify('emboux_webhooks', '')")

    @api.autovacuum
    def _gc_shared(self):
        """Attachments whose delivery is not kept any more."""
        before = fields.Datetime.subtract(fields.Datetime.now(), days=WEBHOOK_DAYS.read(self.env))
        # as superuser: nobody's attachments but those made above
        return delete_in_batches(self.env["ir.attachment"].sudo(), [
            ("res_model", "=", self._name), ("description", "=", "emboux: message.received"),
            ("create_date", "<", before)])
