# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models
from odoo.exceptions import AccessError

from .errors import refuse_unfit_text


class SystemFieldsMixin(models.AbstractModel):
    """Fields that only the system writes: a form's ``readonly`` binds neither a ``write`` over the
    API nor a default in the context."""

    _name = "emboux.system.fields.mixin"
    _description = "Guards Fields That Follow From Others"

    #: Fields that only the superuser's code writes; each class adds its own.
    _system_fields = frozenset()
    #: Text that has rules of its own, so that the common ones do not bind it; see ``errors``.
    _validated_text_fields = frozenset()
    #: Text of one line that is a list, and may be long.
    _long_text_fields = frozenset()

    def _collect_names(self, attribute):
        """A set of names that every class of the model, of any add-on, has added to."""
        return frozenset().union(*(vars(c).get(attribute, ()) for c in type(self).__mro__))

    def _clean_create_vals(self, vals_list):
        """Returns the model without defaults for such fields, and copies of the values.

        Copies, because Odoo calls ``create`` again with the same dictionaries after a
        serialization failure.
        """
        for vals in vals_list:
            self._check_system_fields(vals)
            self._check_unfit_text(vals)
        if self.env.su:
            return self, [dict(vals) for vals in vals_list]
        system = self._collect_names("_system_fields")
        context = {
            key: value
            for key, value in self.env.context.items()
            if key.removeprefix("default_") not in system
        }
        # the first argument replaces the context, keyword arguments would only add to it
        clean = self.with_context(context)  # pylint: disable=context-overridden
        return clean, [dict(vals) for vals in vals_list]

    def _clean_write_vals(self, vals):
        """Returns a copy of the values."""
        self._check_system_fields(vals)
        self._check_unfit_text(vals)
        return dict(vals)

    def _check_unfit_text(self, vals):
        """Text that our own code writes is checked already: it may be a server's words."""
        if not self.env.su:
            refuse_unfit_text(self, vals, self._collect_names("_validated_text_fields"),
                              self._collect_names("_long_text_fields"))

    def _check_system_fields(self, vals):
        if self.env.su:
            return
        if touched := sorted(self._collect_names("_system_fields") & set(vals)):
            labels = [self._fields[name]._description_string(self.env) for name in touched]
            raise AccessError(
                self.env._("Set by the system: %s", ", ".join(labels))
            )

    def _refuse_change(self, vals, fields, sentence):
        """Raise ``AccessError`` if one of the fields would get another value."""
        for name in fields & set(vals):
            field = self._fields[name]
            for record in self:
                now = record[name].id if field.type == "many2one" else record[name]
                if (vals[name] or False) != (now or False):
                    raise AccessError(sentence)
            vals.pop(name)
