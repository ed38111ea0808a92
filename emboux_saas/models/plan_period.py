from odoo import api, fields, models
from odoo.exceptions import UserError

from .customer_usage import PAYING
from .plan_terms import PRICE_TERMS


class PlanPeriod(models.Model):
    """Which plan a customer has from a day on, at which terms: what is billed goes by this.

    Until the next row of the customer.  The terms are copies, so that a bill for last month
    does not change with the plan of this one.
    """

    _name = "emboux.plan.period"
    _description = "Plan of a Customer"
    _order = "since desc, id desc"
    _rec_name = "plan_id"

    customer_id = fields.Many2one(
        "emboux.customer", required=True, readonly=True, ondelete="cascade"
    )
    since = fields.Date(required=True, readonly=True, help="This whole day (UTC) is of this plan.")
    plan_id = fields.Many2one("emboux.plan", readonly=True, ondelete="restrict")
    is_paid = fields.Boolean(
        "To Be Paid", readonly=True, help="Not in a trial, while suspended or after the end."
    )
    company_id = fields.Many2one(related="customer_id.company_id")
    currency_id = fields.Many2one(related="plan_id.currency_id")
    price = fields.Monetary("Price a Month", readonly=True)
    included_mailboxes = fields.Integer(readonly=True)
    included_gb = fields.Integer("Included GB", readonly=True)
    included_thousands = fields.Integer("Included Thousand Messages", readonly=True)
    price_mailbox = fields.Monetary("Each Further Mailbox", readonly=True)
    price_gb = fields.Monetary("Each Further GB", readonly=True)
    price_thousand = fields.Monetary("Each Further Thousand Messages", readonly=True)

    _since_unique = models.UniqueIndex("(customer_id, since)")


class Customer(models.Model):
    _inherit = "emboux.customer"

    period_ids = fields.One2many("emboux.plan.period", "customer_id", "Plans So Far")

    @api.model_create_multi
    def create(self, vals_list):
        customers = super().create(vals_list)
        customers._note_period()
        return customers

    def write(self, vals):
        done = super().write(vals)
        if {"plan_id", "state"} & set(vals):
            self._note_period()
        return done

    def _note_period(self):
        """Remember from today on what each of them pays, where that is new.

        Two changes of one day are one: the day is of the last plan.
        """
        today = fields.Date.today()
        # as superuser: the history follows, it is nobody's to write
        periods = self.env["emboux.plan.period"].sudo()
        latest = {}
        for period in periods.search([("customer_id", "in", self.ids)], order="since"):
            latest[period.customer_id.id] = period
        new = []
        for customer in self.sudo():
            plan = customer.plan_id
            period = latest.get(customer.id, periods)
            customer._assert_same_company()
            values = {"plan_id": plan.id, "is_paid": bool(plan) and customer.state in PAYING}
            values |= {name: plan[name] for name in PRICE_TERMS}
            if period and period.since == today:
                period.write(values)
            elif any(
                value != (period[name].id if name == "plan_id" else period[name])
                for name, value in values.items()
            ):
                new.append({"customer_id": customer.id, "since": today, **values})
        periods.create(new)

    def _assert_same_company(self):
        plan = self.plan_id
        others = self.period_ids.plan_id.company_id - plan.company_id
        if plan and others:
            raise UserError(
                self.env._(
                    "%(plan)s is sold by %(company)s, the customer is one of %(before)s. A "
                    "customer stays with a company, because one invoice has one seller.",
                    plan=plan.display_name,
                    company=plan.company_id.display_name,
                    before=others[:1].display_name,
                )
            )


class Plan(models.Model):
    _inherit = "emboux.plan"

    def write(self, vals):
        done = super().write(vals)
        if set(PRICE_TERMS) & set(vals):
            # as superuser: new prices are for all who have the plan, of any company
            self.sudo().customer_ids._note_period()
        return done
