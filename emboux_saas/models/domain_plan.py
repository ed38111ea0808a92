# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.domain_state import REASON_KEY
from odoo.addons.emboux_core.models.errors import plain_errors
from odoo.addons.emboux_core.public_suffix import refuse_public_suffix

from ..billing.engine import GIGABYTE
from ..reserved_names import is_reserved
from .plan_terms import RETENTION_TERMS


class DomainPlan(models.Model):
    """What a domain gets from its owner's plan, and how it follows its owner's state.

    It is frozen with its owner.  Whoever gives it away or deletes it has paid for what it did until
    then.  What happens to it and its owner has to know is told by the one door, ``_notify``.
    """

    _inherit = "emboux.domain"
    _system_fields = frozenset({"suspended_with_customer"})
    _audited_fields = ("reserved_names",)

    suspended_with_customer = fields.Boolean(readonly=True, copy=False)
    reserved_names = fields.Text(
        copy=False,
        help="Names below this wildcard parent that customers do not get, separated by commas: "
        "whoever has mail.example.com might pass for its operator. Empty is the usual ones, such "
        "as admin, mail and www.",
    )

    def _on_created(self, given):
        super()._on_created(given)
        names = dict(zip(self, map(frozenset, given), strict=True))
        for partner, owned in self.grouped("partner_id").items():
            customer = self.env["emboux.customer"]._for_partner(partner)
            customer._assert_not_stopped()
            # what the operator sets on the domain at the same time is a deliberate exception
            for set_by_operator, alike in owned.grouped(names.get).items():
                alike._apply_terms(customer.plan_id, set_by_operator)

    def _before_change(self, vals, changed):
        super()._before_change(vals, changed)
        if moved := changed.get("partner_id"):
            self.env["emboux.usage"]._settle(moved)

    def _on_owner_changed(self, before, vals):
        super()._on_owner_changed(before, vals)
        for domain in self:
            domain._follow_owner()
        self.env["emboux.usage"]._note_levels(self.mapped("name"))

    def _on_state_changed(self, before, vals):
        super()._on_state_changed(before, vals)
        if vals["state"] != "suspended":
            # as superuser: what follows from the state is not for users to write
            self.sudo().filtered("suspended_with_customer").suspended_with_customer = False

    def _on_outbound_status_changed(self, before, vals):
        super()._on_outbound_status_changed(before, vals)
        kind = "sending_blocked" if vals["outbound_status"] == "blocked" else "sending_released"
        for domain in self:
            domain._notify_owner(
                kind, {"domain": domain, "reason": domain.outbound_reason,
                       "period": str(fields.Datetime.now())}
            )

    def _before_deleted(self):
        usage = self.env["emboux.usage"]
        usage._settle(self)
        usage._keep_counts(self)
        return super()._before_deleted()

    def _on_restored(self, former):
        # as superuser: what is billed is not for users to write
        self.env["emboux.usage"].sudo()._continue_counts(former, self)
        return super()._on_restored(former)

    # -- frozen with its owner ----------------------------------------------------------------

    def action_suspend(self):
        """What was frozen with its owner is suspended for itself from now on: it stays so when
        the owner comes back."""
        frozen = self.sudo().filtered("suspended_with_customer")  # as superuser: see write
        done = super().action_suspend()
        frozen.suspended_with_customer = False
        return done

    def _unfreeze(self, reason):
        """Restore domains that were suspended with their owner, and their sending."""
        self.with_context(**{REASON_KEY: reason}).action_activate()
        # somebody may have activated one and suspended it anew: then it stays so
        self.suspended_with_customer = False
        for domain in self:
            domain._request_sending()

    # -- what the plan says -------------------------------------------------------------------

    def _follow_owner(self):
        customer = self._customer()
        customer._assert_not_stopped()
        self._apply_terms(customer.plan_id)
        if self.suspended_with_customer:
            # as superuser: it was frozen with its former owner, who has it no longer
            self.sudo()._unfreeze(self.env._("It belongs to %s now.", self.partner_id.display_name))

    @api.private
    def _apply_terms(self, plan, given=()):
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

    @api.model
    def _tiers(self):
        # as superuser: what plans there are is no secret to who may set a tier
        plans = self.env["emboux.plan"].sudo().with_context(active_test=False)
        plans = plans.search([])  # pylint: disable=no-search-all
        return list(dict.fromkeys([*super()._tiers(), *plans._tier_names().values()]))

    # -- by whom it sends ---------------------------------------------------------------------

    def _default_provider(self):
        """The first of those that the owner's plan allows."""
        allowed = self._customer().plan_id.provider_ids
        usable = allowed.filtered(
            lambda p: p.active and p.company_id in (p.company_id.browse(), self.company_id)
        )
        return usable.sorted()[:1] or super()._default_provider()

    @api.constrains("provider_id", "partner_id")
    def _check_provider_is_allowed(self):
        # as superuser: the provider is not everybody's to read
        for partner, domains in self.sudo().grouped("partner_id").items():
            allowed = self.env["emboux.customer"]._for_partner(partner).plan_id.provider_ids
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

    # -- what other terms would break ---------------------------------------------------------

    def _exceeded_terms(self, terms, sent):
        """What breaks in the domains of one customer."""
        yield from self._exceeded_traffic(terms)
        daily = terms.outbound_daily_limit
        for domain in self.filtered(lambda d: daily and sent.get(d.id, 0) > daily):
            yield self.env._(
                "%(domain)s sent to %(used)s recipients on a day of the last week, and may send to "
                "%(limit)s.",
                domain=domain.display_name, used=sent[domain.id], limit=daily,
            )
        for name in RETENTION_TERMS:
            days = terms[name]
            shortened = self.filtered(lambda d, n=name, k=days: k and not 0 < d[n] <= k)
            if shortened:
                yield self.env._(
                    "Mail in %(folder)s that is older than %(days)s days is deleted by the next "
                    "purge: %(domains)s",
                    days=days, domains=", ".join(shortened.mapped("display_name")),
                    folder=self._fields[name]._description_string(self.env).split(" (")[0],
                )
        allowed = terms.provider_ids._origin
        outside = self.filtered(
            lambda d: allowed and d.provider_id and d.provider_id not in allowed
        )
        if outside:
            yield self.env._(
                "Sends by a provider that is not allowed: %s. They go on, but cannot be moved.",
                ", ".join(outside.mapped("display_name")),
            )

    def _exceeded_traffic(self, terms):
        limit = terms.transfer_limit_gb * GIGABYTE
        if terms.transfer_over_limit == "defer":
            late = self.env._("mail is deferred until the month is over")
        else:
            late = self.env._("its owner is told")
        for domain in self.filtered(lambda d: limit and d.transfer_used > limit):
            yield self.env._(
                "%(domain)s has moved %(used)s of %(limit)s GB in this month: %(late)s.",
                domain=domain.display_name, used=round(domain.transfer_used / GIGABYTE, 1),
                limit=terms.transfer_limit_gb, late=late,
            )

    def _max_sent(self):
        """Domain id to the recipients of its busiest recorded day."""
        # as superuser: who decides about plans may know what is sent
        days = self.env["emboux.outbound.count"].sudo()._read_group(
            [("domain_id", "in", self.ids), ("window", "=", "day"),
             ("since", "<", fields.Date.context_today(self))],
            ["domain_id"], ["recipients:max"],
        )
        return {domain.id: most for domain, most in days}

    # -- names below the operator's wildcard parents, which customers pick --------------------

    @api.model
    def _offered_parents(self):
        """The operator's verified wildcard parents on this platform, for customers to choose."""
        # as superuser: the operator's domains are not the customers' to see
        return self.sudo().search(
            [
                ("is_wildcard", "=", True), ("state", "=", "verified"),
                ("partner_id", "=", False), ("backend_id.kind", "=", "local"),
                ("company_id", "=", self.env.company.id),
            ]
        )

    def _free_name(self, label):
        """The full name of a free subdomain of this parent, normalised.

        :raises ValidationError: it is no name, reserved or taken; the sentence says which.
        """
        self.ensure_one()
        with plain_errors():
            name = addresses.normalise_domain(f"{(label or '').strip()}.{self.name}")
        first = name.removesuffix(f".{self.name}")
        if "." in first:
            raise ValidationError(self.env._("Choose a name without a dot: %s", label))
        self._assert_not_reserved(name)
        # as superuser: that a name is taken is all that is said
        if self.sudo().with_context(active_test=False).search_count(
            [("name", "=", name), ("backend_id", "=", self.backend_id.id),
             ("owned_since", "!=", False)], limit=1
        ):
            raise ValidationError(
                self.env._("%s is taken. Choose another name.", addresses.display_domain(name))
            )
        # as superuser: see above
        self.sudo()._assert_not_given_up(name, self.env.user.emboux_partner_id, self.name)
        return name

    def _assert_not_reserved(self, name):
        """Names of the operator's own hosts, and those that the operator keeps."""
        kept = {label.strip().lower() for label in (self.reserved_names or "").split(",")} - {""}
        label = name.removesuffix(f".{self.name}").split(".")[-1]
        backend = self.backend_id
        hosts = {backend.mail_host, backend.smtp_host, backend.imap_host,
                 backend.policy_host, urlsplit(backend.get_base_url()).hostname}
        if name in hosts or (label in kept if kept else is_reserved(label)):
            raise ValidationError(
                self.env._(
                    "%s is reserved. Choose another name.", addresses.display_domain(name)
                )
            )

    @api.constrains("parent_id", "partner_id")
    def _check_not_reserved(self):
        """However a customer's domain gets below a parent that is not theirs.

        By creation and import, registration, a change of parent or owner; operators may use these
        names themselves.
        """
        # as superuser: the parent may be the operator's
        for domain in self.sudo():
            parent = domain.parent_id
            if parent and domain.partner_id and domain.partner_id != parent.partner_id:
                parent._assert_not_reserved(domain.name)

    def _with_parents(self, vals_list):
        """By no way can customers take a name below somebody else's.

        The parent would speak for it: whoever has shop.parent could not keep mail.shop.parent.
        """
        vals_list = super()._with_parents(vals_list)
        customer = self.env.user.emboux_partner_id
        if self.env.su or not customer:
            return vals_list
        # as superuser: what lies between may be a stranger's
        domains = self.sudo().with_context(active_test=False)
        for vals in vals_list:
            parent = domains.browse(vals.get("parent_id"))
            if not parent:
                continue
            labels = vals["name"].removesuffix(f".{parent.name}").split(".")
            between = [f"{'.'.join(labels[at:])}.{parent.name}" for at in range(1, len(labels))]
            if between and domains.search_count(
                [("name", "in", between), ("partner_id", "!=", customer.id),
                 ("owned_since", "!=", False)], limit=1
            ):
                raise ValidationError(
                    self.env._(
                        "%s lies below a name that is somebody else's. Choose another name.",
                        addresses.display_domain(vals["name"]),
                    )
                )
        return vals_list

    # -- as the portal asks about names -------------------------------------------------------

    @api.model
    @api.private
    def _claimable_name(self, text):
        """The normalised name of a domain that a customer can bring; whether somebody else has it
        here is not looked at.

        :raises ValidationError: nobody can bring it; the sentence says why.
        """
        with plain_errors():
            name = addresses.normalise_domain(text)
            refuse_public_suffix(name)
        self._refuse_mail_provider(name)
        return name

    @api.private
    def _is_free(self, label):
        """(whether the name can be had below this parent, what to say of it), while one types."""
        if not self or not label.strip():
            return False, ""
        try:
            name = self._free_name(label)
        except UserError as error:
            return False, str(error)
        return True, self.env._("%s is free.", addresses.display_domain(name))

    # -- moved to another customer, where both can read of it ---------------------------------

    @api.private
    def _hand_over(self, partner):
        before = self.partner_id
        done = super()._hand_over(partner)
        if partner != before:
            self._post_handover(before)
        return done

    def _post_handover(self, before):
        """On the chatter of both customers; the domain's own tracks its owner."""
        customers = self.env["emboux.customer"]
        nobody = self.env._("the operator")
        for partner, sentence in (
            (before, self.env._("%(domain)s has moved to %(other)s.", domain=self.display_name,
                                other=self.partner_id.display_name or nobody)),
            (self.partner_id, self.env._("%(domain)s has come from %(other)s.",
                                         domain=self.display_name,
                                         other=before.display_name or nobody)),
        ):
            if customer := customers._for_partner(partner):
                customer.message_post(
                    body=sentence, author_id=self.env.user.partner_id.id,
                    subtype_xmlid="mail.mt_note",
                )

    def action_hand_over(self):
        """Open the dialog that says what moves, and what stands against it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Hand Over %s", self.display_name),
            "res_model": "emboux.domain.handover",
            "view_mode": "form",
            "target": "new",
            "context": {"default_domain_id": self.id},
        }

    # -- what its owner is told ---------------------------------------------------------------

    def _customer(self):
        """The customer whose domain it is, perhaps none."""
        # as superuser: whose it is need not be the caller's to see
        return self.env["emboux.customer"]._for_partner(self.sudo().partner_id)

    def _notify_owner(self, kind, values):
        self.ensure_one()
        customer = self._customer()
        return bool(customer) and customer._notify(kind, values)

    def _owner_to_notify(self):
        """Customers are told by their notices."""
        owner = super()._owner_to_notify()
        return owner.browse() if self.env["emboux.customer"]._for_partner(owner) else owner

    def _notify_changes(self, changes):
        done = super()._notify_changes(changes)
        broken = [record for record, before in changes
                  if before == "ok" and record.state in ("missing", "wrong")]
        if broken:
            self._notify_owner(
                "dns_broken",
                {
                    "domain": self,
                    "records": [f"{r.record_type} {r.name}: {r.expected}" for r in broken],
                },
            )
        return done

    def _warn_traffic(self, percent):
        if not self._customer():
            return super()._warn_traffic(percent)
        return self._notify_owner(f"transfer_{percent}", {"domain": self})
