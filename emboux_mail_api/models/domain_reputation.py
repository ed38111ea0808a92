# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError

from odoo.addons.emboux_core.models.thread import Notice

from ..events.rates import Rates, excess
from . import sending_figures

ACTIVITY = "emboux_mail_api.activity_type_blocked"
_MAX_NOTIFIED = 20  # administrators


class DomainReputation(models.Model):
    """A domain with too many bounces or complaints is blocked until somebody has looked at it.

    Whoever writes ``outbound_status`` comes by ``DomainSending.write``.
    """

    _inherit = "emboux.domain"
    _audited_fields = ("outbound_window_since",)
    _system_fields = frozenset({"outbound_window_since", "outbound_window_sent"})

    outbound_window_since = fields.Datetime(
        "Rates Since", readonly=True, copy=False,
        help="When sending was last unblocked; earlier mail does not count.",
    )  # fmt: skip
    outbound_window_sent = fields.Integer(
        readonly=True, copy=False,
        help="Recipients on that day before the unblocking.",
    )  # fmt: skip
    # as superuser: who sees the domain may see how it does
    outbound_sent = fields.Integer(
        "Recent Recipients", compute="_compute_rates", compute_sudo=True
    )
    outbound_bounces = fields.Integer("Bounces", compute="_compute_rates", compute_sudo=True)
    outbound_complaints = fields.Integer("Complaints", compute="_compute_rates", compute_sudo=True)
    outbound_bounce_rate = fields.Float(
        "Bounces (share)", compute="_compute_rates", compute_sudo=True, digits=(6, 4)
    )
    outbound_complaint_rate = fields.Float(
        "Complaints (share)", compute="_compute_rates", compute_sudo=True, digits=(6, 5)
    )

    outbound_bounce_limit = fields.Float(compute="_compute_rate_limits", digits=(6, 4))
    outbound_complaint_limit = fields.Float(compute="_compute_rate_limits", digits=(6, 5))

    def _compute_rate_limits(self):
        settings = self.env["emboux.reputation"]._settings()
        self.outbound_bounce_limit = float(settings.bounce_percent) / 100
        self.outbound_complaint_limit = float(settings.complaint_percent) / 100

    def _compute_rates(self):
        for domain in self:
            now = fields.Datetime.now()
            rates = domain._rates() if domain._origin else Rates(now, 0, 0, 0)
            domain.outbound_sent = rates.sent
            domain.outbound_bounces = rates.bounces
            domain.outbound_complaints = rates.complaints
            domain.outbound_bounce_rate = float(rates.percent(rates.bounces)) / 100
            domain.outbound_complaint_rate = float(rates.percent(rates.complaints)) / 100

    def _rates(self):
        """What was sent and what came back in the rolling window, or since it began afresh."""
        self.ensure_one()
        domain = self._origin
        since = fields.Datetime.now() - self.env["emboux.reputation"]._settings().window
        before = 0
        if domain.outbound_window_since and domain.outbound_window_since > since:
            since, before = domain.outbound_window_since, domain.outbound_window_sent
        sent = self.env["emboux.outbound.sent"]._sent_since(domain, since) - before
        bounces, complaints = sending_figures.events_since(self.env, domain.id, since)
        return Rates(since, max(sent, 0), bounces, complaints)

    @api.private
    def _evaluate_guillotine(self):
        """Block whoever's rates are exceeded; asked after each report."""
        settings = self.env["emboux.reputation"]._settings()
        for domain in self:
            # a subdomain goes by its parent's enforcement unless it has one of its own
            plan = domain.parent_id if domain.outbound_inherit and domain.parent_id else domain
            enforcement = plan.outbound_enforcement
            if domain.outbound_status == "blocked" or enforcement == "off":
                continue
            rates = domain._rates()
            found = excess(
                rates, settings.bounce_percent, settings.complaint_percent,
                settings.least_sent, settings.least_events,
            )  # fmt: skip
            if found:
                reason = domain._block_reason(rates, found)
                # as superuser: the rule decides, whoever's request it runs in
                domain.sudo().write({"outbound_status": "blocked", "outbound_reason": reason})
                domain._notify_blocked(reason)

    def _block_reason(self, rates, found):
        """ASCII, because a mail server passes it on (RFC 5321, 4.2)."""
        values = {
            "count": found.count,
            "sent": rates.sent,
            "percent": f"{rates.percent(found.count):.2f}",
            "allowed": f"{found.allowed.normalize():f}",
            "since": f"{rates.since:%Y-%m-%d %H:%M} UTC",
        }
        if found.kind == "complaint":
            return self.env._(
                "%(count)s of %(sent)s recipients (%(percent)s %%) complained since %(since)s; "
                "at most %(allowed)s %% may.",
                **values,
            )
        return self.env._(
            "%(count)s of %(sent)s recipients (%(percent)s %%) bounced permanently since "
            "%(since)s; at most %(allowed)s %% may.",
            **values,
        )

    def _notify_blocked(self, reason):
        """The owner by mail, the responsible and the operator by an activity."""

        def compose(domain):
            return Notice(
                domain.env._("%s may not send mail for now", domain.display_name),
                reason,
                remedy=domain.env._(
                    "Remove the addresses that bounced from your lists, write only to people who "
                    "asked for it, and then ask your mail provider to allow sending again. Mail "
                    "that you receive is not affected."
                ),
            )

        self._post_notice(compose, self._owner_to_notify())
        self._schedule_notice(compose, self._administrators_to_notify(), ACTIVITY)

    def _owner_to_notify(self):
        return self.partner_id.filtered("email")

    def _administrators_to_notify(self):
        # as superuser: who administers is not everybody's to know
        admins = self.env.ref("emboux_core.group_admin").sudo().all_user_ids
        admins = admins.filtered(
            lambda u: u.active and not u.share and self.company_id in u.company_ids
        )
        return admins[:_MAX_NOTIFIED] | self.user_id.filtered("active")

    # -- lifted ------------------------------------------------------------------------

    def action_lift_block(self):
        """Let the domain send again."""
        self.write({"outbound_status": "open"})
        return True

    def _assert_may_lift(self):
        if not self.env.su and not self.env.user.has_group("emboux_core.group_admin"):
            raise AccessError(
                self.env._(
                    "Only an administrator of Email Hosting can unblock the domain."
                )
            )

    def _restart_rates(self):
        """Earlier mail, and bounces of it, no longer count."""
        now = fields.Datetime.now()
        for domain in self:
            sent = self.env["emboux.outbound.sent"]._sent_since(domain, now)
            # as superuser: what follows from lifting is not for users to write
            domain.sudo().write(
                {
                    "outbound_reason": False,
                    "outbound_window_since": now,
                    "outbound_window_sent": sent,
                }
            )
        self.activity_feedback([ACTIVITY], feedback=self.env._("Sending was unblocked."))
