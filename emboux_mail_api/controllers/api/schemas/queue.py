# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import Annotated, Literal

from pydantic import Field

from ..types import Address, Bytes, Count, Cursor, DomainName, Line, Moment, Schema, Utc

Queue = Literal["incoming", "active", "deferred", "hold"]
Act = Literal["deliver", "hold", "release", "fail", "drop", "postpone"]


class QueueList(Schema):
    queue: Queue | None = None
    domain: Annotated[DomainName | None, Field(description="Of who submitted it.")] = None
    q: Annotated[
        Line | None,
        Field(description="Part of a sender, a recipient, or the last answer.")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page.")] = 50
    cursor: Cursor | None = None


class QueuedMessage(Schema):
    id: Annotated[str, Field(examples=["4711"])]
    host: str
    queue_id: str
    arrived_at: Utc
    queue: Queue
    login: Annotated[str | None, Field(description="Null: from outside, or a report.")]
    sender: Annotated[str, Field(description="Of the envelope; empty for reports.")]
    domain: str | None
    recipients: Annotated[list[str], Field(description="The first twenty.")]
    recipient_count: Count
    size: Annotated[Bytes, Field(description="Bytes.")]
    reason: Annotated[str | None, Field(description="Why it waits: the last answer.")]
    next_try: Utc | None
    asked_for: Annotated[Act | None, Field(description="What is to be done within seconds.")]
    note: Annotated[str | None, Field(description="Why the last wish was not fulfilled.")]


class QueuePage(Schema):
    """One page, the newest first; how many there are is not counted."""

    items: list[QueuedMessage]
    next: Annotated[str | None, Field(description="`cursor` of the following page, or null.")]


class QueueAct(Schema):
    """`fail` returns a message to its sender; `drop` deletes it, of which nobody hears; `postpone`
    needs `until`, within five days."""

    act: Act
    until: Moment | None = None


class HoldRuleCreate(Schema):
    """What is left out fits everything: a rule without any of them holds all mail."""

    name: Annotated[Line, Field(min_length=1, examples=["Under investigation"])]
    sender_domain: DomainName | None = None
    login: Address | None = None
    recipient_domain: DomainName | None = None


class HoldRule(Schema):
    id: int
    name: str
    sender_domain: str | None
    login: str | None
    recipient_domain: str | None
    created_at: Utc


class RouteSet(Schema):
    host: Annotated[Line, Field(min_length=1, examples=["relay.example.org"])]
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    note: Line | None = None


class Route(Schema):
    """By which server mail to a domain leaves."""

    domain: str
    host: str
    port: int
    note: str | None
