# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Types that every schema shares: text that PostgreSQL can hold, names as A-labels."""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from odoo.addons.emboux_core import addresses
from odoo.addons.emboux_core.models.errors import control_character

MAX_SAFE_INTEGER = 2**53 - 1  # what every JSON reader can hold
#: Of the numbers in paths.
LARGEST = {
    "key_id": 2**31 - 1, "id": MAX_SAFE_INTEGER, "webhook_id": 2**31 - 1,
    "delivery_id": MAX_SAFE_INTEGER, "queued_id": MAX_SAFE_INTEGER, "rule_id": 2**31 - 1,
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d").match
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Schema(BaseModel):
    """Base of all bodies: an unknown field is a typo, so it is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    #: Fields that change by themselves and so do not take part in the ETag.
    volatile: ClassVar[frozenset[str]] = frozenset()


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("text", "it contains a control character, such as a null byte")
    return text


def _one_line(text: str) -> str:
    if found := control_character(text):
        raise PydanticCustomError(
            "text", "it contains the control character {found}, such as a line break",
            {"found": found},
        )
    return text


def _said(function, *arguments):
    """Run a function of ``addresses``; its sentence becomes the field's message."""
    try:
        return function(*arguments)
    except addresses.AddressError as error:
        raise PydanticCustomError("address", "{sentence}", {"sentence": str(error)}) from error


def _domain(text: str) -> str:
    return _said(addresses.normalise_domain, _plain(text))


def _address(text: str) -> str:
    return _said(addresses.normalise_address, _plain(text))


def _destination(text: str) -> str:
    return _said(addresses.normalise_address, _plain(text), True)


def _recipient(text: str) -> str:
    return _said(addresses.normalise_reported, _plain(text))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(_plain(text).strip()))
    except ValueError as error:
        raise PydanticCustomError(
            "network", "it is not a network such as 192.0.2.0/24 or 2001:db8::/32"
        ) from error


def _alias(text: str) -> str:
    """An address, or ``@domain`` for a catch-all."""
    text = _plain(text).strip()
    if text.startswith("@"):
        return f"@{_said(addresses.normalise_domain, text[1:])}"
    return _said(addresses.normalise_address, text)


def _written(moment: Any) -> Any:
    """In a query everything is text, and a number is no moment (RFC 3339)."""
    if isinstance(moment, str) and not _DATE(moment):
        raise PydanticCustomError("moment", "it is not a moment such as 2026-11-20T10:00:00Z")
    return moment


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise PydanticCustomError("moment", "it is out of range") from error


def _typed(validator, description, example, **schema):
    shown = {"type": "string", "description": description, "examples": [example]} | schema
    return Annotated[str, AfterValidator(validator), WithJsonSchema(shown)]


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=200)]
Text = Annotated[str, AfterValidator(_plain), Field(max_length=10_000)]
DomainName = _typed(_domain, "A domain name; Unicode is turned into its A-label.", "example.com")
Address = _typed(_address, "An address of a mailbox.", "ann@example.com")
Destination = _typed(_destination, "Any mail address.", "ann@example.com")
Recipient = _typed(
    _recipient, "An address that mail was sent to, as others report it.", "ann@example.com"
)
AliasAddress = _typed(_alias, "An address, or `@domain` for a catch-all.", "sales@example.com")
#: Odoo's datetimes are naive UTC; the API states the time zone.
Utc = Annotated[datetime, AfterValidator(lambda moment: moment.replace(tzinfo=UTC))]
#: What a client sends: with its offset, so that nobody has to guess.
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
#: The same in a query.
QueryMoment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_utc)]
Bytes = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Many = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]

Network = _typed(_network, "A network (CIDR), or one address.", "192.0.2.0/24")

Item = TypeVar("Item")


class Page(Schema, Generic[Item]):
    """One page of a list; ``next`` is the cursor of the following page, or null."""

    items: list[Item]
    total: Count
    next: str | None


Cursor = Annotated[
    str, Field(max_length=8000, pattern="^[A-Za-z0-9_-]*$", description="`next` of an answer.")
]


class ListQuery(Schema):
    """How a list is asked for."""

    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page.")] = 50
    cursor: Cursor | None = None
    q: Annotated[
        Line | None, Field(description="Part of a name, as in Odoo's search.")
    ] = None


class NoQuery(Schema):
    """No parameters."""


_CODE = "Why, as a word for programs, where the operation has such."


class Problem(Schema):
    """Why it was not done, as one sentence."""

    detail: Annotated[str, Field(examples=["Not found"])]
    code: Annotated[str | None, Field(description=_CODE)] = None


class FieldProblem(Schema):
    field: Annotated[str | None, Field(description="Where in the request; null for all of it.")]
    message: str


class Invalid(Schema):
    """What is wrong with the request, field by field."""

    detail: list[FieldProblem]
    code: Annotated[str | None, Field(description=_CODE)] = None


def problems(error) -> list[dict[str, Any]]:
    """pydantic's errors as the list of a 422, without what was sent: it may be a password."""
    return [
        {
            "field": ".".join(str(part) for part in fault["loc"]) or None,
            "message": fault["msg"],
        }
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
