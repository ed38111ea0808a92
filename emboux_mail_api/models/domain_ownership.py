from odoo import api, models
from odoo.exceptions import UserError


class NoActiveKey(UserError):
    """The partner could not look after the domain."""

    http_status = 409


class DomainOwnership(models.Model):
    """Moving a domain to another customer, and under another parent."""

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

    @api.private
    def _set_parent(self, parent, wildcard):
        """Put the domain under a wildcard parent (or none), and say whether it is one itself."""
        self.ensure_one()
        self.check_access("write")
        if parent:
            self._assert_fits_under(parent)
        if parent != self.parent_id:
            values = {"parent_id": parent.id}
            if parent:
                values |= {"state": "verified"} if self.state != "suspended" else {
                    "state_before": "verified"
                }
            else:
                # nothing proves it any more: neither the name nor the right to its mail
                values |= {"owned_since": False}
                values |= {"state": "pending"} if self.state != "suspended" else {
                    "state_before": "pending"
                }
            # as superuser: the parent decides about verification, so it is nobody's to write
            self.sudo().write(values)
        if wildcard != self.is_wildcard:
            self.is_wildcard = wildcard

    def _assert_fits_under(self, parent):
        if not self.name.endswith(f".{parent.name}"):
            raise UserError(
                self.env._(
                    "%(name)s is not below %(parent)s.",
                    name=self.display_name,
                    parent=parent.display_name,
                )
            )
        if not parent.is_wildcard or parent.state != "verified":
            raise UserError(
                self.env._(
                    "%s is not a verified wildcard parent.", parent.display_name
                )
            )
        if parent.backend_id != self.backend_id or parent.company_id != self.company_id:
            raise UserError(self.env._("%s is on another backend.", parent.display_name))
