from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ..policy import decision, ledger
from ..policy.cursor import drive
from .outbound_count import KEPT_DAYS

#: A setting of the domain to the column of emboux_mail.sending_domains that says what decides.
DECIDED = {
    "outbound_tier": "tier",
    "outbound_enforcement": "enforcement",
    "outbound_daily_limit": "daily",
    "outbound_monthly_limit": "monthly",
    "outbound_mailbox_daily_limit": "mailbox_daily",
    "outbound_mailbox_monthly_limit": "mailbox_monthly",
    "outbound_recipients_per_message": "per_message",
    "alias_destination_limit": "alias_destinations",
    "alias_depth_limit": "alias_depth",
    "outbound_unit": "unit",
    "outbound_over_limit": "over_limit",
    "outbound_hourly_fraction": "hourly_fraction",
    "outbound_warmup_profile": "warmup_profile",
    "outbound_warmup_start": "warmup_start",
    "outbound_warmup_since": "warmup_since",
    "outbound_spike_multiplier": "spike_multiplier",
}
OF_PARENT = frozenset({"outbound_tier", "outbound_enforcement"})
LIMITS = frozenset(name for name in DECIDED if name.endswith(("_limit", "_per_message")))


class DomainSending(models.Model):
    """How a domain's sending stands today, for people: figures of the policy, in words."""

    _inherit = "emboux.domain"

    # as superuser: who sees the domain may see how it sends
    outbound_today = fields.Integer("Today", compute="_compute_sending", compute_sudo=True)
    outbound_month = fields.Integer("This Month", compute="_compute_sending", compute_sudo=True)
    outbound_cap = fields.Integer(
        "Today's Limit", compute="_compute_sending", compute_sudo=True, help="0 is without limit."
    )
    outbound_use = fields.Float("Used", compute="_compute_sending", compute_sudo=True)
    outbound_cap_reason = fields.Char(compute="_compute_sending", compute_sudo=True)
    outbound_warmup_day = fields.Char("Warm-Up", compute="_compute_sending", compute_sudo=True)
    outbound_month_cap = fields.Integer(
        "Month's Limit", compute="_compute_sending", compute_sudo=True,
        help="0 is without limit.",
    )
    outbound_terms = fields.Html(
        "What Decides", compute="_compute_terms", compute_sudo=True,
        help="Each setting as the policy goes by it, and where it comes from.",
    )
    outbound_parent_stop = fields.Char(
        "Stopped by Its Parent", compute="_compute_parent_stop", compute_sudo=True
    )
    outbound_history = fields.Json(compute="_compute_history", compute_sudo=True)

    def _compute_sending(self):
        now = datetime.now(UTC)
        self._flush_terms()
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
            domain.outbound_cap_reason = domain._why_cap(cap)
            domain.outbound_month_cap = settings.monthly if settings else 0
            domain.outbound_warmup_day = domain._say_warmup(settings, now) if settings else False

    def _cap_of_today(self, settings, used, now):
        """The limit that the day meets first, or None."""
        counters = decision.Counters(domain=used)
        of_day = [cap for cap in decision.caps(settings, counters, now) if cap.window == "day"]
        return min(of_day, key=lambda cap: cap.limit, default=None)

    def _why_cap(self, cap):
        if not cap:
            return False
        if cap.rule == "daily":
            return self._say_source(self._source("outbound_daily_limit", cap.limit))
        return {
            "warmup": self.env._("by the warm-up"),
            "spike": self.env._("far above the usual days"),
        }[cap.rule]

    def _say_warmup(self, settings, now):
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

    # -- what decides, and where it comes from ---------------------------------------------------

    def _flush_terms(self):
        """Let PostgreSQL see what the view of what decides is made of."""
        self.flush_model()
        self.env["emboux.mailbox"].flush_model()
        self.env["ir.config_parameter"].flush_model()

    @api.private
    def _outgoing_terms(self):
        """Domain id to what decides about its sending, a dictionary with the columns of the view
        ``emboux_mail.sending_domains``; without those that do not send from here."""
        self._flush_terms()
        self.env.cr.execute(
            SQL("SELECT * FROM emboux_mail.sending_domains WHERE id = ANY(%s)", self._origin.ids)
        )
        return {row["id"]: row for row in self.env.cr.dictfetchall()}

    def _source(self, name, value):
        """Whence a setting that decides comes: *plan*, *own*, *parent*, or *default*."""
        self.ensure_one()
        if name in OF_PARENT and self.parent_id and self.outbound_inherit:
            return "parent"
        own, plan = self[name], self[f"plan_{name}"] if f"plan_{name}" in self._fields else False
        if plan and plan == value:
            return "plan"
        usual = self.default_get([name]).get(name)
        if own and own == value and _rounded(own) != _rounded(usual):
            return "own"
        return "default"

    def _say_source(self, source):
        return {
            "plan": self.env._("by the plan"),
            "own": self.env._("set for this domain"),
            "parent": self.env._("by %s", self.parent_id.display_name),
            "default": self.env._("usual"),
        }[source]

    def _compute_terms(self):
        terms = self._outgoing_terms()
        for domain in self:
            row = terms.get(domain._origin.id)
            domain.outbound_terms = Markup("<table class='table table-sm mb-0'>%s</table>") % (
                Markup().join(
                    Markup("<tr><td>%s</td><td class='fw-bold'>%s</td>"
                           "<td class='text-muted'>%s</td></tr>") % (
                        domain._fields[name]._description_string(self.env),
                        domain._say_term(name, row[column]),
                        domain._say_source(domain._source(name, row[column])),
                    )
                    for name, column in DECIDED.items()
                )
            ) if row else False

    def _say_term(self, name, value):
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
                    "%s, by which it sends, is suspended.", parent.display_name
                )
            elif parent.outbound_status == "blocked":
                stop = self.env._(
                    "Sending of %(parent)s, by which it sends, is blocked: %(reason)s",
                    parent=parent.display_name, reason=parent.outbound_reason or "-",
                )
            else:
                stop = False
            domain.outbound_parent_stop = stop

    def _compute_history(self):
        """The recorded days and today, with what came back of them."""
        today = fields.Date.today()
        days = [today - timedelta(days=back) for back in range(KEPT_DAYS, -1, -1)]
        sent, events = self._sent_by_day(days[0]), self._events_by_day(days[0])
        for domain in self:
            key = domain._origin.id
            domain.outbound_history = {
                "days": [fields.Date.to_string(day) for day in days],
                "sent": [sent.get((key, day), 0) for day in days[:-1]] + [domain.outbound_today],
                "bounces": [events.get((key, day, "bounce"), 0) for day in days],
                "complaints": [events.get((key, day, "complaint"), 0) for day in days],
                "limit": domain.outbound_cap,
            }

    def _sent_by_day(self, since):
        """(domain id, day) to recipients, of days that are over."""
        rows = self.env.execute_query(
            SQL(
                """SELECT domain_id, since, recipients FROM emboux_outbound_count
                    WHERE "window" = 'day' AND since >= %(since)s AND domain_id = ANY(%(ids)s)
                    UNION ALL
                   SELECT subject, (at AT TIME ZONE 'UTC')::date, in_day FROM emboux_mail.sent
                    WHERE subject = ANY(%(ids)s)""",
                since=since,
                ids=self._origin.ids,
            )
        )
        found = {}
        for domain, day, count in rows:
            found[domain, day] = found.get((domain, day), 0) + count
        return found

    def _events_by_day(self, since):
        """(domain id, day, kind) to the number of bounces and complaints that count."""
        groups = self.env["emboux.webhook.event"]._read_group(
            [("domain_id", "in", self._origin.ids), ("counts", "=", True),
             ("happened_at", ">=", since)],
            ["domain_id", "happened_at:day", "kind"], ["__count"],
        )
        return {
            (domain.id, moment.date(), kind): count for domain, moment, kind, count in groups
        }


def _rounded(value):
    """As the database has it."""
    return round(value, 4) if isinstance(value, float) else value
