# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a customer may write, and what belongs to the customer by itself.

Record rules (security/emboux_rules.xml) say which records customers see; this module, which
of their fields they may set.  Both hold for the API and for every other way in.
"""

from odoo import models
from odoo.exceptions import AccessError


class SystemFieldsMixin(models.AbstractModel):
    _inherit = "emboux.system.fields.mixin"

    #: Fields that a customer may set; each class adds its own.
    _customer_fields = frozenset()

    def _check_system_fields(self, vals):
        if not self.env.su and self.env.user.emboux_partner_id:
            foreign = sorted(set(vals) - self._collect_names("_customer_fields"))
            if foreign:
                raise AccessError(
                    self.env._("This is for the operator to set: %s", ", ".join(foreign))
                )
        return super()._check_system_fields(vals)

    def _clean_create_vals(self, vals_list):
        model, vals_list = super()._clean_create_vals(vals_list)
        if not self.env.su and self.env.user.emboux_partner_id:
            # no defaults out of the context: they would pass by the list of fields
            model = model.with_context(  # pylint: disable=context-overridden
                {k: v for k, v in model.env.context.items() if not k.startswith("default_")}
            )
        return model, vals_list
