# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What should be in the DNS of a domain, and how programs of its users are set up."""

import base64

from . import names
from .docs import Failure, user_error
from .domains import parsed

_RSA = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")
_RSA_END = bytes.fromhex("0203010001")
_LINE = 100  # characters of a text in one string of a long record
#: Of the stand-in's listener; the plain IMAP has the port of the other, as in the real one.
SUBMISSIONS, SUBMISSION, IMAPS = 1465, 1587, 1993
#: The sections that do not say what to do.
_UNINSTRUCTED = {"new": ("TLS",), "old": ("TLS", "DANE")}


class Records:
    """``server.records``.  ``hostname`` is the server's own; ``dns_down`` is whether lookups of
    DNS fail; ``found`` is, by domain and section, what ``CheckDomain`` shall say besides."""

    def __init__(self, server, docs, hostname="localhost"):
        self.server, self.docs, self.hostname = server, docs, hostname
        self.ip = "127.0.0.1"
        self.dns_down = False
        self.found: dict[str, dict[str, dict]] = {}

    def DomainRecords(self, domain):
        name = parsed(domain)
        config = self.server.config.state.domains.get(names.shown(name))
        if not config:
            raise user_error("lookup domain: unknown domain")
        if self.dns_down:
            raise Failure("server:error", "looking up record to determine if dnssec is "
                                          f"implemented: lookup {name['ASCII']}: i/o timeout")
        return self._lines(name["ASCII"], config)

    def _lines(self, name, config):
        old = self.server.config.old
        host = f"{self.hostname}."
        client = config["ClientSettingsDomain"]
        client = f"{names.domain(client)['ASCII']}." if client else ""
        mail = host if old else client or host
        width = max(len(f"_autodiscover._tcp.{name}."), len(f"_dmarc.{name}.")) + 1

        def line(owner, data):
            return f"{owner:<{width}}{data}"

        lines = ["; Five minutes, until all of it works.", "$TTL 300", "",
                 "; Of the server itself:", line(host, 'TXT "v=spf1 a -all"'), "",
                 "; Mail for the domain comes here.", line(f"{name}.", f"MX 10 {host}"), "",
                 "; Keys of signatures."]  # fmt: skip
        for selector in sorted(config["DKIM"]["Selectors"]):
            lines += self._key(name, selector, line)
        own = "" if old else f"ip4:{self.ip} "
        lines += ["", "; Who may send.", line(f"{name}.", f'TXT "v=spf1 {own}mx ~all"')]
        dmarc = self._reports_to(config["DMARC"], "rua=mailto:{}!10m", ";")
        lines += ["", "; What to do with the rest.",
                  line(f"_dmarc.{name}.", f'TXT "v=DMARC1;p=reject{dmarc}"')]  # fmt: skip
        if config["MTASTS"]:
            policy = config["MTASTS"]["PolicyID"]
            lines += ["", "; TLS for what comes.", line(f"mta-sts.{name}.", f"CNAME {host}"),
                      line(f"_mta-sts.{name}.", f'TXT "v=STSv1; id={policy}"')]  # fmt: skip
        tls = self._reports_to(config["TLSRPT"], "rua=mailto:{}", "")
        if tls:
            lines += ["", "; Failures of TLS.",
                      line(f"_smtp._tls.{name}.", f'TXT "v=TLSRPTv1; {tls}"')]  # fmt: skip
        if client:
            lines += ["", "; What users enter.", line(client, f"CNAME {host}")]
        lines += ["", "; Users' programs.", line(f"autoconfig.{name}.", f"CNAME {host}"),
                  line(f"_autodiscover._tcp.{name}.", f"SRV 0 1 443 {host}"), "",
                  "; Services with TLS.", line(f"_imaps._tcp.{name}.", f"SRV 0 1 993 {mail}"),
                  line(f"_submissions._tcp.{name}.", f"SRV 0 1 465 {mail}"), "",
                  "; And those that there are not."]  # fmt: skip
        for service, port in (("imap", 143), ("submission", 587), ("pop3", 110), ("pop3s", 995)):
            nowhere = f"SRV 0 1 {port} ." if old else "SRV 0 0 0 ."
            lines.append(line(f"_{service}._tcp.{name}.", nowhere))
        return lines

    def _reports_to(self, report, text, before):
        if not report:
            return ""
        address = names.packed(report["ParsedLocalpart"], report["DNSDomain"]["ASCII"])
        return before + text.format(address)

    def _key(self, name, selector, line):
        label = names.domain(selector)["ASCII"]
        algorithm, key = self.server.config.keys[name, selector]
        owner = f"{label}._domainkey.{name}."
        if algorithm == "ed25519":
            data = base64.b64encode(key).decode()
            return [line(owner, f'TXT "v=DKIM1;h=sha256;k=ed25519;p={data}"')]
        data = base64.b64encode(_RSA + key + _RSA_END).decode()
        whole = f"v=DKIM1;h=sha256;p={data}"
        parts = [whole[start : start + _LINE] for start in range(0, len(whole), _LINE)]
        inside = "".join(f'\n \t\t"{part}"' for part in parts)
        return ["; One record of several strings.", line(owner, f"TXT ({inside}\n\t)")]

    def CheckDomain(self, domain):
        """``Domain`` stays empty, as in the real one."""
        name = names.shown(parsed(domain))
        if name not in self.server.config.state.domains:
            raise Failure("user:notFound", "domain not found")
        checked = self.docs.zero("CheckResult")
        silent = _UNINSTRUCTED[self.server.generation]
        for section, one in checked.items():
            if section != "Domain":
                advice = [f"Look at {section} of {name}.{self._quoted(section, parsed(domain))}"]
                one["Instructions"] = None if section in silent else advice
                if section in ("MX", "DKIM"):
                    one["Errors"] = [f"Looking up {section} records: no such host"]
                one.update(self.found.get(name, {}).get(section, {}))
        return checked

    def _quoted(self, section, name):
        """The records that the advice quotes, each on lines that begin with a tab."""
        own = name["ASCII"]
        if section == "MX":
            return f"\n\n\t{own}. MX 10 {self.hostname}.\n\nWith the dot at the end."
        if section != "DKIM":
            return ""
        selectors = self.server.config.state.domains[names.shown(name)]["DKIM"]["Selectors"]
        lines = [self._key(own, selector, lambda owner, data: f"\t{owner} {data}")[-1]
                 for selector in sorted(selectors)]
        if self.server.config.old:  # without the domain's name
            lines = [line.replace(f".{own}. TXT", " TXT") for line in lines]
        return "".join(f"\n\n{line}" for line in lines)

    def ClientConfigsDomain(self, domain):
        name = names.shown(parsed(domain))
        config = self.server.config.state.domains.get(name)
        if not config:
            raise user_error("client config for domain: bad request: unknown domain")
        host = names.domain(config["ClientSettingsDomain"] or self.hostname)
        services = (("Submission (SMTP)", SUBMISSIONS, "with TLS"), ("IMAP", IMAPS, "with TLS"),
                    ("Submission (SMTP)", SUBMISSION, "STARTTLS optional"),
                    ("IMAP", IMAPS, "STARTTLS optional"))  # fmt: skip
        return {"Entries": [
            {"Protocol": protocol, "Host": host, "Port": port, "Listener": "local", "Note": note}
            for protocol, port, note in services
        ]}  # fmt: skip
