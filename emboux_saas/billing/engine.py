# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a month costs: the rules of a plan applied to the rows of usage.

Plain Python with exact numbers; nothing here knows of Odoo.  The rules:

* A day is charged by what was last noted of it or of a day before it: mailboxes and bytes of
  all domains together, and the terms of the plan.
* The base price, and what is included, are those of a whole month; each day has its share.
* Above what is included, a mailbox and a gigabyte (10^9 bytes) cost by the day as well, so that
  three more mailboxes for ten of thirty days are one mailbox for a month.
* Messages are counted, and the included ones are shared out by the day.
* A quantity is rounded to the places that an invoice has, half up, and the amount is the rounded
  quantity times the price: what an invoice says can be recalculated by hand.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

GIGABYTE = 10**9
THOUSAND = 1000


@dataclass(frozen=True)
class Terms:
    """What is paid, and what it includes; prices are without taxes."""

    price: Decimal = Decimal(0)
    included_mailboxes: int = 0
    included_gb: int = 0
    included_thousands: int = 0
    price_mailbox: Decimal = Decimal(0)
    price_gb: Decimal = Decimal(0)
    price_thousand: Decimal = Decimal(0)


@dataclass(frozen=True)
class Period:
    """From this day on, until the next one begins.  ``terms`` None: nothing is to be paid."""

    since: date
    terms: Terms | None
    plan: Hashable = None


@dataclass(frozen=True)
class Row:
    """A domain on a day: levels that hold until its next row, and a count of that day alone."""

    day: date
    domain: Hashable
    mailboxes: int = 0
    size: int = 0
    messages: int = 0


@dataclass(frozen=True)
class Line:
    """One line of an invoice.  ``included``: the share of what costs nothing, in the same unit."""

    measure: str  # base, mailboxes, storage or messages
    plan: Hashable
    first: date
    last: date
    month_days: int
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    included: Fraction = Fraction(0)

    @property
    def days(self):
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Rounding:
    """``currency``: the smallest coin.  ``quantity``: the smallest part of a quantity."""

    currency: Decimal = Decimal("0.01")
    quantity: Decimal = Decimal("0.01")


def month_lines(
    month: date,
    periods: Iterable[Period],
    rows: Iterable[Row],
    rounding: Rounding = Rounding(),  # noqa: B008 - frozen
    until: date | None = None,
) -> list[Line]:
    """The lines for the month that ``month`` is in.

    :param rows: all of the month, and for each domain the last one before it.
    :param until: count no further than this day, for what a month has cost so far.
    """
    first = month.replace(day=1)
    month_days = monthrange(first.year, first.month)[1]
    last = first.replace(day=month_days)
    shown = min(last, until) if until else last
    days = (shown - first).days + 1
    if days < 1:
        return []
    mailboxes, sizes, messages = _by_day(first, days, rows)
    lines = []
    for begin, end, period in _stretches(first, shown, periods):
        terms = period.terms
        part = slice((begin - first).days, (end - first).days + 1)
        share = Fraction((end - begin).days + 1, month_days)
        prices = {
            # the month's price is shared out itself, so that the quantity stays one plan
            "base": (
                Fraction(1), _round(Fraction(terms.price) * share, rounding.currency), Fraction(0)
            ),
            "mailboxes": (
                _above(mailboxes[part], terms.included_mailboxes, month_days),
                terms.price_mailbox,
                Fraction(terms.included_mailboxes),
            ),
            "storage": (
                _above(sizes[part], terms.included_gb * GIGABYTE, month_days) / GIGABYTE,
                terms.price_gb,
                Fraction(terms.included_gb),
            ),
            "messages": (
                max(Fraction(sum(messages[part]), THOUSAND) - terms.included_thousands * share,
                    Fraction(0)),
                terms.price_thousand,
                terms.included_thousands * share,
            ),
        }
        for measure, (exact, unit_price, included) in prices.items():
            quantity = _round(exact, rounding.quantity)
            if not quantity or not unit_price:
                continue
            amount = _round(Fraction(quantity) * Fraction(unit_price), rounding.currency)
            lines.append(
                Line(measure, period.plan, begin, end, month_days, quantity, unit_price, amount,
                     included)
            )
    return lines


def _stretches(first, last, periods):
    """(first day, last day, period) where something is to be paid; like ones that meet are one."""
    joined = []
    for period in sorted(periods, key=lambda period: period.since):
        if joined and (joined[-1].terms, joined[-1].plan) == (period.terms, period.plan):
            continue
        joined.append(period)
    if not joined:
        return
    ends = [period.since - timedelta(days=1) for period in joined[1:]] + [last]
    for period, end in zip(joined, ends, strict=True):
        begin, end = max(period.since, first), min(end, last)
        if begin <= end and period.terms:
            yield begin, end, period


def _by_day(first, days, rows):
    """Mailboxes, bytes and messages of each day, over all domains."""
    mailboxes, sizes, messages = [0] * days, [0] * days, [0] * days
    by_domain = defaultdict(list)
    for row in rows:
        by_domain[row.domain].append(row)
    for domain_rows in by_domain.values():
        domain_rows.sort(key=lambda row: row.day)
        places = [(row.day - first).days for row in domain_rows] + [days]
        for row, place, following in zip(domain_rows, places, places[1:], strict=False):
            for day in range(max(place, 0), min(following, days)):
                mailboxes[day] += row.mailboxes
                sizes[day] += row.size
            if 0 <= place < days:
                messages[place] += row.messages
    return mailboxes, sizes, messages


def _above(levels, included, month_days):
    """What stood above the included on each day, as so much for a whole month."""
    return Fraction(sum(max(level - included, 0) for level in levels), month_days)


def _round(exact, step):
    """To a whole number of steps, half up."""
    steps = Decimal((Fraction(exact) / Fraction(step)).__floor__())
    rest = Fraction(exact) / Fraction(step) - Fraction(steps)
    return (steps + (1 if rest >= Fraction(1, 2) else 0)) * step
