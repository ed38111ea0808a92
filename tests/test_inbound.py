"""Mail handed to Odoo: nothing lost and nothing doubled, whoever dies in between."""

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from parts import postgres
from support.inbound_daemon import InboundDaemon, running
from support.mail_client import eventually

from odoo.addons.emboux_core.net import push, signature

MESSAGES = int(os.environ.get("EMBOUX_MESSAGES", "150"))  # 1,000 take some three minutes
SENDERS = 12
KILLS = max(3, MESSAGES // 100)  # of the daemon, and as many of Odoo
SECONDS_ALIVE = 2.0


@pytest.fixture(scope="module")
def pushed(odoo, hosting):
    """(address of a mailbox whose mail is Odoo's, document, Message-ID of a note on it)."""
    company = odoo("res.company").create({"name": f"Inbound {time.time_ns()}"})
    odoo("res.users").write([odoo.uid], {"company_ids": [(4, company)]})
    domain, name = hosting.domain("inbound", company_id=company)
    setup = odoo("emboux.domain").action_use_for_odoo([domain])["res_id"]
    odoo("emboux.odoo.mail").action_apply([setup])
    steps = odoo("emboux.odoo.mail.step").search_read(
        [("setup_id", "=", setup)], ["kind", "state", "outcome"])
    assert {step["state"] for step in steps} <= {"done", "kept"}, steps
    document = odoo("res.partner").create({"name": "A document"})
    note = odoo("res.partner").message_post([document], body="A note")
    [row] = odoo("mail.message").read(note, ["message_id"])
    yield f"odoo@{name}", document, row["message_id"]
    odoo("emboux.odoo.mail").action_undo([setup])


def reply(number, note, text="An answer"):
    # a sender each: of one who has sent twenty in two hours Odoo takes more for a loop
    return (f"From: Somebody <somebody{number}@outside.tests.example>\r\n"
            f"To: anybody@outside.tests.example\r\nSubject: Answer {number}\r\n"
            f"Message-ID: <{number}@outside.tests.example>\r\nIn-Reply-To: {note}\r\n"
            f"\r\n{text} {number}\r\n").encode()


def filed(odoo, document, run):
    """Message-IDs of what was filed in this run, each as often as it was."""
    rows = odoo("mail.message").search_read(
        [("model", "=", "res.partner"), ("res_id", "=", document),
         ("message_id", "like", f"<{run}")], ["message_id"])
    return sorted(row["message_id"] for row in rows)


def test_kill_9_of_daemon_and_odoo_loses_and_doubles_nothing(
    odoo, state, status, pushed, second_odoo
):
    mailbox, document, note = pushed
    second_odoo.start()
    run = str(time.time_ns())
    numbers = [int(f"{run}{number:04}") for number in range(MESSAGES)]
    ended = threading.Event()
    with running(InboundDaemon(state, status["odoo"]["db"], second_odoo.url)) as daemon:

        def murder():
            for victim in (daemon, second_odoo) * KILLS:
                if ended.wait(SECONDS_ALIVE):
                    return
                victim.kill()
                # the first log-in may come before the server is ready for it; it is up all the same
                with contextlib.suppress(OSError):
                    victim.start()

        murderer = threading.Thread(target=murder)
        murderer.start()
        try:
            end = time.monotonic() + 60 + MESSAGES  # seconds, for all of them
            with ThreadPoolExecutor(SENDERS) as pool:
                answers = list(pool.map(
                    lambda number: daemon.keep_trying(mailbox, reply(number, note), end), numbers))
        finally:
            ended.set()
            murderer.join()
    assert {code for code, _text in answers} == {250}
    assert filed(odoo, document, run) == sorted(
        f"<{number}@outside.tests.example>" for number in numbers)


def test_two_copies_at_once_are_filed_once(odoo, state, status, pushed):
    mailbox, document, note = pushed
    run = str(time.time_ns())
    number = int(f"{run}0000")
    own = InboundDaemon(state, status["odoo"]["db"], status["odoo"]["url"])
    with running(own) as daemon, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(
            lambda _copy: daemon.keep_trying(mailbox, reply(number, note)), range(8)))
    assert {code for code, _text in answers} == {250}
    assert filed(odoo, document, run) == [f"<{number}@outside.tests.example>"]


def test_without_odoo_mail_waits_and_postfix_keeps_it(state, status, pushed):
    mailbox, _document, note = pushed
    with running(InboundDaemon(state, status["odoo"]["db"], "http://127.0.0.1:9")) as daemon:
        code, text = daemon.once(mailbox, reply(1, note))
    assert (code, b"Odoo did not answer" in text) == (451, True), text


def test_a_broken_message_holds_up_nobody(odoo, state, status, pushed):
    mailbox, document, note = pushed
    run = str(time.time_ns())
    number = int(f"{run}0001")
    with running(InboundDaemon(state, status["odoo"]["db"], status["odoo"]["url"])) as daemon:
        code, text = daemon.once(mailbox, b"From: nobody\r\nSubject: astray\r\n\r\nHello\r\n")
        assert (code, b"no document" in text) == (550, True), text
        code, _text = daemon.once(mailbox, b"\x00\xff\r\n" * 100)
        assert code in (250, 550)
        assert daemon.once(mailbox, reply(number, note))[0] == 250
        assert daemon.once("nobody@outside.tests.example", reply(number, note))[0] == 451
    assert filed(odoo, document, run) == [f"<{number}@outside.tests.example>"]


def test_a_large_message_comes_through(odoo, state, status, pushed):
    mailbox, document, _note = pushed
    number = str(time.time_ns())
    boundary = "part"
    raw = reply(int(f"{number}0002"), pushed[2]).decode()
    head, _blank, _text = raw.partition("\r\n\r\n")
    lines = "\r\n".join(["QUJD" * 19] * 300_000)  # 23 MB in Base64
    body = (f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nSee the file\r\n--{boundary}\r\n"
            f"Content-Type: application/octet-stream; name=file.bin\r\n"
            f"Content-Disposition: attachment; filename=file.bin\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{lines}\r\n--{boundary}--\r\n")
    made = (f"{head}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}"
            f"\r\n\r\n{body}").encode()
    with running(InboundDaemon(state, status["odoo"]["db"], status["odoo"]["url"])) as daemon:
        assert daemon.once(mailbox, made)[0] == 250
    found = eventually("the attachment", lambda: odoo("ir.attachment").search_read(
        [("res_model", "=", "res.partner"), ("res_id", "=", document)], ["file_size"]))
    assert found[0]["file_size"] == 300_000 * 57


def test_of_messages_together_each_is_filed_by_itself_where_one_is_broken(
    odoo, state, status, pushed
):
    mailbox, document, note = pushed
    run = str(time.time_ns())
    numbers = [int(f"{run}{number:04}") for number in range(3)]
    astray = f"From: nobody\r\nMessage-ID: <{run}>\r\nSubject: astray\r\n\r\nHello\r\n"
    messages = [astray.encode(), *(reply(number, note) for number in (*numbers, numbers[0]))]
    for sent, statuses in ((messages, [422, 200, 200, 200, 200]), (messages[1:], [200] * 4)):
        answers = hand_over(state, status, odoo, mailbox, sent)
        assert [answer["status"] for answer in answers] == statuses
    assert filed(odoo, document, run) == [f"<{number}@outside.tests.example>" for number in numbers]


def test_of_messages_together_an_unsigned_one_is_left_out(odoo, state, status, pushed):
    mailbox, document, note = pushed
    run = str(time.time_ns())
    numbers = [int(f"{run}{number:04}") for number in range(3)]
    answers = hand_over(
        state, status, odoo, mailbox, [reply(number, note) for number in numbers],
        forged=reply(numbers[1], note))
    assert [answer["status"] for answer in answers] == [200, 401, 200]
    assert filed(odoo, document, run) == [
        f"<{number}@outside.tests.example>" for number in (numbers[0], numbers[2])]


def hand_over(state, status, odoo, mailbox, messages, forged=None):
    """In one request, as the daemon does; the one that is ``forged`` is signed by nobody."""
    [number] = odoo("emboux.mailbox").search([("email", "=", mailbox)])
    secret = postgres.sql(
        state, f"SELECT push_secret FROM emboux_mailbox WHERE id = {int(number)}",
        status["odoo"]["db"])
    files = [
        (push.FIELD, (f"{at}.eml", raw, "message/rfc822", signature.signed(
            signature.new_secret() if raw == forged else secret, f"msg_{at}", raw)))
        for at, raw in enumerate(messages)
    ]
    answer = requests.post(
        f"{status['odoo']['url']}/emboux/inbound/{number}", files=files, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["messages"]


def test_odoo_takes_nothing_that_the_mail_server_has_not_signed(odoo, status, pushed):
    mailbox = odoo("emboux.mailbox").search([("email", "=", pushed[0])])[0]
    raw = reply(7, pushed[2])

    def post(path, **headers):
        part = ("1.eml", raw, "message/rfc822",
                {f"webhook-{name}": value for name, value in headers.items()})
        answer = requests.post(
            f"{status['odoo']['url']}/emboux/inbound/{path}", files=[("message", part)], timeout=30)
        return [row["status"] for row in answer.json()["messages"]] if answer.ok else (
            answer.status_code)

    assert post(mailbox) == [401]
    assert post(mailbox, id="msg_1", timestamp="1", signature="v1,AAAA") == [401]
    assert post(mailbox, id="msg_1", timestamp=str(int(time.time())), signature="v1,AAAA") == [401]
    assert post(0) == 404
    assert post(2**40) == 404
    empty = requests.post(f"{status['odoo']['url']}/emboux/inbound/{mailbox}", raw, timeout=30)
    assert empty.status_code == 400
    # the secret is in nobody's reach
    with pytest.raises(Exception, match="push_secret"):
        odoo("emboux.mailbox").read([mailbox], ["push_secret"])
