"""What the tests of the outgoing policy share."""

import itertools
import time

import pytest
from support.plain_policy.cursor import drive
from support.plain_policy.decision import Settings
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


@pytest.fixture
def sender(hosting, odoo):
    """(domain id, login) of a new verified domain with a mailbox, and these settings."""

    def make(mailbox=None, **values):
        domain, name = hosting.domain("pol", state="verified", verified=False)
        if values:
            odoo("emboux.domain").write([domain], values)
        hosting.mailbox(domain, "ann", **(mailbox or {}))
        return domain, f"ann@{name}"

    return make
