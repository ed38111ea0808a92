"""A fake queue instead of Postfix, with an agent on the real database."""

import itertools
import time

import pytest
from emboux_daemons.queue.agent import Agent
from emboux_daemons.queue.forget import Forgetting
from emboux_daemons.queue.postqueue import Postfix
from emboux_daemons.queue.store import Routing, Store
from support.fake_postfix import FakePostfix

_HOSTS = itertools.count(1)


class Scene:
    """A queue with an agent, beside the world's own."""

    def __init__(self, parameters, odoo):
        self.host = f"fake{next(_HOSTS)}-{time.time_ns()}"
        self.fake, self.odoo = FakePostfix(), odoo
        self._parameters, self._stores = parameters, []
        self.agent = self.fresh()

    def fresh(self):
        """Another agent that remembers nothing, as after ``kill -9``."""
        for store in self._stores:
            store.close()
        store = Store(self._parameters, self.host)
        store.open()
        self._stores.append(store)
        self.agent = Agent(Postfix("/fake", self.fake.run), store)
        return self.agent

    def settle(self):
        for _ in range(10):
            if not self.agent.round():
                return
        raise AssertionError("it never comes to rest")

    def rows(self, *fields):
        fields = fields or ("queue_id", "state", "reason")
        found = self.odoo("emboux.held.message").search_read(
            [("host", "=", self.host)], list(fields), order="arrived_at")
        return [tuple(row[name] for name in fields) for row in found]

    def wish(self, queue_id, action):
        [found] = self.odoo("emboux.held.message").search(
            [("host", "=", self.host), ("queue_id", "=", queue_id)])
        self.odoo.execute("emboux.held.message", action, [found])

    def forgetting(self, clock):
        routing = Routing(self._parameters, self.host)
        self._stores.append(routing)
        return Forgetting(Postfix("/fake", self.fake.run), routing, clock)

    def second_store(self):
        """Another connection for the same mail server."""
        return Store(self._parameters, self.host)

    def close(self):
        for store in self._stores:
            store.close()
        # else Odoo would miss it, and say so
        agents = self.odoo("emboux.queue.agent")
        agents.unlink(agents.search([("name", "=", self.host)]))


@pytest.fixture
def scene(state, status, odoo):
    made = Scene({"host": "127.0.0.1", "port": status["postgres"]["port"],
                  "dbname": status["postgres"]["db"], "user": "emboux_queue",
                  "password": state.secret("emboux_queue")}, odoo)
    yield made
    made.close()


@pytest.fixture
def sender(hosting, odoo):
    """(domain id, login) of a new verified domain with a mailbox, and these settings."""

    def make(local_part="ann", **values):
        domain, name = hosting.domain("queue", state="verified", verified=False)
        if values:
            odoo("emboux.domain").write([domain], values)
        hosting.mailbox(domain, local_part)
        return domain, f"{local_part}@{name}"

    return make


@pytest.fixture
def sent(connect):
    cursor = connect("odoo").cursor()

    def read(subject):
        cursor.execute("SELECT in_month FROM emboux_mail.sent WHERE subject = %s", [subject])
        return (cursor.fetchone() or (0,))[0]

    return read
