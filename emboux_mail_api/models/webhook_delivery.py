# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json
import time
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.transactions import BATCH, own_transaction

from ..settings import WEBHOOK_DAYS


class WebhookDelivery(models.Model):
    """An event on its way to an endpoint, and each attempt; kept for some days after its end."""

    _name = "emboux.webhook.delivery"
    _description = "Webhook Delivery"
    _auto = False
    _order = "id desc"
    _rec_name = "type"

    webhook_id = fields.Many2one("emboux.webhook", readonly=True)
    event_id = fields.Char("Number", readonly=True, help="webhook-id: the same at each attempt.")
    type = fields.Char("Event", readonly=True)
    about = fields.Char(readonly=True, help="The recipient, mailbox or domain.")
    subject = fields.Char(readonly=True)
    created_at = fields.Datetime("Happened", readonly=True)
    payload = fields.Text(readonly=True)
    body = fields.Text(compute="_compute_body")
    state = fields.Selection(
        [("pending", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed")], readonly=True)
    attempts = fields.Integer(readonly=True)
    next_try = fields.Datetime("Next Attempt", readonly=True)
    done_at = fields.Datetime("Closed", readonly=True)
    last_status = fields.Integer("Status", readonly=True, help="Of HTTP; 0: no answer came.")
    last_answer = fields.Char("What Was Said", readonly=True)
    tries = fields.Json(readonly=True)
    partner_id = fields.Many2one("res.partner", "Customer", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    outcome = fields.Char("Last Answer", compute="_compute_outcome")
    timeline = fields.Html(compute="_compute_timeline", sanitize=False)

    @api.autovacuum
    def _gc(self):
        """Those of more than so many days ago, whatever became of them."""
        before = fields.Datetime.now() - timedelta(days=WEBHOOK_DAYS.read(self.env))
        self.env.cr.execute(
            """DELETE FROM emboux_mail.webhook_delivery
                WHERE id IN (SELECT id FROM emboux_mail.webhook_delivery
                              WHERE created_at < %s LIMIT %s)""", [before, BATCH])
        return self.env.cr.rowcount, self.env.cr.rowcount == BATCH

    @property
    def _table_query(self):
        return """SELECT d.id, d.webhook_id, d.event_id::text, d.type, d.about, d.subject,
                         d.created_at, d.payload, d.state, d.attempts, d.next_try, d.done_at,
                         d.last_status, d.last_answer, d.tries, w.partner_id, w.company_id
                    FROM emboux_mail.webhook_delivery d JOIN emboux_webhook w ON w.id = d.webhook_id
               """

    @api.depends("payload")
    def _compute_body(self):
        """For people: what comes first, first."""
        for delivery in self:
            sent = json.loads(delivery.payload or "{}")
            ordered = {name: sent.get(name) for name in ("type", "timestamp", "data")}
            delivery.body = json.dumps(ordered, indent=2, ensure_ascii=False)

    @api.depends("tries", "last_status", "last_answer")
    def _compute_outcome(self):
        for delivery in self:
            delivery.outcome = delivery._outcome() if delivery.tries else False

    def _outcome(self):
        return _said(self.last_status, self.last_answer)

    @api.depends("tries")
    def _compute_timeline(self):
        for delivery in self:
            delivery.timeline = self.env["ir.qweb"]._render(
                "emboux_mail_api.webhook_tries", {"tries": delivery._moments()})

    @api.private
    def _moments(self):
        """[(moment in the user's time zone, milliseconds, what was said)], the first first."""
        return [
            (fields.Datetime.context_timestamp(self, fields.Datetime.to_datetime(
                each["at"].replace("T", " "))), each["ms"],
             _said(each["status"], each["text"]))
            for each in self.tries or ()
        ]

    def action_send_again(self):
        """Once more, at once; under the same number, so that the receiver knows it again."""
        for webhook, deliveries in self.grouped("webhook_id").items():
            webhook.check_access("write")
            self.env.cr.execute(
                """UPDATE emboux_mail.webhook_delivery
                      SET state = 'pending', attempts = 0, next_try = emboux_mail.utc_now(),
                          done_at = NULL
                    WHERE id = ANY(%s)""", [deliveries.ids])
        self.env.cr.execute("SELECT pg_notify('emboux_webhooks', '')")
        self.invalidate_recordset()
        return True

    @api.model
    @api.private
    def _wait_for(self, number, seconds):
        """(state, what was said), once it was tried, or None after so many seconds.

        Read in transactions of their own, because ours sees nothing new.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with own_transaction(self) as own:
                delivery = own.search([("id", "=", number)])
                if delivery.tries:
                    return delivery.state, delivery._outcome()
            time.sleep(0.1)
        return None


def _said(status, text):
    return " ".join(filter(None, (str(status) if status else "", text)))
