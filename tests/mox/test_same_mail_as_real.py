"""The stand-in's queue, webapi, webhooks and DNS records are as those of the real mox."""

import time

import pytest
from asking import Refusal, send
from outcomes import has, params_of

_TO = [{"Address": "someone@remote.example"}]


def _listed(client, filter_=(), sort=()):
    return [row["ID"] for row in client("QueueList", dict(filter_), dict(sort)) or []]


def test_queue_is_filtered_sorted_and_paged(held):
    [one] = send(held, ["one@q.example"], Subject="Offer", Extra={"order": "7"})
    two, three = send(held, ["two@q.example", "three@q2.example"])
    up = {"Asc": True, "Field": "Queued"}
    assert held("QueueSize") == 3
    assert _listed(held, sort=up) == [one, two, three]
    assert _listed(held) == [three, two, one]
    for filter_, wanted in (
        ({"IDs": [one, three]}, [one, three]), ({"Account": "mox"}, [one, two, three]),
        ({"Account": "none"}, []), ({"Hold": True}, [one, two, three]), ({"Hold": False}, []),
        ({"To": "q2."}, [three]), ({"From": "mox@"}, [one, two, three]), ({"Max": 2}, [one, two]),
        ({"From": "none@", "To": "two@"}, [two]),
        ({"From": "mox@", "To": "none"}, [one, two, three]),
        ({"Submitted": ">-1h"}, [one, two, three]), ({"Submitted": "<-1h"}, []),
        ({"NextAttempt": "<now"}, [one, two, three]), ({"Transport": ""}, [one, two, three]),
        ({"Transport": "none"}, []),
    ):
        assert _listed(held, filter_, up) == wanted, filter_
    [last] = held("QueueList", {"IDs": [two]}, {})
    page = {**up, "LastID": two, "Last": last["Queued"]}
    assert _listed(held, sort=page) == [three]
    assert _listed(held, sort={**page, "Asc": False}) == [one]
    [row] = held("QueueList", {"IDs": [one]}, {})
    assert has(
        BaseID=0, Hold=True, SenderAccount="mox", SenderLocalpart="mox", FromID="", Attempts=0,
        SenderDomainStr="localhost", RecipientLocalpart="one", RecipientDomainStr="q.example",
        RecipientDomain={"IP": "", "Domain": {"ASCII": "q.example", "Unicode": ""}},
        LastAttempt=None, Results=None, Subject="Offer", Transport="", RequireTLS=None,
        Extra={"order": "7"}, DialedIPs=None, FutureReleaseRequest="",
    )(row)
    assert [row["BaseID"] for row in held("QueueList", {"IDs": [two, three]}, {})] == [two, two]


def test_queued_messages_are_changed(held):
    one, two = send(held, ["one@q.example", "two@q.example"])
    only = {"IDs": [one]}
    [before] = held("QueueList", only, {})
    for function, value, field, wanted in (
        ("QueueRequireTLSSet", True, "RequireTLS", True),
        ("QueueRequireTLSSet", None, "RequireTLS", None),
        ("QueueTransportSet", "unknown", "Transport", "unknown"),
        ("QueueTransportSet", "", "Transport", ""),
    ):
        assert held(function, only, value) == 1
        assert held("QueueList", only, {})[0][field] == wanted
    assert held("QueueNextAttemptAdd", only, 60) == 1
    [after] = held("QueueList", only, {})
    hour = before["NextAttempt"][11:13], after["NextAttempt"][11:13]
    assert (int(hour[1]) - int(hour[0])) % 24 == 1
    assert held("QueueNextAttemptSet", {}, 90) == 2  # all of them
    assert held("QueueFail", only) == 1
    assert held("QueueDrop", {"IDs": [two]}) == 1
    assert held("QueueSize") == 0
    retired = {row["ID"]: row for row in held("RetiredList", {"IDs": [one, two]}, {})}
    assert [row["Success"] for row in retired.values()] == [False, False]
    for row in retired.values():
        [result] = row["Results"]
        assert has(Error="delivery canceled by admin", Success=False, Code=0)(result)
    assert retired[one]["RecipientAddress"] == "one@q.example"
    assert retired[one]["LastAttempt"]
    assert retired[two]["LastAttempt"] is None
    assert [row["ID"] for row in held("RetiredList", {"IDs": [one, two]}, {})] == [two, one]
    assert held("RetiredList", {"IDs": [one], "Success": True}, {}) == []


def test_rules_hold_old_mail_by_all_parts_and_new_mail_by_any(held):
    for rule in held("QueueHoldRuleList"):
        held("QueueHoldRuleRemove", rule["ID"])
    later = {"FutureRelease": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 900))}
    [old] = send(held, ["old@held.example"], **later)
    held("QueueHoldRuleAdd", {"Account": "none", "RecipientDomainStr": "held.example"})
    [new] = send(held, ["new@held.example"], **later)
    [free] = send(held, ["new@free.example"], **later)
    holds = {row["ID"]: row["Hold"] for row in held("QueueList", {}, {})}
    assert holds == {old: False, new: True, free: False}
    [rule] = held("QueueHoldRuleList")
    held("QueueHoldRuleRemove", rule["ID"])
    assert _listed(held, {"Hold": True}) == [new]  # which releases nothing
    assert held("QueueHoldSet", {"IDs": [new]}, False) == 1
    assert _listed(held, {"Hold": True}) == []


def test_address_of_a_queued_message_stays(held, old):
    held("AddressAdd", "queued@localhost", "mox")
    send(held, ["someone@q.example"], From=[{"Address": "queued@localhost"}])
    if not old:
        with pytest.raises(Refusal, match="no catchall address is configured, drop message"):
            held("AddressRemove", "queued@localhost")
        held("QueueDrop", {})
    held("AddressRemove", "queued@localhost")


def test_refused_removal_of_an_account_empties_its_queue_and_closes_its_domain(held, old):
    send(held, ["someone@q.example"])
    held.web("SuppressionAdd", {"EmailAddress": "gone@q.example"})
    asked = {"EmailAddress": "gone@q.example"}
    with pytest.raises(Refusal, match="postmaster account"):
        held("AccountRemove", "mox")
    assert held("QueueSize") == (1 if old else 0)
    assert held.web("SuppressionPresent", asked).status == 401
    held("DomainDescriptionSave", "localhost", "")  # any change opens it again
    assert held.web("SuppressionPresent", asked).json == {"Present": old}


@pytest.mark.parametrize(("request_", "code", "words"), [
    ({"To": _TO}, "missingBody", "at least text or html body required"),
    ({"Text": "x"}, "noRecipients", "no recipients"),
    ({"To": [{"Address": "x"}], "Text": "x"}, "badAddress", "expected @"),
    ({"To": _TO, "Text": "x", "From": [{"Address": "x@remote.example"}]}, "badFrom",
     "from-address not configured for account"),
    ({"To": _TO, "Text": "x", "From": [{"Address": "mox@localhost"}] * 2}, "multipleFrom",
     "multiple from-addresses"),
    ({"To": _TO, "Text": "x", "MessageID": "x"}, "malformedMessageID", "missing <>"),
    ({"To": _TO, "Text": "x", "Nope": 1}, "protocol", 'unknown field "Nope"'),
    ({"To": _TO, "Text": "x", "Subject": "a\nb"}, "user", "control characters not allowed"),
    ({"To": _TO, "Text": "x", "FutureRelease": "2099-01-01T00:00:00Z"}, "user", "1440h0m0s"),
])
def test_refused_sends(client, request_, code, words):
    answer = client.web("Send", request_)
    assert answer.status == 400
    assert answer.json["Code"] == code
    assert words in answer.json["Message"]


def test_sending_asks_for_a_good_password(client):
    request = {"To": _TO, "Text": "x"}
    for login, password in (("mox", "moxmoxmox"), ("mox@localhost", "wrong"), ("x@y.example", "x")):
        answer = client.web("Send", request, login, password)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Basic realm=webapi"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert client.web("Nope", request).status == 404
    client.web("SuppressionList", {})  # a good one, so that the bad ones are forgotten


def test_disabled_login_and_domain(held, old):
    if old:
        return
    held("DomainAdd", False, "w.example", "mox", "")
    held("AccountAdd", "wim", "wim@w.example")
    held("SetPassword", "wim", "wim has a password")
    login = ("wim@w.example", "wim has a password")
    assert held.web("Send", {"To": _TO, "Text": "x"}, *login).status == 200
    held("DomainDisabledSave", "w.example", True)
    answer = held.web("Send", {"To": _TO, "Text": "x"}, *login)
    assert answer.json["Code"] == "domainDisabled"
    held("DomainDisabledSave", "w.example", False)
    held("AccountLoginDisabledSave", "wim", "moved away")
    answer = held.web("Send", {"To": _TO, "Text": "x"}, *login)
    assert answer.status == 401
    assert b"login is disabled for this account" in answer.body
    held.web("SuppressionList", {})


def test_suppressions(client):
    def call(method, **request):
        answer = client.web(f"Suppression{method}", request)
        return answer.status, answer.json

    assert call("Add", EmailAddress="Some.Body+x@Foo.Example", Manual=True, Reason="r") == (200, {})
    status, error = call("Add", EmailAddress="somebody-y@foo.example")
    assert (status, error["Code"]) == (400, "error")
    assert 'not unique: "Account+BaseAddress"' in error["Message"]
    assert call("Present", EmailAddress="somebody@foo.example") == (200, {"Present": True})
    assert call("Present", EmailAddress="other@foo.example") == (200, {"Present": False})
    [one] = [row for row in call("List")[1]["Suppressions"] if row["Reason"] == "r"]
    assert has(Account="mox", BaseAddress="somebody@foo.example", Manual=True,
                       OriginalAddress="Some.Body+x@foo.example")(one)
    assert call("Remove", EmailAddress="some.body+z@foo.example") == (200, {})
    assert call("Remove", EmailAddress="somebody@foo.example") == (
        400, {"Code": "error", "Message": "absent"})
    assert call("Remove", EmailAddress="x")[1]["Code"] == "badAddress"


def test_unknown_message(client):
    answer = client.web("MessageGet", {"MsgID": 99999})
    assert (answer.status, answer.json["Code"]) == (400, "messageNotFound")


def _rows(lines):
    """Records of a zone's text as (owner, type, data); DKIM keys and texts as they are."""
    text = "\n".join(line for line in lines if not line.startswith((";", "$")))
    joined = text.replace("(\n", "(").replace('"\n \t\t"', "").replace("\n\t)", " )")
    return [tuple(line.split(None, 2)) for line in joined.splitlines() if line.strip()]


def test_records(client, old):
    params = [False, "z.example", "mox", ""]
    client("DomainAdd", *params_of("DomainAdd", params, old))
    lines = client("DomainRecords", "z.example")
    assert "$TTL 300" in lines
    assert any("\n" in line for line in lines)  # a record may take more than one
    year = time.strftime("%Y")
    keys = [f"{year}{letter}._domainkey.z.example." for letter in ("abcd" if old else "ab")]
    found = [(owner, kind, data) for owner, kind, data in _rows(lines) if owner not in keys]
    dash, host = ("-", "localhost.") if old else ("", "mail.z.example.")
    absent = ["0 1 143", "0 1 587", "0 1 110", "0 1 995"] if old else ["0 0 0"] * 4
    own = "" if old else "ip4:127.0.0.1 "
    assert found == [
        ("localhost.", "TXT", '"v=spf1 a -all"'),
        ("z.example.", "MX", "10 localhost."),
        ("z.example.", "TXT", f'"v=spf1 {own}mx ~all"'),
        ("_dmarc.z.example.", "TXT",
         f'"v=DMARC1;p=reject;rua=mailto:dmarc{dash}reports@z.example!10m"'),
        ("_smtp._tls.z.example.", "TXT",
         f'"v=TLSRPTv1; rua=mailto:tls{dash}reports@z.example"'),
        ("mail.z.example.", "CNAME", "localhost."),
        ("autoconfig.z.example.", "CNAME", "localhost."),
        ("_autodiscover._tcp.z.example.", "SRV", "0 1 443 localhost."),
        ("_imaps._tcp.z.example.", "SRV", f"0 1 993 {host}"),
        ("_submissions._tcp.z.example.", "SRV", f"0 1 465 {host}"),
        ("_imap._tcp.z.example.", "SRV", f"{absent[0]} ."),
        ("_submission._tcp.z.example.", "SRV", f"{absent[1]} ."),
        ("_pop3._tcp.z.example.", "SRV", f"{absent[2]} ."),
        ("_pop3s._tcp.z.example.", "SRV", f"{absent[3]} ."),
    ]
    signatures = {owner: data for owner, _kind, data in _rows(lines) if owner in keys}
    assert list(signatures) == keys
    assert all("v=DKIM1;h=sha256;" in data for data in signatures.values())
    rsa = signatures[keys[1]]
    assert "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" in rsa
    assert rsa.rstrip(') "').endswith("IDAQAB")


def test_check_of_a_domain(client, old):
    silent = ("TLS", "DANE") if old else ("TLS",)
    checked = client("CheckDomain", "localhost")
    assert checked.pop("Domain") == ""
    assert list(checked) == [
        "DNSSEC", "IPRev", "MX", "TLS", "DANE", "SPF", "DKIM", "DMARC", "HostTLSRPT",
        "DomainTLSRPT", "MTASTS", "SRVConf", "Autoconf", "Autodiscover"]
    for name, section in checked.items():
        assert {"Errors", "Warnings", "Instructions"} <= set(section), name
        assert bool(section["Instructions"]) == (name not in silent), name


def test_settings_of_programs(client):
    entries = client("ClientConfigsDomain", "localhost")["Entries"]
    assert [(one["Protocol"], one["Note"]) for one in entries] == [
        ("Submission (SMTP)", "with TLS"), ("IMAP", "with TLS"),
        ("Submission (SMTP)", "STARTTLS optional"), ("IMAP", "STARTTLS optional")]
    assert entries[1]["Port"] == entries[3]["Port"]  # though they are two
    assert {one["Listener"] for one in entries} == {"local"}
