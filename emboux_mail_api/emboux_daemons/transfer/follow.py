# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""One round after the other: read what is new in the logs, write what it adds up to.

What is remembered between two rounds is only what PostgreSQL has too: after an error everything is
read anew from there.
"""

import logging
import time
from datetime import UTC, datetime

import psycopg2

from ..rounds import BackOff, Ending
from .book import Book
from .lines import parse

_logger = logging.getLogger(__name__)

ROUND_SECONDS = 2.0
SWEEP_SECONDS = 3600.0
LONGEST_PAUSE = 60.0


class Follower:
    """``logs``: ``logs.Log``s; ``store``: a ``store.Store``."""

    def __init__(self, logs, store):
        self.logs, self.store = logs, store
        self._positions, self._messages = {}, {}
        self._swept = 0.0

    def connect(self):
        if self.store.open():
            self._positions = {
                log: self.store.position(str(log.path)) or self._begin(log) for log in self.logs}
            self._messages = self.store.messages()

    def _begin(self, log):
        """Written down at once: what is logged before the next start is to be read then."""
        position = log.start()
        self.store.save(str(log.path), position, Book())
        return position

    def round(self):
        """Returns whether there is more to read already."""
        more = False
        for log in self.logs:
            piece = log.next_piece(self._positions[log])
            if piece is None:
                continue
            book, now = Book(self._messages), datetime.now(UTC)
            for line in piece.lines:
                if event := parse(line, now):
                    book.enter(event)
            self.store.save(str(log.path), piece.position, book)
            self._positions[log], self._messages = piece.position, book.messages
            more |= piece.more
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            if self.store.sweep():
                self._messages = self.store.messages()
        return more


def run(follower, once=False):
    """Rounds until SIGTERM or SIGINT; returns the exit code.  ``once``: until all is read."""
    ending, back_off = Ending().on_signals(), BackOff(2.0, LONGEST_PAUSE, _logger)
    _logger.info("reading %s", ", ".join(str(log.path) for log in follower.logs))
    while not ending.is_set():
        try:
            follower.connect()
            more = follower.round()
            wait = 0 if more else ROUND_SECONDS
            back_off.worked()
        except (psycopg2.Error, OSError) as error:
            follower.store.close()
            wait, more = back_off.failed(error), False
        if once and not more:
            break
        ending.wait(wait)
    follower.store.close()
    return int(once and back_off.problem is not None)
