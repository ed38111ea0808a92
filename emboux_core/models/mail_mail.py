# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging
from datetime import UTC, datetime, timedelta

from odoo import api, fields, models
from odoo.tools.mail import email_normalize, email_normalize_all

from ..transactions import delete_in_batches

_logger = logging.getLogger(__name__)

BATCH = 10  # recipients from which on it is asked beforehand what may still be sent
WAIT = timedelta(hours=1)  # where nobody knows when there is room again


class MailMail(models.Model):
    """Mail of a company leaves by its own servers, with its own addresses, and within its limits.

    Odoo notes the company of what is posted on a document, and not of what a template sends, such
    as an invitation: whoever sends it later, a job of the main company for instance, would lend it
    their alias domain.  And any company's server may carry any mail whose sender fits.
    """

    _inherit = "mail.mail"

    waits_for_room = fields.Boolean(
        "Waiting for Room", readonly=True, index="btree_not_null",
        help="The domain has sent what it may for now, or its server is away. "
        "This mail leaves when there is room again.",
    )

    # kept for a while, so that they can be counted
    answers_gateway = fields.Boolean(readonly=True, index="btree_not_null")

    @api.autovacuum
    def _gc_gateway_answers(self):
        over = [("answers_gateway", "=", True), ("state", "in", ("sent", "cancel")),
                ("create_date", "<", fields.Datetime.now() - timedelta(days=2))]
        return delete_in_batches(self, over)

    @api.model_create_multi
    def create(self, vals_list):
        mails = super().create(vals_list)
        mails._note_company()
        if self.env.context.get("emboux_push"):
            self._send_queue_soon()
        return mails

    def _send_queue_soon(self):
        """Once for a transaction, however much mail is made in it."""
        made = self.env.cr.precommit.data
        if not made.get("emboux_send_queue_soon"):
            made["emboux_send_queue_soon"] = True
            self._trigger_queue()

    def _trigger_queue(self, at=None):
        """``at``: one or more moments (UTC, naive); None: now."""
        # as superuser: users send and run no jobs
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger(at)

    def _note_company(self):
        # as superuser: whose mail it is may be asked of any document
        unknown = self.sudo().filtered(lambda mail: not mail.record_company_id)
        if not unknown or not self.env["emboux.odoo.mail"].sudo().search_count([], limit=1):
            return
        here = self.env.company
        for model, mails in unknown.grouped("model").items():
            if model and hasattr(self.env[model], "_mail_get_companies"):
                documents = self.env[model].sudo().browse(mails.mapped("res_id")).exists()
                companies = documents._mail_get_companies(default=here)
                found = {mail: companies.get(mail.res_id) for mail in mails}
            else:
                found = mails._companies_of_recipients()
            for mail in mails:
                company = found.get(mail) or here
                mail.record_company_id = company
                mail.record_alias_domain_id = mail.record_alias_domain_id or company.alias_domain_id
                if company != here and email_normalize(mail.reply_to) == here.catchall_email:
                    mail.reply_to = mail.mail_message_id.with_company(company)._get_reply_to(
                        {"author_id": mail.author_id.id, "email_from": mail.email_from})

    def _companies_of_recipients(self):
        """{mail: company} of those to users of one company alone, such as a new password."""
        to = {
            mail: {*email_normalize_all(mail.email_to or ""),
                   *filter(None, mail.recipient_ids.mapped("email_normalized"))}
            for mail in self
        }
        # as superuser: see above
        users = self.env["res.users"].sudo().search(
            [("email_normalized", "in", sorted(set().union(*to.values())))])
        companies = {
            mail: users.filtered(lambda u, m=mail: u.email_normalized in to[m]).company_id
            for mail in self
        }
        return {mail: company for mail, company in companies.items() if len(company) == 1}

    def _split_by_mail_configuration(self):
        choosing = self.with_context(emboux_choosing_server=True)
        return super(MailMail, choosing)._split_by_mail_configuration()

    def _filter_mail_mail_servers(self, mail_servers):
        """Of the servers that Odoo may choose from: not another company's.

        One that somebody chose stays: Odoo raises for all mails of a batch where it is not allowed.
        """
        allowed = super()._filter_mail_mail_servers(mail_servers)
        if not self.env.context.get("emboux_choosing_server"):
            return allowed
        # as superuser: whose mailbox a server uses is nothing that may be hidden from its mail
        companies = self.sudo().record_company_id or self.env.company
        return allowed.filtered(
            lambda server: not server.sudo().emboux_mailbox_id
            or companies == server.sudo().emboux_mailbox_id.company_id
        )

    # -- within what the domain may still send ------------------------------------------------

    def send(self, auto_commit=False, raise_exception=False, post_send_callback=None):
        if self.env.context.get("emboux_push"):
            # an answer to a message that is not committed yet could be sent twice
            self._send_queue_soon()
            return True
        ready = self._within_room()
        if post_send_callback and ready != self:
            post_send_callback((self - ready).ids)
        return super(MailMail, ready).send(
            auto_commit=auto_commit, raise_exception=raise_exception,
            post_send_callback=post_send_callback,
        )

    def _within_room(self):
        """Those that may leave now; the others stay in the queue until there is room.

        One question for each mailbox and batch, instead of a refusal for each mail.
        """
        if self._count_recipients() < BATCH:
            return self
        by_mailbox = {}
        for server_id, _alias_domain, _sender, ids in self._split_by_mail_configuration():
            # as superuser: users send and read no mail servers
            server = self.env["ir.mail_server"].sudo().browse(server_id or ())
            if server.emboux_mailbox_id:
                by_mailbox.setdefault(server.emboux_mailbox_id, []).extend(ids)
        waiting = self.browse()
        for mailbox, ids in by_mailbox.items():
            waiting |= self.browse(ids)._beyond_room(mailbox._room_to_send())
        return self - waiting

    def _count_recipients(self):
        return sum(mail._number_of_recipients() for mail in self)

    def _number_of_recipients(self):
        addresses = email_normalize_all(f"{self.email_to or ''},{self.email_cc or ''}")
        return len(self.recipient_ids) + len(addresses) or 1

    def _beyond_room(self, room):
        """Put off what is too much, the newest first; returns it."""
        if room is None or self._count_recipients() <= room.left:
            self.filtered("waits_for_room").waits_for_room = False
            return self.browse()
        left, late = room.left, self.browse()
        for mail in self.sorted(lambda mail: (mail.create_date, mail.id)):
            count = mail._number_of_recipients()
            # what is more than a whole day's would wait for ever: it goes, as far as it may
            if count <= left or (left and room.per_day and count > room.per_day):
                left = max(left - count, 0)
            else:
                late |= mail
        if late:
            again = (room.again or datetime.now(UTC) + WAIT).astimezone(UTC).replace(tzinfo=None)
            late.write({"scheduled_date": again, "waits_for_room": True})
            self._trigger_queue(again)
            _logger.info("%s mails wait until %s: %s may leave now", len(late), again, room.left)
        (self - late).filtered("waits_for_room").waits_for_room = False
        return late
