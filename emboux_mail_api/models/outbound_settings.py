"""What the policy daemon goes by beside the domain's plan: inheritance, unit, mailboxes."""

from odoo import fields, models

from .domain_settings import OVER_LIMIT, UNITS


class DomainOutboundPolicy(models.Model):
    """How a domain's sending limits are applied (``policy/decision.py`` decides)."""

    _inherit = "emboux.domain"
    _audited_fields = (
        "outbound_inherit", "outbound_unit", "outbound_over_limit",
        "outbound_mailbox_daily_limit", "outbound_mailbox_monthly_limit",
        "outbound_recipients_per_message", "alias_destination_limit", "alias_depth_limit",
        "plan_outbound_unit", "plan_outbound_over_limit", "plan_alias_destination_limit",
        "plan_alias_depth_limit",
    )
    _followed_fields = frozenset(
        {
            "outbound_flagged_at", "plan_outbound_unit", "plan_outbound_over_limit",
            "plan_alias_destination_limit", "plan_alias_depth_limit",
        }
    )

    outbound_inherit = fields.Boolean(
        "As Its Parent",
        default=True,
        help="A subdomain has the tier and the enforcement of its wildcard parent, as they are "
        "now. Limits, warm-up and spike are its own.",
    )
    outbound_unit = fields.Selection(
        UNITS, "Limits Count",
        help="A message to twenty people is twenty recipients, or one message. Empty: as the "
        "owner's plan says, or recipients.",
    )
    outbound_over_limit = fields.Selection(
        OVER_LIMIT, "Over a Limit",
        help="What happens over the limit of a day or a month. Defer: the sender's program keeps "
        "the message and tries again. Hold: it is taken and waits in Postfix' hold queue for the "
        "operator. Reject: it comes back to the sender. Empty: as the owner's plan says, or "
        "defer.",
    )
    # see emboux_mail_api.models.domain_settings
    plan_outbound_unit = fields.Selection(
        UNITS, "Plan: Limits Count", readonly=True, copy=False
    )
    plan_outbound_over_limit = fields.Selection(
        OVER_LIMIT, "Plan: Over a Limit", readonly=True, copy=False
    )
    outbound_mailbox_daily_limit = fields.Integer(
        "A Mailbox in a Day",
        help="For each mailbox that has no limit of its own. 0 is without limit.",
    )
    outbound_mailbox_monthly_limit = fields.Integer(
        "A Mailbox in a Month",
        help="For each mailbox that has no limit of its own. 0 is without limit.",
    )
    outbound_recipients_per_message = fields.Integer(
        "Recipients of One Message", help="0 is without limit."
    )
    alias_destination_limit = fields.Integer(
        "Destinations of an Address",
        help="How many addresses outside an alias, a catch-all or a mailbox that forwards may lead "
        "to, those that it reaches by other aliases included. 0: as the owner's plan says, or the "
        "usual number.",
    )
    alias_depth_limit = fields.Integer(
        "Aliases in a Row",
        help="How many aliases mail may pass through, one after the other. 0: as the owner's plan "
        "says, or the usual number.",
    )
    plan_alias_destination_limit = fields.Integer(
        "Plan: Destinations of an Address", readonly=True, copy=False
    )
    plan_alias_depth_limit = fields.Integer("Plan: Aliases in a Row", readonly=True, copy=False)
    outbound_flagged_at = fields.Datetime(
        "Spike Seen",
        readonly=True,
        copy=False,
        help="When the domain last wanted to send far more than on its usual days.",
    )

    _outbound_policy = models.Constraint(
        "CHECK (least(outbound_mailbox_daily_limit, outbound_mailbox_monthly_limit, "
        "outbound_recipients_per_message, alias_destination_limit, alias_depth_limit) >= 0)",
        "A sending limit is 0 (without limit) or more.",
    )


class MailboxOutboundPolicy(models.Model):
    """How much one mailbox may send; in addition to the limits of its domain."""

    _inherit = "emboux.mailbox"
    _audited_fields = ("outbound_daily_limit", "outbound_monthly_limit")

    outbound_daily_limit = fields.Integer(
        "Sends in a Day", help="0 is the domain's limit for its mailboxes."
    )
    outbound_monthly_limit = fields.Integer(
        "Sends in a Month", help="0 is the domain's limit for its mailboxes."
    )

    _outbound_limits = models.Constraint(
        "CHECK (least(outbound_daily_limit, outbound_monthly_limit) >= 0)",
        "A sending limit is 0 (the domain's) or more.",
    )
