from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors

from ..reserved_names import is_reserved


class DomainOffer(models.Model):
    """Names below the operator's wildcard parents, which customers pick."""

    _inherit = "emboux.domain"
    _audited_fields = ("reserved_names",)

    reserved_names = fields.Text(
        copy=False,
        help="Names below this wildcard parent that customers do not get, separated by commas: "
        "whoever has mail.example.com might pass for its operator. Empty is the usual ones, such "
        "as admin, mail and www.",
    )

    @api.model
    def _offered_parents(self):
        """The operator's verified wildcard parents on this platform, for customers to choose."""
        # as superuser: the operator's domains are not the customers' to see
        return self.sudo().search(
            [
                ("is_wildcard", "=", True), ("state", "=", "verified"),
                ("partner_id", "=", False), ("backend_id.kind", "=", "local"),
                ("company_id", "=", self.env.company.id),
            ]
        )

    def _free_name(self, label):
        """The full name of a free subdomain of this parent, normalised.

        :raises ValidationError: it is no name, reserved or taken; the sentence says which.
        """
        self.ensure_one()
        with plain_errors():
            name = addresses.normalise_domain(f"{(label or '').strip()}.{self.name}")
        first = name.removesuffix(f".{self.name}")
        if "." in first:
            raise ValidationError(self.env._("Choose a name without a dot: %s", label))
        self._assert_not_reserved(name)
        # as superuser: that a name is taken is all that is said
        if self.sudo().with_context(active_test=False).search_count(
            [("name", "=", name), ("backend_id", "=", self.backend_id.id),
             ("owned_since", "!=", False)], limit=1
        ):
            raise ValidationError(
                self.env._("%s is taken. Choose another name.", addresses.display_domain(name))
            )
        # as superuser: see above
        self.sudo()._assert_not_given_up(name, self.env.user.emboux_partner_id, self.name)
        return name

    def _assert_not_reserved(self, name):
        """Names of the operator's own hosts, and those that he keeps."""
        kept = {label.strip().lower() for label in (self.reserved_names or "").split(",")} - {""}
        label = name.removesuffix(f".{self.name}").split(".")[-1]
        backend = self.backend_id
        hosts = {backend.mail_host, backend.smtp_host, backend.imap_host,
                 backend.policy_host, urlsplit(backend.get_base_url()).hostname}
        if name in hosts or (label in kept if kept else is_reserved(label)):
            raise ValidationError(
                self.env._(
                    "%s is reserved. Choose another name.", addresses.display_domain(name)
                )
            )

    @api.constrains("parent_id", "partner_id")
    def _check_not_reserved(self):
        """By whichever way a customer's domain comes to be below a parent that is not his.

        By creation and import, registration, the parent's or the owner's change; the operator may
        have these names himself.
        """
        # as superuser: the parent may be the operator's
        for domain in self.sudo():
            parent = domain.parent_id
            if parent and domain.partner_id and domain.partner_id != parent.partner_id:
                parent._assert_not_reserved(domain.name)
