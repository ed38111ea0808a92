"""What Postfix' queue commands say, and what is said to them."""

import sys

import pytest
from emboux_daemons.queue import postqueue
from emboux_daemons.queue.postqueue import Postfix, QueueError
from support.fake_postfix import FakePostfix

LINE = (
    '{"queue_name": "deferred", "queue_id": "690EA70807E", "arrival_time": 1795649604, '
    '"message_size": 276, "forced_expire": false, "sender": "Alice@emboux.example", '
    '"recipients": [{"address": "x@outside.example", "delay_reason": "450 later"}]}')
ENVELOPE = """*** ENVELOPE RECORDS deferred/6/690EA70807E ***
message_size:             276             766               1               0             276
named_attribute: log_ident=690EA70807E
named_attribute: sasl_method=PLAIN
named_attribute: sasl_username=Alice@emboux.example
sender: alice@emboux.example
named_attribute: client_address=127.0.0.1
named_attribute: dsn_orig_rcpt=rfc822;team@outside.example
original_recipient: Team@outside.example
recipient: ann@outside.example
original_recipient: team@outside.example
recipient: bob@outside.example
original_recipient: gone@outside.example
done_recipient: gone@outside.example
*** MESSAGE CONTENTS deferred/6/690EA70807E ***
*** HEADER EXTRACTED deferred/6/690EA70807E ***
*** MESSAGE FILE END deferred/6/690EA70807E ***
"""


def test_a_line_of_the_listing():
    found = postqueue.parse_message(LINE)
    assert (found.key, found.queue, found.sender, found.size, found.tried) == (
        ("690EA70807E", 1795649604), "deferred", "alice@emboux.example", 276, True)
    assert not postqueue.parse_message(LINE.replace("delay_reason", "x")).tried


@pytest.mark.parametrize("line", [
    "", "null", "[]", "{}", LINE[:-3], LINE.replace("690EA70807E", "ALL"),
    LINE.replace("690EA70807E", "-d"), LINE.replace("690EA70807E", "690EA7\\n0807E"),
    LINE.replace("690EA70807E", "../../etc/passwd"), LINE.replace("1795649604", '"soon"'),
    LINE.replace('"690EA70807E"', "7"), LINE.replace('[{"address"', '[null, {"address"')])
def test_what_is_no_message_is_refused(line):
    with pytest.raises(QueueError):
        postqueue.parse_message(line)


def test_an_envelope_has_the_login_and_whom_the_client_named():
    [(queue_id, found)] = postqueue.parse_envelopes(ENVELOPE).items()
    assert (queue_id, found.login) == ("690EA70807E", "alice@emboux.example")
    assert found.recipients == ("team@outside.example", "gone@outside.example")
    assert postqueue.parse_envelopes(ENVELOPE, 1)[queue_id] == postqueue.Envelope(
        "alice@emboux.example", ("team@outside.example",), 2)
    assert postqueue.parse_envelopes(ENVELOPE, None)[queue_id].count == 2


def test_an_envelope_that_is_cut_off_is_none():
    assert postqueue.parse_envelopes(ENVELOPE.partition("*** MESSAGE FILE")[0]) == {}
    outside = ENVELOPE.replace("named_attribute: sasl_username=Alice@emboux.example\n", "")
    assert postqueue.parse_envelopes(outside)["690EA70807E"].login == ""


def test_messages_that_leave_meanwhile_hide_no_others(monkeypatch):
    monkeypatch.setattr(postqueue, "ENVELOPES", 4)
    fake = FakePostfix()
    there = [fake.add("ann@a.example", "x@y.example") for _ in range(9)]
    asked = ["GONE01", *there[:3], "GONE02", "GONE03", *there[3:], "GONE04"]
    assert set(Postfix("/fake", fake.run).envelopes(asked)) == set(there)


def test_no_word_that_is_not_an_id_reaches_postfix():
    fake = FakePostfix()
    postfix = Postfix("/fake", fake.run)
    for call in (postfix.hold, postfix.release, postfix.discard, postfix.envelopes):
        for word in ("ALL", "-d", "ABC DEF", "ABCDEF\nALL", "", "ABCDEF;id"):
            with pytest.raises(QueueError):
                call([word])
    assert not fake.commands


def test_a_command_that_fails_hangs_or_says_too_much(monkeypatch):
    assert postqueue.run([sys.executable, "-c", "print(input())"], "hello\n") == (0, "hello\n", "")
    with pytest.raises(QueueError, match="cannot be run"):
        postqueue.run(["/nowhere/postqueue"])
    with pytest.raises(QueueError, match="more than 100 bytes"):
        postqueue.run([sys.executable, "-c", "print('x' * 1000)"], largest=100)
    monkeypatch.setattr(postqueue, "SECONDS", 0.2)
    with pytest.raises(QueueError, match="more than 0.2 s"):
        postqueue.run([sys.executable, "-c", "import time; time.sleep(60)"])
    fake = FakePostfix()
    fake.failing = "postqueue"
    with pytest.raises(QueueError, match="the queue is away"):
        Postfix("/fake", fake.run).messages()
