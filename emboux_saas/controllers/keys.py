# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from .form import WHOLE, Form
from .page import HOME, done, own_customer, page


def _areas():
    env = request.env
    return [("all", env._("Everything")), ("domains", env._("Domains")),
            ("mailboxes", env._("Mailboxes and aliases")), ("send", env._("Messages"))]


def _lifetimes():
    env = request.env
    return [("30", env._("30 days")), ("90", env._("90 days")), ("365", env._("1 year")),
            ("0", env._("No expiry"))]


class KeyPortal(http.Controller):
    """A customer's API keys: created, shown once, revoked."""

    @http.route(f"{HOME}/keys", type="http", auth="user", website=True, methods=["GET"])
    def list_keys(self, **_arguments):
        own_customer()
        return page(
            "portal_keys",
            request.env._("API Keys"),
            keys=request.env["emboux.api.key"]._for_current_user(),
        )

    @http.route(
        f"{HOME}/keys/new", type="http", auth="user", website=True, methods=["GET", "POST"]
    )
    def make_key(self, **typed):
        """The answer to the POST shows the secret: it is stored nowhere, not even in a session."""
        own_customer()
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            name="", area="all", read_only=False, test=False, networks="", lifetime="365",
        )
        if form.sent:
            form.required("name")
            form.one_line("name")
            for field, options in (("area", _areas()), ("lifetime", _lifetimes())):
                if form[field] not in dict(options):
                    form.refuse(field, request.env._("Please choose one of these."))
        if form.is_good:
            with form.at("networks"):
                key, secret = request.env["emboux.api.key"]._make_own(
                    form["name"], form["area"], form.ticked("read_only"), form["networks"],
                    int(form["lifetime"]), form.ticked("test"),
                )
        above = [(request.env._("API Keys"), f"{HOME}/keys")]
        if form.is_good:
            return page("portal_key_secret", request.env._("Copy the Secret Now"), above, key=key,
                        secret=secret)
        return page("portal_key_new", request.env._("New API Key"), above, form=form,
                    areas=_areas(), lifetimes=_lifetimes())

    @http.route(
        f"{HOME}/keys/<int:number>/revoke", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def revoke_key(self, number, **typed):
        own_customer()
        key = request.env["emboux.api.key"]._for_current_user(number)
        if not key:
            raise request.not_found()
        form = Form(typed if request.httprequest.method == "POST" else None)
        if form.is_good:
            with form.at(WHOLE):
                key.action_revoke()
        if form.is_good:
            return done(f"{HOME}/keys", request.env._("%s has been revoked.", key.name))
        return page(
            "portal_key_revoke", request.env._("Revoke"),
            [(request.env._("API Keys"), f"{HOME}/keys")], key=key, form=form,
        )
