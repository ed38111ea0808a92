# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The OpenAPI document and a page to browse it, without a key and without the internet."""

import json
from functools import lru_cache

from odoo import http
from odoo.http import request
from odoo.modules import Manifest

from .openapi import document
from .operation import BASE

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emboux API</title>
<link rel="icon" href="/emboux_core/static/description/icon.png">
<link rel="stylesheet" href="/emboux_mail_api/static/lib/swagger-ui/swagger-ui.css">
<link rel="stylesheet" href="/emboux_mail_api/static/src/docs/docs.css">
</head>
<body>
<div id="docs"><noscript>This page needs JavaScript; the document itself is
<a href="openapi.json">openapi.json</a>.</noscript></div>
<script src="/emboux_mail_api/static/lib/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/emboux_mail_api/static/src/docs/docs.js"></script>
</body>
</html>
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@lru_cache(maxsize=1)
def _document():
    version = Manifest.for_addon("emboux_mail_api")["version"]
    return json.dumps(document(version), ensure_ascii=False)


class DocumentController(http.Controller):
    @http.route(f"{BASE}/openapi.json", type="emboux", auth="emboux_nobody", methods=["GET"],
                readonly=True, save_session=False)
    def openapi(self):
        return request.make_response(_document(), [("Content-Type", "application/json")])

    @http.route(f"{BASE}/docs", type="emboux", auth="emboux_nobody", methods=["GET"],
                readonly=True, save_session=False)
    def docs(self):
        return request.make_response(
            PAGE,
            [
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", POLICY),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
