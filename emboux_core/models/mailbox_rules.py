# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re
from datetime import date

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .. import addresses
from ..backends.base import MailboxRules as Rules
from .errors import plain_errors
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
    """Forwarding, and the reply while somebody is away, where the platform can (``has_rules``)."""

    _inherit = "emboux.mailbox"
    _provisioned_fields = frozenset({*FORWARD, *VACATION})
    _system_fields = frozenset({"rules_set"})

    # what was set elsewhere, such as in the platform's own portal, stays until it is set here
    rules_set = fields.Boolean(readonly=True, copy=False)
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

    def _prepare_write(self, vals):
        left = super()._prepare_write(vals)
        if not {*FORWARD, *VACATION}.isdisjoint(vals):
            # as superuser: it follows from what is set
            new = self.sudo().filtered(lambda box: not box.rules_set and box.backend_id.is_remote)
            new.rules_set = True
        return left

    def _forward_list(self):
        self.ensure_one()
        return tuple(self.forward_to.split("\n")) if self.forward_to else ()

    @api.constrains("forward_to", "vacation_on", "domain_id")
    def _check_rules_are_possible(self):
        for mailbox in self.filtered(lambda box: box.forward_to or box.vacation_on):
            if not mailbox.has_rules:
                raise UserError(
                    self.env._(
                        "%s is on a server that neither forwards nor replies at Odoo's request: "
                        "set forwarding and out-of-office replies there.",
                        mailbox.display_name,
                    )
                )

    @api.constrains("forward_to", "vacation_on", "push_secret")
    def _check_rules_are_not_odoos(self):
        ruled = self.filtered(lambda box: box.forward_to or box.vacation_on)
        for mailbox in ruled._taken_by_odoo():
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
        self._assert_no_catch_all_of_odoo(routes.mailboxes._taken_by_odoo(), routes)

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

    def _rules(self):
        """What its platform is told; None: nothing was ever set here, or it does neither."""
        given = self.rules_set or self.forward_to or self.vacation_on
        return self._rules_here() if given and self.has_rules else None

    def _rules_here(self):
        """As they are set here."""
        return Rules(
            forward_to=self._forward_list(),
            forward_keep=self.forward_keep,
            vacation_on=self.vacation_on,
            vacation_subject=self.vacation_subject or "",
            vacation_text=self.vacation_text or "",
            vacation_from=self.vacation_from or None,
            vacation_until=self.vacation_until or None,
            vacation_days=self.vacation_days,
        )

    @api.model
    def _values_of_rules(self, rules):
        """The fields of what a platform says."""
        values = {name: getattr(rules, name) or False for name in (*FORWARD, *VACATION)}
        return values | {"forward_to": "\n".join(rules.forward_to) or False}
