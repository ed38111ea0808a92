# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Write the records of a mail domain into its zone by dynamic update (RFC 2136), in two steps.

    seen = plan(domain, expected_records(domain, service), primary, published)
    ...                                   # a person looks at seen.steps
    keep(seen.claim(confirm_merge))       # what may be ours from now on
    keep(apply(seen, primary, confirm_merge).published)

``plan`` changes nothing. ``apply`` sends one message whose prerequisites say that every record set
it touches is still as the plan saw it (RFC 2136 2.4), so it is done as a whole and on that ground,
or not at all. Errors are those of ``backends.base``, and ``ZoneChanged``.
"""

from dataclasses import dataclass, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.update

from ..addresses import normalise_domain
from ..net.errors import BackendError, UnknownOutcome, Unreachable
from . import dmarc
from .changes import (
    ADD,
    CONFLICT,
    MERGE,
    REMOVE,
    REPLACE,
    THERE,
    OwnedRecord,
    Plan,
    Seen,
    Step,
    decide,
    identity,
    rdatas_of,
)
from .client import CnameLoop, Resolver, follow, plain
from .expected import TYPES, ExpectedRecord
from .lookup import dmarc_texts
from .primary import Primary, Session, ZoneChanged, alias_of, apex_of, find_apex
from .spf import LookupFailed

__all__ = [
    "ADD", "CONFLICT", "DONE", "MERGE", "REMOVE", "REPLACE", "THERE", "UNCONFIRMED", "Outcome",
    "Plan", "Primary", "OwnedRecord", "Result", "Seen", "Step", "ZoneChanged", "apply", "plan",
    "remove",
]  # fmt: skip

DONE, UNCONFIRMED = "done", "unconfirmed"
TTL = 3600  # seconds, of records that stand alone
_MAX_TTL = 2**31 - 1  # RFC 2181 8


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    ``state``: ``done``, ``there``, ``conflict`` (left as it is) or ``unconfirmed`` (a merge that
    nobody has confirmed).
    """

    key: str
    record_type: str
    name: str
    state: str
    note: str = ""


@dataclass(frozen=True)
class Result:
    """What became of each step, and all that Emboux has made and is in the zone now."""

    outcomes: tuple[Outcome, ...]
    published: tuple[OwnedRecord, ...]


def plan(
    domain: str,
    records: tuple[ExpectedRecord, ...],
    primary: Primary,
    published: tuple[OwnedRecord, ...] = (),
    resolver: Resolver | None = None,
) -> Plan:
    """Look up what the zone's primary server has, and say per record what would be done.

    ``published``: what Emboux itself has made for the domain before, from the last ``claim`` or
    ``Result``; of what is there only this is ever replaced or removed, and is removed when
    ``records`` have it no more. ``resolver`` is asked for DMARC records above the zone, of which
    none is undercut. The zone is not changed: where a wildcard answers, the server is
    asked for the name itself by an update that has prerequisites only.

    :raises BackendError: the server did not say, see ``primary.Session``.
    :raises AddressError: ``domain`` is not a domain name.
    :raises ValueError: a record cannot be written; names it.
    """
    domain = normalise_domain(domain)
    records, published = tuple(records), tuple(dict.fromkeys(published))
    for record in (*records, *published):
        _check(domain, record)
    with Session(primary) as session:
        zone = find_apex(session, dns.name.from_text(domain))
        survey = _Survey(session, zone)
        places = dict.fromkeys((one.name, one.record_type) for one in (*records, *published))
        seen = {place: survey.look(*place) for place in places}
        policy = survey.policy_above(domain, resolver) if _lacks_dmarc(records, seen) else None
    steps = decide(records, published, seen, policy)
    return Plan(domain, plain(zone), steps, tuple(seen.values()))


def _lacks_dmarc(records: tuple[ExpectedRecord, ...], seen: dict[tuple[str, str], Seen]) -> bool:
    wanted = [record for record in records if record.key == "dmarc"]
    return any(not any(map(dmarc.is_dmarc, seen[r.name, r.record_type].shown)) for r in wanted)


def apply(plan: Plan, primary: Primary, confirm_merge: bool = False, ttl: int = TTL) -> Result:
    """Do what the plan says; conflicts, and merges without ``confirm_merge``, are left out.

    ``ttl`` in seconds is that of new record sets; a record that joins others or takes the place of
    somebody's takes their TTL (RFC 2181 5.2). An answer that gets lost is made up for by looking
    again.

    :raises ZoneChanged: the zone is not as in the plan any more; nothing was changed.
    :raises Refused, Unreachable: nothing was changed.
    :raises UnknownOutcome: the change may have been made or be made yet: ``Plan.claim`` says what
        it may leave behind; make a new plan.
    :raises ValueError: the TTL is out of range.
    """
    if not 0 <= ttl <= _MAX_TTL:
        raise ValueError(f"The TTL {ttl} is out of range: 0 to {_MAX_TTL} s are possible.")
    steps = plan.changes(confirm_merge)
    if steps:
        with Session(primary) as session:
            try:
                session.update(_message(plan, steps, ttl))
            except UnknownOutcome:
                if not _is_done(session, plan, steps):
                    raise
    outcomes, left = [], []
    for step in plan.steps:
        state = step.action if step.action in (THERE, CONFLICT) else UNCONFIRMED
        state = DONE if step in steps else state
        outcomes.append(Outcome(step.key, step.record_type, step.name, state, step.note))
        left += step.published if step in steps else step.held
    return Result(tuple(outcomes), tuple(dict.fromkeys(left)))


def remove(
    domain: str,
    published: tuple[OwnedRecord, ...],
    primary: Primary,
    confirm_merge: bool = False,
) -> Result:
    """Remove what Emboux has made for a domain that goes, in one step.

    Its mechanisms in somebody's SPF record are removed with ``confirm_merge`` only.  For a preview
    call ``plan`` without records.

    :raises BackendError, AddressError, ValueError: as ``plan`` and ``apply``.
    """
    return apply(plan(domain, (), primary, published), primary, confirm_merge)


class _Survey:
    """Surveys names of one zone on its primary server."""

    def __init__(self, session: Session, zone: dns.name.Name):
        self.session, self.zone = session, zone
        self._names: dict[dns.name.Name, tuple[bool, str]] = {}
        self._wildcards: dict[dns.name.Name, bool] = {}

    def look(self, name: str, rdtype: str) -> Seen:
        """:raises BackendError: the server did not say."""
        owner = dns.name.from_text(name)
        if owner not in self._names:
            self._names[owner] = self._name(owner)
        exists, obstacle = self._names[owner]
        seen = Seen(name, rdtype, obstacle=obstacle)
        if obstacle:
            return seen
        if not exists:
            policy = rdtype == "TXT" and name.startswith("_dmarc.")
            return replace(seen, wild=self._texts(owner)) if policy else seen
        answer = self._ask(owner, rdtype)
        wanted = dns.rdatatype.from_text(rdtype)
        found = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, wanted)
        try:
            end, shown = follow(answer, owner, rdtype)
        except CnameLoop:
            end, shown = owner, ()
        if found:
            values = tuple(data.to_text() for data in found)
            return replace(seen, ttl=found.ttl, values=values, shown=shown, in_use=True)
        if alias := alias_of(answer, owner):
            return replace(seen, alias=plain(alias), through=shown if end != owner else ())
        # what else there is matters to an alias alone, which stands for the whole name
        return replace(seen, in_use=rdtype == "CNAME" and not self._is_bare(owner))

    def policy_above(self, domain: str, resolver: Resolver | None) -> dmarc.Policy | str | None:
        """Return the DMARC policy that applies without an own record, or why nobody knows it."""
        names = dmarc.walk(domain)[1:]
        here = [name for name in names if dns.name.from_text(name).is_subdomain(self.zone)]
        found = {name: self._texts(dns.name.from_text(f"_dmarc.{name}")) for name in here}
        # also where the server has an alias (CNAME) to somebody who keeps such records
        beyond = tuple(name for name in names if not found.get(name))
        try:
            found |= dmarc_texts(beyond, resolver) if resolver else {}
        except LookupFailed as error:
            return str(error)
        return dmarc.policy_for(domain, found)

    def _texts(self, name: dns.name.Name) -> tuple[str, ...]:
        """Return the TXT values of a name, whatever their origin."""
        try:
            return follow(self.session.ask(name, "TXT"), name, "TXT")[1]
        except CnameLoop:
            return ()

    def _ask(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        answer = self.session.ask(name, rdtype)
        if not answer.flags & dns.flags.AA:
            raise Unreachable(f"{self.session.primary} does not answer for {plain(name)} itself.")
        return answer

    def _name(self, name: dns.name.Name) -> tuple[bool, str]:
        """Return whether a name has or may have records, and what forbids to make any."""
        answer = self.session.ask(name, "SOA")
        if any(rrset.rdtype == dns.rdatatype.NS and self._is_cut(rrset.name, name)
               for rrset in answer.authority) and not answer.flags & dns.flags.AA:  # fmt: skip
            return False, f"{plain(name)} is delegated to other name servers: publish it there."
        alias = alias_of(answer, name)
        if not alias:
            apex = apex_of(answer, name)
            if apex is None:
                raise Unreachable(
                    f"{self.session.primary} does not answer for {plain(name)} itself."
                )
            if apex != self.zone:
                own = plain(apex)
                return False, f"{plain(name)} lies in a zone of its own, {own}: publish it there."
            if answer.rcode() == dns.rcode.NXDOMAIN:
                return False, ""
        if name == self.zone or not self._has_wildcard(name) or not self._is_bare(name):
            return True, ""
        # What answers is a wildcard, and will not any more once the name itself has a record.
        hosts = not any(label.startswith(b"_") for label in name.labels)
        if hosts and (alias or any(self._ask(name, kind).answer for kind in ("A", "AAAA"))):
            return False, (
                f"A wildcard answers for {plain(name)}, and would not any more once the name has a "
                "record of its own (RFC 4592): give it the address records that it needs first."
            )
        return False, ""

    def _is_cut(self, cut: dns.name.Name, name: dns.name.Name) -> bool:
        return name.is_subdomain(cut) and cut.is_subdomain(self.zone) and cut != self.zone

    def _has_wildcard(self, name: dns.name.Name) -> bool:
        """Whether some name above, within the zone, has a wildcard below it."""
        above = name.parent()
        while above.is_subdomain(self.zone):
            if above not in self._wildcards:
                try:
                    answer = self.session.ask(dns.name.Name((b"*", *above.labels)), "SOA")
                    self._wildcards[above] = answer.rcode() == dns.rcode.NOERROR
                except dns.name.NameTooLong:
                    self._wildcards[above] = False
            if self._wildcards[above]:
                return True
            if above == dns.name.root:
                break
            above = above.parent()
        return False

    def _is_bare(self, name: dns.name.Name) -> bool:
        """Whether the name itself has no records, which no question tells (RFC 2136 2.4.5)."""
        message = dns.update.UpdateMessage(self.zone)
        message.absent(name)
        try:
            self.session.update(message)
        except ZoneChanged:
            return False
        except UnknownOutcome as error:
            raise Unreachable(str(error)) from None
        return True


def _message(plan: Plan, steps: tuple[Step, ...], ttl: int) -> dns.update.UpdateMessage:
    """Return the update: prerequisites, then what goes, then what comes."""
    message = dns.update.UpdateMessage(dns.name.from_text(plan.zone))
    seen = {(one.name, one.record_type): one for one in plan.seen}
    touched = dict.fromkeys((step.name, step.record_type) for step in steps)
    absent = {}
    for name, rdtype in touched:
        owner = dns.name.from_text(name)
        now = seen[name, rdtype].rdatas()
        if now:
            message.present(owner, dns.rdataset.from_rdata_list(0, now))
        elif rdtype == "CNAME":
            absent[owner, None] = None
        else:
            absent[owner, rdtype] = None
            if (name, "CNAME") not in touched:
                absent[owner, "CNAME"] = None
    for owner, rdtype in absent:
        message.absent(owner, rdtype)
    for step in steps:
        for value in step.removes:
            message.delete(dns.name.from_text(step.name), _data(step, value))
    for step in steps:
        now = seen[step.name, step.record_type]
        gone = {v for s in steps if _place(s) == _place(step) for v in s.removes}
        shared = step.action == MERGE or set(now.values) - gone
        for value in step.adds:
            data = _data(step, value)
            message.add(dns.name.from_text(step.name), now.ttl if shared else ttl, data)
    return message


def _is_done(session: Session, plan: Plan, steps: tuple[Step, ...]) -> bool:
    """Whether the zone holds the result of these steps; False also if that is unknown."""
    try:
        for now in plan.seen:
            here = [step for step in steps if _place(step) == (now.name, now.record_type)]
            gone = {identity(_data(step, value)) for step in here for value in step.removes}
            come = {identity(_data(step, value)) for step in here for value in step.adds}
            if not here:
                continue
            owner, kind = dns.name.from_text(now.name), dns.rdatatype.from_text(now.record_type)
            answer = session.ask(owner, now.record_type)
            found = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, kind) or ()
            if {identity(d) for d in found} != ({identity(d) for d in now.rdatas()} - gone) | come:
                return False
    except BackendError:
        return False
    return True


def _place(step: Step) -> tuple[str, str]:
    return step.name, step.record_type


def _data(step: Step, value: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text("IN", step.record_type, value)


def _check(domain: str, record: ExpectedRecord | OwnedRecord) -> None:
    """:raises ValueError: the record cannot be written, or does not belong to the domain."""
    what = f"The {record.record_type} record {record.name}"
    if record.record_type not in TYPES:
        raise ValueError(f"{what} cannot be published: {', '.join(TYPES)} are possible.")
    if not record.name.isascii() or record.name != record.name.lower():
        raise ValueError(f"{what} cannot be published: give its name in lower-case A-labels.")
    if record.name != domain and not record.name.endswith(f".{domain}"):
        raise ValueError(f"{what} does not belong to {domain}.")
    try:
        dns.name.from_text(record.name)
        if not record.value:
            raise dns.exception.SyntaxError("it is empty")
        for data in rdatas_of(record):
            data.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{what} cannot be published: {reason}.") from error
