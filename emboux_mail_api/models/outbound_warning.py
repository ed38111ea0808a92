from datetime import UTC, datetime

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.apart import each_apart

#: Percent of a limit at which people are told, each once in a window.
LEVELS = (100, 80)

# Those near a limit of the day or the month, as the policy sees them.  What was sent is that of
# the present window (sql/policy.sql).
_NEAR = """
    SELECT * FROM (
        SELECT s.id, s.daily, s.monthly,
               CASE WHEN t.at >= %(day)s THEN t.in_day ELSE 0 END AS in_day,
               CASE WHEN t.at >= %(month)s THEN t.in_month ELSE 0 END AS in_month
          FROM emboux_mail.sent t
          JOIN emboux_mail.sending_domains s ON s.id = t.subject
         WHERE t.subject > 0 AND t.at >= %(month)s AND s.enforcement <> 'off'
    ) AS used
     WHERE daily > 0 AND in_day * 100 >= daily * %(least)s
        OR monthly > 0 AND in_month * 100 >= monthly * %(least)s
"""


class DomainOutboundWarning(models.Model):
    """Owner and responsible are told before a sending limit is reached, and when it is."""

    _inherit = "emboux.domain"
    _followed_fields = frozenset({"outbound_warned_day", "outbound_warned_month"})

    # the window and the level that was told last: 2026-11-26 80
    outbound_warned_day = fields.Char(readonly=True, copy=False)
    outbound_warned_month = fields.Char(readonly=True, copy=False)

    @api.model
    @api.private
    def _cron_warn_of_limits(self, now=None):
        """Tell of each window once at 80 % and once at 100 %."""
        now = now or datetime.now(UTC)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.env.flush_all()
        near = self.env.execute_query(
            SQL(_NEAR, day=day, month=day.replace(day=1), least=min(LEVELS))
        )
        near = {self.browse(number): values for number, *values in near}

        def warn(domain):
            daily, monthly, in_day, in_month = near[domain]
            domain._warn_of_limit("outbound_warned_day", f"{now:%Y-%m-%d}", in_day, daily)
            domain._warn_of_limit("outbound_warned_month", f"{now:%Y-%m}", in_month, monthly)

        each_apart(self.env, [near], warn)

    def _warn_of_limit(self, field, window, used, limit):
        level = next((n for n in LEVELS if limit and used * 100 >= limit * n), None)
        told_window, _space, told_level = (self[field] or "").partition(" ")
        if not level or (told_window == window and int(told_level) >= level):
            return
        # as superuser: what was told is nobody's to write
        self.sudo()[field] = f"{window} {level}"
        owner = self.partner_id.filtered("email")
        domain = self.with_context(lang=owner.lang or self.env.lang, mail_notify_force_send=False)
        title, text = domain._say_limit(field == "outbound_warned_day", level, used, limit)
        domain.message_post(
            subject=title,
            body=Markup("<p>%s</p>") % text,
            partner_ids=(owner | self.user_id.partner_id).ids,
            subtype_xmlid="mail.mt_note",
        )

    def _say_limit(self, of_day, level, used, limit):
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
