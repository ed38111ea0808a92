# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .billing_case import GIGABYTE, BillingCase

DAY = date(2026, 9, 10)


@tagged("post_install", "-at_install")
class TestUsage(BillingCase):
    """Rows on the days on which something changed, for whose the domain was."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.make_customer("Other")
        cls.mine = cls.owned_domain("mine.example", cls.customer)

    def levels(self, customer):
        return self.usage(customer, "day", "has_domain", "mailboxes", "bytes", "messages")

    def test_a_row_where_something_changed_and_none_where_not(self):
        self.note(DAY, self.mine)
        self.assertEqual(self.levels(self.customer), [(DAY, True, 0, 0, 0)])
        ann, bob = self.make_mailbox("ann", self.mine), self.make_mailbox("bob", self.mine)
        for number in (1, 2):
            self.note(DAY + timedelta(number), self.mine)
        self.assertEqual(self.levels(self.customer)[1:], [(DAY + timedelta(1), True, 2, 0, 0)])
        self.stored(ann, 7)
        self.stored(bob, 5)
        bob.active = False
        self.note(DAY + timedelta(3), self.mine)
        self.assertEqual(
            self.levels(self.customer)[2:], [(DAY + timedelta(3), True, 1, 12, 0)],
            "an archived mailbox is none, its mail is kept",
        )

    def test_the_last_count_of_a_day_wins(self):
        self.note(DAY, self.mine)
        self.make_mailbox("ann", self.mine)
        self.note(DAY, self.mine)
        self.assertEqual(self.levels(self.customer), [(DAY, True, 1, 0, 0)])

    def test_domains_of_nobody_and_of_others_platforms_are_not_counted(self):
        before = self.env["emboux.usage"].search_count([])
        self.note(DAY, self.domain)
        self.assertEqual(self.env["emboux.usage"].search_count([]), before)

    def test_domains_older_than_the_customer_are_counted_at_once(self):
        partner = self.env["res.partner"].create({"name": "Late"})
        self.domain.partner_id = partner
        self.make_mailbox("ann")
        with self.at(DAY):
            late = self.env["emboux.customer"].create({"partner_id": partner.id})
        self.assertEqual(self.levels(late), [(DAY, True, 1, 0, 0)])

    def test_messages_by_day_and_again(self):
        usage = self.env["emboux.usage"]
        self.note(DAY, self.mine)
        self.make_mailbox("ann", self.mine)
        self.sent(self.mine, DAY, 30)
        self.day_over()
        self.sent(self.mine, DAY + timedelta(1), 4)
        self.note(DAY + timedelta(2), self.mine)
        for _ in range(2):
            usage._count_days(DAY - timedelta(1))
        self.assertEqual(
            self.levels(self.customer),
            [
                (DAY, True, 0, 0, 30),
                (DAY + timedelta(1), True, 0, 0, 4),  # levels as they were the day before
                (DAY + timedelta(2), True, 1, 0, 0),
            ],
        )
        self.sent(self.mine, DAY + timedelta(1), 6)
        usage._count_days(DAY)
        self.assertEqual(self.levels(self.customer)[1], (DAY + timedelta(1), True, 0, 0, 10))

    def test_days_before_the_first_row_are_the_owners_too(self):
        self.sent(self.mine, DAY, 5)
        self.day_over()
        self.env["emboux.usage"]._count_days(DAY)
        self.assertEqual(self.levels(self.customer), [(DAY, True, 0, 0, 5)])

    def test_handover_writes_both_sides_at_once(self):
        self.make_mailbox("ann", self.mine)
        self.note(DAY - timedelta(5), self.mine)
        self.sent(self.mine, DAY, 30)
        self.env["emboux.api.key"]._make(
            {"name": "K", "role": "customer", "partner_id": self.other.partner_id.id}
        )
        with self.at(DAY):
            self.mine._hand_over(self.other.partner_id)
        self.assertEqual(self.levels(self.customer)[1:], [(DAY, False, 0, 0, 30)])
        self.assertEqual(self.levels(self.other), [(DAY, True, 1, 0, 0)])
        self.sent(self.mine, DAY, 12)
        self.day_over()
        self.env["emboux.usage"]._count_days(DAY)
        self.assertEqual(self.levels(self.customer)[1:], [(DAY, False, 0, 0, 30)])
        self.assertEqual(self.levels(self.other), [(DAY, True, 1, 0, 12)])

    def test_there_and_back_on_one_day(self):
        self.note(DAY - timedelta(5), self.mine)
        for owner, more in ((self.other, 3), (self.customer, 4), (self.other, 5)):
            self.sent(self.mine, DAY, more)
            with self.at(DAY):
                self.mine.sudo().partner_id = owner.partner_id
        self.sent(self.mine, DAY, 100)
        self.day_over()
        self.env["emboux.usage"]._count_days(DAY)
        self.assertEqual(self.levels(self.customer)[1:], [(DAY, False, 0, 0, 3 + 5)])
        self.assertEqual(self.levels(self.other), [(DAY, True, 0, 0, 4 + 100)])

    def test_a_deleted_domain_is_billed_for_what_it_sent(self):
        self.note(DAY - timedelta(5), self.mine)
        self.sent(self.mine, DAY, 30)
        with self.at(DAY):
            self.mine.unlink()
        self.assertEqual(self.levels(self.customer)[1:], [(DAY, True, 0, 0, 30)])
        with self.at(DAY + timedelta(1)):
            self.env["emboux.usage"]._note_levels(["mine.example"])
        self.assertEqual(self.levels(self.customer)[2:], [(DAY + timedelta(1), False, 0, 0, 0)])

    def test_a_domain_that_is_deleted_and_added_anew_counts_on(self):
        self.sent(self.mine, DAY, 30)
        with self.at(DAY):
            self.mine.unlink()
        for owner, sent in ((self.customer, 5), (self.other, 9)):
            with self.at(DAY):
                again = self.owned_domain("mine.example", owner)
                self.sent(again, DAY, sent)
                self.env["emboux.usage"]._count_days(DAY)
                self.env["emboux.usage"]._count_days(DAY)
                again.unlink()
        self.assertEqual(self.usage(self.customer, "messages"), [(35,)])
        self.assertEqual(self.usage(self.other, "messages"), [(9,)])

    def test_transfer_in_bytes_is_shared_as_messages_are(self):
        def moved(*numbers):
            self.env.cr.execute(
                """INSERT INTO emboux_mail.transfer VALUES (%s, %s, %s, %s)
                       ON CONFLICT (domain_id, day) DO UPDATE
                      SET bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out""",
                [self.mine.id, DAY, *numbers],
            )

        self.note(DAY - timedelta(5), self.mine)
        moved(100, 10)
        with self.at(DAY):
            self.mine.sudo().partner_id = self.other.partner_id
        moved(130, 11)
        self.env["emboux.usage"]._count_days(DAY)
        self.assertEqual(
            self.usage(self.customer, "transfer_in", "transfer_out")[1:], [(100, 10)]
        )
        self.assertEqual(self.usage(self.other, "transfer_in", "transfer_out"), [(30, 1)])

    def test_days_are_counted_before_they_are_forgotten(self):
        self.env["emboux.usage"]._progress().counted_on = DAY
        self.sent(self.mine, DAY, 30)
        self.day_over()
        with self.at(DAY + timedelta(9)):
            self.env["emboux.outbound.count"].sudo()._reset_daily()
        self.assertFalse(
            self.env["emboux.outbound.count"].search(
                [("domain_id", "=", self.mine.id), ("window", "=", "day")]
            )
        )
        self.assertEqual(self.usage(self.customer, "day", "messages"), [(DAY, 30)])

    def test_the_nights_job(self):
        """By a feed of two pages; what it tells of, whether it is there or not."""
        self.make_mailbox("ann", self.mine)
        self.sent(self.mine, DAY - timedelta(1), 8)
        self.day_over()
        progress = self.env["emboux.usage"]._progress()
        progress.counted_on = DAY - timedelta(1)
        asked = []
        pages = [([("mailbox", "x", "mine.example", False)] * 3, "one", True),
                 ([("domain", "gone.example", "gone.example", True)], "two", False)]

        def since(_model, cursor, _limit, *_kinds):
            asked.append(cursor)
            return pages.pop(0)

        self.env.flush_all()
        with (
            self.enter_registry_test_mode(),
            self.at(DAY),
            patch.object(type(self.env["emboux.change"]), "_since", since),
        ):
            self.env.ref("emboux_saas.ir_cron_count_usage").sudo().method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(asked[1], "one")
        self.assertEqual((progress.feed_cursor, progress.counted_on), ("two", DAY))
        self.assertEqual(
            self.usage(self.customer, "day", "mailboxes", "messages"),
            [(DAY - timedelta(1), 0, 8), (DAY, 1, 0)],
        )

    def test_by_month(self):
        """Three mailboxes for ten of thirty days are one; and on into the months that follow."""
        boxes = self.env["emboux.mailbox"]
        for name in ("ann", "bob", "eve"):
            boxes |= self.make_mailbox(name, self.mine)
        self.stored(boxes[0], 3 * GIGABYTE)
        self.note(date(2026, 9, 21), self.mine)
        self.sent(self.mine, date(2026, 9, 22), 5)
        self.day_over()
        self.env["emboux.usage"]._count_days(date(2026, 9, 22))
        boxes[1:].sudo().active = False
        self.note(date(2026, 11, 11), self.mine)
        with self.at(date(2026, 11, 20)):
            found = [
                (row.month, row.mailboxes, row.gigabytes, row.messages)
                for row in self.env["emboux.usage.month"].search(
                    [("customer_id", "=", self.customer.id)], order="month"
                )
            ]
            self.assertEqual(
                found,
                [
                    (date(2026, 9, 1), 1, 1, 5),
                    (date(2026, 10, 1), 3, 3, 0),
                    (date(2026, 11, 1), 2, 3, 0),  # of twenty days so far, ten with three
                ],
            )
            self.assertEqual(self.customer.used_mailboxes, 1)
            self.assertEqual(self.customer.used_gb, 3)
            self.assertEqual(self.customer.month_ids.mapped("messages"), [0, 0, 5])


@tagged("post_install", "-at_install")
class TestUsageRoles(BillingCase):
    """Managers read all, customers their own, nobody writes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.make_customer("Other")
        for customer in (cls.customer, cls.other):
            name = customer.partner_id.name.lower()
            domain = cls.owned_domain(f"{name}.example", customer)
            cls.make_mailbox("box", domain)
            cls.env["emboux.usage"]._note_levels([domain.name])
        cls.portal = new_test_user(
            cls.env, "acme.portal", groups="base.group_portal",
            partner_id=cls.customer.partner_id.id,
        )
        cls.manager = new_test_user(cls.env, "m", groups="emboux_core.group_manager")
        cls.books = new_test_user(cls.env, "books", groups="account.group_account_invoice")
        cls.nobody = new_test_user(cls.env, "nobody", groups="base.group_user")

    def names(self, user, model="emboux.usage"):
        return set(self.env[model].with_user(user).search([]).mapped("domain_name"))

    def test_who_sees_what(self):
        both = {"acme.example", "other.example"}
        for model in ("emboux.usage", "emboux.usage.month"):
            self.assertEqual(self.names(self.portal, model), {"acme.example"})
            self.assertLessEqual(both, self.names(self.manager, model))
            with self.assertRaises(AccessError):
                self.names(self.nobody, model)
        self.assertLessEqual(both, self.names(self.books))

    def test_nobody_writes(self):
        for user in (self.portal, self.manager, self.env.user):
            row = self.env["emboux.usage"].search([("domain_name", "=", "acme.example")])
            with self.assertRaises(AccessError):
                row.with_user(user).mailboxes = 0
            with self.assertRaises(AccessError):
                row.with_user(user).unlink()
            with self.assertRaises(AccessError):
                row.with_user(user).create(
                    {"customer_id": self.customer.id, "domain_name": "x", "day": DAY}
                )

    def test_a_customer_reads_own_months_by_group(self):
        months = self.env["emboux.usage.month"].with_user(self.portal)
        [[_month, boxes]] = months._read_group([], ["month:month"], ["mailboxes:sum"])
        self.assertAlmostEqual(boxes, 1 / fields.Date.today().day)  # since today

    def test_the_history_of_plans_is_the_operators(self):
        periods = self.env["emboux.plan.period"]
        self.assertTrue(periods.with_user(self.manager).search([]))
        with self.assertRaises(AccessError):
            periods.with_user(self.portal).search([])
        with self.assertRaises(AccessError):
            self.customer.period_ids.with_user(self.manager).since = DAY
        with self.assertRaises(AccessError):
            self.customer.with_user(self.env.user).billed_until = DAY
