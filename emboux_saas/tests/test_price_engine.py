# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The price engine against the rules as they are written, for months at random."""

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from odoo.tests import BaseCase, tagged

from odoo.addons.emboux_saas.billing import Period, Row, Terms, month_lines
from odoo.addons.emboux_saas.billing.engine import GIGABYTE, Rounding

from .price_rules import level, plan_of, slow_lines

COINS = st.sampled_from([Decimal("0.01"), Decimal("0.001"), Decimal("0.05"), Decimal(1)])
MONTHS = st.dates(date(2023, 1, 1), date(2030, 12, 31)).map(lambda day: day.replace(day=1))
MONEY = st.integers(0, 50_000).map(lambda cents: Decimal(cents) / 100)
TERMS = st.builds(
    Terms, MONEY, st.integers(0, 5), st.integers(0, 3), st.integers(0, 9), MONEY, MONEY, MONEY
)


def days_from(month, before=40, after=40):
    return st.integers(-before, monthrange(month.year, month.month)[1] + after).map(
        lambda number: month + timedelta(days=number)
    )


@st.composite
def bills(draw):
    """A month with plans and rows: days before and after it, domains that come and go."""
    month = draw(MONTHS)
    since = draw(st.lists(days_from(month), max_size=5, unique=True))
    periods = [
        Period(day, draw(st.none() | TERMS), draw(st.sampled_from(["basic", "large"])))
        for day in since
    ]
    keys = draw(st.lists(st.tuples(days_from(month), st.sampled_from("abcd")), max_size=25,
                         unique=True))
    rows = [
        Row(day, domain, draw(st.integers(0, 9)), draw(st.integers(0, 6 * GIGABYTE)),
            draw(st.integers(0, 30_000)))
        for day, domain in keys
    ]
    return month, periods, rows


def units(month, rows):
    """Mailbox-days, byte-days and messages of a month: a plan that includes nothing, by the day."""
    days = monthrange(month.year, month.month)[1]
    terms = Terms(price_mailbox=Decimal(1), price_gb=Decimal(1), price_thousand=Decimal(1))
    exact = Rounding(currency=Decimal(1), quantity=Decimal("1e-15"))
    lines = month_lines(month, [Period(month, terms)], rows, exact)
    return {line.measure: round(line.quantity * days, 9) for line in lines}


@tagged("post_install", "-at_install")
class TestPriceEngine(BaseCase):
    @settings(deadline=None, max_examples=400)
    @given(bills(), COINS)
    def test_lines_are_the_rules_applied_day_by_day(self, bill, coin):
        rounding = Rounding(currency=coin)
        lines = month_lines(*bill, rounding)
        found = {
            (line.measure, line.plan, line.first): (line.quantity, line.unit_price, line.amount)
            for line in lines
        }
        wanted = slow_lines(*bill, rounding)
        self.assertEqual(found, wanted)
        self.assertEqual(len(lines), len(found), "no line stands twice")
        self.assertEqual(sum(line.amount for line in lines), sum(w[2] for w in wanted.values()))

    @settings(deadline=None)
    @given(bills(), st.randoms())
    def test_order_does_not_matter(self, bill, random):
        month, periods, rows = bill
        lines = month_lines(month, periods, rows)
        random.shuffle(periods)
        random.shuffle(rows)
        self.assertEqual(month_lines(month, periods, rows), lines)

    @settings(deadline=None)
    @given(bills(), st.data())
    def test_handover_splits_the_bill_exactly(self, bill, data):
        """A domain changes hands: both bills add up to that of a single owner."""
        month, _periods, rows = bill
        rows = [row for row in rows if row.domain == "a"]
        day = data.draw(days_from(month, 5, 5))
        now = level(rows, "a", day)
        sent = now.messages if now.day == day else 0
        of_old = data.draw(st.integers(0, sent))
        old = [row for row in rows if row.day < day] + [Row(day, "a", messages=of_old)]
        new = [Row(day, "a", now.mailboxes, now.size, sent - of_old)]
        new += [row for row in rows if row.day > day]
        whole, first, second = units(month, rows), units(month, old), units(month, new)
        for measure in ("mailboxes", "storage", "messages"):
            self.assertEqual(
                first.get(measure, 0) + second.get(measure, 0), whole.get(measure, 0), measure
            )

    @settings(deadline=None)
    @given(bills(), TERMS, st.data())
    def test_change_to_the_same_plan_changes_nothing(self, bill, terms, data):
        month, _periods, rows = bill
        one = [Period(month, terms, "basic")]
        two = [*one, Period(data.draw(days_from(month, 0, 0)), terms, "basic")]
        self.assertEqual(month_lines(month, two, rows), month_lines(month, one, rows))

    @settings(deadline=None)
    @given(bills())
    def test_what_it_cost_so_far_ends_at_the_whole_month(self, bill):
        month, periods, rows = bill
        days = monthrange(month.year, month.month)[1]
        ends = month_lines(*bill, until=month.replace(day=days))
        self.assertEqual(ends, month_lines(*bill))
        self.assertEqual(month_lines(*bill, until=month - timedelta(days=1)), [])

    @settings(deadline=None)
    @given(bills())
    @example((date(2026, 10, 1), [Period(date(2026, 10, 1), Terms(price=Decimal(31)))], []))
    def test_base_price_is_shared_out_by_the_day(self, bill):
        month, periods, rows = bill
        days = monthrange(month.year, month.month)[1]
        lines = [line for line in month_lines(*bill) if line.measure == "base"]
        paid = [plan_of(periods, month + timedelta(days=number)) for number in range(days)]
        exact = sum(found[1].price / days for found in paid if found)
        self.assertLessEqual(abs(sum(line.amount for line in lines) - exact),
                             Decimal("0.005") * len(lines) + Decimal("1e-9")
                             + Decimal("0.005") * len(periods))

    def test_example_of_the_manual(self):
        terms = Terms(
            price=Decimal(10), included_mailboxes=5, included_gb=10, included_thousands=1,
            price_mailbox=Decimal(2), price_gb=Decimal("0.50"), price_thousand=Decimal("0.25"),
        )
        rows = [
            Row(date(2026, 8, 3), "a", mailboxes=4, size=8 * GIGABYTE),
            Row(date(2026, 9, 1), "b", mailboxes=1, size=2 * GIGABYTE, messages=500),
            Row(date(2026, 9, 11), "b", mailboxes=4, size=2 * GIGABYTE, messages=2500),
            Row(date(2026, 9, 21), "b", mailboxes=1, size=2 * GIGABYTE),
        ]
        lines = month_lines(date(2026, 9, 1), [Period(date(2026, 1, 1), terms)], rows)
        self.assertEqual(
            [(line.measure, line.quantity, line.amount) for line in lines],
            [
                ("base", Decimal(1), Decimal(10)),
                # three more for ten of thirty days
                ("mailboxes", Decimal(1), Decimal(2)),
                ("messages", Decimal(2), Decimal("0.50")),
            ],
        )
