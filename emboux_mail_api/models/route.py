# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors

_HOST = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?<![.-])|[0-9a-f:.]{2,45}").fullmatch


class Route(models.Model):
    """By which server mail to a domain leaves, instead of the domain's MX (Postfix'
    transport_maps)."""

    _name = "emboux.route"
    _description = "Route"
    _inherit = ["emboux.audited.mixin"]
    _order = "domain"
    _rec_name = "domain"
    _audited_fields = ("domain", "host", "port", "active")

    active = fields.Boolean(default=True)
    domain = fields.Char("Recipient Domain", required=True)
    host = fields.Char("Server", required=True, help="A name, or an address: 192.0.2.7.")
    port = fields.Integer(required=True, default=25)
    note = fields.Char(help="Why, for whoever reads it later.")

    _domain_unique = models.UniqueIndex("(domain)", "This domain has a route already.")
    _port_range = models.Constraint(
        "CHECK (port BETWEEN 1 AND 65535)", "A port is a number between 1 and 65535.")

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._normalised(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._normalised(vals))

    def _normalised(self, vals):
        vals = dict(vals)
        if vals.get("domain"):
            with plain_errors():
                vals["domain"] = addresses.normalise_domain(vals["domain"])
        if vals.get("host"):
            vals["host"] = vals["host"].strip().strip("[]").lower()
        return vals

    @api.constrains("host")
    def _check_host(self):
        for route in self:
            if not _HOST(route.host):
                raise ValidationError(
                    self.env._("'%s' is no name or address of a server.", route.host))

    @api.constrains("domain")
    def _check_domain(self):
        for route in self:
            if self.env["emboux.domain"].sudo().search_count(
                [("name", "=", route.domain), ("owned_since", "!=", False),
                 ("backend_id.kind", "=", "local")], limit=1):
                raise ValidationError(
                    self.env._("%s is hosted here: its mail stays here.", route.domain))
