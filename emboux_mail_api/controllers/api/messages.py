# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request
from odoo.tools import escape_psql

from ...api_errors import not_found
from .domains import search_domain
from .operation import operation
from .paging import newest_of
from .schemas import message as schemas

TAG = "Messages"
FIELDS = (
    "at", "changed_at", "direction", "status", "domain_id", "sender", "recipient",
    "original_recipient", "message_id", "queue_id", "login", "client", "size", "attempts", "relay",
    "receiver", "dsn", "answer",
)
_MAY_BE_EMPTY = (
    "original_recipient", "message_id", "queue_id", "login", "client", "size", "relay", "receiver",
    "dsn", "answer",
)


class MessageController(http.Controller):
    @operation("GET", "/messages", role="customer", area="mailboxes", tag=TAG,
               query=schemas.MessageList, out=schemas.MessagePage, summary="List messages")
    def list_messages(self, query):
        """What was sent, received and refused, a row for each recipient, the newest first.

        Kept for so many days as the operator has set.
        """
        found, following = newest_of(
            request.env["emboux.message"], _wanted(query), query, ("at", "id"), FIELDS)
        return schemas.MessagePage(
            items=[schemas.Message(**_show(message)) for message in found], next=following)

    @operation("GET", "/messages/{id}", role="customer", area="mailboxes", tag=TAG,
               out=schemas.MessageStory, summary="Show what happened to a message")
    def read_message(self, id):
        """Each attempt, and what every server said."""
        message = request.env["emboux.message"].search_fetch(
            [("id", "=", id)], [*FIELDS, "events"])
        if not message:
            raise not_found()
        events = [
            schemas.MessageEvent(
                at=event["at"], kind=event["kind"], words=words,
                details={name: value for name, value in event.items()
                         if name not in ("at", "kind")})
            for event, words in message._story()
        ]
        return schemas.MessageStory(**_show(message), events=events)


def _wanted(query):
    domain = SearchDomain.TRUE
    for name in ("recipient", "sender"):
        if value := getattr(query, name):
            domain &= SearchDomain(name, "ilike", escape_psql(value))
    for name in ("queue_id", "status", "direction"):
        if value := getattr(query, name):
            domain &= SearchDomain(name, "=", value)
    if query.message_id:
        domain &= SearchDomain("message_id", "=", query.message_id.strip().strip("<>"))
    if query.domain:
        domain &= SearchDomain("domain_id", "=", search_domain(query.domain).id or 0)
    if query.since:
        domain &= SearchDomain("at", ">=", query.since)
    if query.until:
        domain &= SearchDomain("at", "<", query.until)
    if query.q:
        part = escape_psql(query.q)
        domain &= SearchDomain.OR(
            SearchDomain(name, "ilike", part) for name in ("recipient", "sender", "answer"))
    return domain


def _show(message):
    values = {name: message[name] for name in FIELDS if name != "domain_id"}
    values |= {name: values[name] or None for name in _MAY_BE_EMPTY}
    values |= {name: values[name] or "" for name in ("sender", "recipient")}
    # as superuser: the name of a domain that was theirs when the message came
    return values | {"id": str(message.id), "domain": message.sudo().domain_id.name or None}
