# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import not_found
from .operation import operation
from .paging import page_of
from .partners import partner_of, ref_of
from .schemas import other as schemas
from .types import Page

TAG = "Suppression"


class SuppressionController(http.Controller):
    @operation("GET", "/suppression", role="master", tag=TAG, query=schemas.SuppressionList,
               out=Page[schemas.Suppression], summary="List suppressed recipients")
    def list_suppressions(self, query):
        """A recipient stands there once for each customer whose mail is stopped."""
        domain = SearchDomain.TRUE
        if query.q:
            domain &= SearchDomain("email", "ilike", query.q)
        if query.reason:
            domain &= SearchDomain("reason", "=", query.reason)
        if query.partner_ref:
            partner = partner_of(request.env, query.partner_ref)
            domain &= SearchDomain("partner_id", "=", partner.id)
        return page_of(request.env["emboux.suppression"], domain, query, "email",
                       schemas.Suppression, _show, unique=False)

    @operation("GET", "/suppression/check/{recipient}", role="customer", tag=TAG,
               out=schemas.SuppressionCheck, summary="Check whether a recipient is suppressed")
    def check_suppression(self, recipient):
        """From a customer: whether their mail is stopped.  An entry stops mail to the address
        with a `+tag` too."""
        partner = request.env.user.emboux_partner_id
        found = request.env["emboux.suppression"]._find(recipient, partner or None)
        return schemas.SuppressionCheck(
            email=recipient,
            suppressed=bool(found),
            reason=found.reason or None,
            expires_at=found.expires_at or None,
        )

    @operation("DELETE", "/suppression/{recipient}", role="master", tag=TAG, status=204,
               query=schemas.SuppressionDelete,
               summary="Remove a recipient from the suppression list")
    def delete_suppression(self, recipient, query):
        """From everybody, or from one customer when `partner_ref` is given."""
        domain = SearchDomain("email", "=", recipient)
        if query.partner_ref:
            partner = partner_of(request.env, query.partner_ref)
            domain &= SearchDomain("partner_id", "=", partner.id)
        found = request.env["emboux.suppression"].search(domain)
        if not found:
            raise not_found()
        found.unlink()


def _show(entries):
    return [
        schemas.Suppression(
            email=entry.email,
            partner_ref=ref_of(entry.partner_id),
            reason=entry.reason,
            source=entry.source or None,
            detail=entry.detail or None,
            expires_at=entry.expires_at or None,
            created_at=entry.create_date,
        )
        for entry in entries
    ]
