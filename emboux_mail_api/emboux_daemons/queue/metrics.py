# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How long the queue is and how old, and what was done with it, for Prometheus."""

import time
from collections import Counter as Count

from ..exposition import Counter, Gauge, gauge

QUEUES = ("incoming", "active", "deferred", "hold")
#: Name of an age to the seconds up to which a message has it.
AGES = (("under_5m", 300), ("under_1h", 3600), ("under_1d", 86_400), ("older", float("inf")))
REASONS = ("suspended", "over_limit", "by_hand", "rule")


class Metrics:
    def __init__(self):
        self._messages = Gauge(
            "emboux_queue_messages", "Messages in Postfix' queue.", "queue", "age")
        self._oldest = Gauge(
            "emboux_queue_oldest_seconds", "Age of the oldest message; 0: there is none.", "queue")
        self._held = Gauge(
            "emboux_queue_held", "Messages that are on hold for a reason that Odoo knows.",
            "reason")
        self._done = Counter(
            "emboux_queue_messages_done_total", "Messages put on hold, released and discarded.",
            "action", known=[("held",), ("released",), ("discarded",)])
        self._reloads = Counter("emboux_queue_reloads_total", "How often Postfix was reloaded.")
        self._waiting = self._on_hold = 0
        self.certificate_ends = None  # seconds since 1970

    def saw(self, messages):
        """``messages``: those of the queue."""
        now, counts, oldest = time.time(), Count(), dict.fromkeys(((q,) for q in QUEUES), 0)
        for message in messages:
            age = max(now - message.arrived, 0)
            counts[message.queue, next(name for name, limit in AGES if age < limit)] += 1
            if age > oldest.get((message.queue,), age):
                oldest[message.queue,] = age
        self._messages.replace({
            (queue, age): counts[queue, age] for queue in QUEUES for age, _limit in AGES})
        self._oldest.replace(oldest)
        self._on_hold = sum(counts["hold", age] for age, _limit in AGES)
        self._waiting = counts.total() - self._on_hold

    def held(self, rows):
        """``rows``: those of Odoo, of messages that matter."""
        counts = Count(row.reason for row in rows)
        self._held.replace({(reason,): counts[reason] for reason in REASONS})

    def did(self, action, count):
        self._done.add(action, by=count)

    def reloaded(self):
        self._reloads.add()

    def figures(self):
        return {"waiting": self._waiting, "held": self._on_hold}

    def families(self):
        for numbers in (self._messages, self._oldest, self._held, self._done, self._reloads):
            yield numbers.family()
        if self.certificate_ends:
            yield gauge("emboux_queue_certificate_ends_timestamp_seconds",
                        "Until when the certificate of Postfix' SMTP server is valid.",
                        self.certificate_ends)
