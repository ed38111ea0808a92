# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..types import (
    Address,
    Bytes,
    Count,
    Cursor,
    DomainName,
    Line,
    ListQuery,
    Moment,
    Network,
    Schema,
    Utc,
)

Role = Literal["customer", "master"]
Area = Literal["all", "domains", "mailboxes", "send", "metrics"]
State = Literal["active", "expired", "revoked"]


class ApiKeyCreate(Schema):
    name: Annotated[Line, Field(min_length=1, examples=["Shop"])]
    role: Role = "customer"
    partner_ref: Annotated[
        Line | None, Field(description="The customer it is for: their reference, or `id:` and a "
                           "number. None for a master key.")
    ] = None
    read_only: bool = False
    area: Area = "all"
    domain: Annotated[DomainName | None, Field(description="The one domain it reaches.")] = None
    sender: Annotated[
        Address | None, Field(description="The one address that it may send from.")] = None
    test: Annotated[
        bool, Field(description="Mail that it sends does not leave; what would become of it is "
                    "played.")] = False
    networks: Annotated[
        list[Network],
        Field(max_length=50, description="Networks it may be used from; empty: anywhere.",
              examples=[["192.0.2.0/24"]]),
    ] = []
    expires_at: Moment | None = None


class ApiKey(Schema):
    id: int
    name: str
    role: Role
    partner_ref: str | None
    read_only: bool
    area: Area
    domain: str | None
    sender: str | None
    test: bool
    networks: list[str]
    expires_at: Utc | None
    revoked_at: Utc | None
    last_used: Utc | None
    state: State
    hint: Annotated[str, Field(description="The last characters of the secret.")]
    created_at: Utc

    volatile: ClassVar[frozenset[str]] = frozenset({"last_used", "state"})


class NewApiKey(ApiKey):
    secret: Annotated[
        str | None,
        Field(description="Shown only once. Null when an `Idempotency-Key` is repeated: then "
                          "revoke this key and make another one."),
    ]

    def without_secret(self):
        return self.model_copy(update={"secret": None})


class ApiKeyList(ListQuery):
    partner_ref: Line | None = None
    state: State | None = None


class UsageQuery(Schema):
    """Without ``since`` everything is told."""

    since: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class UsageItem(Schema):
    kind: Annotated[
        Literal["domain", "mailbox", "usage"],
        Field(description="`usage`: how full a mailbox is, and nothing else, has changed."),
    ]
    name: str
    domain: str
    gone: bool
    state: str | None = None
    size: Annotated[Bytes | None, Field(description="Bytes.")] = None
    messages: Count | None = None


class Usage(Schema):
    """What changed since the cursor; each change once, in the order of writing."""

    items: list[UsageItem]
    next: Annotated[str, Field(description="The cursor for the next question.")]
    more: Annotated[bool, Field(description="Whether there is more already: ask again.")]
