from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .plan_terms import CUSTOMER_TERMS

STATES = [
    ("trial", "Trial"),
    ("active", "Active"),
    ("past_due", "Past Due"),
    ("suspended", "Suspended"),
    ("ended", "Ended"),
]


class Customer(models.Model):
    """What a customer has bought, and where he stands.

    One row for each partner: the platform's limits (``emboux_mail_api``) with the plan that
    they come from.
    """

    _inherit = "emboux.customer"
    _audited_fields = ("plan_id", "state", "storage_limit_mb", "trial_end")
    _followed_fields = frozenset(
        {"state", "state_reason", "state_since", "state_cause", "erase_on", "erased_at"}
    )

    plan_id = fields.Many2one("emboux.plan", tracking=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="plan_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="plan_id.currency_id")
    state = fields.Selection(
        STATES, default="active", required=True, index=True, tracking=True,
        group_expand=True, readonly=True,
    )
    state_since = fields.Datetime("Since", readonly=True)
    state_reason = fields.Char("Why", readonly=True)
    # who suspended decides who activates: a payment undoes what a missing payment did
    state_cause = fields.Selection(
        [("operator", "The Operator"), ("payment", "A Missing Payment"),
         ("trial", "The End of the Trial")],
        "By", readonly=True,
    )
    trial_end = fields.Date(tracking=True, help="From this day on it is no trial any more.")
    erase_on = fields.Date("Mail Is Erased On", readonly=True)
    erased_at = fields.Datetime("Mail Was Erased", readonly=True)
    storage_limit_mb = fields.Integer(
        "Storage (MB)", tracking=True,
        help="The quotas of all mailboxes together. 0 is without limit.",
    )

    _storage_not_negative = models.Constraint(
        "CHECK (storage_limit_mb >= 0)", "A limit is 0 (without limit) or more."
    )

    @api.constrains("partner_id")
    def _check_partner_is_commercial(self):
        for partner in self.partner_id:
            if partner.commercial_partner_id != partner:
                raise ValidationError(
                    self.env._(
                        "%(contact)s belongs to %(company)s, who is the customer: choose that one.",
                        contact=partner.display_name,
                        company=partner.commercial_partner_id.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        customers = super().create(vals_list)
        now = fields.Datetime.now()
        for customer, vals in zip(customers, vals_list, strict=True):
            # as superuser: how it begins follows from the plan
            customer.sudo().write({"state_since": now, **customer._begin(vals)})
        customers.filtered("plan_id")._apply_plan()
        customers._bind_people()
        return customers

    def _begin(self, vals):
        """A new customer with a plan has its trial, unless the plan has none."""
        if not self.plan_id or vals.get("state", "trial") != "trial":
            return {}
        days = self.plan_id.trial_days
        if not (days or self.trial_end):
            return {"state": "active"}
        end = self.trial_end or fields.Date.context_today(self) + timedelta(days=days)
        return {"state": "trial", "trial_end": end}

    def write(self, vals):
        if not {"plan_id", "partner_id"} & set(vals):
            return super().write(vals)
        before = {customer: (customer.plan_id, customer.partner_id) for customer in self}
        domains = self._domains() if "partner_id" in vals else self.env["emboux.domain"]
        done = super().write(vals)
        domains._take_terms(self.env["emboux.plan"])
        self.filtered(lambda c: before[c] != (c.plan_id, c.partner_id))._apply_plan()
        return done

    def unlink(self):
        people, domains = self._people(), self._domains()
        done = super().unlink()
        people._bind_email_customer()
        domains._take_terms(self.env["emboux.plan"])
        return done

    # -- what follows from the plan ---------------------------------------------------------

    @api.private
    def _apply_plan(self):
        """Give customers and all their domains what their plans say."""
        # as superuser: the operator's limits follow from the plan, whoever chose it
        for plan, customers in self.sudo().grouped("plan_id").items():
            if plan:
                customers.write({name: plan[name] for name in CUSTOMER_TERMS})
            customers._domains()._take_terms(plan)

    def _domains(self):
        """All their domains, archived ones too."""
        # as superuser: what is done to a customer is done to all that is his
        return self.env["emboux.domain"].sudo().with_context(active_test=False).search(
            [("partner_id", "in", self.partner_id.ids)]
        )

    # -- who uses the portal ------------------------------------------------------------------

    @api.private
    def _give_portal(self, users):
        """Let these portal users work with the customer's domains.

        They get it by themselves too, as soon as they are portal users of a contact of his.
        :raises ValidationError: somebody is no portal user, or somebody else's.
        """
        self.ensure_one()
        for user in users.sudo():  # as superuser: users are not everybody's to read
            if user.partner_id.commercial_partner_id != self.partner_id or not user._is_portal():
                raise ValidationError(
                    self.env._(
                        "%(user)s is not a portal user of %(customer)s.",
                        user=user.display_name,
                        customer=self.partner_id.display_name,
                    )
                )
        users._bind_email_customer()

    def _people(self):
        """The users of these customers' contacts."""
        # as superuser: users are not everybody's to read
        return self.env["res.users"].sudo().with_context(active_test=False).search(
            [("partner_id", "child_of", self.partner_id.ids)]
        ) if self else self.env["res.users"]

    def _bind_people(self):
        self._people()._bind_email_customer()
