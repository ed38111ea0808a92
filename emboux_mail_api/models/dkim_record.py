# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dataclasses import replace

from odoo import fields, models

from ..providers.dkim import OVERLAP, RSA


class DnsRecord(models.Model):
    """How much the record of a key matters depends on where the key is in its life.

    A key that does not sign yet, or no more, is not *required*: a domain whose next key is still
    to be published has nothing wrong with it.
    """

    _inherit = "emboux.dns.record"

    def _as_expected(self):
        expected = super()._as_expected()
        if expected.key == "dmarc" and self.domain_id.provider_kind in ("mailgun", "ses"):
            # they put in an envelope sender of their own: the domain's SPF is not what counts
            return replace(expected, own_envelope=False)
        return expected

    def _align(self, domain, service):
        done = super()._align(domain, service)
        domain.dns_record_ids._align_dkim(domain)
        return done

    def _align_dkim(self, domain):
        """Level and purpose of the rows of this server's own keys; others stay as they are."""
        # as superuser: rows of the table and keys are the platform's to write
        keys = {f"dkim:{key.selector}": key for key in domain.sudo().dkim_key_ids}
        for row in self.sudo():
            key = keys.get(row.key)
            if not key:
                continue
            signs_alone = key.signs and key.key_type == RSA
            values = {"level": "required" if signs_alone else "recommended"}
            if key.retired:
                values["purpose"] = self.env._(
                    "A retired key: mail in transit is still verified with it. Keep it until %s.",
                    fields.Date.to_string(key.retired + OVERLAP),
                )
            elif not key.signs and key.key_type == RSA:
                values["purpose"] = self.env._(
                    "The next key: it takes over once it is seen here."
                )
            if any(row[field] != value for field, value in values.items()):
                row.write(values)
