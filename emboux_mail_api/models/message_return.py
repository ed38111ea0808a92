# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
import re

from odoo import api, models

from odoo.addons.emboux_core.net import push

from ..sending import returned

_logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"bounce\+([a-z2-7]{26})@([a-z0-9.-]+)")
STATUS = {"bounced": "bounced", "complained": "complained", "arrived": None, "delayed": None}
REASONS = {"bounced": "bounce", "complained": "complaint"}  # for which a recipient is suppressed


class MessageReturn(models.Model):
    """What comes back to the envelope sender of a message that was sent by HTTP."""

    _inherit = "emboux.message"

    @api.model
    @api.private
    def _is_from_inbound(self, headers, body):
        """Whether the daemon that takes such mail has signed this."""
        # as superuser: system parameters are administrators' alone
        secret = self.env["ir.config_parameter"].sudo().get_param("emboux_mail_api.returns_secret")
        return bool(secret) and push.is_signed(secret, headers, body)

    @api.model
    @api.private
    def _take_returned(self, raw):
        """Write down what it says in the message that it is about; what is about none is dropped.

        As superuser: it is nobody's request.
        :param raw: with Return-Path and Delivered-To, as the daemon puts them on top.
        """
        head = raw[:4000].decode("utf-8", "replace")
        to = re.search(r"(?im)^Delivered-To: <?([^>\s]+)>?\r?$", head)
        found = to and _ADDRESS.fullmatch(to[1].lower())
        self.env.cr.execute(
            "SELECT id, expires, recipient, domain_id FROM emboux_mail.message WHERE from_id = %s",
            [found[1] if found else ""])
        row = found and self.env.cr.dictfetchone()
        if not row:
            _logger.info("a report about no message that is known: %s", to[1] if to else "")
            return
        sender = re.search(r"(?im)^Return-Path: <?([^>\s]*)>?\r?$", head)
        said = returned.read(raw, sender[1] if sender else "")
        self._note_returned(row, said)

    def _note_returned(self, row, said):
        self.env.cr.execute(
            "SELECT status FROM emboux_mail.message WHERE id = %s AND expires = %s FOR UPDATE",
            [row["id"], row["expires"]])
        [status] = self.env.cr.fetchone()
        new = STATUS.get(said.kind)
        self.env.cr.execute("SELECT emboux_mail.status_rank(%s) >= emboux_mail.status_rank(%s)",
                            [new, status])
        [gives_way] = self.env.cr.fetchone()
        self._add_event(row, new if gives_way and new else status, {
            "kind": said.kind, "by": said.by, "dsn": said.dsn, "code": said.code,
            "text": said.text})
        self._suppress_returned(row, said)

    def _suppress_returned(self, row, said):
        """As after a provider's report: who does not exist, or complained, gets no more mail."""
        domain = self.env["emboux.domain"].browse(row["domain_id"] or 0).exists()
        reason = REASONS.get(said.kind)
        if not domain or not reason or reason == "bounce" and not said.dsn.startswith("5.1."):
            return
        settings = self.env["emboux.reputation"]._settings()
        partner = domain.partner_id
        if settings.for_everybody:
            partner = partner.browse()
        self.env["emboux.suppression"].with_company(domain.company_id)._suppress(
            row["recipient"], partner, reason, self.env._("A report that came back"), said.text)
