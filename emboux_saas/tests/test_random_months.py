# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Whole months at random: what is used by all ways that there are, and what is billed for it."""

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from odoo.tests import tagged

from odoo.addons.emboux_saas.billing import Period, Row
from odoo.addons.emboux_saas.billing.engine import Rounding

from .billing_case import GIGABYTE, MONTH, BillingCase
from .price_rules import half_up, slow_lines


class Month:
    """A month in which two customers do things at random, and what they had each evening."""

    def __init__(self, case, seed):
        self.case, self.chance, self.name = case, random.Random(seed), f"s{seed}"
        self.plans = [case.plan, case.make_plan("Large", price=25.5, included_mailboxes=3,
                                                price_mailbox=1.1, price_thousand=0.35)]
        with case.at(date(2026, 8, 20)):
            self.customers = [case.make_customer(f"{self.name} {n}") for n in "ab"]
            self.domains = [
                case.owned_domain(f"{self.name}{n}.example", self.chance.choice(self.customers))
                for n in range(3)
            ]
            case.note(date(2026, 8, 20), *self.domains)
        for customer in self.customers:
            customer.sudo().billed_until = date(2026, 8, 31)
        self.boxes = defaultdict(list)
        self.sizes = defaultdict(int)
        self.rows, self.periods = defaultdict(list), defaultdict(list)
        self.messages = defaultdict(int)

    def owner(self, domain):
        return next(c for c in self.customers if c.partner_id == domain.partner_id)

    def live(self):
        for number in range(30):
            day = MONTH + timedelta(number)
            with self.case.at(day):
                for _ in range(self.chance.randint(0, 3)):
                    self.act(day)
                self.evening(day)

    def act(self, day):
        domain = self.chance.choice(self.domains)
        what = self.chance.choice(["send", "send", "box", "box", "mail", "less", "move", "plan"])
        if what == "send":
            count = self.chance.randint(1, 3000)
            self.case.sent(domain, day, count)
            self.messages[self.owner(domain), domain, day] += count
        elif what == "box":
            name = f"box{len(self.boxes[domain])}x{day.day}x{self.chance.random()}"
            self.boxes[domain].append(self.case.make_mailbox(name, domain))
        elif what == "less" and self.boxes[domain]:
            box = self.boxes[domain].pop()
            self.sizes.pop(box, None)
            box.unlink()
        elif what == "mail" and self.boxes[domain]:
            box = self.chance.choice(self.boxes[domain])
            self.sizes[box] = self.chance.randint(0, 4 * GIGABYTE)
            self.case.stored(box, self.sizes[box])
        elif what == "move":
            domain.sudo().partner_id = self.chance.choice(self.customers).partner_id
        elif what == "plan":
            self.chance.choice(self.customers).plan_id = self.chance.choice(self.plans)

    def evening(self, day):
        usage = self.case.env["emboux.usage"]
        usage._note_levels([domain.name for domain in self.domains])
        if self.chance.random() < 0.5:
            usage._count_days(day - timedelta(2))  # some nights it does not run
        self.case.day_over()
        for customer in self.customers:
            plan = customer.plan_id
            period = Period(day, customer.period_ids.sorted("since")[-1]._terms(), plan)
            self.periods[customer].append(period)
            for domain in self.domains:
                mine = self.owner(domain) == customer
                self.rows[customer].append(Row(
                    day, domain, len(self.boxes[domain]) if mine else 0,
                    sum(self.sizes[box] for box in self.boxes[domain]) if mine else 0,
                    self.messages[customer, domain, day],
                ))  # fmt: skip


@tagged("post_install", "-at_install")
class TestRandomMonths(BillingCase):
    def test_invoices_are_what_was_used_by_the_rules(self):
        """Plans and domains that change hands, against what each had on each evening."""
        for seed in range(6):
            rounding = ("round_globally", "round_per_line")[seed % 2]
            self.env.company.sudo().tax_calculation_rounding_method = rounding
            month = Month(self, seed)
            month.live()
            self.env["emboux.usage"]._count_days(MONTH)
            for customer in month.customers:
                with self.subTest(seed=seed, customer=customer.display_name):
                    move = self.bill(customer)
                    found = {
                        (line.emboux_measure, line.emboux_from):
                            (line.quantity, line.price_unit, line.price_subtotal)
                        for line in move.invoice_line_ids
                    }
                    rules = slow_lines(
                        MONTH, month.periods[customer], month.rows[customer], Rounding()
                    )
                    wanted = {
                        (measure, first): tuple(map(float, numbers))
                        for (measure, _plan, first), numbers in rules.items()
                    }
                    self.assertEqual(found, wanted)
                    each = [numbers[2] for numbers in rules.values()]
                    if rounding == "round_globally":
                        # Odoo adds up first: quantity times price of each line, rounded once
                        each = [quantity * price for quantity, price, _ in rules.values()]
                    self.assertEqual(
                        Decimal(str(move.amount_untaxed)), half_up(sum(each), Decimal("0.01"))
                    )
