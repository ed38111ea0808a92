# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What has to be done with the messages of a queue.  Pure: what is known goes in.

Only what a login of ours has submitted is touched: Postfix keeps the login in the queue file.  What
comes in from outside, a bounce, and what is forwarded for others has none, whatever its sender
says, and is left alone.

A message is *stopped* when its login's mailbox or domain, the parent of that, or the domain of its
envelope sender is suspended or blocked.
"""

from dataclasses import dataclass
from datetime import datetime

from ..policy.holds import first_that_fits

WAITING = frozenset({"incoming", "active", "deferred"})

#: States of a row while its message matters.
HOLDING, HELD, RELEASING, DISCARDING = "holding", "held", "releasing", "discarding"
OPEN = (HOLDING, HELD, RELEASING, DISCARDING)
RELEASED, DISCARDED, GONE = "released", "discarded", "gone"

SUSPENDED, OVER_LIMIT, BY_HAND, BY_RULE = "suspended", "over_limit", "by_hand", "rule"


@dataclass(frozen=True, slots=True)
class Login:
    """What a login goes by now."""

    domain_id: int
    stopped: bool = False
    holds: bool = False  # the plan says hold for what is over a limit


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``emboux_mail.held_messages``.  ``wish``: release, discard, or empty."""

    id: int
    queue_id: str
    arrived: int
    login: str
    sender: str
    reason: str
    state: str
    wish: str = ""
    expires_at: datetime | None = None  # naive UTC, as Odoo keeps it

    @property
    def key(self):
        return self.queue_id, self.arrived


@dataclass(frozen=True, slots=True)
class Registration:
    """A row to be written; ``state`` is ``holding`` before the message is put on hold."""

    message: object  # QueuedMessage
    envelope: object  # Envelope
    domain_id: int
    reason: str
    state: str


class World:
    """What is known in one round.

    ``messages``: of the queue, by key; ``envelopes`` by key; ``logins``: name to ``Login``, without
    those that are not here any more; ``stopped_domains``: names, of envelope senders;
    ``hold_rules``: ``HoldRule``s.
    """

    def __init__(self, messages, envelopes, logins, stopped_domains, hold_rules=()):
        self.messages, self.envelopes = messages, envelopes
        self.logins, self.stopped_domains = logins, stopped_domains
        self.hold_rules = hold_rules

    def is_stopped(self, login, sender):
        known = self.logins.get(login)
        return bool(known and (known.stopped or domain_of(sender) in self.stopped_domains))


def domain_of(address):
    return address.rpartition("@")[2]


def observed(rows, messages):
    """Row id to its new state, after what the queue shows now."""
    found = {}
    for row in rows:
        message = messages.get(row.key)
        if message is None:
            found[row.id] = {RELEASING: RELEASED, DISCARDING: DISCARDED}.get(row.state, GONE)
        elif message.is_held:
            if row.state == HOLDING:
                found[row.id] = HELD
        elif row.state == RELEASING:
            found[row.id] = RELEASED
        elif row.state in (HELD, DISCARDING):
            found[row.id] = GONE  # somebody released it with postsuper
    return found


def registrations(world, rows, seen_waiting):
    """Messages that need a row.

    ``seen_waiting``: keys of messages that were seen outside the hold queue.  What is on hold and
    was never seen waiting nor tried was held as it came in, which is what the policy's HOLD does;
    else somebody has used postsuper.
    """
    known = {row.key: row for row in rows}
    found = []
    for key, message in world.messages.items():
        envelope = world.envelopes.get(key)
        login = envelope and world.logins.get(envelope.login)
        if not login or key in known:
            continue
        if message.is_held:
            fresh = not message.tried and key not in seen_waiting
            rule = fresh and first_that_fits(
                world.hold_rules, envelope.login, domain_of(message.sender), envelope.recipients)
            reason = BY_RULE if rule else OVER_LIMIT if fresh and login.holds else BY_HAND
            found.append(Registration(message, envelope, login.domain_id, reason, HELD))
        elif message.queue in WAITING and world.is_stopped(envelope.login, message.sender):
            found.append(Registration(message, envelope, login.domain_id, SUSPENDED, HOLDING))
    return found


def still_to_hold(world, rows):
    """Splits rows in the state ``holding``: those to be held, those not to be held any more."""
    hold, drop = [], []
    for row in rows:
        if row.state == HOLDING:
            (hold if world.is_stopped(row.login, row.sender) else drop).append(row)
    return hold, drop


def lifted(world, rows):
    """Rows that were held for a suspension that is over.

    A login that is not here any more is not lifted: its mail needs somebody's decision.
    """
    return [row for row in rows
            if row.state == HELD and row.reason == SUSPENDED and not row.wish
            and row.login in world.logins and not world.is_stopped(row.login, row.sender)]


def within_limits_again(rows, now):
    """Rows over a limit that may be tried, the oldest first; what has expired may not."""
    due = [row for row in rows
           if row.state == HELD and row.reason == OVER_LIMIT and not row.wish
           and (row.expires_at is None or row.expires_at > now)]
    return sorted(due, key=lambda row: (row.arrived, row.id))


def holds_up(verdict, count):
    """Whether a message that may not leave (a ``Decision``) keeps later ones from it too.

    They do not overtake it; but a message that counts more than the limit never fits, and what
    is wrong with its recipients is nothing to others.
    """
    if verdict.rule == "unverified":
        return True
    return bool(verdict.limit) and verdict.rule not in ("loop", "per_message") \
        and count <= verdict.limit
