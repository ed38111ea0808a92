# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One asynchronous connection to PostgreSQL on asyncio, by psycopg2, which Odoo has anyway.

psycopg2 has no asyncio of its own; it says which direction of its socket it waits for, and that
is all that is needed.  One statement at a time: whoever uses a connection awaits it first.

Not psycopg 3, which makes 0.84 to 0.97 of the decisions a second (tests/benchmarks/RESULTS.md).
"""

import asyncio
import select

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_WRITE

from . import statements
from .statements import ADD, LOCK, ONCE, STORE

#: Short look-ups by an index and nothing else: the planner need not think each time.
OPTIONS = ("-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off"
           " -c enable_mergejoin=off -c enable_bitmapscan=off -c jit=off -c timezone=UTC"
           " -c client_min_messages=error -c statement_timeout={timeout} -c search_path=public")

_AROUND = {
    LOCK: "BEGIN; {}",
    ADD: "ROLLBACK; {}",
    STORE: "{}; COMMIT",
}
_TEXTS = {
    (statement.name, kind): _AROUND.get(kind, "{}").format(statement.call())
    for statement in statements.ALL
    for kind in (statements.READ, LOCK, ADD, STORE, ONCE)
}


class Connection:
    """``await Connection.open(dsn)``, then ``run`` or ``drive``; any ``psycopg2.Error`` ends it."""

    def __init__(self, raw, loop, on_notify=None):
        self._raw, self._loop, self._on_notify = raw, loop, on_notify
        self._cursor = None
        self._waiting = None
        self._writing = False
        self._fd = None
        self.closed = False

    @classmethod
    async def open(cls, parameters, seconds=5.0, on_notify=None):
        """Connect and prepare all statements.

        ``parameters``: psycopg2's keywords.  ``on_notify`` is called with the payload of each
        NOTIFY; None closes the connection for listening.
        :raises psycopg2.Error: it is not there.
        :raises TimeoutError: it did not answer in time.
        """
        loop = asyncio.get_running_loop()
        options = OPTIONS.format(timeout=int(seconds * 1000))
        raw = psycopg2.connect(**parameters, options=options, async_=1)
        connection = cls(raw, loop, on_notify)
        try:
            async with asyncio.timeout(seconds):
                await _connected(raw)
                for statement in statements.ALL:
                    await connection.run(statement.prepare())
                if on_notify:
                    await connection.run("LISTEN emboux_policy")
        except BaseException:
            connection.close()
            raise
        return connection

    async def run(self, text, parameters=None):
        """Execute and return the rows (of the last statement in ``text``)."""
        if self._cursor is None:
            self._cursor = self._raw.cursor()
        self._cursor.execute(text, parameters)
        await self._wait()
        return self._cursor.fetchall() if self._cursor.description else []

    async def drive(self, steps):
        """Run the ledger's steps to their end; returns what they return."""
        rows = None
        while True:
            try:
                step = steps.send(rows)
            except StopIteration as end:
                return end.value
            if step.statement is None:
                rows = await self.run("ROLLBACK")
            else:
                rows = await self.run(_TEXTS[step.statement.name, step.kind],
                                      step.parameters or None)

    def close(self):
        if self.closed:
            return
        self.closed = True
        self._unwatch()
        self._raw.close()
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(psycopg2.OperationalError("the connection was closed"))

    def _wait(self):
        """A future that is done when psycopg2 has the answer."""
        self._waiting = self._loop.create_future()
        self._on_ready()
        return self._waiting

    def _on_ready(self):
        waiting = self._waiting
        try:
            state = self._raw.poll()
            self._watch(state == POLL_WRITE)
        except psycopg2.Error as error:
            if waiting and not waiting.done():
                waiting.set_exception(error)
            if self._raw.closed:
                self.close()
            return
        if state == POLL_OK and waiting and not waiting.done():
            waiting.set_result(None)
        while self._raw.notifies:
            payload = self._raw.notifies.pop(0).payload
            if self._on_notify:
                self._on_notify(payload)

    def _watch(self, writing):
        if self._fd is None:
            self._fd = self._raw.fileno()
            self._loop.add_reader(self._fd, self._on_ready)
        if writing and not self._writing:
            self._loop.add_writer(self._fd, self._on_ready)
        elif self._writing and not writing:
            self._loop.remove_writer(self._fd)
        self._writing = writing

    def _unwatch(self):
        # by its number: a connection that libpq has closed does not tell it any more
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
        self._fd, self._writing = None, False


async def _connected(raw):
    """Wait until a connection is made.

    By looking every few milliseconds: meanwhile libpq may close its socket and go on with
    another of the same number, which an event loop that watches it cannot notice.
    """
    while (state := raw.poll()) != POLL_OK:
        wanted = select.POLLOUT if state == POLL_WRITE else select.POLLIN
        socket = select.poll()
        socket.register(raw.fileno(), wanted)
        while not socket.poll(0):
            await asyncio.sleep(0.002)
