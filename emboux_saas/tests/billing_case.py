# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from datetime import date
from unittest.mock import patch

from odoo import fields

from odoo.addons.emboux_mail_api.tests.common import PlatformCase

GIGABYTE = 10**9
MONTH = date(2026, 9, 1)  # thirty days


class BillingCase(PlatformCase):
    """A plan, a customer paying for it since July 2026, and ways to let them use something."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not cls.env.company.chart_template:
            cls.env["account.chart.template"].sudo().try_loading("generic_coa", cls.env.company)
        cls.product = cls.env["product.product"].create(
            {"name": "Email hosting", "type": "service", "taxes_id": False}
        )
        cls.plan = cls.make_plan(
            "Basic", price=10, included_mailboxes=1, price_mailbox=3, included_gb=1, price_gb=0.5,
            included_thousands=1, price_thousand=0.2,
        )
        with cls.at(date(2026, 7, 1)):
            cls.customer = cls.make_customer("Acme")

    @classmethod
    def make_plan(cls, name, **values):
        return cls.env["emboux.plan"].create(
            {"name": name, "product_id": cls.product.id, "trial_days": 0, **values}
        )

    @classmethod
    def make_customer(cls, name, **values):
        partner = cls.env["res.partner"].create({"name": name, "email": "boss@outside.example"})
        return cls.env["emboux.customer"].create(
            {"partner_id": partner.id, "plan_id": cls.plan.id, **values}
        )

    @classmethod
    def owned_domain(cls, name, customer):
        return cls.make_domain(name, state="verified", partner_id=customer.partner_id.id)

    @staticmethod
    @contextmanager
    def at(day):
        """As if it were this day."""
        with patch.object(fields.Date, "today", lambda *args: day):
            yield

    def stored(self, mailbox, size):
        """Dovecot has counted so many bytes."""
        self.env.flush_all()
        self.env.cr.execute(
            """INSERT INTO emboux_mail.usage (username, bytes) VALUES (%s, %s)
                   ON CONFLICT (username) DO UPDATE SET bytes = excluded.bytes""",
            [mailbox.email, size],
        )

    def sent(self, domain, day, count):
        """The policy has counted so many more on this day, which is not over."""
        self.env.flush_all()
        self.env.cr.execute(
            """INSERT INTO emboux_mail.sent AS s (subject, at, in_day, in_month)
               VALUES (%(id)s, %(at)s, %(n)s, %(n)s)
                   ON CONFLICT (subject) DO UPDATE SET at = excluded.at,
                      in_day = excluded.in_day + CASE WHEN s.at = excluded.at THEN s.in_day
                                                      ELSE 0 END""",
            {"id": domain.id, "at": f"{day} 12:00:00+00", "n": count},
        )

    def day_over(self):
        """The policy writes the days that are over to the history."""
        self.env.flush_all()
        self.env.cr.execute("SELECT emboux_mail.close_windows(clock_timestamp())")

    def note(self, day, *domains):
        """The night's count on this day, told by the feed of these domains."""
        with self.at(day):
            self.env["emboux.usage"]._note_levels([domain.name for domain in domains])

    def usage(self, customer, *names):
        """(day of the month, domain and so on) of a customer's rows, the oldest first."""
        rows = self.env["emboux.usage"].search(
            [("customer_id", "=", customer.id)], order="day, domain_name"
        )
        return [tuple(row[name] for name in names) for row in rows]

    def bill(self, customers, month=MONTH):
        customers.sudo()._bill_until(month)
        return self.env["account.move"].sudo().search(
            [("emboux_customer_id", "in", customers.ids), ("emboux_month", "=", month)]
        )
