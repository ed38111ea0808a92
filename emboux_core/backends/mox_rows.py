# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a mox server lists, as value objects.

Times are naive UTC, as Odoo stores them, without fractions; texts are one line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..net.answers import printable
from ..net.errors import Unreachable
from .mox_directory import as_dict, as_list

_DELIVERING = "delivering..."


@dataclass(frozen=True)
class Attempt:
    """One try to deliver a message or to make a call; ``code``: of SMTP or HTTP, 0 for none."""

    at: datetime
    seconds: float
    success: bool
    code: int
    text: str


@dataclass(frozen=True)
class QueueRow:
    """A message for one recipient.  ``state``: ``deferred``, ``hold``, ``delivered`` or ``failed``.

    ``require_tls``: True, False (also without TLS) or None, as the recipient's domain wishes.
    """

    number: int
    state: str
    arrived: datetime
    sender: str
    recipient: str
    account: str
    size: int  # bytes
    subject: str
    message_id: str
    from_id: str
    attempts: tuple[Attempt, ...]
    next_try: datetime | None
    ended: datetime | None
    transport: str
    require_tls: bool | None


@dataclass(frozen=True)
class HoldRow:
    """Mail that is put on hold: of an account, from a domain, to a domain; empty parts fit all."""

    number: int
    account: str
    sender_domain: str
    recipient_domain: str


@dataclass(frozen=True)
class HookRow:
    """A call of an account's webhook.  ``state``: ``waiting``, ``delivered``, ``failed`` or
    ``superseded`` (a later event of the same message went first)."""

    number: int
    state: str
    account: str
    url: str
    event: str
    message: int
    message_id: str
    subject: str
    payload: str
    submitted: datetime
    attempts: tuple[Attempt, ...]
    next_try: datetime | None


@dataclass(frozen=True)
class ReportRow:
    """One line of a report that another server sent.

    ``kind``: ``dmarc`` or ``tls``; ``key``: its own among them all.  ``passed`` of ``count``
    messages (or connections) were right; ``result`` says what the others did.
    """

    kind: str
    key: str
    domain: str
    by: str
    day: datetime
    source: str
    count: int
    passed: int
    result: str


@dataclass(frozen=True)
class LoginRow:
    """Log-ins of one kind from one place.  ``account`` is ``(admin)`` for the admin pages."""

    key: str
    account: str
    address: str
    source: str
    protocol: str
    method: str
    result: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class RouteRow:
    """Which transport carries mail from domains to domains, after so many attempts."""

    from_domains: tuple[str, ...]
    to_domains: tuple[str, ...]
    attempts: int
    transport: str


@dataclass(frozen=True)
class KeyRow:
    """A DKIM key of a domain; ``signs``: outgoing mail is signed with it."""

    selector: str
    algorithm: str
    signs: bool


def queue_row(row: dict[str, Any], state: str) -> QueueRow:
    sender = _address(row.get("SenderLocalpart"), row.get("SenderDomainStr"))
    return QueueRow(
        number=number_of(row, "ID"), state=state, arrived=time_of(row.get("Queued")), sender=sender,
        recipient=str(row.get("RecipientAddress") or "") or _address(
            row.get("RecipientLocalpart"), row.get("RecipientDomainStr")),
        account=text_of(row, "SenderAccount"), size=int(row.get("Size") or 0),
        subject=text_of(row, "Subject"), message_id=text_of(row, "MessageID"),
        from_id=text_of(row, "FromID"),
        attempts=_attempts(row),
        next_try=time_of(row["NextAttempt"]) if row.get("NextAttempt") else None,
        ended=time_of(row["LastActivity"]) if row.get("LastActivity") else None,
        transport=text_of(row, "Transport"), require_tls=row.get("RequireTLS"),
    )


def hold_row(row: dict[str, Any]) -> HoldRow:
    return HoldRow(number_of(row, "ID"), text_of(row, "Account"), text_of(row, "SenderDomainStr"),
                   text_of(row, "RecipientDomainStr"))


def hook_row(row: dict[str, Any], state: str) -> HookRow:
    return HookRow(
        number=number_of(row, "ID"), state=state, account=text_of(row, "Account"),
        url=text_of(row, "URL"),
        event="incoming" if row.get("IsIncoming") else text_of(row, "OutgoingEvent"),
        message=int(row.get("QueueMsgID") or 0), message_id=text_of(row, "MessageID"),
        subject=text_of(row, "Subject"), payload=str(row.get("Payload") or ""),
        submitted=time_of(row.get("Submitted")), attempts=_attempts(row),
        next_try=time_of(row["NextAttempt"]) if row.get("NextAttempt") else None,
    )


def _attempts(row: dict[str, Any]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            time_of(each.get("Start")), int(each.get("Duration") or 0) / 10**9,
            bool(each.get("Success")), int(each.get("Code") or 0),
            printable(str(each.get("Error") or each.get("Response") or "")),
        )
        for each in as_list(row.get("Results")) if each.get("Error") != _DELIVERING
    )


def dmarc_rows(report: dict[str, Any]) -> Iterable[ReportRow]:
    about = as_dict(report.get("ReportMetadata"))
    day = _of_seconds(as_dict(about.get("DateRange")).get("End"))
    for number, record in enumerate(as_list(report.get("Records"))):
        row = as_dict(record.get("Row"))
        judged = as_dict(row.get("PolicyEvaluated"))
        dkim, spf = text_of(judged, "DKIM"), text_of(judged, "SPF")
        count = int(row.get("Count") or 0)
        yield ReportRow(
            kind="dmarc", key=f"{number_of(report, 'ID')}.{number}",
            domain=text_of(report, "Domain"), by=text_of(about, "OrgName"), day=day,
            source=text_of(row, "SourceIP"), count=count,
            passed=count if "pass" in (dkim, spf) else 0,
            result=f"{text_of(judged, 'Disposition')}; DKIM {dkim}; SPF {spf}",
        )


def tls_rows(record: dict[str, Any]) -> Iterable[ReportRow]:
    report = as_dict(record.get("Report"))
    day = time_of(as_dict(report.get("DateRange")).get("End"))
    for number, policy in enumerate(as_list(report.get("Policies"))):
        counts = as_dict(policy.get("Summary"))
        passed = int(counts.get("TotalSuccessfulSessionCount") or 0)
        kinds = sorted({text_of(each, "ResultType")
                        for each in as_list(policy.get("FailureDetails"))})
        yield ReportRow(
            kind="tls", key=f"{number_of(record, 'ID')}.{number}",
            domain=text_of(record, "Domain"), by=text_of(report, "OrganizationName"), day=day,
            source=text_of(as_dict(policy.get("Policy")), "PolicyType"),
            count=passed + int(counts.get("TotalFailureSessionCount") or 0), passed=passed,
            result=", ".join(kinds),
        )


def login_row(row: dict[str, Any]) -> LoginRow:
    return LoginRow(
        key=text_of(row, "Key"), account=text_of(row, "AccountName"),
        address=text_of(row, "LoginAddress"), source=text_of(row, "RemoteIP"),
        protocol=text_of(row, "Protocol"), method=text_of(row, "AuthMech"),
        result=text_of(row, "Result"), count=int(row.get("Count") or 0),
        first=time_of(row.get("First")), last=time_of(row.get("Last")),
    )


def _address(local: Any, domain: Any) -> str:
    return printable(f"{local or ''}@{domain or ''}") if local or domain else ""


def text_of(row: dict[str, Any], name: str) -> str:
    return printable(str(row.get(name) or ""))


def number_of(row: dict[str, Any], name: str) -> int:
    value = row.get(name)
    if type(value) is not int:
        raise Unreachable("It did not answer as mox does: a row has no number.")
    return value


def time_of(text: Any) -> datetime:
    """RFC 3339 with nanoseconds, which Odoo has not."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise Unreachable("It did not answer as mox does: a row has no time.") from None
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _of_seconds(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds or 0), UTC).replace(tzinfo=None)


def rfc3339(moment: datetime) -> str:
    return f"{moment.replace(microsecond=0).isoformat()}Z"
