"""What needs no key: health, the document; and what holds for every path."""

import json
import re

import pytest
from requests.adapters import HTTPAdapter
from support.api_client import detail, done, faults

MEGABYTE = 1024 * 1024


@pytest.fixture
def nobody(master):
    return master.with_key(None)


# -- health ------------------------------------------------------------------------------


def test_health_get_nobody_answers_and_tells_nothing_else(nobody):
    answer = nobody.get("/health")
    assert set(done(answer, 200)) == {"status", "database", "version"}
    assert answer.json()["status"] == answer.json()["database"] == "ok"
    assert re.fullmatch(r"19\.0\.\d+\.\d+\.\d+", answer.json()["version"])
    assert answer.headers["Cache-Control"] == "no-store"


def test_health_get_wrong_key_answers_too(master):
    done(master.with_key("emboux_nonsense").get("/health"), 200)


def test_health_head_nobody_has_no_body(nobody):
    answer = nobody("HEAD", "/health")
    assert (answer.status_code, answer.content) == (200, b"")


def test_health_get_nobody_unknown_parameter_is_named(nobody):
    assert "no parameters" in faults(nobody.get("/health?verbose=1"))["query"]


def test_health_get_nobody_leaves_no_session(nobody):
    assert "Set-Cookie" not in nobody.get("/health").headers
    assert "Set-Cookie" not in nobody.get("/nothing").headers


# -- the request's id --------------------------------------------------------------------


def test_request_id_of_the_client_comes_back_and_is_logged(master, state):
    wished = "order-4711.retry_2"
    for path, status in (("/domains/", 200), ("/domains/nothing.example", 404), ("/nothing", 404)):
        answer = master.get(path, headers={"X-Request-ID": wished})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, wished)
    assert wished in state.path("log", "odoo.log").read_text()


@pytest.mark.parametrize("wished", ["", "two words", "x" * 129, "a;b", "<script>"])
def test_request_id_that_is_not_plain_is_replaced(nobody, wished):
    given = nobody.get("/health", headers={"X-Request-ID": wished}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", given)


def test_request_id_stands_in_the_audit_trail(master, domains, odoo):
    name = domains(master)
    done(master.put(f"/domains/{name}/suspend", headers={"X-Request-ID": f"audit-{name}"}))
    [entry] = odoo("emboux.audit").search_read(
        [("request_id", "=", f"audit-{name}")], ["name", "action", "changes"])
    assert (entry["name"], entry["action"]) == (name, "write")
    assert "pending → suspended" in entry["changes"]


# -- where no operation is ---------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/domains/", "GET, HEAD, POST"),
    ("PATCH", "/domains/x.example", "DELETE, GET, HEAD"),
    ("POST", "/users/ann@x.example", "DELETE, GET, HEAD, PUT"),
    ("DELETE", "/health", "GET, HEAD"),
    ("GET", "/outbound/reset-daily", "POST"),
])
def test_any_wrong_method_says_what_is_possible(nobody, master, method, path, allowed):
    for api in (nobody, master):
        answer = api(method, path)
        assert answer.headers.get("Allow") == allowed, answer.text
        assert allowed in detail(answer, 405)


def test_any_options_is_answered_to_who_has_a_key(nobody, master):
    detail(nobody("OPTIONS", "/aliases/"), 401)
    answer = master("OPTIONS", "/aliases/")
    detail(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/domains/a.example/nothing", "/users/a/b/c",
                                  "/%00", "/..%2f..%2fweb"])
def test_any_unknown_path_is_not_found(nobody, path):
    assert detail(nobody.get(path), 404) == "Not found"


@pytest.mark.parametrize("path", [
    "/domains/%ff", "/domains/%00", "/domains/a..b", "/domains/%F0%9F%92%A9", "/users/x",
    "/users/bulk", "/aliases/%40", "/api-keys/0", "/api-keys/-1", "/api-keys/x",
    "/api-keys/99999999999",
])
def test_any_path_that_names_nothing_is_not_found(master, path):
    assert detail(master.get(path), 404) == "Not found"


def test_any_error_is_json_without_traceback(nobody, master):
    for api in (nobody, master):
        for method, path in (("GET", "/nothing"), ("PUT", "/domains/"), ("GET", "/users/@")):
            answer = api(method, path)
            assert answer.headers["Content-Type"] == "application/json"
            assert set(answer.json()) == {"detail"}
            assert "Traceback" not in answer.text


# -- bodies ------------------------------------------------------------------------------


def test_any_body_that_is_not_json_is_refused(master):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = master("POST", "/domains/", data=b'{"name": "x.example"}',
                        headers={"Content-Type": kind})
        assert "Content-Type: application/json" in detail(answer, 415)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{'name': 'x.example'}", "\x00",
                                  '{"name": "\\ud800"}', "[" * 5000])
def test_any_body_that_is_broken_names_no_field(master, text):
    answer = master("POST", "/domains/", data=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], list)


def test_any_body_too_large_is_refused_and_not_done(master, domains):
    name = domains(master)
    body = json.dumps({"users": [{"email": f"a@{name}", "display_name": "x" * 5 * MEGABYTE}]})
    answer = master("POST", "/users/bulk", data=body,
                    headers={"Content-Type": "application/json"})
    detail(answer, 413)
    assert done(master.get(f"/users/?domain={name}"))["total"] == 0


def test_any_unknown_field_is_a_typo(master):
    found = faults(master.post("/domains/", {"name": "typo.example", "partner": "C1"}))
    assert set(found) == {"partner"}
    detail(master.get("/domains/typo.example"), 404)


def test_any_number_as_text_is_refused(master, domains):
    name = domains(master)
    assert set(faults(master.put(f"/domains/{name}/transfer", {"limit": "5"}))) == {"limit"}
    assert set(faults(master.put(f"/domains/{name}/transfer", {"limit": True}))) == {"limit"}
    assert set(faults(master.put(f"/domains/{name}/transfer", {"limit": -1}))) == {"limit"}
    assert set(faults(master.put(f"/domains/{name}/transfer", {"limit": 2**63}))) == {"limit"}


# -- no key ------------------------------------------------------------------------------


def test_any_missing_key_is_told_how(nobody):
    answer = nobody.get("/domains/")
    assert "Authorization: Bearer" in detail(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer  ", "emboux_x",
                                    "Bearer a b", "Bearer emboux_" + "A" * 42,
                                    "Bearer " + "x" * 5000, "Bearer \xfc"])
def test_any_key_that_is_none_is_refused(nobody, header):
    answer = nobody.get("/domains/", headers={"Authorization": header.encode("latin-1")})
    sentence = detail(answer, 401)
    assert header.removeprefix("Bearer ").strip() not in sentence or len(header) < 10


def test_any_session_of_a_browser_opens_nothing(nobody, status):
    """Who is logged in to Odoo's web client has no key by that."""
    login = nobody.session.post(
        f"{status['odoo']['url']}/web/session/authenticate",
        json={"params": {"db": status["odoo"]["db"], "login": status["odoo"]["login"],
                         "password": status["odoo"]["password"]}}, timeout=60)
    assert login.json()["result"]["uid"]
    assert nobody.session.cookies.get("session_id")
    detail(nobody.get("/domains/"), 401)
    done(nobody.get("/health"), 200)


# -- too many ----------------------------------------------------------------------------


def test_any_key_over_its_rate_waits(customers, parameter):
    customer = customers()
    parameter("requests_per_second", "2")
    answers = [customer.get("/domains/") for _ in range(8)]
    over = [answer for answer in answers if answer.status_code == 429]
    assert over and answers[0].status_code == 200
    assert int(over[0].headers["Retry-After"]) >= 1
    assert "Too many requests" in detail(over[0], 429)
    done(customers().get("/domains/"), 200)  # another key has a rate of its own


def test_any_address_that_fails_too_often_waits_and_others_do_not(nobody, parameter, state):
    """127.0.0.2 is this machine too, but another address to the throttle."""
    log = state.path("log", "odoo.log")
    before = log.stat().st_size
    parameter("failures_allowed", "2")
    other = nobody.with_key(None)
    adapter = HTTPAdapter()
    adapter.init_poolmanager(2, 2, source_address=("127.0.0.2", 0))
    other.session.mount("http://", adapter)
    assert [nobody.get("/domains/").status_code for _ in range(4)] == [401, 401, 429, 429]
    assert [other.get("/domains/").status_code for _ in range(3)] == [401, 401, 429]
    said = log.read_bytes()[before:].decode()
    assert said.count("no access from 127.0.0.1: ") == 4
    assert said.count("no access from 127.0.0.2: ") == 3


def test_any_address_that_fails_too_often_waits_and_valid_keys_do_not(nobody, master, parameter):
    parameter("failures_allowed", "3")
    answers = [nobody.get("/domains/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert 200 < int(answers[-1].headers["Retry-After"]) <= 300
    assert "without a valid key" in detail(answers[-1], 429)
    detail(master.with_key(master.key[:-1] + "!").get("/domains/"), 429)
    done(master.get("/domains/?limit=1"), 200)
    done(nobody.get("/health"), 200)
