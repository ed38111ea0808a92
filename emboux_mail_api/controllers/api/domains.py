# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dataclasses import asdict

from odoo import http
from odoo.fields import Domain as SearchDomain
from odoo.http import request

from odoo.addons.emboux_core.dns.expected import expected_records

from ...api_errors import ApiError, invalid, not_found
from .operation import operation
from .paging import page_of
from .partners import caller_may_name_partners, partner_of, ref_of
from .schemas import domain as schemas
from .types import Page

TAG = "Domains"
FIELDS = (
    "name", "unicode_name", "state", "owned_since", "parent_id", "is_wildcard", "partner_id",
    "usage_bytes", "create_date", "backend_id", "company_id", "provider_id",
)
PROVIDER = {
    409: "A limit is reached, or the provider refused or did not answer (then with `Retry-After`: "
    "what is saved is repeated by itself, or repeat the request); the sentence says which.",
}
STEPS = 20  # the latest, of a domain's verification
IN_USE = {409: "It is in use, or a limit is reached; the sentence says which."}


def search_domain(name):
    """The domain of this platform visible to the caller, or none.

    A master key, which sees all claims to a name, gets the owner's, or else the first.
    """
    return request.env["emboux.domain"].search_fetch(
        [("name", "=", name), ("backend_id.kind", "=", "local")], FIELDS,
        order="owned_since, id", limit=1,
    )


def names_are_unique():
    """Names and addresses are unique for one customer; a master key sees all claims."""
    return request.emboux_key.role != "master"


def owners_first(records):
    """Mailboxes or aliases of one address, of several who claim its domain: whose it is first."""
    return records.sorted(lambda r: (not r.domain_id.owned_since, r.id))


def domains_by_name(names):
    """The domains of this platform that the caller may see, by their names."""
    found = request.env["emboux.domain"].search_fetch(
        [("name", "in", list(names)), ("backend_id.kind", "=", "local")],
        ["name", "owned_since"], order="owned_since desc, id desc",
    )
    return {domain.name: domain for domain in found.sorted(lambda d: bool(d.owned_since))}


def names_of(messages):
    """Number to name of the messages' domains that are still there: a log may come, and a message
    wait, after the end of its domain."""
    # as superuser: a domain that was theirs when the message came
    return {domain.id: domain.name for domain in messages.sudo().domain_id.exists()}


def find_domain(name):
    """The domain that the caller may see.  :raises ApiError: 404, also for somebody else's."""
    domain = search_domain(name)
    if not domain:
        raise not_found()
    return domain


def show_domain(domain):
    return {
        "name": domain.name,
        "unicode_name": domain.unicode_name,
        "state": domain.state,
        "owned_since": domain.owned_since or None,
        # as superuser: the parent may be the operator's, its name is no secret to its child
        "parent": domain.sudo().parent_id.name or None,
        "wildcard": domain.is_wildcard,
        "partner_ref": ref_of(domain.partner_id),
        "mailboxes": domain.mailbox_count,
        "aliases": domain.alias_count,
        "size": domain.usage_bytes,
        "created_at": domain.create_date,
        # as superuser: the provider is the operator's, its kind is no secret to the owner
        "provider": domain.sudo().provider_id.kind or "dkim",
        "stopped": domain.outbound_parent_stop or None,
    }


def show_detail(domain):
    # as superuser: what DNS has to say comes from keys and tokens that nobody reads
    service = domain.sudo()._mail_service()
    records = [
        # providers do not ask for a DMARC record
        schemas.ServiceRecord(
            key=record.key, type=record.record_type, name=record.name, value=record.value,
            level=record.level, purpose=record.purpose,
        )
        for record in service.records
    ]
    return schemas.DomainDetail(
        **show_domain(domain),
        reason=domain.state_reason or None,
        service=asdict(service) | {"records": records},
    )


def show_records(records, verdicts=None):
    """Records with what is stored about them, or with fresh verdicts by key."""
    shown = []
    for record in records:
        fresh = (verdicts or {}).get(record.key)
        shown.append(
            schemas.DnsRecord(
                key=record.key,
                type=record.record_type,
                name=record.name,
                expected=record.expected if hasattr(record, "expected") else record.value,
                found=(fresh.found if fresh else getattr(record, "found", None)) or None,
                verdict=fresh.state if fresh else getattr(record, "state", "unknown"),
                level=record.level,
                note=(fresh.note if fresh else getattr(record, "note", None)) or None,
                purpose=record.purpose or None,
            )
        )
    return shown


def verification_of(domain):
    return schemas.Verification(
        name=domain.name,
        state=domain.state,
        since=domain.state_since or None,
        reason=domain.outbound_parent_stop or domain.state_reason or None,
        steps=[
            schemas.Step(at=step.happened_at, state=step.state, reason=step.reason or None)
            # as superuser: the owner may see the history, though not the rows
            for step in domain.sudo().state_history_ids[:STEPS]
        ],
        verified=domain.state == "verified",
        ready=domain.state == "verified" and not (domain.arrival_note or domain.sending_note),
        # as superuser: the provider is the operator's, what it lacks is no secret to the owner
        sending_note=domain.sudo().sending_note or None,
        checked_at=domain.last_check or None,
        next_check_at=domain.next_check or None,
        message=domain.check_message or None,
        records=show_records(domain.dns_record_ids),
    )


def _refresh_before_read(_env, arguments):
    """Refresh the status of a domain that is asked about, if it is older than a minute."""
    domain = search_domain(arguments["name"])
    if domain and domain._refresh_status():
        # this transaction does not see it yet
        request.env.cr.rollback()
        request.env.transaction.clear()


def _lock_name_of_owner(env, arguments):
    """Requests that count towards a customer's domain limit are serialised."""
    key = request.emboux_key
    ref = arguments["body"].partner_ref if "body" in arguments else None
    if key.partner_id:
        return f"domains of {key.partner_id}"
    return f"domains of {partner_of(env, ref).id}" if ref else None


def _provider_of_kind(kind):
    found = request.env["emboux.provider"].search([("kind", "=", kind)], limit=1)
    if not found:
        raise invalid("provider", f"the platform has no provider of the kind {kind}")
    return found


def _call_provider(row):
    """Tell the provider now what the domain needs; the work of the request is saved before, so
    the operation has to be declared as one that ``commits``.

    :raises ApiError: 409, it could not be reached or it refused; what is saved is repeated.
    """
    if row and row.state != "done":
        if row.state == "refused":
            row._request_again()
        told = row._is_called_after_commit()
        # the provider must never be told of what may still be rolled back
        request.env.cr.commit()  # pylint: disable=invalid-commit
        if not told:
            row._run_now()
        # a fresh look: the calls were noted in transactions of their own
        request.env.cr.commit()  # pylint: disable=invalid-commit
        if row.state == "pending":
            raise ApiError(409, row.error or "The provider has not answered yet, repeat it.",
                           {"Retry-After": "30"})
        if row.state == "refused":
            raise ApiError(409, row.error)


class DomainController(http.Controller):
    @operation("POST", "/domains/", role="customer", area="domains", tag=TAG,
               body=schemas.DomainCreate, out=schemas.DomainDetail, status=201, errors=IN_USE,
               prepare=_lock_name_of_owner, summary="Add a domain")
    def create_domain(self, body):
        """Below a verified wildcard parent it is ready at once, otherwise it waits for its DNS.

        Until then it is a claim: others may claim the name too, and the first to prove it by DNS
        gets it. Mailboxes can be created meanwhile, but neither receive nor allow log-ins.
        """
        values = {"name": body.name}
        if caller_may_name_partners(request):
            values["backend_id"] = request.env.ref("emboux_mail_api.backend_local").id
            if body.partner_ref:
                values["partner_id"] = partner_of(request.env, body.partner_ref).id
            if body.provider:
                values["provider_id"] = _provider_of_kind(body.provider).id
        domains = request.env["emboux.domain"].with_context(
            emboux_quarantine=not body.release and "partner_id" in values
        )
        return show_detail(domains.create(values).with_env(request.env))

    @operation("GET", "/domains/", role="customer", area="domains", tag=TAG,
               query=schemas.DomainList, out=Page[schemas.Domain], summary="List domains")
    def list_domains(self, query):
        domain = SearchDomain("backend_id.kind", "=", "local")
        if query.q:
            domain &= SearchDomain("name", "ilike", query.q) | SearchDomain(
                "unicode_name", "ilike", query.q
            )
        if query.state:
            domain &= SearchDomain("state", "=", query.state)
        if query.partner_ref and caller_may_name_partners(request):
            domain &= SearchDomain(
                "partner_id", "=", partner_of(request.env, query.partner_ref).id
            )
        return page_of(request.env["emboux.domain"], domain, query, "name", schemas.Domain,
                       lambda domains: [schemas.Domain(**show_domain(d)) for d in domains], FIELDS,
                       unique=names_are_unique())

    @operation("GET", "/domains/{name}", role="customer", area="domains", tag=TAG,
               out=schemas.DomainDetail, summary="Get a domain with the DNS records it needs")
    def get_domain(self, name):
        return show_detail(find_domain(name))

    @operation("DELETE", "/domains/{name}", role="customer", area="domains", tag=TAG,
               query=schemas.DomainDelete, status=204, errors=IN_USE, summary="Delete a domain",
               prepare=lambda env, _arguments: request.emboux_key.partner_id and (
                   f"domains of {request.emboux_key.partner_id}"))
    def delete_domain(self, name, query):
        """Refused while mailboxes are there, unless `cascade` is given."""
        domain = find_domain(name)
        if query.cascade:
            if request.emboux_key.area != "all":
                raise ApiError(403, "This key reaches domains only, not the mailboxes in them")
            domain._delete_contents()
        domain.unlink()

    @operation("POST", "/domains/{name}/verify", role="customer", area="domains", tag=TAG,
               out=schemas.Verification, summary="Check the domain's DNS now")
    def verify_domain(self, name):
        """Waits for the answers of its name servers, 10 seconds at most.

        A master key may ask about a domain that is not here: nothing is stored then.
        """
        domain = search_domain(name)
        if domain:
            domain.action_check_now()
            return verification_of(domain)
        if request.emboux_key.role != "master":
            raise not_found()
        # as superuser: nobody's domain is looked up with the platform's own service
        service = request.env.ref("emboux_mail_api.backend_local").sudo()._service_of_stranger()
        expected = tuple(expected_records(name, service))
        found = request.env["emboux.domain"]._look_up_name(name, expected)
        verdicts = {verdict.key: verdict for verdict in found.verdicts}
        needed = [verdicts[r.key].state for r in expected
                  if r.level == "required" and r.key in verdicts]
        return schemas.Verification(
            name=name, state=None, since=None, reason=None, steps=[],
            verified=bool(needed) and set(needed) == {"ok"}, ready=False,
            sending_note=None, checked_at=None, next_check_at=None,
            message=found.error or found.asked, records=show_records(expected, verdicts),
        )

    @operation("GET", "/domains/{name}/verify-status", role="customer", area="domains", tag=TAG,
               out=schemas.Verification, prepare=_refresh_before_read,
               summary="Get the verification status and each record as last seen")
    def get_verify_status(self, name):
        """DNS and provider are asked before, when what is known of them is older than a minute.

        It waits for some seconds at most; nothing else is changed.
        """
        return verification_of(find_domain(name))

    @operation("POST", "/domains/{name}/ses-verify", role="customer", area="domains", tag=TAG,
               out=schemas.Verification, deprecated=True, summary="Older name of verify")
    def ses_verify_domain(self, name):
        return self.verify_domain.original_endpoint(self, name)

    @operation("GET", "/domains/{name}/ses-status", role="customer", area="domains", tag=TAG,
               out=schemas.Verification, prepare=_refresh_before_read, deprecated=True,
               summary="Older name of verify-status")
    def get_ses_status(self, name):
        return self.get_verify_status.original_endpoint(self, name)

    @operation(
        "POST",
        "/domains/{name}/register-subdomain",
        role="customer",
        area="domains",
        tag=TAG,
        out=schemas.DomainDetail,
        status=201,
        errors=IN_USE | PROVIDER,
        statuses={200: "It was already registered."},
        prepare=_lock_name_of_owner,
        commits=True,
        summary="Make a subdomain of a wildcard parent ready to send",
    )
    def register_subdomain(self, name):
        """Adds it when it is not here, and has its provider take it.

        Afterwards it sends with its parent's DKIM identity; there is nothing else to set up.
        """
        domain = search_domain(name)
        status = 200 if domain.parent_id else 201
        domain = domain if domain.parent_id else domain._register_subdomain(name)
        # as superuser: registrations are not for users to read who merely has a domain
        _call_provider(domain.sudo().registration_id)
        return status, show_detail(domain)

    @operation("GET", "/domains/{name}/dns-check", role="customer", area="domains", tag=TAG,
               out=schemas.DnsCheck, summary="Look up each record now without storing the result")
    def check_dns(self, name):
        domain = find_domain(name)
        found = domain._look_up(10.0)[domain.id]
        verdicts = {verdict.key: verdict for verdict in found.verdicts}
        return schemas.DnsCheck(
            name=domain.name,
            message=found.error or found.asked,
            records=show_records(domain.dns_record_ids, verdicts),
        )

    @operation("PUT", "/domains/{name}/parent", role="master", area="domains", tag=TAG,
               body=schemas.ParentUpdate, out=schemas.DomainDetail, errors=IN_USE,
               current="get_domain", summary="Set the wildcard parent and the wildcard mode")
    def set_domain_parent(self, name, body):
        domain = find_domain(name)
        parent = find_domain(body.parent) if body.parent else domain.browse()
        domain = domain.with_context(emboux_release=body.release)
        domain._set_parent(parent, body.wildcard, body.detach)
        return show_detail(domain)

    @operation("PUT", "/domains/{name}/owner", role="master", area="domains", tag=TAG,
               body=schemas.OwnerUpdate, out=schemas.DomainDetail, errors=IN_USE,
               current="get_domain", prepare=_lock_name_of_owner,
               summary="Move the domain to another customer")
    def set_domain_owner(self, name, body):
        domain = find_domain(name)
        domain._hand_over(partner_of(request.env, body.partner_ref))
        return show_detail(domain)

    @operation("PUT", "/domains/{name}/suspend", role="master", area="domains", tag=TAG,
               out=schemas.DomainDetail, current="get_domain",
               summary="Suspend the domain; nothing is lost")
    def suspend_domain(self, name):
        domain = find_domain(name)
        domain.action_suspend()
        return show_detail(domain)

    @operation("PUT", "/domains/{name}/activate", role="master", area="domains", tag=TAG,
               out=schemas.DomainDetail, current="get_domain", errors=PROVIDER, commits=True,
               summary="Lift the suspension")
    def activate_domain(self, name):
        """Also makes the domain's SMTP login at Mailgun where it is missing."""
        domain = find_domain(name)
        domain.action_activate()
        _call_provider(domain._request_sending())
        return show_detail(domain)
