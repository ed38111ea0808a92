# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A message of what a request says (RFC 5322, 2045), by the standard library's ``email``."""

import base64
import binascii
import email
import email.policy
import io
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from odoo.addons.emboux_core import addresses

#: Long lines stay whole where a header allows it: the library would fold a long URL into encoded
#: words, which nobody follows (Python 3.11 to 3.13).  Not ``email.policy.SMTP``: Odoo 19 puts one
#: of its own in its place, which never folds References, however long.
POLICY = email.policy.EmailPolicy(linesep="\r\n", max_line_length=900, cte_type="7bit")
#: Headers that are fields of the request, or the mail servers' to write.
RESERVED = frozenset({
    "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "in-reply-to",
    "references", "sender", "return-path", "received", "delivered-to", "mime-version",
    "dkim-signature", "authentication-results", "arc-seal", "arc-message-signature",
    "arc-authentication-results",
})  # fmt: skip
BINARY = "application/octet-stream"
_LINE = 76  # letters of Base64 (RFC 2045, 6.8)
_BLOCK = _LINE // 4 * 3 * 1000  # bytes that are encoded at once
_RESERVED_BEGINNINGS = ("content-", "resent-", "x-emboux-")
_NAME = re.compile(r"[!-9;-~]{1,76}")
_MESSAGE_ID = re.compile(r"<?([^\s<>@]{1,400}@[^\s<>@]{1,400})>?")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")


class ComposeError(ValueError):
    """It is no message.  ``code`` as mox names it, ``field`` of the request; ``str()`` says why."""

    def __init__(self, code: str, field: str, sentence: str):
        super().__init__(sentence)
        self.code, self.field = code, field


@dataclass(frozen=True)
class Attachment:
    """``content_id``: by which the HTML shows it (``cid:``); empty for one that is listed."""

    name: str
    content: bytes
    content_type: str = BINARY
    content_id: str = ""


@dataclass(frozen=True)
class Draft:
    """What a request says.  Addresses as people write them: ``Ann <ann@acme.example>``."""

    sender: str = ""
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    in_reply_to: str = ""
    references: Sequence[str] = ()
    message_id: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Composed:
    """``sender``: the address in From, its domain as A-label; ``recipients``: each once, in the
    order of To, Cc and Bcc; ``message_id``: without angle brackets."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]
    message_id: str


def compose(draft: Draft, now: datetime | None = None) -> Composed:
    """:raises ComposeError: with the field at fault."""
    now = now or datetime.now(UTC)
    return _of_raw(draft, now) if draft.raw else _of_fields(draft, now)


def _of_fields(draft: Draft, now: datetime) -> Composed:
    sender = _mailbox(draft.sender, "badFrom", "from")
    to, cc, bcc = (_mailboxes(getattr(draft, name), name) for name in ("to", "cc", "bcc"))
    recipients = _recipients([*to, *cc, *bcc])
    if not draft.text and not draft.html:
        raise ComposeError("missingBody", "text", "Give it a text, or HTML, or both.")
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    for name, values in (("To", to), ("Cc", cc),
                         ("Reply-To", _mailboxes(draft.reply_to, "reply_to"))):
        if values:
            message[name] = values
    message["Subject"] = _line(draft.subject, "subject")
    message["Date"] = format_datetime(now)
    message_id = _message_id(draft.message_id, "message_id") or _new_id(sender)
    message["Message-ID"] = f"<{message_id}>"
    if draft.in_reply_to:
        message["In-Reply-To"] = f"<{_message_id(draft.in_reply_to, 'in_reply_to')}>"
    if draft.references:
        message["References"] = " ".join(
            f"<{_message_id(each, 'references')}>" for each in draft.references)
    for name, value in draft.headers.items():
        _add_header(message, name, value)
    contents: dict[bytes, bytes] = {}
    _add_body(message, draft, contents)
    return Composed(_with_contents(message.as_bytes(), contents), _spec(sender), recipients,
                    message_id)


def _of_raw(draft: Draft, now: datetime) -> Composed:
    """A whole message: it leaves as it is, without Bcc."""
    raw = draft.raw.encode("utf-8", "surrogateescape")
    message = email.message_from_bytes(raw, policy=email.policy.compat32.clone(linesep="\r\n"))
    senders = message.get_all("From", [])
    if len(senders) != 1:
        raise ComposeError("badFrom", "raw", "It has to have one From header.")
    sender = _mailbox(" ".join(str(senders[0]).split()), "badFrom", "raw")
    given = [*draft.to, *draft.cc, *draft.bcc]
    if not given:
        for name in ("To", "Cc", "Bcc"):
            for value in message.get_all(name, []):
                given += map(str, email.policy.default.header_factory(
                    name, " ".join(str(value).split())).addresses)
    recipients = _recipients(_mailboxes(given, "to"))
    del message["Bcc"]
    if not message["Date"]:
        message["Date"] = format_datetime(now)
    message_id = _message_id(str(message["Message-ID"] or ""), "raw")
    if not message_id:
        message_id = _new_id(sender)
        del message["Message-ID"]
        message["Message-ID"] = f"<{message_id}>"
    return Composed(message.as_bytes(), _spec(sender), recipients, message_id)


# -- parts -------------------------------------------------------------------------------


def _add_header(message: EmailMessage, name: str, value: str) -> None:
    lower = name.lower()
    if not _NAME.fullmatch(name):
        raise ComposeError("user", "headers", f"'{name}' is no name of a header.")
    if lower in RESERVED or lower.startswith(_RESERVED_BEGINNINGS):
        raise ComposeError(
            "user", "headers", f"{name} is not for 'headers': there is a field for it, or it is "
            "the mail servers' to write.")
    message[name] = _line(value, "headers")


def _add_body(message: EmailMessage, draft: Draft, contents: dict[bytes, bytes]) -> None:
    """``contents``: gets what stands for the content of each attachment, with that content.

    The library keeps several copies of a part, as lines: of 20 MB ten times as much.
    """

    def placeholder(content: bytes) -> bytes:
        sign = uuid.uuid4().bytes + uuid.uuid4().bytes
        contents[base64.b64encode(sign)] = content
        return sign

    inline = [each for each in draft.attachments if each.content_id]
    if draft.text:
        message.set_content(draft.text)
    if draft.html:
        if draft.text:
            message.add_alternative(draft.html, subtype="html")
            page = message.get_payload()[-1]
        else:
            message.set_content(draft.html, subtype="html")
            page = message
        for each in inline:
            page.add_related(
                placeholder(each.content), *_type(each),
                cid=f"<{_line(each.content_id, 'attachments')}>",
                filename=_line(each.name, "attachments"), disposition="inline")
    elif inline:
        raise ComposeError(
            "missingBody", "attachments", "A content id is for what the HTML shows, and there is "
            "no HTML.")
    for each in draft.attachments:
        if not each.content_id:
            message.add_attachment(
                placeholder(each.content), *_type(each), filename=_line(each.name, "attachments"))


def _with_contents(composed: bytes, contents: dict[bytes, bytes]) -> bytes:
    """The message with the content of each attachment in Base64 in its place."""
    if not contents:
        return composed
    whole = io.BytesIO()
    places = sorted((composed.index(sign + b"\r\n"), sign) for sign in contents)
    done = 0
    for place, sign in places:
        whole.write(composed[done:place])
        content = memoryview(contents[sign])
        for at in range(0, len(content), _BLOCK):
            text = binascii.b2a_base64(content[at:at + _BLOCK], newline=False)
            for line in range(0, len(text), _LINE):
                whole.write(text[line:line + _LINE])
                whole.write(b"\r\n")
        done = place + len(sign) + 2
    whole.write(composed[done:])
    return whole.getvalue()


def _type(attachment: Attachment) -> list[str]:
    kind = attachment.content_type.lower()
    if not _TYPE.fullmatch(kind):
        raise ComposeError("user", "attachments", f"'{kind}' is no content type.")
    if kind.startswith(("multipart/", "message/")):
        # as bytes, whatever is in them
        kind = BINARY
    return kind.split("/")


def _line(text: str, name: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ComposeError("user", name, "It contains a control character, such as a line break.")
    return text


def _message_id(text: str, name: str) -> str:
    if not text:
        return ""
    found = _MESSAGE_ID.fullmatch(text.strip())
    if not found or not found[1].isascii():
        raise ComposeError(
            "malformedMessageID", name, "A Message-ID is like <4711@shop.example>.")
    return found[1]


def _new_id(sender: Address) -> str:
    return f"{uuid.uuid4().hex}@{sender.domain}"


def _spec(address: Address) -> str:
    return f"{address.username.lower()}@{address.domain}"


def _recipients(given: Sequence[Address]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(address.addr_spec for address in given))
    if not found:
        raise ComposeError("noRecipients", "to", "Say to whom it goes.")
    return found


def _mailboxes(texts: Sequence[str], name: str) -> tuple[Address, ...]:
    return tuple(_mailbox(text, "badAddress", name) for text in texts)


def _mailbox(text: str, code: str, name: str) -> Address:
    """One address with or without a name, its domain as A-label."""
    try:
        _line(text, name)
        header = email.policy.default.header_factory("To", text)
        [address] = header.addresses
        if header.defects or "." not in address.domain:
            raise ValueError(text)
        spec = addresses.normalise_reported(address.addr_spec)
        if not spec.isascii():
            raise ValueError(text)
        return Address(address.display_name, addr_spec=spec)
    except ComposeError:
        raise
    except (ValueError, IndexError) as error:
        said = str(error) if isinstance(error, addresses.AddressError) else (
            "It has to be one address, such as ann@acme.example or Ann <ann@acme.example>.")
        raise ComposeError(code, name, said) from None
