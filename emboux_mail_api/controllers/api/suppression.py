from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from .errors import not_found
from .operation import operation
from .paging import page_of
from .schemas import other as schemas
from .types import Page

TAG = "Suppression"


class SuppressionController(http.Controller):
    @operation("GET", "/suppression", role="master", tag=TAG, query=schemas.SuppressionList,
               out=Page[schemas.Suppression], summary="List recipients that get no mail")
    def list_suppressions(self, query):
        domain = SearchDomain.TRUE
        if query.q:
            domain &= SearchDomain("email", "ilike", query.q)
        if query.reason:
            domain &= SearchDomain("reason", "=", query.reason)
        return page_of(request.env["emboux.suppression"], domain, query, "email",
                       schemas.Suppression, _show)

    @operation("GET", "/suppression/check/{recipient}", role="customer", tag=TAG,
               out=schemas.SuppressionCheck, summary="Whether a recipient gets no mail")
    def check_suppression(self, recipient):
        found = request.env["emboux.suppression"]._find(recipient)
        return schemas.SuppressionCheck(
            email=recipient,
            suppressed=bool(found),
            reason=found.reason or None,
            expires_at=found.expires_at or None,
        )

    @operation("DELETE", "/suppression/{recipient}", role="master", tag=TAG, status=204,
               summary="Let a recipient get mail again")
    def delete_suppression(self, recipient):
        found = request.env["emboux.suppression"].search([("email", "=", recipient)])
        if not found:
            raise not_found()
        found.unlink()


def _show(entries):
    return [
        schemas.Suppression(
            email=entry.email,
            reason=entry.reason,
            source=entry.source or None,
            expires_at=entry.expires_at or None,
            created_at=entry.create_date,
        )
        for entry in entries
    ]
