# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What waits in the queue, listed for Odoo; and what a person wishes to be done with it.

What has only just come is not listed: most of it leaves within seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from .rules import domain_of

FRESH_SECONDS = 20  # what is active or incoming for less is not listed
MOST = 20_000  # messages of one mail server that are listed


@dataclass(frozen=True)
class Listed:
    """A row; what may change of it is in ``now``."""

    queue: str
    reason: str
    next_try: datetime | None  # naive UTC, whole seconds


@dataclass(frozen=True)
class Wish:
    id: int
    queue_id: str
    arrived: int
    wish: str
    until: datetime | None  # naive UTC

    @property
    def key(self):
        return self.queue_id, self.arrived


class Listing:
    """``store``: a ``store.Store``, which is open; ``postfix``: a ``postqueue.Postfix``."""

    def __init__(self, postfix, store):
        self._postfix, self._store = postfix, store
        self._known = None  # key -> Listed, as it is in the database

    def forget(self):
        """The database was away: what is in it is read anew."""
        self._known = None

    def round(self, world, now):
        """List what waits, then do what is wished; returns whether something was done.

        ``world``: a ``rules.World``; ``now``: seconds since 1970.
        """
        deferred = self._postfix.deferred()
        wanted = self._wanted(world.messages, deferred, now)
        if self._known is None:
            self._known = self._store.listed()
        new = {key: row for key, row in wanted.items() if key not in self._known}
        changed = {key: row for key, row in wanted.items()
                   if key in self._known and self._known[key] != row}
        gone = [key for key in self._known if key not in wanted]
        if new or changed or gone:
            self._store.list_messages(self._rows(world, new), changed, gone)
            self._known = wanted
        return self._fulfil(world, deferred)

    def _wanted(self, messages, deferred, now):
        found = {}
        for key, message in messages.items():
            if message.queue in ("active", "incoming") and now - message.arrived < FRESH_SECONDS:
                continue
            _path, moment = deferred.get(message.queue_id, (None, None))
            found[key] = Listed(
                message.queue, message.reason,
                datetime.fromtimestamp(int(moment), UTC).replace(tzinfo=None)
                if moment and message.queue == "deferred" else None)
            if len(found) >= MOST:
                break
        return found

    def _rows(self, world, new):
        """[(message, envelope, domain's number, row)]"""
        envelopes = {key: world.envelopes.get(key) for key in new}
        first = {key: domain_of(e.recipients[0]) if e and e.recipients else ""
                 for key, e in envelopes.items()}
        hosted = self._store.hosted(set(first.values()) - {""}) if new else {}
        rows = []
        for key, row in new.items():
            envelope = envelopes[key]
            login = world.logins.get(envelope.login) if envelope else None
            number = login.domain_id if login else hosted.get(first[key])
            rows.append((world.messages[key], envelope, number, row))
        return rows

    def _fulfil(self, world, deferred):
        wishes = [wish for wish in self._store.wishes() if wish.key in world.messages]
        if not wishes:
            return False
        by_kind = {}
        for wish in wishes:
            by_kind.setdefault((wish.wish, wish.until), []).append(wish)
        for (kind, until), group in by_kind.items():
            ids, notes = [wish.queue_id for wish in group], {}
            if kind == "postpone":
                notes = self._postpone(group, until, deferred)
            else:
                getattr(self._postfix, kind)(ids)
            # afterwards: what is done twice does no harm, what is not done would be lost
            self._store.fulfilled([wish.id for wish in group], notes)
        return True

    def _postpone(self, group, until, deferred):
        """Returns id to why not, of what is not waiting for an attempt."""
        paths = {wish.id: deferred[wish.queue_id][0] for wish in group
                 if wish.queue_id in deferred}
        gone = set(self._postfix.postpone(paths.values(), until.replace(tzinfo=UTC).timestamp()))
        return {wish.id: "It is on hold, or was being tried just then." for wish in group
                if wish.id not in paths or paths[wish.id] in gone}
