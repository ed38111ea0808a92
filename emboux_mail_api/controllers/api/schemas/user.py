# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from ..types import (
    Address,
    Bytes,
    Count,
    Destination,
    DomainName,
    Line,
    ListQuery,
    Schema,
    Text,
    Utc,
)

MAX_QUOTA_BYTES = 100 * 1024**4  # bytes
Password = Annotated[
    SecretStr, Field(max_length=1000, description="8 to 256 characters.", examples=["kept secret"])
]
PasswordHash = Annotated[
    SecretStr,
    Field(
        max_length=200,
        description="Instead of the password: argon2id (PHC) or bcrypt, as other servers have it. "
        "It may cost a few times what ours do, no more: argon2id with 7 to 100 MiB, where MiB "
        "times passes are at most 280 and lanes at most 8, or bcrypt with a cost of 10 to 12.",
        examples=["$argon2id$v=19$m=19456,t=2,p=1$..."],
    ),
]
Quota = Annotated[
    int,
    Field(ge=0, le=MAX_QUOTA_BYTES, description="Bytes, rounded up to whole MiB; 0 is no limit."),
]


class Passwords(Schema):
    password: Password | None = None
    password_hash: PasswordHash | None = None

    #: A ``passwords.Hashed``, or the ``PasswordError`` instead.
    _hashed: object = PrivateAttr(None)
    #: The caller's domain, where it was looked up before hashing.
    _domain: object = PrivateAttr(None)
    #: Status and sentence of a certain refusal: then nothing is hashed.
    _refused: object = PrivateAttr(None)

    @model_validator(mode="after")
    def _one_of_them(self):
        if self.password is not None and self.password_hash is not None:
            raise ValueError("give the password or its hash, not both")
        return self


class Rules(Schema):
    """Forwarding, and the reply while somebody is away."""

    forward_to: Annotated[
        list[Destination] | None,
        Field(max_length=10, description="Where mail goes on to; an empty list ends that."),
    ] = None
    forward_keep: Annotated[
        bool | None, Field(description="Forwarded mail also stays in the mailbox.")
    ] = None
    vacation_on: Annotated[
        bool | None, Field(description="Who writes gets the reply; lists and robots do not.")
    ] = None
    vacation_subject: Annotated[Line | None, Field(description="Empty: theirs, marked.")] = None
    vacation_text: Annotated[Text | None, Field(examples=["Back on Monday."])] = None
    vacation_from: Annotated[
        date | None, Field(description="The first day; null: at once.")
    ] = None
    vacation_until: Annotated[
        date | None, Field(description="The last day; null: until it is switched off.")
    ] = None
    vacation_days: Annotated[
        int | None,
        Field(ge=1, le=60, description="One reply in so many days to the same person."),
    ] = None


_OWN_RETURN = Field(
    description="Each message by SMTP gets a return address of its own, `bounce+FROM_ID@domain`: "
    "what comes back stands in the message's story and not in the mailbox.")


class UserCreate(Passwords, Rules):
    email: Address
    display_name: Line = ""
    quota: Annotated[Quota | None, Field(description="Bytes; null is the default.")] = None
    suspended: bool = False
    send_as_domain: Annotated[
        bool,
        Field(
            description="May send as any address of the domain, and of those of its subdomains "
            "that have the same owner."
        ),
    ] = False
    own_return_address: Annotated[bool, _OWN_RETURN] = False
    catch_all: Annotated[
        bool, Field(description="Also receives mail for addresses that do not exist.")
    ] = False


class UserUpdate(Passwords, Rules):
    """Fields that are left out stay as they are."""

    display_name: Line | None = None
    quota: Quota | None = None
    suspended: bool | None = None
    send_as_domain: bool | None = None
    own_return_address: Annotated[bool | None, _OWN_RETURN] = None
    catch_all: bool | None = None
    service_password_hash: Annotated[
        PasswordHash | None,
        Field(description="argon2id of a second password, of an Odoo that sends through it."),
    ] = None
    push_url: Annotated[
        str | None,
        Field(
            max_length=500,
            description="Where each message is handed over by a POST instead of being kept, "
            "signed as Standard Webhooks say; an empty string: it is kept.",
            examples=["https://odoo.example.com/emboux/inbound/12"],
        ),
    ] = None
    webhook: Annotated[
        int | None,
        Field(ge=0, le=2**31 - 1, description="The number of a webhook that each message is sent "
              "to as `message.received`, instead of being kept; 0: it is kept."),
    ] = None
    push_secret: Annotated[
        SecretStr | None,
        Field(max_length=200, description="What it is signed with: whsec_ and Base64.",
              examples=["whsec_..."]),
    ] = None


class AddressUpdate(Schema):
    """Its mail, password and rules stay; whatever led to it leads to the new address."""

    email: Address
    keep: Annotated[
        bool, Field(description="The former address becomes an alias that leads here.")
    ] = True


class User(Schema):
    email: str
    domain: str
    display_name: str
    quota: Annotated[Bytes, Field(description="0 is no limit.")]
    size: Annotated[Bytes, Field(description="Bytes in use.")]
    messages: Count
    suspended: bool
    suspended_by: Annotated[
        list[Literal["operator", "customer"]],
        Field(description="Who has suspended it; each lifts only their own."),
    ]
    send_as_domain: bool
    own_return_address: bool
    catch_all: bool
    has_password: bool
    push_url: Annotated[str, Field(description="Empty: mail is kept, or is the platform's own.")]
    webhook: Annotated[int | None, Field(description="The webhook that its mail goes to.")]
    forward_to: list[str]
    forward_keep: bool
    vacation_on: bool
    vacation_subject: str
    vacation_text: str
    vacation_from: date | None
    vacation_until: date | None
    vacation_days: Count
    created_at: Utc

    volatile: ClassVar[frozenset[str]] = frozenset({"size", "messages"})


class UserList(ListQuery):
    domain: DomainName | None = None
    suspended: bool | None = None


class UserBulk(Schema):
    users: Annotated[list[UserCreate], Field(min_length=1, max_length=1000)]


class UserBulkRow(Schema):
    email: str
    status: Annotated[int, Field(description="As the single call would have answered.")]
    user: User | None = None
    detail: Annotated[str | None, Field(description="Why it was not made.")] = None


class UserBulkAnswer(Schema):
    created: Count
    failed: Count
    items: Annotated[list[UserBulkRow], Field(description="One for each row, in its order.")]


class QuotaUse(Schema):
    quota: Annotated[Bytes, Field(description="0 is no limit.")]
    used: Bytes
    messages: Count

    volatile: ClassVar[frozenset[str]] = frozenset({"used", "messages"})


class QuotaUpdate(Schema):
    quota: Quota


