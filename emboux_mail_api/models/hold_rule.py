# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors


class HoldRule(models.Model):
    """Mail that is put on hold as it comes in, until somebody releases or discards it.

    The policy daemon says so to Postfix, a second or two after a rule is saved.
    """

    _name = "emboux.hold.rule"
    _description = "Hold Rule"
    _inherit = ["emboux.audited.mixin"]
    _order = "id"
    _audited_fields = ("name", "sender_domain", "login", "recipient_domain", "active")

    name = fields.Char(required=True, help="Why, for example: Under investigation.")
    active = fields.Boolean(default=True)
    sender_domain = fields.Char(help="Of the envelope sender. Empty: any.")
    login = fields.Char("Submitted By", help="The mailbox that has logged in. Empty: anybody, and "
                                             "mail from outside.")
    recipient_domain = fields.Char(
        help="Empty: any. A message to several recipients is held for all of them.")
    everything = fields.Boolean(compute="_compute_everything")

    @api.depends("sender_domain", "login", "recipient_domain")
    def _compute_everything(self):
        for rule in self:
            rule.everything = not (rule.sender_domain or rule.login or rule.recipient_domain)

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._normalised(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._normalised(vals))

    def _normalised(self, vals):
        vals = dict(vals)
        with plain_errors():
            for field in ("sender_domain", "recipient_domain"):
                if vals.get(field):
                    vals[field] = addresses.normalise_domain(vals[field])
            if vals.get("login"):
                vals["login"] = addresses.normalise_address(vals["login"])
        return vals

    @api.constrains("name")
    def _check_name(self):
        """It is part of a line that Postfix reads and logs."""
        for rule in self:
            if not rule.name.isprintable() or len(rule.name) > 200:
                raise ValidationError(
                    self.env._("Enter a name of one line and at most 200 characters."))
