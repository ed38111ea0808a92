# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import Annotated, Literal

from pydantic import Field

from ..types import AliasAddress, Count, Destination, DomainName, ListQuery, Schema, Utc

Kind = Literal["forward", "catch_all"]


class AliasUpsert(Schema):
    address: AliasAddress
    destinations: Annotated[list[Destination], Field(min_length=1, max_length=100)]


class Alias(Schema):
    address: Annotated[str, Field(examples=["sales@example.com", "@example.com"])]
    kind: Kind
    domain: str
    destinations: list[str]
    active: bool
    created_at: Utc


class AliasList(ListQuery):
    domain: DomainName | None = None
    kind: Kind | None = None


class AliasBulk(Schema):
    aliases: Annotated[list[AliasUpsert], Field(min_length=1, max_length=1000)]


class AliasBulkRow(Schema):
    address: str
    status: Annotated[int, Field(description="As the single call would have answered.")]
    alias: Alias | None = None
    detail: Annotated[str | None, Field(description="Why it was not made.")] = None


class AliasBulkAnswer(Schema):
    created: Count
    updated: Count
    failed: Count
    items: Annotated[list[AliasBulkRow], Field(description="One for each row, in its order.")]
