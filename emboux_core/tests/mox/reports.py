# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What mox has been told by others, and what it asks the world about its own servers.

Tests put in what the real one would have received or found; nothing here looks anything up.
"""

import copy
import itertools
import secrets

from . import names
from .docs import Failure, moment_of, now, user_error
from .domains import parsed


def _absent(what: str) -> Failure:
    return Failure("server:error", f"{what}: absent")


def _server_name(text: str) -> dict:
    """Some calls take a wrong name for a fault of the server."""
    try:
        return names.domain(text)
    except names.BadName as error:
        raise Failure("server:error", f"parsing domain: {error}") from None


def _overlaps(begin, end, start, stop) -> bool:
    """A period that holds the whole asked one is not found."""
    return start <= begin < stop or start < end <= stop


class _Suppressed:
    """Addresses that get no reports from us."""

    def __init__(self, docs, struct):
        self.docs, self.struct = docs, struct
        self.rows: dict[int, dict] = {}
        self.numbers = itertools.count(1)

    def add(self, address, until, comment):
        try:
            part, domain = names.address(address)
        except names.BadName as error:
            raise user_error(f"parsing reporting address: {error}") from None
        full = names.packed(part, names.shown(domain))
        if full in [one["ReportingAddress"] for one in self.rows.values()]:
            raise Failure("server:error", "adding address to suppresslist: updating indices for "
                                          'inserted value: not unique: "ReportingAddress"')
        number = next(self.numbers)
        self.rows[number] = self.docs.make(
            self.struct, ID=number, Inserted=now(), ReportingAddress=full, Until=until,
            Comment=comment,
        )  # fmt: skip

    def remove(self, number):
        if not self.rows.pop(number, None):
            raise _absent("removing reporting address from suppresslist")

    def extend(self, number, until):
        if number not in self.rows:
            raise _absent("updating reporting address in suppresslist")
        self.rows[number]["Until"] = until


class Reports:
    """``server.reports``.  ``blocklists`` and ``hostnames`` are what lookups of them find."""

    def __init__(self, server, docs):
        self.server, self.docs = server, docs
        self.dmarc: list[dict] = []
        self.evaluations: list[dict] = []
        self.tls: list[dict] = []
        self.results: list[dict] = []
        self.policies: list[dict] = []
        self.attempts: list[dict] = []
        self.blocklists: dict[str, dict[str, str]] = {}  # IP to zone to what it says
        self.used_zones: list[str] = []
        self.hostnames: dict[str, list[str]] = {"127.0.0.1": ["localhost."]}
        self._dmarc_suppressed = _Suppressed(docs, "SuppressAddress")
        self._tls_suppressed = _Suppressed(docs, "TLSRPTSuppressAddress")

    # what tests say; ``values`` are fields of the struct

    def put_dmarc(self, domain: str, begin: int, end: int, records: list[dict] = (),
                  organisation: str = "other.example", **values) -> int:  # fmt: skip
        """``begin`` and ``end`` are seconds since 1970; a record is made by ``dmarc_record``."""
        period = {"Begin": begin, "End": end}
        metadata = self.docs.make("ReportMetadata", OrgName=organisation, DateRange=period,
                                  ReportID=f"{domain}-{begin}", Email=f"dmarc@{organisation}")
        policy = self.docs.make("PolicyPublished", Domain=domain, Policy="reject", Percentage=100)
        return self._put(self.dmarc, "DomainFeedback", Domain=domain, FromDomain=organisation,
                         Version="1.0", ReportMetadata=metadata, PolicyPublished=policy,
                         Records=list(records), **values)  # fmt: skip

    def dmarc_record(self, ip: str, count: int, disposition: str = "none", dkim: str = "pass",
                     spf: str = "pass", reasons: list[dict] | None = None) -> dict:  # fmt: skip
        judged = self.docs.make("PolicyEvaluated", Disposition=disposition, DKIM=dkim, SPF=spf,
                                Reasons=reasons)  # fmt: skip
        row = self.docs.make("Row", SourceIP=ip, Count=count, PolicyEvaluated=judged)
        return self.docs.make("ReportRecord", Row=row)

    def put_tls(self, domain: str, start: str, end: str, success: int = 0, failure: int = 0,
                details: list[dict] | None = None, organisation: str = "other.example",
                **values) -> int:  # fmt: skip
        """``start`` and ``end`` are RFC 3339; details are structs ``FailureDetails``."""
        summary = self.docs.make("Summary", TotalSuccessfulSessionCount=success,
                                 TotalFailureSessionCount=failure)  # fmt: skip
        policy = self.docs.make("ResultPolicy", Type="no-policy-found", Domain=domain)
        made = self.docs.make("Result", Policy=policy, Summary=summary, FailureDetails=[
            self.docs.make("FailureDetails", **one) for one in details or []])  # fmt: skip
        # its types of period have another name in each generation
        field = next(one for one in self.docs.structs["Report"] if one["Name"] == "DateRange")
        period = self.docs.make(field["Typewords"][0], Start=start, End=end)
        report = self.docs.make("Report", OrganizationName=organisation, DateRange=period,
                                ReportID=f"{domain}-{start}", Policies=[made])  # fmt: skip
        return self._put(self.tls, "TLSReportRecord", Domain=domain, FromDomain=organisation,
                         Report=report, **values)  # fmt: skip

    def put_evaluation(self, domain: str, **values) -> int:
        return self._put(self.evaluations, "Evaluation", PolicyDomain=domain, Evaluated=now(),
                         **values)  # fmt: skip

    def put_result(self, policy_domain: str, recipient_domain: str, day: str, **values) -> int:
        return self._put(self.results, "TLSResult", PolicyDomain=policy_domain, DayUTC=day,
                         RecipientDomain=recipient_domain, Created=now(), **values)  # fmt: skip

    def put_policy(self, domain: str, **values) -> None:
        self.policies.append(self.docs.make("PolicyRecord", Domain=domain, Inserted=now(),
                                            **values))  # fmt: skip

    def put_attempt(self, account: str, result: str = "ok", **values) -> None:
        moment = now()
        if "LoginAttempt" in self.docs.structs:
            self.attempts.append(self.docs.make(
                "LoginAttempt", **{"Key": secrets.token_urlsafe(16), "First": moment,
                                   "Last": moment, "Count": 1, "Result": result,
                                   "AccountName": account, "RemoteIP": "127.0.0.1", **values}))

    def _put(self, rows, struct, **values):
        rows.append(self.docs.make(struct, ID=len(rows) + 1, **values))
        return rows[-1]["ID"]

    # DMARC

    def DMARCReports(self, start, end, domain):
        first, last = (moment_of(one) // 10**9 for one in (start, end))
        found = []
        for one in self.dmarc:
            period = one["ReportMetadata"]["DateRange"]
            fits = not domain or one["Domain"] == domain
            if fits and _overlaps(period["Begin"], period["End"], first, last):
                found.append(one)
        return sorted(found, key=lambda one: (-one["ReportMetadata"]["DateRange"]["End"],
                                              one["Domain"]))  # fmt: skip

    def DMARCReportID(self, domain, number):
        return self._one(self.dmarc, domain, number, "fetching dmarc aggregate report")

    @staticmethod
    def _one(rows, domain, number, what):
        for one in rows:
            if one["ID"] == number and one["Domain"] == domain:
                return one
        raise user_error(f"{what} from database: absent")

    def DMARCSummaries(self, start, end, domain):
        sums: dict[str, dict] = {}
        for report in self.DMARCReports(start, end, domain):
            name = report["Domain"]
            total = sums.setdefault(name, self.docs.make("DMARCSummary", Domain=name))
            for record in report["Records"] or []:
                count, judged = record["Row"]["Count"], record["Row"]["PolicyEvaluated"]
                total["Total"] += count
                if judged["Disposition"]:
                    total[f"Disposition{judged['Disposition'].capitalize()}"] += count
                for kind in ("DKIM", "SPF"):
                    total[f"{kind}Fail"] += count if judged[kind] == "fail" else 0
                for reason in judged["Reasons"] or []:
                    total["PolicyOverrides"] = total["PolicyOverrides"] or {}
                    sofar = total["PolicyOverrides"].get(reason["Type"], 0)
                    total["PolicyOverrides"][reason["Type"]] = sofar + count
        return [sums[name] for name in sorted(sums)]

    def DMARCEvaluationStats(self):
        found: dict[str, dict] = {}
        for one in self.evaluations:
            name = one["PolicyDomain"]
            stat = found.setdefault(name, self.docs.make(
                "EvaluationStat", Domain=names.domain(name), Dispositions=[]))  # fmt: skip
            if one["Disposition"] not in stat["Dispositions"]:
                stat["Dispositions"].append(one["Disposition"])
            stat["Count"] += 1
            stat["SendReport"] = stat["SendReport"] or not one["Optional"]
        return found

    def DMARCEvaluationsDomain(self, domain):
        name = _server_name(domain)
        return name, [one for one in self.evaluations
                      if one["PolicyDomain"] == names.shown(name)]  # fmt: skip

    def DMARCRemoveEvaluations(self, domain):
        name = names.shown(_server_name(domain))
        self.evaluations = [one for one in self.evaluations if one["PolicyDomain"] != name]

    def DMARCSuppressAdd(self, address, until, comment):
        self._dmarc_suppressed.add(address, until, comment)

    def DMARCSuppressList(self):
        return list(self._dmarc_suppressed.rows.values())

    def DMARCSuppressRemove(self, number):
        self._dmarc_suppressed.remove(number)

    def DMARCSuppressExtend(self, number, until):
        self._dmarc_suppressed.extend(number, until)

    # TLS

    def TLSReports(self, start, end, domain, what="parsing domain"):
        what = f'{what} "{domain}"' if what == "parsing domain" else what
        name = names.shown(parsed(domain, what)) if domain else ""
        first, last = moment_of(start), moment_of(end)
        found = []
        for one in self.tls:
            period = one["Report"]["DateRange"]
            begin, stop = moment_of(period["Start"]), moment_of(period["End"])
            if (not name or one["Domain"] == name) and _overlaps(begin, stop, first, last):
                found.append(one)
        return sorted(found, key=lambda one: (-moment_of(one["Report"]["DateRange"]["End"]),
                                              one["Domain"]))  # fmt: skip

    def TLSReportID(self, domain, number):
        return self._one(self.tls, domain, number, "fetching tls report")

    def TLSRPTSummaries(self, start, end, domain):
        sums: dict[str, dict] = {}
        for report in self.TLSReports(start, end, domain, "parsing policy domain"):
            name = report["Domain"]
            total = sums.setdefault(name, self.docs.make("TLSRPTSummary",
                                                         PolicyDomain=names.domain(name)))
            for policy in report["Report"]["Policies"] or []:
                total["Success"] += policy["Summary"]["TotalSuccessfulSessionCount"]
                total["Failure"] += policy["Summary"]["TotalFailureSessionCount"]
                for one in policy["FailureDetails"] or []:
                    total["ResultTypeCounts"] = total["ResultTypeCounts"] or {}
                    sofar = total["ResultTypeCounts"].get(one["ResultType"], 0)
                    total["ResultTypeCounts"][one["ResultType"]] = sofar + one["FailedSessionCount"]
        return [sums[name] for name in sorted(sums)]

    def TLSRPTResults(self):
        return self.results

    @staticmethod
    def _side(is_recipient):
        return "RecipientDomain" if is_recipient else "PolicyDomain"

    def TLSRPTResultsDomain(self, is_recipient, domain):
        name, side = _server_name(domain), self._side(is_recipient)
        return name, [one for one in self.results if one[side] == names.shown(name)]

    def TLSRPTRemoveResults(self, is_recipient, domain, day):
        name, side = names.shown(_server_name(domain)), self._side(is_recipient)
        self.results = [one for one in self.results
                        if one[side] != name or day and one["DayUTC"] != day]  # fmt: skip

    def TLSRPTSuppressAdd(self, address, until, comment):
        self._tls_suppressed.add(address, until, comment)

    def TLSRPTSuppressList(self):
        return list(self._tls_suppressed.rows.values())

    def TLSRPTSuppressRemove(self, number):
        self._tls_suppressed.remove(number)

    def TLSRPTSuppressExtend(self, number, until):
        self._tls_suppressed.extend(number, until)

    def LookupTLSRPTRecord(self, domain):
        _server_name(domain)
        return None, "", "tlsrpt: no tlsrpt dns txt record"

    # the rest

    def DNSBLStatus(self):
        monitored = self.server.config.state.monitored
        zones = [names.domain(one) for one in self.used_zones]
        return copy.deepcopy(self.blocklists), zones or None, list(monitored) or None

    def MonitorDNSBLsSave(self, text):
        zones: list[dict] = []
        for line in filter(None, map(str.strip, text.split("\n"))):
            zone = parsed(line, f"parsing dnsbl zone {line}")
            if zone in zones:
                raise user_error(f"duplicate dnsbl zone {line}")
            if zone in [names.domain(one) for one in self.used_zones]:
                raise user_error(f"dnsbl zone {line} already present in public listener")
            zones.append(zone)
        changed = self.server.config.state.copied()
        changed.monitored = zones
        self.server.config.save(changed, "saving monitoring dnsbl zones")

    def MTASTSPolicies(self):
        return self.policies

    def LookupIP(self, ip):
        if ip not in self.hostnames:
            raise user_error(f"looking up ip: lookup {ip}: unrecognized address")
        return {"Hostnames": self.hostnames[ip]}

    def LoginAttempts(self, account, limit):
        found = [one for one in self.attempts if account in ("", one["AccountName"])]
        found.sort(key=lambda one: moment_of(one["Last"]), reverse=True)
        return found[:limit] if limit > 0 else found

