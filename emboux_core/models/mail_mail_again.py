# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import smtplib
import ssl
import sys
from datetime import timedelta

from odoo import fields, models

from odoo.addons.base.models.ir_mail_server import MailDeliveryException

_logger = logging.getLogger(__name__)

KEEP = timedelta(days=2)  # that a mail is tried again
# Python takes these for an OSError too, such as a connection that fails
FINAL = (smtplib.SMTPException, ssl.SSLCertVerificationError)
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=4)  # between two attempts


def temporary_refusal(error):
    """What the server said, if it may take the mail later (RFC 5321, 4.2.1: 4yz); else None.

    ``error``: of ``smtplib``, or of the connection.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = list(error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        replies = [(error.smtp_code, error.smtp_error)]
    elif isinstance(error, smtplib.SMTPServerDisconnected) or (
        isinstance(error, OSError) and not isinstance(error, FINAL)
    ):
        return str(error)
    else:
        return None
    if not replies or not all(400 <= code < 500 for code, _text in replies):
        return None
    code, text = replies[0]
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


class MailMail(models.Model):
    """What a server of ours takes later stays in the queue until then, as mail servers do.

    Odoo takes any refusal for final, a full hour or a server that restarts included.
    """

    _inherit = "mail.mail"

    def _send(self, auto_commit=False, raise_exception=False, smtp_session=None,
              alias_domain_id=False, mail_server=False, post_send_callback=None):
        sender = self.with_context(emboux_sends=bool(mail_server) and mail_server._is_ours())
        return super(MailMail, sender)._send(
            auto_commit=auto_commit, raise_exception=raise_exception, smtp_session=smtp_session,
            alias_domain_id=alias_domain_id, mail_server=mail_server,
            post_send_callback=post_send_callback,
        )

    def _postprocess_sent_message(
        self, success_pids, success_emails, failure_reason=False, failure_type=None
    ):
        # Odoo calls this while it handles the error, and does not pass it on
        error = sys.exc_info()[1]
        if failure_type == "unknown" and isinstance(error, MailDeliveryException) and (
            self.env.context.get("emboux_sends")
        ):
            refusal = temporary_refusal(error.__context__)
        elif failure_type == "mail_smtp" and self._sent_by_ours():
            refusal = temporary_refusal(error)
        else:
            refusal = None
        # who has got it must not get it again
        if refusal is not None and not success_pids and not success_emails:
            late = self.filtered(lambda m: m.create_date > fields.Datetime.now() - KEEP)
            late._put_off(refusal)
            self -= late
        if not self:
            return True
        return super()._postprocess_sent_message(
            success_pids, success_emails, failure_reason=failure_reason, failure_type=failure_type)

    def _sent_by_ours(self):
        servers = [server_id for server_id, *_rest in self._split_by_mail_configuration()]
        return all(servers) and self.env["ir.mail_server"].browse(servers)._is_ours()

    def _put_off(self, refusal):
        if not self:
            return
        now = fields.Datetime.now()
        self.write({
            "state": "outgoing", "waits_for_room": True, "failure_reason": refusal,
            "failure_type": False,
        })
        for mail in self:
            mail.scheduled_date = now + min(max((now - mail.create_date) / 2, SHORTEST), LONGEST)
        self._trigger_queue(sorted(set(self.mapped("scheduled_date"))))
        _logger.info("%s mails wait until %s at the earliest: %s",
                     len(self), min(self.mapped("scheduled_date")), refusal)
        # as superuser: as Odoo marks them itself
        self.env["mail.notification"].sudo().search([
            ("mail_mail_id", "in", self.ids), ("notification_status", "=", "exception"),
        ]).write({"notification_status": "ready", "failure_type": False, "failure_reason": False})
