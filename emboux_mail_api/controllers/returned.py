# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Reports that come back about mail that was sent by HTTP, handed over by ``odoo emboux_inbound``.

As with mail into documents (``emboux_core/controllers/inbound.py``): 200 once it is committed.
"""

from odoo import SUPERUSER_ID, http
from odoo.http import request

from odoo.addons.emboux_core.controllers.inbound import MAX_REQUEST, TAKEN, UNSIGNED
from odoo.addons.emboux_core.net import push


class ReturnedController(http.Controller):
    @http.route(
        "/emboux/returned", type="http", auth="none", methods=["POST"], csrf=False,
        save_session=False, readonly=False, sitemap=False, max_content_length=MAX_REQUEST,
    )
    def take(self, **_form):
        # as superuser: the caller is no user, but the daemon that knows the secret
        request.update_env(user=SUPERUSER_ID)
        messages, answers = request.env["emboux.message"], []
        for part in request.httprequest.files.getlist(push.FIELD):
            body = part.read()
            if messages._is_from_inbound(part.headers, body):
                messages._take_returned(body)
                answers.append(TAKEN)
            else:
                answers.append(UNSIGNED)
        return request.make_json_response({"messages": [
            {"status": status, "sentence": sentence} for status, sentence in answers]})
