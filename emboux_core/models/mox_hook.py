# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL, plaintext2html

from ..backends import mox_hooks
from ..transactions import delete_in_batches

_logger = logging.getLogger(__name__)

KEEP = timedelta(days=4)  # mox tells again for 32 hours
FAILED = ("bounce", "exception", "canceled")  # which no later event hides


class MoxHook(models.Model):
    """A call of a webhook that was taken, so that the same one has no effect when it comes again;
    and what calls of the outgoing one do."""

    _name = "emboux.mox.hook"
    _description = "Call of a mox Webhook"
    _order = "id desc"

    mailbox_id = fields.Many2one(
        "emboux.mailbox", required=True, readonly=True, ondelete="cascade")
    name = fields.Char(required=True, readonly=True, help="mox's number of it, and its contents.")

    _once = models.UniqueIndex("(mailbox_id, name)")

    @api.model
    def _is_taken(self, mailbox, name):
        return bool(self.search_count(
            [("mailbox_id", "=", mailbox.id), ("name", "=", name)], limit=1))

    @api.model
    def _take(self, mailbox_id, name):
        """Note that it is taken; returns whether it was not before."""
        return bool(self.env.execute_query(SQL(
            """INSERT INTO emboux_mox_hook (mailbox_id, name, create_date)
               VALUES (%s, %s, now() AT TIME ZONE 'UTC')
               ON CONFLICT (mailbox_id, name) DO NOTHING RETURNING id""", mailbox_id, name)))

    @api.autovacuum
    def _gc_taken(self):
        return delete_in_batches(self, [("create_date", "<", fields.Datetime.now() - KEEP)])

    # -- what became of a message ----------------------------------------------------------

    @api.model
    def _take_event(self, mailbox_id, name, event):
        """Mark what Odoo knows of this message, once; ``event``: a ``mox_hooks.Event``."""
        if not self._take(mailbox_id, name):
            return
        company = self.env["emboux.mailbox"].browse(mailbox_id).company_id
        # another company's mail is none of this mailbox'
        messages = self.env["mail.message"].search([
            ("message_id", "=", event.message_id),
            ("record_company_id", "in", (False, company.id)),
        ])
        if not messages:
            self._take_event_elsewhere(event)
            return
        notifications = self._notifications(messages, event.recipient)
        before = [(n.notification_status, n.failure_reason) for n in notifications]
        if event.kind in mox_hooks.ARRIVED:
            notifications.filtered(lambda n: n.notification_status in ("sent", "pending")).write(
                {"notification_status": "sent", "failure_reason": False, "emboux_arrived": True})
        elif event.kind == mox_hooks.DELAYED:
            notifications.filtered(
                lambda n: n.notification_status == "sent" and not n.emboux_arrived
            ).write({"notification_status": "pending", "failure_reason": self._words(event)})
        elif event.kind in (mox_hooks.FAILED, mox_hooks.SUPPRESSED, mox_hooks.CANCELED):
            self._mark_failed(event, messages, notifications)
        else:
            _logger.info("mox tells of %s: %s", event.message_id, event.kind)
            return
        if before != [(n.notification_status, n.failure_reason) for n in notifications]:
            # whoever wrote it sees it at once
            messages._notify_message_notification_update()

    @api.model
    def _take_event_elsewhere(self, event):
        """Odoo has no message with this number: it is of somebody's mail program, or deleted once
        it was sent, when another add-on may still know of it."""

    @api.model
    def _notifications(self, messages, recipient):
        """Those to this recipient; without one, the only one there is."""
        found = self.env["mail.notification"].search(
            [("mail_message_id", "in", messages.ids), ("notification_type", "=", "email")])
        if not recipient:
            return found if len(found) == 1 else found.browse()
        return found.filtered(
            lambda n: recipient in (n.mail_email_address, n.res_partner_id.email_normalized))

    @api.model
    def _words(self, event):
        if event.kind == mox_hooks.DELAYED:
            return self.env._("Not delivered yet, mox tries again: %s", event.answer)
        if event.kind == mox_hooks.SUPPRESSED:
            return self.env._(
                "mox did not send it: the address is on its suppression list, because mail to it "
                "failed before.")
        if event.kind == mox_hooks.CANCELED:
            return self.env._("Somebody took it out of mox's queue before it was delivered.")
        return self.env._("It could not be delivered: %s", event.answer)

    @api.model
    def _mark_failed(self, event, messages, notifications):
        words = self._words(event)
        fresh = notifications.filtered(lambda n: n.notification_status not in FAILED)
        if event.kind == mox_hooks.FAILED and event.recipient and (fresh or not notifications):
            for message in messages:
                self._bounce(event, message, words)
        else:
            fresh.write({"notification_status": "exception", "failure_type": "unknown",
                         "failure_reason": words})
        mails = self.env["mail.mail"].search([("mail_message_id", "in", messages.ids)])
        for mail in mails.filtered(lambda m: m.state in ("sent", "exception")):
            said = event.recipient and f"{event.recipient}: {words}" or words
            before = [mail.failure_reason] if mail.failure_reason else []
            values = {"failure_reason": "\n".join(dict.fromkeys([*before, said]))}
            if mail._number_of_recipients() == 1:
                # of several the others have it, and "Retry" would send it to all of them
                values |= {"state": "exception", "failure_type": "unknown"}
            mail.write(values)

    @api.model
    def _bounce(self, event, message, words):
        """As Odoo's own gateway does with a report that comes back."""
        partners = self.env["res.partner"].search([("email_normalized", "=", event.recipient)])
        self.env["mail.thread"]._routing_handle_bounce(False, {
            "bounced_email": event.recipient, "bounced_partner": partners,
            "bounced_message": message, "bounced_msg_ids": [event.message_id],
            "body": plaintext2html(words), "email_from": "mox", "to": event.recipient,
            "message_id": event.message_id,
        })


class Notification(models.Model):
    _inherit = "mail.notification"

    emboux_arrived = fields.Boolean(
        "Taken by the Recipient's Server", readonly=True,
        help="As the mail server said: until then Odoo takes for delivered what was sent.")
