# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Rows of the message log as PostgreSQL reads many at once: new ones by COPY, known ones as
columns."""

import re
from functools import lru_cache

STATEMENT = """
COPY emboux_mail.message (
    id, expires, at, changed_at, direction, status, domain_id, partner_id, company_id, host,
    queue_id, message_id, login, client, sender, recipient, original_recipient, size, attempts,
    relay, receiver, dsn, answer, events, from_id, extra) FROM STDIN
"""
UPDATE = """
UPDATE emboux_mail.message AS m
   SET status = n.status, attempts = n.attempts, recipient = n.recipient,
       changed_at = n.changed_at, events = m.events || n.events,
       relay = coalesce(nullif(n.relay, ''), m.relay),
       receiver = coalesce(nullif(n.receiver, ''), m.receiver),
       dsn = coalesce(nullif(n.dsn, ''), m.dsn),
       answer = coalesce(nullif(n.answer, ''), m.answer),
       -- what was sent by HTTP has none until Postfix has it
       queue_id = coalesce(nullif(m.queue_id, ''), n.queue_id), host = %s,
       -- what was on hold as it came in has one from its release on
       from_id = coalesce(nullif(m.from_id, ''), n.from_id)
  FROM unnest(%s::bigint[], %s::date[], %s::text[], %s::integer[], %s::text[], %s::timestamp[],
              %s::jsonb[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS n(id, expires, status, attempts, recipient, changed_at, events, relay, receiver, dsn, answer,
         queue_id, from_id)
 WHERE m.id = n.id AND m.expires = n.expires
"""
_BETWEEN, _NULL = "\x1f", "\x1e"  # until it is known that no value has what COPY escapes
_SPECIAL = re.compile("[\\\\\t\n\r\0]").search
_ESCAPES = str.maketrans({
    "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "?", _BETWEEN: "?", _NULL: "?",
})  # fmt: skip


def line(host, row):
    """A new row, as COPY reads text."""
    message, domain = row.message, row.domain
    values = (
        str(row.number), _day(row.expires), _second(row.at), _second(row.changed_at),
        row.direction, row.status, str(domain.number), _number(domain.partner),
        _number(domain.company), host, row.queue_id, message.message_id, row.login, row.client,
        row.sender, row.recipient, row.original, _number(message.size), str(row.attempts),
        row.relay, row.receiver, row.dsn, row.answer, row.events, row.from_id, row.extra or _NULL)
    joined = _BETWEEN.join(values)
    if _SPECIAL(joined) or joined.count(_BETWEEN) >= len(values):
        return "\t".join([_escaped(value) for value in values]) + "\n"
    return joined.replace(_BETWEEN, "\t").replace(_NULL, "\\N") + "\n"


def columns(host, rows):
    """What became of known rows, as ``UPDATE`` takes it."""
    if not rows:
        return ()
    return (
        host,
        *([getattr(row, name) for row in rows] for name in (
            "number", "expires", "status", "attempts", "recipient")),
        [_second(row.changed_at) for row in rows],
        [row.events for row in rows],
        *([getattr(row, name).replace("\0", "?") for row in rows] for name in (
            "relay", "receiver", "dsn", "answer", "queue_id", "from_id")),
    )


@lru_cache(1000)
def _second(moment):
    """Whole seconds, UTC, as Odoo keeps them."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@lru_cache(1000)
def _day(day):
    return day.isoformat()


def _number(number):
    return _NULL if number is None else str(number)


def _escaped(value):
    return "\\N" if value == _NULL else value.translate(_ESCAPES)
