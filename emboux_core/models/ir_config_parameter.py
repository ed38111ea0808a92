# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from decimal import Decimal

from odoo import api, models
from odoo.exceptions import ValidationError

from ..settings import DECLARED


class IrConfigParameter(models.Model):
    """A setting is refused where it is made, not where it is read."""

    _inherit = "ir.config_parameter"

    @api.constrains("key", "value")
    def _check_setting(self):
        for parameter in self:
            setting = DECLARED.get(parameter.key)
            try:
                if setting and parameter.value:
                    setting.parse(parameter.value)
            except ValueError as error:
                raise ValidationError(self._say_allowed(setting)) from error

    def _say_allowed(self, setting):
        values = {"key": setting.key, "default": setting.default, "minimum": setting.minimum,
                  "maximum": setting.maximum,
                  "choices": ", ".join(setting.choices or ("True", "False"))}
        if setting.kind is int:
            return self.env._(
                "%(key)s is a whole number from %(minimum)s to %(maximum)s. Its default is "
                "%(default)s.", **values
            )
        if setting.kind in (float, Decimal):
            return self.env._(
                "%(key)s is a number from %(minimum)s to %(maximum)s. Its default is %(default)s.",
                **values,
            )
        return self.env._(
            "%(key)s is one of: %(choices)s. Its default is %(default)s.", **values
        )
