# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from odoo.addons.emboux_core import passwords
from odoo.addons.emboux_core.models.mailbox import MEGABYTE, hash_cache
from odoo.addons.emboux_core.models.mailbox_rules import FORWARD, VACATION
from odoo.addons.emboux_core.net.errors import Refused
from odoo.addons.emboux_core.net.signature import is_secret

from ...api_errors import NOT_FOUND, ApiError, invalid, not_found
from .domains import (
    domains_by_name,
    find_domain,
    names_are_unique,
    owners_first,
    search_domain,
)
from .operation import operation
from .paging import page_of
from .schemas import user as schemas
from .types import Page

LOCAL = SearchDomain("domain_id.backend_id.kind", "=", "local")
TAG = "Mailboxes"
#: What is shown of a mailbox, fetched along with the search for it.
FIELDS = (
    "email", "name", "quota_mb", "state", "send_as", "own_return_address",
    "suspended_by_operator", "suspended_by_customer",
    "has_password", "push_url", "webhook_id", "create_date", "domain_id", *FORWARD, *VACATION,
)
#: A null date clears it; any other null field is left unchanged.
MAY_BE_NULL = frozenset({"vacation_from", "vacation_until"})
LIMITED = {409: "The address is taken, or a limit is reached; the sentence says which."}


def find_mailbox(email):
    """The mailbox that the caller may see.  :raises ApiError: 404, also for somebody else's."""
    mailbox = request.env["emboux.mailbox"].search_fetch(
        [("email", "=", email), ("domain_id.backend_id.kind", "=", "local")], FIELDS
    )
    if not mailbox:
        raise not_found()
    return owners_first(mailbox)[:1]


def show_users(mailboxes, counted=None):
    """``counted``: address to (bytes, messages), where it is known already."""
    counted = mailboxes._counted() if counted is None else counted
    return [
        schemas.User(
            email=mailbox.email,
            domain=mailbox.email.rpartition("@")[2],
            display_name=mailbox.name or "",
            quota=mailbox.quota_mb * MEGABYTE,
            size=counted.get(mailbox.email, (0, 0))[0],
            messages=counted.get(mailbox.email, (0, 0))[1],
            suspended=mailbox.state == "suspended",
            suspended_by=[
                side for side in ("operator", "customer") if mailbox[f"suspended_by_{side}"]
            ],
            send_as_domain=mailbox.send_as == "domain",
            own_return_address=mailbox.own_return_address,
            catch_all=mailbox.catch_all,
            has_password=mailbox.has_password,
            push_url=mailbox.push_url or "",
            webhook=known.webhook_id.id or None,
            **vars(mailbox._rules_here()),
            created_at=mailbox.create_date,
        )
        # as superuser: the number of a webhook alone
        for mailbox, known in zip(mailboxes, mailboxes.sudo(), strict=True)
    ]


def _values(body):
    """Fields of the record for those that the request names."""
    given = body.model_dump(exclude_unset=True, exclude={"email"})
    values = {}
    for name, value in given.items():
        if value is None and name not in MAY_BE_NULL:
            continue
        if name == "display_name":
            values["name"] = value
        elif name == "quota":
            values["quota_mb"] = -(-value // MEGABYTE)  # rounded up
        elif name == "suspended":
            values["state"] = "suspended" if value else "active"
        elif name == "send_as_domain":
            values["send_as"] = "domain" if value else "self"
        elif name == "forward_to":
            values["forward_to"] = "\n".join(value)
        elif name in ("catch_all", "own_return_address") or name in FORWARD or name in VACATION:
            values[name] = value
    if getattr(body, "_hashed", None) is not None:
        values["password"] = body._hashed
    return values


def _new(body, domain):
    local_part, _at, _name = body.email.rpartition("@")
    return {"local_part": local_part, "domain_id": domain.id, **_values(body)}


def _hash(bodies, email=""):
    """Check and hash the passwords of many bodies at once; an error stays with its body."""
    wanted = [
        (body.password.get_secret_value() if body.password else None,
         getattr(body, "email", email))
        for body in bodies
    ]
    for body, hashed in zip(bodies, passwords.hash_each(wanted, hash_cache()), strict=True):
        body._hashed = hashed
        if body.password_hash:
            try:
                body._hashed = passwords.accept_hash(body.password_hash.get_secret_value())
            except passwords.PasswordError as error:
                body._hashed = error


def _prepare_one(_env, arguments):
    """Hashing is slow and must hold no lock; then requests for a limited domain are serialised.

    Nothing is hashed for a domain that the caller does not own, or beyond a limit.
    """
    body = arguments["body"]
    email = arguments.get("email") or body.email
    if body.password and "email" in arguments:
        find_mailbox(email)
    elif body.password:
        body._domain = find_domain(email.rpartition("@")[2])
        _assert_room(body._domain)
    _hash([body], email)
    if isinstance(body._hashed, passwords.PasswordError):
        raise invalid("password_hash" if body.password_hash else "password", str(body._hashed))
    return _lock_name_of({email.rpartition("@")[2]}) if "email" not in arguments else None


def _assert_room(domain):
    """A first check before the lock is taken; then it is counted again."""
    key, mailboxes = request.emboux_key, request.env["emboux.mailbox"]
    limited = key.mailboxes_limited or not key.partner_id  # a master key
    if limited and mailboxes._room([domain.id]).get(domain.id, 1) <= 0:
        raise ApiError(409, mailboxes._limit_sentence(domain.id))


def _prepare_many(_env, arguments):
    """Hash only for the caller's own domains and within the limits, so that nobody can cause more
    work."""
    users = arguments["body"].users
    names = {row.email.rpartition("@")[2] for row in users}
    own = domains_by_name(names)
    places = {}
    for number, row in enumerate(users):
        local, _at, name = row.email.rpartition("@")
        if name in own:
            places[number] = (local, own[name].id)
    refused = request.env["emboux.mailbox"]._refused_beforehand(places)
    for number, answer in refused.items():
        users[number]._refused = answer
    _hash([users[number] for number in places if number not in refused])
    return _lock_name_of(names)


def _lock_name_of(names):
    """Requests that count towards a domain's mailbox limit are serialised."""
    if len(names) == 1 and request.emboux_key.mailboxes_limited:
        return f"mailboxes of {names.pop()} for {request.emboux_key.partner_id}"
    return None


class UserController(http.Controller):
    @operation("POST", "/users/", role="customer", area="mailboxes", tag=TAG,
               body=schemas.UserCreate, out=schemas.User, status=201, errors=LIMITED,
               prepare=_prepare_one, summary="Create a mailbox")
    def create_user(self, body):
        domain = body._domain or find_domain(body.email.rpartition("@")[2])
        # a new one is empty
        [shown] = show_users(request.env["emboux.mailbox"].create(_new(body, domain)), {})
        return shown

    @operation("GET", "/users/", role="customer", area="mailboxes", tag=TAG,
               query=schemas.UserList, out=Page[schemas.User], summary="List mailboxes")
    def list_users(self, query):
        domain = SearchDomain.TRUE if query.domain else LOCAL
        if query.q:
            domain &= SearchDomain("email", "ilike", query.q) | SearchDomain(
                "name", "ilike", query.q
            )
        if query.domain:
            # by its number, so that an index serves both the order and the filter
            domain &= SearchDomain("domain_id", "=", search_domain(query.domain).id or 0)
        if query.suspended is not None:
            domain &= SearchDomain("state", "=", "suspended" if query.suspended else "active")
        return page_of(request.env["emboux.mailbox"], domain, query, "email", schemas.User,
                       show_users, FIELDS, unique=bool(query.domain) or names_are_unique())

    @operation("POST", "/users/bulk", role="customer", area="mailboxes", tag=TAG,
               body=schemas.UserBulk, out=schemas.UserBulkAnswer, prepare=_prepare_many, bulk=True,
               summary="Create up to 1,000 mailboxes")
    def create_users(self, body):
        """Each row succeeds or fails on its own; the response has one entry for each."""
        names = {row.email.rpartition("@")[2] for row in body.users}
        by_name = domains_by_name(names)
        rows, faults = {}, {}
        for number, row in enumerate(body.users):
            if row._refused:  # also if there is room by now: its password is not hashed
                faults[number] = row._refused
            elif isinstance(row._hashed, passwords.PasswordError):
                faults[number] = (422, str(row._hashed))
            elif domain := by_name.get(row.email.rpartition("@")[2]):
                rows[number] = _new(row, domain)
        made, refused = request.env["emboux.mailbox"]._create_each(rows)
        refused |= faults
        shown = dict(zip(made, show_users(request.env["emboux.mailbox"].union(*made.values())),
                         strict=True))
        items = []
        for number, row in enumerate(body.users):
            if number in shown:
                items.append(schemas.UserBulkRow(email=row.email, status=201, user=shown[number]))
            else:
                status, detail = refused.get(number, (404, NOT_FOUND))
                items.append(
                    schemas.UserBulkRow(email=row.email, status=status, detail=detail)
                )
        return schemas.UserBulkAnswer(
            created=len(shown), failed=len(items) - len(shown), items=items
        )

    @operation("GET", "/users/{email}", role="customer", area="mailboxes", tag=TAG,
               out=schemas.User, summary="One mailbox")
    def get_user(self, email):
        [shown] = show_users(find_mailbox(email))
        return shown

    @operation("PUT", "/users/{email}", role="customer", area="mailboxes", tag=TAG,
               body=schemas.UserUpdate, out=schemas.User, current="get_user",
               errors={409: "Somebody else has suspended it; the sentence says who."},
               prepare=_prepare_one, summary="Change a mailbox")
    def update_user(self, email, body):
        mailbox = find_mailbox(email)
        if body.service_password_hash:
            try:
                service = passwords.accept_hash(body.service_password_hash.get_secret_value())
            except passwords.PasswordError as error:
                raise invalid("service_password_hash", str(error)) from error
            mailbox._set_service_hash(service.hash)
        if body.push_url is not None:
            _set_push(mailbox, body)
        if body.webhook is not None:
            mailbox.webhook_id = _webhook_of(body.webhook)
        mailbox.write(_values(body))
        [shown] = show_users(mailbox)
        return shown

    @operation("PUT", "/users/{email}/address", role="customer", area="mailboxes", tag=TAG,
               body=schemas.AddressUpdate, out=schemas.User,
               errors={409: "Somebody has the address; the sentence says so."},
               summary="Give a mailbox another address of its domain")
    def change_address(self, email, body):
        mailbox = find_mailbox(email)
        local_part, _at, name = body.email.rpartition("@")
        if name != mailbox.domain_id.name:
            raise invalid("email", f"It has to be an address of {mailbox.domain_id.name}.")
        mailbox._change_address(local_part, body.keep)
        [shown] = show_users(mailbox)
        return shown

    @operation("DELETE", "/users/{email}", role="customer", area="mailboxes", tag=TAG,
               status=204, errors={409: "It is still in use; the sentence says by what."},
               summary="Delete a mailbox, with the mail in it")
    def delete_user(self, email):
        find_mailbox(email)._delete_with_mail()

    @operation("GET", "/users/{email}/quota", role="customer", area="mailboxes", tag=TAG,
               out=schemas.QuotaUse, summary="Get storage quota and usage")
    def get_quota(self, email):
        return _quota_of(find_mailbox(email))

    @operation("PUT", "/users/{email}/quota", role="customer", area="mailboxes", tag=TAG,
               body=schemas.QuotaUpdate, out=schemas.QuotaUse, current="get_quota",
               summary="Set the storage quota; above the plan only with a master key")
    def set_quota(self, email, body):
        mailbox = find_mailbox(email)
        mailbox.write(_values(body))
        return _quota_of(mailbox)


def _set_push(mailbox, body):
    secret = body.push_secret.get_secret_value() if body.push_secret else ""
    if body.push_url and not is_secret(secret):
        raise invalid("push_secret", "A URL needs a secret: whsec_ and Base64 of 24 to 64 bytes.")
    try:
        mailbox._set_push(body.push_url, secret)
    except Refused as error:
        raise invalid("push_url", str(error)) from error


def _webhook_of(number):
    found = request.env["emboux.webhook"].search([("id", "=", number)])
    if number and not found:
        raise invalid("webhook", "there is no webhook of this number")
    return found


def _quota_of(mailbox):
    # as Dovecot has counted by now, which is what `usage` tells too
    used, messages = mailbox._counted().get(mailbox.email, (0, 0))
    return schemas.QuotaUse(quota=mailbox.quota_mb * MEGABYTE, used=used, messages=messages)
