"""How a domain, its records and its sending stand, as a customer reads it."""

from odoo.http import request

from ..models.portal_customer import say_mb


def domain_words(domain):
    """(colour, label, sentence) of a domain's state."""
    _ = request.env._
    # as superuser: the parent is the operator's, its name is no secret to its child
    parent = domain.sudo().parent_id
    if domain.state == "suspended":
        return "danger", _("Suspended"), _(
            "No mail comes in or goes out; nothing is lost. Mail from outside waits with its "
            "senders for some days."
        )
    if domain.state == "verified" and parent:
        return "success", _("Ready"), _(
            "It sends and receives by %s. You need not set any DNS record.", parent.display_name
        )
    if domain.state == "verified":
        if domain.dns_state == "attention":
            return "warning", _("Needs attention"), _(
                "It sends and receives, but a DNS record is missing or wrong. Put it right, "
                "before mail is lost."
            )
        return "success", _("Ready"), _("It sends and receives.")
    if domain.state == "failed":
        return "danger", _("Failed"), _(
            "It cannot send, because its DNS records are not right. Set them as below, then use "
            "Check Now."
        )
    if domain.owned_since:
        return "warning", _("Receives, cannot send yet"), _(
            "It is proven to be yours, so mail is accepted. Set the remaining records, so that "
            "it can send."
        )
    return "warning", _("Waiting for DNS"), _(
        "Set the records below where you have registered the domain, then use Check Now. We "
        "check by ourselves too."
    )


def record_words(record):
    """One DNS record with its state, what it is for and what to do, for the page."""
    _ = request.env._
    state = {
        "ok": ("success", "fa-check-circle", _("Set"), ""),
        "missing": ("danger", "fa-times-circle", _("Missing"), _("Create this record.")),
        "wrong": (
            "danger", "fa-exclamation-circle", _("Wrong"),
            _("There is another value. Change it to the value shown."),
        ),
        "unknown": ("secondary", "fa-question-circle", _("Not checked"), ""),
    }[record.state]
    colour, icon, label, advice = state
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
    _ = request.env._
    kind = record.key.partition(":")[0]
    return {
        "verification": _("Proves that the domain is yours."),
        "mx": _("Tells other servers where to deliver your mail."),
        "spf": _("Lists who may send your mail; without it much of it lands in spam."),
        "dkim": _("Lets receivers check the signature of your mail."),
        "provider": _("Lets the service that carries your mail outside know you."),
        "dmarc": _("Tells receivers what to do with forged mail."),
        "srv": _("Lets mail programs find the server by themselves."),
        "autoconfig": _("Lets mail programs set themselves up from the address."),
        "mta_sts": _("Asks other servers to deliver with encryption."),
        "tls_report": _("Asks other servers to report when they could not encrypt."),
    }.get(kind) or record.purpose or ""


def sending_words(domain):
    """(colour, sentence, remedy) of a domain's sending."""
    _ = request.env._
    if domain.outbound_status == "blocked":
        return "danger", _("Sending is stopped."), _(
            "%s Write to us, once the cause is removed: we let it send again.",
            domain.outbound_reason or "",
        )
    if domain.state == "suspended":
        return "danger", _("Sending is stopped, because the domain is suspended."), ""
    if domain.state != "verified":
        return "warning", _("It cannot send yet."), _("Its DNS records have to be set first.")
    if domain.sending_note:
        return "warning", _("It cannot send yet."), _(
            "We are still setting it up with the service that carries your mail. This is ours to "
            "do; it takes some minutes."
        )
    if domain.outbound_cap and domain.outbound_today >= domain.outbound_cap:
        return "warning", _("Today's limit is reached."), _(
            "Further mail waits or comes back. Tomorrow it goes on; a larger plan allows more."
        )
    if domain.outbound_use >= 0.8:
        return "warning", _("Today's limit is nearly reached."), _(
            "A larger plan allows more."
        )
    return "success", _("All is well."), ""


def size_words(mailbox):
    """How full a mailbox is."""
    used = say_mb(request.env, mailbox.usage_mb)
    if not mailbox.quota_mb:
        return used
    return request.env._(
        "%(used)s of %(limit)s (%(percent)s %%)", used=used,
        limit=say_mb(request.env, mailbox.quota_mb), percent=round(mailbox.usage_percent),
    )
