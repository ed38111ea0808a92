"""Judge what DNS says against what it should say: by meaning, not by text. Pure, no network."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from .expected import ExpectedRecord, kind_of

OK, MISSING, WRONG, UNKNOWN = "ok", "missing", "wrong", "unknown"
_MAX_FOUND = 2000  # characters kept of what was found: a stranger's zone must not fill our database
_LIKE_DMARC = re.compile(r"v\s*=\s*dmarc", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """What became of one expected record.

    ``key`` is that of the record; ``state`` is ``ok``, ``missing``, ``wrong`` or ``unknown``;
    ``found`` is what DNS holds, one value per line; ``note`` is one sentence with the remedy, or a
    hint when the record is ok, or empty.
    """

    key: str
    state: str
    found: str = ""
    note: str = ""


def judge(record: ExpectedRecord, values: tuple[str, ...]) -> Verdict:
    """Compare the values found at ``record.name`` (presentation form, TXT joined and unquoted).

    :raises ValueError: a record type that nobody here knows how to compare.
    """
    compare = _comparison(record)
    state, found, note = compare(record, tuple(value.strip() for value in values))
    return Verdict(record.key, state, "\n".join(found)[:_MAX_FOUND], note)


def parse_tags(text: str) -> dict[str, str] | None:
    """Return the tags of a DKIM or DMARC tag list in order (RFC 6376 3.2); None if it is none."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in tags:
            return None
        tags[name] = value.strip()
    return tags


def is_spf(text: str) -> bool:
    """Whether a TXT is an SPF record: ``v=spf1`` alone or before a space (RFC 7208 4.5)."""
    return text.lower().split(" ", 1)[0] == "v=spf1"


_Result = tuple[str, tuple[str, ...], str]  # state, values found, note


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
    """Ownership and whatever else needs just one exact text among any number."""
    if record.value.strip() in values:
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
    found = {_host(value.split()[-1]) if value else "" for value in values}
    if found == {""}:
        note = (
            f"The null MX says that {record.name} takes no mail (RFC 7505): replace it with "
            f"MX {_listed(wanted)}."
        )
        return WRONG, values, note
    if wanted - found:
        note = (
            f"Add MX {_listed(wanted - found)}"
            + (f" and remove {_listed(found - wanted)}" if found - wanted else "")
            + f" so that mail for {record.name} arrives here."
        )
        return WRONG, values, note
    if found - wanted:
        note = (
            f"Remove MX {_listed(found - wanted)}: some of the mail for {record.name} "
            "would go elsewhere."
        )
        return WRONG, values, note
    return OK, values, ""


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
    found = tuple(value for value in values if is_spf(value))
    if not found:
        return _missing(record)
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} SPF records, which receivers treat as an error "
            "(RFC 7208 4.5): merge them into one."
        )
        return WRONG, found, note
    wanted = [term for term in record.value.split()[1:] if _mechanism(term)[1] != "all"]
    terms = found[0].split()[1:]
    places = [_mechanism(term) for term in terms]
    end = next((i for i, (_, name) in enumerate(places) if name == "all"), len(places))
    for term in wanted:
        name = _mechanism(term)[1]
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
    if end < len(terms) and places[end][0] == "+":
        return OK, found, f'"{terms[end]}" lets anybody send as {record.name}: write ~all instead.'
    return OK, found, ""


def _mechanism(term: str) -> tuple[str, str]:
    """Return (qualifier, mechanism) with what does not matter taken out (RFC 7208 4.6.1, 4.6.2)."""
    qualifier, rest = (term[0], term[1:]) if term[:1] in "+-~?" and term else ("+", term)
    rest = rest.lower().removesuffix(".")
    name, colon, argument = rest.partition(":")
    if name == "ip4" and argument.endswith("/32"):
        argument = argument.removesuffix("/32")
    return qualifier, f"{name}{colon}{argument}"


def _dmarc(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    # RFC 7489 6.6.3: what does not begin with v=DMARC1 is no DMARC record; of two none counts.
    parsed = [(value, parse_tags(value)) for value in values if _LIKE_DMARC.match(value)]
    if not parsed:
        return _missing(record)
    found = tuple(value for value, _ in parsed)
    if len(parsed) > 1:
        note = (
            f"{record.name} has {len(parsed)} DMARC records, of which receivers use none: keep one."
        )
        return WRONG, found, note
    tags = parsed[0][1]
    if tags is None or tags.get("v") != "DMARC1":
        return WRONG, found, f"The DMARC record cannot be read; publish this one: {record.value}"
    if tags.get("p", "").lower() not in ("none", "quarantine", "reject"):
        return WRONG, found, "Give the DMARC record a policy: p=none, p=quarantine or p=reject."
    return OK, found, ""


def _mta_sts(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    # RFC 8461 3.1: what does not begin so is no such record; unless there is one, there is none
    found = tuple(value for value in values if re.match(r"v=STSv1\s*;", value))
    if not found:
        return _missing(record)
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} MTA-STS records, of which senders use none: keep one."
        )
        return WRONG, found, note
    tags, wanted = parse_tags(found[0]) or {}, parse_tags(record.value) or {}
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", tags.get("id", "")):
        return WRONG, found, f"The MTA-STS record cannot be read; publish this one: {record.value}"
    if tags["id"] != wanted.get("id"):
        note = (
            f"{record.name} has the id of another policy: with {record.value} senders fetch the "
            "one that holds now."
        )
        return WRONG, found, note
    return OK, found, ""


def _tls_report(record: ExpectedRecord, values: tuple[str, ...]) -> _Result:
    # RFC 8460 3: as above
    found = tuple(value for value in values if re.match(r"v=TLSRPTv1\s*;", value))
    if not found:
        return _missing(record)
    if len(found) > 1:
        note = (
            f"{record.name} has {len(found)} TLS reporting records, of which senders use none: "
            "keep one."
        )
        return WRONG, found, note
    places = _report_places(found[0])
    if not any(place.startswith(("mailto:", "https:")) for place in places):
        return WRONG, found, f"The record names nobody to report to; publish this: {record.value}"
    if not places >= _report_places(record.value):
        wanted = ", ".join(sorted(_report_places(record.value) - places))
        return OK, found, f"Reports go elsewhere; add {wanted} to have them here too."
    return OK, found, ""


def _report_places(text: str) -> set[str]:
    rua = (parse_tags(text) or {}).get("rua", "")
    return {place.strip().lower() for place in rua.split(",") if place.strip()}


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
    return "".join(text.split()).rstrip("=")


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
