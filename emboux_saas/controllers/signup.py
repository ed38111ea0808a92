import logging

from odoo import http
from odoo.http import request

from odoo.addons.emboux_core import addresses
from odoo.addons.web.controllers.utils import ensure_db

from .domains import choice_of, name_of
from .form import WHOLE, Form, say
from .page import HOME, done, page

_logger = logging.getLogger(__name__)
PATH = "/email/signup"


class SignupPortal(http.Controller):
    """From a stranger to a customer with a domain and a mailbox, on one page."""

    @http.route(PATH, type="http", auth="public", website=True, sitemap=True,
                methods=["GET", "POST"])
    def sign_up(self, plan_id="", **typed):
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
            plan_id=plan_id or str(plans[:1].id), person="", login="", password="",
            local_part="", **choice_of(parents, typed),
        )
        if sent:
            field, values = self._read(form, plans)
            if form.is_good:
                with form.at(WHOLE):
                    customers._assert_may_sign_up(request.httprequest.remote_addr)
            if form.is_good:
                with form.at(field):
                    domain, mailbox = customers._sign_up(
                        values, request.httprequest.remote_addr
                    )
            if form.is_good:
                return self._enter(values, domain, mailbox)
        response = page(
            "portal_signup", request.env._("Email for Your Domain"), None, plans=plans,
            parents=parents, form=form,
        )
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        return response

    def _read(self, form, plans):
        """The field of the domain, and the values of a new customer; what is wrong with one of
        them is said at its field."""
        form.required("person", "login", "local_part")
        plan = plans.filtered(lambda p: str(p.id) == form["plan_id"])
        if not plan:
            form.refuse("plan_id", request.env._("Please choose a plan."))
        try:
            login = addresses.normalise_address(form["login"], plus=True)
        except addresses.AddressError as error:
            login = ""
            form.refuse("login", say(error))
        if login and request.env["emboux.customer"]._has_account(login):
            form.refuse("login", request.env._(
                "There is an account with this address already. Log in instead."))
        local_part = form["local_part"]
        with form.at("local_part"):
            local_part = request.env["emboux.mailbox"]._normalise_local_part(local_part)
        password = form.password("password", login)
        # a copy: the fields of the domain are refused on their own, whatever stands above
        chosen = Form(form.values, **form.values)
        field, name = name_of(chosen)
        form.errors |= chosen.errors
        return field, {
            "plan": plan, "person": form["person"], "login": login, "password": password,
            "domain": name, "local_part": local_part,
        }

    def _enter(self, values, domain, mailbox):
        """Log the new customer in, at the page that says what to do next."""
        _logger.info("new customer %s with %s", values["login"], domain.name)
        domain._see_arrival()
        notice = (
            request.env._("Welcome! %s can send and receive at once.", mailbox.display_name)
            if domain.state == "verified" and not domain.arrival_note else
            request.env._(
                "Welcome! %s can send at once. Whether mail to it arrives is being looked up.",
                mailbox.display_name,
            )
            if domain.state == "verified" else
            request.env._(
                "Welcome! %s is made. Set these DNS records, then its mail comes here.",
                mailbox.display_name,
            )
        )
        number = domain.id
        request.session.authenticate(
            request.env,
            {"login": values["login"], "password": values["password"], "type": "password"},
        )
        return done(f"{HOME}/domains/{number}", notice)
