# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import email.parser
import logging
import time
import xmlrpc.client
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.mail import decode_message_header, email_normalize_all

from .. import addresses, dsn, message_id
from ..transactions import advisory_lock, in_own_transaction, own_transaction

_logger = logging.getLogger(__name__)

LOCK_SECONDS = 5  # for another copy of the same message to be filed
LOCK_PAUSE = 0.05
_ADDRESSES = ("From", "To", "Cc", "Delivered-To", "Resent-To", "Resent-Cc")  # as the gateway reads


def _is_automatic(message):
    """Whether a program sent it that wants no answer (RFC 3834; lists; the usual of before)."""
    if str(message.get("Auto-Submitted") or "no").strip().lower() != "no":
        return True
    if str(message.get("Return-Path") or "").strip() == "<>":
        return True
    precedence = str(message.get("Precedence") or "").strip().lower()
    return precedence in ("bulk", "junk", "list") or message.get("List-Id") is not None


class Undeliverable(Exception):
    """There is no place for a message; the sentence is for its sender."""


class InUse(Exception):
    """Another copy of the message is being filed."""


class MailThread(models.AbstractModel):
    """The gateway gets mail as it can read it (``dsn``, ``message_id``), also what is pushed."""

    _inherit = "mail.thread"

    @api.model
    def message_process(self, model, message, *args, **kwargs):
        raw = message.data if isinstance(message, xmlrpc.client.Binary) else message
        if isinstance(raw, str):
            raw = raw.encode()
        _number, raw = message_id.readable(raw)
        bounces = dsn.failures(raw)
        if bounces is None:
            return super().message_process(model, raw, *args, **kwargs)
        if not bounces:
            _logger.info("A report that tells of no failure is not for a document.")
        for bounce in bounces:
            super().message_process(model, bounce, *args, **kwargs)
        return False

    @api.model
    def _message_parse_extract_bounce(self, email_message, message_dict):
        """Of a recipient whose domain is internationalised Odoo knows the Unicode; mail servers
        report the A-labels (RFC 5891), or what ``dsn`` has translated to them."""
        values = super()._message_parse_extract_bounce(email_message, message_dict)
        address = values.get("bounced_email") or ""
        if "@" in address and not values["bounced_partner"]:
            shown = addresses.display_address(address)
            # as superuser: whoever runs the gateway, as in Odoo's own
            partners = self.env["res.partner"].sudo().search([("email_normalized", "=", shown)])
            if shown != address and partners:
                values |= {"bounced_email": shown, "bounced_partner": partners}
        return values

    @api.model
    def _message_route_process(self, message, message_dict, routes):
        """The answer to a company's message on a document of no company is that company's too.

        Odoo takes it for one of the company of whoever runs the gateway, by whose servers those who
        follow the document would then be told.
        """
        # as superuser: whoever runs the gateway
        parent = self.env["mail.message"].sudo().browse(message_dict.get("parent_id") or ())
        if parent.record_company_id and not self._companies_of_routes(routes):
            self = self.with_company(parent.record_company_id)
        return super()._message_route_process(message, message_dict, routes)

    @api.model
    def _companies_of_routes(self, routes):
        """Those of the documents that are there."""
        companies = self.env["res.company"]
        for model, number, *_rest in routes or ():
            # as superuser: see above
            document = self.env[model].sudo().browse(number or ()).exists()
            companies = companies.union(*document._mail_get_companies().values())
        return companies

    @api.model
    def _routing_create_bounce_email(self, email_from, body_html, message, **mail_values):
        """Not to robots, and not for ever (RFC 3834, section 2).

        Odoo brakes senders of whom it makes documents.  Whom it refuses, because an alias is not
        for everybody, it answers each time; and two that answer each other do not stop.
        """
        to = decode_message_header(message, "Return-Path") or email_from
        if _is_automatic(message) or self._has_answered_enough(to):
            _logger.info("No answer to %s: it may be a robot", to)
            return
        super()._routing_create_bounce_email(
            email_from, body_html, message,
            **{"auto_delete": False, "answers_gateway": True, **mail_values},
        )

    @api.model
    def _has_answered_enough(self, to):
        # as superuser: whoever runs the gateway
        read = self.env["ir.config_parameter"].sudo().get_param
        minutes = int(read("mail.gateway.loop.minutes", 120))
        most = int(read("mail.gateway.loop.threshold", 20))
        since = fields.Datetime.now() - timedelta(minutes=minutes)
        answers = self.env["mail.mail"].sudo().search_count(
            [("answers_gateway", "=", True), ("email_to", "=", to),
             ("create_date", ">", since)], limit=most)
        return answers >= most

    @api.model
    def _take_pushed(self, raw, hook=None):
        """File a message that a mail server hands over: once, however often it is handed over.

        Committed when this returns.

        :param raw: the message, as bytes.
        :param hook: the mailbox' id and the name of the call of a webhook that tells of it, which
            has no effect a second time: reports of failures are counted and not kept.
        :raises Undeliverable: there is no place for it.
        :raises InUse: a copy of it is being filed; try again.
        """
        number, raw = message_id.readable(raw)
        # the gateway asks for the Message-ID and then files: of two at once both would find none
        end = time.monotonic() + LOCK_SECONDS
        while True:
            with advisory_lock(self.env, f"emboux inbound {number}") as alone:
                if alone:
                    return in_own_transaction(self, "_file_pushed", raw, hook)
            if time.monotonic() > end:
                raise InUse
            time.sleep(LOCK_PAUSE)

    @api.model
    def _take_pushed_together(self, messages):
        """File these as ``_take_pushed`` does, in one transaction; returns whether all are.

        Most of what the gateway asks the database for one message it need not ask for the next. If
        anything is in the way, of one of them or of their transaction, nothing is filed.

        :param messages: each as bytes.
        """
        named = [message_id.readable(raw) for raw in messages]
        locks = [f"emboux inbound {number}" for number, _raw in named]
        try:
            with advisory_lock(self.env, *locks) as alone:
                if not alone:
                    return False
                with own_transaction(self) as own:
                    own._look_up_together([raw for _number, raw in named])
                    for _number, raw in named:
                        own._file_pushed(raw)
        except Exception as error:
            # each is filed by itself now, where it is said which of them it was, and why
            _logger.info("%s messages are filed one by one: %s", len(messages), error)
            return False
        return True

    @api.model
    def _look_up_together(self, messages):
        """Look up the addresses of all of these, which the gateway asks for one by one."""
        parse = email.parser.BytesHeaderParser().parsebytes
        heads = [parse(raw) for raw in messages]
        addresses = email_normalize_all(", ".join(
            str(value) for head in heads for name in _ADDRESSES for value in head.get_all(name, ())
        ))
        gateway = self.with_context(emboux_push=True)
        gateway.env["mail.alias.domain"]._find_aliases(addresses)
        gateway.env["res.partner"]._emboux_has(addresses)

    @api.model
    def _file_pushed(self, raw, hook=None):
        if hook and not self.env["emboux.mox.hook"]._take(*hook):
            return
        # what Odoo tells others of it leaves by the queue: whoever hands it over does not wait
        gateway = self.with_context(emboux_push=True, mail_notify_force_send=False)
        try:
            gateway.message_process(None, raw)
        except (UserError, ValueError) as error:
            # what the sender is told has nothing of what is behind
            _logger.warning("A message is refused: %s", error)
            raise Undeliverable("Odoo has no document for this message.") from error
