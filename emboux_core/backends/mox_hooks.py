# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What mox tells by its webhooks, described for v0.0.17 (2026-08-19): ``webhook/webhook.go``.

Only an answer of 200 counts for it; all else is told again, in 1, 2, 4, 7.5, 15, 30 minutes, 1, 2,
4, 8 and 16 hours.  Told are the same things at least once, and a newer event of a message takes the
place of an older one that was not taken.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from ..net.answers import Fields

#: mox's own: what it says of one recipient comes back with each event about their message.
EXTRA = "Recipient"
#: The same for a message that is submitted by SMTP.
EXTRA_HEADER = f"X-Mox-Extra-{EXTRA}"
FAILED, SUPPRESSED, CANCELED, DELAYED = "failed", "suppressed", "canceled", "delayed"
#: Somebody has taken it who says no more of it.
ARRIVED = frozenset({"delivered", "relayed", "expanded"})
_HOOK = re.compile(r"[\x21-\x7e]{1,100}")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_HOP = re.compile(rb"(?im)^received:")
_ADDED = re.compile(rb"(?im)^(?:x-mox-[^:\n]*|delivered-to):.*\n(?:[ \t].*\n)*")


def path_of(number: int, direction: str) -> str:
    """Below an Odoo's URL: where mox tells of the mailbox of this number; ``direction``:
    "incoming" or "outgoing"."""
    return f"/emboux/mox/{number}/{direction}"


def new_secret() -> str:
    """What mox is to send as ``Authorization``."""
    return f"Bearer {secrets.token_urlsafe(32)}"


def is_secret(expected: str, given: str) -> bool:
    """Compared in a time that says nothing of where they differ."""
    return bool(expected) and hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "surrogateescape"))


def name_of(hook: str, body: bytes) -> str:
    """What a call is known by; "" for none.

    ``hook``: its ``X-Mox-Webhook-ID``.  mox counts anew after a backup was restored: the body
    belongs to it.
    """
    if not _HOOK.fullmatch(hook or ""):
        return ""
    return f"{hook}:{hashlib.sha256(body).hexdigest()[:32]}"


@dataclass(frozen=True)
class Incoming:
    """A message has come into the mailbox.  ``number``: by which mox gives it; ``recipient``: the
    address that it was sent to."""

    number: int
    recipient: str

    @classmethod
    def parse(cls, body: bytes) -> "Incoming":
        """:raises Unfit: mox says nothing like it."""
        meta = Fields.parse(body).object("Meta")
        return cls(meta.number("MsgID", 1), meta.text("RcptTo", length=1000))


def as_received(raw: bytes, recipient: str) -> bytes:
    """The message as it came in, with a ``Delivered-To`` for the address that it was sent to.

    mox puts fields in front of it, among them a ``Delivered-To`` with the address of the mailbox,
    also for what came to an alias: Odoo would look for a document by that one.
    """
    end = _END_OF_HEADERS.search(raw)
    # what is below the first hop was there before
    hop = _HOP.search(raw, 0, end.start() if end else len(raw))
    if hop:
        raw = _ADDED.sub(b"", raw[: hop.start()]) + raw[hop.start() :]
    if "@" in recipient:
        raw = f"Delivered-To: {recipient}\r\n".encode() + raw
    return raw


@dataclass(frozen=True)
class Event:
    """What became of a message that the mailbox has sent, to one recipient.

    ``recipient``: as whoever sent it wrote down, "" if nobody did. ``returned``: a report that came
    back says so, and not the server that took it, or did not. ``answer``: of a server, one line,
    ``code`` as of SMTP or 0.
    """

    kind: str
    message_id: str
    recipient: str
    returned: bool
    code: int
    answer: str

    @classmethod
    def parse(cls, body: bytes) -> "Event":
        """:raises Unfit: mox says nothing like it."""
        said = Fields.parse(body)
        named = ""
        if said.has("Extra") and not said.none("Extra"):
            extra = said.object("Extra")
            named = extra.any_text(EXTRA) if extra.has(EXTRA) else ""
        code, enhanced = said.number("SMTPCode"), said.any_text("SMTPEnhancedCode")
        answer = said.any_text("Error")
        if code and f"{code} {enhanced}".strip() not in answer:
            answer = f"{code} {enhanced} {answer}".strip()
        return cls(said.text("Event", r"[a-z]{1,30}"), said.text("MessageID", length=1000),
                   named.strip().lower(), said.flag("DSN"), code, answer)
