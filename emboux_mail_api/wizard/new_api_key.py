# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models


class NewApiKey(models.TransientModel):
    """Creates a key; its secret is shown here once, and stored nowhere."""

    _name = "emboux.new.api.key"
    _description = "New API Key"

    name = fields.Char(required=True)
    role = fields.Selection(
        [("customer", "Customer"), ("master", "Master")], required=True, default="customer"
    )
    partner_id = fields.Many2one("res.partner", "Customer")
    read_only = fields.Boolean()
    area = fields.Selection(
        [("all", "Everything"), ("domains", "Domains"), ("mailboxes", "Mailboxes and Aliases"),
         ("send", "Messages"), ("metrics", "Metrics for Prometheus")],
        "Reaches", required=True, default="all",
    )
    domain_id = fields.Many2one("emboux.domain", "Only This Domain")
    sender = fields.Char("Only This Sender")
    test = fields.Boolean(
        help="Mail that it sends does not leave; what would become of it is played.")
    networks = fields.Char("Allowed Networks")
    lifetime = fields.Selection(
        [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("0", "No expiry")],
        "Valid For", required=True, default="365",
    )
    key_id = fields.Many2one("emboux.api.key", readonly=True)
    # Not stored: it passes from the button that creates the key to the dialog that shows it.
    secret = fields.Char(store=False, compute="_compute_secret")

    @api.depends_context("emboux_new_secret")
    def _compute_secret(self):
        for wizard in self:
            wizard.secret = self.env.context.get("emboux_new_secret") or False

    @api.onchange("role")
    def _onchange_role(self):
        if self.role == "master":
            self.partner_id = False

    def action_make(self):
        """Make the key and show its secret, in the same dialog."""
        self.ensure_one()
        days = int(self.lifetime)
        key, secret = self.env["emboux.api.key"]._make(
            {
                "name": self.name,
                "role": self.role,
                "partner_id": self.partner_id.id,
                "read_only": self.read_only,
                "area": self.area,
                "domain_name": self.domain_id.name,
                "sender": self.sender,
                "test": self.test,
                "networks": self.networks,
                "expires_at": fields.Datetime.now() + timedelta(days) if days else False,
            }
        )
        self.key_id = key
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Copy the Secret Now"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
            "context": {"emboux_new_secret": secret},
        }

    def action_close(self):
        """Leave the secret and show the key."""
        return {
            "type": "ir.actions.act_window",
            "res_model": "emboux.api.key",
            "res_id": self.key_id.id,
            "view_mode": "form",
            "target": "main",
        }
