# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import fields, models

KINDS = [
    ("dns_broken", "DNS Needs Attention"),
    ("storage_80", "Mailbox 80 % Full"),
    ("storage_95", "Mailbox 95 % Full"),
    ("storage_100", "Mailbox Full"),
    ("transfer_80", "80 % of the Traffic"),
    ("transfer_95", "95 % of the Traffic"),
    ("sending_blocked", "Sending Blocked"),
    ("sending_released", "Sending Released"),
    ("key_expiring", "API Key Expires"),
    ("payment_failed", "Payment Failed"),
    ("trial_ending", "Trial Ends"),
    ("suspended", "Suspended"),
    ("activated", "Activated"),
    ("ended", "Ended"),
    ("erasing_soon", "Mail Is Erased Soon"),
]
#: Said once in a month; the others once in a day, unless the caller names the period.
MONTHLY = {"storage_80", "storage_95", "storage_100", "transfer_80", "transfer_95"}
#: Which of the values says what the notice is about, when ``about`` is not given.
SUBJECTS = ("mailbox", "key", "domain", "invoice")


class Notice(models.Model):
    """A notice sent to a customer: the row makes sure that it is sent only once.

    The mail templates are rendered on it: ``object.about`` is the domain, mailbox or key,
    ``object.details`` holds the other values, as text in the customer's language.
    """

    _name = "emboux.notice"
    _description = "Notice to an Email Customer"
    _order = "id desc"
    _rec_name = "about"

    customer_id = fields.Many2one("emboux.customer", required=True, ondelete="cascade",
                                  readonly=True)
    partner_id = fields.Many2one(string="Contact", related="customer_id.partner_id")
    company_id = fields.Many2one(related="customer_id.company_id")
    kind = fields.Selection(KINDS, required=True, readonly=True, index=True)
    about = fields.Char(required=True, readonly=True, default="")
    period = fields.Char(required=True, readonly=True)
    details = fields.Json(readonly=True)

    _once = models.UniqueIndex("(customer_id, kind, about, period)")

    def _portal_url(self):
        self.ensure_one()
        return f"{self.get_base_url()}/my/email"
