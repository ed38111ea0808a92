# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models

from .customer import QuotaReached


class AddressReach(models.AbstractModel):
    """How far an address may expand: the domain's limits for it."""

    _inherit = "emboux.address.mixin"

    def _assert_reach(self):
        """Refuse an expansion beyond the domain's limits; the policy checks it again, for older
        aliases and for what others have changed since."""
        if not self:
            return
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT place, fate, why FROM emboux_mail.expand(%s, true)
                WHERE fate IN ('many', 'deep') LIMIT 1""",
            [self.mapped("email")],
        )
        for place, fate, limit in self.env.cr.fetchall():
            name = self[place - 1].display_name
            raise QuotaReached(
                self.env._(
                    "%(address)s would lead to more than %(limit)s addresses outside, which is the "
                    "limit. Send to some of them apart, or ask for more.", address=name,
                    limit=limit,
                ) if fate == "many" else self.env._(
                    "Mail for %(address)s would pass through more than %(limit)s aliases, which is "
                    "the limit. Point it at the mailboxes directly.", address=name, limit=limit,
                )
            )
