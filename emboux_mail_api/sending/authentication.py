# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who a message really is from: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) of mail that
has come in, by the libraries pyspf and dkimpy."""

import contextvars
import email
import email.policy
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import dkim
import dns.exception
import dns.resolver
import spf
from publicsuffixlist import PublicSuffixList

MOST_SIGNATURES = 5
SECONDS = 5.0  # for one question to the DNS
_suffixes = PublicSuffixList()
_resolver: contextvars.ContextVar = contextvars.ContextVar("resolver")


@dataclass(frozen=True)
class Result:
    """As in an event; ``result``s in the words of RFC 8601: pass, fail, softfail, neutral, none,
    temperror, permerror."""

    spf: dict = field(default_factory=lambda: {"result": "none", "domain": None})
    dkim: tuple = ()
    dmarc: dict = field(default_factory=lambda: {"result": "none", "policy": None})

    def shown(self):
        return {"spf": self.spf, "dkim": list(self.dkim), "dmarc": self.dmarc}


def resolver(nameservers) -> dns.resolver.Resolver:
    """``nameservers``: [(address, port)]; none: those of the system.

    :raises dns.resolver.NoResolverConfiguration: there are none.
    """
    made = dns.resolver.Resolver(configure=not nameservers)
    if nameservers:
        made.nameservers = [address for address, _port in nameservers]
        made.nameserver_ports = dict(nameservers)
    made.lifetime = SECONDS
    return made


def check(raw: bytes, sender: str, address: str, helo: str, asked) -> Result:
    """``sender``: of the envelope; ``address``: of who brought it, empty where it is not known;
    ``asked``: a ``dns.resolver.Resolver``."""
    token = _resolver.set(asked)
    try:
        policy = _spf(sender, address, helo)
        signatures = tuple(_dkim(raw))
        return Result(policy, signatures, _dmarc(_author(raw), policy, signatures))
    finally:
        _resolver.reset(token)


# -- DNS -----------------------------------------------------------------------------


def _txt(name: str) -> list[bytes]:
    """:raises dns.exception.DNSException: no answer came."""
    try:
        return [b"".join(row.strings) for row in _resolver.get().resolve(name, "TXT")]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong,
            dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError):
        return []


def _lookup(name, kind, _strict=True, _timeout=20, *_rest):
    """As pyspf asks: [((name, kind), value)].  :raises spf.TempError:"""
    try:
        answer = _resolver.get().resolve(name, kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong,
            dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError):
        return []
    except dns.exception.DNSException as error:
        raise spf.TempError(f"DNS: {type(error).__name__}") from error
    return [((name, kind), value) for row in answer if (value := _value(row, kind)) is not None]


_VALUES: dict[str, Callable] = {
    "TXT": lambda row: list(row.strings),
    "MX": lambda row: (row.preference, row.exchange.to_text(omit_final_dot=True)),
    "A": lambda row: row.address,
    "AAAA": lambda row: ipaddress.ip_address(row.address).packed,
    "PTR": lambda row: row.target.to_text(omit_final_dot=True),
    "CNAME": lambda row: row.target.to_text(omit_final_dot=True),
}
spf.DNSLookup = _lookup


def _value(row, kind):
    return _VALUES[kind](row) if kind in _VALUES else None


# -- the three -----------------------------------------------------------------------


def _spf(sender, address, helo):
    domain = (sender.rpartition("@")[2] or helo).lower()
    if not address or not domain:
        return {"result": "none", "domain": domain or None}
    try:
        result, _code, _words = spf.query(
            i=address, s=sender or f"postmaster@{helo}", h=helo, strict=False).check()
    except (spf.TempError, dns.exception.DNSException):
        result = "temperror"
    except (spf.PermError, ValueError, IndexError):
        result = "permerror"
    return {"result": result, "domain": domain}


def _dkim(raw):
    verifier = dkim.DKIM(raw, timeout=SECONDS)
    count = sum(name.lower() == b"dkim-signature" for name, _value_ in verifier.headers)
    for index in range(min(count, MOST_SIGNATURES)):
        try:
            keys = []
            good = verifier.verify(idx=index, dnsfunc=partial(_key, keys))
            # without a key the library says no more than that it is not good
            result = "pass" if good else "fail" if all(keys) else "permerror"
        except dns.exception.DNSException:
            result = "temperror"
        except dkim.ValidationError as error:
            # of a body that was changed the library says so by an error too
            result = "fail" if "body hash" in str(error) else "permerror"
        except (dkim.DKIMException, ValueError, TypeError, KeyError, AttributeError):
            result = "permerror"
        fields = verifier.signature_fields or {}
        yield {"result": result, "domain": _name(fields.get(b"d")),
               "selector": _name(fields.get(b"s"))}


def _key(found, name, timeout=SECONDS):
    """As dkimpy asks; ``found``: gets what was found, too."""
    if isinstance(name, bytes):
        name = name.decode("ascii", "replace")
    rows = _txt(name)
    found.append(rows[0] if rows else None)
    return found[-1]


def _name(value):
    return value.decode("ascii", "replace").lower() if value else None


def _author(raw):
    """The domain of From; empty where there is not exactly one."""
    head = email.message_from_bytes(raw, policy=email.policy.default)
    try:
        boxes = head["From"].addresses if head["From"] else ()
    except (ValueError, TypeError, AttributeError, IndexError):
        return ""
    domains = {box.domain.lower().rstrip(".") for box in boxes}
    return domains.pop() if len(domains) == 1 else ""


def _organisation(domain):
    return _suffixes.privatesuffix(domain) or domain


def _dmarc(author, policy, signatures):
    none = {"result": "none", "policy": None}
    if not author:
        return none
    try:
        tags, own = _record(author), True
        if not tags and (above := _organisation(author)) != author:
            tags, own = _record(above), False
    except dns.exception.DNSException:
        return {"result": "temperror", "policy": None}
    if not tags:
        return none

    def aligned(domain, strict):
        if not domain:
            return False
        return domain == author if strict else _organisation(domain) == _organisation(author)

    by_spf = policy["result"] == "pass" and aligned(policy["domain"], tags.get("aspf") == "s")
    by_dkim = any(signature["result"] == "pass"
                  and aligned(signature["domain"], tags.get("adkim") == "s")
                  for signature in signatures)
    said = tags["p"] if own else tags.get("sp", tags["p"])
    return {"result": "pass" if by_spf or by_dkim else "fail", "policy": said}


def _record(domain):
    """The tags of the one record of DMARC there; none where there are none, or several."""
    found = [text for row in _txt(f"_dmarc.{domain}")
             if (text := row.decode("utf-8", "replace")).replace(" ", "").startswith("v=DMARC1;")]
    if len(found) != 1:
        return {}
    tags = {name.strip().lower(): value.strip().lower() for name, _equals, value in
            (part.partition("=") for part in found[0].split(";")) if name.strip()}
    return tags if tags.get("p") in ("none", "quarantine", "reject") else {}
