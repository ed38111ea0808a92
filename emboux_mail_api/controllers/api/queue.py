# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import invalid, not_found
from .domains import names_of, search_domain
from .operation import operation
from .paging import newest_of, page_of
from .schemas import queue as schemas
from .types import ListQuery, Page

TAG = "Mail queue"
FIELDS = ("host", "queue_id", "arrived_at", "queue", "login", "sender", "domain_id", "recipients",
          "recipient_count", "size", "reason", "next_try", "wish", "note")
OPTIONS = {"role": "master", "tag": TAG}


def _find(model, number):
    found = request.env[model].search([("id", "=", number)])
    if not found:
        raise not_found()
    return found


def _show(message, names):
    """``names``: by ``names_of``."""
    return schemas.QueuedMessage(
        id=str(message.id), host=message.host, queue_id=message.queue_id,
        arrived_at=message.arrived_at, queue=message.queue, login=message.login or None,
        sender=message.sender or "", domain=names.get(message.domain_id.id),
        recipients=(message.recipients or "").split(), recipient_count=message.recipient_count,
        size=message.size, reason=message.reason or None, next_try=message.next_try or None,
        asked_for=message.wish or None, note=message.note or None)


def _show_rule(rule):
    return schemas.HoldRule(
        id=rule.id, name=rule.name, sender_domain=rule.sender_domain or None,
        login=rule.login or None, recipient_domain=rule.recipient_domain or None,
        created_at=rule.create_date)


def _show_route(route):
    return schemas.Route(
        domain=route.domain, host=route.host, port=route.port, note=route.note or None)


def _route_of(name):
    return request.env["emboux.route"].search([("domain", "=", name)])


class QueueController(http.Controller):
    @operation("GET", "/queue/", **OPTIONS, query=schemas.QueueList, out=schemas.QueuePage,
               summary="List what waits in the queues of the mail servers")
    def list_queue(self, query):
        """What has just come is listed after some seconds, if it still waits then."""
        domain = SearchDomain.TRUE
        if query.queue:
            domain &= SearchDomain("queue", "=", query.queue)
        if query.domain:
            domain &= SearchDomain("domain_id", "=", search_domain(query.domain).id or 0)
        if query.q:
            domain &= SearchDomain.OR(
                SearchDomain(name, "ilike", query.q)
                for name in ("sender", "login", "recipients", "reason"))
        found, following = newest_of(
            request.env["emboux.queue.message"], domain, query, ("arrived_at", "id"), FIELDS)
        names = names_of(found)
        return schemas.QueuePage(items=[_show(each, names) for each in found], next=following)

    @operation("POST", "/queue/{queued_id}", **OPTIONS, body=schemas.QueueAct,
               out=schemas.QueuedMessage, status=202,
               summary="Deliver, hold, release, return, delete or put off a message")
    def act_on_queue(self, queued_id, body):
        """It is done within seconds; the message's story has the name of the key."""
        message = _find("emboux.queue.message", queued_id)
        if body.act == "postpone":
            if not body.until:
                raise invalid("until", "say until when")
            message._postpone(body.until)
        else:
            getattr(message, f"action_{body.act}")()
        return _show(message, names_of(message))

    @operation("GET", "/hold-rules/", **OPTIONS, query=ListQuery, out=Page[schemas.HoldRule],
               summary="List the rules by which mail is put on hold")
    def list_hold_rules(self, query):
        domain = SearchDomain("name", "ilike", query.q) if query.q else SearchDomain.TRUE
        return page_of(request.env["emboux.hold.rule"], domain, query, "id", schemas.HoldRule,
                       lambda rules: [_show_rule(rule) for rule in rules])

    @operation("POST", "/hold-rules/", **OPTIONS, body=schemas.HoldRuleCreate,
               out=schemas.HoldRule, status=201, summary="Put mail on hold as it comes in")
    def create_hold_rule(self, body):
        """From a second or two later on, until the rule is deleted; what was held stays so."""
        return _show_rule(request.env["emboux.hold.rule"].create(body.model_dump()))

    @operation("DELETE", "/hold-rules/{rule_id}", **OPTIONS, status=204,
               summary="Delete a hold rule")
    def delete_hold_rule(self, rule_id):
        _find("emboux.hold.rule", rule_id).unlink()

    @operation("GET", "/routes/", **OPTIONS, query=ListQuery, out=Page[schemas.Route],
               summary="List by which servers mail to some domains leaves")
    def list_routes(self, query):
        domain = SearchDomain("domain", "ilike", query.q) if query.q else SearchDomain.TRUE
        return page_of(request.env["emboux.route"], domain, query, "id", schemas.Route,
                       lambda routes: [_show_route(route) for route in routes])

    @operation("PUT", "/routes/{recipient_domain}", **OPTIONS, body=schemas.RouteSet,
               out=schemas.Route,
               summary="Let mail to a domain leave by a server, instead of its MX")
    def set_route(self, recipient_domain, body):
        route, values = _route_of(recipient_domain), body.model_dump()
        if route:
            route.write(values)
        else:
            route = request.env["emboux.route"].create({"domain": recipient_domain, **values})
        return _show_route(route)

    @operation("DELETE", "/routes/{recipient_domain}", **OPTIONS, status=204,
               summary="Let mail to a domain leave as usual")
    def delete_route(self, recipient_domain):
        route = _route_of(recipient_domain)
        if not route:
            raise not_found()
        route.unlink()
