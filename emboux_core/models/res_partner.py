# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models
from odoo.tools.mail import parse_contact_from_email

from ..transactions import forget_known, known_to_be

_KNOWN = "emboux known contacts"


class ResPartner(models.Model):
    _inherit = "res.partner"

    @api.model
    def _find_or_create_from_emails(self, emails, *args, **options):
        """For mail that is pushed, ask once in a transaction whether anybody has an address: the
        gateway asks four times for each message, by whom and to whom it is."""
        if options.get("no_create") and self.env.context.get("emboux_push"):
            addresses = [parse_contact_from_email(email)[1] for email in emails]
            if all(addresses) and not self._emboux_has(addresses):
                return [self.browse() for _email in emails]
        return super()._find_or_create_from_emails(emails, *args, **options)

    @api.model
    def _emboux_has(self, addresses):
        """Whether any contact, archived ones and those of others too, has one of these addresses.

        ``addresses``: normalized.
        """
        # as superuser: what somebody does not see is asked for as well
        everybody = self.sudo().with_context(active_test=False)

        def ask(unknown):
            groups = everybody._read_group(
                [("email_normalized", "in", unknown)], ["email_normalized"])
            return [address for [address] in groups]

        return any(known_to_be(self.env, _KNOWN, addresses, ask).values())

    @api.model_create_multi
    def create(self, vals_list):
        forget_known(self.env, _KNOWN)
        return super().create(vals_list)

    def write(self, vals):
        if "email" in vals:
            forget_known(self.env, _KNOWN)
        return super().write(vals)
