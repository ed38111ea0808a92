# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models
from odoo.tools import formatLang

from odoo.addons.emboux_mail_api.models.customer import LIMITS
from odoo.addons.emboux_mail_api.models.domain_storage import FOLDERS

from ..billing.engine import GIGABYTE

RETENTION_TERMS = tuple(f"retention_{folder}" for folder in FOLDERS)
#: What customers get from their plan: the field is called the same on both.
CUSTOMER_TERMS = (*LIMITS, "storage_limit_mb")
#: How each domain of a customer may send: the domain has them with ``plan_`` before the name, apart
#: from what the operator sets for it; of both the stricter decides.
SENDING_TERMS = (
    "outbound_daily_limit", "outbound_monthly_limit", "outbound_warmup_profile",
    "outbound_warmup_start", "outbound_unit", "outbound_over_limit", "alias_destination_limit",
    "alias_depth_limit",
)
#: What else each of their domains gets from the plan: the field is called the same on both.
DOMAIN_TERMS = (*SENDING_TERMS, "transfer_over_limit", *RETENTION_TERMS)
#: What they are asked to pay.
PRICE_TERMS = (
    "price", "included_mailboxes", "included_gb", "included_thousands",
    "price_mailbox", "price_gb", "price_thousand",
)
#: All that the customers of a plan have agreed to.
TERMS = (
    *CUSTOMER_TERMS, "transfer_limit_gb", "provider_ids", *DOMAIN_TERMS,
    *PRICE_TERMS, "dunning_days", "grace_days",
)
#: Those that are numbers.
NUMBERS = (
    *CUSTOMER_TERMS, "transfer_limit_gb", "outbound_daily_limit", "outbound_monthly_limit",
    "alias_destination_limit", "alias_depth_limit",
    "outbound_warmup_start", *RETENTION_TERMS, *PRICE_TERMS, "dunning_days", "grace_days",
)


class PlanTerms(models.AbstractModel):
    """The terms of a plan: the fields of the plan and of the dialog that changes it."""

    _name = "emboux.plan.terms.mixin"
    _description = "Terms of an Email Plan"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")

    # CUSTOMER_TERMS; 0 means no limit
    domain_limit = fields.Integer("Maximum Domains")
    mailbox_limit = fields.Integer("Mailboxes per Domain")
    alias_limit = fields.Integer("Aliases per Mailbox")
    mailbox_quota_limit_mb = fields.Integer("Maximum Mailbox Size (MB)")
    storage_limit_mb = fields.Integer(
        "Storage (MB)", help="The quotas of all mailboxes of a customer together."
    )
    transfer_limit_gb = fields.Integer("Monthly Traffic of a Domain (GB)")
    provider_ids = fields.Many2many(
        "emboux.provider", string="Allowed Providers", help="Empty: all of them."
    )

    # DOMAIN_TERMS
    transfer_over_limit = fields.Selection(
        [("defer", "Defer Mail"), ("warn", "Warn")], "Over the Traffic Limit", default="defer",
        required=True,
    )
    outbound_daily_limit = fields.Integer("Recipients per Day")
    outbound_monthly_limit = fields.Integer("Recipients per Month")
    outbound_warmup_profile = fields.Selection(
        [
            ("none", "None"), ("fast", "Fast"), ("standard", "Standard"),
            ("conservative", "Conservative"),
        ],
        "Warm-Up", default="standard", required=True,
    )
    outbound_warmup_start = fields.Integer(
        "First Day's Recipients",
        help="For new domains only. 0: the default if there is a daily limit. To send without "
             "warm-up, choose the profile None.",
    )
    alias_destination_limit = fields.Integer(
        "Destinations of an Address", default=100,
        help="How many addresses outside an alias, a catch-all or a mailbox that forwards may lead "
             "to. 0: the default.",
    )
    alias_depth_limit = fields.Integer(
        "Alias Depth", default=10, help="One alias may lead to another. 0: the default."
    )
    outbound_unit = fields.Selection(
        [("recipients", "Recipients"), ("messages", "Messages")], "Limits Count",
        default="recipients", required=True,
    )
    outbound_over_limit = fields.Selection(
        [("defer", "Defer"), ("hold", "Hold"), ("reject", "Reject")], "Over a Limit",
        default="defer", required=True,
    )
    retention_inbox = fields.Integer("Inbox (days)", help="0 keeps it forever.")
    retention_sent = fields.Integer("Sent (days)", help="0 keeps it forever.")
    retention_drafts = fields.Integer("Drafts (days)", help="0 keeps it forever.")
    retention_archive = fields.Integer("Archive (days)", help="0 keeps it forever.")
    retention_trash = fields.Integer("Trash (days)", help="0 keeps it forever.")
    retention_junk = fields.Integer("Junk (days)", help="0 keeps it forever.")
    retention_other = fields.Integer("Other Folders (days)", help="0 keeps it forever.")

    # PRICE_TERMS; taxes are the product's
    price = fields.Monetary("Monthly Price")
    included_mailboxes = fields.Integer()
    included_gb = fields.Integer("Included GB")
    included_thousands = fields.Integer("Included Thousand Messages")
    price_mailbox = fields.Monetary("Each Additional Mailbox")
    price_gb = fields.Monetary("Each Additional GB")
    price_thousand = fields.Monetary("Each Additional Thousand Messages")

    # the life of a customer
    dunning_days = fields.Integer(
        "Days Past Due", default=14,
        help="An invoice that is this many days late suspends the customer.",
    )
    grace_days = fields.Integer(
        "Days Kept After the End", default=30, help="Then all mail is erased."
    )

    _terms_not_negative = models.Constraint(
        f"CHECK (least({', '.join(NUMBERS)}) >= 0)", "A limit or a price is 0 or more."
    )

    def _sending_terms(self):
        """How a domain of a customer with these terms may send; of no plan: it says nothing."""
        return {f"plan_{name}": self[name] if self else False for name in SENDING_TERMS}

    def _domain_terms(self):
        """What else a domain of a customer with these terms gets."""
        self.ensure_one()
        names = [name for name in DOMAIN_TERMS if name not in SENDING_TERMS]
        return {
            **{name: self[name] for name in names},
            "transfer_limit": self.transfer_limit_gb * GIGABYTE,
        }

    def _show_term(self, name):
        """A term as people read it."""
        value, field = self[name], self._fields[name]
        if field.type == "many2many":
            return ", ".join(value.mapped("display_name")) or self.env._("all")
        if field.type == "selection":
            return dict(field._description_selection(self.env))[value]
        return formatLang(self.env, value, currency_obj=self.currency_id) if (
            field.type == "monetary") else str(value)
