"""The daemon is killed, stopped, and loses its database, each in the middle of load."""

import threading
import time
from collections import Counter

import pytest
from support.mail_client import eventually
from support.policy_client import Asker
from support.private_postgres import PrivatePostgres

CONNECTIONS = 20


@pytest.fixture(scope="module")
def cluster(state, status):
    made = PrivatePostgres(state, status["postgres"]["db"])
    made.start()
    yield made
    made.stop()


class Load:
    """Connections that ask one after the other until they are told to stop, as smtpd would."""

    def __init__(self, port, login):
        self.said, self._guard, self._stop = Counter(), threading.Lock(), threading.Event()
        self.sent = self.slowest = 0
        self._threads = [threading.Thread(target=self._run, args=(port, login))
                         for _ in range(CONNECTIONS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port, login):
        while not self._stop.is_set():
            try:
                with Asker(port) as ask:
                    while not self._stop.is_set():
                        began = time.monotonic()
                        with self._guard:
                            self.sent += 1
                        said = ask(login=login)
                        with self._guard:
                            self.said[said if said is None else said[:12]] += 1
                            self.slowest = max(self.slowest, time.monotonic() - began)
                        if said is None:
                            break
            except OSError:
                self._stop.wait(0.05)  # refused, or cut off

    @property
    def accepted(self):
        return self.said["DUNNO"]

    def more(self, count):
        aim = self.accepted + count
        eventually(f"{count} more answers", lambda: self.accepted >= aim, seconds=60)


def test_killed_under_load_nothing_that_was_answered_is_uncounted(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=10**6)
    asked = daemon()
    with Load(asked.port, ann) as load:
        for _ in range(3):
            load.more(200)
            asked.kill()
            asked.start()
        load.more(200)
    counted = stored(domain)[1]
    assert load.accepted <= counted <= load.accepted + 3 * CONNECTIONS
    assert set(load.said) <= {"DUNNO", None}


def test_a_stop_answers_what_was_asked_and_ends_well(daemon, sender, stored):
    domain, ann = sender(outbound_daily_limit=10**6)
    asked = daemon()
    with Load(asked.port, ann) as load:
        load.more(300)
        assert asked.stop() == 0
    assert stored(domain)[1] == load.accepted
    assert set(load.said) <= {"DUNNO", None}
    assert "stopped" in asked.log.read_text().splitlines()[-1]


def test_postgresql_crashes_under_load(daemon, sender, cluster):
    domain, ann = sender(outbound_daily_limit=10**6)
    cluster.copy()
    asked = daemon("--wait", "1", **at(cluster), number=2)
    with Load(asked.port, ann) as load:
        load.more(300)
        cluster.crash()
        eventually("deferrals", lambda: load.said["DEFER_IF_PER"] >= CONNECTIONS, seconds=20)
        assert asked.page("/ready") is None and asked.page("/healthz")
        cluster.start()
        load.more(300)
    counted = int(cluster.sql(f"SELECT in_day FROM emboux_mail.sent WHERE subject = {domain}"))
    assert load.accepted <= counted <= load.accepted + CONNECTIONS
    assert set(load.said) == {"DUNNO", "DEFER_IF_PER"}, "no connection was lost"
    # 5 s, of which the daemon takes 1 s; the rest is what a busy machine makes of these threads
    assert load.slowest < 10, "no question waited longer than Postfix does in its two tries"
    assert asked.page("/ready")
    log = asked.log.read_text()
    assert log.count("database away (writer)") == 1, "the change of mode is told once"


def test_open_without_postgresql_lets_pass_what_it_does_not_know_to_be_blocked(
        daemon, sender, cluster):
    _domain, ann = sender()
    _blocked, eve = sender(outbound_status="blocked")
    cluster.copy()
    asked = daemon("--wait", "0.5", "--when-down", "open", **at(cluster),
                   number=3)
    with asked.asker() as ask:
        assert ask(login=ann) == "DUNNO"
        assert ask(login=eve).startswith("550 5.7.1")
        cluster.crash()
        try:
            assert ask(login=ann) == "DUNNO"
            for stage in ("RCPT", "END-OF-MESSAGE"):
                assert ask(stage, eve, recipient="b@else.example").startswith("550 5.7.1")
        finally:
            cluster.start()
    assert asked.figure("emboux_policy_unavailable_total") == 1


def test_a_daemon_that_starts_before_postgresql_waits_for_it(daemon, sender, cluster):
    _domain, ann = sender()
    cluster.copy()
    cluster.crash()
    try:
        asked = daemon("--wait", "0.2", **at(cluster), number=4, ready=False)
        with asked.asker() as ask:
            assert ask(login="") == "DUNNO"  # for this no database is needed
            assert ask(login=ann).startswith("DEFER_IF_PERMIT 4.3.0")
    finally:
        cluster.start()
    with asked.asker() as ask:
        eventually("an answer", lambda: ask(login=ann) == "DUNNO", seconds=20)


def at(cluster):
    """Where the daemon finds this cluster: it reads the port in odoo.conf otherwise."""
    return {"environment": {"EMBOUX_POLICY_PASSWORD": cluster.state.secret("emboux_policy")},
            "port": cluster.state.port("postgres")}
