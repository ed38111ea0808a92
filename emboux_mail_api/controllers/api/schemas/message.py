# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, ConfigDict, Field, PrivateAttr

from ..types import Count, Cursor, DomainName, Line, Many, Moment, QueryMoment, Schema, Utc

Status = Literal[
    "accepted", "held", "delayed", "delivered", "failed", "bounced", "complained", "suppressed",
    "canceled", "rejected", "received",
]
Direction = Literal["out", "in", "internal", "forwarded"]
_PART = ("A whole address, or any part of one; of at least three characters to be found fast.")


class MessageList(Schema):
    """Which messages; all that is given has to be true of one."""

    recipient: Annotated[Line | None, Field(description=_PART)] = None
    sender: Annotated[
        Line | None, Field(description="The same of the envelope sender.")] = None
    domain: Annotated[
        DomainName | None, Field(description="The domain of yours that it belongs to.")] = None
    message_id: Annotated[
        Annotated[str, Field(max_length=998)] | None,
        Field(description="The whole Message-ID, with angle brackets or without.")] = None
    queue_id: Annotated[
        Line | None, Field(description="As in Postfix' log and in its answers.")] = None
    status: Status | None = None
    direction: Annotated[
        Direction | None,
        Field(description="`internal`: between two addresses of yours; `forwarded`: from outside "
              "to outside, by an alias of yours.")] = None
    since: Annotated[QueryMoment | None, Field(description="That came then or later.")] = None
    until: Annotated[QueryMoment | None, Field(description="That came before.")] = None
    q: Annotated[
        Line | None,
        Field(description="Part of a sender or a recipient, or of the last answer where that tells "
              "more than success.")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page.")] = 50
    cursor: Cursor | None = None


class Message(Schema):
    """What became of a message, for one recipient."""

    id: Annotated[str, Field(examples=["4711"])]
    at: Annotated[Utc, Field(description="When it came.")]
    changed_at: Annotated[Utc, Field(description="When something last happened to it.")]
    direction: Direction
    status: Status
    domain: str | None
    sender: Annotated[str, Field(description="Of the envelope; empty for reports.")]
    recipient: Annotated[str, Field(description="Empty while it is not known.")]
    original_recipient: Annotated[
        str | None, Field(description="Before an alias led on from there.")]
    message_id: str | None
    queue_id: str | None
    login: Annotated[str | None, Field(description="Who submitted it.")]
    client: Annotated[str | None, Field(description="Name and address of who brought it.")]
    size: Annotated[Many | None, Field(description="Bytes.")]
    attempts: Count
    relay: Annotated[str | None, Field(description="The server of the last attempt.")]
    receiver: Annotated[str | None, Field(description="The organisation of that server.")]
    dsn: Annotated[str | None, Field(
        description="Enhanced status code of the last answer (RFC 3463).", examples=["2.0.0"])]
    answer: Annotated[str | None, Field(description="The last answer of a server.")]
    from_id: Annotated[
        str | None, Field(
            description="The tag of its envelope sender, where it was sent by HTTP, or by SMTP "
            "from a mailbox with `own_return_address`: then all its recipients have the same.")]
    extra: Annotated[dict[str, str], Field(
        description="As it was sent with; by SMTP, in headers `X-Emboux-Extra-NAME`.")]
    tags: list[str]


class MessageEvent(Schema):
    at: datetime
    kind: Annotated[str, Field(examples=["accepted", "delayed", "delivered", "filed"])]
    words: Annotated[str, Field(description="The same as a sentence.")]
    details: dict[str, Any]


class MessageStory(Message):
    """A message, and all that happened to it."""

    events: Annotated[list[MessageEvent], Field(description="The first first.")]


class MessagePage(Schema):
    """One page of messages, the newest first; how many there are is not counted."""

    items: list[Message]
    next: Annotated[str | None, Field(description="`cursor` of the following page, or null.")]


_Address = Annotated[str, Field(max_length=1000, examples=["Ann <ann@acme.example>"])]
_Addresses = Annotated[list[_Address], Field(max_length=100)]
_Name = Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,50}$")]


class SendAttachment(Schema):
    name: Annotated[Line, Field(min_length=1, examples=["invoice.pdf"])]
    content: Annotated[Base64Bytes, Field(description="Base64.")]
    content_type: Annotated[Line, Field(examples=["application/pdf"])] = "application/octet-stream"
    content_id: Annotated[
        Line | None, Field(description="By which the HTML shows it, as `cid:`.")] = None


class Send(Schema):
    """A message; `from` and one of `text`, `html`, `raw` are needed."""

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=False, validate_by_name=True, validate_by_alias=True)

    sender: Annotated[_Address | None, Field(alias="from")] = None
    to: _Addresses = []
    cc: _Addresses = []
    bcc: _Addresses = []
    reply_to: _Addresses = []
    subject: Annotated[str, Field(max_length=2000)] = ""
    text: Annotated[str | None, Field(max_length=5_000_000)] = None
    html: Annotated[str | None, Field(max_length=5_000_000)] = None
    headers: Annotated[
        dict[str, Annotated[str, Field(max_length=4000)]],
        Field(max_length=50, description="Further headers, such as List-Unsubscribe.")] = {}
    attachments: Annotated[list[SendAttachment], Field(max_length=100)] = []
    in_reply_to: Annotated[str, Field(max_length=998)] | None = None
    references: Annotated[
        list[Annotated[str, Field(max_length=998)]], Field(max_length=100)] = []
    message_id: Annotated[
        Annotated[str, Field(max_length=998)] | None,
        Field(description="Without it one is made.")] = None
    raw: Annotated[
        Annotated[str, Field(max_length=40_000_000)] | None,
        Field(description="A whole message (RFC 5322) instead: it leaves as it is, without Bcc, to "
              "those in `to`, `cc` and `bcc`, or else in its headers.")] = None
    send_at: Annotated[
        Moment | None, Field(description="Later, within 60 days. Until it leaves, `DELETE "
                             "/messages/{id}` takes it back.")] = None
    extra: Annotated[
        dict[_Name, Annotated[str, Field(max_length=500)]],
        Field(max_length=20, description="What you want to find with each event of it.")] = {}
    tags: Annotated[list[_Name], Field(max_length=10)] = []

    _files: list = PrivateAttr(default_factory=list)


class SentRecipient(Schema):
    id: Annotated[str, Field(examples=["4711"])]
    recipient: str
    status: Status
    from_id: Annotated[
        str, Field(description="The tag of its envelope sender, `bounce+FROM_ID@domain`.")]
    code: Annotated[str | None, Field(
        description="Why it was not taken: suppressed, badAddress, recipientLimitReached ...")]
    detail: Annotated[str | None, Field(description="What the mail server said then.")]


class Sent(Schema):
    message_id: str
    recipients: list[SentRecipient]


class SendBatch(Schema):
    messages: Annotated[list[Send], Field(min_length=1, max_length=500)]


class BatchAnswer(Schema):
    """Of one message: what `POST /messages/send` answers, or why it was not sent."""

    status: Annotated[int, Field(description="As of HTTP.", examples=[202, 422])]
    message_id: str | None = None
    recipients: list[SentRecipient] = []
    code: str | None = None
    field: str | None = None
    detail: str | None = None


class BatchAnswers(Schema):
    messages: list[BatchAnswer]
