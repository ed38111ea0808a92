# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import email.utils
import logging
import re
from datetime import UTC, datetime, timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.net import signature

from ..sending import returned

_logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"bounce\+([a-z2-7]{26})@([a-z0-9.-]+)")
STATUS = {"bounced": "bounced", "complained": "complained", "arrived": None, "delayed": None}
REASONS = {"bounced": "bounce", "complained": "complaint"}  # for which a recipient is suppressed
BY_HTTP = "HTTP"  # the client of what was sent so
#: A report may come back before the reader of the logs has told of its message: it waits with
#: Postfix until the log has been read so much further than when it came, but not for ever.
READ_ON, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
WAIT = 503, "The log of its message has not been read yet."


class MessageReturn(models.Model):
    """What comes back to the envelope sender that one message has for itself.

    What was sent by HTTP has one for each recipient.  A message by SMTP, of a mailbox that has it
    so, has one for all of them: whom it is about the report has to say, and where it does not, each
    recipient's story says so, and nothing follows from it.
    """

    _inherit = "emboux.message"

    @api.model
    @api.private
    def _is_from_inbound(self, headers, body):
        """Whether the daemon that takes such mail has signed this."""
        # as superuser: system parameters are administrators' alone
        secret = self.env["ir.config_parameter"].sudo().get_param("emboux_mail_api.returns_secret")
        return bool(secret) and signature.is_signed(secret, headers, body)

    @api.model
    @api.private
    def _take_returned(self, raw):
        """Write down what it says in the message that it is about; what is about none is dropped.

        As superuser: it is nobody's request.
        :returns: status and sentence of the answer to the daemon, or None once it is done with.
        :param raw: with Return-Path and Delivered-To, as the daemon puts them on top.
        """
        head = raw[:4000].decode("utf-8", "replace")
        to = re.search(r"(?im)^Delivered-To: <?([^>\s]+)>?\r?$", head)
        found = to and _ADDRESS.fullmatch(to[1].lower())
        rows = self._rows_of_tag(found[1]) if found else []
        if not rows:
            if found and self._may_be_unread(head):
                return WAIT
            _logger.info("a report about no message that is known: %s", to[1] if to else "")
            return None
        sender = re.search(r"(?im)^Return-Path: <?([^>\s]*)>?\r?$", head)
        reports = returned.read(raw, sender[1] if sender else "")
        if rows[0]["client"] == BY_HTTP:
            self._note_returned(rows[0], reports[0])
            return None
        meant = [(said, _named(rows, said)) for said in reports]
        if not all(named for _said, named in meant) and self._may_be_unread(head):
            return WAIT  # it may be about one of whom nothing is known yet
        self._note_each(rows, meant)
        return None

    def _rows_of_tag(self, tag):
        self.env.cr.execute(
            """SELECT id, expires, client, recipient, original_recipient, domain_id
                 FROM emboux_mail.message WHERE from_id = %s
                ORDER BY client <> %s, id""", [tag, BY_HTTP])
        return self.env.cr.dictfetchall()

    def _may_be_unread(self, head):
        """Whether the message that came back may have rows that are still to be written."""
        # the first one is our Postfix' own
        received = re.search(r"(?im)^Received:[^\n]*(?:\n[ \t][^\n]*)*", head)
        date = received and email.utils.parsedate_tz(received[0].rpartition(";")[2])
        if not date:
            return False
        came = datetime.fromtimestamp(email.utils.mktime_tz(date), UTC).replace(tzinfo=None)
        if came < fields.Datetime.now() - LONGEST_WAIT:
            return False
        self.env.cr.execute(
            """SELECT EXISTS (SELECT FROM emboux_mail.log_position GROUP BY host
                              HAVING max(read_at AT TIME ZONE 'UTC') < %s)""", [came + READ_ON])
        return self.env.cr.fetchone()[0]

    def _note_each(self, rows, meant):
        """``meant``: [(what a report says, the rows that it names)]."""
        if len(rows) == 1:
            said = next((said for said, named in meant if named), meant[0][0])
            self._note_returned(rows[0], said)
            return
        sure = [named[0]["id"] for _said, named in meant if len(named) == 1]
        for said, named in meant:
            if len(named) == 1:
                self._note_returned(named[0], said)
                continue
            for row in named or [row for row in rows if row["id"] not in sure]:
                self._note_unnamed(row, said)

    def _note_unnamed(self, row, said):
        """It is about one of several, and says not which."""
        self._add_event(row, None, {
            "kind": "returned", "what": said.kind, "by": said.by,
            "text": " ".join(filter(None, (said.dsn, said.text)))}, is_answer=False)

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


def _named(rows, said):
    """The rows that a report names; of an alias that leads to several there may be several."""
    for column in ("recipient", "original_recipient"):
        for names in said.names:
            if found := [row for row in rows if row[column] in names]:
                return found
    return []
