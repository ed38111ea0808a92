# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from werkzeug.exceptions import NotFound

from odoo import http
from odoo.http import request
from odoo.tools import format_datetime

from .form import WHOLE, Form
from .page import HOME, LOCAL, done, find, of_mailbox, own_customer, page

WEBHOOKS = f"{HOME}/webhooks"
ROWS = 50
COLOURS = {"enabled": "success", "paused": "secondary", "failing": "danger", "delivered": "success",
           "pending": "info", "failed": "danger"}


def _find(model, number):
    own_customer()
    found = request.env[model].search([("id", "=", number)], limit=1)
    if not found:
        raise NotFound()
    return found


def _trail(webhook=None):
    above = [(request.env._("Webhooks"), WEBHOOKS)]
    return [*above, (webhook.name, f"{WEBHOOKS}/{webhook.id}")] if webhook else above


def _form(typed, webhook=None):
    """The form of a webhook, with what was typed, or else what it has."""
    posted = request.httprequest.method == "POST"
    form = Form(
        typed if posted else None,
        name=webhook.name if webhook else "", url=webhook.url if webhook else "",
        domain=str(webhook.domain_id.id or "") if webhook else "",
        headers=(webhook.headers or "") if webhook else "",
    )
    types = request.env["emboux.webhook.type"].search([])
    if posted:
        chosen = request.httprequest.form.getlist("types")
        form.types = types.filtered(lambda each: each.code in chosen)
    else:
        form.types = webhook.type_ids if webhook else types.browse()
    return form, types


def _domains():
    found = request.env["emboux.domain"].search([(LOCAL["emboux.domain"], "=", "local")])
    return [("", request.env._("All my domains")),
            *((str(domain.id), domain.display_name) for domain in found)]


def _save(form, webhook=None):
    """The record, unless something in the form is wrong."""
    form.required("name", "url")
    form.one_line("name", "url")
    if form["domain"] not in dict(_domains()):
        form.refuse("domain", request.env._("Please choose one of these."))
    if not form.is_good:
        return None
    values = {
        "name": form["name"], "url": form["url"], "headers": form["headers"] or False,
        "domain_id": int(form["domain"]) if form["domain"] else False,
        "type_ids": [(6, 0, form.types.ids)],
    }
    # what is refused says by itself which of the two it is about
    with form.at("headers" if webhook and values["url"] == webhook.url else "url"):
        if webhook:
            webhook.write(values)
            return webhook
        return request.env["emboux.webhook"].create(values)


class WebhookPortal(http.Controller):
    """A customer's webhooks: created, tested, paused; and what was sent to them."""

    @http.route(WEBHOOKS, type="http", auth="user", website=True, methods=["GET"])
    def list_webhooks(self, **_arguments):
        own_customer()
        return page(
            "portal_webhooks", request.env._("Webhooks"), colours=COLOURS, word_of=_word,
            webhooks=request.env["emboux.webhook"].search([]),
        )

    @http.route(f"{WEBHOOKS}/new", type="http", auth="user", website=True, methods=["GET", "POST"])
    def make_webhook(self, **typed):
        own_customer()
        form, types = _form(typed)
        webhook = _save(form) if form.sent else None
        if form.is_good:
            return done(f"{WEBHOOKS}/{webhook.id}", request.env._(
                "%s is created. Copy its secret to the receiver, then send a test.", webhook.name))
        return page("portal_webhook_form", request.env._("New Webhook"), _trail(), form=form,
                    types=types, domains=_domains(), go_back=WEBHOOKS,
                    button=request.env._("Create Webhook"))

    @http.route(f"{WEBHOOKS}/<int:number>", type="http", auth="user", website=True, methods=["GET"])
    def show_webhook(self, number, state="", **_arguments):
        webhook = _find("emboux.webhook", number)
        wanted = [("webhook_id", "=", webhook.id)]
        if state in ("pending", "delivered", "failed"):
            wanted.append(("state", "=", state))
        return page(
            "portal_webhook", webhook.name, _trail(), webhook=webhook, colours=COLOURS,
            word_of=_word, when=_when, state=state, rows=ROWS,
            deliveries=request.env["emboux.webhook.delivery"].search(wanted, limit=ROWS),
        )

    @http.route(
        f"{WEBHOOKS}/<int:number>/edit", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def edit_webhook(self, number, **typed):
        webhook = _find("emboux.webhook", number)
        form, types = _form(typed, webhook)
        if form.sent:
            _save(form, webhook)
        if form.is_good:
            return done(f"{WEBHOOKS}/{webhook.id}", request.env._("Saved."))
        return page("portal_webhook_form", request.env._("Edit"), _trail(webhook), form=form,
                    types=types, domains=_domains(), go_back=f"{WEBHOOKS}/{webhook.id}",
                    button=request.env._("Save"))

    @http.route(
        f"{WEBHOOKS}/<int:number>/test", type="http", auth="user", website=True, methods=["POST"]
    )
    def test_webhook(self, number, **_typed):
        webhook = _find("emboux.webhook", number)
        webhook._make_test()
        return done(f"{WEBHOOKS}/{webhook.id}", request.env._(
            "The test is on its way: load this page again to see the answer below."))

    @http.route(
        f"{WEBHOOKS}/<int:number>/pause", type="http", auth="user", website=True, methods=["POST"]
    )
    def pause_webhook(self, number, **_typed):
        webhook = _find("emboux.webhook", number)
        webhook.action_pause()
        return done(f"{WEBHOOKS}/{webhook.id}", request.env._("%s is paused.", webhook.name))

    @http.route(
        f"{WEBHOOKS}/<int:number>/resume", type="http", auth="user", website=True, methods=["POST"]
    )
    def resume_webhook(self, number, **_typed):
        webhook = _find("emboux.webhook", number)
        webhook.action_resume()
        return done(f"{WEBHOOKS}/{webhook.id}", request.env._(
            "%s is resumed: what has waited is sent.", webhook.name))

    @http.route(
        f"{WEBHOOKS}/<int:number>/secret", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def rotate_secret(self, number, **typed):
        webhook = _find("emboux.webhook", number)
        form = Form(typed if request.httprequest.method == "POST" else None)
        if form.is_good:
            with form.at(WHOLE):
                webhook.action_rotate_secret()
        if form.is_good:
            return done(f"{WEBHOOKS}/{webhook.id}", request.env._(
                "Copy the new secret to the receiver within 24 hours."))
        return page("portal_webhook_secret", request.env._("New Secret"), _trail(webhook),
                    webhook=webhook, form=form)

    @http.route(
        f"{WEBHOOKS}/<int:number>/delete", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def delete_webhook(self, number, **typed):
        webhook = _find("emboux.webhook", number)
        form, name = Form(typed if request.httprequest.method == "POST" else None), webhook.name
        if form.is_good:
            with form.at(WHOLE):
                webhook.unlink()
        if form.is_good:
            return done(WEBHOOKS, request.env._("%s has been deleted.", name))
        return page("portal_webhook_delete", request.env._("Delete"), _trail(webhook),
                    webhook=webhook, form=form)

    @http.route(
        f"{HOME}/mailboxes/<int:number>/webhook", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def choose_webhook(self, number, **typed):
        """To which webhook the mail of a mailbox goes, instead of being kept."""
        mailbox = find("emboux.mailbox", number)
        hooks = request.env["emboux.webhook"].search(
            [("domain_id", "in", [False, mailbox.domain_id.id])])
        form = Form(typed if request.httprequest.method == "POST" else None,
                    webhook=str(mailbox.webhook_id.id or ""))
        options = [("", request.env._("None: mail is kept")),
                   *((str(hook.id), hook.name) for hook in hooks)]
        if form.sent and form["webhook"] not in dict(options):
            form.refuse("webhook", request.env._("Please choose one of these."))
        if form.is_good:
            with form.at("webhook"):
                mailbox.webhook_id = int(form["webhook"] or 0) or False
        if form.is_good:
            return done(f"{HOME}/mailboxes/{mailbox.id}", request.env._("Saved."))
        return page("portal_mailbox_webhook", request.env._("Webhook"), of_mailbox(mailbox),
                    mailbox=mailbox, form=form, options=options)

    @http.route(
        f"{HOME}/deliveries/<int:number>", type="http", auth="user", website=True, methods=["GET"]
    )
    def show_delivery(self, number, **_arguments):
        delivery = _find("emboux.webhook.delivery", number)
        return page(
            "portal_delivery", delivery.type, _trail(delivery.webhook_id), delivery=delivery,
            colours=COLOURS, word_of=_word, when=_when,
            moments=[(_when(at.replace(tzinfo=None), local=False), ms, said)
                     for at, ms, said in delivery._moments()],
        )

    @http.route(
        f"{HOME}/deliveries/<int:number>/again", type="http", auth="user", website=True,
        methods=["POST"],
    )
    def send_again(self, number, **_typed):
        delivery = _find("emboux.webhook.delivery", number)
        delivery.action_send_again()
        return done(f"{HOME}/deliveries/{delivery.id}", request.env._(
            "It is sent again: load this page again to see the answer."))


def _word(record):
    field = record._fields["state"]
    return dict(field._description_selection(record.env)).get(record.state, record.state)


def _when(moment, local=True):
    """``local``: it is UTC, to be shown in the visitor's time zone."""
    return format_datetime(request.env, moment, tz=None if local else "UTC", dt_format="medium")
