# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from ..types import Count, Cursor, DomainName, Line, Many, Moment, Schema, Utc

Status = Literal[
    "accepted", "held", "delayed", "delivered", "failed", "bounced", "complained", "suppressed",
    "canceled", "rejected", "received",
]
Direction = Literal["out", "in", "internal", "forwarded"]
_PART = "Part of it, of at least three characters to be found fast."


class MessageList(Schema):
    """Which messages; all that is given has to be true of one."""

    recipient: Annotated[Line | None, Field(description=_PART)] = None
    sender: Annotated[
        Line | None, Field(description="Part of the envelope sender.")] = None
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
    since: Annotated[Moment | None, Field(description="That came then or later.")] = None
    until: Annotated[Moment | None, Field(description="That came before.")] = None
    q: Annotated[
        Line | None,
        Field(description="Part of a sender, a recipient or of the last answer.")] = None
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
