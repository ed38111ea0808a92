# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from urllib.parse import urlencode

from werkzeug.exceptions import NotFound

from odoo import fields, http
from odoo.fields import Domain
from odoo.http import request
from odoo.tools import format_datetime

from odoo.addons.emboux_mail_api.models.message_words import plain

from .page import HOME, find, of_domain, own_customer, page, search_term

ROWS = 50
COLOURS = {
    "delivered": "success", "received": "success", "accepted": "info", "held": "warning",
    "delayed": "warning",
}
FILTERS = {
    "trouble": ("failed", "bounced", "complained", "suppressed", "canceled", "rejected"),
    "waiting": ("accepted", "held", "delayed"),
}


class MessagePortal(http.Controller):
    @http.route(
        f"{HOME}/domains/<int:number>/messages", type="http", auth="user", website=True,
        methods=["GET"],
    )
    def list_messages(self, number, q="", show="", before="", **_arguments):
        """What became of the domain's mail, the newest first.

        ``before``: the last message of the page before, as "TIME,NUMBER".
        """
        domain = find("emboux.domain", number)
        q = search_term(q)
        wanted = Domain("domain_id", "=", domain.id)
        if q:
            wanted &= Domain.OR(
                Domain(name, "ilike", q) for name in ("address", "last_answer"))
        if show in FILTERS:
            wanted &= Domain("status", "in", FILTERS[show])
        found = request.env["emboux.message"].search(
            wanted & _before(before), limit=ROWS + 1, order="at DESC, id DESC")
        last = found[ROWS - 1] if len(found) > ROWS else None
        return page(
            "portal_messages", request.env._("Messages"), of_domain(domain), domain=domain,
            tab="messages", q=q, show=show, colours=COLOURS, messages=found[:ROWS],
            status_of=_status_of, when=_when, answer_of=lambda message: plain(message.answer),
            url_of=lambda show: "?" + urlencode({"q": q, "show": show}),
            following=last and "?" + urlencode({
                "q": q, "show": show, "before": f"{fields.Datetime.to_string(last.at)},{last.id}"}),
        )

    @http.route(
        f"{HOME}/messages/<int:number>", type="http", auth="user", website=True, methods=["GET"]
    )
    def show_message(self, number, **_arguments):
        own_customer()
        message = request.env["emboux.message"].search([("id", "=", number)])
        if not message:
            raise NotFound()
        # theirs when the message came, and perhaps not any more
        domain = request.env["emboux.domain"].search([("id", "=", message.domain_id.id)])
        above = [(request.env._("Messages"), f"{HOME}/domains/{domain.id}/messages")]
        return page(
            "portal_message", message.display_name,
            of_domain(domain, *above) if domain else (), message=message, colours=COLOURS,
            status_of=_status_of, when=_when,
            moments=[(_when(at.replace(tzinfo=None)), words)
                     for at, _shown, words in message._moments()],
        )


def _before(text):
    moment, _comma, number = text.partition(",")
    try:
        moment = fields.Datetime.to_datetime(moment)
    except ValueError:
        return Domain.TRUE
    if not moment or not number.isdigit():
        return Domain.TRUE
    return Domain("at", "<=", moment) & (
        Domain("at", "<", moment) | Domain("id", "<", int(number)))


def _status_of(message):
    field = message._fields["status"]
    return dict(field._description_selection(message.env)).get(message.status, message.status)


def _when(moment):
    return format_datetime(request.env, moment, dt_format="medium")
