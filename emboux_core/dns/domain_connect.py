# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Domain Connect: a link to the user's DNS provider, which writes the records after they agree.

Public specification 2.2, https://github.com/Domain-Connect/spec: discovery by the TXT record
``_domainconnect`` of the zone and the provider's settings, synchronous flow, template. Strangers
decide whom we call and what we are told: only public addresses are called, over TLS, without
redirections, and every part of an answer is checked before it is used.
"""

import base64
import json
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from urllib.parse import quote, urlencode, urlsplit

import dns.exception
import dns.name
import dns.resolver
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from urllib3.exceptions import HTTPError

from ..addresses import normalise_domain
from ..net.answers import Fields, Unfit
from ..net.errors import Refused, Unreachable
from ..net.guard import Attempt, Timeouts, exchange, guarded_session
from ..net.http import check_url
from .client import Client, NoAnswer, Resolver, plain
from .dmarc import parse_tags
from .expected import (
    DkimKey,
    ExpectedRecord,
    MailService,
    MxTarget,
    expected_records,
    kind_of,
)
from .lookup import in_own_loop
from .spf_merge import terms
from .zone import NotDelegated, find_zone

PROVIDER_ID, SERVICE_ID = "emboux.example", "mail"
TEMPLATE_FILE = Path(__file__).with_name(f"{PROVIDER_ID}.{SERVICE_ID}.json")
# What differs from domain to domain is a variable of the template, all else is fixed in it.
MAX_KEYS = 4
EXAMPLE_SERVICE = MailService(
    mx=(MxTarget(10, "mail.emboux.example"),), spf=("include:spf.emboux.example",),
    imap_host="mail.emboux.example", smtp_host="mail.emboux.example",
)  # fmt: skip
_MAX_BYTES = 64 * 1024  # bytes of an answer
_TIMEOUTS = Timeouts(connect=5.0, read=5.0, total=10.0)
_PROOF = "emboux-verification="
_POLICY = "v=STSv1; id="
_TTL = 3600  # seconds
_WIDTH = 750  # pixels of the provider's window, unless it says otherwise


@dataclass(frozen=True)
class DnsProvider:
    """A DNS provider that knows Domain Connect, as it describes itself for one domain.

    ``zone``: where the domain's records lie, ``host``: the domain's name in it, empty at its apex.
    ``sync_url``: start of links, empty when the provider takes none. ``width`` and ``height`` in
    pixels. ``control_panel``: where the user edits the zone by hand, may be empty.
    """

    zone: str
    host: str
    provider_id: str
    name: str
    api_url: str
    sync_url: str = ""
    control_panel: str = ""
    width: int = _WIDTH
    height: int = _WIDTH


@dataclass(frozen=True)
class Signer:
    """The key that signs links: ``key_host`` is where its public half stands in DNS, below the
    ``syncPubKeyDomain`` of the template; ``private_key`` is RSA in PEM.
    """

    key_host: str
    private_key: bytes = field(repr=False)


def discover(
    domain: str,
    resolver: Resolver,
    *,
    timeouts: Timeouts = _TIMEOUTS,
    ca_file: str | None = None,
) -> DnsProvider | None:
    """Return the provider of the domain's zone, None if it does not know Domain Connect.

    :raises Unreachable: DNS or the provider did not answer, or not as specified.
    :raises Refused: the provider may not be called.
    :raises AddressError: ``domain`` is not a domain name.
    """
    domain = normalise_domain(domain)
    zone, prefix = in_own_loop(lambda: _look_up(domain, resolver))
    if not prefix:
        return None
    try:
        base = check_url(f"https://{prefix}")
    except Refused:
        return None  # the TXT record is for something else
    body = _get(f"{base}/v2/{zone}/settings", resolver.allow_private, timeouts, ca_file)
    if body is None:
        return None  # the zone lies elsewhere, the TXT is left over
    try:
        fields = Fields.parse(body)
        return DnsProvider(
            zone, domain.removesuffix(zone).removesuffix("."),
            _text(fields, "providerId"),
            _text(fields, "providerDisplayName", "") or _text(fields, "providerName"),
            _url(fields, "urlAPI"), _url(fields, "urlSyncUX", ""),
            _panel(fields, zone), _pixels(fields, "width"), _pixels(fields, "height"),
        )  # fmt: skip
    except (Unfit, Refused) as error:
        raise Unreachable(f"The DNS provider of {zone} describes itself wrongly: {error}") from None


def supports(
    provider: DnsProvider,
    *,
    allow_private: bool = False,
    timeouts: Timeouts = _TIMEOUTS,
    ca_file: str | None = None,
    provider_id: str = PROVIDER_ID,
    service_id: str = SERVICE_ID,
) -> bool:
    """Whether the provider has our template and accepts links to it.

    :raises Unreachable: it did not say.  :raises Refused: it may not be called.
    """
    if not provider.sync_url:
        return False
    url = f"{provider.api_url}{_template_path(provider_id, service_id)}"
    return _get(url, allow_private, timeouts, ca_file) is not None


def apply_url(
    provider: DnsProvider,
    records: tuple[ExpectedRecord, ...],
    template: dict,
    *,
    redirect_uri: str = "",
    state: str = "",
    signer: Signer | None = None,
) -> str:
    """Return the link that shows the user these records at the provider and applies them there.

    ``redirect_uri`` is where the browser goes afterwards, with ``state``.

    :raises ValueError: the template has not all of these records, so another would be written, or
        the provider takes no links.
    """
    if not provider.sync_url:
        raise ValueError(f"{provider.name} takes no links.")
    domain = f"{provider.host}.{provider.zone}" if provider.host else provider.zone
    entries, values = _convert(records, domain)
    strange = next((entry for entry in entries if entry not in template["records"]), None)
    if strange:
        raise ValueError(f"The template does not have this record: {json.dumps(strange)}")
    groups = dict.fromkeys(entry["groupId"] for entry in entries)
    query = {"domain": provider.zone, "host": provider.host, **values}
    query |= {"groupId": ",".join(groups)}
    further = {"redirect_uri": redirect_uri, "state": state}
    query |= {name: value for name, value in further.items() if value}
    text = urlencode(query, quote_via=quote)
    if signer:
        key = serialization.load_pem_private_key(signer.private_key, None)
        made = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        text += "&" + urlencode(
            {"sig": base64.b64encode(made).decode(), "key": signer.key_host}, quote_via=quote
        )
    path = _template_path(template["providerId"], template["serviceId"])
    return f"{provider.sync_url}{path}/apply?{text}"


def make_template(
    service: MailService = EXAMPLE_SERVICE,
    *,
    provider_id: str = PROVIDER_ID,
    service_id: str = SERVICE_ID,
    name: str = "Emboux",
    key_domain: str = "",
) -> dict:
    """Return the template of a platform, made from what ``expected_records`` says of ``service``.

    Its keys and its proof of ownership become variables. ``key_domain``: where the public keys of
    signed links stand; without it providers warn of forged links, which is what a template with
    variables and without signatures has to ask for.
    """
    domain = "domain.example"
    keys = tuple(DkimKey(f"s{n}", "rsa", "QUJD") for n in range(MAX_KEYS))
    whole = MailService(
        mx=service.mx, spf=service.spf, dkim=keys, verification="x",
        imap_host=service.imap_host, imaps_port=service.imaps_port,
        smtp_host=service.smtp_host, submissions_port=service.submissions_port,
        mta_sts_host=service.mta_sts_host, mta_sts_id="x" if service.mta_sts_host else "",
        tls_report=service.tls_report, autoconfig_host=service.autoconfig_host, wildcard=True,
    )  # fmt: skip
    entries, _values = _convert(expected_records(domain, whole), domain)
    signing = {"syncPubKeyDomain": key_domain} if key_domain else {"warnPhishing": True}
    return {
        "providerId": provider_id, "providerName": name, "serviceId": service_id,
        "serviceName": "Mail", "version": 2,
        "description": "Mail of a domain: delivery, senders, signatures, policy, mail programs.",
        "variableDescription": "verification: proof of ownership; selectorN, typeN, keyN: "
        "selector, algorithm (rsa or ed25519) and public key in base64 of the Nth DKIM key."
        + (" policy: id of the MTA-STS policy." if service.mta_sts_host else ""),
        **signing, "records": entries,
    }  # fmt: skip


def template_text(template: dict) -> str:
    """Return a template as the text of its file."""
    return json.dumps(template, indent=4) + "\n"


def _convert(
    records: tuple[ExpectedRecord, ...], domain: str
) -> tuple[list[dict], dict[str, str]]:
    """Return records as those of a template, and the values of its variables.

    :raises ValueError: there are more keys than a template has.
    """
    entries: list[dict] = []
    values: dict[str, str] = {}
    keys = 0
    for record in records:
        host = record.name.removesuffix(domain).removesuffix(".") or "@"
        group = record.key.replace(":", "-")
        lines = record.value.split("\n")
        text: dict = {"type": "TXT", "host": host, "ttl": _TTL}
        if record.record_type == "MX":
            for preference, target in (line.split() for line in lines):
                made = {"type": "MX", "host": host, "pointsTo": target.removesuffix("."),
                        "priority": int(preference), "ttl": _TTL}  # fmt: skip
                entries.append({"groupId": group, **made})
            continue
        if record.record_type == "SRV":
            priority, weight, port, target = record.value.split()
            service, protocol, *name = host.split(".")
            made = {"type": "SRV", "name": ".".join(name) or "@", "service": service,
                    "protocol": protocol, "priority": int(priority), "weight": int(weight),
                    "port": int(port), "target": target.removesuffix("."), "ttl": _TTL}  # fmt: skip
        elif record.record_type == "CNAME":
            made = {"type": "CNAME", "host": host, "pointsTo": record.value.removesuffix("."),
                    "ttl": _TTL}  # fmt: skip
        elif kind_of(record.key) == "spf":
            made = {"type": "SPFM", "host": host, "spfRules": " ".join(terms(record.value))}
        elif record.key.startswith("dkim:"):
            keys += 1
            if keys > MAX_KEYS:
                raise ValueError(f"A template has {MAX_KEYS} DKIM keys at most.")
            tags = parse_tags(record.value) or {}
            group = f"dkim{keys}"
            values |= {f"selector{keys}": host.removesuffix("._domainkey"),
                       f"type{keys}": tags.get("k", "rsa"), f"key{keys}": tags["p"]}  # fmt: skip
            made = {**text, "host": f"%selector{keys}%._domainkey",
                    "data": f"v=DKIM1; k=%type{keys}%; p=%key{keys}%",
                    "txtConflictMatchingMode": "All"}  # fmt: skip
        else:
            made = {**text, "data": record.value}
            prefix = record.value.partition(";")[0] if record.value.startswith("v=") else ""
            if record.key == "verification":
                values["verification"] = record.value.removeprefix(_PROOF)
                made["data"], prefix = f"{_PROOF}%verification%", _PROOF
            if record.key == "mta_sts":
                values["policy"] = record.value.removeprefix(_POLICY)
                made["data"] = f"{_POLICY}%policy%"
            if prefix:
                made |= {"txtConflictMatchingMode": "Prefix", "txtConflictMatchingPrefix": prefix}
        entries.append({"groupId": group, **made})
    return entries, values


def _template_path(provider_id: str, service_id: str) -> str:
    provider, service = quote(provider_id, safe=""), quote(service_id, safe="")
    return f"/v2/domainTemplates/providers/{provider}/services/{service}"


async def _look_up(domain: str, resolver: Resolver) -> tuple[str, str]:
    """Return (zone, what its ``_domainconnect`` says or "").  :raises Unreachable: no answer"""
    try:
        client = Client(resolver, 4)
        zone = (await find_zone(client, domain)).origin
        name = dns.name.Name((b"_domainconnect", *zone.labels))
        values = await client.values(name, "TXT")
    except (NoAnswer, NotDelegated) as error:
        raise Unreachable(str(error)) from None
    except dns.resolver.NoResolverConfiguration:
        raise Unreachable("This system names no DNS resolver.") from None
    except dns.exception.DNSException:
        return domain, ""  # the name is too long to exist
    return plain(zone).lower(), values[0].strip() if len(values) == 1 else ""


def _get(url: str, allow_private: bool, timeouts: Timeouts, ca_file: str | None) -> bytes | None:
    """Return the body of a resource, None for 404.

    :raises Refused: its host may not be called.  :raises Unreachable: whatever else.
    """
    host, port = urlsplit(url).hostname, urlsplit(url).port
    if port not in (None, 443) and not allow_private:
        raise Refused(f"The DNS provider's {host} is to be called at port {port}, not at 443.")
    attempt = Attempt(monotonic() + timeouts.total, timeouts, _MAX_BYTES, allow_private)
    with guarded_session(ca_file, Accept="application/json") as session:
        prepared = session.prepare_request(requests.Request("GET", url))
        try:
            response, body = exchange(session, prepared, attempt)
        except (requests.RequestException, HTTPError, HTTPException, OSError):
            if attempt.refusal:
                raise Refused(attempt.refusal) from None
            why = "too long an answer" if attempt.oversize else "no usable answer in time"
            raise Unreachable(f"The DNS provider's {host} gives {why}.") from None
    if response.status_code == 404:
        return None
    if not 200 <= response.status_code < 300:
        raise Unreachable(f"The DNS provider's {host} answers with {response.status_code}.")
    return body


_REQUIRED = object()


def _text(fields: Fields, name: str, default=_REQUIRED) -> str:
    """:raises Unfit: it is not there or no text."""
    try:
        return fields.any_text(name)[:200]
    except Unfit:
        if default is _REQUIRED:
            raise
        return default


def _url(fields: Fields, name: str, default=_REQUIRED) -> str:
    """Return the start of URLs, with https.  :raises Unfit, Refused: it is none"""
    text = _text(fields, name, default)
    return check_url(text) if text or default is _REQUIRED else ""


def _panel(fields: Fields, zone: str) -> str:
    """Return the address of the control panel, "" if it could be anything else."""
    text = _text(fields, "urlControlPanel", "").replace("%domain%", zone)
    try:
        parts = urlsplit(text)
        fine = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
    except ValueError:
        fine = False
    return text if fine and text.isascii() and not set(text) & set(" \"'<>\\") else ""


def _pixels(fields: Fields, name: str) -> int:
    try:
        return fields.number(name, 100, 5000)
    except Unfit:
        return _WIDTH
