"""A payment of an invoice for email that failed: the customer is told what to do."""

from datetime import timedelta

from odoo import models
from odoo.tools import formatLang


class AccountMove(models.Model):
    _inherit = "account.move"

    def _tell_payment_failed(self, reason, period):
        """``period``: what failed, so that each failure is told once."""
        for move in self.filtered("emboux_customer_id"):
            # as superuser: whoever's payment it is, the operator's system tells
            customer = move.sudo().emboux_customer_id
            due = move.invoice_date_due
            speaking = move.with_context(lang=customer.partner_id.lang or self.env.lang).env
            values = {
                "invoice": move.name,
                "amount": formatLang(speaking, move.amount_residual, currency_obj=move.currency_id),
                "due": due,
                "until": due and due + timedelta(days=customer.plan_id.dunning_days),
                "reason": reason or "",
                "period": period,
            }
            customer._notify("payment_failed", {k: v for k, v in values.items() if v})


class PaymentTransaction(models.Model):
    """Online: the provider refused."""

    _inherit = "payment.transaction"

    def _set_error(self, state_message, extra_allowed_states=()):
        failed = super()._set_error(state_message, extra_allowed_states=extra_allowed_states)
        for transaction in failed:
            transaction.invoice_ids._tell_payment_failed(state_message, transaction.reference)
        return failed


class AccountPayment(models.Model):
    """By bank: a direct debit that came back, and the like."""

    _inherit = "account.payment"

    def write(self, vals):
        rejected = self.filtered(
            lambda p: vals.get("state") == "rejected" and p.state != "rejected"
            and p.payment_type == "inbound"
        )
        invoices = {
            payment: payment.reconciled_invoice_ids | payment.invoice_ids for payment in rejected
        }
        done = super().write(vals)
        for payment, moves in invoices.items():
            moves._tell_payment_failed(
                self.env._("The payment %s was rejected.", payment.display_name),
                f"payment-{payment.id}",
            )
        return done
