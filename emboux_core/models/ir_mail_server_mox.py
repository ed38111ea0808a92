# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models

from ..backends.mox_session import MoxSession, fit_for_smtp


class MailServer(models.Model):
    """Servers on mox: by SMTP what is sent says to whom, because mox's events do not; by its HTTP
    API where that is wished."""

    _inherit = "ir.mail_server"

    def _mox_mailbox(self):
        """The mailbox on mox through which this sends, or none."""
        # as superuser: users send and read neither mail servers nor mailboxes
        server, mailboxes = self.sudo(), self.env["emboux.mailbox"].sudo()
        mailbox = server.emboux_mailbox_id
        if not mailbox and server.emboux_personal:
            mailbox = mailboxes.search([("email", "=", server.smtp_user)], limit=1)
        return mailbox if mailbox.on_mox else mailboxes

    def test_smtp_connection(self, autodetect_max_email_size=False):
        # the test speaks SMTP
        return super(MailServer, self.with_context(emboux_by_smtp=True)).test_smtp_connection(
            autodetect_max_email_size)

    def _connect__(  # noqa: PLW3201 - Odoo's name
        self, host=None, *args, smtp_from=None, mail_server_id=None, allow_archived=False, **kwargs
    ):
        def by_smtp():
            return connect(
                host, *args, smtp_from=smtp_from, mail_server_id=mail_server_id,
                allow_archived=allow_archived, **kwargs)

        connect = super()._connect__
        if self._disable_send():
            return by_smtp()
        # as superuser: as Odoo looks for the server itself
        server, sender = self.sudo().browse(mail_server_id or ()), smtp_from
        if not server and not host:
            server, sender = self.sudo()._find_mail_server(smtp_from)
        mailbox = server._mox_mailbox() if server else self.env["emboux.mailbox"]
        if not mailbox or not mailbox.mox_by_webapi or self.env.context.get("emboux_by_smtp"):
            session = by_smtp()
            if mailbox:
                session.emboux_mox = True
            return session
        if mail_server_id:
            self._check_forced_mail_server(server, allow_archived, smtp_from)
        return MoxSession(mailbox._mox_webapi(), server.from_filter, sender, by_smtp)

    @api.model
    def _prepare_email_message__(self, message, smtp_session):  # noqa: PLW3201 - Odoo's name
        smtp_from, recipients, message = super()._prepare_email_message__(message, smtp_session)
        if getattr(smtp_session, "emboux_mox", False):
            fit_for_smtp(message, recipients)
        return smtp_from, recipients, message
