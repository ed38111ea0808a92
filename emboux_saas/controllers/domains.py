# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from .form import WHOLE, Form
from .page import HOME, done, find, of_domain, own_customer, page


def name_of(form):
    """The domain entered: the customer's own, or a free name under one of the operator's parents.

    Errors are shown at the field used.
    """
    parents = request.env["emboux.domain"]._offered_parents()
    field = "label" if parents and form["kind"] == "under" else "name"
    form.required(field)
    if form.errors:
        return field, ""
    if field == "name":
        with form.at("name"):
            return field, request.env["emboux.domain"]._claimable_name(form["name"])
        return field, ""
    parent = parents.filtered(lambda d: str(d.id) == form["parent_id"])
    if not parent:
        form.refuse("label", request.env._("Please choose a domain for your name."))
        return field, ""
    with form.at("label"):
        return field, parent._free_name(form["label"])
    return field, ""


def choice_of(parents, typed=None):
    """The form for choosing a domain."""
    return {
        "kind": "under" if parents and not (typed or {}).get("name") else "own",
        "name": "", "label": "", "parent_id": str(parents[:1].id or ""),
    }


class DomainPortal(http.Controller):
    @http.route(
        f"{HOME}/domains/new", type="http", auth="user", website=True, methods=["GET", "POST"]
    )
    def add_domain(self, **typed):
        own_customer()
        parents = request.env["emboux.domain"]._offered_parents()
        sent = request.httprequest.method == "POST"
        form = Form(typed if sent else None, **choice_of(parents))
        if sent:
            field, name = name_of(form)
            if not form.errors:
                with form.at(field):
                    domain = request.env["emboux.domain"].create({"name": name})
            if form.is_good:
                if domain.parent_id:
                    domain._check_arrival()
                    said = (
                        request.env._("%s may send: make its first mailbox. Whether mail to it "
                                      "arrives is being looked up.", domain.display_name)
                        if domain.arrival_note else
                        request.env._("%s is ready: make its first mailbox.", domain.display_name)
                    )
                return done(
                    f"{HOME}/domains/{domain.id}",
                    said if domain.parent_id else
                    request.env._("%s was added. Now set its DNS records.", domain.display_name),
                )
        return page("portal_domain_new", request.env._("Add a Domain"), parents=parents, form=form)

    @http.route(
        f"{HOME}/names", type="http", auth="public", website=True, methods=["GET"]
    )
    def check_name(self, label="", parent_id="", **_arguments):
        """Whether a name under one of the operator's domains is free, for the form's script."""
        parents = request.env["emboux.domain"]._offered_parents()
        parent = parents.filtered(lambda d: str(d.id) == parent_id)
        free, sentence = parent._is_free(label)
        return request.make_json_response({"free": free, "sentence": sentence})

    @http.route(
        f"{HOME}/domains/<int:number>/delete", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def delete_domain(self, number, **typed):
        """Confirmed by typing its name, because everything in it is deleted too."""
        domain = find("emboux.domain", number)
        form = Form(typed if request.httprequest.method == "POST" else None, name="")
        if form.sent and form["name"].lower() not in (domain.name, domain.unicode_name):
            form.refuse(
                "name", request.env._("Type %s to confirm.", domain.display_name)
            )
        if form.is_good:
            name = domain.display_name
            with form.at(WHOLE):
                domain._delete_contents()
                domain.unlink()
            if form.is_good:
                return done(HOME, request.env._("%s was deleted.", name))
        return page(
            "portal_domain_delete", request.env._("Delete"), of_domain(domain), domain=domain,
            form=form,
        )
