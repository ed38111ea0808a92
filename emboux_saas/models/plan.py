# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_mail_api.models.domain_sending import STANDARD

from .plan_terms import PRICE_TERMS, TERMS


class Plan(models.Model):
    """A plan on sale: limits, sending, retention and the price.

    The terms of a plan with customers are changed only by the dialog (``wizard/plan_change.py``),
    which shows who would exceed them and whether present customers keep the old terms.  The tiers
    of sending are the plans.
    """

    _name = "emboux.plan"
    _description = "Email Plan"
    _inherit = ["emboux.thread.mixin", "emboux.audited.mixin", "emboux.plan.terms.mixin"]
    _order = "sequence, id"
    _check_company_auto = True
    _audited_fields = ("name", "active", "is_public", "product_id", *TERMS)

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    description = fields.Text(translate=True, help="What customers read when they choose.")
    is_public = fields.Boolean("Offered at Sign-Up", default=True)
    product_id = fields.Many2one(
        "product.product", required=True, ondelete="restrict", check_company=True,
        domain=[("type", "=", "service")], help="What stands on the invoice, with its taxes."
    )
    provider_ids = fields.Many2many(check_company=True)
    customer_ids = fields.One2many("emboux.customer", "plan_id")
    customer_count = fields.Integer(compute="_compute_customer_count")
    replaced_by_id = fields.Many2one("emboux.plan", readonly=True, copy=False)
    replaced_on = fields.Date(readonly=True, copy=False)

    trial_days = fields.Integer(default=14, help="0 begins with the first payment.")
    trial_then = fields.Selection(
        [("active", "Continues and Is Invoiced"), ("suspended", "Is Suspended")],
        "After the Trial", default="active", required=True,
    )

    _trial_not_negative = models.Constraint(
        "CHECK (trial_days >= 0)", "A trial lasts 0 (none) or more days."
    )

    @api.depends("customer_ids")
    def _compute_customer_count(self):
        counts = dict(
            self.env["emboux.customer"]._read_group(
                [("plan_id", "in", self.ids)], ["plan_id"], ["__count"]
            )
        )
        for plan in self:
            plan.customer_count = counts.get(plan, 0)

    @api.depends("name", "replaced_on")
    def _compute_display_name(self):
        for plan in self:
            plan.display_name = self.env._(
                "%(name)s (until %(date)s)", name=plan.name, date=plan.replaced_on
            ) if plan.replaced_on else plan.name

    def write(self, vals):
        before = self._tier_names() if "name" in vals else {}
        if not self.env.su and (changed := self._changed_terms(vals)):
            self._refuse_under_customers(changed)
        done = super().write(vals)
        # as superuser: the tier's name follows, on domains of all companies
        domains = self.env["emboux.domain"].sudo().with_context(active_test=False)
        for plan, name in before.items():
            if name not in domains._tiers():  # nor the name of another plan
                domains.search([("outbound_tier", "=", name)]).outbound_tier = (
                    self._tier_names()[plan])
        if set(PRICE_TERMS) & set(vals):
            # as superuser: new prices are for all who have the plan, of any company
            self.sudo().customer_ids._note_period()
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

    # -- what people have agreed to ---------------------------------------------------------

    def _changed_terms(self, vals):
        """Which terms these values would change, of any of the plans."""
        changed = set()
        for name in set(TERMS) & set(vals):
            field = self._fields[name]
            for plan in self:
                new = plan.new({name: vals[name]}, origin=plan)[name]
                now = plan[name]
                if field.type == "many2many":
                    new, now = set(new._origin.ids), set(now.ids)
                if new != now:
                    changed.add(name)
        return changed

    def _refuse_under_customers(self, changed):
        # as superuser: customers of another company have the plan as well
        taken = self.sudo().filtered("customer_ids")
        if taken:
            raise UserError(
                self.env._(
                    "%(plan)s has customers who agreed to its terms. Use Change Terms, which shows "
                    "the effects on them (%(fields)s).",
                    plan=taken[0].display_name,
                    fields=", ".join(sorted(self._fields[n]._description_string(self.env)
                                            for n in changed)),
                )
            )

    # -- changed by the dialog --------------------------------------------------------------

    @api.private
    def _change_terms(self, values, keep):
        """Give the plan new terms; returns the plan that has them.

        ``keep``: present customers keep theirs, so the plan is archived and a copy has the new
        ones. Otherwise it is changed in place, and with it what all its customers have.
        """
        self.ensure_one()
        self.check_access("write")
        if keep:
            new = self.copy(values)
            self.write({"active": False, "replaced_by_id": new.id,
                        "replaced_on": fields.Date.context_today(self)})
            self.message_post(
                body=self.env._("New customers get %s; those who are here keep this plan.",
                                new._get_html_link()),
                subtype_xmlid="mail.mt_note",
            )
            return new
        # as superuser: the dialog has said what it does to customers
        self.sudo().write(values)
        self.with_context(active_test=False).customer_ids._apply_plan()
        return self

    def action_change_terms(self):
        """Open the dialog that says what new terms would break."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Change Terms of %s", self.display_name),
            "res_model": "emboux.plan.change",
            "view_mode": "form",
            "target": "new",
            "context": {"default_plan_id": self.id},
        }

    def action_open_customers(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_mail_api.action_customer")
        return action | {
            "domain": [("plan_id", "=", self.id)],
            "context": {"default_plan_id": self.id},
        }

    # -- as it is offered at sign-up --------------------------------------------------------

    @api.model
    @api.private
    def _offered(self):
        """The plans that everybody may choose."""
        # as superuser: a price list is for everybody
        return self.sudo().search([("is_public", "=", True)], limit=50)

    @api.private
    def _feature_list(self):
        """What a customer gets, a short phrase each; without what is unlimited."""
        self.ensure_one()
        env = self.env
        return [
            text
            for value, text in (
                (self.domain_limit, env._("%s domains", self.domain_limit)),
                (self.mailbox_limit, env._("%s mailboxes in each domain", self.mailbox_limit)),
                (self.storage_limit_mb,
                 env._("%s GB of storage", f"{self.storage_limit_mb / 1024:g}")),
                (self.outbound_daily_limit,
                 env._("%s recipients per day", self.outbound_daily_limit)),
                (self.trial_days, env._("%s days free of charge", self.trial_days)),
            )
            if value
        ]
