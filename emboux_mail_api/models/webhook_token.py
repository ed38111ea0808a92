# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_core.transactions import delete_in_batches

#: Seconds that a signature counts; one that is older could be a replay of one that is forgotten.
AGE = 15 * 60


class WebhookToken(models.Model):
    """Mailgun's tokens, each valid for one delivery.

    Kept as long as their signature could still be believed, and longer.
    """

    _name = "emboux.webhook.token"
    _description = "Used Token of a Webhook"
    _log_access = False
    _rec_name = "token"

    token = fields.Char(required=True)
    used_at = fields.Datetime(required=True, index=True)

    _token_unique = models.UniqueIndex("(token)")

    @api.private
    def _use(self, token):
        """Whether this is its first use."""
        self.env.cr.execute(
            """INSERT INTO emboux_webhook_token (token, used_at)
               VALUES (%s, now() AT TIME ZONE 'UTC') ON CONFLICT (token) DO NOTHING RETURNING id""",
            [token],
        )
        return bool(self.env.cr.fetchone())

    @api.autovacuum
    def _gc(self):
        # a timestamp may be AGE in the future as well as in the past
        old = [("used_at", "<", fields.Datetime.now() - 4 * timedelta(seconds=AGE))]
        return delete_in_batches(self, old)
