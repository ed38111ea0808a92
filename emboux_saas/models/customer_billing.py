# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The month's invoice of a customer: usage and plans into lines, by the engine in ``billing/``."""

import logging
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from odoo import Command, api, fields, models
from odoo.exceptions import RedirectWarning, UserError
from odoo.tools import format_date, formatLang

from odoo.addons.emboux_core.transactions import each_in_own_transaction

from ..billing import Period, Row, month_lines
from ..billing.engine import Rounding
from .plan_period import as_decimal

_logger = logging.getLogger(__name__)

BATCH = 50  # customers between two commits
REMINDED_EVERY = 7  # days
DUNNING_DAYS = 14  # of a customer without a plan


class CustomerBilling(models.Model):
    """Monthly invoices of customers, and dunning.

    An invoice that is not paid: reminders, then a suspension; a payment undoes both.
    """

    _inherit = "emboux.customer"
    _system_fields = frozenset({"billed_until", "billing_problem"})

    billed_until = fields.Date(
        readonly=True, copy=False, index="btree_not_null",
        help="The last day of the last month for which an invoice was made, or none was due.",
    )
    billing_problem = fields.Char("Why Not Billed", readonly=True, copy=False)
    invoice_ids = fields.One2many(
        "account.move", "emboux_customer_id", "Invoices",
        groups="account.group_account_invoice,account.group_account_readonly",
    )
    invoice_count = fields.Integer(
        compute="_compute_invoice_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    @api.depends("invoice_ids")
    def _compute_invoice_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("emboux_customer_id", "in", self.ids)], ["emboux_customer_id"], ["__count"]
            )
        )
        for customer in self:
            customer.invoice_count = counts.get(customer, 0)

    def action_open_invoices(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "account.action_move_out_invoice_type"
        )
        return action | {
            "domain": [("emboux_customer_id", "=", self.id)],
            "context": {"default_move_type": "out_invoice", "create": False},
        }

    def action_open_usage(self):
        """By month, for the one whose form it is."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_usage_month")
        return action | {"domain": [("customer_id", "=", self.id)], "context": {}}

    def _open_usage(self, first, last, measure=None):
        """The rows from one day to another, with those before whose levels still held."""
        self.ensure_one()
        rows = self.env["emboux.usage"]._rows_for(self, first, last)
        if measure == "messages":
            rows = rows.filtered(lambda row: row.messages and row.day >= first)
        action = self.env["ir.actions.act_window"]._for_xml_id("emboux_saas.action_usage")
        return action | {"domain": [("id", "in", rows.ids)], "context": {}}

    # -- once a month -------------------------------------------------------------------------

    @api.model
    @api.private
    def _cron_bill(self):
        """Draft invoices for the months that are over, as soon as their usage is counted."""
        today = fields.Date.today()
        month = today.replace(day=1) - relativedelta(months=1)
        counted = self.env["emboux.usage"]._progress().counted_on
        if not counted or counted < today.replace(day=1):
            _logger.info("usage of %s is not counted yet, so nothing is billed", month)
            return
        each_in_own_transaction(
            self.env, [self._search_due(month)],
            lambda some: some.try_lock_for_update(allow_referencing=True)._bill_until(month),
            lambda one, error: one._note_not_billed(error), size=BATCH,
        )

    @api.model
    def _search_due(self, month):
        """Customers with a missing invoice for the month or an earlier one."""
        return self.search(
            [
                ("period_ids.since", "<=", _last_day(month)),
                "|", ("billed_until", "=", False), ("billed_until", "<", _last_day(month)),
            ],
            order="id",
        )

    def _bill_until(self, last_month):
        """Bill each of them for all months that are due, the oldest first."""
        begin = dict(
            self.env["emboux.plan.period"]._read_group(
                [("customer_id", "in", self.ids)], ["customer_id"], ["since:min"]
            )
        )
        waiting = {
            customer: max(
                begin[customer],
                (customer.billed_until or begin[customer] - timedelta(1)) + timedelta(1),
            ).replace(day=1)
            for customer in self
        }
        waiting = {customer: month for customer, month in waiting.items() if month <= last_month}
        while waiting:
            month = min(waiting.values())
            now = self.browse(c.id for c, due in waiting.items() if due == month)
            failed = now._bill_month(month)
            following = month + relativedelta(months=1)
            for customer in now:
                if customer in failed or following > last_month:
                    del waiting[customer]
                else:
                    waiting[customer] = following

    def _bill_month(self, month):
        """The invoices of one month; returns those customers of whom it could not be made."""
        try:
            with self.env.cr.savepoint():
                self._make_invoices(month)
        except (UserError, RedirectWarning) as error:
            # anything else is a defect: the job then tries each by itself
            if len(self) > 1:
                # one of them fails the batch: find out which
                failed = self.browse()
                for customer in self:
                    failed |= customer._bill_month(month)
                return failed
            _logger.warning("%s could not be billed: %s", self.display_name, error)
            self._note_not_billed(error)
            return self
        return self.browse()

    def _note_not_billed(self, error):
        told = isinstance(error, UserError | RedirectWarning)
        self.billing_problem = str(error.args[0]) if told else self.env._(
            "Something went wrong; see the server log."
        )

    def _make_invoices(self, month):
        moves = self.env["account.move"]
        billed = moves.search(
            [("emboux_customer_id", "in", self.ids), ("emboux_month", "=", month)]
        ).emboux_customer_id
        due = self - billed
        lines = due._lines_of(month, _last_day(month))
        for company, customers in due.grouped(lambda customer: customer._seller()).items():
            moves.with_company(company).create(
                [c._invoice_vals(month, lines[c]) for c in customers if lines[c]]
            )
        self.write({"billed_until": _last_day(month), "billing_problem": False})

    def _lines_of(self, month, until):
        """Customer to the lines of the month up to a day, as the engine has them."""
        first = month.replace(day=1)
        # as superuser: what is asked of whom is decided by who may see the customer
        asking = self.sudo()
        periods, rows = asking._periods_until(until), asking._rows_of(first, until)
        found = {}
        for customer in self:
            currency = customer.sudo()._seller().currency_id
            found[customer] = month_lines(
                first, periods[customer.id], rows[customer.id], self._rounding(currency), until
            )
        return found

    def _seller(self):
        """The company whose plans they have or had: all of them belong to one."""
        return self.period_ids.plan_id.company_id[:1]

    def _rounding(self, currency):
        places = self.env["decimal.precision"].precision_get("Product Unit")
        coin = as_decimal(currency.rounding or 0.01, 6)
        return Rounding(currency=coin, quantity=Decimal(1).scaleb(-places))

    def _periods_until(self, last):
        periods = defaultdict(list)
        for period in self.env["emboux.plan.period"].search(
            [("customer_id", "in", self.ids), ("since", "<=", last)]
        ):
            periods[period.customer_id.id].append(
                Period(period.since, period._terms() if period.is_paid else None, period.plan_id)
            )
        return periods

    def _rows_of(self, first, last):
        rows = defaultdict(list)
        for row in self.env["emboux.usage"]._rows_for(self, first, last):
            rows[row.customer_id.id].append(
                Row(row.day, row.domain_name, row.mailboxes, row.bytes, row.messages)
            )
        return rows

    # -- the invoice -------------------------------------------------------------------------

    def _invoice_vals(self, month, lines):
        self.ensure_one()
        partner = self.partner_id
        spoken = self.with_context(lang=partner.lang or self.env.lang)
        return {
            "move_type": "out_invoice",
            "partner_id": partner.address_get(["invoice"])["invoice"],
            "currency_id": self._seller().currency_id.id,
            "invoice_user_id": partner.user_id.id,
            "invoice_origin": spoken.env._(
                "Email hosting, %s", format_date(spoken.env, month, date_format="LLLL y")
            ),
            "emboux_customer_id": self.id,
            "emboux_month": month,
            "invoice_line_ids": [Command.create(spoken._line_vals(line)) for line in lines],
        }

    def _line_vals(self, line):
        return {
            "product_id": line.plan.product_id.id,
            "name": self._line_name(line),
            "quantity": float(line.quantity),
            "price_unit": float(line.unit_price),
            "emboux_measure": line.measure,
            "emboux_from": line.first,
            "emboux_to": line.last,
        }

    def _line_name(self, line):
        dates = {
            "plan": line.plan.with_context(lang=self.env.lang).name,
            "first": format_date(self.env, line.first),
            "last": format_date(self.env, line.last),
            "included": formatLang(
                self.env, float(line.included), digits=0 if line.included.denominator == 1 else 2
            ),
        }
        if line.measure == "base":
            if line.days == line.month_days:
                return self.env._("%(plan)s, %(first)s – %(last)s", **dates)
            return self.env._(
                "%(plan)s, %(first)s – %(last)s (%(days)s of %(month_days)s days)",
                days=line.days, month_days=line.month_days, **dates,
            )
        return {
            "mailboxes": self.env._(
                "Mailboxes above %(included)s, as whole months, %(first)s – %(last)s", **dates
            ),
            "storage": self.env._(
                "Storage above %(included)s GB, as GB for whole months, %(first)s – %(last)s",
                **dates,
            ),
            "messages": self.env._(
                "Thousand messages above %(included)s thousand, %(first)s – %(last)s", **dates
            ),
        }[line.measure]

    # -- an invoice that is not paid ----------------------------------------------------------

    @api.model
    @api.private
    def _cron_dunning(self):
        """Compare the customers' state with what they owe."""
        standing = self.search(
            ["|", ("state", "in", ("active", "past_due")),
             "&", ("state", "=", "suspended"), ("state_cause", "=", "payment")]
        )
        owed = standing._overdue_invoices()
        # who owes nothing and is active has nothing to be told
        concerned = standing.filtered(lambda c: c.state != "active" or c.partner_id in owed)
        concerned._each(lambda customer: customer._dun(owed.get(customer.partner_id)))

    def _overdue_invoices(self):
        """Partner to their unpaid invoices for email hosting that are past due, oldest first."""
        # as superuser: who looks after email need not read accounting
        invoices = self.env["account.move"].sudo().search(
            [
                ("commercial_partner_id", "in", self.partner_id.ids),
                ("move_type", "=", "out_invoice"), ("state", "=", "posted"),
                ("payment_state", "in", ("not_paid", "partial")),
                ("invoice_date_due", "<", fields.Date.context_today(self)),
                ("invoice_line_ids.product_id", "in", self._plan_products().ids),
            ],
            order="invoice_date_due, id",
        )
        return invoices.grouped("commercial_partner_id")

    def _plan_products(self):
        # as superuser: what any company sells
        plans = self.env["emboux.plan"].sudo().with_context(active_test=False)
        return plans.search([], limit=10_000).product_id

    def _dun(self, invoices):
        """Bring one customer into the right state for what they owe."""
        if not invoices:
            if self.state in ("past_due", "suspended"):
                self._change_customer_state(
                    "active",
                    self._in_customer_language()._("Everything that was due is paid."),
                    "payment",
                )
            return
        oldest, today = invoices[0], fields.Date.context_today(self)
        end = oldest.invoice_date_due + timedelta(days=self._dunning_days())
        if self.state == "active":
            self._change_customer_state(
                "past_due",
                self._in_customer_language()._(
                    "%(invoice)s was due on %(date)s.",
                    invoice=oldest.name,
                    date=self._format_date_for_customer(oldest.invoice_date_due),
                ),
                "payment",
            )
        # never on the day of the first reminder
        elif (self.state == "past_due" and end <= today
                and self.state_since.date() < today):
            self._change_customer_state(
                "suspended",
                self._in_customer_language()._("%(invoice)s was due on %(date)s and is not paid.",
                                 invoice=oldest.name,
                                 date=self._format_date_for_customer(oldest.invoice_date_due)),
                "payment",
            )
        if self.state == "past_due":
            self._remind_of_payment(oldest, max(end, today + timedelta(days=1)))

    def _dunning_days(self):
        return self.plan_id.dunning_days if self.plan_id else DUNNING_DAYS

    def _remind_of_payment(self, invoice, until):
        today = fields.Date.context_today(self)
        week = (today - self.state_since.date()).days // REMINDED_EVERY
        self._notify(
            "payment_failed",
            {
                "invoice": invoice.name,
                "amount": formatLang(self._in_customer_language(), invoice.amount_residual,
                                     currency_obj=invoice.currency_id),
                "due": invoice.invoice_date_due,
                "until": until,
                "period": f"{self.state_since:%Y-%m-%d} {week}",
            },
        )


def _last_day(month):
    return month + relativedelta(day=31)
