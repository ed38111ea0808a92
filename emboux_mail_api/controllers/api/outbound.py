# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from .operation import operation
from .schemas import other as schemas

TAG = "Outbound"


class OutboundController(http.Controller):
    @operation("POST", "/outbound/reset-daily", role="master", tag=TAG, out=schemas.ResetDaily,
               summary="Delete daily counters older than seven days")
    def reset_daily(self):
        """The day's counters reset by the clock; a missed or repeated call does no harm."""
        return schemas.ResetDaily(removed=request.env["emboux.outbound.count"]._reset_daily())

    @operation("POST", "/outbound/reset-monthly", role="master", tag=TAG,
               out=schemas.ResetMonthly, summary="Close past months for billing")
    def reset_monthly(self):
        return schemas.ResetMonthly(frozen=request.env["emboux.outbound.count"]._reset_monthly())
