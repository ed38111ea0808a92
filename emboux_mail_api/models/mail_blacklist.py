# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models
from odoo.tools import email_normalize

from odoo.addons.emboux_core.addresses import display_address

from ..settings import SUPPRESSION_BLACKLIST
from .suppression import NO_MIRROR


class MailBlacklist(models.Model):
    """Odoo's blacklist and the suppressed recipients as one list, where that is set.

    Entries for everybody without an expiry are on both; a customer's own entry does not concern
    this Odoo's mailings, and the blacklist has no expiry.
    """

    _inherit = "mail.blacklist"

    @api.model_create_multi
    def create(self, vals_list):
        entries = super().create(vals_list)
        entries.filtered("active")._emboux_suppress()
        return entries

    def write(self, vals):
        if not {"email", "active"} & set(vals):
            return super().write(vals)
        before = set(self.filtered("active").mapped("email"))
        done = super().write(vals)
        active = self.filtered("active")
        self._emboux_unsuppress(before - set(active.mapped("email")))
        active._emboux_suppress()
        return done

    def unlink(self):
        emails = set(self.filtered("active").mapped("email"))
        done = super().unlink()
        self._emboux_unsuppress(emails)
        return done

    def _emboux_suppress(self):
        if self and self._emboux_mirrors():
            self._emboux_suppressions()._from_blacklist(self.mapped("email"))

    def _emboux_unsuppress(self, emails):
        if emails and self._emboux_mirrors():
            self._emboux_suppressions()._from_blacklist_removed(emails)

    def _emboux_mirrors(self):
        return not self.env.context.get(NO_MIRROR) and SUPPRESSION_BLACKLIST.read(self.env)

    def _emboux_suppressions(self):
        # as superuser: it is kept along with this list, by whoever may change this one
        return self.env["emboux.suppression"].sudo().with_context(**{NO_MIRROR: True})

    @api.private
    def _emboux_blacklist(self, emails):
        """Blacklist addresses, also those that were removed before."""
        # addresses that Odoo considers invalid are on the other list only
        emails = [email for email in emails if email_normalize(email)]
        known = self.with_context(active_test=False).search([("email", "in", emails)])
        known.filtered(lambda entry: not entry.active).action_unarchive()
        there = set(known.mapped("email"))
        # without a note in the chatter of each: the audit trail of the other list has it
        self.with_context(tracking_disable=True).create(
            [{"email": email} for email in emails if email not in there]
        )

    @api.private
    def _emboux_unblacklist(self, emails):
        # Odoo keeps international names as they were typed
        written = {*emails, *map(display_address, emails)}
        self.search([("email", "in", list(written))]).action_archive()
