from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import formatLang

REMINDED_EVERY = 7  # days


class CustomerDunning(models.Model):
    """An invoice that is not paid: reminders, then a suspension; a payment undoes both."""

    _inherit = "emboux.customer"

    @api.model
    @api.private
    def _cron_dunning(self):
        """Compare where customers stand with what they owe."""
        standing = self.search(
            ["|", ("state", "in", ("active", "past_due")),
             "&", ("state", "=", "suspended"), ("state_cause", "=", "payment")]
        )
        owed = standing._overdue_invoices()
        # who owes nothing and is active has nothing to be told
        concerned = standing.filtered(lambda c: c.state != "active" or c.partner_id in owed)
        concerned._each(lambda customer: customer._dun(owed.get(customer.partner_id)))

    def _overdue_invoices(self):
        """Partner to his unpaid invoices for email hosting whose day has passed, oldest first."""
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
        """Bring one customer to where he belongs, with what he owes or nothing."""
        if not invoices:
            if self.state in ("past_due", "suspended"):
                self._advance_customer(
                    "active", self._spoken()._("Everything that was due is paid."), "payment"
                )
            return
        oldest, today = invoices[0], fields.Date.context_today(self)
        end = oldest.invoice_date_due + timedelta(days=self._dunning_days())
        if self.state == "active":
            self._advance_customer(
                "past_due",
                self._spoken()._("%(invoice)s was due on %(date)s.", invoice=oldest.name,
                                 date=self._say_date(oldest.invoice_date_due)),
                "payment",
            )
        # never on the day on which he hears of it
        elif (self.state == "past_due" and end <= today
                and self.state_since.date() < today):
            self._advance_customer(
                "suspended",
                self._spoken()._("%(invoice)s was due on %(date)s and is not paid.",
                                 invoice=oldest.name,
                                 date=self._say_date(oldest.invoice_date_due)),
                "payment",
            )
        if self.state == "past_due":
            self._remind_of_payment(oldest, max(end, today + timedelta(days=1)))

    def _dunning_days(self):
        return self.plan_id.dunning_days if self.plan_id else 14

    def _remind_of_payment(self, invoice, until):
        today = fields.Date.context_today(self)
        week = (today - self.state_since.date()).days // REMINDED_EVERY
        self._notify(
            "payment_failed",
            {
                "invoice": invoice.name,
                "amount": formatLang(self._spoken(), invoice.amount_residual,
                                     currency_obj=invoice.currency_id),
                "due": invoice.invoice_date_due,
                "until": until,
                "period": f"{self.state_since:%Y-%m-%d} {week}",
            },
        )


class Invoice(models.Model):
    _inherit = "account.move"

    def _invoice_paid_hook(self):
        """A payment restores at once what a missing one has stopped."""
        done = super()._invoice_paid_hook()
        # as superuser: who books payments need not look after email
        customers = self.env["emboux.customer"].sudo().search(
            [
                ("partner_id", "in", self.commercial_partner_id.ids),
                "|", ("state", "=", "past_due"),
                "&", ("state", "=", "suspended"), ("state_cause", "=", "payment"),
            ]
        )
        owed = customers._overdue_invoices() if customers else {}
        for customer in customers.filtered(lambda c: c.partner_id not in owed):
            customer._dun(None)
        return done
