# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ..types import Count, Line, ListQuery, Schema, Utc


class Health(Schema):
    status: Literal["ok"]
    database: Literal["ok"]
    version: Annotated[str, Field(examples=["19.0.1.0.0"])]


Reason = Literal["bounce", "complaint", "unsubscribe", "manual"]


class Suppression(Schema):
    email: str
    partner_ref: Annotated[
        str | None, Field(description="Whose mail is stopped; null is everybody's.")
    ]
    reason: Reason
    source: str | None
    detail: Annotated[
        str | None, Field(description="What the recipient's server or the provider said.")
    ]
    expires_at: Utc | None
    created_at: Utc


class SuppressionList(ListQuery):
    reason: Reason | None = None
    partner_ref: Annotated[
        Line | None, Field(description="What stops this customer's mail alone.")
    ] = None


class SuppressionDelete(Schema):
    partner_ref: Annotated[
        Line | None,
        Field(description="The customer whose mail reaches the recipient again; without it all."),
    ] = None


class SuppressionCheck(Schema):
    email: str
    suppressed: bool
    reason: Reason | None = None
    expires_at: Utc | None = None


class ResetDaily(Schema):
    removed: Annotated[Count, Field(description="Days that were older than seven and are gone.")]


class ResetMonthly(Schema):
    frozen: Annotated[Count, Field(description="Months that this call closed for billing.")]


class Accepted(Schema):
    accepted: Literal[True] = True


class MailgunSignature(Schema):
    timestamp: Annotated[Line, Field(max_length=20)]
    token: Annotated[Line, Field(min_length=1, max_length=100)]
    signature: Annotated[Line, Field(max_length=200)]


class MailgunWebhook(Schema):
    model_config = ConfigDict(extra="ignore")

    signature: MailgunSignature
    event_data: Annotated[dict, Field(alias="event-data")]


class SnsMessage(Schema):
    """An SNS message, as Amazon names its fields; each byte of them is signed."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)

    Type: Line
    MessageId: Annotated[Line, Field(min_length=1)]
    TopicArn: Annotated[str, Field(max_length=400)]
    Message: str
    Timestamp: Line
    SignatureVersion: Line
    Signature: Annotated[str, Field(max_length=2000)]
    SigningCertURL: Annotated[str, Field(max_length=2000)]
    Subject: Annotated[str | None, Field(max_length=400)] = None
    Token: Annotated[str | None, Field(max_length=2000)] = None
    SubscribeURL: Annotated[str | None, Field(max_length=4000)] = None

    def fields_of_sns(self):
        """The fields that there are."""
        return self.model_dump(exclude_none=True)
