from odoo import api, models
from odoo.fields import Command

GROUP = "emboux_mail_api.group_customer"


class Users(models.Model):
    """A portal user of a customer is bound to him exactly as an API key of his is.

    The same record rules, lists of fields and limits hold for both.  It follows from the
    contact: nobody has to give or take it.
    """

    _inherit = "res.users"

    @api.model_create_multi
    def create(self, vals_list):
        users = super().create(vals_list)
        # who is bound already is the technical user of a key that is just being made
        users.filtered(lambda u: not u.sudo().emboux_partner_id)._bind_email_customer()
        return users

    def write(self, vals):
        if "group_ids" in vals:
            self._loosen()
        done = super().write(vals)
        if {"group_ids", "partner_id"} & set(vals):
            self._bind_email_customer()
        return done

    def _loosen(self):
        """The group makes a portal user of everybody: it goes before another kind comes."""
        # as superuser, here and below: what follows from the contact is nobody's to write
        bound = self.sudo()._people().filtered("emboux_partner_id")
        bound._write_binding({"group_ids": [Command.unlink(self.env.ref(GROUP).id)],
                              "emboux_partner_id": False})

    def _bind_email_customer(self):
        """Bind portal users to the customer whose contact they are, and nobody else."""
        people = self.sudo()._people()
        partners = people.partner_id.commercial_partner_id
        customers = self.env["emboux.customer"].sudo().search_fetch(
            [("partner_id", "in", partners.ids)], ["partner_id", "company_id"]
        ).grouped("partner_id")
        group, portal = self.env.ref(GROUP), self.env.ref("base.group_portal")
        for user in people:
            owner = user.partner_id.commercial_partner_id
            customer = customers.get(owner) if user._is_portal() else None
            if customer:
                values = {"group_ids": [Command.link(group.id)], "emboux_partner_id": owner.id}
                company = customer.company_id
                if company and company not in user.company_ids:
                    # his domains are the company's whose plan he has
                    values |= {"company_ids": [Command.link(company.id)], "company_id": company.id}
            else:
                values = {"emboux_partner_id": False}
                if group in user.group_ids:
                    values["group_ids"] = [Command.link(portal.id), Command.unlink(group.id)]
            if (user.emboux_partner_id != (owner if customer else owner.browse())
                    or (group in user.group_ids) != bool(customer) or "company_id" in values):
                user._write_binding(values)

    def _people(self):
        """Without the technical users of API keys, who are bound by their key."""
        return self - self.env["emboux.api.key"].sudo().search(
            [("user_id", "in", self.ids)]
        ).user_id

    def _write_binding(self, vals):
        return super().write(vals) if self else True
