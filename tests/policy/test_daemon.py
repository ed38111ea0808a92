"""The daemon over its socket: answers, settings that change, repetitions, rights, rubbish."""

import contextlib
import os
import random
import socket
import threading
import time

import psycopg2
import pytest
from support.mail_client import eventually
from support.policy_client import block

OK = "DUNNO"


def suffix(login):
    return login.partition("@")[2]


def test_limits_of_domain_and_mailbox_with_their_sentence(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=60, mailbox={"outbound_daily_limit": 4})
    with daemon().asker() as ask:
        assert ask(login=ann, n=4) == OK
        assert ask(login=ann).startswith(
            f"450 4.7.1 {ann} sending limit of 4 recipients per day reached (used 4), try again at")
        assert ask("DATA", ann, 7).startswith(
            f"450 4.7.1 {suffix(ann)} sending limit of 10 recipients per hour leaves 6 (used 4)")
        assert ask("RCPT", ann, recipient="bob@else.example") == OK
    assert stored(domain) == (4, 4, 4)


def test_out_of_scope_requests_pass_and_unknown_logins_do_not(daemon):
    with daemon().asker() as ask:
        assert ask(login="") == OK
        assert ask("MAIL", "nobody@else.example") == OK
        assert ask(login="nobody@else.example").startswith("550 5.7.1 nobody@else.example is no")


def test_a_suppressed_recipient_is_refused_also_without_its_rcpt(daemon, sender, odoo, stored):
    domain, ann = sender()
    odoo("emboux.suppression").create({"email": f"gone@{suffix(ann)}", "reason": "complaint"})
    with daemon().asker() as ask:
        for stage in ("RCPT", "END-OF-MESSAGE"):
            for recipient in (f"gone@{suffix(ann)}", f"Gone+tag@{suffix(ann).upper()}"):
                said = ask(stage, ann, recipient=recipient)
                assert said.startswith("550 5.1.6") and "complained" in said
        assert ask("RCPT", ann, recipient=f"here@{suffix(ann)}") == OK
    assert stored(domain) in (None, (0, 0, 0))


def test_a_loop_is_braked_at_rcpt(daemon, sender, odoo):
    _domain, ann = sender()
    params = odoo("ir.config_parameter")
    params.set_param("emboux_mail_api.loop_limit", "2")
    try:
        with daemon().asker() as ask:
            for number in range(3):
                instance = f"{ann}.{number}"
                said = ask("RCPT", ann, recipient="bob@else.example", instance=instance)
                if number == 2:
                    assert said.startswith(f"450 4.7.1 {ann} has sent 2 messages to bob@else"), said
                    break
                assert said == OK
                assert ask("RCPT", ann, recipient="x@else.example", instance=instance) == OK
                # two recipients: END-OF-MESSAGE names none of them
                assert ask(login=ann, n=2, instance=instance) == OK
            assert ask("RCPT", ann, recipient="carl@else.example") == OK
    finally:
        params.set_param("emboux_mail_api.loop_limit", False)


def test_recipients_of_one_message_are_counted_while_they_come(daemon, sender):
    _domain, ann = sender(outbound_recipients_per_message=2)
    with daemon().asker() as ask:
        said = [ask("RCPT", ann, recipient=f"r{n}@else.example", instance=f"{ann}.m")
                for n in range(3)]
        assert said[:2] == [OK, OK]
        assert said[2].startswith("452 4.5.3")
        assert ask("DATA", ann, 2) == OK
        assert ask("DATA", ann, 3).startswith("452 4.5.3")


def test_a_request_that_comes_twice_is_charged_once(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=60)
    asked = daemon()
    with asked.asker() as ask, asked.asker() as again:
        for number, n in ((1, 6), (2, 6)):
            said = ask(login=ann, n=n, instance=f"{ann}.{number}")
            for _ in range(2):
                assert again(login=ann, n=n, instance=f"{ann}.{number}") == said
        assert said.startswith("450")
        assert stored(domain) == (6, 6, 6)
        stream = block(login=ann, n=1, instance=f"{ann}.3") * 4  # while the first is worked on
        ask.socket.sendall(stream)
        again.socket.sendall(stream)
        assert {ask.answer() for _ in range(4)} | {again.answer() for _ in range(4)} == {OK}
    assert stored(domain) == (7, 7, 7)
    assert asked.figure("emboux_policy_repeated_total") >= 11


def test_changes_act_within_a_second(daemon, sender, odoo, hosting):
    domain, ann = sender()
    domains, asked = odoo("emboux.domain"), daemon()
    seconds = {}
    with asked.asker() as ask:
        def expect(what, start):
            began = time.monotonic()
            eventually(what, lambda: ask(login=ann).startswith(start), seconds=5)
            seconds[what] = time.monotonic() - began

        expect("sending", OK)
        for what, values, start in (
            ("blocked", {"outbound_status": "blocked"}, "550 5.7.1 Sending is suspended"),
            ("unblocked", {"outbound_status": "open"}, OK),
            ("suspended", {"state": "suspended"}, "550 5.7.1 The domain"),
            ("activated", {"state": "verified"}, OK),
            ("limited", {"outbound_daily_limit": 1}, "450 4.7.1"),
            ("not limited", {"outbound_daily_limit": 0}, OK),
        ):
            domains.write([domain], values)
            expect(what, start)
        new = f"new@{suffix(ann)}"
        assert ask(login=new).startswith("550")
        hosting.mailbox(domain, "new")
        began = time.monotonic()
        eventually("the new mailbox", lambda: ask(login=new) == OK, seconds=5)
        seconds["new mailbox"] = time.monotonic() - began
    assert max(seconds.values()) < 1, seconds


def test_a_spike_is_deferred_and_marked(daemon, sender, odoo, connect):
    domain, ann = sender()
    connect("odoo").cursor().execute(
        """INSERT INTO emboux_outbound_count (domain_id, "window", since, recipients, frozen)
           VALUES (%s, 'day', (now() AT TIME ZONE 'UTC')::date - 2, 20, false)""", [domain])
    with daemon().asker() as ask:
        assert ask(login=ann, n=100) == OK
        assert "more than on its usual days" in ask(login=ann, n=1)
    eventually("the mark", lambda: odoo("emboux.domain").read(
        [domain], ["outbound_flagged_at"])[0]["outbound_flagged_at"])


def test_monitor_passes_and_logs_and_a_dry_run_passes_all(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=6, outbound_enforcement="monitor")
    asked = daemon()
    with asked.asker() as ask:
        assert [ask(login=ann) for _ in range(3)] == [OK] * 3
    assert stored(domain) == (3, 3, 3)
    _blocked, eve = sender(outbound_status="blocked")
    with daemon("--dry-run", number=1).asker() as ask:
        assert ask(login=eve) == OK
    log = asked.log.read_text()
    assert f"decision=accept wanted=defer rule=hourly stage=END-OF-MESSAGE login={ann}" in log


def test_pipelined_and_half_closed_clients_get_all_their_answers(daemon, sender, stored):
    domain, ann = sender()
    with daemon().asker() as ask:
        ask.socket.sendall(b"".join(
            block(*what) for what in (("END-OF-MESSAGE", ann), ("RCPT", ann, 1, "b@else.example"),
                                      ("MAIL", ann), ("END-OF-MESSAGE", ""),
                                      ("END-OF-MESSAGE", "nobody@else.example"),
                                      ("END-OF-MESSAGE", ann))))
        ask.socket.shutdown(socket.SHUT_WR)
        said = [ask.answer() for _ in range(7)]
    assert said[:4] + said[5:] == [OK] * 4 + [OK, None]
    assert said[4].startswith("550")
    assert stored(domain) == (2, 2, 2)


def test_ten_thousand_malformed_requests_leave_it_serving(daemon, sender):
    _domain, ann = sender()
    asked, dice = daemon(), random.Random(5)
    good = block(login=ann)
    for number in range(10_000):
        kind = number % 5
        if kind == 0:
            junk = dice.randbytes(dice.randrange(1, 300)) + b"\n\n"
        elif kind == 1:
            place = dice.randrange(len(good))
            junk = good[:place] + dice.randbytes(3) + good[place + dice.randrange(9):]
        elif kind == 2:
            junk = good[:dice.randrange(len(good))]
        elif kind == 3:
            junk = b"request=smtpd_access_policy\nrecipient_count=" + b"9" * dice.randrange(99)
            junk += b"\n\n"
        else:
            junk = b"\n" * dice.randrange(1, 9)
        with socket.create_connection(("127.0.0.1", asked.port), timeout=5) as client:
            client.sendall(junk)
            if number % 100 == 0:
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
    with asked.asker() as ask:
        ask.socket.sendall(b"x" * 200_000)
        with contextlib.suppress(ConnectionResetError):  # closed with bytes that were not read
            assert ask.answer() is None
    with asked.asker() as ask:
        assert ask(login=ann) == OK
    eventually("all connections closed",
               lambda: asked.figure("emboux_policy_connections") == 0)
    assert asked.figure("emboux_policy_malformed_total") > 2000
    assert asked.process.poll() is None


def test_two_daemons_let_exactly_the_limit_pass(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=300, outbound_hourly_fraction=1)
    daemons = [daemon(number=number) for number in range(2)]
    said, guard = [], threading.Lock()

    def fire(asked):
        with asked.asker() as ask:
            mine = [ask(login=ann) for _ in range(50)]
        with guard:
            said.extend(mine)

    threads = [threading.Thread(target=fire, args=(daemons[n % 2],)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 800
    assert said.count(OK) == 300
    assert stored(domain) == (300, 300, 300)


def test_its_role_may_do_nothing_else(connect):
    cursor = connect("emboux_policy").cursor()
    for statement in (
        "SELECT 1 FROM emboux_domain", "SELECT 1 FROM emboux_mailbox", "SELECT 1 FROM res_users",
        "SELECT 1 FROM emboux_suppression", "SELECT 1 FROM emboux_mail.logins",
        "SELECT 1 FROM emboux_outbound_count", "SELECT 1 FROM ir_config_parameter",
        "DELETE FROM emboux_mail.sent", "SELECT emboux_mail.close_windows(now())",
        "CREATE TABLE public.mine (id int)", "CREATE TABLE emboux_mail.mine (id int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    mail = connect("emboux_mail").cursor()
    for statement in (
        "SELECT 1 FROM emboux_mail.sent", "SELECT 1 FROM emboux_mail.sending",
        "SELECT emboux_mail.flag(1)", "SELECT emboux_mail.suppressed('{0}', '{a@b}')",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            mail.execute(statement)


def test_it_is_there_within_seconds_and_listens_on_a_unix_socket(daemon, state, status, tmp_path):
    started = time.monotonic()
    asked = daemon()
    assert time.monotonic() - started < 10  # no registry is loaded
    assert "emboux_policy_database_up 1.0" in asked.page("/metrics")
    assert asked.page("/healthz") == "alive\n"
    assert asked.page("/elsewhere") is None
    path = os.fspath(tmp_path / "policy.sock")
    daemon("--listen", path, number=1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(block(login=""))
        assert client.recv(100) == b"action=DUNNO\n\n"
