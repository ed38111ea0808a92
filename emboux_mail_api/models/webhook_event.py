import hashlib
import hmac
import re
import time

from odoo import api, fields, models

AGE = 15 * 60  # seconds; a token that is older could be a replay of one that is forgotten


class SignatureRefused(Exception):
    """Not signed by the provider, too old, or seen before."""


class WebhookEvent(models.Model):
    """What a provider reported, as it came; the token makes a second delivery one event."""

    _name = "emboux.webhook.event"
    _description = "Provider's Report"
    _order = "id desc"
    _rec_name = "token"

    provider = fields.Selection([("mailgun", "Mailgun"), ("ses", "Amazon SES")], required=True)
    token = fields.Char(required=True)
    payload = fields.Text(required=True)

    _token_unique = models.UniqueIndex("(provider, token)")

    @api.model
    @api.private
    def _accept_mailgun(self, timestamp, token, signature, payload):
        """Store a report of Mailgun's, once (HMAC-SHA256 over timestamp and token).

        :raises SignatureRefused:
        """
        # as superuser, here and below: a webhook has no user
        parameters = self.env["ir.config_parameter"].sudo()
        key = parameters.get_param("emboux_mail_api.mailgun_signing_key") or ""
        expected = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256)
        if not key or not hmac.compare_digest(expected.hexdigest().encode(), signature.encode()):
            raise SignatureRefused
        if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > AGE:
            raise SignatureRefused
        self._store_once("mailgun", token, payload)

    def _store_once(self, provider, token, payload):
        self.env.cr.execute(
            """INSERT INTO emboux_webhook_event (provider, token, payload, create_date)
               VALUES (%s, %s, %s, now() AT TIME ZONE 'UTC')
               ON CONFLICT (provider, token) DO NOTHING RETURNING id""",
            [provider, token, payload],
        )
        if not self.env.cr.fetchone():
            raise SignatureRefused
