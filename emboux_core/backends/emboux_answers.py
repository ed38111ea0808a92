# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the API of an Emboux platform answers, as value objects.

Each function raises ``Unfit`` for another shape; unknown fields are ignored, because the platform
may be newer.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from ..dns.expected import (
    OPTIONAL,
    RECOMMENDED,
    REQUIRED,
    TYPES,
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
    expected_records,
    zone_text,
)
from ..dns.judge import MISSING, OK, UNKNOWN, WRONG, Verdict
from ..net.answers import Fields, Unfit, printable
from .base import (
    AliasSpec,
    DomainSpec,
    DomainStatus,
    MailboxRules,
    MailboxSpec,
    Room,
    Usage,
)

_NAME = r"[a-z0-9-]+(\.[a-z0-9-]+)+"
_ADDRESS = rf"[\x21-\x3f\x41-\x7e]+@{_NAME}"
_ALIAS = rf"[\x21-\x3f\x41-\x7e]*@{_NAME}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)"
_DAY = r"\d{4}-\d\d-\d\d"
_VISIBLE = r"[\x21-\x7e]*"

T = TypeVar("T")


def sentence_of(body: bytes) -> str:
    """The platform's reason, or an empty string when this is no error of the API."""
    try:
        fields = Fields.parse(body)
        try:
            return fields.any_text("detail")
        except Unfit:
            rows = fields.objects("detail")
        said = []
        for row in rows[:10]:
            where = "" if row.none("field") else f"{row.any_text('field')}: "
            said.append(f"{where}{row.any_text('message')}")
        return printable("; ".join(said))
    except Unfit:
        return ""


def assert_same(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Unfit("it speaks of something else than was asked for")


def domain_of(fields: Fields) -> DomainSpec:
    return DomainSpec(
        name=fields.text("name", _NAME, 253),
        suspended=fields.text("state", r"[a-z_]+") == "suspended",
        parent=fields.text_or_none("parent", _NAME, 253),
        wildcard=fields.flag("wildcard"),
    )


def service_of(fields: Fields, name: str) -> MailService:
    service = MailService(
        mx=tuple(
            MxTarget(mx.number("preference", 0, 65535), mx.text("host", _VISIBLE, 253))
            for mx in fields.objects("mx")
        ),
        spf=fields.texts("spf", r"[\x21-\x7e]+"),
        dkim=tuple(
            DkimKey(
                selector=key.text("selector", r"[A-Za-z0-9._-]+", 253),
                key_type=key.text("key_type", r"[a-z0-9-]+"),
                public_key=key.text("public_key", r"[A-Za-z0-9+/]+=*"),
            )
            for key in fields.objects("dkim")
        ),
        verification=fields.text("verification", _VISIBLE, 200),
        imap_host=fields.text("imap_host", _VISIBLE, 253),
        imaps_port=fields.number("imaps_port", 1, 65535),
        smtp_host=fields.text("smtp_host", _VISIBLE, 253),
        submissions_port=fields.number("submissions_port", 1, 65535),
        imap_port=_port_if_there(fields, "imap_port", 143),
        submission_port=_port_if_there(fields, "submission_port", 587),
        dkim_domain=fields.text_or_none("dkim_domain", _NAME, 253),
        # an older platform does not send it
        records=_records_of(fields) if fields.has("records") else (),
        mta_sts_host=_text_if_there(fields, "mta_sts_host", 253),
        mta_sts_id=_text_if_there(fields, "mta_sts_id", 32),
        tls_report=_text_if_there(fields, "tls_report", 254),
        dmarc_report=_text_if_there(fields, "dmarc_report", 254),
        autoconfig_host=_text_if_there(fields, "autoconfig_host", 253),
        wildcard=fields.has("wildcard") and fields.flag("wildcard"),
    )
    _assert_writable(expected_records, name, service)
    return service


def _assert_writable(make: Callable[..., tuple[ExpectedRecord, ...]], *arguments: Any) -> None:
    try:
        zone_text(make(*arguments))
    except ValueError:
        raise Unfit("what it wants in the DNS cannot stand there") from None


def _records_of(fields: Fields) -> tuple[ExpectedRecord, ...]:
    """A provider's records; those of an unknown type or level are ignored."""
    rows = (_record_of(row, row.text("value")) for row in fields.objects("records"))
    return tuple(record for record in rows if record)


def _record_of(row: Fields, value: str) -> ExpectedRecord | None:
    record = ExpectedRecord(
        key=row.text("key", r"[\x21-\x7e]+", 253),
        record_type=row.text("type", r"[A-Z0-9]+", 20),
        name=row.text("name", r"[\x21-\x7e]+", 253),
        value=value,
        level=row.text("level", r"[a-z]+", 20),
        purpose="" if row.none("purpose") else row.any_text("purpose"),
    )
    known = record.record_type in TYPES and record.level in (REQUIRED, RECOMMENDED, OPTIONAL)
    return record if known else None


@dataclass(frozen=True)
class Verification:
    """What the platform found about a domain, and its verdict."""

    state: str
    reason: str
    records: tuple[ExpectedRecord, ...]
    verdicts: tuple[Verdict, ...]
    asked: str


def verification_of(fields: Fields, name: str) -> Verification:
    assert_same(fields.text("name", _NAME, 253), name)
    records, verdicts = [], []
    for row in fields.objects("records"):
        # several MX are several lines
        lines = row.lines("expected")
        record = _record_of(row, "\n".join(lines))
        state = row.text("verdict", r"[a-z]+", 20)
        if record is None or state not in (OK, MISSING, WRONG, UNKNOWN):
            continue
        if record.name != name and not record.name.endswith(f".{name}"):
            raise Unfit("what it wants in the DNS is not in the domain")
        records.append(record)
        found = [] if row.none("found") else row.lines("found")
        note = "" if row.none("note") else row.any_text("note")
        verdicts.append(Verdict(record.key, state, "\n".join(found), note))
    if len({record.key for record in records}) < len(records):
        raise Unfit("it names a record twice")
    _assert_writable(tuple, records)
    return Verification(
        state=_state_of(fields),
        reason="" if fields.none("reason") else fields.any_text("reason"),
        records=tuple(records),
        verdicts=tuple(verdicts),
        asked="" if fields.none("message") else fields.any_text("message"),
    )


def domain_status_of(fields: Fields, name: str, seen: Verification | None) -> DomainStatus:
    """``seen``: its verdict from the call before, None if it was not asked."""
    assert_same(fields.text("name", _NAME, 253), name)
    reason = seen.reason if seen else ""
    if fields.has("reason") and not fields.none("reason"):
        reason = fields.any_text("reason")
    return DomainStatus(
        name=name,
        state=_state_of(fields),
        owned=not fields.none("owned_since"),
        service=service_of(fields.object("service"), name),
        reason=reason,
        records=seen.records if seen else (),
        verdicts=seen.verdicts if seen else (),
        asked=seen.asked if seen else "",
    )


def _state_of(fields: Fields) -> str:
    """The state in our terms; an unknown one counts as not allowed to send."""
    state = fields.text("state", r"[a-z_]+", 50)
    return state if state in ("verified", "failed", "suspended") else "pending"


def _port_if_there(fields: Fields, name: str, usual: int) -> int:
    return fields.number(name, 1, 65535) if fields.has(name) else usual


def _text_if_there(fields: Fields, name: str, length: int) -> str:
    return fields.text(name, _VISIBLE, length) if fields.has(name) else ""


def mailbox_of(fields: Fields) -> MailboxSpec:
    return MailboxSpec(
        email=fields.text("email", _ADDRESS, 254),
        quota=fields.number("quota"),
        suspended=fields.flag("suspended"),
        send_as_domain=fields.flag("send_as_domain"),
        display_name=fields.any_text("display_name"),
        rules=_rules_of(fields),
    )


def _rules_of(fields: Fields) -> MailboxRules | None:
    """None where an older platform does not say."""
    if not fields.has("vacation_on"):
        return None
    return MailboxRules(
        forward_to=fields.texts("forward_to", _ADDRESS, 254),
        forward_keep=fields.flag("forward_keep"),
        vacation_on=fields.flag("vacation_on"),
        vacation_subject=fields.any_text("vacation_subject"),
        vacation_text="\n".join(fields.lines("vacation_text", 12000)),
        vacation_from=_day_or_none(fields, "vacation_from"),
        vacation_until=_day_or_none(fields, "vacation_until"),
        vacation_days=fields.number("vacation_days"),
    )


def _day_or_none(fields: Fields, name: str) -> date | None:
    text = fields.text_or_none(name, _DAY, 10)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Unfit(f'"{name}" is no day') from None


def rules_as_json(rules: MailboxRules | None) -> dict[str, Any]:
    """The fields by which they are set; none where they stay as they are."""
    if not rules:
        return {}
    return {
        **asdict(rules),
        "forward_to": list(rules.forward_to),
        "vacation_from": rules.vacation_from and rules.vacation_from.isoformat(),
        "vacation_until": rules.vacation_until and rules.vacation_until.isoformat(),
    }


def room_of(fields: Fields) -> Room | None:
    if not fields.has("room") or fields.none("room"):
        return None
    room = fields.object("room")
    again = room.text_or_none("again_at", _TIME, 40)
    return Room(
        left=room.number("left"),
        again=datetime.fromisoformat(again) if again else None,
        per_day=room.number("per_day"),
    )


def alias_of(fields: Fields) -> AliasSpec:
    return AliasSpec(
        address=fields.text("address", _ALIAS, 254),
        destinations=fields.texts("destinations", _ADDRESS, 254),
    )


def rows_of(row: Callable[[Fields], T], field: str, domain: str) -> Callable[[Fields], T]:
    """A reader of rows that all have to be of one domain."""

    def read(fields: Fields) -> T:
        found = row(fields)
        assert_same(getattr(found, field).rpartition("@")[2], domain)
        return found

    return read


def changes_of(fields: Fields) -> tuple[list[tuple[str, Usage | None]], str, bool]:
    """Mailboxes with their use, None for those that are gone; the cursor; whether there is more."""
    changes: list[tuple[str, Usage | None]] = []
    for item in fields.objects("items"):
        if item.text("kind") not in ("mailbox", "usage"):
            continue
        email = item.text("name", _ADDRESS, 254)
        if item.flag("gone"):
            changes.append((email, None))
        elif not item.none("size"):
            messages = 0 if item.none("messages") else item.number("messages", 0, 2**31 - 1)
            changes.append((email, Usage(email, item.number("size"), messages)))
    return changes, fields.text("next", _VISIBLE, 20_000), fields.flag("more")
