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
sys.path.append(str(PROJECT / "emboux_mail_api"))  # emboux_daemons is there

from parts import dns, odoo_server, report  # noqa: E402
from parts.state import State  # noqa: E402
from parts.supervisor import Service, Supervisor, listening  # noqa: E402
from support.another_odoo import another_odoo  # noqa: E402
from support.api_client import Api, done  # noqa: E402
from support.mail_client import Mail  # noqa: E402
from support.odoo_client import Odoo  # noqa: E402

_NUMBERS = itertools.count(1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The main job comes first, in lists that are as short as a new user's; and what looks at
    the traces of all other tests comes after them."""
    places = {"test_main_job.py": -1, "test_publish.py": -1, "test_secrets.py": 1}
    items.sort(key=lambda item: places.get(item.path.name, 0))


@pytest.fixture(scope="session")
def state():
    if "EMBOUX_STATE" not in os.environ:
        pytest.fail("These tests need the running world: use ./setup/test", pytrace=False)
    return State(os.environ["EMBOUX_STATE"], os.environ["EMBOUX_CODE"])


@pytest.fixture(scope="session", autouse=True)
def logged():
    """Read what the world's services have logged since the tests began: name to text."""
    root = os.environ.get("EMBOUX_STATE")
    logs = Path(root, "log") if root else None
    before = {path: path.stat().st_size for path in logs.iterdir()} if root else {}

    def read():
        texts = {}
        for path in logs.iterdir():
            data = path.read_bytes()
            start = before.get(path, 0)
            texts[path.name] = data[start if start <= len(data) else 0:].decode(errors="replace")
        return texts

    return read


@pytest.fixture(scope="session")
def status(state):
    return report.read(state)


@pytest.fixture(scope="session")
def odoo(status):
    return Odoo(**status["odoo"])


@pytest.fixture(scope="session")
def mail(state, status):
    return Mail(status, str(state.path("tls", "ca-bundle.pem")))


@pytest.fixture(scope="session")
def connection(state, status):
    """Connect to the world's database as one of the roles; whoever asks closes it."""

    def connection(role):
        made = psycopg2.connect(
            host="127.0.0.1",
            port=status["postgres"]["port"],
            dbname=status["postgres"]["db"],
            user=role,
            password=state.secret(role),
        )
        made.autocommit = True
        return made

    return connection


@pytest.fixture
def connect(connection):
    """The same, until the test is over."""
    opened = []

    def connect(role):
        opened.append(connection(role))
        return opened[-1]

    yield connect
    for connected in opened:
        connected.close()


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
        self.publish_text(row["zone_text"])

    def publish_text(self, zone_text):
        dns.publish(self.state, zone_text)

    def mailbox(self, domain, local_part, **values):
        return self.odoo("emboux.mailbox").create(
            {"domain_id": domain, "local_part": local_part, "password": self.PASSWORD, **values}
        )


@pytest.fixture(scope="session")
def hosting(odoo, state):
    return Hosting(odoo, state)


@pytest.fixture(scope="session")
def master(state, status):
    """The API with a master key, made by the command as an operator would."""
    printed = odoo_server.run(
        state, "emboux_key", "--role", "master", "--name", "Tests",
        env=odoo_server.environment(state)
        | {"ODOO_RC": str(odoo_server.config(state, status["odoo"]["db"]))},
    )
    return Api(status["api"]["url"], printed.strip().splitlines()[-1])


class Customers:
    """Makes customers with keys, each a stranger to the others."""

    def __init__(self, odoo, master):
        self.odoo, self.master = odoo, master

    def partner(self, **limits):
        """A new customer; returns their reference."""
        ref = f"C{next(_NUMBERS)}-{time.time_ns() % 10**9}"
        partner = self.odoo("res.partner").create({"name": f"Customer {ref}", "ref": ref})
        self.odoo("emboux.customer").create({"partner_id": partner, **limits})
        return ref

    def key(self, ref, **options):
        """The API with a new key of this customer's."""
        made = done(self.master.post(
            "/api-keys/", {"name": f"Key of {ref}", "partner_ref": ref, **options}
        ))
        return self.master.with_key(made["secret"])

    def hosted(self, hosting, prefix, *local_parts, area="send"):
        """A new customer with a verified domain and these mailboxes: (domain, name, their key)."""
        ref = self.partner()
        [partner] = self.odoo("res.partner").search([("ref", "=", ref)])
        domain, name = hosting.domain(prefix, partner_id=partner)
        for local_part in local_parts:
            hosting.mailbox(domain, local_part)
        return domain, name, self.key(ref, area=area)

    def __call__(self, **limits):
        """A new customer's API, with a key that reaches all that is theirs."""
        return self.key(self.partner(**limits))


@pytest.fixture(scope="session")
def customers(odoo, master):
    return Customers(odoo, master)


@pytest.fixture(scope="module")
def browser(status, state, odoo):
    """The real web client, where the administrator has logged in."""
    from support.browser import Browser  # not above: most tests need none

    # Odoo's own tours for new users would begin beside ours, and share what is kept of a tour
    odoo("res.users").write([odoo.uid], {"tour_enabled": False})
    browser = Browser(status, state.path("pictures"))
    browser.log_in(status["odoo"]["login"], status["odoo"]["password"])
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def customer_odoo(state):
    """A customer's Odoo: a database where nothing but emboux_core is installed."""
    with another_odoo(state, "customer", ("emboux_core",)) as odoo:
        # the platform of these tests is on loopback
        odoo("ir.config_parameter").set_param("emboux_core.backend_allow_private", "True")
        yield odoo


@pytest.fixture
def customer_browser(customer_odoo, state):
    from support.browser import Browser  # not above: most tests need none

    browser = Browser({"odoo": {"url": customer_odoo.url}}, state.path("pictures"))
    browser.log_in("admin", "admin")
    yield browser
    browser.close()


@pytest.fixture
def second_odoo(state, status):
    """Starts a further Odoo process on the world's database; ``.kill()`` is ``kill -9``."""
    port, gevent = state.port("second_odoo"), state.port("second_odoo_gevent")

    class Second:
        url = f"http://127.0.0.1:{port}"

        def __init__(self):
            self._supervisor = Supervisor(state, echo=False, pids="pids-second.json")
            self.pid = None

        def start(self, env=None, options=()):
            """``env``: variables of its environment besides, such as ``EMBOUX_FAULT``."""
            argv = (str(odoo_server.command(state)), "server", "-c",
                    str(odoo_server.config(state, status["odoo"]["db"])),
                    f"--http-port={port}", f"--gevent-port={gevent}", "--max-cron-threads=0",
                    *options)
            self._supervisor.start(Service(
                "second", argv, ready=listening(port),
                env=odoo_server.environment(state) | (env or {}),
                start_seconds=60))
            _service, process = self._supervisor.running["second"]
            self.pid = process.pid
            return Odoo(self.url, status["odoo"]["db"], status["odoo"]["login"],
                        status["odoo"]["password"])

        def kill(self):
            self._supervisor.kill("second")

        def stop(self):
            self._supervisor.stop()

    second = Second()
    yield second
    second.stop()
