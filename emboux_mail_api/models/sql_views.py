# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import models
from odoo.tools import file_open


class SqlViews(models.AbstractModel):
    """What Postfix, Dovecot and the signer see of this database: views, and nothing else."""

    _name = "emboux.sql.views"
    _description = "Published to Postfix, Dovecot and the Signer"

    def init(self):
        for script in (
            "usage", "traffic", "address", "sending", "views", "retention", "leftover", "policy",
            "queue", "message", "webhook", "daemon", "grants",
        ):
            with file_open(f"emboux_mail_api/sql/{script}.sql") as source:
                self.env.cr.execute(source.read())
