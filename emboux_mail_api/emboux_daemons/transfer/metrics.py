# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How far the logs are read, for Prometheus."""

import os
import time

from ..exposition import Counter, gauge


class Metrics:
    """``positions``: ``{Log: Position}``."""

    def __init__(self, positions):
        self._positions, self._caught_up = positions, time.time()
        self._lines = Counter("emboux_transfer_lines_total", "Lines of the logs that were read.")
        self._events = Counter(
            "emboux_transfer_events_total", "What of them said something about mail.")

    def entered(self, lines, events):
        self._lines.add(by=lines)
        self._events.add(by=events)

    def caught_up(self):
        self._caught_up = time.time()

    def _unread(self):
        """Bytes of the logs, those before a rotation left out."""
        total = 0
        for log, position in self._positions().items():
            try:
                found = os.stat(log.path)
            except FileNotFoundError:
                continue  # between two files
            same = found.st_ino == position.inode
            total += max(found.st_size - (position.offset if same else 0), 0)
        return total

    def figures(self):
        return {"unread": self._unread()}

    def families(self):
        yield self._lines.family()
        yield self._events.family()
        yield gauge("emboux_transfer_unread_bytes",
                    "What of the logs is still to be read into the message log.", self._unread())
        yield gauge("emboux_transfer_behind_seconds",
                    "Since all of the logs was last read and written down.",
                    time.time() - self._caught_up)
