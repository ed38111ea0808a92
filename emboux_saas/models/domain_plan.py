from odoo import api, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_mail_api.models.domain_sending import STANDARD

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
        return domains

    def write(self, vals):
        owners = {domain: domain.partner_id for domain in self} if "partner_id" in vals else {}
        done = super().write(vals)
        for domain, owner in owners.items():
            if owner != domain.partner_id:
                domain._follow_owner()
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
        """Give the domains what a plan says, but for what was ``given`` otherwise.

        How they may send stands beside what the operator sets for them, and goes with the plan.
        """
        # as superuser: the operator's limits follow from the plan, whoever adds the domain
        if self:
            plan = plan.sudo()
            terms = plan._domain_terms() if plan else {}
            kept = {name: value for name, value in terms.items() if name not in given}
            values = kept | plan._sending_terms()
            self.sudo().filtered(
                lambda d: any(d[name] != value for name, value in values.items())
            ).write(values)

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


class PlanTier(models.Model):
    """The tiers of sending are the plans."""

    _inherit = "emboux.plan"

    def write(self, vals):
        before = self._tier_names() if "name" in vals else {}
        done = super().write(vals)
        # as superuser: the tier's name follows, on domains of all companies
        domains = self.env["emboux.domain"].sudo().with_context(active_test=False)
        for plan, name in before.items():
            if name not in domains._tiers():  # the name of no other plan either
                domains.search([("outbound_tier", "=", name)]).outbound_tier = (
                    self._tier_names()[plan])
        return done

    def unlink(self):
        names = set(self._tier_names().values())
        done = super().unlink()
        # as superuser: see above
        domains = self.env["emboux.domain"].sudo().with_context(active_test=False)
        gone = names - set(domains._tiers())
        domains.search([("outbound_tier", "in", list(gone))]).outbound_tier = STANDARD
        return done

    def _tier_names(self):
        """Plan to the name that stands for it as a tier: the same in every language."""
        return {plan: plan.with_context(lang=None).name.strip() for plan in self}


class DomainTier(models.Model):
    _inherit = "emboux.domain"

    @api.model
    def _tiers(self):
        # as superuser: what plans there are is no secret to who may set a tier
        plans = self.env["emboux.plan"].sudo().with_context(active_test=False)
        plans = plans.search([])  # pylint: disable=no-search-all
        return list(dict.fromkeys([*super()._tiers(), *plans._tier_names().values()]))


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
