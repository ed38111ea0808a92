# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The rules of prices once more, day by day, slow and plain: what the engine is compared with."""

from calendar import monthrange
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from odoo.addons.emboux_saas.billing import Row
from odoo.addons.emboux_saas.billing.engine import GIGABYTE


def half_up(exact, step):
    """By Python's own decimals, with more digits than any month needs."""
    return (exact / step).quantize(Decimal(1), ROUND_HALF_UP) * step


def plan_of(periods, day):
    begun = [period for period in periods if period.since <= day]
    last = max(begun, key=lambda period: period.since, default=None)
    return (last.plan, last.terms) if last and last.terms else None


def level(rows, domain, day):
    begun = [row for row in rows if row.domain == domain and row.day <= day]
    return max(begun, key=lambda row: row.day, default=Row(day, domain))


def slow_lines(month, periods, rows, rounding):
    """(measure, plan, first day) to (quantity, price, amount): the rules, day by day."""
    days = monthrange(month.year, month.month)[1]
    domains = {row.domain for row in rows}
    dates = [month + timedelta(days=number) for number in range(days)]
    stretches = []
    for day in dates:
        plan = plan_of(periods, day)
        if stretches and stretches[-1][0] == plan:
            stretches[-1][1].append(day)
        else:
            stretches.append((plan, [day]))
    found = {}
    for paid, stretch in stretches:
        if not paid:
            continue
        plan, terms = paid
        boxes = size = sent = 0  # what is too much, times the days of the month
        for day in stretch:
            levels = [level(rows, domain, day) for domain in domains]
            boxes += max(sum(row.mailboxes for row in levels) - terms.included_mailboxes, 0)
            size += max(sum(row.size for row in levels) - terms.included_gb * GIGABYTE, 0)
            sent += sum(row.messages for row in levels if row.day == day)
        sent = max(sent * days - terms.included_thousands * 1000 * len(stretch), 0)
        base = half_up(terms.price * len(stretch) / days, rounding.currency)
        wanted = {
            "base": (Decimal(1), base),
            "mailboxes": (Decimal(boxes) / days, terms.price_mailbox),
            "storage": (Decimal(size) / GIGABYTE / days, terms.price_gb),
            "messages": (Decimal(sent) / 1000 / days, terms.price_thousand),
        }
        for measure, (exact, price) in wanted.items():
            quantity = half_up(exact, rounding.quantity)
            if quantity and price:
                amount = half_up(quantity * price, rounding.currency)
                found[measure, plan, stretch[0]] = (quantity, price, amount)
    return found
