# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal

from .page import HOME, many, own_customer, page
from .status_texts import domain_status


class EmailHome(CustomerPortal):
    """The card on the portal's first page, and the page behind it."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "emboux_domain_count" in counters:
            customer = request.env["emboux.customer"]._for_current_user()
            values["emboux_domain_count"] = customer.domains_used if customer else 0
        return values

    @http.route(
        [HOME, f"{HOME}/page/<int:number>"], type="http", auth="user", website=True,
        methods=["GET"],
    )
    def show_email(self, number=1, q="", **_arguments):
        customer = own_customer()
        domain = []
        if q := q.strip():
            domain = ["|", ("name", "ilike", q), ("unicode_name", "ilike", q)]
        found = many("emboux.domain", domain, HOME, number, **({"q": q} if q else {}))
        return page(
            "portal_email", request.env._("Email"), None, q=q, bars=customer._quota_bars(),
            states={domain.id: domain_status(domain) for domain in found["records"]}, **found,
        )
