"""What the reader of logs keeps in Odoo's database; ``sql/transfer.sql`` has the other side."""

import psycopg2

from .book import Message
from .logs import Position

_OPTIONS = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=30000 -c lock_timeout=5000",
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "application_name": "emboux_transfer",
}
#: Days that a message can wait in Postfix' queue, with room to spare; then its line was missed.
FORGOTTEN = 10


class Store:
    """``database``: psycopg2's keywords; ``host``: the name of this mail server."""

    def __init__(self, database, host):
        self._database, self.host = database, host
        self._connection = None

    def open(self):
        """Connect, and be the only reader of this mail server's logs.

        :raises psycopg2.Error: PostgreSQL is away, or another reader runs.
        """
        if self._connection is not None and not self._connection.closed:
            return False
        connection = psycopg2.connect(**self._database, **_OPTIONS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_try_advisory_lock(hashtext('emboux_transfer'), hashtext(%s))",
                    [self.host])
                if not cursor.fetchone()[0]:
                    raise psycopg2.OperationalError(
                        f"another reader already follows the logs of {self.host}")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return True

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

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
        with self._connection, self._connection.cursor() as cursor:
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
        """Forget messages whose end was never read."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("DELETE FROM emboux_mail.log_message WHERE host = %s"
                           " AND seen_at < clock_timestamp() - %s * interval '1 day'",
                           [self.host, FORGOTTEN])
            return cursor.rowcount

    def _all(self, statement, parameters):
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()
