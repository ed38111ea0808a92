# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One round after the other: read what is new in the logs, write what it adds up to.

What is remembered between two rounds is only what PostgreSQL has too: after an error everything is
read anew from there.
"""

import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import psycopg2

from ..rounds import BackOff, Ending
from .book import Book
from .lines import parse
from .metrics import Metrics
from .store import Batch, prepare
from .story import TOLD, Story, names

_logger = logging.getLogger(__name__)

ROUND_SECONDS = 2.0
SWEEP_SECONDS = 3600.0
LONGEST_PAUSE = 60.0


class Follower:
    """``logs``: ``logs.Log``s; ``store``: a ``store.Store``; ``lookups``: a ``store.Lookups``.

    While a round is written the next one is read already, if there is more.
    """

    def __init__(self, logs, store, lookups):
        self.logs, self.store, self.lookups = logs, store, lookups
        self._positions, self._messages, self._story = {}, {}, None
        self._writer, self._written = ThreadPoolExecutor(1), None
        self._swept = 0.0
        self.metrics = Metrics(lambda: dict(self._positions))

    def connect(self):
        self.lookups.open()
        if self.store.open():
            self._positions = {
                log: self.store.position(str(log.path)) or self._begin(log) for log in self.logs}
            self._recall()

    def close(self):
        """After an error, or at the end."""
        if self._written:
            wait([self._written])
        self._written = None
        self.store.close()
        self.lookups.close()

    def _recall(self):
        self._messages = self.store.messages()
        self._story = Story({}, *self.store.waiting())

    def _begin(self, log):
        """Written down at once: what is logged before the next start is to be read then."""
        position = log.start()
        self.store.record(Batch({str(log.path): position}))
        return position

    def round(self):
        """Returns whether there is more to read already."""
        now, more, events, read, lines = datetime.now(UTC), False, [], {}, 0
        for log in self.logs:
            if piece := log.next_piece(self._positions[log]):
                events += [event for line in piece.lines if (event := parse(line, now))]
                lines += len(piece.lines)
                read[log] = piece.position
                more |= piece.more
        if read:
            self._enter(events, read)
            self.metrics.entered(lines, len(events))
        if not more:
            self._finish()
            self.metrics.caught_up()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._finish()
            self._swept = time.monotonic()
            if self.store.sweep():
                self._recall()
        return more

    def _enter(self, events, read):
        """``read``: log to its new position."""
        before = self._story
        book = Book(self._messages)
        domains, sent = names(events, self._messages)
        story = Story(self.lookups.domains(domains), before.sessions, before.connections,
                      self.lookups.sent(sent))
        for event in events:
            message = book.enter(event)
            if type(event.what) in TOLD:
                story.enter(event, message)
        positions = {str(log.path): position for log, position in read.items()}
        batch = prepare(self.store.host, positions, book, story, before, self.lookups)
        self._finish()
        self._written = self._writer.submit(self.store.record, batch)
        self._positions |= read
        self._messages, self._story = book.messages, story

    def _finish(self):
        """Wait until the round before is written; raises what kept it from that."""
        if self._written:
            written, self._written = self._written, None
            written.result()


def run(follower, once=False, watch=None):
    """Rounds until SIGTERM or SIGINT; returns the exit code.  ``once``: until all is read.

    ``watch``: a ``watch.Watch`` that has been started.
    """
    # a round makes a hundred thousand objects and no cycles: to look for them took a tenth of it
    gc.freeze()
    gc.set_threshold(500_000)
    vitals = watch.vitals if watch else None
    ending, back_off = Ending().on_signals(), BackOff(2.0, LONGEST_PAUSE, _logger, vitals)
    if vitals:
        vitals.reports(follower.metrics.families, follower.metrics.figures)
    _logger.info("reading %s", ", ".join(str(log.path) for log in follower.logs))
    while not ending.is_set():
        try:
            follower.connect()
            more = follower.round()
            pause = 0 if more else ROUND_SECONDS
            back_off.worked()
        except (psycopg2.Error, OSError) as error:
            follower.close()
            pause, more = back_off.failed(error), False
        if once and not more:
            break
        ending.wait(pause)
    follower.close()
    return int(once and back_off.problem is not None)
