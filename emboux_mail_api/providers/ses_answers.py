# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What SES answers, as value objects.  Source: GetEmailIdentity in the API reference, version 2."""

from odoo.addons.emboux_core.dns.expected import REQUIRED, ExpectedRecord
from odoo.addons.emboux_core.net.answers import Fields, Unfit

from .base import FAILED, PENDING, VERIFIED, Registration

SPF = ("include:amazonses.com",)
HAS_TO_RESTART = ("FAILED", "NOT_STARTED")
_HOSTED_ZONE = "dkim.amazonses.com"
_PURPOSE = "Proves the domain to Amazon SES and lets receivers check the signature of its mail."
_WHY = {
    "SERVICE_ERROR": "Amazon has a problem of its own; it looks again by itself.",
    "DNS_SERVER_ERROR": "The domain's name servers answered with an error.",
    "HOST_NOT_FOUND": "The CNAME records for DKIM are not in the domain's DNS.",
    "TYPE_NOT_FOUND": "There are records with the names of those for DKIM, but they are no CNAME.",
    "INVALID_VALUE": "A CNAME record for DKIM points to something else.",
}


def identity_of(answer: Fields, name: str) -> tuple[Registration, str]:
    """The registration, and the state of its DKIM in SES' words."""
    if answer.text("IdentityType", r"[A-Z_]+") == "EMAIL_ADDRESS":
        raise Unfit("it speaks of an address, not of a domain")
    dkim = answer.object("DkimAttributes")
    status = dkim.text("Status", r"[A-Z_]+")
    records = _records(dkim, name)
    if answer.flag("VerifiedForSendingStatus"):
        reason = "Amazon SES has verified the domain."
        if status != "SUCCESS":
            reason = "Amazon SES lets the domain send, but its DKIM is not verified."
            return Registration(name, PENDING, reason, records, SPF), status
        return Registration(name, VERIFIED, reason, records, SPF), status
    why = _why(answer)
    if status == "FAILED":
        reason = why or "The CNAME records for DKIM were not in the domain's DNS in time."
        return Registration(name, FAILED, f"Amazon SES gave up: {reason}", records, SPF), status
    if status == "NOT_STARTED":
        reason = "Amazon SES does not look for the domain's DKIM records: verify it once more."
    elif status == "TEMPORARY_FAILURE":
        reason = f"Amazon SES cannot look at the moment. {why}".strip()
    else:
        reason = f"Amazon SES does not find the DKIM records yet. {why}".strip()
    return Registration(name, PENDING, reason, records, SPF), status


def destinations_of(answer: Fields) -> dict[str, tuple[bool, frozenset[str], str]]:
    """Whether it is on, its event types and its SNS topic, by the destination's name."""
    found = {}
    for row in answer.objects("EventDestinations"):
        try:
            topic = row.object("SnsDestination").text("TopicArn")
        except Unfit:
            topic = ""  # of another kind
        events = frozenset(row.texts("MatchingEventTypes", r"[A-Z_]+"))
        found[row.text("Name")] = (row.flag("Enabled"), events, topic)
    return found


def _records(dkim: Fields, name: str) -> tuple[ExpectedRecord, ...]:
    """Three CNAME records, none while DKIM was not begun."""
    try:
        tokens = dkim.texts("Tokens", r"[a-z0-9]+", 63)
    except Unfit:
        if dkim.text("Status") != "NOT_STARTED":
            raise
        return ()
    try:
        zone = dkim.text("SigningHostedZone", r"[a-z0-9-]+(\.[a-z0-9-]+)+\.?", 253)
    except Unfit:
        zone = _HOSTED_ZONE  # an older answer has none
    return tuple(
        ExpectedRecord(
            f"dkim:{token}", "CNAME", f"{token}._domainkey.{name}",
            f"{token}.{zone.removesuffix('.')}.", REQUIRED, _PURPOSE,
        )
        for token in tokens
    )  # fmt: skip


def _why(answer: Fields) -> str:
    try:
        return _WHY.get(answer.object("VerificationInfo").text("ErrorType"), "")
    except Unfit:
        return ""
