# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta

from odoo import fields, models

from odoo.addons.emboux_mail_api.models.outbound_count import KEPT_DAYS

LATE_DAYS = 3


class UsageProgress(models.Model):
    """How far the count has got: one row, on which concurrent counts conflict."""

    _name = "emboux.usage.progress"
    _description = "Usage Counting Progress"
    _log_access = False
    _rec_name = "counted_on"

    feed_cursor = fields.Char(readonly=True)
    counted_on = fields.Date(readonly=True, help="All days before this one are counted.")

    def _uncounted(self):
        """The first day that may not have been counted to its end: logs are read a little late."""
        counted = self.counted_on or fields.Date.today() - timedelta(KEPT_DAYS)
        return counted - timedelta(LATE_DAYS)
