# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A connection that comes back by itself, and the waiting for it, which is bounded."""

import asyncio
import logging
import time

import psycopg2

from ..rounds import BackOff, one_line
from .connection import Connection
from .statements import ONCE, STORE

_logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts


class Unavailable(Exception):
    """PostgreSQL is away, or did not answer in time.  Nothing was accepted."""


class Link:
    """``start`` it; ``drive`` runs the ledger's steps, again if the connection is lost meanwhile.

    ``parameters``: psycopg2's keywords.  ``on_change(up)`` is called when it comes and goes.
    ``quiet``: another one tells in the log when PostgreSQL is away.
    """

    def __init__(self, name, parameters, on_notify=None, on_change=None, quiet=False):
        self.name, self._parameters = name, parameters
        self._log = _logger.debug if quiet else None
        self._on_notify, self._on_change = on_notify, on_change
        self._connection, self._task = None, None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._turn = asyncio.Lock()  # one statement at a time

    @property
    def up(self):
        return self._up.is_set()

    def start(self):
        self._task = asyncio.create_task(self._keep(), name=f"link {self.name}")

    async def stop(self):
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection:
            self._connection.close()

    async def drive(self, make_steps, deadline):
        """Run ``make_steps()`` to its end and return what it returns.

        ``deadline`` is a ``time.monotonic()``.  A loss of the connection before anything was
        stored is tried again until then.  After a STORE or ONCE nobody knows whether it was
        committed, so it is not repeated: at worst something is counted that was not accepted.
        :raises Unavailable: it is not there by then.
        """
        async with self._turn:
            return await self._drive(make_steps, deadline)

    async def _drive(self, make_steps, deadline):
        while True:
            left = deadline - time.monotonic()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self._up.wait()
            except TimeoutError:
                raise Unavailable("PostgreSQL is away") from None
            connection = self._connection
            steps = _Watched(make_steps())
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.05)):
                    return await connection.drive(steps)
            except (psycopg2.Error, TimeoutError) as error:
                self._drop(connection, error)
                if steps.kind in (STORE, ONCE):
                    raise Unavailable("the outcome is not known") from error
            except BaseException:
                connection.close()  # in the middle of a transaction: nobody shall use it
                self._drop(connection, "it was interrupted")
                raise

    def _drop(self, connection, error):
        connection.close()
        if connection is self._connection:
            self._up.clear()
            self._lost.set()
            _logger.warning("database connection %s lost: %s", self.name, one_line(error))

    async def _keep(self):
        back_off = BackOff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                self._connection = await Connection.open(
                    self._parameters, on_notify=self._on_notify)
            except (psycopg2.Error, TimeoutError, OSError) as error:
                if back_off.problem is None:
                    (self._log or _logger.error)(
                        "database away (%s): %s", self.name, one_line(error))
                    self._tell(False)
                await asyncio.sleep(back_off.failed(error))
                continue
            (self._log or _logger.info)("database there (%s)", self.name)
            back_off.worked()
            self._lost.clear()
            self._up.set()
            self._tell(True)
            while not self._connection.closed and not self._lost.is_set():
                # a connection that idles learns of its end by itself, see Connection._on_ready
                try:
                    async with asyncio.timeout(1):
                        await self._lost.wait()
                except TimeoutError:
                    continue
            self._up.clear()
            self._tell(False)

    def _tell(self, up):
        if self._on_change:
            self._on_change(up)


class _Watched:
    """Steps that remember the kind of the last one."""

    def __init__(self, steps):
        self._steps, self.kind = steps, None

    def send(self, rows):
        step = self._steps.send(rows)
        self.kind = step.kind
        return step
