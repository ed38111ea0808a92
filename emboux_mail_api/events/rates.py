# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Whether bounces or complaints are too many: exact arithmetic, no clock, no database."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True)
class Rates:
    """What a domain has sent since a moment, and what came back (numbers of recipients)."""

    since: datetime
    sent: int
    bounces: int
    complaints: int

    def percent(self, count: int) -> Decimal:
        """Share of what was sent, in percent; 0 where nothing was."""
        return Decimal(100 * count) / self.sent if self.sent else Decimal(0)


@dataclass(frozen=True)
class Excess:
    """Which rate is exceeded: ``count`` recipients where at most ``allowed`` percent may be."""

    kind: Literal["bounce", "complaint"]
    count: int
    allowed: Decimal


def excess(
    rates: Rates,
    bounce_percent: Decimal,
    complaint_percent: Decimal,
    least_sent: int,
    least_events: int,
) -> Excess | None:
    """The limit that is exceeded, or None.  A limit that is just reached is not exceeded.

    Complaints come first, because they weigh more.
    :param least_sent: of fewer recipients no rate says anything; neither do fewer reports of one
        kind than ``least_events``: of 200 recipients a single complaint is 0.5 %.
    """
    if rates.sent < max(least_sent, 1):
        return None
    if _exceeds(rates.complaints, rates.sent, complaint_percent, least_events):
        return Excess("complaint", rates.complaints, complaint_percent)
    if _exceeds(rates.bounces, rates.sent, bounce_percent, least_events):
        return Excess("bounce", rates.bounces, bounce_percent)
    return None


def _exceeds(count: int, sent: int, percent: Decimal, least: int) -> bool:
    return count >= least and 100 * count > percent * sent
