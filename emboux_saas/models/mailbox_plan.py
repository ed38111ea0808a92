# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, models

from odoo.addons.emboux_mail_api.models.customer import QuotaReached


class MailboxPlan(models.Model):
    """What a mailbox gets from its customer's plan, and what the customer is told of it.

    The quotas of customers' mailboxes together stay within their storage.  Customers keep to their
    plan; the operator may give more.
    """

    _inherit = "emboux.mailbox"

    def _on_created(self, found):
        super()._on_created(found)
        self._assert_storage_suffices()

    def _on_written(self, vals, quotas):
        super()._on_written(vals, quotas)
        # whoever is above their storage, since their plan has less, may give it back in steps
        self.filtered(
            lambda m: m in quotas and (not m.quota_mb or m.quota_mb > quotas[m] > 0)
        )._assert_storage_suffices()

    def _assert_storage_suffices(self):
        partner = self.env.user.emboux_partner_id
        if not self or self.env.su or not partner:
            return
        customer = self.env["emboux.customer"]._for_partner(partner)
        limit = customer.storage_limit_mb
        if not limit:
            return
        customer._force_conflict()
        found = customer._count_mailboxes().get(partner.id, {})
        if any(not mailbox.quota_mb for mailbox in self):
            raise QuotaReached(
                self.env._(
                    "A mailbox without limit does not fit into your storage of %(limit)s MB. Give "
                    "it a quota.",
                    limit=limit,
                )
            )
        over = found.get("granted", 0) - limit
        if over > 0:
            raise QuotaReached(
                self.env._(
                    "The storage of %(limit)s MB is used up: the quotas of all mailboxes would be "
                    "%(over)s MB more. Choose smaller ones, delete a mailbox, or ask for more.",
                    limit=limit,
                    over=over,
                )
            )

    @api.model
    @api.private
    def _usual_quota(self):
        """What a new mailbox of the user's customer gets, in MB."""
        limit = self.env["emboux.customer"]._for_current_user().mailbox_quota_limit_mb
        usual = self.env.ref("emboux_mail_api.backend_local").default_quota_mb
        return min(usual or limit, limit) if limit else usual

    def _warn_storage(self, percent):
        # as superuser: its owner is told, whoever's change it was
        domain = self.sudo().domain_id
        if not domain._customer():
            return super()._warn_storage(percent)
        return domain._notify_owner(f"storage_{percent}", {"mailbox": self})
