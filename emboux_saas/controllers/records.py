# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from odoo.addons.emboux_mail_api.models.request_slots import Busy

from .page import HOME, NOTICE, find, page
from .status_texts import domain_status, is_ours, record_status


class RecordPortal(http.Controller):
    """A domain's page: its status and its DNS records."""

    @http.route(
        f"{HOME}/domains/<int:number>", type="http", auth="user", website=True, methods=["GET"]
    )
    def show_domain(self, number, **_arguments):
        return self._page(find("emboux.domain", number))

    @http.route(
        f"{HOME}/domains/<int:number>/check", type="http", auth="user", website=True,
        methods=["POST"],
    )
    def check_domain(self, number, **_typed):
        """Ask the DNS while the customer waits, for ten seconds at most."""
        domain = find("emboux.domain", number)
        try:
            domain.action_check_now()
        except Busy as error:
            request.session[NOTICE] = str(error)
            return request.redirect(f"{HOME}/domains/{domain.id}")
        left = domain.dns_record_ids.filtered(lambda r: r.level == "required" and r.state != "ok")
        request.session[NOTICE] = (
            request.env._("Checked just now: all required records are set.")
            if not left else
            request.env._(
                "Checked just now: %s required records are not right yet. A change can take a "
                "while to show up; we keep checking automatically.",
                len(left),
            )
        )
        return request.redirect(f"{HOME}/domains/{domain.id}")

    def _page(self, domain):
        # optional records that customers cannot set are not shown as missing
        records = domain.dns_record_ids
        if is_ours(domain):
            records = records.filtered(lambda r: r.level == "required" or r.state == "ok")
        words = [record_status(record) for record in records]
        groups = [
            (title, [row for row in words if row["level"] == level])
            for level, title in (
                ("required", request.env._("Required")),
                ("recommended", request.env._("Recommended")),
                ("optional", request.env._("Optional")),
            )
        ]
        return page(
            "portal_domain", domain.display_name, domain=domain, words=domain_status(domain),
            is_ours=is_ours(domain), tab="records",
            groups=[(title, rows) for title, rows in groups if rows],
        )
