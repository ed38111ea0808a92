"""Names under the operator's wildcard parents, as the portal asks about them."""

from odoo import api, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors
from odoo.addons.emboux_core.public_suffix import refuse_public_suffix


class Domain(models.Model):
    _inherit = "emboux.domain"

    @api.model
    @api.private
    def _claimable_name(self, text):
        """The normalised name of a domain that a customer can bring; whether somebody else has it
        here is not looked at.

        :raises ValidationError: nobody can bring it; the sentence says why.
        """
        with plain_errors():
            name = addresses.normalise_domain(text)
            refuse_public_suffix(name)
        self._refuse_mail_provider(name)
        return name

    @api.private
    def _is_free(self, label):
        """(whether the name can be had below this parent, what to say of it), while one types."""
        if not self or not label.strip():
            return False, ""
        try:
            name = self._free_name(label)
        except UserError as error:
            return False, str(error)
        return True, self.env._("%s is free.", addresses.display_domain(name))

    def _with_parents(self, vals_list):
        """By whichever way a customer comes, he takes no name below one that is somebody else's.

        The parent would speak for it: whoever has shop.parent could not keep mail.shop.parent.
        """
        vals_list = super()._with_parents(vals_list)
        customer = self.env.user.emboux_partner_id
        if self.env.su or not customer:
            return vals_list
        # as superuser: what lies between may be a stranger's
        domains = self.sudo().with_context(active_test=False)
        for vals in vals_list:
            parent = domains.browse(vals.get("parent_id"))
            if not parent:
                continue
            labels = vals["name"].removesuffix(f".{parent.name}").split(".")
            between = [f"{'.'.join(labels[at:])}.{parent.name}" for at in range(1, len(labels))]
            if between and domains.search_count(
                [("name", "in", between), ("partner_id", "!=", customer.id),
                 ("owned_since", "!=", False)], limit=1
            ):
                raise ValidationError(
                    self.env._(
                        "%s lies below a name that is somebody else's. Choose another name.",
                        addresses.display_domain(vals["name"]),
                    )
                )
        return vals_list
