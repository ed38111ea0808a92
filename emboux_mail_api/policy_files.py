# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What the web host tells about a hosted domain: MTA-STS policy, settings of mail programs.

Plain Python.  The same for every address of a domain, so that nobody learns which mailboxes exist.
"""

import hashlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree

MAX_AGE = {"testing": 86_400, "enforce": 604_800}  # seconds; RFC 8461 3.2: at most 31557600
MAX_REQUEST_BYTES = 16 * 1024  # bytes
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"


@dataclass(frozen=True)
class Hosts:
    """Where a domain's mail is read and sent; host names without trailing dot.

    ``imaps_port`` and ``submissions_port`` speak TLS from the first byte, ``submission_port`` after
    STARTTLS.
    """

    mx: tuple[str, ...]
    imap_host: str
    imaps_port: int
    smtp_host: str
    submissions_port: int
    submission_port: int


class NotARequest(ValueError):
    """What came is no request for settings."""


def mta_sts_policy(mode: str, mx: tuple[str, ...]) -> str:
    """Return the policy's text (RFC 8461 3.2).  ``mode``: ``testing`` or ``enforce``."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in mx)]
    return "".join(f"{line}\r\n" for line in [*lines, f"max_age: {MAX_AGE[mode]}"])


def policy_id(text: str) -> str:
    """Return an id that is another one for every other policy; 20 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def autoconfig(domain: str, hosts: Hosts) -> str:
    """Return Mozilla's ``clientConfig`` 1.1; the program puts the address in by itself."""

    def server(tag: str, kind: str, host: str, port: int, security: str) -> str:
        return (
            f'    <{tag} type="{kind}">\n'
            f"      <hostname>{escape(host)}</hostname>\n"
            f"      <port>{port}</port>\n"
            f"      <socketType>{security}</socketType>\n"
            "      <username>%EMAILADDRESS%</username>\n"
            "      <authentication>password-cleartext</authentication>\n"
            f"    </{tag}>\n"
        )

    name = escape(domain)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<clientConfig version="1.1">\n'
        f'  <emailProvider id="{name}">\n'
        f"    <domain>{name}</domain>\n"
        f"    <displayName>{name}</displayName>\n"
        f"    <displayShortName>{name}</displayShortName>\n"
        + server("incomingServer", "imap", hosts.imap_host, hosts.imaps_port, "SSL")
        + server("outgoingServer", "smtp", hosts.smtp_host, hosts.submissions_port, "SSL")
        + server("outgoingServer", "smtp", hosts.smtp_host, hosts.submission_port, "STARTTLS")
        + "  </emailProvider>\n</clientConfig>\n"
    )


def autodiscover(hosts: Hosts) -> str:
    """Return Outlook's settings; without a login name it takes the address."""

    def protocol(kind: str, host: str, port: int) -> str:
        return (
            "      <Protocol>\n"
            f"        <Type>{kind}</Type>\n"
            f"        <Server>{escape(host)}</Server>\n"
            f"        <Port>{port}</Port>\n"
            "        <DomainRequired>off</DomainRequired>\n"
            "        <SPA>off</SPA>\n"
            "        <SSL>on</SSL>\n"
            "        <AuthRequired>on</AuthRequired>\n"
            "      </Protocol>\n"
        )

    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Autodiscover xmlns="{_RESPONSE}">\n'
        f'  <Response xmlns="{_OUTLOOK}">\n'
        "    <Account>\n"
        "      <AccountType>email</AccountType>\n"
        "      <Action>settings</Action>\n"
        + protocol("IMAP", hosts.imap_host, hosts.imaps_port)
        + protocol("SMTP", hosts.smtp_host, hosts.submissions_port)
        + "    </Account>\n  </Response>\n</Autodiscover>\n"
    )


def address_asked_for(body: bytes) -> str:
    """Return the address in a request of Outlook.

    :raises NotARequest: it is none, too long, or has a document type, which could define entities.
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise NotARequest("It is too long.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise NotARequest("It is no XML.") from None
    if root.getroottree().docinfo.doctype:
        raise NotARequest("It has a document type.")
    found = root.findtext(".//{*}EMailAddress")
    if not found:
        raise NotARequest("It names no address.")
    return found.strip()
