# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

MAX_KEYS = 20  # active keys that customers make for themselves
_SHOWN = 100


class ApiKey(models.Model):
    """Customers' own keys, which they make and revoke in the portal."""

    _inherit = "emboux.api.key"

    @api.model
    @api.private
    def _for_current_user(self, number=None):
        """The keys of the customer whom the user looks after, or one of them."""
        partner = self.env.user.emboux_partner_id
        if not partner:
            return self.browse()
        wanted = [("partner_id", "=", partner.id), ("role", "=", "customer")]
        if number is not None:
            wanted.append(("id", "=", number))
        # as superuser: keys are the operator's records, and these are known to be the customer's
        return self.sudo().search(wanted, limit=_SHOWN)

    @api.model
    @api.private
    def _make_own(self, name, area, read_only, networks, days, test=False):
        """Make a key of the user's customer; returns it and its secret.

        :param test: mail that it sends does not leave.
        :param days: how long it is valid; 0 is without an end.
        """
        partner = self.env.user.emboux_partner_id
        partner.ensure_one()
        # of two at once the second starts over and counts the first one's
        self.env["emboux.customer"]._for_current_user()._force_conflict()
        active = self._for_current_user().filtered(lambda key: key.state == "active")
        if len(active) >= MAX_KEYS:
            raise UserError(
                self.env._(
                    "You have %s active keys. Revoke one that is not used any more.", MAX_KEYS
                )
            )
        # as superuser: technical users are the platform's to make; the partner is the user's own
        return self.sudo()._make(
            {
                "name": name, "partner_id": partner.id, "area": area, "read_only": read_only,
                "networks": networks or False, "test": test,
                "expires_at": fields.Datetime.now() + timedelta(days=days) if days else False,
            }
        )
