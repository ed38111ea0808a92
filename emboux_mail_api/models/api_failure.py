# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import ipaddress
import logging
from datetime import timedelta

from psycopg2.errors import SerializationFailure

from odoo import api, fields, models

from odoo.addons.emboux_core.transactions import delete_in_batches

from ..settings import FAILURES_ALLOWED

_logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=5)
TRIES = 50  # of which each is somebody else's success


def network_of(address):
    """Whom an address stands for when it is counted, as text.

    An IPv4 address for itself, also one mapped into IPv6 (RFC 4291 2.5.5.2); an IPv6 address for
    its /64, of which everybody has all of the 2^64 (RFC 6177).  Anything else, such as the name of
    a socket, stands for itself.
    """
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


class ApiFailure(models.Model):
    """Counts rate-limited actions of a network: requests without a valid key, sign-ups.  Valid keys
    are never slowed down by it."""

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
    def _count_failure(self, address):
        """Count one failure; returns the seconds to wait when there were too many, else 0."""
        return self._throttle(network_of(address), FAILURES_ALLOWED.read(self.env), WINDOW)

    @api.model
    @api.private
    def _throttle(self, who, limit, window):
        """Count one action; returns the seconds to wait if it was one too many, else 0.

        In a transaction of its own, because the request's may be rolled back; without a write
        once the limit is reached, so that a flood costs little.  Concurrent ones are all counted: a
        write that conflicts is retried.
        """
        if limit <= 0:
            return window.total_seconds()
        values = {"address": who, "window": window, "limit": limit}
        for _try in range(TRIES):
            try:
                # a cursor alone: the statements need no environment
                with self.env.registry.cursor() as cr:
                    cr.execute(
                        """SELECT extract(epoch FROM
                                          since + %(window)s - (now() AT TIME ZONE 'UTC'))
                             FROM emboux_api_failure
                            WHERE address = %(address)s AND failures >= %(limit)s
                              AND since + %(window)s > now() AT TIME ZONE 'UTC'""",
                        values,
                    )
                    if over := cr.fetchone():
                        return float(over[0])
                    cr.execute(
                        """INSERT INTO emboux_api_failure AS f (address, failures, since)
                           VALUES (%(address)s, 1, now() AT TIME ZONE 'UTC')
                           ON CONFLICT (address) DO UPDATE SET
                               failures = CASE WHEN f.since + %(window)s > excluded.since
                                               THEN f.failures + 1 ELSE 1 END,
                               since = CASE WHEN f.since + %(window)s > excluded.since
                                            THEN f.since ELSE excluded.since END""",
                        values,
                        log_exceptions=False,
                    )
                return 0
            except SerializationFailure:
                _logger.debug("%s came twice at the same moment", who)
        return 1.0

    @api.autovacuum
    def _gc(self):
        return delete_in_batches(self, [("since", "<", fields.Datetime.now() - timedelta(days=1))])
