# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import json

from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import invalid, not_found
from ...emboux_daemons.webhooks.post import parse_headers
from .domains import find_domain
from .operation import operation
from .paging import newest_of, page_of
from .partners import partner_of, ref_of
from .schemas import webhook as schemas
from .types import Page

TAG = "Webhooks"
FIELDS = ("event_id", "type", "about", "state", "created_at", "attempts", "next_try", "done_at",
          "tries", "payload")
OPTIONS = {"role": "customer", "area": "send", "tag": TAG}


def _find(webhook_id):
    webhook = request.env["emboux.webhook"].search([("id", "=", webhook_id)])
    if not webhook:
        raise not_found()
    return webhook


def _find_delivery(webhook_id, delivery_id):
    delivery = request.env["emboux.webhook.delivery"].search(
        [("id", "=", delivery_id), ("webhook_id", "=", webhook_id)])
    if not delivery:
        raise not_found()
    return delivery


def show(webhook):
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "types": webhook.type_ids.mapped("code"),
        # as superuser: the name of a domain that the key need not see
        "domain": webhook.sudo().domain_id.name or None,
        "partner_ref": ref_of(webhook.sudo().partner_id),
        "header_names": [name for name, _value in parse_headers(webhook.headers)],
        "state": webhook.state,
        "failing_since": webhook.failing_since or None,
        "problem": webhook.problem or None,
        "last_success": webhook.last_success or None,
        "former_secret_until": webhook.old_secret_until or None,
        "created_at": webhook.create_date,
    }


def _values(body):
    """Of what is given, as fields of the record."""
    values = {}
    for name in ("name", "url"):
        if value := getattr(body, name):
            values[name] = value
    if body.types is not None:
        types = request.env["emboux.webhook.type"].search([("code", "in", body.types)])
        values["type_ids"] = [(6, 0, types.ids)]
    if body.headers is not None:
        values["headers"] = "\n".join(f"{name}: {value}" for name, value in body.headers.items())
    return values


def _show_delivery(delivery):
    values = {name: delivery[name] for name in FIELDS if name != "payload"}
    for name in ("next_try", "done_at"):
        values[name] = values[name] or None
    values["tries"] = [each | {"at": f"{each['at']}+00:00"} for each in values["tries"] or ()]
    return schemas.Delivery(
        **values, id=str(delivery.id), body=json.loads(delivery.payload))


class WebhookEndpointController(http.Controller):
    @operation("POST", "/webhooks/", **OPTIONS, body=schemas.WebhookCreate,
               out=schemas.NewWebhook, status=201,
               errors={409: "There are as many as a customer may have."},
               summary="Create a webhook; its secret is shown once")
    def create_webhook(self, body):
        """It is called with each event, signed by Standard Webhooks; see `webhooks` in this
        document for the bodies. An answer 2xx within 15 seconds is success. Otherwise it is called
        again after 5 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; events of one
        message arrive in their order. 410 stops it, `Retry-After` of 429 and 503 is obeyed.
        """
        values = _values(body)
        if body.domain:
            domain = find_domain(body.domain)
            values |= {"domain_id": domain.id}
        if request.emboux_key.role == "master":
            # as superuser: the owner of a domain that the key sees
            owner = domain.sudo().partner_id if body.domain else request.env["res.partner"]
            if body.partner_ref:
                owner = partner_of(request.env, body.partner_ref)
            values |= {"partner_id": owner.id}
            if body.domain:
                values |= {"company_id": domain.sudo().company_id.id}
        elif body.partner_ref:
            raise invalid("partner_ref", "it is for master keys to give")
        webhook = request.env["emboux.webhook"].create(values)
        return schemas.NewWebhook(**show(webhook), secret=webhook.signing_secret)

    @operation("GET", "/webhooks/", **OPTIONS, query=schemas.WebhookList,
               out=Page[schemas.Webhook], summary="List webhooks")
    def list_webhooks(self, query):
        domain = SearchDomain.TRUE
        if query.q:
            domain &= SearchDomain("name", "ilike", query.q) | SearchDomain("url", "ilike", query.q)
        if query.state:
            domain &= SearchDomain("state", "=", query.state)
        return page_of(request.env["emboux.webhook"], domain, query, "id", schemas.Webhook,
                       lambda webhooks: [schemas.Webhook(**show(each)) for each in webhooks])

    @operation("GET", "/webhooks/{webhook_id}", **OPTIONS, out=schemas.Webhook,
               summary="One webhook, without its secret")
    def get_webhook(self, webhook_id):
        return schemas.Webhook(**show(_find(webhook_id)))

    @operation("PUT", "/webhooks/{webhook_id}", **OPTIONS, body=schemas.WebhookUpdate,
               out=schemas.Webhook, current="get_webhook",
               summary="Change, pause or resume a webhook")
    def update_webhook(self, webhook_id, body):
        webhook = _find(webhook_id)
        if values := _values(body):
            webhook.write(values)
        if body.state == "paused":
            webhook.action_pause()
        elif body.state == "enabled":
            webhook.action_resume()
        return schemas.Webhook(**show(webhook))

    @operation("DELETE", "/webhooks/{webhook_id}", **OPTIONS, status=204,
               summary="Delete a webhook, and what waits for it")
    def delete_webhook(self, webhook_id):
        _find(webhook_id).unlink()

    @operation("POST", "/webhooks/{webhook_id}/secret", **OPTIONS, out=schemas.NewWebhook,
               summary="Make a new secret; it is shown once")
    def rotate_webhook_secret(self, webhook_id):
        """For 24 hours the former one signs too: `webhook-signature` has both."""
        webhook = _find(webhook_id)
        webhook.action_rotate_secret()
        return schemas.NewWebhook(**show(webhook), secret=webhook.signing_secret)

    @operation("POST", "/webhooks/{webhook_id}/test", **OPTIONS, out=schemas.Tested, status=202,
               summary="Send a test")
    def test_webhook(self, webhook_id):
        """An event `webhook.test`; what became of it is among the deliveries within seconds."""
        return schemas.Tested(delivery=str(_find(webhook_id)._make_test()))

    @operation("GET", "/webhooks/{webhook_id}/deliveries", **OPTIONS, query=schemas.DeliveryList,
               out=schemas.DeliveryPage, summary="List what was sent, and waits")
    def list_deliveries(self, webhook_id, query):
        """The newest first, with each attempt; kept for so many days as the operator has set."""
        domain = SearchDomain("webhook_id", "=", _find(webhook_id).id)
        for name in ("state", "type"):
            if value := getattr(query, name):
                domain &= SearchDomain(name, "=", value)
        found, following = newest_of(
            request.env["emboux.webhook.delivery"], domain, query, ("created_at", "id"), FIELDS)
        return schemas.DeliveryPage(items=[_show_delivery(each) for each in found], next=following)

    @operation("POST", "/webhooks/{webhook_id}/send-again", **OPTIONS, body=schemas.SendAgain,
               out=schemas.SentAgain, summary="Send a range of events again")
    def send_webhooks_again(self, webhook_id, body):
        """Under the same numbers as before."""
        return schemas.SentAgain(
            count=_find(webhook_id)._send_again(body.since, body.until, (body.state,)))

    @operation("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again", **OPTIONS,
               out=schemas.Delivery, summary="Send one event again, at once")
    def send_delivery_again(self, webhook_id, delivery_id):
        delivery = _find_delivery(webhook_id, delivery_id)
        delivery.action_send_again()
        return _show_delivery(delivery)
