"""What the tests of the outgoing policy share."""

import itertools
import json
import os
import signal
import time

import pytest
from emboux_daemons.policy.cursor import drive
from emboux_daemons.policy.decision import Settings
from parts.supervisor import is_alive
from support.mail_client import eventually
from support.policy_client import Daemon

#: Subjects that are no domain's and no mailbox's, so that nobody else charges them.
_SUBJECTS = itertools.count(1_500_000_000 + time.time_ns() // 10**6 % 600_000_000)


@pytest.fixture
def ledger(connect):
    """Run a ledger's steps, each call in a transaction of its own, as the daemon's role."""
    connection = connect("emboux_policy")
    connection.autocommit = False

    def run(steps):
        with connection, connection.cursor() as cursor:
            return drive(steps, cursor)

    return run


@pytest.fixture
def settings():
    """Settings of a domain and mailbox that nobody else uses."""

    def make(**values):
        number = next(_SUBJECTS)
        given = {"login": f"ann@d{number}.example", "mailbox_id": number, "domain_id": number,
                 "domain": f"d{number}.example", "loop_limit": 0, "hourly_fraction": 1.0}
        return Settings(**given | values)

    return make


@pytest.fixture
def stored(connect):
    """What a subject has sent, as PostgreSQL has it: (hour, day, month), None if never."""
    cursor = connect("odoo").cursor()

    def read(subject):
        cursor.execute("SELECT in_hour, in_day, in_month FROM emboux_mail.sent WHERE subject = %s",
                       [subject])
        return cursor.fetchone()

    return read


@pytest.fixture
def daemon(state, status):
    """Start daemons of the test's own; they end with it."""
    running = []

    def start(*options, number=0, database=None, environment=None, ready=True, port=None):
        if port:
            options = (*options, "--db-port", str(port))
        made = Daemon(state, database or status["postgres"]["db"], f"policy_test{number}", options,
                      environment)
        running.append(made)
        return made.start(ready)

    yield start
    for made in running:
        made.stop()


class WorldPolicy:
    """The daemon that the world's Postfix asks: stopped, killed, and another in its place."""

    def __init__(self, state, database):
        self._state, self._database = state, database
        self.daemon = None

    def replace(self, *options, environment=None):
        """Another daemon on the same port, from now on; the one before has ended well."""
        self._end()
        self.daemon = Daemon(self._state, self._database, "policy", options, environment)
        return self.daemon.start()

    def _end(self):
        if self.daemon:
            self.daemon.stop()
            return
        pid, started, *_ = json.loads(self._state.path("run", "pids.json").read_text())["policy"]
        os.kill(pid, signal.SIGTERM)
        eventually("its end", lambda: not is_alive(pid, started))


@pytest.fixture(scope="session")
def _world_policy(state, status):
    world = WorldPolicy(state, status["postgres"]["db"])
    yield world
    if world.daemon:
        world.daemon.stop()


@pytest.fixture
def world_policy(_world_policy):
    """The world's daemon; after the test there is one on the world's database again."""
    yield _world_policy
    if _world_policy.daemon:
        _world_policy.replace()


@pytest.fixture
def sender(hosting, odoo):
    """(domain id, login) of a new verified domain with a mailbox, and these settings.

    Without a warm-up, unless they say so: it has sent for long.
    """

    def make(mailbox=None, **values):
        domain, name = hosting.domain("pol", state="verified", verified=False)
        odoo("emboux.domain").write([domain], {"outbound_warmup_profile": "none", **values})
        hosting.mailbox(domain, "ann", **(mailbox or {}))
        return domain, f"ann@{name}"

    return make
