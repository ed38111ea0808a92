# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Webhooks as the API shows them, and the bodies that they are sent."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..types import (
    Bytes,
    Count,
    Cursor,
    DomainName,
    Line,
    ListQuery,
    Many,
    Moment,
    Schema,
    Text,
    Utc,
)
from .message import Direction, Status

MessageType = Literal[
    "message.accepted", "message.delivered", "message.delayed", "message.failed",
    "message.suppressed", "message.bounced", "message.complained", "message.held",
    "message.released", "message.canceled",
]
DomainType = Literal[
    "domain.verified", "domain.unverified", "domain.blocked", "domain.unblocked",
    "domain.suspended",
]
MailboxType = Literal["mailbox.quota_warning", "mailbox.quota_full"]
EventType = Literal[
    MessageType, "message.received", DomainType, "domain.dns_changed", MailboxType, "key.expiring",
]
State = Literal["enabled", "paused", "failing"]
DeliveryState = Literal["pending", "delivered", "failed"]


def _unique(types):
    if len(set(types)) != len(types):
        raise PydanticCustomError("types", "one of them is there twice")
    return types


_Url = Annotated[Text, Field(min_length=1, max_length=1000, examples=["https://shop.example/hook"])]
_Types = Annotated[
    list[EventType], AfterValidator(_unique), Field(description="None: every event.")]
_Headers = Annotated[
    dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")],
         Annotated[str, Field(max_length=2000, pattern=r"^[ -~]*$")]],
    Field(max_length=20, description="Sent besides, such as Authorization; never shown.")]


class WebhookCreate(Schema):
    name: Annotated[Line, Field(min_length=1, examples=["Shop"])]
    url: _Url
    types: _Types = []
    domain: Annotated[
        DomainName | None, Field(description="Only this domain; without it all of yours.")] = None
    headers: _Headers = {}
    partner_ref: Annotated[
        Line | None, Field(description="Whose it is, for master keys. Without it: the operator's, "
                                       "which hears of all domains.")] = None


class WebhookUpdate(Schema):
    """What is not given stays as it is."""

    name: Annotated[Line, Field(min_length=1)] | None = None
    url: _Url | None = None
    types: _Types | None = None
    headers: _Headers | None = None
    state: Annotated[
        Literal["enabled", "paused"] | None,
        Field(description="`enabled` resumes one that was stopped, too; what has waited is "
                          "sent.")] = None


class Webhook(Schema):
    id: int
    name: str
    url: str
    types: list[EventType]
    domain: str | None
    partner_ref: str | None
    header_names: list[str]
    state: Annotated[State, Field(description="`failing`: stopped after five days without a "
                                              "success, or by its own answer 410.")]
    failing_since: Utc | None
    problem: Annotated[str | None, Field(description="Why the last attempt failed.")]
    last_success: Utc | None
    former_secret_until: Annotated[
        Utc | None, Field(description="Until then the former secret signs too.")]
    created_at: Utc


class NewWebhook(Webhook):
    secret: Annotated[
        str | None,
        Field(description="`whsec_...`, shown only once. Null when an `Idempotency-Key` is "
                          "repeated: then make another one.")]

    def without_secret(self):
        return self.model_copy(update={"secret": None})


class WebhookList(ListQuery):
    state: State | None = None


class DeliveryTry(Schema):
    at: datetime
    status: Annotated[int, Field(description="Of HTTP; 0: no answer came.")]
    text: str
    ms: Annotated[Count, Field(description="Milliseconds.")]


class Delivery(Schema):
    """An event, and what became of telling it."""

    id: Annotated[str, Field(examples=["4711"])]
    event_id: Annotated[str, Field(description="`webhook-id`: the same at each attempt.")]
    type: Annotated[str, Field(examples=["message.delivered"])]
    about: Annotated[str, Field(description="The recipient, mailbox, domain or key.")]
    state: DeliveryState
    created_at: Utc
    attempts: Count
    next_try: Utc | None
    done_at: Utc | None
    tries: list[DeliveryTry]
    body: Annotated[dict[str, Any], Field(description="What is sent.")]


class DeliveryList(Schema):
    state: DeliveryState | None = None
    type: Line | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page.")] = 50
    cursor: Cursor | None = None


class DeliveryPage(Schema):
    """One page, the newest first; how many there are is not counted."""

    items: list[Delivery]
    next: Annotated[str | None, Field(description="`cursor` of the following page, or null.")]


class SendAgain(Schema):
    """What is sent once more: all that happened in that time and ended so."""

    since: Moment | None = None
    until: Moment | None = None
    state: Literal["failed", "delivered"] = "failed"


class SentAgain(Schema):
    count: Count


class Tested(Schema):
    delivery: Annotated[str, Field(description="To be looked up among the deliveries.")]


# -- what is sent --------------------------------------------------------------------------------


class MessageData(Schema):
    """A message, for one recipient, as it is then."""

    id: Annotated[str, Field(description="As in `GET /messages/{id}`.", examples=["4711"])]
    message_id: Annotated[str | None, Field(description="Of its header, without brackets.")]
    from_id: Annotated[
        str | None, Field(description="Of its return address, where it has one of its own.")]
    direction: Direction
    status: Status
    domain: Annotated[str | None, Field(examples=["acme.example"])]
    sender: Annotated[str, Field(description="Of the envelope.")]
    recipient: Annotated[str, Field(examples=["joe@far.example"])]
    original_recipient: str | None
    queue_id: str | None
    size: Many | None
    attempts: Count
    at: Annotated[datetime, Field(description="When it came.")]
    extra: Annotated[dict[str, str], Field(description="As it was sent with.")]
    tags: list[str]
    event: Annotated[
        dict[str, Any], Field(
            description="Details: relay, code, dsn (RFC 3463), text (what was said), delay "
                        "(seconds), tls, by.",
            examples=[{"relay": "mx.far.example[192.0.2.1]:25", "dsn": "2.0.0",
                       "text": "250 2.0.0 queued as 4A1B2C", "delay": 0.7}])]


class Box(Schema):
    name: str
    address: Annotated[str, Field(examples=["joe@far.example"])]


class Header(Schema):
    name: str
    value: str


class SharedAttachment(Schema):
    name: str
    content_type: str
    content_id: str | None
    size: Annotated[Bytes, Field(description="Bytes.")]
    content: Annotated[str | None, Field(description="Base64, of a small one.")]
    url: Annotated[str | None, Field(
        description="Where a larger one is, as long as deliveries are kept.")]


class Checked(Schema):
    """In the words of RFC 8601: pass, fail, softfail, neutral, none, temperror, permerror."""

    result: str
    domain: str | None


class Signature(Checked):
    selector: str | None


class Alignment(Schema):
    result: str
    policy: Annotated[str | None, Field(description="none, quarantine or reject.")]


class Authentication(Schema):
    spf: Checked
    dkim: Annotated[list[Signature], Field(description="Of each signature, the first five.")]
    dmarc: Alignment


class ReceivedData(Schema):
    """A message to a mailbox or alias whose mail goes to the webhook."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    mailbox: str
    domain: str
    sender: Annotated[str, Field(description="Of the envelope; empty for reports.")]
    recipients: Annotated[list[str], Field(description="Of the envelope, before aliases.")]
    client: Annotated[str | None, Field(description="The address of who brought it.")]
    message_id: str | None
    author: Annotated[list[Box], Field(alias="from")]
    to: list[Box]
    cc: list[Box]
    reply_to: list[Box]
    subject: str
    date: datetime | None
    in_reply_to: str | None
    references: list[str]
    text: str | None
    html: Annotated[str | None, Field(description="As it came: escape or clean it.")]
    headers: list[Header]
    structure: Annotated[dict[str, Any], Field(
        description="Each part: content_type, and its parts, or size and name.")]
    size: Bytes
    attachments: list[SharedAttachment]
    authentication: Authentication


class DomainData(Schema):
    domain: Annotated[str, Field(examples=["acme.example"])]
    state: Literal["draft", "pending", "verified", "failed", "suspended"]
    reason: str | None


class ChangedRecord(Schema):
    type: Annotated[str, Field(examples=["MX"])]
    name: Annotated[str, Field(examples=["acme.example"])]
    before: Annotated[str, Field(examples=["ok"])]
    now: Annotated[str, Field(examples=["missing"])]


class RecordsData(Schema):
    domain: Annotated[str, Field(examples=["acme.example"])]
    state: str
    records: list[ChangedRecord]


class MailboxData(Schema):
    mailbox: Annotated[str, Field(examples=["ann@acme.example"])]
    domain: str
    used: Annotated[Bytes, Field(description="Bytes.")]
    quota: Annotated[Bytes, Field(description="Bytes.")]


class KeyData(Schema):
    key: int
    name: str
    hint: Annotated[str, Field(description="The last characters of its secret.")]
    expires_at: datetime


class TestData(Schema):
    webhook: str
    name: str


class _Event(Schema):
    timestamp: Annotated[datetime, Field(description="When it happened.")]


class MessageEvent(_Event):
    type: MessageType
    data: MessageData


class ReceivedEvent(_Event):
    """Sent to the webhook of the mailbox alone, whatever it asks for."""

    type: Literal["message.received"]
    data: ReceivedData


class DomainEvent(_Event):
    type: DomainType
    data: DomainData


class RecordsEvent(_Event):
    type: Literal["domain.dns_changed"]
    data: RecordsData


class MailboxEvent(_Event):
    type: MailboxType
    data: MailboxData


class KeyEvent(_Event):
    type: Literal["key.expiring"]
    data: KeyData


class TestEvent(_Event):
    """When somebody presses *Send Test*."""

    type: Literal["webhook.test"]
    data: TestData


#: Type to the schema of its body.
EVENTS = {
    name: model
    for model in (MessageEvent, ReceivedEvent, DomainEvent, RecordsEvent, MailboxEvent, KeyEvent,
                  TestEvent)
    for name in get_args(model.model_fields["type"].annotation)
}


_AT = "2030-01-02T03:04:05+00:00"
_MESSAGE = {
    "id": "4711", "message_id": "abc@acme.example", "from_id": None, "direction": "out",
    "status": "accepted", "domain": "acme.example", "sender": "ann@acme.example",
    "recipient": "joe@far.example", "original_recipient": None, "queue_id": "4ZQ1Xk2m4Yz1",
    "size": 2048, "attempts": 1, "at": _AT, "extra": {"order": "4711"}, "tags": ["invoice"],
    "event": {},
}
_SAID = {
    "delivered": {"relay": "mx.far.example[192.0.2.1]:25", "dsn": "2.0.0", "delay": 0.7,
                  "text": "250 2.0.0 queued as 4A1B2C"},
    "delayed": {"relay": "mx.far.example[192.0.2.1]:25", "dsn": "4.2.0", "delay": 0.7,
                "text": "450 4.2.0 Greylisted, try again later"},
    "failed": {"relay": "mx.far.example[192.0.2.1]:25", "dsn": "5.1.1", "delay": 0.7,
               "text": "550 5.1.1 User unknown"},
    "bounced": {"by": "mx.far.example", "dsn": "5.1.1", "text": "550 5.1.1 User unknown"},
}
_RECEIVED = {
    "mailbox": "in@acme.example", "domain": "acme.example", "sender": "joe@far.example",
    "recipients": ["orders@acme.example"], "client": "192.0.2.1", "message_id": "def@far.example",
    "from": [{"name": "Joe", "address": "joe@far.example"}],
    "to": [{"name": "", "address": "orders@acme.example"}], "cc": [], "reply_to": [],
    "subject": "My order", "date": _AT, "in_reply_to": None, "references": [],
    "text": "Hello.", "html": None, "headers": [{"name": "Subject", "value": "My order"}],
    "structure": {"content_type": "text/plain", "size": 6}, "size": 512, "attachments": [],
    "authentication": {
        "spf": {"result": "pass", "domain": "far.example"},
        "dkim": [{"result": "pass", "domain": "far.example", "selector": "s1"}],
        "dmarc": {"result": "pass", "policy": "reject"}},
}
_STATUS = {"released": "accepted"}


def example_of(kind: str) -> dict[str, Any]:
    """A body as it is sent."""
    what = kind.partition(".")[2]
    data: dict[str, Any] = {
        MessageEvent: _MESSAGE | {
            "status": _STATUS.get(what, what), "event": _SAID.get(what, {})},
        ReceivedEvent: _RECEIVED,
        DomainEvent: {"domain": "acme.example", "reason": None, "state": (
            "suspended" if what == "suspended" else "failed" if what == "unverified"
            else "verified")},
        RecordsEvent: {"domain": "acme.example", "state": "verified", "records": [
            {"type": "MX", "name": "acme.example", "before": "ok", "now": "missing"}]},
        MailboxEvent: {"mailbox": "ann@acme.example", "domain": "acme.example",
                       "used": 966367642 if what == "quota_warning" else 1073741824,
                       "quota": 1073741824},
        KeyEvent: {"key": 7, "name": "Shop", "hint": "x4Qz", "expires_at": _AT},
        TestEvent: {"webhook": "7", "name": "Shop"},
    }[EVENTS[kind]]
    return {"type": kind, "timestamp": _AT, "data": data}
