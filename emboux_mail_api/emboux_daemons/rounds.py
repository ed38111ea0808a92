# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What daemons have in common that do one round after the other: their end, and their pauses."""

import os
import select
import signal


class Ending:
    """Whether a daemon is to end, which a signal says; ``select`` can wait for it.

    No ``threading.Event``: a signal handler that sets one while it is waited for may wait for ever.
    """

    def __init__(self):
        self._is_set = False
        self._read, self._write = os.pipe()

    def on_signals(self):
        """Let SIGTERM and SIGINT set it; returns itself."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.set)
        return self

    def set(self, *_):
        if not self._is_set:
            self._is_set = True
            os.write(self._write, b"\0")

    def is_set(self):
        return self._is_set

    def wait(self, seconds):
        """Until it is set, or the seconds are over; returns whether it is set."""
        select.select([self], [], [], seconds)
        return self._is_set

    def fileno(self):
        return self._read


class BackOff:
    """How long to wait after an error: ``first`` seconds, then twice as long each time, at most
    ``longest``.

    ``logger`` gets each problem once, not each time, and the end of it; ``vitals`` (a
    ``vitals.Vitals``) is told each time.
    """

    def __init__(self, first, longest, logger=None, vitals=None):
        self._first, self._longest, self._logger = first, longest, logger
        self._vitals = vitals
        self._pause, self.problem = first, None

    def failed(self, error):
        """Returns the seconds to wait."""
        text = one_line(error)
        if self._logger and text != self.problem:
            self._logger.error("%s", text)
        self.problem = text
        pause, self._pause = self._pause, min(2 * self._pause, self._longest)
        if self._vitals:
            self._vitals.failed(error, pause, getattr(error, "is_standby", False))
        return pause

    def worked(self):
        if self._logger and self.problem is not None:
            self._logger.info("all is well again")
        self._pause, self.problem = self._first, None
        if self._vitals:
            self._vitals.worked()


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__
