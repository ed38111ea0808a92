# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import NOT_FOUND, not_found
from .domains import (
    domains_by_name,
    find_domain,
    names_are_unique,
    owners_first,
    search_domain,
)
from .operation import operation
from .paging import page_of
from .schemas import alias as schemas
from .types import Page

LOCAL = SearchDomain("domain_id.backend_id.kind", "=", "local")
TAG = "Aliases"
FIELDS = ("email", "kind", "destinations", "active", "create_date", "domain_id")
LIMITED = {409: "The address is taken, or a limit is reached; the sentence says which."}
UNCHANGED = {200: "It existed already and was updated."}


def _search_alias(address):
    return owners_first(request.env["emboux.alias"].search_fetch(
        [("email", "=", address), ("domain_id.backend_id.kind", "=", "local")], FIELDS
    ))[:1]


def find_alias(address):
    """The alias that the caller may see.  :raises ApiError: 404, also for somebody else's."""
    alias = _search_alias(address)
    if not alias:
        raise not_found()
    return alias


def show_aliases(aliases):
    return [
        schemas.Alias(
            address=alias.email,
            kind=alias.kind,
            domain=alias.email.rpartition("@")[2],
            destinations=list(alias._destination_list()),
            active=alias.active,
            created_at=alias.create_date,
        )
        for alias in aliases
    ]


def _new(body, domain):
    local_part = body.address.rpartition("@")[0]
    return {
        "domain_id": domain.id,
        "kind": "forward" if local_part else "catch_all",
        "local_part": local_part,
        "destinations": "\n".join(body.destinations),
    }


def _lock_name_of_customer(_env, _arguments):
    """Requests that count towards a customer's alias limit are serialised."""
    key = request.emboux_key
    return f"aliases of {key.partner_id}" if key.aliases_limited else None


class AliasController(http.Controller):
    @operation("POST", "/aliases/", role="customer", area="mailboxes", tag=TAG,
               body=schemas.AliasUpsert, out=schemas.Alias, status=201, errors=LIMITED,
               statuses=UNCHANGED, prepare=_lock_name_of_customer,
               summary="Create or update an alias or catch-all")
    def upsert_alias(self, body):
        """Repeating the call is harmless."""
        domain = find_domain(body.address.rpartition("@")[2])
        alias = _search_alias(body.address)
        if not alias:
            [shown] = show_aliases(request.env["emboux.alias"].create(_new(body, domain)))
            return 201, shown
        destinations = _new(body, domain)["destinations"]
        if alias.destinations != destinations:
            alias.destinations = destinations
        [shown] = show_aliases(alias)
        return 200, shown

    @operation("GET", "/aliases/", role="customer", area="mailboxes", tag=TAG,
               query=schemas.AliasList, out=Page[schemas.Alias], summary="List aliases")
    def list_aliases(self, query):
        domain = SearchDomain.TRUE if query.domain else LOCAL
        if query.q:
            domain &= SearchDomain("email", "ilike", query.q) | SearchDomain(
                "destinations", "ilike", query.q
            )
        if query.domain:
            # by its number, so that an index serves both the order and the filter
            domain &= SearchDomain("domain_id", "=", search_domain(query.domain).id or 0)
        if query.kind:
            domain &= SearchDomain("kind", "=", query.kind)
        return page_of(request.env["emboux.alias"], domain, query, "email", schemas.Alias,
                       show_aliases, FIELDS, unique=bool(query.domain) or names_are_unique())

    @operation("POST", "/aliases/bulk", role="customer", area="mailboxes", tag=TAG,
               body=schemas.AliasBulk, out=schemas.AliasBulkAnswer, bulk=True,
               prepare=_lock_name_of_customer, summary="Create or update up to 1,000 aliases")
    def upsert_aliases(self, body):
        """Each row succeeds or fails on its own; the response has one entry for each."""
        by_name = domains_by_name({row.address.rpartition("@")[2] for row in body.aliases})
        rows = {}
        for number, row in enumerate(body.aliases):
            if domain := by_name.get(row.address.rpartition("@")[2]):
                rows[number] = _new(row, domain)
        done, refused = request.env["emboux.alias"]._upsert_each(rows)
        items = []
        for number, row in enumerate(body.aliases):
            if number in done:
                alias, is_new = done[number]
                [shown] = show_aliases(alias)
                items.append(schemas.AliasBulkRow(
                    address=row.address, status=201 if is_new else 200, alias=shown))
            else:
                status, detail = refused.get(number, (404, NOT_FOUND))
                items.append(
                    schemas.AliasBulkRow(address=row.address, status=status, detail=detail)
                )
        statuses = [item.status for item in items]
        return schemas.AliasBulkAnswer(
            created=statuses.count(201),
            updated=statuses.count(200),
            failed=len(items) - statuses.count(201) - statuses.count(200),
            items=items,
        )

    @operation("GET", "/aliases/{address}", role="customer", area="mailboxes", tag=TAG,
               out=schemas.Alias, summary="One alias; `@domain` (%40domain) is the catch-all")
    def get_alias(self, address):
        [shown] = show_aliases(find_alias(address))
        return shown

    @operation("DELETE", "/aliases/{address}", role="customer", area="mailboxes", tag=TAG,
               status=204, errors={409: "It is still in use; the sentence says by what."},
               summary="Delete an alias")
    def delete_alias(self, address):
        find_alias(address).unlink()
