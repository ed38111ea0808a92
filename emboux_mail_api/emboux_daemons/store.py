# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A daemon's connection to Odoo's database, which is opened again after it was lost.

For the daemons that work in rounds.  The policy daemon answers while it waits, by connections of
its own (``policy/link.py``).
"""

import contextlib
import select

import psycopg2


class NotAlone(psycopg2.OperationalError):
    """Another process does the same: this one waits for its end."""

    is_standby = True


class BaseStore:
    """``database``: psycopg2's keywords; ``host``: the name of this mail server.

    Each statement is a transaction in itself, but for those within ``_transaction()``: nothing is
    locked while the daemon does something else.
    """

    name = ""  # of the daemon, which PostgreSQL shows and by which it is alone
    statement_seconds = 30
    channels = ()  # of NOTIFY, that it listens to

    def __init__(self, database, host=""):
        self._database, self.host = database, host
        self._connection = None

    @property
    def _is_open(self):
        return self._connection is not None and not self._connection.closed

    def open(self):
        """Connect; returns whether that was necessary.

        :raises psycopg2.Error: PostgreSQL is away.
        """
        if self._is_open:
            return False
        options = f"-c statement_timeout={self.statement_seconds * 1000} -c lock_timeout=5000"
        connection = psycopg2.connect(
            **self._database, application_name=self.name, options=options, connect_timeout=5,
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                self._begin(cursor)
                for channel in self.channels:
                    cursor.execute(f"LISTEN {channel}")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return True

    def _begin(self, cursor):
        """What is done first on a new connection."""

    def _be_alone(self, cursor, sentence):
        """No other connection for this mail server does the same as long as this one is open.

        :raises NotAlone: one does; it has the sentence.
        """
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))",
                       [self.name, self.host])
        if not cursor.fetchone()[0]:
            raise NotAlone(sentence)

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def wait(self, seconds, *others):
        """Until something has changed in Odoo, ``seconds`` are over, or one of ``others``, which
        are files, can be read.  Returns whether it was said that something changed."""
        watched = [*others, self._connection] if self._is_open else others
        select.select(watched, [], [], seconds)
        return self.heard()

    def heard(self):
        """Whether it was said since the last time that something changed."""
        if not self._is_open:
            return False
        self._connection.poll()
        said = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return said

    def _all(self, statement, parameters=None):
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def _write(self, statement, parameters):
        """Returns how many rows were written."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.rowcount

    @contextlib.contextmanager
    def _transaction(self):
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                if not self._connection.closed:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
