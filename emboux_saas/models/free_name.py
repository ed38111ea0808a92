"""Names under the operator's wildcard parents, which customers take for themselves."""

from odoo import api, models
from odoo.exceptions import ValidationError

from odoo.addons.emboux_core import addresses

#: Names that say who runs the parent, or that its own services need.
RESERVED = frozenset(
    {
        "abuse", "admin", "administrator", "api", "autoconfig", "autodiscover", "dns", "email",
        "ftp", "hostmaster", "imap", "mail", "mailer-daemon", "mta-sts", "mx", "noc", "ns",
        "ns1", "ns2", "pop", "pop3", "postmaster", "root", "security", "smtp", "ssl", "staff",
        "status", "support", "webmail", "webmaster", "www",
    }
)


class Domain(models.Model):
    _inherit = "emboux.domain"

    @api.model
    @api.private
    def _offered_parents(self):
        """The operator's wildcard parents, which everybody may take a name under."""
        # as superuser: they are the operator's, their names are what is offered
        return self.sudo().search(
            [("is_wildcard", "=", True), ("state", "=", "verified"), ("partner_id", "=", False),
             ("backend_id.kind", "=", "local")],
            limit=100,
        )

    @api.model
    @api.private
    def _name_under(self, parent, label):
        """The whole name, when a customer may have it.

        :raises AddressError: it is no name; :raises ValidationError: it is not free.
        """
        if "." in (label := label.strip()):
            raise ValidationError(self.env._("Choose one word, without a dot."))
        name = addresses.normalise_domain(f"{label}.{parent.name}")
        self._assert_not_reserved(name, parent)
        # as superuser: whosever it is, it is not free
        if self.sudo().with_context(active_test=False).search_count(
            [("name", "=", name), ("backend_id", "=", parent.backend_id.id)], limit=1
        ):
            raise ValidationError(
                self.env._("%s is taken. Choose another name.", addresses.display_domain(name))
            )
        return name

    @api.model
    @api.private
    def _is_free(self, parent, label):
        """(whether the name can be had, what to say of it), while somebody types."""
        if not parent or not label.strip():
            return False, ""
        try:
            name = self._name_under(parent, label)
        except (addresses.AddressError, ValidationError) as error:
            return False, str(error)
        return True, self.env._("%s is free.", addresses.display_domain(name))

    def _assert_not_reserved(self, name, parent):
        if name.removesuffix(f".{parent.name}").rpartition(".")[2] in RESERVED:
            raise ValidationError(
                self.env._(
                    "%s is kept for the service itself. Choose another name.",
                    addresses.display_domain(name),
                )
            )

    def _with_parents(self, vals_list):
        """By whichever way a customer comes, he takes no name that is kept, and none below one
        that is somebody else's."""
        vals_list = super()._with_parents(vals_list)
        customer = self.env.user.emboux_partner_id
        if self.env.su or not customer:
            return vals_list
        # as superuser: the parents are the operator's, what lies between may be a stranger's
        domains = self.sudo().with_context(active_test=False)
        for vals in vals_list:
            parent = domains.browse(vals.get("parent_id"))
            if not parent or parent.partner_id:
                continue
            self._assert_not_reserved(vals["name"], parent)
            labels = vals["name"].removesuffix(f".{parent.name}").split(".")
            between = [f"{'.'.join(labels[at:])}.{parent.name}" for at in range(1, len(labels))]
            if between and domains.search_count(
                [("name", "in", between), ("partner_id", "!=", customer.id)], limit=1
            ):
                raise ValidationError(
                    self.env._(
                        "%s lies below a name that is somebody else's. Choose another name.",
                        addresses.display_domain(vals["name"]),
                    )
                )
        return vals_list
