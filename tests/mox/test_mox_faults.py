"""What becomes of a call when mox is slow, restarts, is asked too much, hangs up or lies."""

import json
import time

import pytest
from real import KINDS, RealMox
from support.mox_relay import MoxRelay
from support.plain_core.backends.base import AliasSpec, DomainSpec, MailboxSpec
from support.plain_core.backends.mox import MoxBackend
from support.plain_core.net.errors import (
    BackendError,
    Busy,
    NotAuthorised,
    Refused,
    UnknownOutcome,
    Unreachable,
)
from support.plain_core.net.guard import Timeouts
from support.plain_core.tests.mox.faults import ENDLESS
from support.plain_core.tests.mox.server import MoxServer

NAME = "acme.example"
ANN = f"ann@{NAME}"


@pytest.fixture(params=["new", "old"])
def standin(request):
    with MoxServer(request.param) as server:
        yield server
        assert not server.errors, "the stand-in itself broke"


@pytest.fixture(params=KINDS)
def mox(request, servers):
    """A stand-in, or a real one by way of what goes wrong for it; with nothing in it."""
    if request.param in ("new", "old"):
        front = MoxServer(request.param)
    else:
        front = MoxRelay(servers(request.param))
    with front:
        yield front
        assert not front.errors, "the stand-in or the relay broke"
        if isinstance(front, MoxRelay):  # the next test gets the same one
            front.faults.forget()
            empty(front)


def empty(front):
    backend = client(front)
    for name in [spec.name for spec in backend.domains() if spec.name != "localhost"]:
        for alias in list(backend.aliases(name)):
            backend.delete_alias(alias.address)
        for mailbox in list(backend.mailboxes(name)):
            backend.delete_mailbox(mailbox.email)
        backend.delete_domain(name)


def client(server, seconds=5.0, **options):
    return MoxBackend(
        server.url, options.pop("password", server.password), allow_private=True,
        timeouts=Timeouts(connect=seconds, read=seconds, total=seconds), **options)


def prepared(front):
    backend = client(front)
    backend.ensure_domain(DomainSpec(NAME))
    front.calls.clear()
    return backend


@pytest.fixture
def backend(mox):
    return prepared(mox)


def error(code, message):
    """The answer with which mox refuses."""
    body = json.dumps({"error": {"code": code, "message": message}})
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def asked(mox, function):
    return sum(1 for name, _params in mox.calls if name == function)


def test_one_log_in_serves_many_calls(mox, backend):
    for local_part in "abc":
        backend.ensure_mailbox(MailboxSpec(f"{local_part}@{NAME}"))
    assert asked(mox, "Login") == 0


def test_a_restart_costs_one_log_in(mox, backend):
    mox.forget_sessions()
    backend.ensure_mailbox(MailboxSpec(ANN))
    assert asked(mox, "Login") == 1
    assert [spec.email for spec in backend.mailboxes(NAME)] == [ANN]


def test_a_session_that_is_never_taken_is_not_tried_for_ever(mox, backend):
    for _number in range(4):
        mox.answer("DomainLocalparts", error("user:badAuth", "unknown session"))
    with pytest.raises(Unreachable, match="does not accept the session"):
        backend.ensure_mailbox(MailboxSpec(ANN))
    assert (asked(mox, "Login"), asked(mox, "DomainLocalparts")) == (1, 2)


def test_a_wrong_password_is_tried_once(mox):
    with pytest.raises(NotAuthorised):
        client(mox, password="something else").check()
    assert asked(mox, "Login") == 1


def test_no_password_calls_nobody(mox):
    with pytest.raises(NotAuthorised, match="no password"):
        client(mox, password="").check()
    assert mox.calls == []


def test_a_limit_is_waited_for_and_nobody_asks_meanwhile(mox):
    """1,000 calls in a minute of the clock; the next full one is free again."""
    now = [1_000_000_020.0]  # 20 s after a full minute
    backend = client(mox, clock=lambda: now[0])
    backend.ensure_domain(DomainSpec(NAME))
    mox.too_many()
    with pytest.raises(Busy, match="1,000 in a minute") as caught:
        backend.ensure_mailbox(MailboxSpec(ANN))
    assert 20 <= caught.value.wait <= 62
    calls = len(mox.calls)
    with pytest.raises(Busy):
        backend.ensure_mailbox(MailboxSpec(ANN))
    assert len(mox.calls) == calls, "it was not asked again"
    now[0] += caught.value.wait
    backend.ensure_mailbox(MailboxSpec(ANN))


def test_a_real_limit_is_known_as_one(mox, tmp_path):
    if isinstance(mox, MoxServer):
        return
    with RealMox(mox.server.program, tmp_path / "limited", limited=True) as limited:
        backend = client(limited, seconds=30.0)
        with pytest.raises(Busy, match="1,000 in a minute") as caught:
            for _number in range(2001):  # the minute may change once
                backend.check()
        assert 0 < caught.value.wait <= 62


def test_a_minute_that_did_not_help_means_the_hour(mox):
    now = [1_000_000_020.0]
    backend = client(mox, clock=lambda: now[0])
    backend.check()
    waits = []
    for _number in range(2):
        mox.too_many()
        with pytest.raises(Busy) as caught:
            backend.check()
        waits.append(caught.value.wait)
        now[0] += caught.value.wait
    assert waits[0] <= 62 < waits[1] <= 3602
    backend.check()


def test_a_question_that_gets_no_answer_is_asked_again(mox, backend):
    mox.cut_after("DomainLocalparts")
    backend.ensure_mailbox(MailboxSpec(ANN))
    assert asked(mox, "DomainLocalparts") == 2


def test_questions_without_answers_change_nothing(mox, backend):
    for _number in range(2):
        mox.cut_before("DomainLocalparts")
    with pytest.raises(Unreachable):
        backend.ensure_mailbox(MailboxSpec(ANN))
    assert asked(mox, "AccountAdd") == 0


@pytest.mark.parametrize("function", ["AccountAdd", "SetPassword", "AccountSettingsSave"])
def test_a_change_without_an_answer_may_have_been_made_and_is_safe_to_repeat(
    mox, backend, function
):
    wish = MailboxSpec(ANN, quota=5_000_000, password="a long password")
    mox.cut_after(function)
    with pytest.raises(UnknownOutcome):
        backend.ensure_mailbox(wish)
    assert asked(mox, function) == 1, "a change is never repeated by itself"
    backend.ensure_mailbox(wish)
    [found] = backend.mailboxes(NAME)
    assert (found.email, found.quota) == (ANN, 5_000_000)


def test_so_is_a_domain(mox):
    backend = client(mox)
    mox.cut_after("DomainAdd")
    with pytest.raises(UnknownOutcome):
        backend.ensure_domain(DomainSpec(NAME))
    assert backend.ensure_domain(DomainSpec(NAME)).dkim
    assert [spec.name for spec in backend.domains()].count(NAME) == 1


def test_so_is_each_step_of_taking_a_domain_away(mox, backend):
    backend.ensure_mailbox(MailboxSpec(ANN))
    backend.ensure_alias(AliasSpec(f"@{NAME}", (ANN,)))
    backend.delete_mailbox(ANN)
    for function in ("DomainDMARCAddressSave", "DomainTLSRPTAddressSave", "DomainRemove"):
        mox.cut_after(function)
        with pytest.raises(UnknownOutcome):
            backend.delete_domain(NAME)
    backend.delete_domain(NAME)
    assert NAME not in [spec.name for spec in backend.domains()]


def test_a_slow_server_is_given_up(mox, backend):
    hasty = client(mox, seconds=1.5)  # a real one takes some time too
    started = time.monotonic()
    mox.slow(30, "AccountAdd")
    with pytest.raises(UnknownOutcome, match=r"within 1\.5 s"):
        hasty.ensure_mailbox(MailboxSpec(ANN))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("lie", [
    b"<html>Welcome</html>", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "a text", 7, [[]],
    [{"": "x"}, []], {"ann": 7}, ENDLESS,
])
def test_an_answer_that_makes_no_sense_changes_nothing(standin, lie):
    backend = prepared(standin)
    for _number in range(2):
        standin.answer("DomainLocalparts", lie)
    try:
        backend.ensure_mailbox(MailboxSpec(ANN))
    except (BackendError, AssertionError) as error:
        assert isinstance(error, Unreachable), error
        assert asked(standin, "AccountAdd") == 0


@pytest.mark.parametrize("function", ["Config", "DomainRecords", "ClientConfigsDomain", "Domains"])
@pytest.mark.parametrize("lie", [b"<html>", "text", 7, {"Domains": [], "Accounts": 3}, [7], [None]])
def test_no_answer_breaks_what_reads_it(standin, function, lie):
    backend = prepared(standin)
    for _number in range(2):
        standin.answer(function, lie)
    for look in (lambda: list(backend.domains()), lambda: list(backend.mailboxes(NAME)),
                 lambda: backend.ensure_domain(DomainSpec(NAME)), backend.usage):
        try:
            look()
        except BackendError as error:
            assert str(error)


def test_a_password_is_in_no_error(mox, backend):
    backend.ensure_mailbox(MailboxSpec(ANN))
    secret = "a password that is told"
    mox.answer("SetPassword", error("user:error", f"no: {secret}"))
    with pytest.raises(Refused, match="repeats a secret") as caught:
        backend.ensure_mailbox(MailboxSpec(ANN, password=secret))
    assert secret not in str(caught.value)
    assert mox.password not in repr(vars(backend.api)["_http"])


def test_a_refused_change_is_followed_by_one_that_changes_nothing(mox, backend):
    """mox may go on with half of it until then; a list of nobody is refused as it is saved."""
    if mox.generation == "old":
        return
    backend.ensure_mailbox(MailboxSpec(ANN))
    with pytest.raises(Refused, match="own mailboxes alone"):
        backend.ensure_alias(AliasSpec(f"team@{NAME}", ("zoe@far.example",)))
    assert asked(mox, "DomainDescriptionSave") == 1


def test_a_name_of_other_letters_is_saved_as_mox_knows_it(mox):
    """Its calls that save settings know Unicode alone, those that read take A-labels too."""
    backend, name = client(mox), "xn--bcher-kva.example"
    assert backend.ensure_domain(DomainSpec(name)).dkim
    backend.ensure_mailbox(MailboxSpec(f"ann@{name}"))
    assert [spec.email for spec in backend.mailboxes(name)] == [f"ann@{name}"]
    if mox.generation == "new":
        backend.ensure_domain(DomainSpec(name, suspended=True))
        assert [spec.suspended for spec in backend.domains() if spec.name == name] == [True]
    backend.delete_mailbox(f"ann@{name}")
    backend.delete_domain(name)
    assert name not in [spec.name for spec in backend.domains()]
