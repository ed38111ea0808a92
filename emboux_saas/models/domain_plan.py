from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .customer_state import FROZEN


class CustomerStopped(UserError):
    """Nothing is added for a customer who is suspended or has ended."""

    http_status = 409


class DomainPlan(models.Model):
    """What a domain gets from the plan of its owner."""

    _inherit = "emboux.domain"

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        given = dict(zip(domains, map(frozenset, vals_list), strict=True))
        for partner, owned in domains.grouped("partner_id").items():
            customer = self.env["emboux.customer"]._of(partner)
            customer._assert_not_stopped()
            # what the operator gives a domain in the same breath is an exception that he means
            for names, alike in owned.grouped(lambda d: given[d]).items():
                alike._take_terms(customer.plan_id, names)
            owned._begin_warmup(customer)
        return domains

    def write(self, vals):
        owners = {domain: domain.partner_id for domain in self} if "partner_id" in vals else {}
        done = super().write(vals)
        for domain, owner in owners.items():
            if owner != domain.partner_id:
                domain._follow_owner()
        if vals.get("state") == "verified":
            # as superuser: whose it is need not be the caller's to see
            for partner, domains in self.grouped(lambda d: d.sudo().partner_id).items():
                domains._begin_warmup(self.env["emboux.customer"]._of(partner))
        return done

    def _follow_owner(self):
        customer = self.env["emboux.customer"]._of(self.partner_id)
        customer._assert_not_stopped()
        self._take_terms(customer.plan_id)
        if self.suspended_with_customer:
            # as superuser: it was frozen with its former owner, who has it no longer
            self.sudo()._thaw(self.env._("It belongs to %s now.", self.partner_id.display_name))

    @api.private
    def _take_terms(self, plan, given=()):
        """Give the domains what a plan says, but for what was ``given`` otherwise."""
        # as superuser: the operator's limits follow from the plan, whoever adds the domain
        if plan and self:
            terms = plan.sudo()._domain_terms()
            self.sudo().write({name: v for name, v in terms.items() if name not in given})

    def _begin_warmup(self, customer):
        """A customer's domains warm up from the day on which they may send."""
        if customer.plan_id:
            # as superuser: see _take_terms
            self.sudo().filtered(
                lambda d: d.state == "verified" and d.outbound_warmup_start
                and not d.outbound_warmup_since
            ).outbound_warmup_since = fields.Date.context_today(self)

    # -- by whom it sends ---------------------------------------------------------------------

    def _default_provider(self):
        """The first of those that the owner's plan allows."""
        allowed = self.env["emboux.customer"]._of(self.partner_id).plan_id.provider_ids
        usable = allowed.filtered(
            lambda p: p.active and p.company_id in (p.company_id.browse(), self.company_id)
        )
        return usable.sorted()[:1] or super()._default_provider()

    @api.constrains("provider_id", "partner_id")
    def _check_provider_is_allowed(self):
        # as superuser: the provider is not everybody's to read
        for partner, domains in self.sudo().grouped("partner_id").items():
            allowed = self.env["emboux.customer"]._of(partner).plan_id.provider_ids
            outside = domains.filtered(
                lambda d, a=allowed: a and d.provider_id and d.provider_id not in a
            )[:1]
            if outside:
                raise ValidationError(
                    self.env._(
                        "%(domain)s would send by %(provider)s, which is not in the plan of "
                        "%(owner)s (%(allowed)s). Choose another domain or parent, or another "
                        "plan.",
                        domain=outside.display_name,
                        provider=outside.provider_id.name,
                        owner=partner.display_name,
                        allowed=", ".join(allowed.mapped("name")),
                    )
                )


class CustomerStop(models.Model):
    _inherit = "emboux.customer"

    def _assert_not_stopped(self):
        """Else a suspended customer would go on with a new domain."""
        for customer in self:
            if customer.state in FROZEN:
                raise CustomerStopped(
                    self.env._(
                        "%(customer)s is stopped: %(reason)s Nothing can be added until the "
                        "account is activated.",
                        customer=customer.partner_id.display_name,
                        reason=customer.state_reason or "",
                    )
                )
