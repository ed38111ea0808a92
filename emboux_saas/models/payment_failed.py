# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A payment of an invoice for email that failed: the customer is told what to do."""

from odoo import models


class PaymentTransaction(models.Model):
    """Online: the provider refused."""

    _inherit = "payment.transaction"

    def _set_error(self, state_message, extra_allowed_states=()):
        failed = super()._set_error(state_message, extra_allowed_states=extra_allowed_states)
        for transaction in failed:
            transaction.invoice_ids._notify_payment_failed(state_message, transaction.reference)
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
            moves._notify_payment_failed(
                self.env._("The payment %s was rejected.", payment.display_name),
                f"payment-{payment.id}",
            )
        return done
