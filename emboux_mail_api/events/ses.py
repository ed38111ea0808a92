# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Amazon SES's notifications, as they stand in the ``Message`` of an SNS notification.

Both shapes: feedback notifications of an identity (``notificationType``), and event publishing
of a configuration set (``eventType``).  A bounce that is reported by both has one ``feedbackId``
and so is one event.
"""

import json
from datetime import datetime
from typing import Any

from .base import (
    Event,
    Unreadable,
    dict_at,
    domain_of,
    identity,
    moment,
    one_spelling,
    text_at,
    words,
)

#: SES did not try, because the address is on the account's own list; SES counts these nowhere.
_BY_LIST = "OnAccountSuppressionList"
#: The recipient has marked it as not spam.
_PRAISE = "not-spam"


def parse(message: str) -> tuple[Event, ...]:
    """One event for each recipient; none for an irrelevant kind.

    A recipient without address is passed over where there are others: theirs count.

    :raises Unreadable: it is no notification of SES, or lacks what it has to have.
    """
    try:
        said = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The message is not JSON.") from error
    if not isinstance(said, dict):
        raise Unreadable("The message is not an object.")
    kind = text_at(said, "notificationType") or text_at(said, "eventType")
    if not kind:
        raise Unreadable("The message has neither notificationType nor eventType.")
    reader = _READERS.get(kind)
    return reader(said) if reader else ()


def _bounces(said) -> tuple[Event, ...]:
    bounce = dict_at(said, "bounce")
    subtype = text_at(bounce, "bounceSubType")
    left = subtype == "UnsubscribedRecipient"
    return tuple(
        _event(
            said, bounce, recipient,
            kind="unsubscribe" if left else "bounce",
            permanent=text_at(bounce, "bounceType") == "Permanent",
            fresh=not left and subtype != _BY_LIST,
            reason=words(
                bounce.get("bounceType"), subtype, recipient.get("status"),
                recipient.get("diagnosticCode"),
            ),
        )
        for recipient in _recipients(bounce, "bouncedRecipients")
    )  # fmt: skip


def _complaints(said) -> tuple[Event, ...]:
    complaint = dict_at(said, "complaint")
    feedback = text_at(complaint, "complaintFeedbackType")
    subtype = text_at(complaint, "complaintSubType")
    if feedback == _PRAISE:
        return ()
    return tuple(
        _event(
            said, complaint, recipient,
            kind="complaint", permanent=True, fresh=subtype != _BY_LIST,
            reason=words(feedback or "no feedback type", subtype),
        )
        for recipient in _recipients(complaint, "complainedRecipients")
    )  # fmt: skip


def _deliveries(said) -> tuple[Event, ...]:
    delivery = dict_at(said, "delivery")
    recipients = delivery.get("recipients")
    if not isinstance(recipients, list):
        raise Unreadable("The delivery has no recipients.")
    recipients = [r for r in recipients if isinstance(r, str) and r] or recipients
    return tuple(
        _event(
            said, delivery, {"emailAddress": recipient},
            kind="delivery", permanent=False, fresh=True,
            reason=words(delivery.get("smtpResponse")),
        )
        for recipient in recipients
    )  # fmt: skip


def _subscriptions(said) -> tuple[Event, ...]:
    """The recipient used SES's own unsubscribe link; single topics are the list's business."""
    change = dict_at(said, "subscription")
    if dict_at(change, "newTopicPreferences").get("unsubscribeAll") is not True:
        return ()
    destinations = dict_at(said, "mail").get("destination")
    if not isinstance(destinations, list) or len(destinations) != 1:
        raise Unreadable("The message does not say who left.")
    return (
        _event(
            said, change, {"emailAddress": destinations[0]},
            kind="unsubscribe", permanent=True, fresh=True, reason=words(change.get("source")),
        ),
    )  # fmt: skip


_READERS = {
    "Bounce": _bounces,
    "Complaint": _complaints,
    "Delivery": _deliveries,
    "Subscription": _subscriptions,
}


def _recipients(section, name) -> list[dict[str, Any]]:
    found = section.get(name)
    if not isinstance(found, list):
        raise Unreadable(f"The message has no {name}.")
    named = [item for item in found if isinstance(item, dict) and text_at(item, "emailAddress")]
    if found and not named:
        raise Unreadable(f"The message has no {name} with an address.")
    return named


def _event(said, section, recipient, *, kind, permanent, fresh, reason) -> Event:
    address = text_at(recipient, "emailAddress")
    at = moment(section.get("timestamp")) or moment(dict_at(said, "mail").get("timestamp"))
    message_id = text_at(said, "mail", "messageId")
    # feedback of one kind about one recipient; a delivery has no number of its own
    number = text_at(section, "feedbackId") or f"{message_id}/{kind}"
    if not address or not at or not message_id:
        raise Unreadable("The message has no recipient, no timestamp or no messageId.")
    return Event(
        provider="ses",
        provider_id=identity(number, one_spelling(address)),
        kind=kind,
        permanent=permanent or kind == "unsubscribe",
        recipient=address,
        domain=_sender(said),
        at=at,
        sent_at=_sent_at(said, at),
        reason=reason,
        fresh=fresh,
        handed=message_id,
    )


def _sent_at(said, at: datetime) -> datetime | None:
    sent = moment(dict_at(said, "mail").get("timestamp"))
    return min(sent, at) if sent else None


def _sender(said) -> str:
    """The domain of the envelope's sender, else of the identity that SES sent for."""
    if domain := domain_of(text_at(said, "mail", "source")):
        return domain
    identity_of = text_at(said, "mail", "sourceArn").rpartition(":identity/")[2].lower()
    return domain_of(identity_of) if "@" in identity_of else identity_of
