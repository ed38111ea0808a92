"""The servers that are to behave alike: the stand-in's two generations, and the real mox when
``EMBOUX_MOX`` names its binary (several with ":" between them)."""

import contextlib
import functools

import pytest
from asking import Asking
from real import KINDS, RealMox
from support.plain_core.tests.mox.server import MoxServer


class _StandIn(MoxServer):
    def set_hook(self, url):
        self.hooks.set_url("mox", url, "Bearer hooks")


#: What only a real one can show.
REAL_ALONE = "test_mail_of_odoo.py"


def pytest_collection_modifyitems(items):
    """Not ``collect_ignore``, which leaves in what the command line names."""
    if not KINDS[2:]:
        items[:] = [item for item in items if item.path.name != REAL_ALONE]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One of each kind for all tests of a file; each test has domains of its own."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def started(kind, quota=0):
            if kind in ("new", "old"):
                server = stack.enter_context(_StandIn(kind))
                server.config.default_quota = quota
                return server
            folder = tmp_path_factory.mktemp("mox") / "data"
            return stack.enter_context(RealMox(kind, folder, quota))

        yield started
        for kind in KINDS[:2]:
            assert not started(kind).errors, "the stand-in itself broke"


@pytest.fixture(scope="module", params=KINDS)
def server(request, servers):
    return servers(request.param)


@pytest.fixture(scope="module")
def ask(server):
    return Asking(server.url).log_in(server.password)


@pytest.fixture
def old(server):
    return server.generation == "old"


@pytest.fixture
def client(server):
    """A session of each test's own."""
    return Asking(server.url).log_in(server.password)


@pytest.fixture
def held(client):
    """Nothing leaves the queue, which is empty in the beginning and in the end."""
    client("QueueHoldRuleAdd", {})
    client("QueueDrop", {})
    yield client
    client("QueueDrop", {})
    for left in client("QueueHoldRuleList"):
        client("QueueHoldRuleRemove", left["ID"])
