# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.transactions import delete_in_batches

KEPT = timedelta(hours=24)


class Idempotency(models.Model):
    """Answers to requests with an ``Idempotency-Key``, so that a repeated one does no work.

    The row is part of the request's own transaction: the work and the answer to it are there
    together or not at all, and whoever comes while the work goes on waits for the row.
    """

    _name = "emboux.idempotency"
    _description = "Answered API Request"
    _log_access = False
    _rec_name = "token"

    key_id = fields.Many2one("emboux.api.key", required=True, ondelete="cascade")
    token = fields.Char(required=True)
    fingerprint = fields.Char(required=True)
    status = fields.Integer()
    body = fields.Text()
    made_at = fields.Datetime(required=True, default=fields.Datetime.now, index=True)

    _token_unique = models.UniqueIndex("(key_id, token)")

    @api.private
    def _find_answer(self, key_id, token):
        """The response stored for this token within the last day, if any."""
        since = fields.Datetime.now() - KEPT
        return self.search(
            [("key_id", "=", key_id), ("token", "=", token), ("made_at", ">=", since)]
        )

    @api.private
    def _reserve(self, key_id, token, fingerprint):
        """The row of this request: with a status when it has been answered before.

        A row of somebody who is at it right now makes the statement wait, and then fail with a
        serialization failure: Odoo repeats the request and it finds the answer.  An expired row
        that has not been deleted yet is reused.
        """
        self.env.cr.execute(
            """INSERT INTO emboux_idempotency AS known (key_id, token, fingerprint, made_at)
               VALUES (%s, %s, %s, now() AT TIME ZONE 'UTC')
               ON CONFLICT (key_id, token) DO UPDATE
                  SET fingerprint = excluded.fingerprint, status = NULL, body = NULL,
                      made_at = excluded.made_at
                WHERE known.made_at < excluded.made_at - %s
               RETURNING id""",
            [key_id, token, fingerprint, KEPT],
        )
        if made := self.env.cr.fetchone():
            begun = self.browse(made[0])
            begun.invalidate_recordset()
            return begun
        return self.search([("key_id", "=", key_id), ("token", "=", token)])

    def _store_answer(self, status, body):
        self.write({"status": status, "body": body})

    @api.autovacuum
    def _gc(self):
        old = [("made_at", "<", fields.Datetime.now() - KEPT)]
        return delete_in_batches(self, old)
