"""What a customer may write, and what belongs to the customer by itself.

Which records he sees is said by record rules (security/emboux_rules.xml); here is which fields
of them he may set.  Both hold for the API and for every other way in.
"""

from odoo import models
from odoo.exceptions import AccessError


class Guarded(models.AbstractModel):
    _inherit = "emboux.guarded"

    #: Fields that a customer may set; each class adds its own.
    _customer_fields = frozenset()

    def _guard(self, vals):
        if not self.env.su and self.env.user.emboux_partner_id:
            foreign = sorted(set(vals) - self._declared("_customer_fields"))
            if foreign:
                raise AccessError(
                    self.env._("This is for the operator to set: %s", ", ".join(foreign))
                )
        return super()._guard(vals)

    def _guard_create(self, vals_list):
        model, vals_list = super()._guard_create(vals_list)
        if not self.env.su and self.env.user.emboux_partner_id:
            # no defaults out of the context: they would pass by the list of fields
            model = model.with_context(  # pylint: disable=context-overridden
                {k: v for k, v in model.env.context.items() if not k.startswith("default_")}
            )
        return model, vals_list


class DomainTenancy(models.Model):
    _inherit = "emboux.domain"
    _customer_fields = frozenset({"name"})
    _audited_fields = (
        "name", "partner_id", "backend_id", "state", "parent_id", "is_wildcard", "active",
    )

    def _guard_create(self, vals_list):
        model, vals_list = super()._guard_create(vals_list)
        user = self.env.user
        if not self.env.su and user.emboux_partner_id:
            # without asking whether it is there: it is as long as the add-on is
            backend = self.env["ir.model.data"]._xmlid_to_res_id("emboux_mail_api.backend_local")
            for vals in vals_list:
                vals |= {
                    "partner_id": user.emboux_partner_id.id,
                    "backend_id": backend,
                    "user_id": False,  # a technical user reads no mail
                }
        elif not user.active:
            for vals in vals_list:
                vals.setdefault("user_id", False)
        return model, vals_list

    def _search_parents(self, names):
        """A customer uses his own wildcard parents, and the operator's, which nobody owns."""
        customer = self.env.user.emboux_partner_id
        if self.env.su or not customer:
            return super()._search_parents(names)
        # as superuser: the operator's domains are not the customer's to see
        parents = super(DomainTenancy, self.sudo())._search_parents(names)
        return parents.filtered(lambda p: p.partner_id in (customer.browse(), customer)).sudo(False)


class MailboxTenancy(models.Model):
    _inherit = "emboux.mailbox"
    _customer_fields = frozenset(
        {"domain_id", "local_part", "name", "password", "quota_mb", "catch_all", "state", "send_as"}
    )
    _audited_fields = ("email", "name", "quota_mb", "state", "send_as", "active")


class AliasTenancy(models.Model):
    _inherit = "emboux.alias"
    _customer_fields = frozenset({"domain_id", "kind", "local_part", "destinations"})
    _audited_fields = ("email", "destinations", "active")


class Provisioned(models.AbstractModel):
    _name = "emboux.provisioned"
    _inherit = ["emboux.provisioned", "emboux.audited"]
    _description = "Provisioned on a Mail Backend"


class Message(models.Model):
    _inherit = "mail.message"

    def _get_forbidden_access(self, operation):
        """A message that no thread shows may be made by anybody, and ``message_notify`` of any
        model sends it to any partner: a customer's only where he may change the record."""
        forbidden = super()._get_forbidden_access(operation)
        # who has a customer is bound to him; the superuser is not asked
        if operation != "create" or not self.env.user.emboux_partner_id:
            return forbidden

        def is_loose(message):
            if message.model not in self.env or not message.res_id:
                return True
            return message.message_type == "user_notification" and not (
                self.env[message.model].browse(message.res_id).has_access("write")
            )

        # as superuser: of which record it is
        return forbidden | (self - forbidden).sudo().filtered(is_loose).sudo(False)
