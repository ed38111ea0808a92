# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How a daemon does: what it says of itself over HTTP and to Odoo."""

import os
import threading
import time

from .exposition import Counter, gauge
from .rounds import one_line

PATIENCE = 300.0  # seconds for which a daemon may be busy with one thing


class Vitals:
    """``daemon``: such as ``queue``; ``host``: the name of this machine, as Odoo shows it;
    ``version``: of the add-on; ``patience``: seconds after which one that has said nothing hangs.

    ``problem``: what keeps it from its work, or None.  ``is_standby``: another one does its work.
    """

    def __init__(self, daemon, host, version, patience=PATIENCE):
        self.daemon, self.host, self.version, self._patience = daemon, host, version, patience
        self.started, self._lock = time.time(), threading.Lock()
        self.is_standby = False
        self._said = None
        self._worked_at = 0.0
        self._expected_by = time.monotonic() + patience
        self._failures = Counter(
            "emboux_daemon_failures_total", "Rounds, or calls, that failed.", "daemon",
            known=[(daemon,)])
        self._collectors, self._figures = [], dict
        self._ask = self._warn = _nothing

    def reports(self, families=None, figures=None, ask=None, warn=None):
        """``families()``: of its own, for Prometheus.  ``figures()``: {name: number} for the page
        in Odoo.  ``ask()``: its problem at this moment, the database's too, where it knows that
        best; ``warn()``: what people should see to though it does its work.  Both are sentences, or
        None."""
        if families:
            self._collectors.append(families)
        self._figures = figures or self._figures
        self._ask, self._warn = ask or self._ask, warn or self._warn

    # -- what the daemon says ----------------------------------------------------------------

    def lives(self, pause=0.0):
        """It gets on; and is going to say so again after ``pause`` seconds, or soon."""
        self._expected_by = time.monotonic() + pause + self._patience

    def worked(self):
        self._said, self.is_standby, self._worked_at = None, False, time.time()
        self.lives()

    def failed(self, error, pause=0.0, is_standby=False):
        self.is_standby = is_standby
        self._said = None if is_standby else one_line(error)
        if not is_standby:
            with self._lock:  # some daemons call by several threads
                self._failures.add(self.daemon)
        self.lives(pause)

    # -- what others ask ---------------------------------------------------------------------

    @property
    def knows_of_database(self):
        """Whether ``problem`` says that the database is away, as soon as it is."""
        return self._ask is not _nothing

    @property
    def problem(self):
        late = time.monotonic() - self._expected_by
        if late > 0:
            return f"It has not got on for {int(late + self._patience)} seconds."
        return self._ask() or self._said

    @property
    def trouble(self):
        return self.problem or self._warn()

    def figures(self):
        return self._figures()

    def families(self, is_well):
        labels = {"daemon": self.daemon}
        yield gauge("emboux_daemon_info", "Which daemon this is, where, and of which version.", 1,
                    **labels, host=self.host, version=self.version)
        yield gauge("emboux_daemon_up", "Whether it can do its work.", is_well, **labels)
        yield gauge("emboux_daemon_standby", "Whether another one does its work.",
                    self.is_standby, **labels)
        yield gauge("emboux_daemon_worked_timestamp_seconds",
                    "When a round, or a call, last went well; 0: not since the start.",
                    self._worked_at, **labels)
        yield self._failures.family()
        yield from _of_the_process(self.started)
        for families in self._collectors:
            yield from families()


def _nothing():
    return None


def _of_the_process(started):
    """The numbers that Prometheus' own libraries have of a process, by their names."""
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1])
    yield gauge("process_start_time_seconds", "When it began, in seconds since 1970.", started)
    yield gauge("process_resident_memory_bytes", "Memory that it occupies.",
                resident * os.sysconf("SC_PAGE_SIZE"))
    cpu = Counter("process_cpu_seconds_total", "Time of processors that it has used.")
    cpu.add(by=time.process_time())
    yield cpu.family()
