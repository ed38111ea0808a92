# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from .form import WHOLE, Form
from .page import HOME, done, find, many, of_domain, page, search_term


def _above(domain):
    return of_domain(
        domain, (request.env._("Aliases"), f"{HOME}/domains/{domain.id}/aliases")
    )


class AliasPortal(http.Controller):
    @http.route(
        [f"{HOME}/domains/<int:number>/aliases",
         f"{HOME}/domains/<int:number>/aliases/page/<int:at>"],
        type="http", auth="user", website=True, methods=["GET"],
    )
    def list_aliases(self, number, at=1, q="", **_arguments):
        domain = find("emboux.domain", number)
        wanted = [("domain_id", "=", domain.id)]
        if q := search_term(q):
            wanted += ["|", ("email", "ilike", q), ("destinations", "ilike", q)]
        return page(
            "portal_aliases", request.env._("Aliases"), of_domain(domain), domain=domain,
            tab="aliases", q=q,
            **many("emboux.alias", wanted, f"{HOME}/domains/{domain.id}/aliases", at,
                   **({"q": q} if q else {})),
        )

    @http.route(
        f"{HOME}/domains/<int:number>/aliases/new", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def add_alias(self, number, **typed):
        domain = find("emboux.domain", number)
        aliases = request.env["emboux.alias"]
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            local_part="", destinations="",
        )
        if form.sent:
            form.required("local_part", "destinations")
            with form.at("local_part"):
                local_part = aliases._normalise_local_part(form["local_part"])
            with form.at("destinations"):
                aliases._normalise({"destinations": form["destinations"]})
        if form.is_good:
            with form.at(WHOLE):
                alias = aliases.create(
                    {"domain_id": domain.id, "local_part": local_part,
                     "destinations": form["destinations"]}
                )
        if form.is_good:
            return done(
                f"{HOME}/domains/{domain.id}/aliases",
                request.env._("%s was created.", alias.display_name),
            )
        return page(
            "portal_alias_form", request.env._("New Alias"), _above(domain), domain=domain,
            alias=aliases, form=form,
        )

    @http.route(
        f"{HOME}/aliases/<int:number>", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def show_alias(self, number, **typed):
        alias = find("emboux.alias", number)
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            destinations=alias.destinations_shown,
        )
        if form.sent:
            form.required("destinations")
        if form.is_good:
            with form.at("destinations"):
                alias.write({"destinations": form["destinations"]})
        if form.is_good:
            return done(
                f"{HOME}/domains/{alias.domain_id.id}/aliases", request.env._("Saved.")
            )
        return page(
            "portal_alias_form", alias.display_name, _above(alias.domain_id),
            domain=alias.domain_id, alias=alias, form=form,
        )

    @http.route(
        f"{HOME}/aliases/<int:number>/delete", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def delete_alias(self, number, **typed):
        alias = find("emboux.alias", number)
        form = Form(typed if request.httprequest.method == "POST" else None)
        if form.is_good:
            name, domain = alias.display_name, alias.domain_id.id
            with form.at(WHOLE):
                alias.unlink()
            if form.is_good:
                return done(
                    f"{HOME}/domains/{domain}/aliases", request.env._("%s was deleted.", name)
                )
        return page(
            "portal_alias_delete", request.env._("Delete"),
            [*_above(alias.domain_id), (alias.display_name, f"{HOME}/aliases/{alias.id}")],
            alias=alias, form=form,
        )
