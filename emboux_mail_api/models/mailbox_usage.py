# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models


class MailboxUsage(models.Model):
    """What Dovecot has counted is the mailbox', whatever it is called."""

    _inherit = "emboux.mailbox"

    def _on_renamed(self, former):
        super()._on_renamed(former)
        self.env.cr.execute("DELETE FROM emboux_mail.usage WHERE username = %s", [self.email])
        self.env.cr.execute(
            "UPDATE emboux_mail.usage SET username = %s WHERE username = %s", [self.email, former])
