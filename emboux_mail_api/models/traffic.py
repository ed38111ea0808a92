# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What domains have moved, as ``odoo emboux_transfer`` has read it from the mail servers' logs."""

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.emboux_core.models.fields import BigInteger


class Traffic(models.Model):
    """What a domain has moved on a day."""

    _name = "emboux.traffic"
    _description = "Domain Traffic"
    _auto = False
    _order = "day desc, domain_id"
    _rec_name = "domain_id"

    domain_id = fields.Many2one("emboux.domain", readonly=True)
    partner_id = fields.Many2one("res.partner", "Owner", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    day = fields.Date("Day (UTC)", readonly=True)
    bytes_in = BigInteger("In (bytes)", readonly=True)
    bytes_out = BigInteger("Out (bytes)", readonly=True)
    megabytes = fields.Float("Together (MB)", readonly=True, digits=(16, 2))

    @property
    def _table_query(self):
        return SQL(
            """SELECT t.domain_id * 100000::bigint + (t.day - date '2000-01-01') AS id,
                      t.domain_id, d.partner_id, d.company_id, t.day, t.bytes_in, t.bytes_out,
                      ((t.bytes_in + t.bytes_out) / 1e6)::float8 AS megabytes
                 FROM emboux_mail.transfer t JOIN emboux_domain d ON d.id = t.domain_id"""
        )
