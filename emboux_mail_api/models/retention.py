# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What ``odoo emboux_retention`` has removed, for those who set how long mail is kept."""

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger


class Retention(models.Model):
    """The last look at a mailbox, and the last removal."""

    _name = "emboux.retention"
    _description = "Removal of Old Mail"
    _auto = False
    _order = "mailbox_id"
    _rec_name = "mailbox_id"

    mailbox_id = fields.Many2one("emboux.mailbox", readonly=True)
    domain_id = fields.Many2one("emboux.domain", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    counted = BigInteger("Expired", readonly=True, help="When it was last checked.")
    counted_at = fields.Datetime("Last Check", readonly=True)
    removed = BigInteger(readonly=True, help="By the last run.")
    finished_at = fields.Datetime("Last Run", readonly=True)
    removed_total = BigInteger("Removed So Far", readonly=True)
    problem = fields.Char(readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """SELECT r.mailbox_id AS id, r.mailbox_id, m.domain_id, m.company_id,
                      r.counted, r.counted_at AT TIME ZONE 'UTC' AS counted_at,
                      r.removed, r.finished_at AT TIME ZONE 'UTC' AS finished_at,
                      r.removed_total, r.problem
                 FROM emboux_mail.retention r JOIN emboux_mailbox m ON m.id = r.mailbox_id"""
        )
