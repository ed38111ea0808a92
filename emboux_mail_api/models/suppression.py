from odoo import api, fields, models

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import plain_errors


class Suppression(models.Model):
    """A recipient that no outgoing message may reach."""

    _name = "emboux.suppression"
    _description = "Suppressed Recipient"
    _order = "email, id"
    _rec_name = "email"

    email = fields.Char("Recipient", required=True)
    reason = fields.Selection(
        [
            ("bounce", "Permanent Bounce"), ("complaint", "Complaint"),
            ("unsubscribe", "Unsubscribed"), ("manual", "Entered by Hand"),
        ],
        required=True,
        default="manual",
    )
    source = fields.Char(help="What reported it.")
    expires_at = fields.Datetime("Until", help="Empty is for good.")

    _email_unique = models.UniqueIndex("(email)", "This recipient is suppressed already.")

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [dict(vals) for vals in vals_list]
        for vals in vals_list:
            with plain_errors():
                vals["email"] = addresses.normalise_address(vals.get("email") or "", plus=True)
        return super().create(vals_list)

    @api.model
    @api.private
    def _find(self, email):
        """The entry that is in force for a normalised address.  Anybody may ask for one."""
        # as superuser: the list is the operator's, the answer for one address is for all
        found = self.sudo().search([("email", "=", email)], limit=1)
        now = fields.Datetime.now()
        return found.filtered(lambda s: not s.expires_at or s.expires_at > now)
