# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.emboux_mail_api.models.outbound_count import KEPT_DAYS


class OutboundCount(models.Model):
    """Days are forgotten after a week: not before they were counted for the bill."""

    _inherit = "emboux.outbound.count"

    # the nightly count reads the days of the whole platform
    _day_index = models.Index("(since) WHERE \"window\" = 'day'")

    @api.model
    @api.private
    def _reset_daily(self):
        usage = self.env["emboux.usage"]
        progress = usage._progress()
        counted = progress.counted_on
        if not counted or counted < fields.Date.today() - timedelta(KEPT_DAYS - 1):
            self._close_windows()
            usage._count_days(progress._uncounted())
        return super()._reset_daily()
