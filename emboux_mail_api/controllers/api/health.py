# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request
from odoo.modules import Manifest

from .dispatcher import wrong_method
from .operation import BASE, operation
from .schemas.other import Health


class HealthController(http.Controller):
    @operation("GET", "/health", role="nobody", tag="Service", out=Health,
               summary="Whether the API and its database answer")
    def get_health(self):
        request.env.cr.execute("SELECT 1")
        version = Manifest.for_addon("emboux_mail_api")["version"]
        return Health(status="ok", database="ok", version=version)

    @http.route([BASE, f"{BASE}/", f"{BASE}/<path:rest>"], type="emboux", auth="emboux_nobody",
                readonly=True, save_session=False)
    def nowhere(self, rest=""):
        """Whatever no operation matches: 405 if another method is allowed, else 404."""
        raise wrong_method(request.httprequest.path)
