import logging
from datetime import date, datetime

from markupsafe import Markup
from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.tools import SQL, format_date, format_datetime

_logger = logging.getLogger(__name__)

KINDS = [
    ("dns_broken", "DNS Needs Attention"),
    ("storage_80", "Mailbox 80 % Full"),
    ("storage_95", "Mailbox 95 % Full"),
    ("storage_100", "Mailbox Full"),
    ("transfer_80", "80 % of the Transfer"),
    ("transfer_95", "95 % of the Transfer"),
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
    """What a customer was told: the row makes sure that he is told once.

    The mail templates are rendered on it: ``object.about`` is the domain, mailbox or key,
    ``object.details`` holds the other values, as text in the customer's language.
    """

    _name = "emboux.notice"
    _description = "Notice to an Email Customer"
    _order = "id desc"
    _rec_name = "about"

    customer_id = fields.Many2one("emboux.customer", required=True, ondelete="cascade",
                                  readonly=True)
    partner_id = fields.Many2one(related="customer_id.partner_id")
    company_id = fields.Many2one(related="customer_id.company_id")
    kind = fields.Selection(KINDS, required=True, readonly=True, index=True)
    about = fields.Char(required=True, readonly=True, default="")
    period = fields.Char(required=True, readonly=True)
    details = fields.Json(readonly=True)

    _once = models.UniqueIndex("(customer_id, kind, about, period)")

    def _portal_url(self):
        self.ensure_one()
        return f"{self.get_base_url()}/my/email"


class CustomerNotice(models.Model):
    """The one door by which a customer is told something."""

    _inherit = "emboux.customer"

    notice_ids = fields.One2many("emboux.notice", "customer_id", readonly=True)

    @api.private
    def _notify(self, kind, values=None):
        """Tell a customer by mail, once for each kind, thing and period; whether he is told now.

        ``values``: what the template of this kind shows. ``about`` (or ``mailbox``, ``key``,
        ``domain``, ``invoice``, a record or a text) is the thing, ``period`` overrides the day
        (for storage and transfer: the month) in which it is said once.
        """
        self.ensure_one()
        # as superuser: whoever finds something out need not see who is told
        customer = self.sudo()
        values = dict(values or {})
        period = values.pop("period", None) or customer._notice_period(kind)
        spoken = customer._spoken()
        texts = {name: _as_text(spoken, value) for name, value in values.items()}
        about = texts.pop("about", "") or next(
            (texts[name] for name in SUBJECTS if texts.get(name)), ""
        )
        notice = customer._note_notice(kind, about, str(period), texts)
        if notice:
            customer._send_notice(notice)
        return bool(notice)

    def _spoken(self):
        """An environment in the customer's language, for what he reads."""
        return self.with_context(lang=self.partner_id.lang or self.env.lang).env

    def _say_date(self, value):
        return format_date(self._spoken(), value)

    def _notice_period(self, kind):
        today = fields.Date.context_today(self)
        return f"{today:%Y-%m}" if kind in MONTHLY else f"{today}"

    def _note_notice(self, kind, about, period, details):
        """The row of a notice that was not said yet, or none."""
        self.env.flush_all()
        now = fields.Datetime.now()
        found = self.env.execute_query(
            SQL(
                """INSERT INTO emboux_notice (customer_id, kind, about, period, details,
                                              create_uid, create_date, write_uid, write_date)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                   ON CONFLICT DO NOTHING RETURNING id""",
                self.id, kind, about, period, Json(details), self.env.uid, now, self.env.uid, now,
            )
        )
        self.invalidate_recordset(["notice_ids"])
        return self.env["emboux.notice"].browse([row[0] for row in found])

    def _send_notice(self, notice):
        """By mail to those who look after his domains, and on his chatter for the operator.

        Out of the queue: whoever found it out does not wait for our mail.
        """
        template = self._spoken().ref(f"emboux_saas.mail_template_{notice.kind}")
        rendered = template._generate_template(
            notice.ids, ("subject", "body_html")
        )[notice.id]
        recipients = self._notice_recipients()
        body = rendered["body_html"]
        if not recipients:
            _logger.warning("customer %s has no email address for: %s", self.id, notice.kind)
            body += Markup("<p>%s</p>") % self.env._(
                "Not sent: neither the customer nor his portal users have an email address."
            )
        company = self.company_id or self.env.company
        sender = {"author_id": company.partner_id.id} if company.partner_id.email else {}
        self.with_context(mail_notify_force_send=False).message_post(
            subject=rendered["subject"],
            body=body,
            partner_ids=recipients.ids,
            subtype_xmlid="mail.mt_note",
            **sender,
        )
        self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger()

    def _notice_recipients(self):
        """The customer, and his portal users who have another address."""
        people = self.partner_id | self._people().filtered(
            lambda u: u.active and u.emboux_partner_id == self.partner_id
        ).partner_id
        by_address = {}
        for partner in people.filtered("email_normalized"):
            by_address.setdefault(partner.email_normalized, partner)
        return self.env["res.partner"].union(*by_address.values())


def _as_text(env, value):
    """As the customer reads it; texts and lists of them stay as they are."""
    if isinstance(value, models.BaseModel):
        return ", ".join(value.mapped("display_name"))
    if isinstance(value, datetime):
        return format_datetime(env, value)
    if isinstance(value, date):
        return format_date(env, value)
    if isinstance(value, list | tuple):
        return [_as_text(env, item) for item in value]
    return value if isinstance(value, str) else "" if value in (None, False) else str(value)
