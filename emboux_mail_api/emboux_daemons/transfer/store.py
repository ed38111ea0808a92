# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the reader of logs keeps in Odoo's database; the other side of it is in ``sql/traffic.sql``
and ``sql/message.sql``."""

import io
import json
from dataclasses import dataclass, field
from datetime import date, datetime

from ..store import BaseStore
from . import copy
from .book import Message
from .lines import Filed
from .logs import Position
from .story import Domain, Row

#: Days that a message can wait in Postfix' queue, with room to spare; then its line was missed.
FORGOTTEN = 10
CHUNK = 1024 * 1024  # characters that COPY takes at a time
BLOCK = 1000  # numbers of rows that the sequence gives at a time


@dataclass
class Batch:
    """What a round comes to, ready to be written, as nothing changes it any more."""

    positions: dict  # path to Position
    moved: list = field(default_factory=list)  # ((domain, day), [bytes in, bytes out])
    gone: list = field(default_factory=list)  # queue ids
    under_way: list = field(default_factory=list)  # (queue id, state)
    new: str = ""  # rows, as COPY reads them
    days: frozenset = frozenset()  # that they expire on
    known: tuple = ()  # columns of the rows that are there already
    sessions_gone: list = field(default_factory=list)
    sessions: list = field(default_factory=list)  # (session, state)


def prepare(host, positions, book, story, before, lookups):
    """The ``Batch`` of a round; the rows of the story are as good as stored then.

    ``before``: the ``Story`` of the round before.
    """
    rows = list(story.rows.values())
    fresh = [row for row in rows if row.fresh]
    today = lookups.number(fresh)
    kept = [row for row in fresh if row.expires > today]
    batch = Batch(
        positions, sorted(book.moved.items()), sorted(book.gone),
        [(queue_id, _json(book.messages[queue_id].state())) for queue_id in sorted(book.changed)],
        "".join([copy.line(host, row) for row in kept]), frozenset(row.expires for row in kept),
        copy.columns(host, [row for row in rows if not row.fresh]))
    batch.sessions_gone = sorted(before.sessions.keys() - story.sessions.keys())
    batch.sessions = [
        (session, _json(_state_of(story.sessions[session])))
        for session in sorted(story.sessions.keys() - before.sessions.keys())]
    if story.connections != before.connections:
        batch.sessions.append(("", _json(story.connections)))
    for row in rows:
        row.settle()
    return batch


class Store(BaseStore):
    name = "emboux_transfer"

    def _begin(self, cursor):
        self._days = set()  # of which there is a partition
        # what a crash of PostgreSQL takes back is read again: the position is in it too
        cursor.execute("SET synchronous_commit = off")
        self._be_alone(cursor, f"another reader already follows the logs of {self.host}")

    def position(self, path):
        """Where the log was read to, or None."""
        rows = self._all('SELECT inode, head, "offset" FROM emboux_mail.log_position'
                         " WHERE host = %s AND path = %s", [self.host, path])
        return Position(*rows[0]) if rows else None

    def messages(self):
        """Queue id to ``Message``, of those under way."""
        return {queue_id: Message.of(state, _row) for queue_id, state in self._all(
            "SELECT queue_id, state FROM emboux_mail.log_message WHERE host = %s", [self.host])}

    def waiting(self):
        """(sessions, connections), as ``Story`` takes them."""
        rows = self._all(
            "SELECT session, state FROM emboux_mail.log_session WHERE host = %s", [self.host])
        kept = {session: _half(state) for session, state in rows if session}
        connections = next((state for session, state in rows if not session), {})
        return kept, {process: tuple(state) for process, state in connections.items()}

    def record(self, batch):
        """The sums, the rows, the messages under way, the positions: all of it or nothing."""
        with self._transaction() as cursor:
            if batch.moved:
                cursor.execute(
                    "SELECT emboux_mail.add_transfer(%s, %s::date[], %s::bigint[], %s::bigint[])",
                    [[domain for (domain, _day), _sums in batch.moved],
                     [day for (_domain, day), _sums in batch.moved],
                     [sums[0] for _key, sums in batch.moved],
                     [sums[1] for _key, sums in batch.moved]])
            if missing := sorted(batch.days - self._days):
                cursor.execute("SELECT emboux_mail.message_days(%s)", [missing])
            if batch.new:
                # for each chunk it waits for the interpreter, which reads the next round meanwhile
                cursor.copy_expert(copy.STATEMENT, io.StringIO(batch.new), size=CHUNK)
            if batch.known:
                cursor.execute(copy.UPDATE, batch.known)
            self._put(cursor, "log_message", "queue_id", batch.gone, batch.under_way)
            self._put(cursor, "log_session", "session", batch.sessions_gone, batch.sessions)
            for path, position in batch.positions.items():
                cursor.execute(
                    """INSERT INTO emboux_mail.log_position (host, path, inode, head, "offset")
                       VALUES (%s, %s, %s, %s, %s)
                           ON CONFLICT (host, path) DO UPDATE
                          SET inode = excluded.inode, head = excluded.head,
                              "offset" = excluded."offset", read_at = clock_timestamp()""",
                    [self.host, path, position.inode, position.head, position.offset])
        self._days |= batch.days

    def _put(self, cursor, table, key, gone, states):
        if gone:
            cursor.execute(
                f"DELETE FROM emboux_mail.{table} WHERE host = %s AND {key} = ANY(%s)",
                [self.host, gone])
        if states:
            cursor.execute(
                f"""INSERT INTO emboux_mail.{table} (host, {key}, state)
                    SELECT %s, * FROM unnest(%s::text[], %s::jsonb[])
                        ON CONFLICT (host, {key}) DO UPDATE
                       SET state = excluded.state, seen_at = clock_timestamp()""",
                [self.host, *map(list, zip(*states, strict=True))])

    def sweep(self):
        """Forget messages whose end was never read; returns how many."""
        self._write("DELETE FROM emboux_mail.log_session WHERE host = %s AND session <> ''"
                    " AND seen_at < clock_timestamp() - interval '1 hour'", [self.host])
        return self._write("DELETE FROM emboux_mail.log_message WHERE host = %s"
                           " AND seen_at < clock_timestamp() - %s * interval '1 day'",
                           [self.host, FORGOTTEN])


class Lookups(BaseStore):
    """What is asked while the round before is being written: a connection of its own."""

    name = "emboux_transfer"

    def _begin(self, cursor):
        self._numbers = iter(())

    def domains(self, names):
        """Name to ``Domain``, of those that are ours."""
        return {name: Domain(*values) for name, *values in self._all(
            "SELECT name, id, partner_id, company_id, days FROM emboux_mail.log_domains(%s)",
            [sorted(names)])} if names else {}

    def sent(self, from_ids):
        """Tag of an envelope sender to the ``Row`` of what was sent by HTTP."""
        return {tag: Row(*values) for tag, *values, _login in self._all(
            "SELECT * FROM emboux_mail.sent_by_http(%s)", [sorted(from_ids)])} if from_ids else {}

    def number(self, rows):
        """Give each row its number; returns the day, UTC, by the database's clock."""
        [[today]] = self._all("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date")
        for row in rows:
            number = next(self._numbers, None)
            if number is None:
                [[first]] = self._all("SELECT nextval('emboux_mail.message_id')")
                self._numbers = iter(range(first, first + BLOCK))
                number = next(self._numbers)
            row.number = number
        return today


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _json(value):
    """NUL is no text for PostgreSQL."""
    return _encode(value).replace("\\u0000", "?")


def _row(state):
    number, expires, *more = state
    return Row(number, date.fromisoformat(expires), *more)


def _state_of(half):
    if isinstance(half, Row):
        return half.state()
    moment, filed = half
    return [moment.isoformat(), *filed]


def _half(state):
    if isinstance(state[0], int):
        return _row(state)
    moment, *filed = state
    return datetime.fromisoformat(moment), Filed(*filed)
