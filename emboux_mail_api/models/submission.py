# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import base64
from datetime import timedelta

from psycopg2.extras import Json

from odoo import api, fields, models

from odoo.addons.emboux_core.transactions import own_transaction

from ..sending.submit import Unreachable

GIVEN_UP = timedelta(days=2)  # after the time at which it was to be sent
CLAIMED = timedelta(minutes=10)  # longer than any session with the mail server
PAUSES = (1, 2, 5, 10, 30)  # minutes between attempts; the last one again and again


class MailSubmission(models.Model):
    """Mail that is to be sent later, by HTTP; it is in nobody's reach."""

    _name = "emboux.submission"
    _description = "Mail to Be Sent Later"
    _log_access = False
    _order = "send_at, id"

    mailbox_id = fields.Many2one("emboux.mailbox", required=True, ondelete="cascade", index=True)
    send_at = fields.Datetime(required=True)
    next_try = fields.Datetime(required=True, index=True)
    attempts = fields.Integer()
    test = fields.Boolean()
    raw = fields.Binary(attachment=False, required=True)
    rows = fields.Json(required=True, help="Of the message log: id, expires, recipient, from_id.")

    @api.private
    def _keep(self, mailbox, raw, rows, send_at, test):
        # as superuser: see above
        self.sudo().create({
            "mailbox_id": mailbox.id, "send_at": send_at, "next_try": send_at, "test": test,
            "raw": base64.b64encode(raw), "rows": [_as_json(row) for row in rows],
        })
        for row in rows:
            self.env["emboux.message"]._add_event(
                row, "accepted", {"kind": "scheduled", "until": f"{send_at.isoformat()}+00:00"})
        self.env.ref("emboux_mail_api.ir_cron_send_later")._trigger(send_at)

    @api.private
    def _take_back(self, message):
        """Returns whether the message waited here, and does not any more."""
        self.env.cr.execute(
            "SELECT id FROM emboux_submission WHERE rows @> %s::jsonb FOR UPDATE",
            [Json([{"id": message.id}])])
        found = self.browse(number for (number,) in self.env.cr.fetchall())
        if not found or found.attempts:
            return False
        left = [row for row in found.rows if row["id"] != message.id]
        if left:
            found.rows = left
        else:
            found.unlink()
        message._add_event(
            {"id": message.id, "expires": message.expires}, "canceled", {"kind": "taken_back"})
        return True

    @api.model
    @api.private
    def _cron_send(self):
        """Send what is due, each by itself: in transactions of its own."""
        for submission in self.search([("next_try", "<=", fields.Datetime.now())]):
            submission._run()

    def _run(self):
        with own_transaction(self) as own:
            job = own._claim()
        if not job:
            return
        messages, given_up = self.env["emboux.message"], job["given_up"]
        rows = [row | {"expires": fields.Date.to_date(row["expires"])} for row in job["rows"]]
        try:
            sent = messages._submit(
                self.env["emboux.mailbox"].browse(job["mailbox"]), job["raw"], rows, job["test"],
                later=not given_up)
            waiting = {each.id for each in sent if each.status == "delayed"}
        except Unreachable as error:
            waiting = {row["id"] for row in rows}
            for row in rows if given_up else ():
                messages._settle(row, "failed", "failed", text=str(error))
        left = [] if given_up else [row for row in job["rows"] if row["id"] in waiting]
        with own_transaction(self) as own:
            if not left:
                own.unlink()
                return
            pause = timedelta(minutes=PAUSES[min(own.attempts, len(PAUSES)) - 1])
            own.write({"rows": left, "next_try": fields.Datetime.now() + pause})

    def _claim(self):
        """What is to be sent; committed before the server is called, so that nobody else does."""
        now = fields.Datetime.now()
        if not self.try_lock_for_update() or self.next_try > now:
            return None
        # what a process that was killed has handed over is in the log by now
        self.env.cr.execute(
            "SELECT id FROM emboux_mail.message WHERE id = ANY(%s) AND queue_id <> ''",
            [[row["id"] for row in self.rows]])
        taken = {number for (number,) in self.env.cr.fetchall()}
        self.write({"attempts": self.attempts + 1, "next_try": now + CLAIMED})
        return {
            "mailbox": self.mailbox_id.id, "raw": base64.b64decode(self.raw),
            "rows": [row for row in self.rows if row["id"] not in taken],
            "test": self.test, "given_up": now > self.send_at + GIVEN_UP,
        }


def _as_json(row):
    kept = {name: row[name] for name in ("id", "recipient", "from_id")}
    return kept | {"expires": fields.Date.to_string(row["expires"])}
