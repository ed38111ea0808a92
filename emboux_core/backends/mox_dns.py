# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What a mox server wants in the DNS, read from its zone-file lines, and what it finds there."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.zone

from ..dns.dmarc import parse_tags
from ..dns.expected import REPORT_ADDRESS, DkimKey, MailService, MxTarget, expected_records
from ..net.answers import printable
from ..net.errors import Unreachable

#: The sections of ``CheckDomain``, in the order of mox's own page.
SECTIONS = (
    "DNSSEC", "IPRev", "MX", "TLS", "DANE", "SPF", "DKIM", "DMARC", "HostTLSRPT", "DomainTLSRPT",
    "MTASTS", "SRVConf", "Autoconf", "Autodiscover",
)
_RECORD = re.compile(r"^\t(\S+)\s+((?:MX|TXT|CNAME|SRV)\s+(?:\([^()]*\)|.*))$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One part of mox's check of a domain: what is wrong, what is doubtful, what it advises."""

    name: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    advice: tuple[str, ...]


def service_of(name: str, lines: Iterable[str], clients: Iterable[dict[str, Any]]) -> MailService:
    """``lines``: of ``DomainRecords``, or records out of ``advised``; ``clients``: the entries of
    ``ClientConfigsDomain``.

    :raises Unreachable: they are no zone file, or hold something that cannot stand in DNS.
    """
    try:
        zone = dns.zone.from_text(
            "$TTL 300\n" + "\n".join(lines), origin=dns.name.root, relativize=False,
            check_origin=False,
        )
    except (dns.exception.DNSException, ValueError):
        raise Unreachable("mox's DNS records are not the lines of a zone file.") from None

    def values(owner: str, kind: str) -> list[Any]:
        found = zone.get_rdataset(dns.name.from_text(owner), kind)
        return list(found or ())

    def texts(owner: str) -> list[str]:
        return [b"".join(value.strings).decode("ascii", "replace")
                for value in values(owner, "TXT")]

    def host(target: dns.name.Name) -> str:
        return target.to_text(omit_final_dot=True)

    spf = next((text for text in texts(name) if text.startswith("v=spf1 ")), "")
    sts = parse_tags(next(iter(texts(f"_mta-sts.{name}")), "")) or {}
    autoconfig = next(iter(values(f"autoconfig.{name}", "CNAME")), None)
    sts_host = next(iter(values(f"mta-sts.{name}", "CNAME")), None)
    mx = tuple(MxTarget(value.preference, host(value.exchange)) for value in values(name, "MX"))
    server = mx[0].host if mx else ""
    service = MailService(
        mx=mx,
        spf=tuple(part for part in spf.split()[1:] if not part.endswith("all")),
        dkim=tuple(_keys(name, zone)),
        verification=_token(name, server),
        mta_sts_host=host(sts_host.target) if sts_host else "",
        mta_sts_id=sts.get("id", ""),
        tls_report=_report(texts(f"_smtp._tls.{name}")),
        dmarc_report=_report(texts(f"_dmarc.{name}")),
        autoconfig_host=host(autoconfig.target) if autoconfig else "",
        **_hosts(server, clients),
    )
    try:
        expected_records(name, service)
    except ValueError as error:
        raise Unreachable(f"mox's DNS records cannot stand in the DNS: {error}") from None
    return service


def advised(name: str, check: dict[str, Any]) -> list[str]:
    """The records that the advice of ``CheckDomain`` quotes: it answers where ``DomainRecords``
    does not, because the domain's DNS cannot be reached yet.  DKIM keys that are published already
    are not among them.
    """
    return [
        # an older one gives the names of keys without the domain's
        f"{owner if owner.endswith('.') else f'{owner}.{name}.'} {data}"
        for section in SECTIONS
        for text in (check.get(section) or {}).get("Instructions") or ()
        for owner, data in _RECORD.findall(text)
    ]


def sections_of(check: dict[str, Any]) -> tuple[Section, ...]:
    """What ``CheckDomain`` says, section by section."""
    return tuple(
        Section(name, *(
            tuple(printable(str(text), 2000) for text in (check.get(name) or {}).get(part) or ())
            for part in ("Errors", "Warnings", "Instructions")
        ))
        for name in SECTIONS
    )


def _keys(name: str, zone: dns.zone.Zone) -> Iterable[DkimKey]:
    suffix = f"._domainkey.{name}."
    for owner, rdataset in sorted(zone.iterate_rdatasets("TXT"), key=lambda pair: pair[0]):
        selector = owner.to_text()
        if selector.endswith(suffix):
            [value, *_others] = rdataset
            tags = parse_tags(b"".join(value.strings).decode("ascii", "replace")) or {}
            yield DkimKey(selector.removesuffix(suffix), tags.get("k", "rsa"), tags.get("p", ""))


def _report(texts: list[str]) -> str:
    """The address of ``rua=mailto:address!10m``; none where it needs an encoding."""
    for text in texts:
        uri = (parse_tags(text) or {}).get("rua", "").split(",")[0].split("!")[0]
        address = uri.removeprefix("mailto:")
        if REPORT_ADDRESS.fullmatch(address):
            return address
    return ""


def _hosts(server: str, clients: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Where mail programs connect: at the server itself, whatever name a domain has for it.

    mox shows the port of IMAP over TLS for plain IMAP too, if that is set; so the port of STARTTLS
    is taken only where it is another.
    """
    found: dict[str, Any] = {}
    for entry in clients:
        note, port = str(entry.get("Note")), entry.get("Port")
        if not isinstance(port, int):
            continue
        kind, tls, starttls = (
            ("imap", "imaps_port", "imap_port") if entry.get("Protocol") == "IMAP"
            else ("smtp", "submissions_port", "submission_port")
        )
        if note.startswith("with TLS"):
            found |= {f"{kind}_host": server, tls: port}
        elif "STARTTLS" in note and port != found.get(tls):
            found |= {f"{kind}_host": server, starttls: port}
    return found


def _token(name: str, server: str) -> str:
    """Proof of ownership: mox has none of its own.  It need not be secret, but the same each time
    and another one on each server."""
    return hashlib.sha256(f"emboux mox {server} {name}".encode()).hexdigest()[:32]
