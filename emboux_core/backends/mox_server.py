# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What an administrator does on a mox server beside domains and mailboxes: its queue, calls of
webhooks, reports, log-ins, routes, keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ..net.answers import printable
from ..net.errors import Refused
from .mox_directory import MoxDirectory, as_dict, as_list
from .mox_rows import (
    HoldRow,
    HookRow,
    KeyRow,
    LoginRow,
    QueueRow,
    ReportRow,
    RouteRow,
    dmarc_rows,
    hold_row,
    hook_row,
    login_row,
    queue_row,
    rfc3339,
    time_of,
    tls_rows,
)

PAGE = 500  # rows; mox itself sets no limit
MOST = 20_000  # rows of one list: more than anybody reads, and a bound for a list that never ends
SIGNING_ALGORITHMS = ("rsa", "ed25519")


class MoxServer:
    """Reads and acts through the admin API.  Raises ``BackendError`` as ``MoxApi`` does."""

    def __init__(self, there: MoxDirectory):
        self.api, self._there = there.api, there

    # -- queue and retired messages ---------------------------------------------------------

    def queue(self) -> list[QueueRow]:
        return [
            queue_row(row, "hold" if row.get("Hold") else "deferred")
            for row in self._pages("QueueList", "Queued")
        ]

    def retired(self) -> list[QueueRow]:
        """Messages that are delivered or failed, of the accounts that keep them for a while."""
        return [
            queue_row(row, "delivered" if row.get("Success") else "failed")
            for row in self._pages("RetiredList", "LastActivity")
        ]

    def sent_lately(self, account: str) -> list[datetime]:
        """When the account submitted what mox still knows of the last 24 hours, once for each
        recipient, the latest first."""
        mine = {"Account": account, "Submitted": ">-24h"}
        rows = [*self._pages("QueueList", "Queued", mine),
                *self._pages("RetiredList", "Queued", mine)]
        return sorted((time_of(row.get("Queued")) for row in rows), reverse=True)

    def hold(self, numbers: Sequence[int], on: bool) -> int:
        return self._act("QueueHoldSet", numbers, on)

    def try_again(self, numbers: Sequence[int], minutes: int = 0) -> int:
        """Not before so many minutes from now."""
        return self._act("QueueNextAttemptSet", numbers, minutes)

    def fail(self, numbers: Sequence[int]) -> int:
        """Their senders get a report that they were not delivered."""
        return self._act("QueueFail", numbers)

    def drop(self, numbers: Sequence[int]) -> int:
        """Nobody hears of it."""
        return self._act("QueueDrop", numbers)

    def require_tls(self, numbers: Sequence[int], wish: bool | None) -> int:
        return self._act("QueueRequireTLSSet", numbers, wish)

    def use_transport(self, numbers: Sequence[int], name: str) -> int:
        """``name``: of ``transports``, "" for what the routes say; mox does not check it."""
        return self._act("QueueTransportSet", numbers, name)

    def hold_rules(self) -> list[HoldRow]:
        return [hold_row(row) for row in as_list(self.api.ask("QueueHoldRuleList"))]

    def add_hold_rule(self, account: str, sender_domain: str, recipient_domain: str) -> HoldRow:
        return hold_row(as_dict(self.api.change("QueueHoldRuleAdd", {
            "Account": account, "SenderDomainStr": sender_domain,
            "RecipientDomainStr": recipient_domain,
        })))

    def remove_hold_rule(self, number: int) -> None:
        self.api.change("QueueHoldRuleRemove", number)

    # -- webhooks ---------------------------------------------------------------------------

    def hooks(self) -> list[HookRow]:
        return [hook_row(row, "waiting") for row in self._pages("HookList", "Submitted")]

    def retired_hooks(self) -> list[HookRow]:
        return [
            hook_row(row, "delivered" if row.get("Success") else
                      "superseded" if row.get("SupersededByID") else "failed")
            for row in self._pages("HookRetiredList", "LastActivity")
        ]

    def call_again(self, numbers: Sequence[int]) -> int:
        return self._act("HookNextAttemptSet", numbers, 0)

    def cancel_hooks(self, numbers: Sequence[int]) -> int:
        return self._act("HookCancel", numbers)

    # -- reports and log-ins -----------------------------------------------------------------

    def dmarc_reports(self, start: datetime, end: datetime) -> list[ReportRow]:
        """What others say of mail that had one of our domains as its sender."""
        found = as_list(self.api.ask("DMARCReports", rfc3339(start), rfc3339(end), ""))
        return [row for report in found for row in dmarc_rows(report)]

    def tls_reports(self, start: datetime, end: datetime) -> list[ReportRow]:
        """What others say of their connections to us."""
        found = as_list(self.api.ask("TLSReports", rfc3339(start), rfc3339(end), ""))
        return [row for report in found for row in tls_rows(report)]

    def logins(self, limit: int = PAGE) -> list[LoginRow]:
        """The latest ones; an older mox does not note them."""
        if not self.api.knows("LoginAttempts"):
            return []
        return [login_row(row) for row in as_list(self.api.ask("LoginAttempts", "", limit))]

    # -- settings of the server ----------------------------------------------------------------

    def transports(self) -> dict[str, str]:
        """Name to kind: ``Submission``, ``SMTP``, ``Socks``, ``Direct`` or ``Fail``."""
        return {
            str(name): next((kind for kind, value in as_dict(row).items() if value), "")
            for name, row in as_dict(self.api.ask("Transports")).items()
        }

    def routes(self) -> list[RouteRow]:
        return [
            RouteRow(tuple(map(str, as_list(row.get("FromDomain")))),
                     tuple(map(str, as_list(row.get("ToDomain")))),
                     int(row.get("MinimumAttempts") or 0), str(row.get("Transport") or ""))
            for row in as_list(as_dict(self.api.ask("Config")).get("Routes"))
        ]

    def save_routes(self, routes: Iterable[RouteRow]) -> None:
        self.api.change("RoutesSave", [
            {"FromDomain": list(row.from_domains), "ToDomain": list(row.to_domains),
             "MinimumAttempts": row.attempts, "Transport": row.transport}
            for row in routes
        ])

    def blocklists(self) -> tuple[dict[str, dict[str, str]], list[str]]:
        """What DNS blocklists say of each of our addresses, and which of them are only watched."""
        results, _using, watched = (as_list(self.api.ask("DNSBLStatus")) + [None] * 3)[:3]
        said = {
            str(address): {str(zone): printable(str(text)) for zone, text in as_dict(row).items()}
            for address, row in as_dict(results).items()
        }
        return said, [str(as_dict(zone).get("ASCII") or "") for zone in as_list(watched)]

    def watch_blocklists(self, zones: Iterable[str]) -> None:
        self.api.change("MonitorDNSBLsSave", "\n".join(zones))

    def policies(self) -> list[tuple[str, str, datetime]]:
        """MTA-STS policies of others that were seen: domain, mode, until when."""
        return [
            (str(as_dict(row.get("Domain")).get("ASCII") or row.get("Domain") or ""),
             str(row.get("Mode") or ""), time_of(row.get("ValidEnd")))
            for row in as_list(self.api.ask("MTASTSPolicies"))
        ]

    # -- a domain ------------------------------------------------------------------------------

    def domain_settings(self, name: str) -> dict[str, Any]:
        return as_dict(self.api.ask("DomainConfig", name))

    def keys(self, name: str) -> list[KeyRow]:
        dkim = as_dict(self.domain_settings(name).get("DKIM"))
        signing = as_list(dkim.get("Sign"))
        return [
            KeyRow(selector, str(row.get("Algorithm") or ""), selector in signing)
            for selector, row in sorted(as_dict(dkim.get("Selectors")).items())
        ]

    def add_key(self, name: str, selector: str, algorithm: str) -> None:
        """A new key, which signs nothing until ``sign_with``: its record has to be published first.

        ``algorithm``: one of ``SIGNING_ALGORITHMS``.
        """
        lifetime = 72 * 3600 * 10**9  # nanoseconds that a signature is valid: mox's own default
        self.api.change(
            "DomainDKIMAdd", name, selector, algorithm, "sha256", True, True, True, [], lifetime)

    def sign_with(self, name: str, selectors: Iterable[str]) -> None:
        dkim = as_dict(self.domain_settings(name).get("DKIM"))
        self._save("DomainDKIMSave", name, as_dict(dkim.get("Selectors")), list(selectors))

    def retire_key(self, name: str, selector: str) -> None:
        self.api.change("DomainDKIMRemove", name, selector)

    def send_reports_to(self, name: str, kind: str, local_part: str, account: str, folder: str
                        ) -> None:
        """Where reports on a domain go; an empty local part asks for none.

        ``kind``: ``dmarc`` or ``tls``.
        :raises Refused: it is somebody's own address, whose mail mox would give to the reports.
        """
        self._there.forget()
        address = f"{local_part.lower()}@{name}"
        if local_part and (holder := self._there.holder(address)):
            raise Refused(
                f"{address} belongs to {holder}, which would get no mail any more: mox would give "
                "all of it to the reports. Choose an address that nobody has."
            )
        function = {"dmarc": "DomainDMARCAddressSave", "tls": "DomainTLSRPTAddressSave"}[kind]
        given = (local_part, "", account, folder) if local_part else ("", "", "", "")
        self._save(function, name, *given)

    def save_mta_sts(self, name: str, policy: str, mode: str, max_age: int, mx: Sequence[str]
                     ) -> None:
        """``mode``: ``testing``, ``enforce``, ``none``, "" for no policy; ``max_age``: seconds."""
        self._save("DomainMTASTSSave", name, policy, mode, max_age * 10**9, list(mx))

    # -- calls ----------------------------------------------------------------------------------

    def _save(self, function: str, domain: str, *params: Any) -> None:
        self.api.change(function, self._there.stored_name(domain), *params)
        self._there.forget()

    def _act(self, function: str, numbers: Sequence[int], *more: Any) -> int:
        """How many it was done to."""
        if not numbers:
            # an empty filter means everything
            return 0
        return int(self.api.change(function, {"IDs": list(numbers)}, *more) or 0)

    def _pages(self, function: str, field: str, chosen: Mapping[str, str] = MappingProxyType({})
               ) -> Iterable[dict[str, Any]]:
        """Newest first, ``MOST`` at most; ``chosen``: of mox's filter."""
        after: dict[str, Any] = {}
        seen: set[int] = set()
        while len(seen) < MOST:
            rows = as_list(self.api.ask(
                function, {**chosen, "Max": PAGE}, {"Field": field, "Asc": False, **after}))
            fresh = [row for row in rows if row.get("ID") not in seen]
            yield from fresh
            seen.update(row["ID"] for row in fresh)
            if len(rows) < PAGE or not fresh:
                return
            after = {"LastID": rows[-1]["ID"], "Last": rows[-1][field]}
