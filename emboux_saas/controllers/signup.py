# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging

from odoo import http
from odoo.http import request

from odoo.addons.emboux_core import addresses
from odoo.addons.web.controllers.utils import ensure_db

from .domains import choice_of, name_of
from .form import WHOLE, Form, customer_message
from .page import HOME, done, page

_logger = logging.getLogger(__name__)
PATH = "/email/signup"
SENT = f"{PATH}/sent"
CONFIRM = f"{PATH}/confirm"


class SignupPortal(http.Controller):
    """Sign-up of a new customer with a domain and a mailbox: a form, an email, a password."""

    @http.route(PATH, type="http", auth="public", website=True, sitemap=True,
                methods=["GET", "POST"])
    def sign_up(self, plan_id="", **typed):
        """The form; nothing is created before the link in the email is followed."""
        ensure_db()
        if request.session.uid:
            return request.redirect(HOME)
        customers, domains = request.env["emboux.customer"], request.env["emboux.domain"]
        plans, parents = request.env["emboux.plan"]._offered(), domains._offered_parents()
        if not plans:
            raise request.not_found()
        sent = request.httprequest.method == "POST"
        typed["plan_id"] = plan_id
        form = Form(
            typed if sent else None,
            plan_id=plan_id or str(plans[:1].id), person="", login="", local_part="",
            **choice_of(parents, typed),
        )
        if sent:
            values = self._read(form, plans, parents)
        address = request.httprequest.remote_addr
        if form.is_good:
            with form.at(WHOLE):
                customers._assert_may_try(address)
        if form.is_good:
            _field, values["domain"] = name_of(form)
        if form.is_good:
            with form.at(WHOLE):
                customers._assert_may_sign_up(address, values["login"])
                customers._invite(values, CONFIRM)
        if form.is_good:
            return done(SENT, request.env._(
                "We have sent an email to %s. Open the link in it to continue.", values["login"]))
        return self._page("portal_signup", request.env._("Email for Your Domain"), plans=plans,
                          parents=parents, form=form)

    @http.route(SENT, type="http", auth="public", website=True, sitemap=False, methods=["GET"])
    def check_your_mail(self, **_arguments):
        ensure_db()
        return self._page("portal_signup_sent", request.env._("Check Your Email"))

    @http.route(f"{CONFIRM}/<string:token>", type="http", auth="public", website=True,
                sitemap=False, methods=["GET", "POST"])
    def confirm(self, token, **typed):
        """The link proves the address.  The password and a click are still needed: mail scanners
        follow links, too."""
        ensure_db()
        if request.session.uid:
            return request.redirect(HOME)
        customers = request.env["emboux.customer"]
        values = customers._read_invitation(token)
        form = Form(typed if request.httprequest.method == "POST" else None, password="")
        if form.sent and values:
            values["password"] = form.password("password", values["login"])
            if form.is_good and customers._has_account(values["login"]):
                form.refuse(WHOLE, request.env._(
                    "There is an account with this address already. Log in instead."))
            if form.is_good:
                with form.at(WHOLE):
                    domain, mailbox = customers._sign_up(
                        values, request.httprequest.remote_addr
                    )
            if form.is_good:
                return self._enter(values, domain, mailbox)
        return self._page("portal_signup_confirm", request.env._("Confirm"), form=form,
                          values=values, again=PATH)

    def _page(self, template, title, **values):
        response = page(template, title, None, **values)
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        response.headers["Referrer-Policy"] = "no-referrer"  # the link is a secret
        return response

    def _read(self, form, plans, parents):
        """The values of a new customer, except for the domain; errors are shown at their field.

        Nothing is looked up but what everybody may see: plans and parents.
        """
        form.required("person", "login", "local_part",
                      "label" if parents and form["kind"] == "under" else "name")
        form.one_line("person")
        plan = plans.filtered(lambda p: str(p.id) == form["plan_id"])
        if not plan:
            form.refuse("plan_id", request.env._("Please choose a plan."))
        try:
            login = addresses.normalise_address(form["login"], plus=True)
        except addresses.AddressError as error:
            login = ""
            form.refuse("login", customer_message(error))
        local_part = form["local_part"]
        with form.at("local_part"):
            local_part = request.env["emboux.mailbox"]._normalise_local_part(local_part)
        return {"plan": plan, "person": form["person"], "login": login, "local_part": local_part}

    def _enter(self, values, domain, mailbox):
        """Log the new customer in, at the page that says what to do next."""
        _logger.info("new customer %s with %s", values["login"], domain.name)
        domain._check_arrival()
        notice = (
            request.env._("Welcome! %s can send and receive at once.", mailbox.display_name)
            if domain.state == "verified" and not domain.arrival_note else
            request.env._(
                "Welcome! %s can send at once. Whether mail to it arrives is being looked up.",
                mailbox.display_name,
            )
            if domain.state == "verified" else
            request.env._(
                "Welcome! %s has been created. Set these DNS records to receive its mail here.",
                mailbox.display_name,
            )
        )
        number = domain.id
        request.session.authenticate(
            request.env,
            {"login": values["login"], "password": values["password"], "type": "password"},
        )
        return done(f"{HOME}/domains/{number}", notice)
