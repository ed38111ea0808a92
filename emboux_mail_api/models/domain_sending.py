# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date

from odoo.addons.emboux_core.backends.base import Room
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import each_in_own_transaction

from ..emboux_daemons.policy import decision, ledger
from ..emboux_daemons.policy.cursor import drive
from ..emboux_daemons.policy.decision import END, Decision, Request
from ..emboux_daemons.policy.normal import normal_address
from . import sending_figures
from .outbound_count import KEPT_DAYS
from .sending_figures import DECIDED, LIMITS, OF_PARENT, rounded

STANDARD = "standard"  # the tier that is always there
UNITS = [("recipients", "Recipients"), ("messages", "Messages")]
OVER_LIMIT = [("defer", "Defer"), ("hold", "Hold"), ("reject", "Reject")]
PROFILES = [
    ("none", "None"), ("fast", "Fast"), ("standard", "Standard"), ("conservative", "Conservative"),
]

#: What the triggers may have written to a domain that is added.
RESTORED_FIELDS = (
    "state", "state_before", "state_reason", "outbound_warmup_since", "outbound_flagged_at",
    "outbound_status", "outbound_reason", "outbound_window_since", "outbound_window_sent",
    "outbound_enforcement", "outbound_tier", "outbound_daily_limit", "outbound_monthly_limit",
    "outbound_mailbox_daily_limit", "outbound_mailbox_monthly_limit",
    "outbound_recipients_per_message", "outbound_warmup_start", "outbound_hourly_fraction",
    "outbound_spike_multiplier", "outbound_unit", "outbound_over_limit",
    "outbound_warmup_profile",
)

#: Percent of a limit at which people are notified, once in each window.
LEVELS = (100, 80)


class DomainSending(models.Model):
    """A domain's sending: what the operator sets for it, what the policy decides by that, and how
    it stands.

    What its owner's plan grants stands apart, in fields of the same names with ``plan_`` before
    them; which of both decides says ``emboux_mail.sending_domains`` (sql/sending.sql).  How the
    limits are applied decides ``policy/decision.py``, for Odoo's own transaction as for the
    daemon.

    What belongs to an owner and a name is put away when the name is given up, and given back, by
    triggers (sql/policy.sql, ``emboux_mail.kept``); Odoo learns of it here.
    """

    _inherit = "emboux.domain"
    _change_hooks = {"outbound_status": "_on_outbound_status_changed"}
    _audited_fields = (
        "outbound_tier", "outbound_enforcement", "outbound_status", "outbound_reason",
        "outbound_daily_limit", "outbound_monthly_limit", "outbound_hourly_fraction",
        "outbound_warmup_profile", "outbound_warmup_start", "outbound_warmup_since",
        "outbound_spike_multiplier",
        "plan_outbound_daily_limit", "plan_outbound_monthly_limit",
        "plan_outbound_warmup_profile", "plan_outbound_warmup_start",
        "outbound_inherit", "outbound_unit", "outbound_over_limit",
        "outbound_mailbox_daily_limit", "outbound_mailbox_monthly_limit",
        "outbound_recipients_per_message", "alias_destination_limit", "alias_depth_limit",
        "plan_outbound_unit", "plan_outbound_over_limit", "plan_alias_destination_limit",
        "plan_alias_depth_limit",
    )
    _system_fields = frozenset(
        {
            "outbound_reason", "plan_outbound_daily_limit", "plan_outbound_monthly_limit",
            "plan_outbound_warmup_profile", "plan_outbound_warmup_start",
            "outbound_flagged_at", "plan_outbound_unit", "plan_outbound_over_limit",
            "plan_alias_destination_limit", "plan_alias_depth_limit",
            "outbound_warned_day", "outbound_warned_month",
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
        "Recipients per Day", help="0 means no limit.", tracking=True
    )
    outbound_monthly_limit = fields.Integer(
        "Recipients per Month", help="0 means no limit.", tracking=True
    )
    outbound_hourly_fraction = fields.Float(
        "Hourly Share of the Daily Limit", default=1 / 6, digits=(6, 4)
    )
    outbound_warmup_profile = fields.Selection(
        PROFILES, "Warm-Up", help="Empty: as the owner's plan says, or standard."
    )
    outbound_warmup_start = fields.Integer(
        "First Day's Recipients",
        help="0: as in the owner's plan, or the default if there is a daily limit.",
    )
    outbound_warmup_since = fields.Date(
        "Warming Up Since", copy=False,
        help="The first day (UTC) on which the domain could send. Set automatically.",
    )
    outbound_spike_multiplier = fields.Float("Spike", default=5.0, digits=(6, 2))

    # what the owner's plan grants; 0 and empty: it says nothing
    plan_outbound_daily_limit = fields.Integer(
        "Plan: Recipients per Day", readonly=True, copy=False
    )
    plan_outbound_monthly_limit = fields.Integer(
        "Plan: Recipients per Month", readonly=True, copy=False
    )
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
        "A sending limit is 0 (no limit) or more, the hour's share above 0 and at most 1, "
        "the spike at least 1.",
    )

    outbound_inherit = fields.Boolean(
        "Same as Its Parent",
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
    # what the owner's plan grants, as above
    plan_outbound_unit = fields.Selection(
        UNITS, "Plan: Limits Count", readonly=True, copy=False
    )
    plan_outbound_over_limit = fields.Selection(
        OVER_LIMIT, "Plan: Over a Limit", readonly=True, copy=False
    )
    outbound_mailbox_daily_limit = fields.Integer(
        "Recipients per Mailbox and Day",
        help="For each mailbox that has no limit of its own. 0 means no limit.",
    )
    outbound_mailbox_monthly_limit = fields.Integer(
        "Recipients per Mailbox and Month",
        help="For each mailbox that has no limit of its own. 0 means no limit.",
    )
    outbound_recipients_per_message = fields.Integer(
        "Recipients per Message", help="0 means no limit."
    )
    alias_destination_limit = fields.Integer(
        "Destinations of an Address",
        help="How many addresses outside an alias, a catch-all or a mailbox that forwards may lead "
             "to, those that it reaches by other aliases included. 0: as in the owner's plan, or "
             "the default.",
    )
    alias_depth_limit = fields.Integer(
        "Alias Depth",
        help="How many aliases mail may pass through, one after the other. 0: as in the owner's "
             "plan, or the default.",
    )
    plan_alias_destination_limit = fields.Integer(
        "Plan: Destinations of an Address", readonly=True, copy=False
    )
    plan_alias_depth_limit = fields.Integer("Plan: Alias Depth", readonly=True, copy=False)
    outbound_flagged_at = fields.Datetime(
        "Spike Seen",
        readonly=True,
        copy=False,
        help="When the domain last tried to send far more than usual.",
    )

    _outbound_policy = models.Constraint(
        "CHECK (least(outbound_mailbox_daily_limit, outbound_mailbox_monthly_limit, "
        "outbound_recipients_per_message, alias_destination_limit, alias_depth_limit) >= 0)",
        "A sending limit is 0 (no limit) or more.",
    )

    @api.model
    def _complete_values(self, vals):
        return super()._complete_values(self._canonical_tier(vals))

    def _assert_may_change(self, vals):
        super()._assert_may_change(vals)
        if vals.get("outbound_status") == "open" and "blocked" in self.mapped("outbound_status"):
            self._assert_may_lift()

    def _on_created(self, given):
        super()._on_created(given)
        self._reload_restored()
        self._start_warmup()

    def _on_owner_changed(self, before, vals):
        super()._on_owner_changed(before, vals)
        self._reload_restored()

    def _on_state_changed(self, before, vals):
        super()._on_state_changed(before, vals)
        if vals["state"] == "verified":
            self._start_warmup()

    def _on_outbound_status_changed(self, before, vals):
        """They may send again, or not any more."""
        if vals["outbound_status"] == "open":
            self._restart_rates()
        elif "outbound_reason" not in vals:
            # as superuser: the reason follows from who did it
            self.sudo().outbound_reason = self.env._("Stopped by the operator.")

    # -- the tier ----------------------------------------------------------------------

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

    # -- the warm-up -------------------------------------------------------------------

    def _start_warmup(self):
        """The warm-up is counted from the first day on which a domain may send.

        Who has sent before it was known here when that was needs none.
        """
        # as superuser: what follows from the state is not for users to write
        new = self.sudo().filtered(
            lambda d: d.state == "verified" and not d.outbound_warmup_since
            and d.backend_id.kind == "local"
        )
        if new:
            sent = self.browse(sending_figures.have_sent(self.env, new.ids))
            (new - sent).outbound_warmup_since = fields.Date.today()

    # -- what belongs to its name ------------------------------------------------------

    def _reload_restored(self):
        """Reload what the triggers have restored to the owners of these names."""
        self.flush_recordset()
        self.invalidate_recordset(RESTORED_FIELDS)
        self.env["emboux.outbound.count"].invalidate_model()
        former = sending_figures.former_of(self.env, self.ids)
        for domain in self.filtered(lambda d: d.id in former):
            domain._on_restored(former[domain.id])

    def _on_restored(self, former):
        """The domain goes on where that of this number has ended."""

    # -- the policy's decision in Odoo's own transaction: the daemon's code ------------

    @api.private
    def _decide_outgoing(self, recipients=1, addresses=(), login=None):
        """Decide about one message and count it when it is accepted.

        ``addresses``: the recipients, when they are known, of whom what they lead to is decided
        about and counted; else ``recipients`` is their number.
        ``login``: the mailbox that sends; without one the domain alone is asked.
        Returns the ``Decision``, and what the domain has sent today and this month after it.
        :raises UserError: the domain does not send from here, or the mailbox is not its own.
        """
        self.ensure_one()
        self.env.flush_all()
        cr = self.env.cr
        settings = self._outgoing_settings(login)
        known = settings.mailbox_suspended or settings.suspended or settings.unverified
        if not known and (stopped := self._postfix_refusal(login)):
            # what Postfix says before it asks the policy: no relay takes the domain's mail yet
            code, detail, sentence = stopped.split(" ", 2)
            refusal = Decision("reject", "reject", f"{code} {detail}", f"{sentence}.", "relay")
            return refusal, *self.env["emboux.outbound.count"]._used(self)
        sender = settings.login or settings.domain
        normal = tuple(dict.fromkeys(map(normal_address, addresses)))
        check = tuple((to, ledger.pair_hash(sender, to)) for to in normal)
        request = Request(END, len(check) or recipients)
        ask = ledger.Ask(settings, request, check, tuple(pair for _to, pair in check),
                         expand=normal)
        [decision], facts = drive(ledger.charge([ask], forwards=True), cr)
        if decision.rule == "spike":
            cr.execute("SELECT emboux_mail.flag(%s)", [self.id])
            self.invalidate_recordset(["outbound_flagged_at"])
        used = facts.used(self.id)
        return decision, used.day, used.month

    def _outgoing_settings(self, login):
        if not login:
            settings = drive(ledger.load_domain(self.id), self.env.cr)
        else:
            settings = drive(ledger.load_settings([login]), self.env.cr).get(login)
        if settings is None or settings.domain_id != self.id:
            if login:
                raise UserError(
                    self.env._(
                        "%(login)s is no mailbox of %(domain)s.",
                        login=login,
                        domain=self.display_name,
                    )
                )
            raise UserError(self.env._("%s does not send from here.", self.display_name))
        return settings

    @api.private
    def _room_to_send(self, login=None):
        """How much may still be sent now, as a ``Room``; None for no limit.  Charges nothing.

        ``login``: the mailbox that sends, for its own limits.
        :raises UserError: the domain does not send from here, or the mailbox is not its own.
        """
        self.ensure_one()
        self.env.flush_all()
        settings = self._outgoing_settings(login)
        if settings.enforcement != "enforce":
            return None
        ask = ledger.Ask(settings, Request(END))
        _decisions, facts = drive(ledger.look([ask]), self.env.cr)
        counters = facts.counters(0, ask)
        if decision.standing_refusal(settings):
            return Room(0)
        now = datetime.now(UTC)
        caps = list(decision.caps(settings, counters, now))
        if not caps:
            return None
        first = min(caps, key=lambda cap: cap.limit - cap.used)
        per_day = min((cap.limit for cap in caps if cap.window == "day"), default=0)
        return Room(max(first.limit - first.used, 0), decision.next_window(first.window, now),
                    per_day)

    # -- how its sending stands today, for people: figures of the policy, in words -----

    # as superuser: who sees the domain may see how it sends
    outbound_today = fields.Integer("Today", compute="_compute_sending", compute_sudo=True)
    outbound_month = fields.Integer("This Month", compute="_compute_sending", compute_sudo=True)
    outbound_cap = fields.Integer(
        "Today's Limit", compute="_compute_sending", compute_sudo=True, help="0 means no limit."
    )
    outbound_use = fields.Float("Used", compute="_compute_sending", compute_sudo=True)
    outbound_cap_reason = fields.Char(compute="_compute_sending", compute_sudo=True)
    outbound_warmup_day = fields.Char(
        "Warm-Up Day", compute="_compute_sending", compute_sudo=True
    )
    outbound_month_cap = fields.Integer(
        "Month's Limit", compute="_compute_sending", compute_sudo=True,
        help="0 means no limit.",
    )
    outbound_terms = fields.Html(
        "Effective Settings", compute="_compute_terms", compute_sudo=True,
        help="Each setting as the policy applies it, and its origin.",
    )
    outbound_parent_stop = fields.Char(
        "Stopped by Its Parent", compute="_compute_parent_stop", compute_sudo=True
    )
    outbound_history = fields.Json(compute="_compute_history", compute_sudo=True)

    def _compute_sending(self):
        now = datetime.now(UTC)
        self._flush_settings()
        for domain in self:
            settings = domain._origin and drive(
                ledger.load_domain(domain._origin.id), self.env.cr
            )
            used = decision.NOTHING
            if settings:
                day, month = self.env["emboux.outbound.count"]._used(domain._origin)
                used = decision.Used(0, day, month)
            domain.outbound_today, domain.outbound_month = used.day, used.month
            cap = domain._cap_of_today(settings, used, now) if settings else None
            domain.outbound_cap = cap.limit if cap else 0
            domain.outbound_use = used.day / cap.limit if cap and cap.limit else 0.0
            domain.outbound_cap_reason = domain._cap_reason(cap)
            domain.outbound_month_cap = settings.monthly if settings else 0
            domain.outbound_warmup_day = (
                domain._warmup_message(settings, now) if settings else False
            )

    def _cap_of_today(self, settings, used, now):
        """The limit that the day meets first, or None."""
        counters = decision.Counters(domain=used)
        of_day = [cap for cap in decision.caps(settings, counters, now) if cap.window == "day"]
        return min(of_day, key=lambda cap: cap.limit, default=None)

    def _cap_reason(self, cap):
        if not cap:
            return False
        if cap.rule == "daily":
            return self._source_label(self._source("outbound_daily_limit", cap.limit))
        return {
            "warmup": self.env._("by the warm-up"),
            "spike": self.env._("far above the usual days"),
        }[cap.rule]

    def _warmup_message(self, settings, now):
        limit = decision.warmup_limit(settings, now)
        if limit is None:
            return False
        return self.env._(
            "Day %(day)s since %(since)s: %(limit)s of %(daily)s recipients",
            day=max(0, (now.date() - settings.warmup_since).days) + 1,
            since=format_date(self.env, settings.warmup_since),
            limit=limit,
            daily=settings.daily or "∞",
        )

    # -- what decides, and where it comes from -----------------------------------------

    def _flush_settings(self):
        """Let PostgreSQL see what the view of what decides is made of."""
        self.flush_model()
        self.env["emboux.mailbox"].flush_model()
        self.env["ir.config_parameter"].flush_model()

    @api.private
    def _effective_settings(self):
        """Domain id to what decides about its sending, a dictionary with the columns of the view
        ``emboux_mail.sending_domains``; without those that do not send from here."""
        self._flush_settings()
        self.env.cr.execute(
            SQL("SELECT * FROM emboux_mail.sending_domains WHERE id = ANY(%s)", self._origin.ids)
        )
        return {row["id"]: row for row in self.env.cr.dictfetchall()}

    def _source(self, name, value):
        """The origin of an effective setting: *plan*, *own*, *parent*, or *default*."""
        self.ensure_one()
        if name in OF_PARENT and self.parent_id and self.outbound_inherit:
            return "parent"
        own, plan = self[name], self[f"plan_{name}"] if f"plan_{name}" in self._fields else False
        if plan and plan == value:
            return "plan"
        usual = self.default_get([name]).get(name)
        if own and own == value and rounded(own) != rounded(usual):
            return "own"
        return "default"

    def _source_label(self, source):
        return {
            "plan": self.env._("by the plan"),
            "own": self.env._("set for this domain"),
            "parent": self.env._("by %s", self.parent_id.display_name),
            "default": self.env._("default"),
        }[source]

    def _compute_terms(self):
        terms = self._effective_settings()
        for domain in self:
            row = terms.get(domain._origin.id)
            domain.outbound_terms = Markup("<table class='table table-sm mb-0'>%s</table>") % (
                Markup().join(
                    Markup("<tr><td>%s</td><td class='fw-bold'>%s</td>"
                           "<td class='text-muted'>%s</td></tr>") % (
                        domain._fields[name]._description_string(self.env),
                        domain._format_setting(name, row[column]),
                        domain._source_label(domain._source(name, row[column])),
                    )
                    for name, column in DECIDED.items()
                )
            ) if row else False

    def _format_setting(self, name, value):
        field = self._fields[name]
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, value)
        if name == "outbound_hourly_fraction":
            return f"{value:.1%}"
        if field.type == "date":
            return format_date(self.env, value) if value else "-"
        return f"{value:g}" if value else "∞" if name in LIMITS else "-"

    @api.depends(
        "parent_id.state", "parent_id.outbound_status", "parent_id.outbound_reason",
        "parent_id.name",
    )
    def _compute_parent_stop(self):
        for domain in self:
            parent = domain.parent_id
            if parent.state == "suspended":
                stop = self.env._(
                    "%s, through which it sends, is suspended.", parent.display_name
                )
            elif parent.outbound_status == "blocked":
                stop = self.env._(
                    "Sending of %(parent)s, through which it sends, is blocked: %(reason)s",
                    parent=parent.display_name, reason=parent.outbound_reason or "-",
                )
            else:
                stop = False
            domain.outbound_parent_stop = stop

    def _compute_history(self):
        """The recorded days and today, with what came back of them."""
        today = fields.Date.today()
        days = [today - timedelta(days=back) for back in range(KEPT_DAYS, -1, -1)]
        ids = self._origin.ids
        sent = sending_figures.sent_by_day(self.env, ids, days[0])
        events = sending_figures.events_by_day(self.env, ids, days[0])
        for domain in self:
            key = domain._origin.id
            domain.outbound_history = {
                "days": [fields.Date.to_string(day) for day in days],
                "sent": [sent.get((key, day), 0) for day in days[:-1]] + [domain.outbound_today],
                "bounces": [events.get((key, day, "bounce"), 0) for day in days],
                "complaints": [events.get((key, day, "complaint"), 0) for day in days],
                "limit": domain.outbound_cap,
            }

    # -- owner and responsible are told before a limit is reached, and when it is ------

    # the window and the level that was told last: 2026-11-26 80
    outbound_warned_day = fields.Char(readonly=True, copy=False)
    outbound_warned_month = fields.Char(readonly=True, copy=False)

    @api.model
    @api.private
    def _cron_warn_of_limits(self, now=None):
        """Tell of each window once at 80 % and once at 100 %."""
        now = now or datetime.now(UTC)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        near = sending_figures.near_a_limit(self.env, day, min(LEVELS))
        near = {self.browse(number): values for number, values in near.items()}

        def warn(domain):
            daily, monthly, in_day, in_month = near[domain]
            domain._warn_of_limit("outbound_warned_day", f"{now:%Y-%m-%d}", in_day, daily)
            domain._warn_of_limit("outbound_warned_month", f"{now:%Y-%m}", in_month, monthly)

        each_in_own_transaction(self.env, [near], warn)

    def _warn_of_limit(self, field, window, used, limit):
        level = next((n for n in LEVELS if limit and used * 100 >= limit * n), None)
        told_window, _space, told_level = (self[field] or "").partition(" ")
        if not level or (told_window == window and int(told_level) >= level):
            return
        # as superuser: what was told is not for users to write
        self.sudo()[field] = f"{window} {level}"
        of_day = field == "outbound_warned_day"
        self._post_notice(
            lambda domain: Notice(*domain._limit_message(of_day, level, used, limit)),
            self.partner_id.filtered("email") | self.user_id.partner_id,
        )

    def _limit_message(self, of_day, level, used, limit):
        values = {"name": self.display_name, "used": used, "limit": limit}
        if level >= 100:
            title = self.env._("%s has reached its sending limit", self.display_name)
            text = self.env._(
                "%(name)s has sent to %(used)s of %(limit)s recipients today. More is deferred "
                "until midnight (UTC): mail programs keep it and try again.", **values,
            ) if of_day else self.env._(
                "%(name)s has sent to %(used)s of %(limit)s recipients this month. More has to "
                "wait for the next one: ask for a larger plan if this is your usual mail.",
                **values,
            )
            return title, text
        title = self.env._("%s is near its sending limit", self.display_name)
        text = self.env._(
            "%(name)s has sent to %(used)s of %(limit)s recipients today. If that is not mail of "
            "yours, change the passwords of its mailboxes now.", **values,
        ) if of_day else self.env._(
            "%(name)s has sent to %(used)s of %(limit)s recipients this month. If you need more, "
            "ask for a larger plan before mail has to wait.", **values,
        )
        return title, text
