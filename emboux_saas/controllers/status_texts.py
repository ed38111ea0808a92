# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The status of a domain, its records and its sending, as a customer reads it."""

from odoo.http import request

from odoo.addons.emboux_core.dns.expected import is_wildcard

from ..models.customer_portal import format_mb


def is_ours(domain):
    """Whether it is below a domain of the operator, who then sets its DNS records."""
    # as superuser: the parent is the operator's
    parent = domain.sudo().parent_id
    return bool(parent) and parent.partner_id != domain.partner_id


def domain_status(domain):
    """(colour, label, sentence) of a domain's state."""
    env = request.env
    # as superuser: the parent is the operator's, its name is no secret to its child
    parent = domain.sudo().parent_id
    if domain.state == "suspended":
        return "danger", env._("Suspended"), env._(
            "No mail comes in or goes out; nothing is lost. Mail from outside waits with its "
            "senders for some days."
        )
    if domain.outbound_parent_stop:
        return "danger", env._("Stopped"), env._(
            "It cannot send: %s Write to us.", domain.outbound_parent_stop
        )
    # as superuser: the provider is the operator's, that it is not ready is no secret
    if domain.state == "verified" and domain.sudo().sending_note:
        return "warning", env._("Receives, cannot send yet"), env._(
            "It is verified. We are still setting it up with the service that carries your mail; "
            "there is nothing for you to do."
        )
    if domain.state == "verified" and domain.arrival_note and is_ours(domain):
        return "warning", env._("Sends, cannot receive yet"), env._(
            "It sends through %s. Its records for incoming mail are not in the DNS yet: we set "
            "them and check again automatically.", parent.display_name,
        )
    if domain.state == "verified" and domain.arrival_note:
        return "warning", env._("Sends, cannot receive yet"), domain.arrival_note
    if domain.state == "verified" and is_ours(domain):
        return "success", env._("Ready"), env._(
            "It sends and receives through %s. You need not set any DNS record.",
            parent.display_name,
        )
    if domain.state == "verified" and parent:
        return "success", env._("Ready"), env._(
            "It sends and receives through %s.", parent.display_name
        )
    if domain.state == "verified":
        if domain.dns_state == "attention":
            return "warning", env._("Needs attention"), env._(
                "It sends and receives, but a DNS record is missing or wrong. Correct it before "
                "mail is lost."
            )
        return "success", env._("Ready"), env._("It sends and receives.")
    if domain.state == "failed":
        return "danger", env._("Failed"), env._(
            "It cannot send, because its DNS records are not right. Set them as below, then use "
            "Check Now."
        )
    if domain.owned_since:
        return "warning", env._("Receives, cannot send yet"), env._(
            "Your ownership is proven, so mail is accepted. Set the remaining records so that it "
            "can send."
        )
    return "warning", env._("Waiting for DNS"), env._(
        "Set the records below where you have registered the domain, then use Check Now. We also "
        "check automatically."
    )


def record_status(record):
    """One DNS record with its state, what it is for and what to do, for the page."""
    env = request.env
    state = {
        "ok": ("success", "fa-check-circle", env._("Set"), ""),
        "missing": ("danger", "fa-times-circle", env._("Missing"), env._("Create this record.")),
        "wrong": (
            "danger", "fa-exclamation-circle", env._("Wrong"),
            env._("There is another value. Change it to the value shown."),
        ),
        "unknown": ("muted", "fa-question-circle", env._("Not checked"), ""),
    }[record.state]
    colour, icon, label, advice = state
    if advice and is_ours(record.domain_id):
        advice = env._("Set by us: there is nothing for you to do.")
    relative = record.name.removesuffix(record.domain_id.name).removesuffix(".") or "@"
    return {
        "id": record.id, "type": record.record_type, "level": record.level,
        "name": record.name, "relative": relative,
        "values": record.expected.split("\n") if record.record_type == "MX" else [record.expected],
        "found": record.found if record.state == "wrong" else "",
        "note": record.note if record.state == "wrong" else "",
        "colour": colour, "icon": icon, "label": label, "advice": advice,
        "purpose": _purpose(record),
    }


def _purpose(record):
    env = request.env
    if is_wildcard(record.key):
        return env._("Makes mail for its subdomains arrive, and what they send be believed.")
    kind = record.key.partition(":")[0]
    return {
        "verification": env._("Proves that the domain is yours."),
        "mx": env._("Tells other servers where to deliver your mail."),
        "spf": env._("Lists who may send your mail; without it much of it lands in spam."),
        "dkim": env._("Lets receivers check the signature of your mail."),
        "provider": env._("Lets the service that carries your mail outside know you."),
        "dmarc": env._("Tells receivers what to do with forged mail."),
        "srv": env._("Lets mail programs find the server automatically."),
        "autoconfig": env._("Lets mail programs set themselves up from the address."),
        "mta_sts": env._("Asks other servers to deliver with encryption."),
        "tls_report": env._("Asks other servers to report when they could not encrypt."),
    }.get(kind) or record.purpose or ""


def sending_status(domain):
    """(colour, sentence, remedy) of a domain's sending."""
    env = request.env
    if domain.outbound_status == "blocked":
        return "danger", env._("Sending is stopped."), env._(
            "%s Write to us, once the cause is removed: we let it send again.",
            domain.outbound_reason or "",
        )
    if domain.state == "suspended":
        return "danger", env._("Sending is stopped, because the domain is suspended."), ""
    if domain.outbound_parent_stop:
        return "danger", env._("Sending is stopped."), env._(
            "%s Write to us.", domain.outbound_parent_stop
        )
    if domain.state != "verified":
        return "warning", env._("It cannot send yet."), env._(
            "Its DNS records have to be set first."
        )
    if domain.sending_note:
        return "warning", env._("It cannot send yet."), env._(
            "We are still setting it up with the service that carries your mail. This is ours to "
            "do; it takes some minutes."
        )
    if domain.outbound_cap and domain.outbound_today >= domain.outbound_cap:
        return "warning", env._("Today's limit is reached."), env._(
            "Further mail waits or comes back. Sending resumes tomorrow; a larger plan allows more."
        )
    if domain.outbound_use >= 0.8:
        return "warning", env._("Today's limit is nearly reached."), env._(
            "A larger plan allows more."
        )
    return "success", env._("All is well."), ""


def size_text(mailbox):
    """How full a mailbox is."""
    used = format_mb(request.env, mailbox.usage_mb)
    if not mailbox.quota_mb:
        return used
    return request.env._(
        "%(used)s of %(limit)s (%(percent)s %%)", used=used,
        limit=format_mb(request.env, mailbox.quota_mb), percent=round(mailbox.usage_percent),
    )
