"""What the stand-in alone can do: faults by order, limits at will, and what others have told."""

import http.client
import itertools
import json
import time

import pytest
from asking import Asking, Refusal
from support.plain_core.tests.mox.faults import ENDLESS
from support.plain_core.tests.mox.server import MoxServer

_CUT = (ConnectionError, http.client.HTTPException)


@pytest.fixture(params=["new", "old"])
def mox(request):
    with MoxServer(request.param) as made:
        yield made
        assert not made.errors


@pytest.fixture
def ask(mox):
    return Asking(mox.url).log_in(mox.password)


def test_all_calls_are_noted(mox, ask):
    ask("AccountAdd", "ann", "ann@localhost")
    assert [name for name, _params in mox.calls] == ["LoginPrep", "Login", "AccountAdd"]
    assert mox.calls[1][1][1] == mox.password
    assert mox.calls[2][1] == ["ann", "ann@localhost"]


def test_a_cut_after_the_call_has_done_it(mox, ask):
    mox.cut_after("AccountAdd")
    with pytest.raises(_CUT):
        ask("AccountAdd", "ann", "ann@localhost")
    with pytest.raises(Refusal, match="account already present"):
        ask("AccountAdd", "ann", "ann@localhost")


def test_a_cut_before_the_call_has_not(mox, ask):
    mox.cut_before("AccountAdd")
    with pytest.raises(_CUT):
        ask("AccountAdd", "ann", "ann@localhost")
    ask("AccountAdd", "ann", "ann@localhost")


def test_slow(mox, ask):
    mox.slow(0.2, "CheckUpdatesEnabled")
    start = time.monotonic()
    ask("QueueSize")
    assert time.monotonic() - start < 0.2
    assert ask("CheckUpdatesEnabled") is False
    assert time.monotonic() - start >= 0.2


def test_too_many(mox, ask):
    mox.too_many(2)
    for _number in range(2):
        answer = ask.raw("Domains", b'{"params":[]}')
        assert (answer.status, answer.body) == (429, b"429 - too many auth attempts\n")
        assert "Retry-After" not in answer.headers
    ask("Domains")


def test_restart(mox, ask):
    mox.forget_sessions()
    with pytest.raises(Refusal, match="user:badAuth: unknown session"):
        ask("Domains")
    ask.log_in(mox.password)("Domains")


def test_lies(mox, ask):
    mox.answer("QueueSize", {"none": "of it"})
    assert ask("QueueSize") == {"none": "of it"}
    mox.answer("QueueSize", b"<html>")
    answer = ask.raw("QueueSize", b'{"params":[]}')
    assert (answer.status, answer.body) == (200, b"<html>")
    assert answer.headers["Content-Type"].startswith("text/html")
    mox.answer("QueueSize", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    assert ask.raw("QueueSize", b'{"params":[]}').status == 502
    mox.answer("QueueSize", (b"drip" for _number in range(3)))
    assert ask.raw("QueueSize", b'{"params":[]}').body == b"drip" * 3
    mox.answer("QueueSize", ENDLESS)
    connection = http.client.HTTPConnection("127.0.0.1", mox.port, timeout=10)
    connection.request("POST", "/admin/api/QueueSize", b"{}")
    assert len(connection.getresponse().read(5_000_000)) == 5_000_000
    connection.close()
    assert ask("QueueSize") == 0


def test_limits_of_requests_and_of_failures():
    moment = itertools.repeat(1000.0)
    with MoxServer(rate_limits=True) as mox:
        mox.limits.clock = lambda: next(moment)
        ask = Asking(mox.url).log_in(mox.password)  # two requests
        for _number in range(10):
            with pytest.raises(Refusal, match="invalid credentials"):
                Asking(mox.url).log_in("wrong")
        assert ask.raw("Domains", b'{"params":[]}').status == 429  # a good session too
        with pytest.raises(Refusal, match="user:error: too many authentication attempts"):
            Asking(mox.url).log_in(mox.password)
        mox.limits.clock = lambda: 1060.0
        assert ask("QueueSize") == 0
        statuses = [ask.raw("QueueSize", b'{"params":[]}').status for _number in range(1000)]
        assert statuses.count(429) == 1
        mox.limits.clock = lambda: 1120.0
        assert ask("QueueSize") == 0


def test_reports(mox, ask):
    reports = mox.reports
    records = [reports.dmarc_record("192.0.2.1", 3),
               reports.dmarc_record("192.0.2.2", 2, "reject", "fail", "fail",
                                    [{"Type": "forwarded", "Comment": ""}])]
    reports.put_dmarc("a.example", 1767225600, 1767312000, records)
    reports.put_dmarc("a.example", 1700000000, 1700086400)
    reports.put_tls("a.example", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 7, 1,
                    [{"ResultType": "certificate-expired", "FailedSessionCount": 1}])
    year = ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z")
    assert [one["ID"] for one in ask("DMARCReports", *year, "")] == [1]
    assert ask("DMARCReportID", "a.example", 2)["ReportMetadata"]["OrgName"] == "other.example"
    [summary] = ask("DMARCSummaries", *year, "a.example")
    assert summary == {
        "Domain": "a.example", "Total": 5, "DispositionNone": 3, "DispositionQuarantine": 0,
        "DispositionReject": 2, "DKIMFail": 2, "SPFFail": 2, "PolicyOverrides": {"forwarded": 2}}
    [summary] = ask("TLSRPTSummaries", *year, "")
    assert (summary["Success"], summary["Failure"]) == (7, 1)
    assert summary["ResultTypeCounts"] == {"certificate-expired": 1}
    [report] = ask("TLSReports", *year, "a.example")
    assert report["Report"]["DateRange"]["Start"] == "2026-01-01T00:00:00Z"
    reports.put_evaluation("a.example", Disposition="none", Optional=True)
    assert ask("DMARCEvaluationStats")["a.example"]["SendReport"] is False
    reports.put_result("a.example", "b.example", "20260101")
    assert len(ask("TLSRPTResultsDomain", True, "b.example")[1]) == 1
    reports.blocklists["192.0.2.9"] = {"bl.example": "fail: listed"}
    assert ask("DNSBLStatus")[0] == {"192.0.2.9": {"bl.example": "fail: listed"}}
    reports.put_policy("a.example", Mode="enforce")
    assert ask("MTASTSPolicies")[0]["Mode"] == "enforce"
    mox.records.dns_down = True
    with pytest.raises(Refusal, match="server:error: looking up record"):
        ask("DomainRecords", "localhost")
    mox.records.found["localhost"] = {"MX": {"Errors": ["none"]}}
    assert ask("CheckDomain", "localhost")["MX"]["Errors"] == ["none"]


def test_what_becomes_of_messages(mox, ask):
    mox.hooks.set_url("mox", "http://127.0.0.1:1/")
    number = mox.queue.put("x@y.example")
    mox.queue.delays(number, 451, "4.0.0", "later")
    assert ask("QueueList", {}, {})[0]["Attempts"] == 1
    mox.queue.ends(number, 550, "5.1.1", "gone", suppressing=True)
    assert [one["Success"] for one in ask("RetiredList", {}, {})] == [False]
    [hook] = ask("HookList", {}, {})
    assert json.loads(hook["Payload"])["Suppressing"] is True
    [older] = ask("HookRetiredList", {}, {})
    assert (older["SupersededByID"], older["OutgoingEvent"]) == (hook["ID"], "delayed")
    assert mox.hooks.deliver_hook()[0] == 0  # nobody is there
    assert ask("HookCancel", {}) == 1
    incoming = mox.hooks.incoming("mox", {"RcptTo": "mox@localhost"}, Subject="Hello")
    assert ask("HookList", {"Event": "incoming"}, {})[0]["ID"] == incoming
    message = mox.webapi.put_message("mox", Subject="Hello")
    found = ask.web("MessageGet", {"MsgID": message}).json
    assert found["Message"]["Subject"] == "Hello"
    mox.webapi.refusals.append(("messageLimitReached", "outgoing message rate limit reached"))
    request = {"To": [{"Address": "x@y.example"}], "Text": "x"}
    assert ask.web("Send", request).json["Code"] == "messageLimitReached"
    assert ask.web("Send", request).status == 200
