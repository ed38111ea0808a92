"""What the operator grants a domain: sending, keeping mail, transfer."""

from odoo import fields, models

from odoo.addons.emboux_core.models.fields import BigInteger

FOLDERS = ("inbox", "sent", "drafts", "archive", "trash", "junk", "other")


class DomainOutbound(models.Model):
    """How much a domain may send.."""

    _inherit = "emboux.domain"
    _audited_fields = (
        "outbound_tier", "outbound_enforcement", "outbound_status", "outbound_reason",
        "outbound_daily_limit", "outbound_monthly_limit", "outbound_hourly_fraction",
        "outbound_warmup_profile", "outbound_warmup_start", "outbound_warmup_since",
        "outbound_spike_multiplier",
    )
    _followed_fields = frozenset({"outbound_reason"})

    outbound_tier = fields.Char("Tier", default="standard", help="The name of a sending plan.")
    outbound_enforcement = fields.Selection(
        [("enforce", "Enforce"), ("monitor", "Monitor"), ("off", "Off")],
        "Enforcement",
        default="enforce",
        required=True,
        help="Monitor decides and logs, and lets pass.",
    )
    outbound_status = fields.Selection(
        [("open", "Open"), ("blocked", "Blocked")], "Sending", default="open", required=True,
        tracking=True,
    )
    outbound_reason = fields.Char("Why Blocked", readonly=True)
    outbound_daily_limit = fields.Integer(
        "Recipients a Day", help="0 is without limit.", tracking=True
    )
    outbound_monthly_limit = fields.Integer(
        "Recipients a Month", help="0 is without limit.", tracking=True
    )
    outbound_hourly_fraction = fields.Float(
        "Share of the Day in an Hour", default=1 / 6, digits=(6, 4)
    )
    outbound_warmup_profile = fields.Selection(
        [
            ("none", "None"), ("fast", "Fast"), ("standard", "Standard"),
            ("conservative", "Conservative"),
        ],
        "Warm-Up",
        default="standard",
        required=True,
    )
    outbound_warmup_start = fields.Integer(
        "First Day's Recipients", default=0, help="0 is no warm-up."
    )
    outbound_warmup_since = fields.Date("Warming Up Since")
    outbound_spike_multiplier = fields.Float("Spike", default=5.0, digits=(6, 2))

    _outbound_limits = models.Constraint(
        "CHECK (outbound_daily_limit >= 0 AND outbound_monthly_limit >= 0 "
        "AND outbound_warmup_start >= 0 AND outbound_spike_multiplier >= 1 "
        "AND outbound_hourly_fraction > 0 AND outbound_hourly_fraction <= 1)",
        "A sending limit is 0 (without limit) or more, the hour's share above 0 and at most 1, "
        "the spike at least 1.",
    )


class DomainRetention(models.Model):
    """How long mail is kept, by kind of folder."""

    _inherit = "emboux.domain"
    _audited_fields = tuple(f"retention_{folder}" for folder in FOLDERS)

    retention_inbox = fields.Integer("Inbox (days)", help="0 is for ever.")
    retention_sent = fields.Integer("Sent (days)", help="0 is for ever.")
    retention_drafts = fields.Integer("Drafts (days)", help="0 is for ever.")
    retention_archive = fields.Integer("Archive (days)", help="0 is for ever.")
    retention_trash = fields.Integer("Trash (days)", help="0 is for ever.")
    retention_junk = fields.Integer("Junk (days)", help="0 is for ever.")
    retention_other = fields.Integer("Other Folders (days)", help="0 is for ever.")

    _retention_not_negative = models.Constraint(
        "CHECK (least(retention_inbox, retention_sent, retention_drafts, retention_archive, "
        "retention_trash, retention_junk, retention_other) >= 0)",
        "Mail is kept for 0 (for ever) or more days.",
    )


class DomainTransfer(models.Model):
    """How much a domain may move in a month."""

    _inherit = "emboux.domain"
    _audited_fields = ("transfer_limit", "transfer_over_limit")
    _followed_fields = frozenset({"transfer_used"})

    transfer_limit = BigInteger("Monthly Transfer (bytes)", help="0 is without limit.")
    transfer_over_limit = fields.Selection(
        [("warn", "Warn"), ("defer", "Defer Mail")], "Over the Transfer", default="warn",
        required=True,
        help="Whether mail waits, in and out, until the next month.",
    )
    transfer_used = BigInteger(
        "Transfer This Month (bytes)", compute="_compute_transfer_used",
        help="Messages that came into its mailboxes and that its mailboxes sent, and what mail "
        "programs uploaded and read. Months are those of UTC.",
    )

    _transfer_not_negative = models.Constraint(
        "CHECK (transfer_limit >= 0)", "A transfer limit is 0 (without limit) or more."
    )
