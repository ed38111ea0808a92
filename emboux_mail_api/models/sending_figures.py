# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the tables say of a domain's sending, and which setting decides about what."""

from odoo.tools import SQL

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


def have_sent(env, ids):
    """Those of these domains that have sent anything."""
    env["emboux.outbound.count"].flush_model()
    return {
        number
        for [number] in env.execute_query(
            SQL(
                """SELECT domain_id FROM emboux_outbound_count WHERE domain_id = ANY(%(ids)s)
                    UNION
                   SELECT subject FROM emboux_mail.sent
                    WHERE subject = ANY(%(ids)s) AND in_month > 0""",
                ids=ids,
            )
        )
    }


def sent_by_day(env, ids, since):
    """(domain id, day) to recipients, of days that are over."""
    rows = env.execute_query(
        SQL(
            """SELECT domain_id, since, recipients FROM emboux_outbound_count
                WHERE "window" = 'day' AND since >= %(since)s AND domain_id = ANY(%(ids)s)
                UNION ALL
               SELECT subject, (at AT TIME ZONE 'UTC')::date, in_day FROM emboux_mail.sent
                WHERE subject = ANY(%(ids)s)""",
            since=since,
            ids=ids,
        )
    )
    found = {}
    for domain, day, count in rows:
        found[domain, day] = found.get((domain, day), 0) + count
    return found


def events_by_day(env, ids, since):
    """(domain id, day, kind) to the number of bounces and complaints that count."""
    groups = env["emboux.webhook.event"]._read_group(
        [("domain_id", "in", ids), ("counts", "=", True), ("happened_at", ">=", since)],
        ["domain_id", "happened_at:day", "kind"], ["__count"],
    )
    return {
        (domain.id, moment.date(), kind): count for domain, moment, kind, count in groups
    }


def events_since(env, domain_id, since):
    """(bounces, complaints) that count, of what was sent since then too."""
    env["emboux.webhook.event"].flush_model()
    [counts] = env.execute_query(
        SQL(
            """SELECT count(*) FILTER (WHERE kind = 'bounce'),
                      count(*) FILTER (WHERE kind = 'complaint')
                 FROM emboux_webhook_event
                WHERE domain_id = %(domain)s AND counts AND happened_at > %(since)s
                  AND coalesce(sent_at, happened_at) > %(since)s""",
            domain=domain_id,
            since=since,
        )
    )
    return counts


def near_a_limit(env, day, least):
    """Domain id to (limit of the day, of the month, sent in the day, in the month).

    ``day``: when it began; ``least``: percent of a limit that are used.
    """
    env.flush_all()
    found = env.execute_query(SQL(_NEAR, day=day, month=day.replace(day=1), least=least))
    return {number: values for number, *values in found}


def former_of(env, ids):
    """Domain id to the id of the former domain whose counters it continues."""
    return dict(
        env.execute_query(
            SQL("SELECT back_as, subject FROM emboux_mail.kept WHERE back_as = ANY(%s)", ids)
        )
    )


def rounded(value):
    """Rounded as the database stores it."""
    return round(value, 4) if isinstance(value, float) else value
