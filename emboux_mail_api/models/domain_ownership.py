from odoo import api, models
from odoo.exceptions import UserError


class NoActiveKey(UserError):
    """The partner could not look after the domain."""

    http_status = 409


class DomainOwnership(models.Model):
    """Moving a domain to another customer."""

    _inherit = "emboux.domain"

    @api.private
    def _transfer(self, partner):
        """Give the domain to another customer, with its counter, in this transaction.

        :raises NoActiveKey: the partner has no key that opens.
        :raises QuotaReached: the partner has as many domains as he may.
        """
        self.ensure_one()
        self.check_access("write")
        if partner == self.partner_id:
            return
        # as superuser: who may move a domain need not see the keys
        keys = self.env["emboux.api.key"].sudo()
        if not keys.search_count(
            [("partner_id", "=", partner.id), ("role", "=", "customer"), ("state", "=", "active")],
            limit=1,
        ):
            raise NoActiveKey(
                self.env._(
                    "%s has no active API key, so nobody could look after the domain. Make one "
                    "first.",
                    partner.display_name,
                )
            )
        # as superuser: another customer's subdomains need not be the caller's to see
        strangers = self.sudo().child_ids.filtered(lambda d: d.partner_id != partner)
        if strangers:
            raise UserError(
                self.env._(
                    "%(name)s has subdomains of others, whose mail its owner could send: "
                    "%(children)s. Move or detach these first.",
                    name=self.display_name,
                    children=", ".join(strangers.mapped("display_name")),
                )
            )
        self.partner_id = partner
