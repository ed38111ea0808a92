# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Paths of the API where no database is chosen: ``X-Odoo-Database`` names none that is served here.

Odoo answers such a request from routes of its server-wide modules alone, with a page in HTML.
"""

from werkzeug.routing import Rule

from odoo import http

from ...api_errors import ApiError
from .operation import BASE


def _answer(**_path):
    raise ApiError(404, "There is no such database here. Leave X-Odoo-Database out.")


_answer.routing = {"type": "emboux", "auth": "none", "save_session": False}  # as http.route has it
for _path in (BASE, f"{BASE}/<path:rest>"):
    http.root.nodb_routing_map.add(Rule(_path, endpoint=_answer, merge_slashes=False))
