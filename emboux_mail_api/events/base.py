# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a provider of outgoing mail reports, whoever it is."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Literal

from odoo.addons.emboux_core import addresses

Kind = Literal["bounce", "complaint", "unsubscribe", "delivery"]

_MAX_ID_LENGTH = 250  # characters; longer ones are hashed, so that an index can hold them
_MAX_TEXT_LENGTH = 500  # characters of a reason that people read


class Unreadable(ValueError):
    """A report that cannot be understood; ``str()`` is why, in a sentence."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to one message on its way to one recipient.

    ``provider_id``: the same however often, and in whatever message, it is reported.
    ``permanent``: a hard bounce; always true for complaints and unsubscriptions.
    ``recipient``, ``domain``: as the provider writes them, nothing is normalised; ``domain`` is
    the sender's and empty where the report does not say.
    ``at``: when it happened, aware and UTC. ``sent_at``: when the message was handed over, if
    the provider says so.
    ``message_id``: of the message's header, without angle brackets, where the report says it.
    ``handed``: what the provider's server said when it took the message holds this number of it.
    ``fresh``: False where the provider did not try because of a list of its own: it is no new
    bounce or complaint, so it counts for no rate.
    """

    provider: Literal["mailgun", "ses"]
    provider_id: str
    kind: Kind
    permanent: bool
    recipient: str
    domain: str
    at: datetime
    reason: str = ""
    sent_at: datetime | None = None
    fresh: bool = True
    message_id: str = ""
    handed: str = ""


def identity(*parts: str) -> str:
    """One name of several parts, short enough for an index, of characters that it can hold."""
    joined = "/".join(parts)
    if len(joined) <= _MAX_ID_LENGTH and joined.isprintable():
        return joined
    return f"sha256/{hashlib.sha256(joined.encode(errors='surrogatepass')).hexdigest()}"


def one_spelling(address: str) -> str:
    """What names a recipient, however they are written; two spellings of one are one event."""
    try:
        return addresses.normalise_reported(address)
    except addresses.AddressError:
        return address.lower()


def domain_of(address: Any) -> str:
    """The part behind the last @ of an address, with or without a name, lower-case; or empty."""
    if not isinstance(address, str):
        return ""
    _local, at, domain = parseaddr(address)[1].rpartition("@")
    return domain.strip(" .").lower() if at else ""


def is_below(name: str, parent: str) -> bool:
    """Whether a name is this one or below it."""
    return name == parent or name.endswith(f".{parent}")


def words(*parts: Any) -> str:
    """A reason for people: the parts that say something, on one line, cut off."""
    said = [str(part) for part in parts if isinstance(part, (str, int)) and part not in ("", 0)]
    line = "".join(char if char.isprintable() else " " for char in " ".join(said))
    return " ".join(line.split())[:_MAX_TEXT_LENGTH]


def text_at(value: Any, *path: str) -> str:
    """The text that lies at this path of nested dictionaries, or an empty string."""
    found = dict_at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""


def dict_at(value: Any, *path: str) -> dict:
    """The dictionary at this path, or an empty one."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def moment(text: Any) -> datetime | None:
    """An ISO 8601 time with its offset as UTC, or None."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
