# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the reader of logs keeps in Odoo's database; ``sql/traffic.sql`` has the other side."""

from ..store import BaseStore
from .book import Message
from .logs import Position

#: Days that a message can wait in Postfix' queue, with room to spare; then its line was missed.
FORGOTTEN = 10


class Store(BaseStore):
    name = "emboux_transfer"

    def _begin(self, cursor):
        self._be_alone(cursor, f"another reader already follows the logs of {self.host}")

    def position(self, path):
        """Where the log was read to, or None."""
        rows = self._all('SELECT inode, head, "offset" FROM emboux_mail.log_position'
                         " WHERE host = %s AND path = %s", [self.host, path])
        return Position(*rows[0]) if rows else None

    def messages(self):
        """Queue id to ``Message``, of those under way."""
        return {queue_id: Message(*values) for queue_id, *values in self._all(
            "SELECT queue_id, login, size, counted FROM emboux_mail.log_message WHERE host = %s",
            [self.host])}

    def save(self, path, position, book):
        """The sums, the messages under way, and the position: all of it or nothing."""
        changed = {queue_id: book.messages[queue_id] for queue_id in sorted(book.changed)}
        moved = sorted(book.moved.items())
        with self._transaction() as cursor:
            if moved:
                cursor.execute(
                    "SELECT emboux_mail.add_transfer(%s, %s::date[], %s::bigint[], %s::bigint[])",
                    [[domain for (domain, _day), _sums in moved],
                     [day for (_domain, day), _sums in moved],
                     [sums[0] for _key, sums in moved], [sums[1] for _key, sums in moved]])
            if book.gone:
                cursor.execute("DELETE FROM emboux_mail.log_message"
                               " WHERE host = %s AND queue_id = ANY(%s)",
                               [self.host, sorted(book.gone)])
            if changed:
                cursor.execute(
                    """INSERT INTO emboux_mail.log_message (host, queue_id, login, size, counted)
                       SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::boolean[])
                           ON CONFLICT (host, queue_id) DO UPDATE
                          SET login = excluded.login, size = excluded.size,
                              counted = excluded.counted, seen_at = clock_timestamp()""",
                    [self.host, list(changed), [m.login for m in changed.values()],
                     [m.size for m in changed.values()], [m.counted for m in changed.values()]])
            cursor.execute(
                """INSERT INTO emboux_mail.log_position (host, path, inode, head, "offset")
                   VALUES (%s, %s, %s, %s, %s)
                       ON CONFLICT (host, path) DO UPDATE
                      SET inode = excluded.inode, head = excluded.head,
                          "offset" = excluded."offset", read_at = clock_timestamp()""",
                [self.host, path, position.inode, position.head, position.offset])

    def sweep(self):
        """Forget messages whose end was never read; returns how many."""
        return self._write("DELETE FROM emboux_mail.log_message WHERE host = %s"
                           " AND seen_at < clock_timestamp() - %s * interval '1 day'",
                           [self.host, FORGOTTEN])
