# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.fields import Command

GROUP = "emboux_mail_api.group_customer"


class Users(models.Model):
    """A customer's portal user is bound to them exactly as their API keys are.

    The same record rules, lists of fields and limits hold for both.  It follows from the
    contact: nobody has to give or take it.
    """

    _inherit = "res.users"

    # the technical users of keys are bound otherwise, and left alone here
    emboux_by_contact = fields.Boolean(
        "Email Customer by Contact", groups="base.group_system", copy=False, readonly=True
    )

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        users._bind_email_customer()
        return users

    def write(self, vals):
        if "group_ids" in vals:
            self._drop_portal_group()
        done = super().write(vals)
        if {"group_ids", "partner_id"} & set(vals):
            self._bind_email_customer()
        return done

    def _drop_portal_group(self):
        """The group implies portal: remove it before the user gets another type."""
        # as superuser, here and below: what follows from the contact is not for users to write
        self.sudo().filtered("emboux_by_contact")._write_binding(
            {"group_ids": [Command.unlink(self.env.ref(GROUP).id)], "emboux_partner_id": False,
             "emboux_by_contact": False}
        )

    def _bind_email_customer(self):
        """Bind portal users to the customer whose contact they are, and nobody else."""
        people = self.sudo().filtered(lambda u: u.emboux_by_contact or not u.emboux_partner_id)
        partners = people.partner_id.commercial_partner_id
        # as superuser: whoever makes a user need not see customers
        customers = self.env["emboux.customer"].sudo().search_fetch(
            [("partner_id", "in", partners.ids)], ["partner_id", "company_id"]
        ).grouped("partner_id")
        for user in people:
            customer = customers.get(user.partner_id.commercial_partner_id)
            if customer and user._is_portal():
                user._bind_to(customer)
            elif user.emboux_by_contact:
                portal, group = self.env.ref("base.group_portal"), self.env.ref(GROUP)
                user._write_binding(
                    {"group_ids": [Command.link(portal.id), Command.unlink(group.id)],
                     "emboux_partner_id": False, "emboux_by_contact": False}
                )

    def _bind_to(self, customer):
        company, partner = customer.company_id, customer.partner_id
        values = {}
        if self.emboux_partner_id != partner:
            values = {"group_ids": [Command.link(self.env.ref(GROUP).id)],
                      "emboux_partner_id": partner.id, "emboux_by_contact": True}
        if company and company not in self.company_ids:
            # their domains belong to the company whose plan they have
            values |= {"company_ids": [Command.link(company.id)], "company_id": company.id}
        if values:
            self._write_binding(values)

    def _write_binding(self, vals):
        return super().write(vals) if self else True
