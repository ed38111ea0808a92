# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import sys

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..transactions import forget_known, known_to_be

_KNOWN = "emboux known aliases"


class MailAliasDomain(models.Model):
    _inherit = "mail.alias.domain"

    @api.model
    def _find_aliases(self, email_list):
        """For mail that is pushed, ask once in a transaction: the gateway asks five times for each
        message, which is a fifth of its work."""
        if not self.env.context.get("emboux_push"):
            return super()._find_aliases(email_list)
        asked = [email for email in email_list if email and "@" in email]
        known = known_to_be(self.env, _KNOWN, asked, super()._find_aliases)
        return [email for email in asked if known[email]]

    @api.model_create_multi
    def create(self, vals_list):
        forget_known(self.env, _KNOWN)
        return super().create(vals_list)

    def write(self, vals):
        forget_known(self.env, _KNOWN)
        return super().write(vals)

    def unlink(self):
        forget_known(self.env, _KNOWN)
        return super().unlink()


class MailAlias(models.Model):
    """Odoo's aliases have their addresses at the platform where Odoo's mail is set up by it."""

    _inherit = "mail.alias"

    emboux_alias_id = fields.Many2one(
        "emboux.alias", "Email Alias", copy=False, readonly=True, ondelete="set null",
        index="btree_not_null", groups="base.group_system",
    )

    @api.model_create_multi
    def create(self, vals_list):
        aliases = super().create(vals_list)
        forget_known(self.env, _KNOWN)
        aliases._follow_emboux_setup()
        return aliases

    def write(self, vals):
        changed = {"alias_name", "alias_domain_id"} & set(vals)
        before = {alias: alias.alias_full_name for alias in self} if changed else {}
        done = super().write(vals)
        forget_known(self.env, _KNOWN)
        moved = self.filtered(lambda a: a in before and before[a] != a.alias_full_name)
        moved._leave_emboux_address()
        moved._follow_emboux_setup()
        return done

    def unlink(self):
        self._leave_emboux_address()
        forget_known(self.env, _KNOWN)
        return super().unlink()

    def _follow_emboux_setup(self):
        # as superuser: who makes a team need not manage mail
        named = self.sudo().filtered("alias_name")
        setups = self.env["emboux.odoo.mail"].sudo().search(
            [("alias_domain_id", "in", named.alias_domain_id.ids)]
        )
        for setup in setups:
            for alias in named.filtered(lambda a, s=setup: a.alias_domain_id == s.alias_domain_id):
                alias._take_emboux_address(setup)

    def _take_emboux_address(self, setup):
        """Make the address at the platform; refuse one that is somebody's."""
        self.ensure_one()
        # as superuser: see above
        self = self.sudo()
        there = self.env["emboux.address"]._holder(setup.domain_id, self.alias_full_name)
        if there:
            is_mailbox = there._name == "emboux.mailbox"
            raise UserError(
                self.env._(
                    "%(address)s is taken: it is the %(kind)s %(name)s. Choose another alias for "
                    "%(document)s, or delete that one first.",
                    address=self.alias_full_name,
                    kind=self.env._("mailbox") if is_mailbox else self.env._("alias"),
                    name=is_mailbox and there.name or there.display_name,
                    document=self._emboux_document() or self.display_name,
                )
            )
        self.emboux_alias_id = self.env["emboux.alias"].create(
            {"local_part": self.alias_name, "domain_id": setup.domain_id.id,
             "destinations": setup.mailbox_id.email}
        )

    def _leave_emboux_address(self):
        # as superuser: see above
        self.sudo().emboux_alias_id.unlink()

    def _alias_bounce_incoming_email(self, message, message_dict, set_invalid=True):
        """Not for what is done again anyway.

        Odoo calls this for whatever goes wrong with a new document, a meeting of two transactions
        included; then the alias would be marked and the sender told of a failure that is none.
        Mail that is pushed waits in the mail server's queue, or is returned by it.
        """
        error = sys.exc_info()[1]
        if isinstance(error, PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
            return None
        if set_invalid and self.env.context.get("emboux_push"):
            self.alias_status = "invalid"
            return None
        # in the name of the company that has the alias, not of whoever runs the gateway
        company = self.alias_domain_id.company_ids[:1] or self.env.company
        return super(MailAlias, self.with_company(company))._alias_bounce_incoming_email(
            message, message_dict, set_invalid)

    def _owner_document(self):
        """The record that has this alias, such as the sales team; empty if none.

        As superuser: whose it is may be asked of any alias.
        """
        self.ensure_one()
        model = self.sudo().alias_parent_model_id.model
        if not model or model not in self.env or not self.alias_parent_thread_id:
            return None
        return self.env[model].sudo().browse(self.alias_parent_thread_id).exists()

    def _emboux_document(self):
        owner = self._owner_document()
        return owner.display_name if owner else ""

    def _emboux_company(self):
        owner = self._owner_document()
        field = owner._mail_get_company_field() if owner else False
        return owner[field] if field else self.env["res.company"]
