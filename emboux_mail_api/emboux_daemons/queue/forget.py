# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Postfix forgets by which relay mail leaves, and that the database was away.

Its queue manager remembers the former for half a minute.  And a process that found the database
away asks again in a minute, and answers 451 until then.  All of them end after ``postfix reload``,
as soon as what they do is done.

Domains that come and go need none (``smtpd_relay_restrictions`` in main.cf), which is as well:
Postfix' master takes an idle ``smtpd`` that accepts a client in the moment of a reload for idle
until that client has gone, and starts no other as long as it waits for that one.

A thread with a connection of its own: a round of the agent waits for the listing of the queue,
which may take a minute.
"""

import logging
import threading
import time

import psycopg2

from ..rounds import BackOff, Ending, one_line
from .postqueue import QueueError

_logger = logging.getLogger(__name__)

RELOAD_SECONDS = 5.0  # from one reload to the next, however much changes
POLL_SECONDS = 30.0  # from one look at the relays to the next, should a word have got lost
AGAIN_SECONDS = 0.25  # from one try to reach the database to the next


class Forgetting:
    """``postfix``: a ``postqueue.Postfix``; ``routing``: a ``store.Routing``.

    ``problem``: why Postfix could not be reloaded the last time, or None; ``reloaded()``: called
    when it was.
    """

    problem = None

    def __init__(self, postfix, routing, clock=time.monotonic):
        self.reloaded = lambda: None
        self.postfix, self.routing, self._clock = postfix, routing, clock
        self._due = False  # something has changed since the last reload began
        self._mark = None
        self._looked = self._reloaded = -float("inf")

    def step(self):
        """Reload Postfix, if it is time; returns the seconds until there may be something to do.

        :raises psycopg2.Error: PostgreSQL is away.
        """
        routing = self.routing
        if routing.open():
            # what was said meanwhile was not heard, and Postfix may hold the database for dead
            self._due = True
        self._due |= routing.heard()
        now = self._clock()
        if not self._due and now - self._looked >= POLL_SECONDS:
            self._looked = now
            self._due = routing.mark() != self._mark
        if self._due and now - self._reloaded >= RELOAD_SECONDS:
            self._reload(now)
            self._due |= routing.heard()
        begun, every = ((self._reloaded, RELOAD_SECONDS) if self._due
                        else (self._looked, POLL_SECONDS))
        return max(begun + every - self._clock(), 0)

    def wait(self, seconds, *others):
        """Until there may be something to do, or one of ``others``, which are files, is read."""
        self._due |= self.routing.wait(seconds, *others)

    def once(self):
        """Reload Postfix if the relays are others than when it was told last."""
        self.routing.open()
        self._mark = self.routing.told()
        if self.routing.mark() != self._mark:
            self._reload(self._clock())

    def _reload(self, now):
        # what changes from here on is another change
        self._due, self._looked, self._reloaded = False, now, now
        self._mark = self.routing.mark()
        try:
            self.postfix.reload()
        except QueueError as error:
            self._due, self.problem = True, str(error)
            _logger.error("%s", error)
            self.routing.tell(None, str(error))
        else:
            self.problem = None
            self.reloaded()
            _logger.info("Postfix forgets what it knew of relays and the database")
            self.routing.tell(self._mark)


class Forgetter(threading.Thread):
    """Steps until ``end()``."""

    def __init__(self, forgetting):
        super().__init__(name="forgetter", daemon=True)
        self._forgetting = forgetting
        self._ending = Ending()

    def run(self):
        routing, back_off = self._forgetting.routing, BackOff(AGAIN_SECONDS, AGAIN_SECONDS)
        while not self._ending.is_set():
            try:
                self._forgetting.wait(self._forgetting.step(), self._ending)
                back_off.worked()
            except psycopg2.Error as error:
                if back_off.problem is None:
                    _logger.error("the database is away: %s", one_line(error))
                routing.close()
                self._ending.wait(back_off.failed(error))
        routing.close()

    def end(self):
        self._ending.set()
        self.join(timeout=5)
