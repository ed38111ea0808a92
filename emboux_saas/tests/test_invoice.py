# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .billing_case import GIGABYTE, MONTH, BillingCase

LOGGER = "odoo.addons.emboux_saas.models.customer_billing"
LAST = date(2026, 9, 30)


@tagged("post_install", "-at_install")
class TestInvoice(BillingCase):
    """A draft invoice for each customer and month."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # the months before are not of interest
        cls.customer.sudo().billed_until = date(2026, 8, 31)
        cls.mine = cls.owned_domain("mine.example", cls.customer)

    def use_something(self):
        """Four mailboxes for twenty days, three gigabytes for ten, 3,500 messages."""
        boxes = [self.make_mailbox(name, self.mine) for name in ("ann", "bob", "eve", "joe")]
        self.note(date(2026, 9, 11), self.mine)
        self.stored(boxes[0], 3 * GIGABYTE)
        self.note(date(2026, 9, 21), self.mine)
        self.sent(self.mine, date(2026, 9, 25), 3500)
        self.day_over()
        self.env["emboux.usage"]._count_days(date(2026, 9, 25))

    def lines(self, move):
        return [
            (line.emboux_measure, line.emboux_from, line.emboux_to, line.quantity,
             line.price_unit, line.price_subtotal)
            for line in move.invoice_line_ids
        ]

    def test_a_month(self):
        self.use_something()
        move = self.bill(self.customer)
        self.assertEqual(
            self.lines(move),
            [
                ("base", MONTH, LAST, 1, 10, 10),
                ("mailboxes", MONTH, LAST, 2, 3, 6),  # three above the plan, for 20 of 30 days
                ("storage", MONTH, LAST, 0.67, 0.5, 0.34),
                ("messages", MONTH, LAST, 2.5, 0.2, 0.5),
            ],
        )
        self.assertEqual(
            (move.state, move.move_type, move.partner_id, move.amount_untaxed, move.company_id),
            ("draft", "out_invoice", self.customer.partner_id, 16.84, self.plan.company_id),
        )
        self.assertEqual(self.customer.billed_until, LAST)
        self.assertIn("Basic, 09/01/2026 – 09/30/2026", move.invoice_line_ids[0].name)

    def test_twice_is_once(self):
        self.use_something()
        move = self.bill(self.customer)
        self.assertEqual(self.bill(self.customer), move)
        self.customer.sudo().billed_until = date(2026, 8, 31)
        self.assertEqual(self.bill(self.customer), move)
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.cr.savepoint():
            move.copy({"emboux_customer_id": self.customer.id, "emboux_month": MONTH})
            self.env.flush_all()
        self.assertFalse(move.copy().emboux_customer_id, "a copy is no month's invoice")

    def test_a_draft_that_is_deleted_is_made_anew(self):
        move = self.bill(self.customer)
        move.unlink()
        self.assertEqual(self.customer.billed_until, date(2026, 8, 31))
        self.assertEqual(len(self.bill(self.customer)), 1)

    def test_missed_months_are_billed_later(self):
        self.customer.sudo().billed_until = False
        self.bill(self.customer)
        moves = self.env["account.move"].search(
            [("emboux_customer_id", "=", self.customer.id)], order="emboux_month"
        )
        self.assertEqual(
            moves.mapped("emboux_month"), [date(2026, 7, 1), date(2026, 8, 1), MONTH]
        )

    def test_another_plan_in_the_middle_of_the_month(self):
        large = self.make_plan("Large", price=30, included_mailboxes=10, included_gb=10)
        self.use_something()
        with self.at(date(2026, 9, 16)):
            self.customer.plan_id = large
        half, rest = date(2026, 9, 15), date(2026, 9, 16)
        self.assertEqual(
            self.lines(self.bill(self.customer)),
            [
                ("base", MONTH, half, 1, 5, 5),
                ("mailboxes", MONTH, half, 0.5, 3, 1.5),
                ("base", rest, LAST, 1, 15, 15),
            ],
        )

    def test_nothing_to_pay_is_no_invoice(self):
        free = self.make_plan("Free")
        with self.at(date(2026, 8, 1)):
            self.customer.plan_id = free
        self.assertFalse(self.bill(self.customer))
        self.assertEqual(self.customer.billed_until, LAST)

    def test_taxes_and_language_are_the_customers(self):
        tax = self.env["account.tax"].sudo().create({"name": "10 %", "amount": 10})
        self.product.taxes_id = tax
        self.env["res.lang"]._activate_lang("de_DE")
        self.customer.partner_id.lang = "de_DE"
        move = self.bill(self.customer)
        self.assertEqual((move.amount_untaxed, move.amount_total), (10, 11))
        self.assertIn("01.09.2026", move.invoice_line_ids.name)

    def test_a_customer_who_cannot_be_billed_does_not_block_the_others(self):
        abroad = self.env["res.company"].sudo().create({"name": "Abroad"})
        self.env.user.sudo().company_ids += abroad
        plan = self.make_plan("Abroad", price=1, company_id=abroad.id)
        with self.at(date(2026, 7, 1)):
            stuck = self.make_customer("Stuck", plan_id=plan.id)
        stuck.sudo().billed_until = date(2026, 8, 31)
        with self.assertLogs(LOGGER, "WARNING") as logs:
            moves = self.bill(self.customer | stuck)
        self.assertEqual(moves.emboux_customer_id, self.customer)
        self.assertIn("Stuck could not be billed", logs.output[0])
        self.assertIn("journal", stuck.billing_problem)
        self.assertEqual(stuck.billed_until, date(2026, 8, 31))
        self.env["account.chart.template"].sudo().try_loading("generic_coa", abroad)
        self.assertEqual(self.bill(self.customer | stuck).emboux_customer_id, self.customer | stuck)
        self.assertFalse(stuck.billing_problem)

    def run_job(self, day):
        self.env.flush_all()
        with self.enter_registry_test_mode(), self.at(day):
            self.env.ref("emboux_saas.ir_cron_bill_customers").sudo().method_direct_trigger()
        self.env.invalidate_all()
        return self.env["account.move"].search([("emboux_customer_id", "=", self.customer.id)])

    @mute_logger("odoo.addons.emboux_core.transactions")
    def test_a_defect_in_one_does_not_block_other_invoices(self):
        """Whatever it is: a conflict with somebody who writes, or a record that makes no sense."""
        with self.at(date(2026, 7, 1)):
            stuck, third = self.make_customer("Stuck"), self.make_customer("Third")
        self.env["emboux.usage"]._progress().counted_on = date(2026, 10, 1)
        model = self.env.registry["emboux.customer"]
        original = model._invoice_vals

        def fails(customer, month, lines):
            if customer == stuck:
                raise ZeroDivisionError
            return original(customer, month, lines)

        with patch.object(model, "_invoice_vals", fails):
            self.run_job(date(2026, 10, 1))
        self.assertEqual(
            [customer.billed_until for customer in self.customer | stuck | third],
            [LAST, False, LAST],
        )
        self.assertIn("server log", stuck.billing_problem)
        self.run_job(date(2026, 10, 2))
        self.assertEqual((stuck.billed_until, stuck.billing_problem), (LAST, False))

    def test_the_job_waits_until_the_month_is_counted(self):
        progress = self.env["emboux.usage"]._progress()
        progress.counted_on = LAST
        self.assertFalse(self.run_job(date(2026, 10, 1)))
        progress.counted_on = date(2026, 10, 1)
        move = self.run_job(date(2026, 10, 1))
        self.assertEqual(move.emboux_month, MONTH)
        for day in (date(2026, 10, 1), date(2026, 10, 2)):
            self.assertEqual(self.run_job(day), move)

    def test_what_it_costs_so_far(self):
        self.use_something()
        with self.at(date(2026, 9, 15)):
            self.env.invalidate_all()
            # half a month, and three mailboxes too many for five days
            self.assertEqual(self.customer.cost_so_far, 5 + 1.5)

    # -- what is behind a line -----------------------------------------------------------------

    def test_each_line_leads_to_its_rows(self):
        self.use_something()
        self.note(date(2026, 8, 1), self.owned_domain("old.example", self.customer))
        move = self.bill(self.customer)
        rows = {
            line.emboux_measure: self.env["emboux.usage"].search(
                line.action_open_emboux_usage()["domain"], order="day"
            )
            for line in move.invoice_line_ids
        }
        days = [date(2026, 8, 1), date(2026, 9, 11), date(2026, 9, 21), date(2026, 9, 25)]
        for measure in ("base", "mailboxes", "storage"):
            self.assertEqual(rows[measure].mapped("day"), days)
        self.assertEqual(rows["messages"].mapped("day"), days[3:])
        whole = move.action_open_emboux_usage()
        self.assertEqual(self.env["emboux.usage"].search_count(whole["domain"]), 4)

    def test_accounting_needs_no_email_rights(self):
        books = new_test_user(self.env, "books", groups="account.group_account_invoice")
        self.use_something()
        move = self.bill(self.customer).with_user(books)
        line = move.invoice_line_ids[1]
        found = self.env["emboux.usage"].with_user(books).search(
            line.action_open_emboux_usage()["domain"]
        )
        self.assertEqual(len(found), 3)
        with Form(move) as form:
            form.narration = "Thank you"
        move.unlink()
        self.assertEqual(self.customer.billed_until, date(2026, 8, 31))

    def test_a_manager_needs_accounting_rights_to_see_invoices(self):
        manager = new_test_user(self.env, "m", groups="emboux_core.group_manager")
        both = new_test_user(
            self.env, "b", groups="emboux_core.group_manager,account.group_account_invoice"
        )
        self.bill(self.customer)
        with self.assertRaises(AccessError):
            self.customer.with_user(manager).read(["invoice_ids"])
        self.assertEqual(self.customer.with_user(both).invoice_count, 1)
        for user in (manager, both):
            view = self.customer.with_user(user).get_view(view_type="form")
            self.assertEqual("action_open_invoices" in view["arch"], user == both)
            Form(self.customer.with_user(user))

    # -- payments --------------------------------------------------------------------------------

    def posted(self):
        move = self.bill(self.customer)
        move.action_post()
        return move

    def test_a_payment_that_the_bank_rejects(self):
        move = self.posted()
        payment = self.env["account.payment.register"].sudo().with_context(
            active_model="account.move", active_ids=move.ids
        ).create({})._create_payments()
        customers = type(self.customer)
        with patch.object(customers, "_notify") as told:
            payment.action_reject()
            payment.action_reject()
        told.assert_called_once()
        kind, values = told.call_args.args
        self.assertEqual((kind, values["invoice"]), ("payment_failed", move.name))
        self.assertIn("rejected", values["reason"])

    def test_a_payment_that_fails_online(self):
        move = self.posted()
        provider = self.env["payment.provider"].sudo().create({"name": "P", "code": "none"})
        transaction = self.env["payment.transaction"].sudo().create(
            {
                "provider_id": provider.id,
                "payment_method_id": self.env.ref("payment.payment_method_unknown").id,
                "reference": "T1", "amount": 10, "currency_id": move.currency_id.id,
                "partner_id": move.partner_id.id, "invoice_ids": [(6, 0, move.ids)],
            }
        )
        before = self.customer.message_ids
        transaction._set_error("The card has expired.")
        transaction._set_error("The card has expired.")
        told = self.customer.message_ids - before
        self.assertEqual(len(told), 1)
        self.assertIn("The card has expired.", told.body)
        self.assertIn(move.name, told.body)
