# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from decimal import Decimal

from odoo import fields, models
from odoo.tools import float_repr

from ..billing import Terms
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
    since = fields.Date(
        required=True, readonly=True, help="The plan applies from this day (UTC) on."
    )
    plan_id = fields.Many2one("emboux.plan", readonly=True, ondelete="restrict")
    is_paid = fields.Boolean(
        "To Be Paid", readonly=True, help="Not in a trial, while suspended or after the end."
    )
    company_id = fields.Many2one(related="customer_id.company_id")
    currency_id = fields.Many2one(related="plan_id.currency_id")
    price = fields.Monetary("Monthly Price", readonly=True)
    included_mailboxes = fields.Integer(readonly=True)
    included_gb = fields.Integer("Included GB", readonly=True)
    included_thousands = fields.Integer("Included Thousand Messages", readonly=True)
    price_mailbox = fields.Monetary("Each Additional Mailbox", readonly=True)
    price_gb = fields.Monetary("Each Additional GB", readonly=True)
    price_thousand = fields.Monetary("Each Additional Thousand Messages", readonly=True)

    _since_unique = models.UniqueIndex("(customer_id, since)")

    def _terms(self):
        """For the engine; prices as they are written, not as binary fractions."""
        self.ensure_one()
        places = self.currency_id.decimal_places
        return Terms(
            **{
                name: as_decimal(self[name], places) if name.startswith("price") else self[name]
                for name in PRICE_TERMS
            }
        )


def as_decimal(number, places):
    return Decimal(float_repr(number, places))
