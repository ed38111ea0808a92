# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re
from datetime import date

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors

from .mail_route import ForwardRoutes, LoopError, MissingError, forget_forwards

MAX_FORWARDS = 10  # sieve_max_redirects in Dovecot's configuration
MAX_SUBJECT_LENGTH = 200
MAX_TEXT_LENGTH = 10_000
MAX_DAYS = 60
_BROKEN = re.compile("[\x00-\x1f\x7f\u2028\u2029]")  # more than one line, or none at all
FORWARD = ("forward_to", "forward_keep")
VACATION = (
    "vacation_on", "vacation_subject", "vacation_text", "vacation_from", "vacation_until",
    "vacation_days",
)


class MailboxRules(models.Model):
    """Forwarding and the reply while somebody is away; a webhook that is told of the mail instead.

    The view ``emboux_mail.sieve`` renders them into the script that Dovecot runs at delivery, so
    that they hold from the commit on.  A script that the mailbox's user has put there, by
    ManageSieve, runs after them.
    """

    _inherit = "emboux.mailbox"
    _customer_fields = frozenset({*FORWARD, *VACATION, "webhook_id"})
    _audited_fields = (*FORWARD, "vacation_on", "vacation_from", "vacation_until", "webhook_id")

    backend_kind = fields.Selection(related="domain_id.backend_id.kind", string="Kind of Server")
    forward_to = fields.Text(
        tracking=True, copy=False,
        help="Where a copy of each message goes: one address on each line.",
    )
    forward_keep = fields.Boolean(
        "Keep a Copy", default=True, tracking=True,
        help="Forwarded mail also stays in this mailbox.",
    )
    vacation_on = fields.Boolean(
        "Out of Office", tracking=True, copy=False,
        help="Whoever writes to this mailbox gets a reply; mailing lists and automatic mail do "
        "not.",
    )
    vacation_subject = fields.Char("Subject of the Reply", help="Empty: “Auto: …” with theirs.")
    vacation_text = fields.Text("Reply")
    vacation_from = fields.Date("From", help="The first day; empty: at once.")
    vacation_until = fields.Date("Until", help="The last day; empty: until it is switched off.")
    vacation_days = fields.Integer(
        "Reply Again After (days)", default=7,
        help="A person who writes several times gets one reply in so many days.",
    )

    _forwards_index = models.Index("(domain_id) WHERE forward_to IS NOT NULL")

    @api.model
    def _complete_values(self, vals):
        vals = super()._complete_values(vals)
        if "forward_to" in vals:
            typed = (vals["forward_to"] or "").strip()
            with plain_errors():
                vals["forward_to"] = (
                    "\n".join(addresses.parse_destinations(typed)) if typed else False
                )
            forget_forwards(self.env)
        if vals.get("vacation_text"):
            vals["vacation_text"] = "\n".join(vals["vacation_text"].splitlines()).strip()
        return vals

    def _forward_list(self):
        self.ensure_one()
        return tuple(self.forward_to.split("\n")) if self.forward_to else ()

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

    @api.constrains("forward_to", "vacation_on", "domain_id")
    def _check_rules_are_local(self):
        for mailbox in self:
            used = mailbox.forward_to or mailbox.vacation_on
            # as superuser: what kind of backend it is may be asked for anybody's mailbox
            if used and mailbox.sudo().backend_id.kind != "local":
                raise UserError(
                    self.env._(
                        "%s is on a server that this Odoo does not run: set forwarding and "
                        "out-of-office replies there.",
                        mailbox.display_name,
                    )
                )

    @api.constrains("forward_to", "vacation_on", "push_secret")
    def _check_rules_are_not_odoos(self):
        ruled = self.filtered(lambda box: box.forward_to or box.vacation_on)
        for mailbox in self._taken_by_odoo(ruled.mapped("email")) if ruled else ():
            raise UserError(
                self.env._(
                    "%s is a mailbox whose mail Odoo takes: it neither forwards nor replies, else "
                    "Odoo and it would answer each other.",
                    mailbox.display_name,
                )
            )

    @api.constrains("forward_to", "active")
    def _check_forwards(self):
        for mailbox in self.filtered("forward_to"):
            targets = mailbox._forward_list()
            if len(targets) > MAX_FORWARDS:
                raise ValidationError(
                    self.env._(
                        "%(mailbox)s forwards to %(count)s addresses; %(limit)s are possible. "
                        "Create an alias for more.",
                        mailbox=mailbox.display_name,
                        count=len(targets),
                        limit=MAX_FORWARDS,
                    )
                )
            mailbox._assert_forwards_arrive(targets)

    def _assert_forwards_arrive(self, targets):
        routes = ForwardRoutes(self.env, self.domain_id)
        try:
            routes.assert_no_way_back(self.email, targets)
        except LoopError as error:
            raise ValidationError(
                self.env._(
                    "%(mailbox)s cannot forward to %(address)s: that mail would come back to it.",
                    mailbox=self.display_name,
                    address=addresses.display_address(error.by),
                )
            ) from error
        except MissingError as error:
            raise ValidationError(
                self.env._(
                    "%(mailbox)s cannot forward to %(address)s, which does not exist. Make that "
                    "mailbox first, or correct the address.",
                    mailbox=self.display_name,
                    address=addresses.display_address(error.address),
                )
            ) from error
        self._assert_no_catch_all_of_odoo(self._taken_by_odoo(routes.passed), routes)

    @api.constrains(*VACATION)
    def _check_vacation(self):
        for mailbox in self:
            if fault := mailbox._vacation_fault():
                raise ValidationError(
                    self.env._(
                        "%(mailbox)s: %(fault)s", mailbox=mailbox.display_name, fault=fault
                    )
                )

    def _vacation_fault(self):
        """The error in the reply, as a sentence; empty if there is none."""
        subject, text = self.vacation_subject or "", self.vacation_text or ""
        if self.vacation_on and not text:
            return self.env._("Write the reply, or switch “Out of Office” off.")
        if len(text) > MAX_TEXT_LENGTH or len(subject) > MAX_SUBJECT_LENGTH:
            return self.env._(
                "The reply can have %(text)s letters, its subject %(subject)s.",
                text=MAX_TEXT_LENGTH,
                subject=MAX_SUBJECT_LENGTH,
            )
        if _BROKEN.search(subject):
            return self.env._("The subject of the reply has to be one line of text.")
        if self.vacation_from and self.vacation_until and self.vacation_until < self.vacation_from:
            return self.env._("The last day of the reply is before the first one.")
        for day in filter(None, (self.vacation_from, self.vacation_until)):
            if not date(2000, 1, 1) <= day <= date(2999, 12, 31):
                return self.env._("The days of the reply have to be between 2000 and 2999.")
        if not 1 <= self.vacation_days <= MAX_DAYS:
            return self.env._("A reply can be repeated after 1 to %s days.", MAX_DAYS)
        return ""
