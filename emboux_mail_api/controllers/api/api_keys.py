# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import hmac
import re

from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from ...api_errors import ApiError, invalid, not_found
from ...models.api_key import networks_of
from ...models.change import CursorError
from .operation import operation
from .paging import page_of
from .partners import partner_of, ref_of
from .schemas import api_key as schemas
from .types import Page

TAG = "API keys"
#: What a key's area lets it hear of.
_KINDS = {
    "all": ("domain", "mailbox", "usage"),
    "domains": ("domain",),
    "mailboxes": ("mailbox", "usage"),
}


def find_key(key_id):
    key = request.env["emboux.api.key"].search([("id", "=", key_id)])
    if not key:
        raise not_found()
    return key


def show_key(key):
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "partner_ref": ref_of(key.partner_id),
        "read_only": key.read_only,
        "area": key.area,
        "domain": key.domain_name or None,
        "sender": key.sender or None,
        "test": key.test,
        "networks": networks_of(key.networks),
        "expires_at": key.expires_at or None,
        "revoked_at": key.revoked_at or None,
        "last_used": key.last_used or None,
        "state": key.state,
        "hint": key.token_hint,
        "created_at": key.create_date,
    }


class ApiKeyController(http.Controller):
    @operation("POST", "/api-keys/", role="master", tag=TAG, body=schemas.ApiKeyCreate,
               out=schemas.NewApiKey, status=201, summary="Create a key; its secret is shown once")
    def create_api_key(self, body):
        if body.role == "customer" and not body.partner_ref:
            raise invalid("partner_ref", "a customer's key needs a customer")
        if body.role == "master" and body.partner_ref:
            raise invalid("partner_ref", "a master key belongs to nobody")
        expires_at, networks = body.expires_at, [str(network) for network in body.networks]
        if body.role == "master":
            expires_at, networks = _no_more_than_caller(expires_at, networks)
        key, secret = request.env["emboux.api.key"]._make(
            {
                "name": body.name,
                "role": body.role,
                "partner_id": (
                    partner_of(request.env, body.partner_ref).id if body.partner_ref else False
                ),
                "read_only": body.read_only,
                "area": body.area,
                "domain_name": body.domain,
                "sender": body.sender,
                "test": body.test,
                "networks": ", ".join(networks),
                "expires_at": expires_at,
            }
        )
        return schemas.NewApiKey(**show_key(key), secret=secret)

    @operation("GET", "/api-keys/", role="master", tag=TAG, query=schemas.ApiKeyList,
               out=Page[schemas.ApiKey], summary="List keys, without their secrets")
    def list_api_keys(self, query):
        domain = SearchDomain.TRUE
        if query.q:
            domain &= SearchDomain("name", "ilike", query.q)
        if query.partner_ref:
            domain &= SearchDomain(
                "partner_id", "=", partner_of(request.env, query.partner_ref).id
            )
        if query.state:
            domain &= SearchDomain("state", "=", query.state)
        return page_of(request.env["emboux.api.key"], domain, query, "id", schemas.ApiKey,
                       lambda keys: [schemas.ApiKey(**show_key(key)) for key in keys])

    @operation("GET", "/api-keys/{key_id}", role="master", tag=TAG, out=schemas.ApiKey,
               summary="One key, without its secret")
    def get_api_key(self, key_id):
        return schemas.ApiKey(**show_key(find_key(key_id)))

    @operation("DELETE", "/api-keys/{key_id}", role="master", tag=TAG, status=204,
               errors={409: "It is the key of this request."},
               summary="Revoke a key; it stays in the list")
    def revoke_api_key(self, key_id):
        key = find_key(key_id)
        if key.id == request.emboux_key.id:
            raise ApiError(409, "This is the key that you are using. Revoke it with another one.")
        key.action_revoke()

    @operation("GET", "/api-keys/{token}/usage", role="customer", tag=TAG,
               query=schemas.UsageQuery, out=schemas.Usage,
               summary="What changed since a cursor")
    def get_usage(self, token, query):
        """`self` is the caller's own key; a master key may name another one by its number, or by
        its secret."""
        env = request.env(user=self._user_of(token))
        try:
            rows, cursor, more = env["emboux.change"]._since(
                query.since, query.limit, _KINDS.get(request.emboux_key.area, ())
            )
        except CursorError as error:
            raise invalid("since", "it is not a cursor of ours; begin without one") from error
        return schemas.Usage(items=_show_changes(env, rows), next=cursor, more=more)

    def _user_of(self, token):
        caller = request.emboux_key
        # a whole secret in the URL is taken when it is the caller's own, and not recommended
        if token in ("self", str(caller.id)) or _same(token, caller.token):
            return caller.user_id
        whole = caller.role == "master" and caller.area == "all" and not caller.domain_name
        if whole:
            number = int(token) if re.fullmatch("[0-9]{1,9}", token) else (
                request.env["emboux.api.key"]._id_of_secret(token)
            )
            # as superuser: the technical user is not for users to read
            return find_key(number).sudo().user_id.id
        raise not_found()


def _no_more_than_caller(expires_at, networks):
    """A master key cannot create one that lives longer or may be used from more networks."""
    caller = find_key(request.emboux_key.id)
    if caller.expires_at:
        expires_at = min(expires_at or caller.expires_at, caller.expires_at)
    if caller.networks:
        own = networks_of(caller.networks)
        if networks and not set(networks) <= set(own):
            raise ApiError(403, "This key makes master keys for its own networks alone")
        networks = networks or own
    return expires_at, networks


def _same(token, secret):
    return hmac.compare_digest(token.encode(), secret.encode())


def _show_changes(env, rows):
    """Rows of the feed with what they are about as it is now, in two look-ups."""
    emails = {name for kind, name, _domain, _gone in rows if kind != "domain"}
    names = {name for kind, name, _domain, _gone in rows if kind == "domain"}
    local = [("backend_id.kind", "=", "local")]
    boxes = env["emboux.mailbox"].with_context(active_test=False).search(
        [("email", "in", list(emails)), ("domain_id.backend_id.kind", "=", "local")]
    )
    domains = env["emboux.domain"].with_context(active_test=False).search(
        [("name", "in", list(names)), *local]
    )
    # a master key sees all claims to a name: the owner's comes last, and wins
    boxes = boxes.sorted(lambda box: bool(box.domain_id.owned_since))
    domains = domains.sorted(lambda domain: bool(domain.owned_since))
    used = boxes._counted()
    state_of = {box.email: box.state for box in boxes} | {d.name: d.state for d in domains}
    size_of = {d.name: (d.usage_bytes, None) for d in domains} | used
    return [
        schemas.UsageItem(
            kind=kind,
            name=name,
            domain=domain,
            gone=is_gone,
            state=None if is_gone else state_of.get(name),
            size=None if is_gone else size_of.get(name, (0, 0))[0],
            messages=None if is_gone else size_of.get(name, (0, 0))[1],
        )
        for kind, name, domain, is_gone in rows
    ]
