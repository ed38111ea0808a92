# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mailgun's webhooks: the dictionary below ``event-data`` as an event.

Shapes as in Mailgun's documentation of events (version 3): ``failed`` with ``severity``
``permanent`` or ``temporary``, ``complained``, ``unsubscribed``, ``delivered``.
"""

from datetime import UTC, datetime
from typing import Any

from .base import Event, Unreadable, dict_at, domain_of, identity, is_below, text_at, words

_KINDS = {
    "failed": "bounce",
    "complained": "complaint",
    "unsubscribed": "unsubscribe",
    "delivered": "delivery",
}
#: Failure reasons that Mailgun gives when it did not attempt delivery.
_BY_LIST = {
    "suppress-bounce": "bounce",
    "suppress-complaint": "complaint",
    "suppress-unsubscribe": "unsubscribe",
}
#: Mailgun gave up after many attempts: no permanent refusal.
_GAVE_UP = {"old"}


def parse(data: dict[str, Any]) -> Event | None:
    """The event of a webhook; None for an irrelevant kind.

    :raises Unreadable: it is of such a kind, and something that it has to have is missing.
    """
    named = text_at(data, "event")
    if named not in _KINDS:
        return None
    number, recipient, at = text_at(data, "id"), text_at(data, "recipient"), _at(data)
    if not number or not recipient or not at:
        raise Unreadable("The event has no id, no recipient or no timestamp.")
    kind, permanent, fresh = _KINDS[named], named != "delivered", True
    why = text_at(data, "reason")
    if named == "failed":
        permanent = text_at(data, "severity") == "permanent" and why not in _GAVE_UP
        if why in _BY_LIST:
            kind, fresh = _BY_LIST[why], False
    status = dict_at(data, "delivery-status")
    return Event(
        provider="mailgun",
        # Mailgun promises ids that are unique within a day
        provider_id=identity(f"{at:%Y-%m-%d}", number),
        kind=kind,
        permanent=permanent,
        recipient=recipient,
        domain=_sender(data),
        at=at,
        reason=words(
            why, status.get("code"), status.get("message") or status.get("description")
        ),
        fresh=fresh,
        message_id=text_at(data, "message", "headers", "message-id").strip("<> "),
    )


def _at(data) -> datetime | None:
    seconds = data.get("timestamp")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _sender(data) -> str:
    """The sending domain, preferably by what a customer cannot forge.

    The envelope's sender was checked by Postfix, the account's domain by Mailgun; the header
    ``From`` is whatever the message says, so beside the account's domain it is believed only
    below that one: else somebody's complaints could be counted for another.
    """
    if envelope := domain_of(text_at(data, "envelope", "sender")):
        return envelope
    account = text_at(data, "domain", "name").strip(" .").lower()
    header = domain_of(text_at(data, "message", "headers", "from"))
    if header and (not account or is_below(header, account)):
        return header
    return account
