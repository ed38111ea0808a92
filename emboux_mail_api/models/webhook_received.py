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


class WebhookReceived(models.Model):
    """Mail of mailboxes that is told instead of being kept."""

    _inherit = "emboux.webhook"

    mailbox_ids = fields.One2many("emboux.mailbox", "webhook_id", "Mailboxes")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # as superuser: mail would be lost of mailboxes that the user does not see, too
        if used := self.sudo().with_context(active_test=False).mailbox_ids[:5]:
            raise UserError(self.env._(
                "Mail of %s goes to this webhook. Let it be kept, or go elsewhere, first.",
                ", ".join(used.mapped("email"))))

    @api.private
    def _take_message(self, mailbox, body):
        """Be told of a message to a mailbox; once, however often it is handed over.

        As superuser: the mail server is no user.
        :param body: with Return-Path and Delivered-To on top.
        """
        self.ensure_one()
        number = str(uuid.UUID(hashlib.sha256(body).hexdigest()[:32]))
        self.env.cr.execute(
            "SELECT 1 FROM emboux_mail.webhook_delivery WHERE webhook_id = %s AND event_id = %s",
            [self.id, number])
        if self.env.cr.fetchone():
            return
        message = received.take_apart(body)
        who = self._authenticated(message)
        data = {
            "mailbox": mailbox.email, "domain": mailbox.domain_id.name, "sender": message.sender,
            "recipients": list(message.recipients), **message.data,
            "attachments": self._share(message.attachments),
            "authentication": who.shown(), "client": message.client.address or None,
        }
        self._tell_alone("message.received", number, mailbox.email, data)

    def _authenticated(self, message):
        try:
            asked = authentication.resolver(
                self.env["emboux.domain"]._dns_resolver().nameservers)
        except NoResolverConfiguration:
            _logger.warning("nobody can be asked who mail is from: there is no resolver")
            return authentication.Result()
        return authentication.check(
            message.raw, message.sender, message.client.address, message.client.helo, asked)

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
