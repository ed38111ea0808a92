# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What is sent when: endpoints side by side, each event of a message after the one before it.

Until its result is written a delivery is *busy* here and pending in the database: after ``kill -9``
it is sent again, under the same number.
"""

import asyncio
import logging
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from ..rounds import BackOff
from .metrics import Metrics
from .post import Answer
from .store import Result

_logger = logging.getLogger(__name__)

#: Seconds until each attempt, since the one before it.
PAUSES = (0, 5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.1
AT_ONCE = 10  # of one endpoint
AHEAD = 40  # of one endpoint, that are read at once
MOST = 2000  # on their way in all
POLL_SECONDS = 1.0  # for what is tried again; of what is new it hears
SETTINGS_SECONDS = 5.0
LONGEST_PAUSE = 15.0  # while the database is away, or another process sends
STOP_SECONDS = 20.0

_random = random.SystemRandom()


class Sender:
    """``store``: a ``store.Store``; ``listener``: a ``store.Listener``; ``poster``: a
    ``post.Poster``; ``vitals``: a ``vitals.Vitals``."""

    def __init__(self, store, listener, poster, vitals):
        self._vitals = vitals
        self._store, self._listener, self._poster = store, listener, poster
        self._pool = ThreadPoolExecutor(1, "store")  # psycopg2 serves one thread at a time
        self._ears = ThreadPoolExecutor(1, "listener")
        self._wake, self._ending = asyncio.Event(), asyncio.Event()
        self._busy, self._results, self._tasks = {}, [], set()
        self._failing, self._slots = set(), {}
        self._read_settings = 0.0
        self.metrics = Metrics(self._busy)
        vitals.reports(self.metrics.families, self.metrics.figures)

    def end(self):
        self._ending.set()
        self._wake.set()

    async def run(self):
        await self._poster.open()
        ears = asyncio.ensure_future(self._listen())
        back_off = BackOff(1.0, LONGEST_PAUSE, _logger, self._vitals)
        try:
            while not self._ending.is_set():
                try:
                    await self._round()
                    back_off.worked()
                    pause = POLL_SECONDS
                except psycopg2.Error as error:
                    self._store.close()
                    pause = back_off.failed(error)
                await self._sleep(pause, wakes=back_off.problem is None)
            await self._finish()
        finally:
            ears.cancel()
            await self._poster.close()
            self._store.close()

    async def _sleep(self, seconds, wakes):
        event = self._wake if wakes else self._ending
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return

    async def _listen(self):
        """Wake up when something is to be sent."""
        back_off, loop = BackOff(1.0, LONGEST_PAUSE), asyncio.get_running_loop()

        def hear():
            self._listener.open()
            return self._listener.wait(POLL_SECONDS)

        while True:
            try:
                if await loop.run_in_executor(self._ears, hear):
                    self._wake.set()
                back_off.worked()
            except (psycopg2.Error, OSError, ValueError) as error:
                self._listener.close()
                await asyncio.sleep(back_off.failed(error))

    async def _ask(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    # -- a round ---------------------------------------------------------------------------------

    async def _round(self):
        self._wake.clear()
        if await self._ask(self._store.open):
            self._read_settings = 0.0
        await self._settle()
        if time.monotonic() - self._read_settings > SETTINGS_SECONDS:
            self._poster.allow(await self._ask(self._store.networks))
            self._read_settings = time.monotonic()
        if len(self._busy) >= MOST:
            return
        count = Counter(delivery.webhook_id for delivery in self._busy.values())
        enough = [hook for hook, n in count.items()
                  if n >= AHEAD // 2 or hook in self._failing]
        due = await self._ask(self._store.due, list(self._busy), enough, self._failing, AHEAD)
        for delivery in due:
            self._busy[delivery.id] = delivery
            task = asyncio.ensure_future(self._send(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _settle(self):
        """Write down what is done; it is forgotten here once that is committed."""
        results, self._results = self._results, []
        if not results:
            return
        try:
            await self._ask(self._store.settle, results)
        except psycopg2.Error:
            self._results = results + self._results
            raise
        for result in results:
            del self._busy[result.delivery.id]

    async def _send(self, delivery):
        hook = delivery.webhook_id
        slots = self._slots.setdefault(hook, asyncio.Semaphore(AT_ONCE))
        async with slots:
            if self._ending.is_set():
                return
            began = time.monotonic()
            try:
                answer = await self._poster.post(delivery)
            except Exception:
                # a fault of ours: it is tried again, and the others shall not suffer
                _logger.exception("delivery %d failed", delivery.id)
                answer = Answer(0, "Something went wrong here; it is tried again.")
            milliseconds = int((time.monotonic() - began) * 1000)
        result = judge(delivery, answer, milliseconds)
        if result.well:
            self._failing.discard(hook)
        else:
            self._failing.add(hook)
        self.metrics.tried(result)
        self._results.append(result)
        self._wake.set()

    async def _finish(self):
        """What is on its way may arrive; what is not is sent by the next process."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_SECONDS)
        try:
            await self._settle()
        except psycopg2.Error as error:
            _logger.error("what was sent last is not written down, and is sent again: %s", error)


def judge(delivery, answer, milliseconds):
    """The ``Result``: what an endpoint's answer means."""
    common = {"status": answer.status, "text": answer.text, "milliseconds": milliseconds}
    if 200 <= answer.status < 300:
        return Result(delivery, "delivered", **common)
    if answer.status == 410:
        return Result(delivery, "pending", **common, gone=True)
    following = delivery.attempts + 1
    if following >= len(PAUSES):
        return Result(delivery, "failed", **common, hold=answer.hold)
    pause = PAUSES[following] * _random.uniform(1 - JITTER, 1 + JITTER)
    return Result(delivery, "pending", **common, pause=max(pause, answer.hold), hold=answer.hold)


def run(make):
    """Send until SIGTERM or SIGINT; ``make()`` returns a ``Sender``."""

    async def main():
        sender = make()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, sender.end)
        await sender.run()

    asyncio.run(main())
    return 0
