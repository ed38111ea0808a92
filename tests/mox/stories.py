"""Calls in their order, and what comes of each.  All stories begin on one server; each has
accounts and domains of its own.

A step is (function, params, outcome); the params are those of the newer generation.  An outcome
is a value that the result must have, a type, a function that says whether it is right, or
``Refused`` with the code and words of the message.
"""

from dataclasses import dataclass

#: Params that the earlier generation does not have, by their place.
_LEFT_OUT = {"DomainAdd": 0, "AccountSettingsSave": 5}


def params_of(function, params, old):
    """The params as the server's generation wants them."""
    if old and function in _LEFT_OUT:
        place = _LEFT_OUT[function]
        return params[:place] + params[place + 1 :]
    return params


@dataclass(frozen=True)
class Refused:
    code: str
    words: tuple[str, ...]


def user(*words):
    return Refused("user:error", words)


def server_error(*words):
    return Refused("server:error", words)


def has(**values):
    """A struct that has these values."""
    return lambda result: all(result[name] == value for name, value in values.items())


NO_DOMAIN = user("looking up domain: no such domain")
NOT_PRESENT = user("bad request: domain not present")
SETTINGS = {"PostPublic": True, "ListMembers": True, "AllowMsgFrom": True}


def alias(*addresses, **settings):
    return {"Addresses": list(addresses), **SETTINGS, **settings}


DOMAINS = [
    ("Domain", ["d.example"], NO_DOMAIN),
    ("DomainConfig", ["d.example"], NO_DOMAIN),
    ("DomainLocalparts", ["d.example"], NO_DOMAIN),
    ("DomainAdd", [False, "d.example", "mox", ""], None),
    ("DomainAdd", [False, "d.example", "mox", ""], user("domain already present")),
    ("DomainAdd", [False, "D.EXAMPLE", "mox", ""], user("domain already present")),
    ("DomainAdd", [False, "d1.example", "mox", "info"],
     user("account already exists (leave localpart empty when using an existing account)")),
    ("DomainAdd", [False, "d1.example", "nobody", ""],
     user("account does not yet exist (specify a localpart)")),
    ("DomainAdd", [False, "d1.example", "", "info"], user("account name is empty")),
    ("DomainAdd", [False, "a b", "mox", ""], user("parsing domain:", "disallowed rune U+0020")),
    ("Domain", ["D.example"], {"ASCII": "d.example", "Unicode": ""}),
    ("Domain", ["d.example."], user("parse domain: dns name has trailing dot")),
    ("Domain", ["a_b.example"], user("disallowed rune U+005F")),
    ("ParseDomain", ["-a.example"], user("invalid label")),
    ("ParseDomain", ["straße.example"],
     {"ASCII": "xn--strae-oqa.example", "Unicode": "straße.example"}),
    ("DomainAdd", [False, "bücher.example", "mox", ""], None),
    ("Domain", ["xn--bcher-kva.example"],
     {"ASCII": "xn--bcher-kva.example", "Unicode": "bücher.example"}),
    ("DomainDescriptionSave", ["xn--bcher-kva.example", "x"], NOT_PRESENT),
    ("DomainDescriptionSave", ["bücher.example", "x"], None),
    ("DomainDescriptionSave", ["D.example", "x"], NOT_PRESENT),
    ("DomainDescriptionSave", ["d.example", "Shop"], None),
    ("DomainClientSettingsDomainSave", ["d.example", "a b"], user("bad client settings domain")),
    ("DomainClientSettingsDomainSave", ["d.example", "imap.d.example"], None),
    ("DomainConfig", ["d.example"], has(Description="Shop", ClientSettingsDomain="imap.d.example",
                                        MTASTS=None, Routes=None)),
    ("DomainMTASTSSave", ["d.example", "1", "enforce", 86400 * 10**9, []],
     user("there is no listener for MTASTS")),
    ("DomainMTASTSSave", ["d.example", "", "enforce", 0, []], None),
    ("DomainRoutesSave", ["d.example", [{"FromDomain": ["d.example"], "Transport": "none"}]],
     user("routes for domain: route references undefined transport none")),
    ("DomainRoutesSave", ["d.example", []], None),
    ("RoutesSave", [[{"Transport": "none"}]], user("global routes:", "undefined transport none")),
    ("DomainRemove", ["e.example"], user("bad request: domain does not exist")),
    ("DomainRemove", ["d.example"], None),
    ("Domain", ["d.example"], NO_DOMAIN),
]
ACCOUNTS = [
    ("DomainAdd", [False, "a.example", "mox", ""], None),
    ("Account", ["ann"], user("looking up account: no such account")),
    ("AccountAdd", ["ann", "ann@a.example"], None),
    ("AccountAdd", ["ann", "ann2@a.example"], user("account already present")),
    ("AccountAdd", ["ann2", "ANN@a.example"],
     user("canonicalized address ann@a.example already configured")),
    ("AccountAdd", ["ann2", "a+b@a.example"],
     user("localpart cannot include domain catchall separator +")),
    ("AccountAdd", ["ann2", "a@none.example"],
     user("address not available: domain does not exist")),
    ("AccountAdd", ["ann2", "@a.example"], user("expected at least one char for atom")),
    ("AccountAdd", ["ann2", "ann"], user("parsing email address:", "expected @")),
    ("AccountAdd", ["ann2", "a b@a.example"], user("expected @")),
    ("AccountAdd", ["ann2", "a..b@a.example"], user("got char .")),
    ("AccountAdd", ["with/slash", "slash@a.example"], None),
    ("AccountAdd", ["sp ace", '"a b"@a.example'], None),
    # an address with capitals can be removed with its account alone
    ("AccountAdd", ["big", "Big@a.example"], None),
    ("AddressAdd", ["big@a.example", "ann"], user("address big@a.example already configured")),
    ("AddressRemove", ["Big@a.example"], user("address does not exists")),
    ("AddressRemove", ["big@a.example"], user("address not removed, likely")),
    ("AccountRemove", ["big"], None),
    ("AddressAdd", ["sales@a.example", "ann"], None),
    ("AddressAdd", ["sales@a.example", "ann"], user("already configured")),
    ("AddressAdd", ["other@a.example", "none"], user("account does not exist")),
    ("AddressAdd", ["@none.example", "ann"], user("domain does not exist")),
    ("AddressAdd", ["@a.example", "ann"], None),
    ("AddressAdd", ["@a.example", "ann"], user("catchall address already configured for domain")),
    ("AddressRemove", ["none@a.example"], user("address does not exists")),
    ("AddressRemove", ["@a.example"], None),
    ("AddressRemove", ["sales@a.example"], None),
    ("SetPassword", ["ann", "short"], user("must be at least 8 characters")),
    ("SetPassword", ["none", "long enough"], server_error("open account: no such account")),
    ("SetPassword", ["ann", "long enough"], None),
    ("AccountSettingsSave", ["none", 1, 2, 3, True, True], user("account not present")),
    ("AccountSettingsSave", ["ann", 1, 2, 3, True, True], None),
    ("Account", ["ann"], lambda found: found[1] == 0 and has(
        MaxOutgoingMessagesPerDay=1, MaxFirstTimeRecipientsPerDay=2, QuotaMessageSize=3,
        NoFirstTimeSenderDelay=False, Domain="a.example", RejectsMailbox="Rejects")(found[0])
        and list(found[0]["Destinations"]) == ["ann@a.example"]),
    ("AccountRoutesSave", ["ann", [{"Transport": "none"}]], user("undefined transport none")),
    ("AccountRoutesSave", ["none", []], user("account not present")),
    ("DomainRemove", ["a.example"], user("unknown domain for address")),
    ("AccountRemove", ["none"], user("bad request:", "account")),
    ("AccountRemove", ["mox"], user('postmaster account "mox" does not exist')),
    ("AccountRemove", ["ann"], None),
    ("Account", ["ann"], user("no such account")),
]
DELETION = [
    ("DomainAdd", [False, "r.example", "rita", "info"], None),
    ("DomainAdd", [False, "r2.example", "rita", ""], None),
    ("AddressRemove", ["postmaster@r2.example"], None),
    ("DomainRemove", ["r2.example"], None),
    ("AccountRemove", ["rita"], user('DMARC account "rita" does not exist')),
    ("DomainRemove", ["r.example"], user("unknown domain for address")),
    ("DomainDMARCAddressSave", ["r.example", "", "", "", ""], None),
    ("DomainTLSRPTAddressSave", ["r.example", "", "", "", ""], None),
    ("AddressRemove", ["info@r.example"], None),
    ("DomainRemove", ["r.example"], None),
    ("AccountRemove", ["rita"], None),
]
REPORT_ADDRESSES = [
    ("DomainAdd", [False, "p.example", "mox", ""], None),
    ("AccountAdd", ["pat", "pat@p.example"], None),
    ("DomainDMARCAddressSave", ["none.example", "d", "", "pat", "D"], NOT_PRESENT),
    ("DomainDMARCAddressSave", ["p.example", "d", "", "none", "D"],
     user('DMARC account "none" does not exist')),
    ("DomainDMARCAddressSave", ["p.example", "d", "none.example", "pat", "D"],
     user('unknown domain "none.example" for DMARC address')),
    ("DomainTLSRPTAddressSave", ["p.example", "t", "", "none", "T"],
     user('TLSRPT account "none" does not exist')),
    # the report's address takes the place of an account's own, without a word
    ("DomainDMARCAddressSave", ["p.example", "pat", "", "pat", "D"], None),
    ("DomainTLSRPTAddressSave", ["p.example", "t", "localhost", "pat", ""], None),
    ("DomainConfig", ["p.example"], lambda found: found["DMARC"] == {
        "Localpart": "pat", "Domain": "", "Account": "pat", "Mailbox": "D",
        "ParsedLocalpart": "pat", "DNSDomain": {"ASCII": "p.example", "Unicode": ""}}),
    ("DomainTLSRPTAddressSave", ["p.example", "", "", "", ""], None),
]
KEYS = [
    ("DomainAdd", [False, "k.example", "mox", ""], None),
    ("DomainDKIMAdd", ["k.example", "s", "ed25519", "sha256", True, True, True, [], 10**12], None),
    ("DomainDKIMAdd", ["k.example", "s", "ed25519", "sha256", True, True, True, [], 10**12],
     user("selector already exists for domain")),
    ("DomainDKIMAdd", ["k.example", "t", "dsa", "sha256", True, True, True, [], 10**12],
     user("making dkim key: unknown algorithm")),
    ("DomainDKIMAdd", ["k.example", "t", "rsa", "md5", True, True, True, [], 10**12],
     user('unknown hash algorithm "md5"')),
    ("DomainDKIMAdd", ["none.example", "t", "ed25519", "sha256", True, True, True, [], 10**12],
     user("domain does not exist")),
    ("DomainDKIMAdd", ["k.example", "t", "ed25519", "sha1", True, True, True, [], 10**12],
     user("not supported with ed25519")),
    ("DomainDKIMAdd", ["k.example", "t", "ed25519", "sha256", True, True, True, ["To"], 10**12],
     user("From-field must always be DKIM-signed")),
    ("DomainConfig", ["k.example"], lambda found: has(
        Hash="sha256", HashEffective="sha256", Algorithm="ed25519", Expiration="16m40s",
        DontSealHeaders=False, Canonicalization={"HeaderRelaxed": True, "BodyRelaxed": True},
    )(found["DKIM"]["Selectors"]["s"]) and "s" not in found["DKIM"]["Sign"]),
    ("DomainDKIMSave", ["k.example", {}, ["s"]], user('cannot sign unknown selector "s"')),
    ("DomainDKIMSave", ["k.example", {"s": {}}, ["s"]],
     user("cannot add/remove dkim selectors with this function")),
    ("DomainDKIMSave", ["none.example", {}, []], NOT_PRESENT),
    ("DomainDKIMRemove", ["k.example", "none"], user("selector does not exist for domain")),
    ("DomainDKIMRemove", ["k.example", "s"], None),
]
RULES = [
    ("QueueHoldRuleAdd", [{"Account": "none", "SenderDomainStr": "a b"}],
     user('parsing sender domain "a b"')),
    ("QueueHoldRuleAdd", [{"Account": "none", "Nope": 1}],
     Refused("sherpa:badParams", ('unknown field "Nope"',))),
    ("QueueHoldRuleAdd", [{"RecipientDomainStr": "Bücher.example"}], has(
        Account="", RecipientDomainStr="bücher.example",
        RecipientDomain={"ASCII": "xn--bcher-kva.example", "Unicode": "bücher.example"})),
    ("QueueHoldRuleRemove", [99999], server_error("removing queue hold rule: absent")),
    ("QueueList", [{"Submitted": "x"}, {}], server_error('must start with "<" for before')),
    ("QueueList", [{"NextAttempt": "<x"}, {}],
     server_error("filter for next attempt:", "invalid duration")),
    ("QueueList", [{}, {"Field": "Nope"}], server_error('unknown sort order field "Nope"')),
    ("QueueList", [{}, {"LastID": 1}], server_error("last should be string with time")),
    ("QueueList", [{}, {"LastID": 1, "Last": "x"}], server_error('parsing last "x" as time')),
    ("RetiredList", [{"LastActivity": "x"}, {}], server_error("filter for last activity")),
    ("HookList", [{"Submitted": "x"}, {}], server_error('must start with "<" for less')),
    ("HookList", [{}, {"Field": "Queued"}], server_error("unknown sort order field")),
    ("HookRetiredList", [{"LastActivity": "x"}, {}], server_error("for before")),
    ("QueueHoldSet", [{"IDs": [99999]}, True], 0),
    ("QueueFail", [{"IDs": [99999]}], 0),
    ("QueueDrop", [{"Submitted": "x"}], server_error("drop messages from queue")),
    ("HookCancel", [{"Account": "none"}], 0),
]
START, END = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"
REPORTS = [
    ("DMARCReports", [START, END, ""], []),
    ("DMARCReports", ["x", END, ""], Refused("sherpa:badParams", ('parsing time "x"',))),
    ("DMARCReportID", ["x.example", 1], user("fetching dmarc aggregate report", "absent")),
    ("DMARCSummaries", [START, END, ""], []),
    ("DMARCEvaluationStats", [], {}),
    ("DMARCEvaluationsDomain", ["x.example"], [{"ASCII": "x.example", "Unicode": ""}, []]),
    ("DMARCEvaluationsDomain", ["a b"], server_error("parsing domain")),
    ("DMARCSuppressAdd", ["x@y.example", END, "c"], None),
    ("DMARCSuppressAdd", ["x", END, "c"], user("parsing reporting address")),
    ("DMARCSuppressList", [], lambda found: has(ReportingAddress="x@y.example", Until=END,
                                                Comment="c")(found[0])),
    ("DMARCSuppressExtend", [99, END], server_error("absent")),
    ("DMARCSuppressRemove", [99], server_error("absent")),
    ("TLSReports", [START, END, "a b"], user('parsing domain "a b"')),
    ("TLSReportID", ["x.example", 1], user("fetching tls report", "absent")),
    ("TLSRPTSummaries", [START, END, "a b"], user("parsing policy domain")),
    ("TLSRPTSummaries", [START, END, ""], []),
    ("TLSRPTResults", [], []),
    ("TLSRPTResultsDomain", [True, "a b"], server_error("parsing domain")),
    ("TLSRPTSuppressAdd", ["x@y.example", END, "c"], None),
    ("TLSRPTSuppressAdd", ["x@y.example", END, "c"],
     server_error('not unique: "ReportingAddress"')),
    ("MonitorDNSBLsSave", ["one.example\n two.example \n\n"], None),
    ("MonitorDNSBLsSave", ["a b"], user("parsing dnsbl zone a b")),
    ("MonitorDNSBLsSave", ["a.example\na.example"], user("duplicate dnsbl zone a.example")),
    ("DNSBLStatus", [], [{}, None, [{"ASCII": "one.example", "Unicode": ""},
                                    {"ASCII": "two.example", "Unicode": ""}]]),
    ("MTASTSPolicies", [], []),
    ("Transports", [], None),
    ("CheckDomain", ["none.example"], Refused("user:notFound", ("domain not found",))),
    ("DomainRecords", ["none.example"], user("lookup domain: unknown domain")),
    ("ClientConfigsDomain", ["none.example"], user("bad request: unknown domain")),
]
EITHER = {"domains": DOMAINS, "accounts": ACCOUNTS, "deletion": DELETION, "keys": KEYS,
          "report addresses": REPORT_ADDRESSES, "rules": RULES, "reports": REPORTS}

ALIASES = [
    ("DomainAdd", [False, "l.example", "mox", ""], None),
    ("DomainAdd", [False, "l2.example", "leo", "leo"], None),
    ("AccountAdd", ["lea", "lea@l.example"], None),
    ("AddressAdd", ["lea2@l.example", "lea"], None),
    ("AddressAdd", ["@l.example", "lea"], None),
    ("AccountAdd", ["lou", "Lou@l.example"], None),
    ("AliasAdd", ["team", "l.example", alias("lea@l.example", "leo@l2.example")], None),
    ("AliasAdd", ["team", "l.example", alias("lea@l.example")], user("alias already present")),
    ("AliasAdd", ["Team", "l.example", alias("lea@l.example")],
     user('duplicate alias address "team@l.example"')),
    ("AliasAdd", ["x", "none.example", alias("lea@l.example")], NOT_PRESENT),
    ("AliasAdd", ["x", "l.example", {**alias("lea@l.example"), "Nope": 1}],
     Refused("sherpa:badParams", ('unknown field "Nope"',))),
    ("AliasAdd", ["x", "l.example", alias("someone@gmail.example")],
     user('references non-existent address "someone@gmail.example"')),
    ("AliasAdd", ["x", "l.example", alias("team@l.example")], user("references non-existent")),
    ("AliasAdd", ["x", "l.example", alias("any@l.example")], user("references non-existent")),
    ("AliasAdd", ["x", "l.example", alias("Lou@l.example")], user("references non-existent")),
    ("AliasAdd", ["x", "l.example", alias("lou@l.example")], None),
    ("AliasAdd", ["y", "l.example", alias()], user("needs at least one destination address")),
    ("AliasAdd", ["y", "l.example", alias("lea@l.example", "lea@l.example")],
     user('duplicate address "lea@l.example"')),
    ("AliasAdd", ["a+b", "l.example", alias("lea@l.example")],
     user("alias contains localpart catchall separator")),
    ("AliasAdd", ["lea", "l.example", alias("lea@l.example")],
     user('alias "lea@l.example" already present as regular address')),
    ("AliasAdd", ["", "l.example", alias("lea@l.example")], user("need at least one char")),
    ("AliasAdd", ["a b", "l.example", alias("lea@l.example")], user("remaining after localpart")),
    ("AddressAdd", ["TEAM@l.example", "lea"], user("address in use as alias")),
    ("AccountAdd", ["new", "team@l.example"], user("address in use as alias")),
    ("AliasUpdate", ["team", "l.example", False, True, False], None),
    ("AliasUpdate", ["none", "l.example", False, True, True], user("alias does not exist")),
    ("AliasAddressesAdd", ["team", "l.example", ["lea2@l.example"]], None),
    ("AliasAddressesAdd", ["team", "l.example", ["lea2@l.example"]], user("duplicate address")),
    ("AliasAddressesAdd", ["none", "l.example", ["lea@l.example"]], user("no such alias")),
    ("AliasAddressesAdd", ["team", "l.example", []], user("at least one address required")),
    ("DomainLocalparts", ["l.example"], lambda found: found[0][""] == "lea"
     and found[0]["Lou"] == "lou" and "team" not in found[0] and has(
         Addresses=["lea@l.example", "leo@l2.example", "lea2@l.example"], PostPublic=False,
         ListMembers=True, AllowMsgFrom=False, LocalpartStr="team")(found[1]["team"])),
    ("Account", ["leo"], lambda found: has(
        SubscriptionAddress="leo@l2.example",
        MemberAddresses=["lea@l.example", "leo@l2.example", "lea2@l.example"],
    )(found[0]["Aliases"][0])),
    ("AliasAddressesRemove", ["team", "l.example", ["none@l.example", "lea2@l.example"]],
     user("address not found: none@l.example")),
    ("AddressRemove", ["lea2@l.example"], None),
    ("DomainLocalparts", ["l.example"],
     lambda found: found[1]["team"]["Addresses"] == ["lea@l.example", "leo@l2.example"]),
    ("AliasAddressesRemove", ["team", "l.example", ["lea@l.example", "leo@l2.example"]],
     user("needs at least one destination address")),
    ("AliasAddressesRemove", ["team", "l.example", ["lea@l.example"]], None),
    ("AddressRemove", ["leo@l2.example"], server_error("is last member of alias team@l.example")),
    ("AccountRemove", ["leo"], user("references non-existent address")),
    ("AliasRemove", ["team", "l.example"], None),
    ("AliasRemove", ["team", "l.example"], user("alias does not exist")),
    ("AddressRemove", ["leo@l2.example"], None),
]
DISABLING = [
    ("ParseDomain", ["127.0.0.1"], user("ip address while name required")),
    ("DomainAdd", [True, "s.example", "mox", ""], None),
    ("DomainConfig", ["s.example"], has(Disabled=True)),
    ("DomainDisabledSave", ["S.example", False], NOT_PRESENT),
    ("DomainDisabledSave", ["s.example", False], None),
    ("AccountAdd", ["sam", "sam@s.example"], None),
    ("AccountLoginDisabledSave", ["none", "gone"], server_error("no such account")),
    ("AccountLoginDisabledSave", ["sam", "x" * 257], user("must be <256 characters")),
    ("AccountLoginDisabledSave", ["sam", "é"], user("must be ascii-only")),
    ("AccountLoginDisabledSave", ["sam", "moved"], None),
    ("Accounts", [], lambda found: "sam" in found[0] and found[1] == ["sam"]),
    ("AccountLoginDisabledSave", ["sam", ""], None),
    ("Accounts", [], lambda found: found[1] is None),
    ("DomainLocalpartConfigSave", ["s.example", ["+", "-"], False], None),
    ("AccountAdd", ["x-y", "x-y@s.example"], user("catchall separator -")),
    ("DomainLocalpartConfigSave", ["s.example", ["+", "+"], False],
     user('duplicate localpart catchall separator "+"')),
    ("DomainLocalpartConfigSave", ["s.example", ["m"], False],
     user("cannot add localpart catchall separators that are used in dmarc")),
    ("DomainDMARCAddressSave", ["s.example", "a+b", "", "mox", "D"],
     user('dmarc reporting address cannot contain catchall separator "+"')),
    ("DomainLocalpartConfigSave", ["s.example", None, True], None),
    ("DomainConfig", ["s.example"], has(LocalpartCatchallSeparatorsEffective=None,
                                        LocalpartCaseSensitive=True)),
    ("AccountAdd", ["two", "SAM@s.example"], None),
    ("DomainLocalpartConfigSave", ["s.example", ["+"], False],
     user("duplicate canonicalized destination address sam@s.example")),
    ("LoginAttempts", ["none", 1], []),
    ("LoginAttempts", ["(admin)", 1], lambda found: len(found) == 1),
    ("TLSPublicKeys", [""], []),
]
#: A refused new domain leaves its account behind, and no change is taken while it is there.
PHANTOM = [
    ("DomainAdd", [False, "bad.example", "ghost", "a+b"],
     user("includes domain catchall separator +")),
    ("Domain", ["bad.example"], NO_DOMAIN),
    ("Account", ["ghost"], lambda found: "a+b@bad.example" in found[0]["Destinations"]),
    ("AddressAdd", ["some@localhost", "mox"], user("unknown domain for address")),
    ("AccountRemove", ["ghost"], None),
    ("AddressAdd", ["some@localhost", "mox"], None),
    ("AddressRemove", ["some@localhost"], None),
]
NEWER = {"aliases": ALIASES, "disabling": DISABLING, "phantom": PHANTOM}
OLDER = {"removed names": [
    ("AliasAdd", ["x", "localhost", {}], Refused("sherpa:badFunction", ("does not exist",))),
    ("Version", [], Refused("sherpa:badFunction", ("does not exist",))),
    ("Domains", [], lambda found: {"ASCII": "localhost", "Unicode": ""} in found),
    ("Accounts", [], lambda found: "mox" in found),
]}
