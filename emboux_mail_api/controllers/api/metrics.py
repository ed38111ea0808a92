# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The platform in numbers, for Prometheus: plain text, so no operation of the API's document."""

from odoo import http
from odoo.http import request

from ...api_errors import MASTER_REQUIRED, ApiError
from ...emboux_daemons.exposition import CONTENT_TYPE, render
from . import throttle
from .operation import BASE


class MetricsController(http.Controller):
    @http.route(f"{BASE}/metrics", type="emboux", auth="emboux_key", methods=["GET"],
                readonly=True, save_session=False)
    def metrics(self):
        """For a master key that reaches everything, or better: metrics and nothing else."""
        key = request.emboux_key
        if key.role != "master":
            raise ApiError(403, MASTER_REQUIRED)
        if key.area not in ("all", "metrics"):
            raise ApiError(403, f"This key reaches {key.area} only")
        if key.domain_name:
            raise ApiError(403, "This key reaches one domain only")
        throttle.assert_rate(key, request.env)
        # as superuser: these are numbers of all companies' records, and no more than numbers
        families = request.env["emboux.monitor"].sudo()._families()
        return request.make_response(
            render(families), [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")])
