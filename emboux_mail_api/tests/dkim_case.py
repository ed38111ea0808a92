# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date
from unittest.mock import patch

from odoo import fields

from odoo.addons.emboux_core.dns.lookup import DomainCheck, Verdict
from odoo.addons.emboux_mail_api.providers.dkim import ROTATE_AFTER

from .common import PlatformCase

DAY = date(2026, 3, 2)
DUE = DAY + ROTATE_AFTER


class DkimCase(PlatformCase):
    """``unit.example`` with one RSA and one Ed25519 key of ``DAY``, both in its DNS."""

    def setUp(self):
        super().setUp()
        self.make_due(DAY)
        self.domain = self.domain.sudo()  # the cron's and the DNS check's user
        self.domain.user_id = self.env.user
        self.rsa, self.ed = self.keys("rsa"), self.keys("ed25519")
        self.look(DAY)

    def make_due(self, day):
        self.domain.sudo().dkim_key_ids.write({"made": day})

    def keys(self, key_type=None, domain=None):
        keys = (domain or self.domain).sudo().dkim_key_ids
        return keys.filtered(lambda k: key_type in (None, k.key_type)).sorted("id")

    def look(self, day, without=(), domain=None):
        """The DNS check finds every record but these selectors'."""
        domain = (domain or self.domain).sudo()
        verdicts = tuple(
            Verdict(row.key, "missing", "", "Not there.")
            if row.key.removeprefix("dkim:") in without
            else Verdict(row.key, "ok", row.expected, "")
            for row in domain.dns_record_ids
        )
        with patch.object(fields.Date, "today", lambda: day):
            domain._store_check(DomainCheck(domain.name, verdicts, "a server", ""))

    def turn(self, day, domain=None):
        (domain or self.domain).sudo()._dkim_run(day)

    def by_hand(self, day=DAY):
        with patch.object(fields.Date, "today", lambda: day):
            return self.domain.with_user(self.env.user).action_new_dkim_key()

    def rotated(self):
        """A new RSA and Ed25519 key, made on the day that they are due."""
        self.turn(DUE)
        return self.keys("rsa")[-1], self.keys("ed25519")[-1]

    def published(self, domain=None):
        domain = (domain or self.domain).sudo()
        return {r.key.removeprefix("dkim:") for r in domain.dns_record_ids
                if r.key.startswith("dkim:")}

    def row(self, key):
        return self.domain.dns_record_ids.filtered(lambda r: r.key == f"dkim:{key.selector}")

    def signer(self, name="unit.example"):
        """Selectors that the two signers find for a From header of this domain."""
        return [
            [row[0] for row in self.rows(
                f"SELECT selector FROM emboux_mail.{view} NATURAL JOIN emboux_mail.dkim_keys"
                " WHERE lookup = %s", name)]
            for view in ("dkim_signing", "dkim_signing_ed25519")
        ]

    def stands_still(self, day):
        before = self.domain.dkim_key_ids.read(["selector", "signs", "retired", "removed"])
        self.turn(day)
        self.assertEqual(
            self.domain.dkim_key_ids.read(["selector", "signs", "retired", "removed"]), before
        )
