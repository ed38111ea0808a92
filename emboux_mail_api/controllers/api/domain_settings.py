# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from ...api_errors import invalid
from ...models.domain_sending import STANDARD
from ...models.domain_storage import FOLDERS
from ...models.sending_figures import DECIDED
from .domains import find_domain
from .operation import operation
from .schemas import domain as schemas

TAG = "Domain settings"
#: Name in the API to field of the record, for what the operator sets.
_OUTBOUND = {
    "outbound_tier": "outbound_tier",
    "outbound_enforcement": "outbound_enforcement",
    "outbound_status": "outbound_status",
    "daily_limit": "outbound_daily_limit",
    "monthly_limit": "outbound_monthly_limit",
    "hourly_fraction": "outbound_hourly_fraction",
    "warmup_profile": "outbound_warmup_profile",
    "warmup_start": "outbound_warmup_start",
    "warmup_since": "outbound_warmup_since",
    "spike_multiplier": "outbound_spike_multiplier",
    "spike_max_multiplier": "outbound_spike_multiplier",
    "inherit": "outbound_inherit",
    "unit": "outbound_unit",
    "over_limit": "outbound_over_limit",
    "mailbox_daily_limit": "outbound_mailbox_daily_limit",
    "mailbox_monthly_limit": "outbound_mailbox_monthly_limit",
    "recipients_per_message": "outbound_recipients_per_message",
    "alias_destination_limit": "alias_destination_limit",
    "alias_depth_limit": "alias_depth_limit",
}


def _outbound_of(domain, login=None):
    """The effective settings, as the policy sees them: with the owner's plan and the parent."""
    today, month = request.env["emboux.outbound.count"]._used(domain)
    # as superuser: the parent may be the operator's, its settings are no secret to its child
    row, own = domain.sudo()._effective_settings()[domain.id], domain.sudo()
    shown, source = {}, {}
    for name, field in _OUTBOUND.items():
        if column := DECIDED.get(field):
            shown[name] = row[column]
            source[name] = own._source(field, row[column])
    parent_stop = own.outbound_parent_stop or None
    return schemas.Outbound(
        **shown,
        source=source,
        inherit=domain.outbound_inherit,
        outbound_status="blocked" if row["blocked"] or parent_stop else "open",
        outbound_reason=domain.outbound_reason or parent_stop,
        flagged_at=domain.outbound_flagged_at or None,
        counters=schemas.OutboundCounters(today=today, this_month=month),
        room=_room_of(domain, login),
    )


def _room_of(domain, login):
    try:
        room = domain._room_to_send(login)
    except UserError as error:
        if not login:  # it does not send from here
            return None
        raise invalid("login", str(error)) from error
    return room and schemas.OutboundRoom(
        left=room.left, again_at=room.again, per_day=room.per_day)


def _lock_name_of_domain(env, arguments):
    """Requests that count for one domain are serialised, see ``locks.py``."""
    return f"outbound {arguments['name']}"


def _given(body):
    """The fields that the request names and that say something."""
    return {name: value for name, value in body.model_dump(exclude_unset=True).items()
            if value is not None}


def _retention_of(domain):
    return schemas.Retention(**{folder: domain[f"retention_{folder}"] for folder in FOLDERS})


def _transfer_of(domain):
    return schemas.Transfer(
        limit=domain.transfer_limit,
        over_limit="warn" if domain.transfer_over_limit == "warn" else "enforce",
        used=domain.transfer_used,
    )


class DomainSettingsController(http.Controller):
    @operation("GET", "/domains/{name}/outbound", role="customer", area="domains", tag=TAG,
               query=schemas.OutboundQuery, out=schemas.Outbound,
               summary="Get sending limits and usage")
    def get_outbound(self, name, query=None):
        return _outbound_of(find_domain(name), query and query.login)

    @operation("PUT", "/domains/{name}/outbound", role="master", area="domains", tag=TAG,
               body=schemas.OutboundUpdate, out=schemas.Outbound, current="get_outbound",
               summary="Set sending limits")
    def set_outbound(self, name, body):
        domain = find_domain(name)
        given = _given(body)
        tiers = {tier.casefold() for tier in domain._tiers()}
        if given.get("outbound_tier", STANDARD).casefold() not in tiers:
            raise invalid("outbound_tier", f"it is one of: {', '.join(sorted(domain._tiers()))}")
        domain.write({_OUTBOUND[field]: value for field, value in given.items()})
        return _outbound_of(domain)

    @operation("POST", "/domains/{name}/outbound/increment", role="master", area="domains",
               tag=TAG, body=schemas.Increment, out=schemas.Decision, prepare=_lock_name_of_domain,
               errors={409: "The login is no mailbox of the domain"},
               summary="Decide about one message and count its recipients")
    def increment_outbound(self, name, body):
        """The policy daemon's decision for Postfix, by the same code and on the same counters: in
        one transaction, and counted if accepted."""
        decision, today, month = find_domain(name)._decide_outgoing(
            recipients=body.recipients, addresses=body.to or (), login=body.login
        )
        return schemas.Decision(
            action=decision.action, wanted=decision.wanted, code=decision.code or None,
            reason=decision.reason, rule=decision.rule or None, limit=decision.limit,
            used=decision.used, retry_at=decision.retry_at, today=today, this_month=month,
        )

    @operation("GET", "/domains/{name}/retention", role="customer", area="domains", tag=TAG,
               out=schemas.Retention, summary="Get the retention")
    def get_retention(self, name):
        return _retention_of(find_domain(name))

    @operation("PUT", "/domains/{name}/retention", role="master", area="domains", tag=TAG,
               body=schemas.RetentionUpdate, out=schemas.Retention, current="get_retention",
               summary="Set the retention")
    def set_retention(self, name, body):
        domain = find_domain(name)
        domain.write({f"retention_{folder}": days for folder, days in _given(body).items()})
        return _retention_of(domain)

    @operation("GET", "/domains/{name}/transfer", role="customer", area="domains", tag=TAG,
               out=schemas.Transfer, summary="Get the monthly traffic limit and usage")
    def get_transfer(self, name):
        return _transfer_of(find_domain(name))

    @operation("PUT", "/domains/{name}/transfer", role="master", area="domains", tag=TAG,
               body=schemas.TransferUpdate, out=schemas.Transfer, current="get_transfer",
               summary="Set the monthly traffic limit")
    def set_transfer(self, name, body):
        domain = find_domain(name)
        values = {"transfer_limit": body.limit}
        if body.over_limit:
            values["transfer_over_limit"] = "warn" if body.over_limit == "warn" else "defer"
        domain.write(values)
        return _transfer_of(domain)
