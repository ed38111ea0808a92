# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..types import (
    Address,
    Bytes,
    Count,
    Destination,
    DomainName,
    Line,
    ListQuery,
    Many,
    Schema,
    Utc,
)

State = Literal["draft", "pending", "verified", "failed", "suspended"]
Provider = Literal["mailgun", "ses", "dkim"]
Verdict = Literal["unknown", "ok", "missing", "wrong"]
Level = Literal["required", "recommended", "optional"]


class DomainCreate(Schema):
    name: DomainName
    partner_ref: Annotated[
        Line | None,
        Field(
            description="Its owner: the reference of a partner, or `id:` and a number. For a "
                        "master key; with a customer's it is ignored, the domain is the "
                        "customer's.",
            examples=["C-1042"],
        ),
    ] = None


    provider: Annotated[
        Provider | None,
        Field(
            description="Provider of its outgoing mail; default: the operator's first. For a "
                        "master key; with a customer's it is ignored. Below a wildcard parent it "
                        "is the parent's."
        ),
    ] = None


    release: Annotated[
        bool,
        Field(description="Give a name below a wildcard parent to the partner although another "
              "one gave it up lately. For a master key; with a customer's it is ignored."),
    ] = False


class DomainList(ListQuery):
    state: State | None = None
    partner_ref: Annotated[Line | None, Field(description="For a master key.")] = None


class DomainDelete(Schema):
    cascade: Annotated[
        bool, Field(description="Delete its mailboxes and aliases too, with the mail in them.")
    ] = False


class Domain(Schema):
    name: Annotated[str, Field(examples=["xn--bcher-kva.example"])]
    unicode_name: Annotated[str, Field(examples=["bücher.example"])]
    state: State
    owned_since: Annotated[Utc | None, Field(description="UTC; from then on it takes mail.")]
    parent: Annotated[str | None, Field(description="The wildcard parent it inherits from.")]
    wildcard: bool
    partner_ref: str | None
    mailboxes: Count
    aliases: Count
    size: Annotated[Bytes, Field(description="Bytes that its mailboxes hold.")]
    created_at: Utc
    provider: Annotated[Provider, Field(description="Provider that carries and signs its mail.")]
    stopped: Annotated[
        str | None,
        Field(description="Why it does not send whatever its own state says: its parent is "
              "suspended or blocked. Null: nothing of that kind."),
    ]

    volatile: ClassVar[frozenset[str]] = frozenset({"mailboxes", "aliases", "size"})


class Mx(Schema):
    preference: int
    host: str


class Dkim(Schema):
    selector: str
    key_type: str
    public_key: Annotated[str, Field(description="SubjectPublicKeyInfo, base64.")]


class ServiceRecord(Schema):
    """A record that the domain's provider of outgoing mail wants."""

    key: Annotated[str, Field(examples=["dkim:pic"])]
    type: Annotated[str, Field(examples=["CNAME"])]
    name: str
    value: Annotated[str, Field(description="As in zone files, TXT without quotes.")]
    level: Level
    purpose: str


class Service(Schema):
    """What the domain's DNS and its mail programs have to know."""

    mx: list[Mx]
    spf: Annotated[list[str], Field(description="Mechanisms (RFC 7208).")]
    dkim: list[Dkim]
    dkim_domain: Annotated[
        str | None, Field(description="Whose key signs, when it is not the domain's own.")
    ]
    verification: Annotated[str, Field(description="Proof of ownership; empty when inherited.")]
    imap_host: str
    imaps_port: int
    imap_port: Annotated[int, Field(description="With STARTTLS.")]
    smtp_host: str
    submissions_port: int
    submission_port: Annotated[int, Field(description="With STARTTLS.")]
    records: list[ServiceRecord]
    mta_sts_host: Annotated[
        str, Field(description="Web host of the MTA-STS policy (RFC 8461), or empty.")
    ]
    mta_sts_id: Annotated[str, Field(description="Id of that policy, or empty.")]
    tls_report: Annotated[
        str, Field(description="Address for reports on TLS (RFC 8460), or empty.")
    ]
    dmarc_report: Annotated[
        str, Field(description="Address for reports on DMARC (RFC 7489), or empty.")
    ]
    autoconfig_host: Annotated[
        str, Field(description="Web host that tells mail programs their settings, or empty.")
    ]
    wildcard: Annotated[bool, Field(description="Its records have to serve subdomains too.")]


class DomainDetail(Domain):
    reason: Annotated[str | None, Field(description="Why it is in this state.")]
    service: Service

    volatile: ClassVar[frozenset[str]] = Domain.volatile


class DnsRecord(Schema):
    key: Annotated[str, Field(examples=["mx"])]
    type: Annotated[str, Field(examples=["MX"])]
    name: str
    expected: str
    found: str | None
    verdict: Verdict
    level: Level
    note: Annotated[str | None, Field(description="What is wrong, and what to do about it.")]
    purpose: str | None


class Step(Schema):
    """When the domain came into a state, and why."""

    at: Utc
    state: State
    reason: str | None


class Verification(Schema):
    name: str
    state: Annotated[State | None, Field(description="Null for a domain that is not here.")]
    since: Utc | None
    reason: Annotated[str | None, Field(description="Why it is in this state.")]
    steps: Annotated[list[Step], Field(description="The latest first.")]
    verified: bool
    ready: Annotated[
        bool,
        Field(description="It may send, and mail to it arrives, as last seen. A subdomain is "
              "verified by its parent, and ready once the DNS says where its mail goes."),
    ]
    sending_note: Annotated[
        str | None, Field(description="What is missing at its provider before it can send.")
    ]
    checked_at: Utc | None
    next_check_at: Utc | None
    message: str | None
    records: list[DnsRecord]

    volatile: ClassVar[frozenset[str]] = frozenset({"checked_at", "next_check_at"})


class DnsCheck(Schema):
    name: str
    message: Annotated[str, Field(description="Which name servers were asked, or why none could.")]
    records: list[DnsRecord]


class ParentUpdate(Schema):
    parent: Annotated[DomainName | None, Field(description="Null makes it stand alone.")] = None
    wildcard: Annotated[bool, Field(description="Whether subdomains may inherit from it.")] = False
    detach: Annotated[
        bool,
        Field(
            description="Cut off the subdomains of one that is no wildcard parent any more. "
            "Without it such a change is refused, and the answer says what would become of them."
        ),
    ] = False
    release: Annotated[
        bool,
        Field(description="Take the name although another customer than its owner gave it up "
              "lately."),
    ] = False


class OwnerUpdate(Schema):
    partner_ref: Annotated[Line, Field(examples=["C-1042"])]


class OutboundCounters(Schema):
    today: Many
    this_month: Many


class OutboundRoom(Schema):
    """What may still be sent before a limit is met, of what the limits count."""

    left: Many
    again_at: Annotated[Utc | None, Field(description="When there is more; null: not by itself.")]
    per_day: Annotated[Count, Field(description="0: no limit of the day.")]


class OutboundQuery(Schema):
    login: Annotated[
        Address | None, Field(description="The mailbox that sends, for its own limits.")
    ] = None


Tier = Annotated[
    Line,
    Field(min_length=1, max_length=100, examples=["standard"],
          description="`standard`, or the name of a plan."),
]
Enforcement = Literal["enforce", "monitor", "off"]
OutboundStatus = Literal["open", "blocked"]
Profile = Literal["none", "fast", "standard", "conservative"]
Unit = Literal["recipients", "messages"]
OverLimit = Literal["defer", "hold", "reject"]
Inherit = Annotated[
    bool,
    Field(description="A subdomain has its parent's tier and enforcement, as they are now."),
]
Flagged = Annotated[
    Utc | None, Field(description="When it last wanted to send far more than usual.")
]


Source = Literal["plan", "own", "parent", "default"]
Multiplier = Annotated[float, Field(ge=1, le=1000)]


class Outbound(Schema):
    """How much a domain may send, as the policy decides it; recipients, 0 means no limit.

    Of the owner's plan and of what was set for the domain the stricter decides; tier and
    enforcement of a subdomain are its parent's.
    """

    outbound_tier: str | None
    outbound_enforcement: Enforcement
    outbound_status: OutboundStatus
    outbound_reason: str | None
    daily_limit: Count
    monthly_limit: Count
    hourly_fraction: float
    warmup_profile: Profile
    warmup_start: Count
    warmup_since: date | None
    spike_max_multiplier: float
    spike_multiplier: Annotated[float, Field(deprecated=True, description="Its older name.")]
    source: Annotated[
        dict[str, Source],
        Field(description="Of each setting: whether it is the owner's plan's, the domain's own, "
              "the parent's, or the usual one."),
    ]
    inherit: Inherit
    unit: Unit
    over_limit: OverLimit
    mailbox_daily_limit: Count
    mailbox_monthly_limit: Count
    recipients_per_message: Count
    alias_destination_limit: Count
    alias_depth_limit: Count
    flagged_at: Flagged
    counters: OutboundCounters
    room: Annotated[OutboundRoom | None, Field(description="null: no limit.")]

    volatile: ClassVar[frozenset[str]] = frozenset({"counters", "flagged_at", "room"})


class OutboundUpdate(Schema):
    """Fields that are left out stay as they are."""

    outbound_tier: Tier | None = None
    outbound_enforcement: Enforcement | None = None
    outbound_status: OutboundStatus | None = None
    daily_limit: Count | None = None
    monthly_limit: Count | None = None
    hourly_fraction: Annotated[float | None, Field(ge=0.0001, le=1)] = None
    warmup_profile: Profile | None = None
    warmup_start: Count | None = None
    warmup_since: date | None = None
    spike_max_multiplier: Multiplier | None = None
    spike_multiplier: Annotated[
        Multiplier | None, Field(deprecated=True, description="Its older name.")
    ] = None
    inherit: Inherit | None = None
    unit: Unit | None = None
    over_limit: OverLimit | None = None
    mailbox_daily_limit: Count | None = None
    mailbox_monthly_limit: Count | None = None
    recipients_per_message: Count | None = None
    alias_destination_limit: Count | None = None
    alias_depth_limit: Count | None = None

    @model_validator(mode="after")
    def _one_spike(self):
        if None not in (self.spike_max_multiplier, self.spike_multiplier) and (
            self.spike_max_multiplier != self.spike_multiplier
        ):
            raise ValueError("give spike_max_multiplier alone; spike_multiplier is its older name")
        return self


class Increment(Schema):
    recipients: Annotated[int, Field(ge=1, le=100_000, description="How many.")] = 1
    to: Annotated[
        list[Destination] | None,
        Field(min_length=1, max_length=1000, description="Who they are, instead of how many; "
              "then the suppression list and the loop brake are asked too."),
    ] = None
    login: Annotated[
        Address | None, Field(description="The mailbox that sends, for its own limits.")
    ] = None


Action = Literal["accept", "defer", "hold", "reject"]


class Decision(Schema):
    action: Action
    wanted: Annotated[Action, Field(description="What it would be if limits were enforced.")]
    code: Annotated[str | None, Field(examples=["450 4.7.1"])]
    reason: str
    rule: Annotated[str | None, Field(examples=["daily"])]
    limit: Count
    used: Annotated[Many, Field(description="Of the limit, before this message.")]
    retry_at: datetime | None
    today: Many
    this_month: Many


Days = Annotated[int, Field(ge=0, le=36_500, description="0 keeps it forever.")]


class Retention(Schema):
    """Days to keep mail, by kind of folder."""

    inbox: Days
    sent: Days
    drafts: Days
    archive: Days
    trash: Days
    junk: Days
    other: Days


class RetentionUpdate(Schema):
    """Fields that are left out stay as they are."""

    inbox: Days | None = None
    sent: Days | None = None
    drafts: Days | None = None
    archive: Days | None = None
    trash: Days | None = None
    junk: Days | None = None
    other: Days | None = None


OverTransfer = Annotated[
    Literal["enforce", "warn"],
    Field(description="`enforce`: over the limit its mail waits, in and out, until the next month. "
          "`warn`: its people are told."),
]


class Transfer(Schema):
    limit: Annotated[Bytes, Field(description="Bytes in a month; 0 means no limit.")]
    over_limit: OverTransfer
    used: Annotated[Bytes, Field(description="Bytes in this month.")]

    volatile: ClassVar[frozenset[str]] = frozenset({"used"})


class TransferUpdate(Schema):
    limit: Bytes
    over_limit: Annotated[
        Literal["enforce", "defer", "warn"] | None,
        Field(description="Left out: as it is. `defer` is another word for `enforce`."),
    ] = None
