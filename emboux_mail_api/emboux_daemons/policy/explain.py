# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the policy would say to a message, rule by rule, for the operator; charges nothing."""

import contextlib
from datetime import UTC, datetime

import psycopg2

from . import cursor as cursors
from . import decision, ledger, statements
from .decision import END, Request
from .ledger import Ask
from .normal import normal_address
from .statements import READ, Step

CONNECT_SECONDS = 5


def explain(database, login, recipient, recipients=1):
    """A text of some lines.  ``database``: psycopg2's keywords."""
    try:
        connection = psycopg2.connect(**database, connect_timeout=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        return f"PostgreSQL is away: {' '.join(str(error).split())}"
    with contextlib.closing(connection):
        connection.set_session(readonly=True)
        with connection, connection.cursor() as cursor:
            return "\n".join(cursors.drive(
                _lines(normal_address(login), normal_address(recipient), recipients), cursor))


def _lines(login, recipient, recipients):
    found = yield from ledger.load_settings([login])
    settings = found.get(login)
    if settings is None:
        return [f"{login}: {_said(decision.unknown_login(login))}"]
    pair = ledger.pair_hash(login, recipient)
    ask = Ask(settings, Request(END, recipients, recipient), ((recipient, pair),),
              expand=(recipient,))
    [verdict], facts = yield from ledger.look([ask], forwards=True)
    [ask] = facts.expanded([ask])
    recipients = ask.request.recipients
    [(clock,)] = yield Step(READ, statements.CLOCK)
    now = datetime.fromtimestamp(clock, UTC)
    counters = facts.counters(0, ask)
    count = decision.amount(settings, ask.request)
    standing = decision.standing_refusal(settings)
    lines = [
        f"{login} to {recipient}, {recipients} recipients, at {now:%Y-%m-%d %H:%M:%S} UTC",
        f"  domain {settings.domain}, enforcement {settings.enforcement}, counts {settings.unit},"
        f" over the limit: {settings.over_limit}",
        *(f"  leads to {_end(end)}" for end in facts.ends.get(recipient, ())),
        _line("suppressed", counters.suppressed and f"yes ({counters.suppressed[1]})"),
        _line("suspended, blocked, unverified, over", standing and f"yes: {standing.reason}"),
        _figures("recipients per message", settings.per_message, 0, recipients),
        _figures("this pair in this hour", settings.loop_limit,
                 counters.pair[1] if counters.pair else 0, 1),
    ]
    for cap in decision.caps(settings, counters, now):
        until = decision.next_window(cap.window, now)
        lines.append(_figures(f"{cap.rule} of {cap.who}", cap.limit, cap.used, count)
                     + f", until {until:%Y-%m-%d %H:%M}")
    return [*lines, f"verdict: {_said(verdict)}"]


def _end(end):
    by = f" (domain {end.domain_id} passes it on)" if end.domain_id else ""
    return f"{end.address}: {end.fate}{f' ({end.why})' if end.why else ''}{by}"


def _line(what, value):
    return f"  {what:<40} {value or 'no'}"


def _figures(what, limit, used, count):
    if not limit:
        return f"  {what:<40} no limit"
    mark = "fits" if used + count <= limit else "TOO MANY"
    return f"  {what:<40} {used} used of {limit}, this one {count}: {mark}"


def _said(verdict):
    if not verdict.rule:
        return "accept"
    told = f"{verdict.action} by rule {verdict.rule}: {verdict.code} {verdict.reason}"
    return told if verdict.wanted in ("", verdict.action) else (
        f"{told} (would be {verdict.wanted} if it were enforced)")
