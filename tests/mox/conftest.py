"""The servers that are to behave alike: the stand-in's two generations, and the real mox when
``EMBOUX_MOX`` names its binary (several with ":" between them)."""

import os

import pytest
from asking import Asking
from real import RealMox
from support.plain_core.tests.mox.server import MoxServer

_PROGRAMS = list(filter(None, os.environ.get("EMBOUX_MOX", "").split(":")))


class _StandIn(MoxServer):
    def set_hook(self, url):
        self.hooks.set_url("mox", url, "Bearer hooks")


@pytest.fixture(scope="module", params=["new", "old", *_PROGRAMS])
def server(request, tmp_path_factory):
    """One for all tests of a file; each has domains of its own."""
    if request.param in ("new", "old"):
        made = _StandIn(request.param)
    else:
        made = RealMox(request.param, tmp_path_factory.mktemp("mox") / "data")
    with made:
        yield made
        assert not getattr(made, "errors", []), "the stand-in itself broke"


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
