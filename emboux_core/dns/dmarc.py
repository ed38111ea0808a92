# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""DMARC as it applies to a domain: whose record, which policy, what aligns. Pure, no network.

RFC 7489, and the DNS tree walk of its successor (RFC 9989 4.10), which finds the record of the
organisational domain without a list of public suffixes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

POLICIES = ("none", "quarantine", "reject")  # from lenient to strict
_WALK = 8  # questions at most (RFC 9989 4.10)
_IS_DMARC = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")  # RFC 7489 6.4; case counts
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MAILTO = re.compile(r"mailto:[^@\s]+@(?P<domain>[^!\s]+)(?:![0-9]+[kmgt]?)?", re.I)


@dataclass(frozen=True)
class Policy:
    """The policy that receivers apply to mail of a domain.

    ``domain``: whose record it is, the domain's own or one above; ``text`` and ``tags``: that
    record. ``asked``: what it asks for, one of ``POLICIES``; ``action``: what receivers do of that,
    one step less while it is being tested (``pct=0``, ``t=y``).
    """

    domain: str
    text: str
    tags: dict[str, str]
    asked: str
    action: str

    @property
    def strict_dkim(self) -> bool:
        """Whether a signature has to be of the very domain of the From header (RFC 7489 3.1.1)."""
        return self.tags.get("adkim", "r").lower() == "s"


def is_dmarc(text: str) -> bool:
    """Whether a TXT is a DMARC record: receivers discard whatever begins otherwise (6.6.3)."""
    return bool(_IS_DMARC.match(text))


def parse_tags(text: str) -> dict[str, str] | None:
    """Return the tags of a DKIM or DMARC tag list in order (RFC 6376 3.2); None if it is none."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        # str.strip() by itself takes a no-break space for a blank, which receivers do not
        if not part.strip(" \t\r\n"):
            continue
        name, equals, value = part.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _TAG_NAME.fullmatch(name) or name in tags:
            return None
        tags[name] = value.strip(" \t\r\n")
    return tags


def walk(domain: str) -> tuple[str, ...]:
    """Return the domains whose ``_dmarc`` receivers look at, the domain itself first."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) < _WALK else labels[-_WALK + 1 :]
    return (domain, *(".".join(above[place:]) for place in range(len(above))))


def policy_for(
    domain: str, found: Mapping[str, tuple[str, ...]], exists: bool = True
) -> Policy | None:
    """Return the policy for mail of ``domain``, None for none.

    ``found``: TXT values at ``_dmarc`` of each of ``walk(domain)``. ``exists``: whether the domain
    has records of its own, for ``np=`` (RFC 9989 4.7).
    """
    records = []
    for name in walk(domain):
        texts = [text for text in found.get(name, ()) if is_dmarc(text)]
        tags = parse_tags(texts[0]) if len(texts) == 1 else None
        if tags is None:
            continue
        records.append((name, texts[0], tags))
        if name == domain:
            break
        if tags.get("psd", "").lower() in ("y", "n"):
            break
    if not records:
        return None
    name, text, tags = records[-1]
    if len(records) > 1 and tags.get("psd", "").lower() == "y":
        below = records[-2]  # which is the organisational domain's if it is the next one down
        if below[0].partition(".")[2] == name:
            name, text, tags = below
    asked = _asked(tags, name == domain, exists)
    return asked and Policy(name, text, tags, asked, _softened(asked, tags))


def _asked(tags: dict[str, str], own: bool, exists: bool) -> str | None:
    """Return what a record asks for, None if receivers use none of it (RFC 7489 6.6.3)."""
    names = ["p"] if own else ["sp", "p"] if exists else ["np", "sp", "p"]
    said = next((tags[name] for name in names if name in tags), "")
    if said.lower() in POLICIES and tags.get("p", "").lower() in POLICIES:
        return said.lower()
    return "none" if report_addresses(tags) else None


def _softened(asked: str, tags: dict[str, str]) -> str:
    if tags.get("t", "").lower() == "y" or tags.get("pct") == "0":
        return POLICIES[max(POLICIES.index(asked) - 1, 0)]
    return asked


def report_addresses(tags: dict[str, str]) -> dict[str, str]:
    """Return the places for aggregate reports that work, each with its domain."""
    found = (_MAILTO.fullmatch(place.strip(" \t")) for place in tags.get("rua", "").split(","))
    return {match[0]: match["domain"].lower().removesuffix(".") for match in found if match}


def relaxed(policy: Policy) -> str:
    """Return a record for one domain that asks for the same and lets its parent sign for it."""
    kept = {name: value for name, value in policy.tags.items()
            if name not in ("v", "p", "sp", "np", "psd", "adkim")}  # fmt: skip
    tags = {"v": "DMARC1", "p": policy.asked, "adkim": "r", **kept}
    return "; ".join(f"{name}={value}" for name, value in tags.items())


def remark(tags: dict[str, str]) -> str:
    """Return what does not work as it was meant in a record that receivers use, or ""."""
    notes = []
    for name in ("adkim", "aspf"):
        if tags.get(name, "r").lower() not in ("r", "s"):
            notes.append(f"{name}={tags[name]} is ignored: write r or s.")
    if not re.fullmatch(r"[0-9]|[1-9][0-9]|100", tags.get("pct", "100")):
        notes.append(f"pct={tags['pct']} is ignored: write a number from 0 to 100.")
    places = [place.strip(" \t") for place in tags.get("rua", "").split(",")]
    lost = [place for place in places if not _MAILTO.fullmatch(place)] if "rua" in tags else []
    if lost:
        notes.append(f"No reports come to {', '.join(lost)}: write mailto: and an address.")
    return " ".join(notes)
