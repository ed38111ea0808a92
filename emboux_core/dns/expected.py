# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""DNS records that a mail domain should have, each with its reason, and as zone-file text."""

import re
from dataclasses import dataclass, replace

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from ..addresses import normalise_domain

REQUIRED, RECOMMENDED, OPTIONAL = "required", "recommended", "optional"
# Relaxed alignment is written out because a subdomain that is signed by its parent needs it.
DMARC_DEFAULT = "v=DMARC1; p=none; adkim=r; aspf=r"
#: What a record can hold without encoding.
REPORT_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
TYPES = ("MX", "TXT", "SRV", "CNAME")
_WILDCARD = "wildcard:"  # before the key of a record that stands for all subdomains
_MAX_STRING = 255  # RFC 1035 3.3: octets of one character-string


@dataclass(frozen=True)
class MxTarget:
    """One mail exchanger: preference 0-65535 (lower first) and host name without trailing dot."""

    preference: int
    host: str


@dataclass(frozen=True)
class DkimKey:
    """One published DKIM key.

    ``selector`` is the label(s) before ``._domainkey``; ``key_type`` is the ``k=`` tag (``rsa`` or
    ``ed25519``); ``public_key`` is base64 of the SubjectPublicKeyInfo for rsa (RFC 6376 3.6.1) and
    of the 32 raw octets for ed25519 (RFC 8463).
    """

    selector: str
    key_type: str = "rsa"
    public_key: str = ""


@dataclass(frozen=True)
class MailService:
    """Where a domain's mail lives, and hence what its DNS must say; empty parts need no record.

    ``spf``: mechanisms that must be authorised, such as ``include:spf.example``. ``verification``:
    token that proves ownership, ``""`` when none is needed (a subdomain that inherits). Hosts come
    without trailing dot; ``imaps_port`` and ``submissions_port`` speak TLS from the start,
    ``imap_port`` and ``submission_port`` by STARTTLS. ``dkim_domain``: when set, mail is signed
    with d=that parent domain, so this domain needs no DKIM record.

    ``records``: what a provider of outgoing mail wants besides, with keys of its own that begin
    with ``dkim:`` or ``provider:``. ``mta_sts_host``: web host that serves the MTA-STS policy, and
    ``mta_sts_id`` the policy's id, 1 to 32 letters and digits (RFC 8461); one without the other
    needs no record. ``tls_report``: address for reports on TLS (RFC 8460), ``dmarc_report``: for
    aggregate reports on DMARC (RFC 7489). ``autoconfig_host``: web host that tells mail programs
    their settings. ``wildcard``: subdomains are handed out below it.
    """

    mx: tuple[MxTarget, ...] = ()
    spf: tuple[str, ...] = ()
    dkim: tuple[DkimKey, ...] = ()
    verification: str = ""
    imap_host: str = ""
    imaps_port: int = 993
    smtp_host: str = ""
    submissions_port: int = 465
    imap_port: int = 143
    submission_port: int = 587
    dkim_domain: str | None = None
    records: "tuple[ExpectedRecord, ...]" = ()
    mta_sts_host: str = ""
    mta_sts_id: str = ""
    tls_report: str = ""
    dmarc_report: str = ""
    autoconfig_host: str = ""
    wildcard: bool = False


@dataclass(frozen=True)
class ExpectedRecord:
    """One record that should exist.

    ``key``: stable identity within the domain (``mx``, ``dkim:<selector>``, ...). ``record_type``:
    MX, TXT, SRV or CNAME. ``name``: A-label FQDN without trailing dot. ``value``: presentation form
    without the quotes of TXT; several MX are one record with one value per line. ``level``:
    ``required``, ``recommended`` or ``optional``. ``purpose``: one sentence for a person.

    Of DMARC: ``signer`` is the domain that signs for this one, "" for itself; ``own_envelope``:
    its mail leaves with an envelope sender of its own, not of a provider.
    """

    key: str
    record_type: str
    name: str
    value: str
    level: str
    purpose: str
    signer: str = ""
    own_envelope: bool = True


def expected_records(domain: str, service: MailService) -> tuple[ExpectedRecord, ...]:
    """Return the records that ``domain`` should have on ``service``, required ones first.

    :raises AddressError: ``domain`` is not a domain name.
    :raises ValueError: ``service`` holds something that cannot stand in DNS.
    """
    name = normalise_domain(domain)
    records: list[ExpectedRecord] = []

    def add(key: str, record_type: str, prefix: str, value: str, level: str, purpose: str) -> None:
        owner = f"{prefix}.{name}" if prefix else name
        records.append(ExpectedRecord(key, record_type, owner, value, level, purpose))

    if service.verification:
        add(
            "verification", "TXT", "_emboux", f"emboux-verification={service.verification}",
            REQUIRED, "Proves that the domain is yours, so that nobody else can use it here.",
        )  # fmt: skip
    if service.mx:
        targets = sorted(service.mx, key=lambda mx: (mx.preference, mx.host))
        lines = [f"{_number(mx.preference, 'MX preference')} {_host(mx.host)}" for mx in targets]
        add(
            "mx", "MX", "", "\n".join(lines),
            REQUIRED, "Tells other servers where to deliver mail for the domain.",
        )  # fmt: skip
    if service.spf:
        add(
            "spf", "TXT", "", f"v=spf1 {' '.join(service.spf)} ~all",
            REQUIRED, "Lists who may send mail of the domain; without it much of it lands in spam.",
        )  # fmt: skip
    if service.wildcard:
        # What makes subdomains work that have no records of their own (RFC 4592). No address: no
        # host of that name is ours. Neither DMARC, which a subdomain has of its parent (RFC 7489
        # 6.6.3), nor DKIM, as d= is the parent; and SRV, autoconfig and MTA-STS stand at names
        # with labels in front of the subdomain's, where a wildcard is none (RFC 4592 2.1.1).
        for key, purpose in (
            ("mx", "Tells other servers where to deliver mail for its subdomains."),
            ("spf", "Lists who may send mail of its subdomains."),
        ):
            record = next((record for record in records if record.key == key), None)
            if record:
                add(_WILDCARD + key, record.record_type, "*", record.value, REQUIRED, purpose)
    if service.dkim_domain is None:
        for key in service.dkim:
            add(
                f"dkim:{key.selector}", "TXT", f"{key.selector}._domainkey",
                f"v=DKIM1; k={key.key_type}; p={key.public_key}",
                # few receivers know Ed25519 yet (RFC 8463): another key carries the mail
                RECOMMENDED if key.key_type == "ed25519" else REQUIRED,
                "Lets receivers check the signature that each outgoing message carries.",
            )  # fmt: skip
    taken = {record.key for record in records}
    for record in service.records:
        records.append(_of_provider(name, record, taken))
        taken.add(record.key)
    reports = service.dmarc_report and f"; rua=mailto:{_report_address(service.dmarc_report)}"
    add(
        "dmarc", "TXT", "_dmarc", DMARC_DEFAULT + reports,
        RECOMMENDED, "Tells receivers what to do with forged mail; large mail services ask for it.",
    )  # fmt: skip
    records[-1] = replace(records[-1], signer=service.dkim_domain or "")
    for srv, host, port, purpose in (
        ("imaps", service.imap_host, service.imaps_port,
         "Lets mail programs find the server for reading mail by themselves."),
        ("submissions", service.smtp_host, service.submissions_port,
         "Lets mail programs find the server for sending mail by themselves."),
    ):  # fmt: skip
        if host:
            value = f"0 1 {_number(port, 'port')} {_host(host)}"
            add(f"srv:{srv}", "SRV", f"_{srv}._tcp", value, OPTIONAL, purpose)
    if service.autoconfig_host:
        host = _host(service.autoconfig_host)
        add(
            "autoconfig", "CNAME", "autoconfig", host,
            OPTIONAL, "Lets Thunderbird and others set themselves up from the address alone.",
        )  # fmt: skip
        add(
            "srv:autodiscover", "SRV", "_autodiscover._tcp", f"0 1 443 {host}",
            OPTIONAL, "Lets Outlook set itself up from the address alone.",
        )  # fmt: skip
    if service.mta_sts_host and service.mta_sts_id:
        if not re.fullmatch(r"[A-Za-z0-9]{1,32}", service.mta_sts_id):
            raise ValueError(
                f'"{service.mta_sts_id}" is no policy id: 1 to 32 letters and digits are possible.'
            )
        # OPTIONAL: as long as that host has no certificate for the name, there is no policy
        add(
            "mta_sts:host", "CNAME", "mta-sts", _host(service.mta_sts_host),
            OPTIONAL, "Leads other mail servers to the policy that asks them for encryption.",
        )  # fmt: skip
        add(
            "mta_sts", "TXT", "_mta-sts", f"v=STSv1; id={service.mta_sts_id}",
            OPTIONAL, "Tells other mail servers that there is such a policy, and when it changes.",
        )  # fmt: skip
    if service.tls_report:
        address = _report_address(service.tls_report)
        add(
            "tls_report", "TXT", "_smtp._tls", f"v=TLSRPTv1; rua=mailto:{address}",
            OPTIONAL, "Asks other mail servers to report when they could not encrypt.",
        )  # fmt: skip
    order = (REQUIRED, RECOMMENDED, OPTIONAL)
    return tuple(sorted(records, key=lambda record: order.index(record.level)))


def is_wildcard(key: str) -> bool:
    """Whether a record is there for the subdomains, and says nothing of the domain itself."""
    return key.startswith(_WILDCARD)


def kind_of(key: str) -> str:
    """How a record is judged and merged: that of the subdomains as the domain's own."""
    return key.removeprefix(_WILDCARD)


def zone_text(records: tuple[ExpectedRecord, ...], ttl: int = 3600) -> str:
    """Return the records as RFC 1035 zone-file text with fully qualified names.

    Each record has its purpose and level above it as a comment; TXT is cut into quoted strings of
    at most 255 octets. ``ttl`` is in seconds.

    :raises ValueError: a record cannot be written; names it.
    """
    blocks = []
    for record in records:
        comment = " ".join(record.purpose.split())
        lines = [f"; {comment} ({record.level.capitalize()}.)"]
        try:
            owner = dns.name.from_text(record.name, origin=dns.name.root)
            values = [record.value] if record.record_type == "TXT" else record.value.split("\n")
            for value in values:
                data = rdata(record.record_type, value)
                lines.append(f"{owner} {int(ttl)} IN {record.record_type} {data.to_text()}")
        except dns.exception.DNSException as error:
            raise ValueError(
                f"The {record.record_type} record {record.name} cannot be written to a zone file: "
                f"{error or type(error).__name__}."
            ) from error
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def rdata(record_type: str, value: str) -> dns.rdata.Rdata:
    """Return presentation text (TXT without quotes) as a dnspython rdata.

    :raises dns.exception.DNSException: not valid for this type.
    """
    if record_type == "TXT":
        octets = value.encode()
        parts = [octets[i : i + _MAX_STRING] for i in range(0, len(octets), _MAX_STRING)] or [b""]
        return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, parts)
    return dns.rdata.from_text("IN", record_type, value, origin=dns.name.root, relativize=False)


def _of_provider(domain: str, record: ExpectedRecord, taken: set[str]) -> ExpectedRecord:
    """Return a provider's record with its name as ours are written.

    :raises ValueError: it may not stand among ours.
    """
    name = record.name.lower().removesuffix(".")
    what = f"The record {record.key} of the provider"
    if not record.key.startswith(("dkim:", "provider:")) or record.key in taken:
        raise ValueError(f'{what} needs a key of its own that begins with "dkim:" or "provider:".')
    if not name.isascii() or (name != domain and not name.endswith(f".{domain}")):
        raise ValueError(f"{what} stands at {record.name}, which is not in {domain}.")
    if record.level not in (REQUIRED, RECOMMENDED, OPTIONAL):
        raise ValueError(f"{what} has no level.")
    if record.record_type not in TYPES:
        raise ValueError(f"{what} is of type {record.record_type}: {', '.join(TYPES)} are known.")
    return replace(record, name=name)


def _report_address(address: str) -> str:
    if not REPORT_ADDRESS.fullmatch(address):
        raise ValueError(f'"{address}" cannot take reports: give an address.')
    return address


def _host(host: str) -> str:
    """Return a host name with trailing dot; single labels pass, test worlds have them."""
    name = host.strip().lower().removesuffix(".")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", name):
        raise ValueError(f'"{host}" is not a host name: give one such as mail.example.com.')
    return name + "."


def _number(value: int, what: str) -> int:
    if not 0 <= value <= 65535:
        raise ValueError(f"The {what} {value} is out of range: 0 to 65535 are possible.")
    return value
