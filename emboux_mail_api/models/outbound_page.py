from datetime import UTC, datetime, timedelta

from odoo import fields, models
from odoo.tools import SQL, format_date

from ..policy import decision, ledger
from ..policy.cursor import drive
from .outbound_count import KEPT_DAYS


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
    outbound_history = fields.Json(compute="_compute_history", compute_sudo=True)

    def _compute_sending(self):
        now = datetime.now(UTC)
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
            domain.outbound_warmup_day = domain._say_warmup(settings, now) if settings else False

    def _cap_of_today(self, settings, used, now):
        """The limit that the day meets first, or None."""
        counters = decision.Counters(domain=used)
        of_day = [cap for cap in decision.caps(settings, counters, now) if cap.window == "day"]
        return min(of_day, key=lambda cap: cap.limit, default=None)

    def _why_cap(self, cap):
        if not cap:
            return False
        return {
            "warmup": self.env._("by the warm-up"),
            "spike": self.env._("far above the usual days"),
            "daily": self.env._("by the plan"),
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
