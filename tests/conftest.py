"""The running world that ``./setup/test`` has started, as fixtures."""

import itertools
import os
import sys
import time
from pathlib import Path

import psycopg2
import pytest

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "setup"), str(Path(__file__).resolve().parent)]

from parts import dns, report  # noqa: E402
from parts.state import State  # noqa: E402
from support.mail_client import Mail  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def state():
    if "EMBOUX_STATE" not in os.environ:
        pytest.fail("These tests need the running world: use ./setup/test", pytrace=False)
    return State(os.environ["EMBOUX_STATE"], os.environ["EMBOUX_CODE"])


@pytest.fixture(scope="session")
def status(state):
    return report.read(state)


@pytest.fixture(scope="session")
def odoo(status):
    return Odoo(**status["odoo"])


@pytest.fixture(scope="session")
def mail(state, status):
    return Mail(status, str(state.path("tls", "ca-bundle.pem")))


@pytest.fixture
def connect(state, status):
    """Connect to the world's database as one of the roles."""
    opened = []

    def connect(role):
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=status["postgres"]["port"],
            dbname=status["postgres"]["db"],
            user=role,
            password=state.secret(role),
        )
        connection.autocommit = True
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


class Hosting:
    """Makes domains and mailboxes as an operator would, over Odoo's API."""

    PASSWORD = "a password for tests"

    def __init__(self, odoo, state):
        self.odoo, self.state = odoo, state
        self.backend = odoo("emboux.backend").search([("kind", "=", "local")])[0]

    def domain(self, prefix="t", name=None, verified=True, **values):
        """A new domain with its records in the DNS and a green check; returns (id, name)."""
        name = name or f"{prefix}{next(_NUMBERS)}-{time.time_ns() % 10**8}.example"
        domain = self.odoo("emboux.domain").create(
            {"name": name, "backend_id": self.backend, **values}
        )
        if verified:
            self.publish(domain)
            self.odoo("emboux.domain").action_check_now([domain])
            [row] = self.odoo("emboux.domain").read([domain], ["state", "check_message"])
            assert row["state"] == "verified", row
        return domain, name

    def publish(self, domain):
        [row] = self.odoo("emboux.domain").read([domain], ["zone_text"])
        dns.publish(self.state, row["zone_text"])

    def mailbox(self, domain, local_part, **values):
        return self.odoo("emboux.mailbox").create(
            {"domain_id": domain, "local_part": local_part, "password": self.PASSWORD, **values}
        )


@pytest.fixture(scope="session")
def hosting(odoo, state):
    return Hosting(odoo, state)
