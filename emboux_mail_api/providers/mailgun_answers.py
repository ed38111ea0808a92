# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What Mailgun's API answers, as value objects.

Each function raises ``Unfit`` for what is of another shape; fields that are not known are passed
over.  Source: documentation.mailgun.com, API reference, Domains and Webhooks.
"""

import re

import dns.exception

from odoo.addons.emboux_core.dns.expected import REQUIRED, ExpectedRecord, rdata
from odoo.addons.emboux_core.net.answers import Fields, Unfit

from .base import FAILED, PENDING, VERIFIED, Registration

_HOST = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?"
_DKIM = re.compile(r"(?P<selector>[a-z0-9.-]+)\._domainkey\..+")
_ALL = re.compile(r"[+?~-]?all", re.IGNORECASE)
_PURPOSE = "Lets receivers check the signature that Mailgun puts on each outgoing message."


def sentence_of(body: bytes) -> str:
    """Mailgun's reason, or an empty string when this is no error of its API."""
    for name in ("message", "Reason", "Error"):
        try:
            return Fields.parse(body).any_text(name)
        except Unfit:
            continue
    return ""


def domain_of(answer: Fields, name: str) -> Registration:
    domain = answer.object("domain")
    if domain.text("name", _HOST, 253).lower() != name:
        raise Unfit("it speaks of something else than was asked for")
    records, spf, missing = _records(answer)
    state = domain.text("state", r"[a-z]+")
    if state == "active":
        return Registration(name, VERIFIED, "Mailgun has verified the domain.", records, spf)
    if state == "disabled":
        reason = f"Mailgun has disabled the domain{_why_disabled(domain)}."
        return Registration(name, FAILED, reason, records, spf)
    if state != "unverified":
        raise Unfit('"state" of the domain is none that is known')
    reason = "Mailgun has not looked at the DNS of the domain yet."
    if missing:
        reason = f"Mailgun does not find in the DNS yet: {', '.join(missing)}."
    return Registration(name, PENDING, reason, records, spf)


def webhooks_of(answer: Fields) -> dict[str, tuple[str, ...]]:
    """The URLs by event; Mailgun gives null for an event without, or leaves it out."""
    webhooks = answer.object("webhooks")
    found = {}
    for event in ("permanent_fail", "temporary_fail", "complained", "unsubscribed"):
        try:
            if webhooks.none(event):
                continue
        except Unfit:
            continue
        found[event] = webhooks.object(event).texts("urls", r"[\x21-\x7e]+")
    return found


def credentials_of(answer: Fields) -> tuple[frozenset[str], int]:
    """The logins of a page in full, and how many there are in all."""
    logins = frozenset(row.text("login").lower() for row in answer.objects("items"))
    return logins, answer.number("total_count")


def _records(answer: Fields) -> tuple[tuple[ExpectedRecord, ...], tuple[str, ...], list[str]]:
    """DKIM records, SPF mechanisms, and what of both Mailgun does not find.

    The CNAME for tracking of opens and clicks is left out: mail leaves as it was written.
    """
    records: list[ExpectedRecord] = []
    spf: list[str] = []
    missing = []
    for row in answer.objects("sending_dns_records"):
        kind = row.text("record_type", r"[A-Z]+").upper()
        owner = row.text("name", _HOST, 254).lower().removesuffix(".")
        value = row.text("value")
        dkim = _DKIM.fullmatch(owner)
        if dkim and kind in ("TXT", "CNAME"):
            if kind == "CNAME":
                value = value.removesuffix(".") + "."
            records.append(
                ExpectedRecord(f"dkim:{dkim['selector']}", kind, owner, value, REQUIRED, _PURPOSE)
            )
            _assert_writable(records[-1])
        elif kind == "TXT" and value.lower().startswith("v=spf1 "):
            spf += [term for term in value.split()[1:] if not _ALL.fullmatch(term)]
        else:
            continue
        if row.text("valid", r"[A-Za-z]+").lower() != "valid":
            missing.append(f"{'SPF' if not dkim else kind} of {owner}")
    return tuple(records), tuple(dict.fromkeys(spf)), missing


def _assert_writable(record: ExpectedRecord) -> None:
    try:
        rdata(record.record_type, record.value)
    except (dns.exception.DNSException, ValueError):
        raise Unfit("what it wants in the DNS cannot stand there") from None


def _why_disabled(domain: Fields) -> str:
    try:
        return f" ({domain.object('disabled').any_text('reason').rstrip('.')})"
    except Unfit:
        return ""
