import logging
from datetime import timedelta

from psycopg2.errors import SerializationFailure

from odoo import api, fields, models

from odoo.addons.emboux_core.models.apart import swept

_logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=5)
ALLOWED = 200  # failures within the window, unless emboux_mail_api.failures_allowed says other


class ApiFailure(models.Model):
    """How often an address came without a valid key.  Valid keys are never slowed by it."""

    _name = "emboux.api.failure"
    _description = "Failed API Authentications"
    _log_access = False
    _rec_name = "address"

    address = fields.Char(required=True)
    failures = fields.Integer(required=True)
    since = fields.Datetime(required=True, index=True)

    _address_unique = models.UniqueIndex("(address)")

    @api.model
    @api.private
    def _count(self, address):
        """Count one failure; returns the seconds to wait when there were too many, else 0.

        In a transaction of its own, because the request's is rolled back; without a write
        once the limit is reached, so that a flood costs little.
        """
        # as superuser: system parameters are readable by administrators alone
        parameters = self.env["ir.config_parameter"].sudo()
        values = {
            "address": address,
            "window": WINDOW,
            "limit": int(parameters.get_param("emboux_mail_api.failures_allowed") or ALLOWED),
        }
        self.env.cr.execute(
            """SELECT extract(epoch FROM since + %(window)s - (now() AT TIME ZONE 'UTC'))
                 FROM emboux_api_failure
                WHERE address = %(address)s AND failures >= %(limit)s
                  AND since + %(window)s > now() AT TIME ZONE 'UTC'""",
            values,
        )
        if over := self.env.cr.fetchone():
            return float(over[0])
        try:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    """INSERT INTO emboux_api_failure AS f (address, failures, since)
                       VALUES (%(address)s, 1, now() AT TIME ZONE 'UTC')
                       ON CONFLICT (address) DO UPDATE SET
                           failures = CASE WHEN f.since + %(window)s > excluded.since
                                           THEN f.failures + 1 ELSE 1 END,
                           since = CASE WHEN f.since + %(window)s > excluded.since
                                        THEN f.since ELSE excluded.since END""",
                    values,
                )
        except SerializationFailure:
            _logger.debug("%s failed twice at the same moment, counted once", address)
        return 0

    @api.autovacuum
    def _gc(self):
        return swept(self, [("since", "<", fields.Datetime.now() - timedelta(days=1))])
