# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import re

from odoo import api, fields, models
from odoo.tools import remove_accents


class UserMailbox(models.TransientModel):
    """Makes the mailbox of a user, with an address by the pattern of their company."""

    _name = "emboux.user.mailbox"
    _description = "Create a User's Mailbox"

    user_id = fields.Many2one("res.users", "User", required=True, readonly=True)
    company_id = fields.Many2one(related="user_id.company_id")
    domain_id = fields.Many2one(
        "emboux.domain", "Domain", required=True, compute="_compute_domain_id", store=True,
        precompute=True, readonly=False,
        domain="[('company_id', '=', company_id), ('state', '=', 'verified')]",
    )
    local_part = fields.Char(
        "Address", required=True, compute="_compute_local_part", store=True, readonly=False,
        precompute=True,
    )
    use_as_email = fields.Boolean(
        "Use as the user's email in Odoo", default=True,
        help="Colleagues and customers then see this address. The login stays as it is.",
    )

    @api.depends("user_id")
    def _compute_domain_id(self):
        for wizard in self:
            company = wizard.user_id.company_id
            setup = self.env["emboux.odoo.mail"]._of(company)
            wizard.domain_id = setup.domain_id or self.env["emboux.domain"].search(
                [("company_id", "=", company.id), ("state", "=", "verified")], limit=1)

    @api.depends("user_id", "domain_id")
    def _compute_local_part(self):
        for wizard in self:
            wizard.local_part = wizard._proposal()

    def _proposal(self):
        """That of the login, if it is an address here; else by the pattern of the company, with a
        number where somebody has it."""
        holder = self.env["emboux.address"]._holder
        local_part, _at, domain = (self.user_id.login or "").lower().rpartition("@")
        if domain and domain == self.domain_id.name and not holder(
            self.domain_id, self.user_id.login.lower()
        ):
            return local_part
        setup = self.env["emboux.odoo.mail"]._of(self.user_id.company_id)
        words = re.findall(r"[a-z0-9-]+", remove_accents(self.user_id.name or "").lower())
        if not words:
            return ""
        first, last = words[0], words[-1]
        wanted = {
            "first.last": ".".join(dict.fromkeys((first, last))), "first": first,
            "flast": f"{first[0]}{last}" if len(words) > 1 else first, "last": last,
        }[setup.address_pattern or "first.last"]
        name, number = wanted, 1
        while holder(self.domain_id, f"{name}@{self.domain_id.name}"):
            number += 1
            name = f"{wanted}{number}"
        return name

    def _make(self):
        self.ensure_one()
        mailbox = self.env["emboux.mailbox"].create(
            {"local_part": self.local_part, "domain_id": self.domain_id.id,
             "name": self.user_id.name, "user_id": self.user_id.id}
        )
        if self.use_as_email:
            self.user_id.email = mailbox.email
        return mailbox

    def action_create_mailbox(self):
        """Make it, and go on to its password."""
        return self._make().action_set_password()
