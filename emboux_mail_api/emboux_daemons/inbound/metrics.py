# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What became of the mail that Postfix handed over, for Prometheus."""

from ..exposition import Counter, Histogram, gauge

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_OUTCOMES = {"2": "taken", "4": "deferred", "5": "refused"}


class Metrics:
    """``busy``: what is being handed over, which can be counted."""

    def __init__(self, busy):
        self._busy = busy
        self._messages = Counter(
            "emboux_inbound_messages_total",
            "Messages, once for each recipient: taken by Odoo, deferred or refused.", "outcome",
            known=[(outcome,) for outcome in _OUTCOMES.values()])
        self._seconds = Histogram(
            "emboux_inbound_seconds", "From a message to the reply that Postfix gets.", BUCKETS)

    def replied(self, replies, seconds):
        for reply in replies:
            self._messages.add(_OUTCOMES[reply[0]])
        self._seconds.observe(seconds)

    def figures(self):
        return {"busy": len(self._busy)}

    def families(self):
        yield self._messages.family()
        yield self._seconds.family()
        yield gauge("emboux_inbound_busy", "Messages that are being handed over.",
                    len(self._busy))
