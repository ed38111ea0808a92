"""The stand-in answers as mox does; with ``EMBOUX_MOX`` the real one is asked the same."""

import json

import pytest
import stories
from asking import Asking, Refusal
from outcomes import Refused, params_of


def _judge(ask, old, step):
    """What is wrong with the answer to a step, if anything."""
    function, params, wanted = step
    try:
        result = ask(function, *params_of(function, params, old))
    except Refusal as error:
        if not isinstance(wanted, Refused):
            return str(error)
        missing = [words for words in wanted.words if words not in error.message]
        return None if error.code == wanted.code and not missing else f"{error} lacks {missing}"
    if isinstance(wanted, Refused):
        return f"was not refused: {result}"
    right = wanted(result) if callable(wanted) else result == wanted
    return None if right else f"result {json.dumps(result)[:500]}"


def _told(ask, old, steps):
    for number, step in enumerate(steps):
        wrong = _judge(ask, old, step)
        assert not wrong, f"step {number}, {step[0]} {step[1]}: {wrong}"


@pytest.mark.parametrize("name", stories.EITHER)
def test_story(ask, old, name):
    _told(ask, old, stories.EITHER[name])


def test_stories_of_one_generation(ask, old):
    for steps in (stories.OLDER if old else stories.NEWER).values():
        _told(ask, old, steps)


def test_both_tell_of_the_same_functions_and_types(ask, server):
    """What was recorded is what the real one still says."""
    from support.plain_core.tests.mox.docs import Docs

    def bare(value):
        if isinstance(value, dict):
            return {name: "" if name == "Docs" else bare(one) for name, one in value.items()}
        return [bare(one) for one in value] if isinstance(value, list) else value

    said = {**bare(ask("_docs")), "Version": ""}
    assert said == {**Docs(server.generation).shown(), "Version": ""}


@pytest.mark.parametrize(("body", "changed", "code", "words"), [
    (b"", {}, "sherpa:badRequest", "EOF"),
    (b"nope", {}, "sherpa:badRequest", "invalid character"),
    (b"{}", {}, "sherpa:badRequest", "unexpected end of JSON input"),
    (b'{"params":["localhost"],"x":1}', {}, "sherpa:badRequest", 'unknown field "x"'),
    (b'{"params":{"a":1}}', {}, "sherpa:badRequest", "cannot unmarshal object"),
    (b'{"params":null}', {}, "sherpa:badParams", "got 0, want 1"),
    (b'{"params":["a","b"]}', {}, "sherpa:badParams", "bad number of parameters: got 2, want 1"),
    (b'{"params":[1]}', {}, "sherpa:badParams", "cannot unmarshal number into .0 of type string"),
    (b'{"params":[null]}', {}, "user:error", "no such domain"),
    (b'{"params":["localhost"]}', {"Content_Type": "text/plain"}, "sherpa:badRequest",
     'unrecognized content-type "text/plain"'),
    (b'{"params":["localhost"]}', {"Content_Type": None}, "sherpa:badRequest", "content-type"),
    (b'{"params":["localhost"]}', {"Content_Type": "application/json; charset=latin1"},
     "sherpa:badRequest", "unexpected charset"),
    (b'{"params":["localhost"]}', {"Cookie": None}, "user:noAuth", "no session"),
    (b'{"params":["localhost"]}', {"x_mox_csrf": None}, "user:noAuth",
     "missing required csrf header"),
    (b'{"params":["localhost"]}', {"x_mox_csrf": "x"}, "user:badAuth",
     "mismatch between csrf and session tokens"),
    (b'{"params":["localhost"]}', {"Cookie": 'webadminsession="x %28admin%29"'}, "user:badAuth",
     "unknown session"),
    (b'{"params":["localhost"]}', {"Cookie": "webadminsession=x"}, "user:badAuth",
     "malformed session"),
])
def test_bad_requests(ask, body, changed, code, words):
    answer = ask.raw("Domain", body, **changed)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    error = answer.json["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert ("result" in answer.json) == (code not in ("user:noAuth", "user:badAuth"))


def test_requests_that_are_no_calls(ask, server):
    unknown = ask.raw("Nope", b'{"params":[]}')
    assert (unknown.status, unknown.json["error"]["code"]) == (404, "sherpa:badFunction")
    for method in ("GET", "PUT"):
        refused = ask.raw("Domains", b'{"params":[]}', method=method)
        assert (refused.status, refused.body) == (405, b"405 - method not allowed - use post\n")
        assert refused.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert ask.ask("/admin/", None, {}, "GET").status == 200
    assert ask.ask("/nope", None, {}, "GET").status == 404
    answer = ask.raw("Domain", b'{"Params":["localhost"]}')
    assert answer.json == {"result": {"ASCII": "localhost", "Unicode": ""}}
    # keys in any case
    assert ask("QueueList", {"account": "none"}, None) == []


def test_logging_in(ask, server, old):
    client = Asking(server.url)
    prepared = client.raw("LoginPrep", b'{"params":[]}')
    token = prepared.json["result"]
    assert prepared.headers["Set-Cookie"] == (
        f"webadminlogin={token}; Path=/admin/; Max-Age=30; HttpOnly; SameSite=Strict"
    )
    body = json.dumps({"params": [token, server.password]}).encode()
    assert client.raw("Login", body).json["error"] == {
        "code": "user:error", "message": "missing login token cookie"}
    client.cookie = f"webadminlogin={token}"
    answer = client.raw("Login", body)
    session, gone = answer.headers.get_all("Set-Cookie")
    assert session.startswith('webadminsession="')
    account = "" if old else "%28admin%29"
    assert session.endswith(f' {account}"; Path=/admin/; HttpOnly; SameSite=Strict')
    assert gone == "webadminlogin=; Path=/admin/; Max-Age=0; HttpOnly; SameSite=Strict"
    with pytest.raises(Refusal, match="user:loginFailed: invalid credentials"):
        Asking(server.url).log_in("wrong")
    client.log_in(server.password)
    assert client("Logout") is None
    with pytest.raises(Refusal, match="user:badAuth: unknown session"):
        client("Domains")


def test_eleven_sessions(server, old):
    """The twelfth ends the one that has not been used for longest, or any before 2026."""
    sessions = []
    while len(sessions) < 11:  # others have some already, which are in the way
        sessions.append(Asking(server.url).log_in(server.password))
        sessions = [one for one in sessions if _is_known(one)]
    Asking(server.url).log_in(server.password)
    known = [_is_known(one) for one in sessions]
    assert known.count(False) == 1
    assert old or not known[0]


def _is_known(client) -> bool:
    try:
        client("CheckUpdatesEnabled")
    except Refusal as error:
        assert (error.code, "unknown session" in error.message) == ("user:badAuth", True)
        return False
    return True
