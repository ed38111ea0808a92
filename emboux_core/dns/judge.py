# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Judge what DNS says against what it should say: by meaning, not by text. Pure, no network."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import dmarc, spf
from .dmarc import parse_tags
from .expected import ExpectedRecord, kind_of

OK, MISSING, WRONG, UNKNOWN = "ok", "missing", "wrong", "unknown"
_MAX_FOUND = 2000  # characters kept of what was found: a stranger's zone must not fill our database
_BEGINS = (
    'The {} record does not begin as it has to, so that others see none: let it begin with "{}", '
    "and with nothing in front of it (RFC {})."
)
# What may have slipped in before a record: quotes, or a word processor's characters.
_JUNK = r"(?:[\s\"'\u200b\ufeff]|\\[0-9]{3}|\\x[0-9a-f]{2})*"
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)")  # RFC 8460 3, 8461 3.1


@dataclass(frozen=True)
class Verdict:
    """What became of one expected record.

    ``key`` is that of the record; ``state`` is ``ok``, ``missing``, ``wrong`` or ``unknown``;
    ``found`` is what DNS holds, one value per line; ``note`` is one sentence with the remedy, or a
    hint when the record is ok, or empty. ``harmless``: the record is wrong, but receivers do not
    refuse the domain's mail for it.
    """

    key: str
    state: str
    found: str = ""
    note: str = ""
    harmless: bool = False


def judge(record: ExpectedRecord, values: tuple[str, ...]) -> Verdict:
    """Compare the values found at ``record.name`` (presentation form, TXT joined and unquoted).

    :raises ValueError: a record type that nobody here knows how to compare.
    """
    compare = _comparison(record)
    state, found, note, *harmless = compare(record, values)
    return Verdict(record.key, state, "\n".join(found)[:_MAX_FOUND], note[:_MAX_FOUND], *harmless)


_Result = tuple  # state, values found, note, and perhaps whether that is harmless


def _comparison(record: ExpectedRecord) -> Callable[[ExpectedRecord, tuple[str, ...]], _Result]:
    if record.key.startswith("dkim:") and record.record_type == "TXT":
        return _dkim
    by_key = {"spf": _spf, "dmarc": _dmarc, "mta_sts": _mta_sts, "tls_report": _tls_report}
    by_type = {"MX": _mx, "SRV": _srv, "CNAME": _cname, "TXT": _any_text}
    found = by_key.get(kind_of(record.key)) or by_type.get(record.record_type)
    if not found:
        raise ValueError(
            f"Records of type {record.record_type} cannot be compared: use MX, TXT, SRV or CNAME."
        )
    return found


def _missing(record: ExpectedRecord) -> _Result:
    shown = record.value.replace("\n", " and ")
    return MISSING, (), f"Publish this {record.record_type} record for {record.name}: {shown}"


def _any_text(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    """Ownership, and whatever else needs one exact value among any number."""
    if record.value.strip() in {value.strip() for value in values}:
        return OK, (record.value.strip(),), ""
    if not values:
        return _missing(record)
    return WRONG, values, f"Add this TXT record for {record.name}: {record.value}"


def _cname(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    if not values:
        return _missing(record)
    if [_host(value) for value in values] == [_host(record.value)]:
        return OK, values, ""
    return WRONG, values, f"Let the CNAME record {record.name} point to {record.value}"


def _mx(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    if not values:
        return _missing(record)
    wanted = {_host(line.split()[-1]) for line in record.value.split("\n")}
    found = dict(sorted(map(_exchanger, values), reverse=True))  # of one host the best preference
    others = found.keys() - wanted
    if found.keys() == {""}:
        note = (
            f"The null MX says that {record.name} takes no mail (RFC 7505): replace it with "
            f"MX {_listed(wanted)}."
        )
        return WRONG, values, note
    if wanted - found.keys():
        note = (
            f"Add MX {_listed(wanted - found.keys())}"
            + (f" and remove {_listed(others)}" if others else "")
            + f" so that mail for {record.name} arrives here."
        )
        return WRONG, values, note, True
    best = min(found[host] for host in wanted)
    rivals = {host for host in others if not host or found[host] <= best}
    if rivals:
        note = (
            f"Remove MX {_listed(rivals)}: some of the mail for {record.name} "
            "would go elsewhere."
        )
        return WRONG, values, note, True
    if others:
        note = (
            f"MX {_listed(others)} is a backup beside ours: remove it unless it hands on here what "
            "it takes while we are out of reach."
        )
        return OK, values, note
    return OK, values, ""


def _exchanger(value: str) -> tuple[str, int]:
    """Return (host, preference) of one MX."""
    preference, host = value.split()
    return _host(host), int(preference)


def _srv(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    if not values:
        return _missing(record)
    port, target = record.value.split()[2:]
    for value in values:
        fields = value.split()
        if len(fields) == 4 and fields[2] == port and _host(fields[3]) == _host(target):
            return OK, (value,), ""
    return WRONG, values, f"Let the SRV record {record.name} say {record.value}"


def _spf(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    """The record alone, without what it includes: ``settle_spf`` has the last word."""
    found = tuple(value for value in values if spf.is_spf(value))
    if not found:
        meant = tuple(value for value in values if spf.looks_like_spf(value))
        return (WRONG, meant, _BEGINS.format("SPF", "v=spf1 ", "7208 4.5")) if meant else (
            _missing(record))  # fmt: skip
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} SPF records, which receivers treat as an error "
            "(RFC 7208 4.5): merge them into one."
        )
        return WRONG, found, note
    if error := spf.syntax_error(found[0], record.name):
        return WRONG, found, error
    wanted = _wanted(record)
    terms = spf.split(found[0])
    places = [spf.identity(term) for term in terms]
    end = next((i for i, (_, name) in enumerate(places) if name == "all"), len(places))
    for term in wanted:
        name = spf.identity(term)[1]
        if ("+", name) in places[:end]:
            blocked = [terms[i] for i in range(places.index(("+", name))) if places[i][1] == name]
            if not blocked:
                continue
            return WRONG, found, f"Remove {blocked[0]} from the SPF record: it comes before {term}."
        if ("+", name) in places[end:]:
            last = terms[end]
            note = (
                f'Move {term} in front of "{last}" in the SPF record: what comes after is ignored.'
            )
            return WRONG, found, note
        qualified = [terms[i] for i, place in enumerate(places[:end]) if place[1] == name]
        if qualified:
            return WRONG, found, f"Write {term} instead of {qualified[0]} in the SPF record."
        where = f'before "{terms[end]}"' if end < len(terms) else "at its end"
        return WRONG, found, f"Add {term} to the SPF record of {record.name}, {where}."
    return OK, found, _spf_remark(record.name, terms, places, end)


def _wanted(record: ExpectedRecord) -> list[str]:
    return [term for term in spf.split(record.value) if spf.identity(term)[1] != "all"]


def _spf_remark(name: str, terms: list[str], places: list[tuple[str, str]], end: int) -> str:
    """Return what the owner may want to fix in a record that works, or ""."""
    if end < len(terms) and places[end][0] == "+":
        return f'"{terms[end]}" lets anybody send as {name}: write ~all instead.'
    wide = [terms[i] for i in range(end) if places[i][0] == "+" and places[i][1].endswith("/0")]
    if wide:
        return f'"{wide[0]}" lets anybody send as {name}: take it out.'
    behind = [term for term in terms[end + 1 :] if not re.match(r"[a-z][\w.-]*=", term, re.I)]
    if behind:
        return (
            f'{" ".join(behind)} stands behind "{terms[end]}", where receivers ignore it (RFC 7208 '
            "5.1): move it in front, or take it out."
        )
    return ""


def single_spf(record: ExpectedRecord, values: tuple[str, ...]) -> str:
    """Return the SPF record among these values that receivers would begin to follow, or ""."""
    found = [value for value in values if spf.is_spf(value)]
    try:
        [text] = found
        spf.parse(text, record.name)
    except (ValueError, spf.SpfError):
        return ""
    return text


def settle_spf(
    record: ExpectedRecord, values: tuple[str, ...], finding: spf.SpfFinding
) -> Verdict:
    """Judge an SPF record of which it is known what receivers say, having followed it."""
    verdict = judge(record, values)
    # bounded for a stranger's terms too
    finding = replace(finding, error=finding.error[:_MAX_FOUND])
    refused = [term for term, result in finding.results.items() if result != spf.PASS]
    if finding.error:
        return replace(verdict, state=WRONG, note=finding.error, harmless=not refused)
    if not refused:
        note = verdict.note if verdict.state == OK else ""
        if not finding.complete and not note:
            note = "The record is right; a part that it includes did not answer just now."
        return replace(verdict, state=OK, note=note, harmless=False)
    if all(finding.results[term] == spf.UNDECIDED for term in refused):
        note = (
            f"Whether the SPF record of {record.name} lets {' '.join(refused)} pass could not be "
            + ("found out: a part that it includes did not answer just now."
               if not finding.complete else
               "found out: that depends on what a receiver alone knows (RFC 7208 5.5, 7).")
        )  # fmt: skip
        return replace(verdict, state=UNKNOWN, note=note)
    verdict = judge(replace(record, value=f"v=spf1 {' '.join(refused)}"), values)
    if verdict.state != OK:
        return verdict
    note = (
        f"The SPF record of {record.name} has {' '.join(refused)}, but something in front of it "
        "excludes addresses of ours: move it to the front."
    )
    return replace(verdict, state=WRONG, note=note)


def _meant(values: tuple[str, ...], version: str) -> tuple[str, ...]:
    """Return the values clearly meant as a record of this version (a pattern)."""
    likeness = re.compile(rf"{_JUNK}v\s*=\s*{version}(?![a-z0-9])", re.I)
    return tuple(value for value in values if likeness.match(value))


def _dmarc(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    """The domain's own record alone: ``settle_dmarc`` has the last word."""
    # RFC 7489 6.6.3: what does not begin with v=DMARC1 is no DMARC record; of two none counts.
    found = tuple(value for value in values if dmarc.is_dmarc(value))
    unreadable = f"The DMARC record cannot be read; publish this one: {record.value}"
    if not found:
        meant = _meant(values, "DMARC[0-9]*")
        if not meant:
            return _missing(record)
        right = dmarc.is_dmarc(re.sub(f"^{_JUNK}", "", meant[0]))
        return WRONG, meant, (
            _BEGINS.format("DMARC", "v=DMARC1;", "7489 6.4") if right else unreadable)  # fmt: skip
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} DMARC records, of which receivers use none: keep one."
        )
        return WRONG, found, note
    tags = parse_tags(found[0])
    if tags is None:
        return WRONG, found, unreadable
    if tags.get("p", "").lower() not in dmarc.POLICIES:
        return WRONG, found, "Give the DMARC record a policy: p=none, p=quarantine or p=reject."
    for name in ("sp", "np"):
        if tags.get(name, "none").lower() not in dmarc.POLICIES:
            note = (
                f"Correct {name}= in the DMARC record, which is for subdomains: {name}=none, "
                f"{name}=quarantine or {name}=reject (RFC 7489 6.6.3)."
            )
            return WRONG, found, note
    return OK, found, dmarc.remark(tags)


def settle_dmarc(
    record: ExpectedRecord, verdict: Verdict, policy: dmarc.Policy | None, spf_state: str
) -> Verdict:
    """Judge what receivers do with mail of the domain, by the record that applies to it.

    ``verdict`` is that of the domain's own record, ``policy`` what applies, ``spf_state`` what was
    found of its SPF record. Mail passes by an aligned signature or by an aligned envelope sender
    (RFC 7489 3.1), which is the domain itself unless a provider puts in its own.
    """
    settled = _settle_dmarc(record, verdict, policy, spf_state)
    return replace(settled, note=settled.note[:_MAX_FOUND])


def _settle_dmarc(
    record: ExpectedRecord, verdict: Verdict, policy: dmarc.Policy | None, spf_state: str
) -> Verdict:
    domain = record.name.removeprefix("_dmarc.")
    if policy is None or verdict.state in (WRONG, UNKNOWN):
        return verdict
    own = policy.domain == domain
    if not own:
        share = policy.tags.get("pct", "")
        part = f" for {share} % of its mail" if share.isdecimal() and share != "100" else ""
        note = (
            f"The DMARC record of {policy.domain} applies to {domain} too, with "
            f"p={policy.asked}{part}: one of its own is not needed."
        )
        verdict = replace(verdict, state=OK, found=policy.text[:_MAX_FOUND], note=note)
    # with psd=n it declares itself the organisational domain (RFC 9989 4.10.2)
    apart = own and policy.tags.get("psd", "").lower() == "n"
    if record.signer in ("", domain) or not (policy.strict_dkim or apart):
        return verdict
    why = "psd=n" if apart else "adkim=s"
    remedy = f"Take psd=n out of {record.name}." if apart else (
        f"Write adkim=r instead of adkim=s in {record.name}." if own else
        f"Publish this TXT record for {record.name}, or have adkim=r written at {policy.domain}: "
        + dmarc.relaxed(policy)
    )  # fmt: skip
    reason = (
        f"Mail of {domain} is signed by {record.signer}, which {why} at {policy.domain} does not "
        "accept (RFC 7489 3.1.1)"
    )
    if policy.action == "none":
        note = f"{reason}; nobody refuses it as long as that record asks for no more. {remedy}"
        return replace(verdict, note=note)
    fate = "rejected" if policy.action == "reject" else "taken for spam"
    if spf_state == OK and record.own_envelope:
        note = (
            f"{reason}: it passes by its SPF record alone, and what is forwarded will be {fate}. "
            f"{remedy}"
        )
        return replace(verdict, state=WRONG, note=note, harmless=True)
    if spf_state == UNKNOWN and record.own_envelope:
        note = f"{reason}: unless its SPF record is right, it will be {fate}. {remedy}"
        return replace(verdict, state=WRONG, note=note)
    note = f"{reason}, and no SPF record speaks for it: it will be {fate}. {remedy}"
    return replace(verdict, state=WRONG, note=note)


def _fields(text: str) -> dict[str, str] | None:
    """Return the fields behind the version of an MTA-STS or TLSRPT record; None if it is none.

    No blanks but around the semicolons (RFC 8460 3, RFC 8461 3.1), and the commas of ``rua=``.
    """
    fields: dict[str, str] = {}
    for part in text.split(";")[1:]:
        part = part.strip(" \t")
        if not part:
            continue
        name, equals, value = part.partition("=")
        if name == "rua":
            value = re.sub(r"[ \t]*,[ \t]*", ",", value)
            if not re.fullmatch(r"[!-:<-~]*", value):
                return None
        elif not _FIELD.fullmatch(part):
            return None
        if name in fields:
            return None
        fields[name] = value
    return fields


def _mta_sts(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    # RFC 8461 3.1: what does not begin so is no such record; unless there is one, there is none
    found = tuple(value for value in values if re.match(r"v=STSv1[ \t]*;", value))
    if not found:
        meant = _meant(values, "STSv1")
        return (WRONG, meant, _BEGINS.format("MTA-STS", "v=STSv1;", "8461 3.1")) if meant else (
            _missing(record))  # fmt: skip
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} MTA-STS records, of which senders use none: keep one."
        )
        return WRONG, found, note
    fields, wanted = _fields(found[0]) or {}, _fields(record.value) or {}
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", fields.get("id", "")):
        return WRONG, found, f"The MTA-STS record cannot be read; publish this one: {record.value}"
    if fields["id"] != wanted.get("id"):
        note = (
            f"{record.name} has the id of another policy: with {record.value} senders fetch the "
            "one that holds now."
        )
        return WRONG, found, note
    return OK, found, ""


def _tls_report(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    # RFC 8460 3: as above
    found = tuple(value for value in values if re.match(r"v=TLSRPTv1[ \t]*;", value))
    if not found:
        meant = _meant(values, "TLSRPTv1")
        return (WRONG, meant, _BEGINS.format("TLS reporting", "v=TLSRPTv1;", "8460 3")) if meant \
            else _missing(record)  # fmt: skip
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} TLS reporting records, of which senders use none: "
            "keep one."
        )
        return WRONG, found, note
    fields = _fields(found[0])
    if fields is None:
        note = f"The TLS reporting record cannot be read; publish this one: {record.value}"
        return WRONG, found, note
    places = _report_places(fields)
    if not any(place.startswith(("mailto:", "https:")) for place in places):
        return WRONG, found, f"The record names nobody to report to; publish this: {record.value}"
    wanted = _report_places(_fields(record.value) or {}) - places
    if wanted:
        note = f"Reports go elsewhere; add {', '.join(sorted(wanted))} to have them here too."
        return OK, found, note
    return OK, found, ""


def _report_places(fields: dict[str, str]) -> set[str]:
    return {place.lower() for place in fields.get("rua", "").split(",") if place}


def _dkim(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    if not values:
        return _missing(record)
    keys = [value for value in values if _dkim_tags(value) is not None]
    if not keys:
        return WRONG, values, f"{record.name} holds no DKIM key; publish this one: {record.value}"
    if len(keys) > 1:
        note = (
            f"{record.name} has {len(keys)} DKIM keys, of which receivers use any (RFC 6376 "
            "3.6.2.2): keep the right one."
        )
        return WRONG, values, note
    tags, wanted = _dkim_tags(keys[0]) or {}, _dkim_tags(record.value) or {}
    public, right = _squeeze(tags["p"]), _squeeze(wanted["p"])
    note = ""
    if not public:
        note = f"The DKIM key is revoked (p= is empty); publish this one: {record.value}"
    elif tags.get("k", "rsa").lower() != wanted.get("k", "rsa").lower():
        note = f"The DKIM key type is {tags.get('k', 'rsa')}; publish this one: {record.value}"
    elif len(public) < len(right) and right.startswith(public):
        note = (
            f"The DKIM key is cut off after {len(public)} of {len(right)} characters: publish it "
            "whole, in several quoted strings if your DNS service limits them to 255 characters."
        )
    elif _decoded(public) != _decoded(right):
        note = f"{record.name} holds another DKIM key; publish this one: {record.value}"
    elif "h" in tags and "sha256" not in _listed_tag(tags["h"]):
        note = "The DKIM record does not allow sha256: remove its h= tag."
    elif "s" in tags and not {"*", "email"} & _listed_tag(tags["s"]):
        note = "The DKIM record is not for mail: remove its s= tag."
    if note:
        return WRONG, tuple(keys), note
    if "y" in _listed_tag(tags.get("t", "")):
        return OK, tuple(keys), "Remove t=y from the DKIM record once your tests are done."
    return OK, tuple(keys), ""


def _dkim_tags(text: str) -> dict[str, str] | None:
    """Return the tags of a DKIM key record; None if it is none (RFC 6376 3.6.1)."""
    tags = parse_tags(text)
    if not tags or "p" not in tags:
        return None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        return None
    return tags


def _listed_tag(value: str) -> set[str]:
    return {part.strip().lower() for part in value.split(":")}


def _squeeze(text: str) -> str:
    return re.sub(r"[ \t\r\n]", "", text).rstrip("=")


def _decoded(text: str) -> bytes | str:
    """Return the octets of base64 without padding; the text itself if it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text


def _host(text: str) -> str:
    return text.strip().lower().removesuffix(".")


def _listed(hosts: set[str]) -> str:
    return ", ".join(sorted(host or "." for host in hosts))
