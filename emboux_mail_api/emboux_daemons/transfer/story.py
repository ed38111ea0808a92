# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What becomes of each message, for each recipient: the rows of the message log.

A message between two customers has a row for each of them, and neither sees more than their own
side of it: who sends to an alias of somebody else's does not learn where that leads.
"""

import json
import re
from datetime import timedelta
from functools import lru_cache
from json.encoder import encode_basestring as _quote
from typing import NamedTuple

from publicsuffixlist import PublicSuffixList

from ..policy.sentences import SUPPRESSED
from .lines import (
    Accepted,
    Attempt,
    Connected,
    Expired,
    Filed,
    Held,
    Refused,
    Removed,
    Reported,
    Sized,
)

#: What a status gives way to: to those of its own rank and of higher ones.
RANK = {
    "accepted": 0, "held": 0, "delayed": 0,
    "delivered": 1, "received": 1,
    "failed": 2, "rejected": 2, "suppressed": 2, "canceled": 2,
    "bounced": 3, "complained": 4,
}
OWN = frozenset({"out", "internal"})  # directions of the rows of who sends
#: Ports where the sender is somebody of ours, as master.cf names them; on others anybody claims to.
WITH_LOGIN = frozenset({"submission", "submissions", "smtps", "inject"})
LONGEST_TEXT = 1000
CONNECTIONS = 200  # processes of Postfix whose connection is remembered
_SAVED = re.compile(r"250 2\.0\.0 <[^<>\s]*> (\S+) Saved$").match
_FROM_ID = re.compile(r"bounce\+([a-z2-7]{26})@").match
_HOST = re.compile(r"([^\[\s]+)\[").match
_suffixes = PublicSuffixList()


class Domain(NamedTuple):
    """One of ours, and whose it is."""

    number: int
    partner: int | None
    company: int | None
    days: int  # that its rows are kept for

    @property
    def owner(self):
        return self.partner, self.company


class Row:
    """A row of the log: one that is new, or what becomes of one that is there."""

    answer = direction = dsn = from_id = original = queue_id = receiver = relay = ""
    domain = message = at = changed_at = None

    def __init__(self, number=None, expires=None, status="accepted", attempts=0, recipient=""):
        self.number, self.expires, self.status, self.attempts = number, expires, status, attempts
        self.recipient, self.fresh, self.told = recipient, number is None, []

    def state(self):
        return [self.number, self.expires.isoformat(), self.status, self.attempts, self.recipient]

    @property
    def events(self):
        """What has happened since it was stored, as JSON; NUL is no text for PostgreSQL."""
        return f"[{'},'.join(self.told)}}}]".replace("\\u0000", "?") if self.told else "[]"

    def happens(self, moment, kind, status=None, **values):
        """``values``: of the event; empty ones are left out."""
        parts = [f'{{"at":"{_iso(moment)}","kind":"{kind}"']
        for name, value in values.items():
            if value:
                text = value if type(value) in (int, float) else _quote(value)
                parts.append(f'"{name}":{text}')
        self.told.append(",".join(parts))
        self.becomes(moment, status or self.status)

    def becomes(self, moment, status):
        self.changed_at = moment
        if RANK[status] >= RANK[self.status]:
            self.status = status

    @property
    def login(self):
        return self.message.login if self.direction in OWN else ""

    @property
    def sender(self):
        """The person's own address, where the message has a return address instead."""
        message = self.message
        return message.author or (self.from_id and message.login) or message.sender

    @property
    def extra(self):
        """As JSON, for whoever has said it; empty for none."""
        extra = self.message.extra if self.direction in OWN else None
        return json.dumps(extra, ensure_ascii=False) if extra else ""

    @property
    def client(self):
        """Where it came from, which is nobody's business if it is where somebody else works."""
        foreign = self.message.login and self.direction not in OWN
        return "" if foreign else self.message.client

    def settle(self):
        """It is stored as it is now."""
        self.fresh, self.told = False, []
        self.message = None


class Story:
    """``domains``: name to ``Domain``, of those that the events name and that are ours.

    ``sessions``: what waits for its other half, by Dovecot's session: a ``Row``, or what has become
    of it, as ``(moment, Filed)``.  ``connections``: process of Postfix to (relay, TLS).
    ``sent``: what was sent by HTTP and has a row already, by the tag of its envelope sender.  Other
    messages with such a sender are those of a mailbox with a return address for each.
    """

    def __init__(self, domains, sessions=None, connections=None, sent=None):
        self._domains, self._sent = domains, sent or {}
        self.sessions, self.connections = dict(sessions or {}), dict(connections or {})
        self.rows = {}  # id() -> Row, in their order
        self._met = {}  # sessions of which both halves are known

    def enter(self, event, message):
        """``message``: as ``Book.enter`` returned it."""
        what = event.what
        TOLD[type(what)](self, event.moment, what, message)

    # -- lines ---------------------------------------------------------------------------

    def _attempt(self, moment, what, message):
        text = what.text[:LONGEST_TEXT]
        status = what.status
        kind = _KINDS.get(status)
        if kind is None:
            return
        tls = self._tls(what)
        # where its socket lies is nobody's business
        relay = what.relay.partition("[")[0] if what.local else what.relay
        quoted = _quote(relay), _quote(what.dsn), _quote(text)
        for row, local in self._rows(message, what):
            if status == "sent":
                final = "received" if local else "accepted" if what.service == "relay" else (
                    "delivered")
            else:
                final = kind
            row.attempts += 1
            row.relay, row.dsn, row.answer = relay, what.dsn, text
            row.receiver = "" if what.local else _receiver(what.relay)
            row.told.append(
                f'{{"at":"{_iso(moment)}","kind":"{"relayed" if final == "accepted" else kind}",'
                f'"relay":{quoted[0]},"dsn":{quoted[1]},"text":{quoted[2]},"delay":{what.delay}'
                + (f',"tls":{_quote(tls)}' if tls else ""))
            row.becomes(moment, final)
            if what.local and status == "sent" and (saved := _SAVED(what.text)):
                self._meet(saved[1], row if local else None)

    def _tls(self, what):
        relay, tls = self.connections.get(what.process, ("", ""))
        return tls if relay and relay == what.relay else ""

    def _connected(self, _moment, what, _message):
        self.connections.pop(what.process, None)
        self.connections[what.process] = what.relay, what.tls
        if len(self.connections) > CONNECTIONS:
            del self.connections[next(iter(self.connections))]

    def _refused(self, moment, what, message):
        if from_id(what.sender) in self._sent:
            return  # whoever has sent it was told, and has written it down
        sender = what.login or (message.login if message else "")
        if not sender and what.service in WITH_LOGIN:
            sender = what.sender
        ours, theirs = self._domain(sender), self._domain(what.recipient)
        if what.hold:
            status, kind = "held", "held"
        elif SUPPRESSED in what.text:
            status = kind = "suppressed"
        else:
            status = kind = "rejected"
        if message and not message.sender:
            message.sender = what.sender  # it is on hold: the queue manager has not named it yet
        sides = []
        if ours:
            inside = theirs is not None and theirs.owner == ours.owner
            sides.append((ours, "internal" if inside else "out"))
        elif theirs:
            sides.append((theirs, "in"))
        for domain, direction in sides:
            row = self._new(moment, message, domain, direction, what.recipient)
            row.queue_id = what.queue_id
            row.dsn, row.answer = what.dsn, what.text[:LONGEST_TEXT]
            if row.message is None:
                row.message = _Refusal(what.client, sender if ours else "", what.sender)
            row.happens(moment, kind, status, client=what.client, code=what.code, dsn=what.dsn,
                        text=row.answer)
            if what.hold and message:
                message.rows[_key(domain, "", "")] = row

    def _held(self, moment, what, message):
        if message is None:
            return
        if not message.rows and (domain := self._sender(message)):
            row = self._begin(message, what, domain, "out", "")
            message.rows[_key(domain, "", "")] = row
        for row in self._open(message):
            if what.on:
                row.happens(moment, "held", "held")
            else:
                row.happens(moment, "released", "accepted")

    def _expired(self, moment, _what, message):
        for row in self._open(message):
            row.happens(moment, "expired", "failed")

    def _reported(self, moment, what, message):
        about = _REPORTED.get(what.kind, ())
        for row in message.rows.values() if message else ():
            if row.status in about:
                self._touch(row).happens(
                    moment, "reported", what=what.kind, queue_id=what.report_id)

    def _removed(self, moment, what, message):
        if what.by_hand:
            for row in self._open(message):
                row.happens(moment, "deleted", "canceled")

    def _filed(self, moment, what, _message):
        if row := self._met.get(what.session):
            self._file(row, moment, what)
        elif isinstance(row := self.sessions.get(what.session), Row):
            self._meet(what.session, row)
            self._file(self._touch(row), moment, what)
        else:
            self.sessions[what.session] = moment, what

    def _meet(self, session, row):
        """A mailbox has taken it in that session; ``row``: None for none of this log."""
        waiting = self.sessions.pop(session, None)
        if row is None:
            return
        if isinstance(waiting, tuple):
            self._file(row, *waiting)
        if waiting is None:
            self.sessions[session] = row
        else:
            self._met[session] = row

    def _file(self, row, moment, what):
        row.happens(moment, "filed", what=what.what, where=what.where, why=what.why)

    # -- rows ----------------------------------------------------------------------------

    def _rows(self, message, what):
        """[(row, whether it is one of who has the mailbox)] for whoever may know of it."""
        recipient, original = what.recipient, what.original
        ours, theirs = self._sender(message), self._domain(recipient)
        passing = self._domain(original) if original else None
        found, owners = [], []
        if ours:
            stranger = passing is not None and passing.owner != ours.owner
            inside = not stranger and theirs is not None and theirs.owner == ours.owner
            found.append((
                self._row(message, what, ours, "internal" if inside else "out",
                          original if stranger else recipient, "" if stranger else original),
                inside))
            owners.append(ours.owner)
        if passing and passing.owner not in owners:
            inside = theirs is not None and theirs.owner == passing.owner
            found.append((
                self._row(message, what, passing, "in" if inside else "forwarded",
                          recipient, original), inside))
            owners.append(passing.owner)
        if theirs and theirs.owner not in owners:
            found.append((self._row(message, what, theirs, "in", recipient, ""), True))
        return found

    def _row(self, message, what, domain, direction, recipient, original):
        key = _key(domain, recipient, original)
        row = message.rows.get(key)
        if row is None and (row := message.rows.pop(_key(domain, "", ""), None)):
            # the one of when its recipients were not known
            row.recipient = recipient
        if row is None and direction in OWN:
            row = self._sent.pop(from_id(message.sender), None)
            if row:
                row.queue_id, row.domain, row.direction = what.queue_id, domain, direction
        if row is None:
            row = self._begin(message, what, domain, direction, recipient)
            row.original = original
        if direction in OWN:
            row.from_id = from_id(message.sender)
        message.rows[key] = row
        return self._touch(row)

    def _begin(self, message, what, domain, direction, recipient):
        row = self._new(message.at, message, domain, direction, recipient)
        row.queue_id = what.queue_id
        return row

    def _new(self, moment, message, domain, direction, recipient):
        row = Row(recipient=recipient)
        row.at = row.changed_at = moment
        row.domain, row.direction, row.message = domain, direction, message
        if message and direction in OWN:
            row.from_id = from_id(message.sender)
        row.expires = _later(moment.date(), domain.days)
        return self._touch(row)

    def _touch(self, row):
        self.rows[id(row)] = row
        return row

    def _open(self, message):
        """Rows of which the end is not known yet."""
        rows = message.rows.values() if message else ()
        return [self._touch(row) for row in rows if RANK[row.status] == 0]

    def _sender(self, message):
        """The domain of who submitted it; None for mail from outside."""
        if message.login:
            return self._domain(message.login)
        # what Sieve sends is the mailbox' whose address is its envelope sender
        return self._domain(message.sender) if message.service == "inject" else None

    def _domain(self, address):
        return self._domains.get(address.rpartition("@")[2]) if address else None


class _Refusal:
    """What is known of a message that was never one."""

    author, message_id, size, extra = "", "", None, {}  # noqa: RUF012 - nobody writes into it

    def __init__(self, client, login, sender):
        self.client, self.login, self.sender = client, login, sender


#: Kind of report to the recipients that it is about.
_REPORTED = {"non-delivery": ("failed",), "delay": ("delayed",),
             "delivery status": ("delivered", "received", "accepted")}
_KINDS = {"sent": "delivered", "deferred": "delayed", "bounced": "failed"}
#: Kind of event to what enters it; of others there is nothing to tell.
TOLD = {
    Attempt: Story._attempt, Connected: Story._connected, Refused: Story._refused,
    Held: Story._held, Expired: Story._expired, Reported: Story._reported,
    Removed: Story._removed, Filed: Story._filed,
}


def names(events, messages):
    """(domains that the events are about, ours or not; tags of envelope senders, of what may have
    been sent by HTTP).  ``messages``: those under way."""
    found, injected, sent = set(), set(), set()
    add = found.add
    for event in events:
        what = event.what
        kind = type(what)
        if kind is Accepted:
            add(what.login)
            if what.service == "inject":
                injected.add(what.queue_id)
        elif kind is Sized:
            if what.queue_id in injected:
                add(what.sender)
            elif what.sender.startswith("bounce+"):
                sent.add(from_id(what.sender))
        elif kind is Attempt:
            add(what.recipient)
            add(what.original)
            if message := messages.get(what.queue_id):
                add(message.login)
                add(message.sender)
                if not message.rows:
                    sent.add(from_id(message.sender))
        elif kind is Refused:
            sent.add(from_id(what.sender))
            add(what.login)
            add(what.sender)
            add(what.recipient)
            if message := messages.get(what.queue_id):
                add(message.login)
        elif kind is Held and (message := messages.get(what.queue_id)):
            add(message.login)
    return {address.rpartition("@")[2] for address in found} - {""}, sent - {""}


def from_id(sender):
    """The tag of a return address that one message has; empty for any other envelope sender."""
    found = sender.startswith("bounce+") and _FROM_ID(sender)
    return found[1] if found else ""


def _key(domain, recipient, original):
    return f"{domain.number} {recipient} {original}"


@lru_cache(10_000)
def _receiver(relay):
    """The organisation that took it, for example google.com: the registered domain of its host."""
    found = _HOST(relay)
    host = found[1].lower() if found else ""
    if not host.strip("0123456789.:"):
        return ""  # an address
    return _suffixes.privatesuffix(host) or host


# of many lines of one second
@lru_cache(1000)
def _iso(moment):
    return moment.isoformat()


@lru_cache(1000)
def _later(day, days):
    return day + timedelta(days=days)
