# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What endpoints answered, for Prometheus."""

from ..exposition import Counter, Histogram, gauge

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)  # seconds


class Metrics:
    """``busy``: deliveries that are on their way, which can be counted."""

    def __init__(self, busy):
        self._busy = busy
        self._attempts = Counter(
            "emboux_webhooks_attempts_total",
            "Attempts: delivered; refused by an answer; without an answer.", "outcome",
            known=[("delivered",), ("refused",), ("no_answer",)])
        self._seconds = Histogram(
            "emboux_webhooks_seconds", "From a request to its answer.", BUCKETS)

    def tried(self, result):
        """``result``: a ``store.Result``."""
        self._attempts.add("delivered" if result.well else "refused" if result.status
                           else "no_answer")
        self._seconds.observe(result.milliseconds / 1000)

    def figures(self):
        return {"busy": len(self._busy)}

    def families(self):
        yield self._attempts.family()
        yield self._seconds.family()
        yield gauge("emboux_webhooks_busy", "Deliveries that are on their way.", len(self._busy))
