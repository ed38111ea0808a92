# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that ``odoo emboux_inbound`` hands over and that is no document: reports about mail that was
sent by HTTP, and messages of which a webhook is told.

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
        return _take_each(lambda env, body: env["emboux.message"]._take_returned(body))

    @http.route(
        "/emboux/received/<int:number>", type="http", auth="none", methods=["POST"], csrf=False,
        save_session=False, readonly=False, sitemap=False, max_content_length=MAX_REQUEST,
    )
    def receive(self, number, **_form):
        def take(env, body):
            mailbox = env["emboux.mailbox"].search(
                [("id", "=", number), ("webhook_id", "!=", False)])
            if not mailbox:
                return 503, "This mailbox' mail goes to no webhook any more."
            return mailbox.webhook_id._take_message(mailbox, body)

        return _take_each(take)


def _take_each(take):
    """``take(env, body)``: what it returns is the answer, or nothing."""
    # as superuser: the caller is no user, but the daemon that knows the secret
    request.update_env(user=SUPERUSER_ID)
    answers = []
    for part in request.httprequest.files.getlist(push.FIELD):
        body = part.read()
        if request.env["emboux.message"]._is_from_inbound(part.headers, body):
            answers.append(take(request.env, body) or TAKEN)
        else:
            answers.append(UNSIGNED)
    return request.make_json_response({"messages": [
        {"status": status, "sentence": sentence} for status, sentence in answers]})
