"""What the operator grants a domain: sending, keeping mail, transfer."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger

STANDARD = "standard"  # the tier that is always there
UNITS = [("recipients", "Recipients"), ("messages", "Messages")]
OVER_LIMIT = [("defer", "Defer"), ("hold", "Hold"), ("reject", "Reject")]
PROFILES = [
    ("none", "None"), ("fast", "Fast"), ("standard", "Standard"), ("conservative", "Conservative"),
]
FOLDERS = ("inbox", "sent", "drafts", "archive", "trash", "junk", "other")


class DomainOutbound(models.Model):
    """What the operator sets for a domain's sending.

    What its owner's plan grants stands apart, in fields of the same names with ``plan_`` before
    them; which of both decides says ``emboux_mail.sending_domains`` (sql/policy.sql).
    """

    _inherit = "emboux.domain"
    _audited_fields = (
        "outbound_tier", "outbound_enforcement", "outbound_status", "outbound_reason",
        "outbound_daily_limit", "outbound_monthly_limit", "outbound_hourly_fraction",
        "outbound_warmup_profile", "outbound_warmup_start", "outbound_warmup_since",
        "outbound_spike_multiplier",
        "plan_outbound_daily_limit", "plan_outbound_monthly_limit",
        "plan_outbound_warmup_profile", "plan_outbound_warmup_start",
    )
    _followed_fields = frozenset(
        {
            "outbound_reason", "plan_outbound_daily_limit", "plan_outbound_monthly_limit",
            "plan_outbound_warmup_profile", "plan_outbound_warmup_start",
        }
    )

    outbound_tier = fields.Selection(
        "_select_tier", "Tier", default=STANDARD, required=True, help="The name of a plan."
    )
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
        PROFILES, "Warm-Up", help="Empty: as the owner's plan says, or standard."
    )
    outbound_warmup_start = fields.Integer(
        "First Day's Recipients",
        help="0: as the owner's plan says, or the usual number where there is a daily limit.",
    )
    outbound_warmup_since = fields.Date(
        "Warming Up Since", copy=False,
        help="The first day (UTC) on which the domain might send; by itself.",
    )
    outbound_spike_multiplier = fields.Float("Spike", default=5.0, digits=(6, 2))

    # what the owner's plan grants; 0 and empty: it says nothing
    plan_outbound_daily_limit = fields.Integer("Plan: a Day", readonly=True, copy=False)
    plan_outbound_monthly_limit = fields.Integer("Plan: a Month", readonly=True, copy=False)
    plan_outbound_warmup_profile = fields.Selection(
        PROFILES, "Plan: Warm-Up", readonly=True, copy=False
    )
    plan_outbound_warmup_start = fields.Integer(
        "Plan: First Day's Recipients", readonly=True, copy=False
    )

    _outbound_limits = models.Constraint(
        "CHECK (outbound_daily_limit >= 0 AND outbound_monthly_limit >= 0 "
        "AND outbound_warmup_start >= 0 AND outbound_spike_multiplier >= 1 "
        "AND outbound_hourly_fraction > 0 AND outbound_hourly_fraction <= 1)",
        "A sending limit is 0 (without limit) or more, the hour's share above 0 and at most 1, "
        "the spike at least 1.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._canonical_tier(dict(vals)) for vals in vals_list]
        domains = super().create(vals_list)
        domains._begin_warmup()
        return domains

    def write(self, vals):
        done = super().write(self._canonical_tier(dict(vals)))
        if vals.get("state") == "verified":
            self._begin_warmup()
        return done

    # -- the tier ----------------------------------------------------------------------------

    @api.model
    def _tiers(self):
        """The names that a tier may have; who sells plans adds these."""
        return [STANDARD]

    @api.model
    def _select_tier(self):
        return [(name, name) for name in self._tiers()]

    def _canonical_tier(self, vals):
        """The tier as it is on the list, whichever way it is written.

        :raises ValidationError: it is none of them; the sentence has the list.
        """
        if not vals.get("outbound_tier"):
            return {name: value for name, value in vals.items() if name != "outbound_tier"}
        asked = str(vals["outbound_tier"]).strip()
        tiers = {name.casefold(): name for name in reversed(self._tiers())}
        if asked.casefold() not in tiers:
            raise ValidationError(
                self.env._(
                    "There is no tier %(asked)s. Take one of: %(tiers)s.",
                    asked=asked,
                    tiers=", ".join(sorted(tiers.values())),
                )
            )
        vals["outbound_tier"] = tiers[asked.casefold()]
        return vals

    # -- the warm-up ---------------------------------------------------------------------------

    def _begin_warmup(self):
        """The warm-up is counted from the first day on which a domain may send.

        Who has sent before it was known here when that was needs none.
        """
        # as superuser: what follows from the state is nobody's to write
        new = self.sudo().filtered(
            lambda d: d.state == "verified" and not d.outbound_warmup_since
            and d.backend_id.kind == "local"
        )
        if new:
            (new - new._have_sent()).outbound_warmup_since = fields.Date.today()

    def _have_sent(self):
        """Those of these domains that have sent anything."""
        self.env["emboux.outbound.count"].flush_model()
        return self.browse(
            number
            for [number] in self.env.execute_query(
                SQL(
                    """SELECT domain_id FROM emboux_outbound_count WHERE domain_id = ANY(%(ids)s)
                        UNION
                       SELECT subject FROM emboux_mail.sent
                        WHERE subject = ANY(%(ids)s) AND in_month > 0""",
                    ids=self.ids,
                )
            )
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
        [("defer", "Defer Mail"), ("warn", "Warn")], "Over the Transfer", default="defer",
        required=True,
        help="Defer: mail waits, in and out, until the next month. Warn: its people are told, and "
        "mail goes on.",
    )
    transfer_used = BigInteger(
        "Transfer This Month (bytes)", compute="_compute_transfer_used",
        help="Messages that came into its mailboxes and that its mailboxes sent, and what mail "
        "programs uploaded and read. Months are those of UTC.",
    )

    _transfer_not_negative = models.Constraint(
        "CHECK (transfer_limit >= 0)", "A transfer limit is 0 (without limit) or more."
    )
