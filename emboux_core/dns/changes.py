# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Decide what publishing would do to each record of a zone. Pure, no network.

Only what Emboux made is changed, except for mechanisms in somebody's SPF record.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import dns.rdata
import dns.rdatatype

from . import spf_merge
from .dmarc import Policy
from .expected import ExpectedRecord, kind_of, rdata
from .judge import OK, judge, settle_dmarc
from .spf import is_spf, looks_like_spf

ADD, REPLACE, REMOVE, MERGE = "add", "replace", "remove", "merge"
THERE, CONFLICT = "there", "conflict"
_MAX_SHOWN = 2000  # characters of what was found, as in judge


@dataclass(frozen=True)
class OwnedRecord:
    """A record that Emboux made and may therefore replace and remove.

    As ``ExpectedRecord``; of an SPF record that is somebody else's, ``value`` holds just the
    mechanisms that Emboux has put in, without ``v=spf1``.
    """

    key: str
    record_type: str
    name: str
    value: str


@dataclass(frozen=True)
class Seen:
    """What a name has of one type.

    ``values``: presentation form as in zone files; ``shown``: the same for people, TXT joined and
    without quotes; ``ttl`` in seconds. ``alias``: target of a CNAME of the name, and ``through``
    what the server has there. ``wild``: what a wildcard answers, for people. ``in_use``: the name
    has records, perhaps of other types. ``obstacle``: why no record can be made here, a sentence.
    """

    name: str
    record_type: str
    ttl: int = 0
    values: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    alias: str = ""
    through: tuple[str, ...] = ()
    wild: tuple[str, ...] = ()
    in_use: bool = False
    obstacle: str = ""

    def rdatas(self) -> list[dns.rdata.Rdata]:
        return [dns.rdata.from_text("IN", self.record_type, value) for value in self.values]


@dataclass(frozen=True)
class Step:
    """What would be done for one record.

    ``action``: ``add``, ``replace``, ``remove`` (an own one that is not wanted any more), ``merge``
    (somebody's SPF record is changed, if the user confirms it), ``there``, ``conflict``. ``found``
    and ``value``: what the zone holds and will hold of it, for people, one value per line.
    ``note``: a sentence, or empty. ``removes`` and ``adds``: as in zone files. ``held`` and
    ``published``: what of Emboux is in the zone now, and once the step is done.
    """

    key: str
    record_type: str
    name: str
    action: str
    found: str = ""
    value: str = ""
    note: str = ""
    removes: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    held: tuple[OwnedRecord, ...] = ()
    published: tuple[OwnedRecord, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What publishing would do, step by step; ``seen`` is what that rests on."""

    domain: str
    zone: str
    steps: tuple[Step, ...]
    seen: tuple[Seen, ...]

    def changes(self, confirm_merge: bool) -> tuple[Step, ...]:
        """Return the steps that change the zone."""
        possible = {ADD, REPLACE, REMOVE} | ({MERGE} if confirm_merge else set())
        return tuple(step for step in self.steps if step.action in possible)

    def claim(self, confirm_merge: bool) -> tuple[OwnedRecord, ...]:
        """Return what Emboux may own in the zone from now on: store it *before* ``apply``.

        A process that dies in between then leaves no orphans.
        """
        claims = [entry for step in self.steps for entry in step.held]
        claims += [entry for step in self.changes(confirm_merge) for entry in step.published]
        return tuple(dict.fromkeys(claims))

    @property
    def fingerprint(self) -> str:
        """Hexadecimal; equal for two plans only if they do the same and start from the same
        zone."""
        seen = [asdict(replace(one, ttl=0)) for one in self.seen]
        text = json.dumps([self.domain, self.zone, list(map(asdict, self.steps)), seen])
        return hashlib.sha256(text.encode()).hexdigest()


def rdatas_of(record: ExpectedRecord | OwnedRecord) -> list[dns.rdata.Rdata]:
    """Return the values of a record.

    :raises dns.exception.DNSException: not valid for its type.
    """
    text = record.value
    values = [text] if record.record_type == "TXT" else text.split("\n")
    return [rdata(record.record_type, value) for value in values]


def identity(data: dns.rdata.Rdata) -> object:
    """Return what two equal values share; TXT may be cut into strings anywhere (RFC 6376 3.6.2.2).

    Names compare without regard to case.
    """
    return b"".join(data.strings) if data.rdtype == dns.rdatatype.TXT else data


def decide(
    records: tuple[ExpectedRecord, ...],
    published: tuple[OwnedRecord, ...],
    seen: dict[tuple[str, str], Seen],
    policy: Policy | str | None = None,
) -> tuple[Step, ...]:
    """Return a step per record, and one per published record that is not expected any more.

    ``seen`` has (name, type) of all of them. ``policy``: the DMARC policy of a domain above, which
    applies as long as there is no own record, or why it is not known.
    """
    wanted: dict[tuple[str, str], set[object]] = {}
    for record in records:
        wanted.setdefault(_place(record), set()).update(map(identity, rdatas_of(record)))
    expected = {(record.key, *_place(record)) for record in records}
    stale = [entry for entry in published if (entry.key, *_place(entry)) not in expected]
    leaving = {(e.name, _host(e.value)) for e in stale if e.record_type == "CNAME"}
    steps = []
    for record in (*records, *dict.fromkeys(_blank(entry) for entry in stale)):
        here = seen[_place(record)]
        own = tuple(entry for entry in published if _place(entry) == _place(record))
        matter = _Matter(record, here, own, wanted.get(_place(record), set()), leaving, policy)
        step = matter.decide()
        if step:
            steps.append(step)
    return tuple(steps)


def _place(record: ExpectedRecord | OwnedRecord | Seen) -> tuple[str, str]:
    return record.name, record.record_type


def _blank(entry: OwnedRecord) -> ExpectedRecord:
    """Return a record that means "no longer wanted"."""
    return ExpectedRecord(entry.key, entry.record_type, entry.name, "", "", "")


class _Matter:
    """One record, what its place in the zone holds, and which of that is ours."""

    def __init__(self, record, seen, own, wanted_here, leaving, policy):
        self.record: ExpectedRecord = record
        self.seen: Seen = seen
        self.same = tuple(entry for entry in own if entry.key == record.key)
        self.wanted = {identity(data): data for data in rdatas_of(record)} if record.value else {}
        self.wanted_here: set[object] = wanted_here
        self.leaving: set[tuple[str, str]] = leaving  # aliases of ours that go
        self.policy: Policy | str | None = policy
        self.current = {
            identity(data): (value, shown)
            for data, value, shown in zip(seen.rdatas(), seen.values, seen.shown, strict=True)
        }
        self.mine = {mark for entry in own for mark in self._marks(entry)}
        # SPF records of others, and the mechanisms in them that may be ours
        self.theirs, self.made = {}, []
        if kind_of(record.key) == "spf" and record.record_type == "TXT":
            self.theirs = {
                mark: shown for mark, (_, shown) in self.current.items()
                if is_spf(shown) and mark not in self.mine
            }  # fmt: skip
            self.made = [term for entry in self.same for term in spf_merge.terms(entry.value)]
        self.older = {mark for entry in self.same for mark in self._marks(entry)} - wanted_here

    def decide(self) -> Step | None:
        if self.seen.obstacle:
            return replace(self._conflict(self.seen.obstacle), held=self.same, published=self.same)
        if self.seen.alias:
            return self._beside_alias() if self.record.value else None
        if kind_of(self.record.key) == "spf" and self.record.record_type == "TXT":
            return self._spf()
        missing = [mark for mark in self.wanted if mark not in self.current]
        gone = [mark for mark in self.current if mark in self.older]
        if not self.record.value:
            return self._change(REMOVE, gone, ()) if gone else None
        if self.record.record_type == "CNAME" and not self.current and self.seen.in_use:
            return self._conflict(
                f"{self.record.name} has other records, beside which no alias (CNAME) may stand "
                "(RFC 1034 3.6.2): remove them first."
            )
        rivals = [shown for mark, (_, shown) in self.current.items() if self._is_rival(mark, shown)]
        if rivals and judge(self.record, self.seen.shown).state == OK:
            return self._there("The zone has a record of its own that will do; it stays.")
        if rivals:
            return self._conflict(_in_the_way(self.record))
        if not missing and not gone:
            return self._there("")
        if self.record.key == "dmarc" and not gone and (step := self._under_policy()):
            return step
        adds = [self.wanted[mark] for mark in missing]
        return self._change(REPLACE if gone else ADD, gone, adds)

    def _marks(self, entry: OwnedRecord) -> set[object]:
        if kind_of(entry.key) == "spf" and not is_spf(entry.value):
            return set()  # mechanisms in somebody's record, which stays theirs
        return set(map(identity, rdatas_of(entry)))

    def _is_rival(self, mark: object, shown: str) -> bool:
        """Whether a value is somebody else's, and ours may not stand beside it."""
        if mark in self.mine or mark in self.wanted_here:
            return False
        if self.record.record_type != "TXT" or self.record.key.startswith("dkim:"):
            return True
        version = _version(self.record.value)
        return bool(version) and _version(shown) == version

    def _under_policy(self) -> Step | None:
        """Leave an existing policy in force: a record of its own would override it.

        The parent's may be stricter than ours, and it wants its reports.
        """
        name, policy = self.record.name, self.policy
        alone = judge(self.record, self.seen.wild)
        if alone.state == OK:
            step = self._there(f"A wildcard answers for {name} with a policy; it stays.")
            return replace(step, found=alone.found, value=alone.found)
        if isinstance(policy, str):
            return self._conflict(
                f"Whether a DMARC record above {name} applies could not be found out, and this one "
                f"would take its place: try again. {policy}"
            )
        if policy is None:
            return None
        verdict = settle_dmarc(self.record, judge(self.record, ()), policy, OK)
        step = self._there(verdict.note) if verdict.state == OK else self._conflict(verdict.note)
        return replace(step, found=policy.text, value=policy.text)

    def _beside_alias(self) -> Step:
        name = self.record.name
        if self.seen.through and judge(self.record, self.seen.through).state == OK:
            return self._there(f"{name} is an alias (CNAME) of {self.seen.alias}, which has it.")
        if (name, _host(self.seen.alias)) in self.leaving:
            return self._change(ADD, (), self.wanted.values())
        return self._conflict(
            f"{name} is an alias (CNAME) of {self.seen.alias}, beside which no other record may "
            "stand (RFC 1034 3.6.2): remove the alias, or publish the record at its target."
        )

    def _spf(self) -> Step | None:
        records = [mark for mark, (_, shown) in self.current.items() if is_spf(shown)]
        ours = [mark for mark in records if mark in self.mine]
        meant = [
            shown for mark, (_, shown) in self.current.items()
            if looks_like_spf(shown) and mark not in self.mine
        ]  # fmt: skip
        if meant and not self.theirs and self.record.value:
            # once that is fixed there would be two
            return self._conflict(judge(self.record, tuple(meant)).note)
        if len(self.theirs) > 1:
            return self._conflict(
                f"{self.record.name} has {len(self.theirs)} SPF records, which receivers treat as "
                "an error (RFC 7208 4.5): merge them into one."
            )
        if self.theirs:
            return self._merge(ours)
        ours = [mark for mark in ours if mark not in self.wanted]
        if not self.record.value:
            return self._change(REMOVE, ours, ()) if ours else None
        missing = [data for mark, data in self.wanted.items() if mark not in records]
        if not missing and not ours:
            return self._there("")
        return self._change(REPLACE if ours else ADD, ours, missing)

    def _merge(self, ours) -> Step | None:
        """Merge ours into somebody's SPF record, which then replaces it."""
        name, made = self.record.name, self.made
        ((mark, text),) = self.theirs.items()
        needed = spf_merge.terms(self.record.value)
        unwanted = [one for one in made if not any(spf_merge.same(one, term) for term in needed)]
        merged = spf_merge.merge(text, needed, unwanted)
        if merged == text and ours:
            return self._change(REMOVE, ours, ())
        if merged == text:
            if not self.record.value:
                return None
            verdict = judge(self.record, (text,))
            if verdict.state != OK:
                return self._conflict(verdict.note)
            return self._there(verdict.note)
        why = spf_merge.fault(merged, name)
        if identity(rdata("TXT", text)) != mark:
            why = f"The SPF record of {name} has characters that do not belong there: correct it."
        if not why and self.record.value and (verdict := judge(self.record, (merged,))).state != OK:
            why = verdict.note
        if why:
            return self._conflict(why)
        added = [term for term in needed if not spf_merge.holds(text, term)]
        lost = [term for term in unwanted if spf_merge.holds(text, term)]
        kept = [term for term in made if term not in unwanted and spf_merge.holds(text, term)]
        said = [f"gets {' '.join(added)}"] if added else []
        said += [f"loses {' '.join(lost)}"] if lost else []
        said += ["takes the place of Emboux' own"] if ours else []
        note = f"The SPF record of {name} {' and '.join(said)}; all else in it stays."
        step = self._change(MERGE, [mark, *ours], [rdata("TXT", merged)], note)
        found = "\n".join(self.current[one][1] for one in (mark, *ours))[:_MAX_SHOWN]
        return replace(step, found=found, value=merged, published=self._terms([*kept, *added]))

    def _terms(self, terms) -> tuple[OwnedRecord, ...]:
        text = " ".join(dict.fromkeys(terms))
        return (self._as_published(text),) if text else ()

    def _as_published(self, value: str) -> OwnedRecord:
        return OwnedRecord(self.record.key, self.record.record_type, self.record.name, value)

    def _held(self) -> tuple[OwnedRecord, ...]:
        """Return what Emboux made for this key and the zone still holds."""
        lines = [
            data for entry in self.same if self._marks(entry) for data in rdatas_of(entry)
            if identity(data) in self.current
        ]  # fmt: skip
        return self._entries(lines) + self._terms(
            term for term in self.made
            if any(spf_merge.holds(text, term) for text in self.theirs.values())
        )  # fmt: skip

    def _entries(self, datas) -> tuple[OwnedRecord, ...]:
        texts = dict.fromkeys(_text(data) for data in datas)
        if self.record.record_type == "TXT":
            return tuple(map(self._as_published, texts))
        return (self._as_published("\n".join(texts)),) if texts else ()

    def _there(self, note: str) -> Step:
        held = self._held()
        return self._step(THERE, note=note, value=self.record.value, held=held, published=held)

    def _conflict(self, note: str) -> Step:
        held = self._held()
        return self._step(CONFLICT, note=note, value=self.record.value, held=held, published=held)

    def _change(self, action, gone, adds, note="") -> Step:
        if action == REMOVE:
            note = "Emboux made it and needs it no more."
        held = self._held()
        kept = [d for e in held for d in rdatas_of(e) if identity(d) not in gone]
        return self._step(
            action, note=note, value=self.record.value, held=held,
            removes=tuple(self.current[mark][0] for mark in gone),
            adds=tuple(data.to_text() for data in adds),
            published=self._entries([*kept, *adds]),
        )  # fmt: skip

    def _step(self, action: str, **values) -> Step:
        record = self.record
        found = "\n".join(shown for _, shown in self.current.values())[:_MAX_SHOWN]
        return Step(
            record.key, record.record_type, record.name, action,
            **{"found": found or self.seen.alias, **values},
        )  # fmt: skip


def _text(data: dns.rdata.Rdata) -> str:
    """Return a value as ``rdata`` takes it."""
    if data.rdtype == dns.rdatatype.TXT:
        return b"".join(data.strings).decode()
    return data.to_text()


def _version(text: str) -> str:
    """Return what a TXT says that it is, such as ``dmarc1``: of these a name may have one."""
    name, _equals, rest = text.partition("=")
    words = rest.replace(";", " ").split() if name.strip().lower() == "v" else []
    return words[0].lower() if words else ""


def _host(text: str) -> str:
    return text.lower().removesuffix(".")


def _in_the_way(record: ExpectedRecord) -> str:
    why = {
        "MX": "mail would go to different places",
        "SRV": "mail programs would be led to different places",
        "CNAME": "a name can be the alias of one other only",
        "TXT": "receivers accept one such record only",
    }[record.record_type]
    return (
        f"{record.name} has another {record.record_type} record, which Emboux did not make, and "
        f"{why}: remove it if it is not needed, and look again."
    )
