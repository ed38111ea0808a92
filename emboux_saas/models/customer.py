from odoo import fields, models

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
    _audited_fields = ("plan_id", "state")
    _followed_fields = frozenset({"state", "state_reason", "state_since", "erase_on"})

    plan_id = fields.Many2one("emboux.plan", tracking=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="plan_id.company_id", store=True, index=True)
    state = fields.Selection(STATES, default="active", required=True, index=True, tracking=True)
    state_since = fields.Datetime("Since", readonly=True)
    state_reason = fields.Char("Why", readonly=True)
    trial_end = fields.Date(tracking=True)
    erase_on = fields.Date("Mail Is Erased On", readonly=True)
