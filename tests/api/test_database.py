"""Which database answers: the configured one, whatever a request says."""

import pytest
from parts import odoo_server
from support.api_client import done
from support.mail_client import eventually

OTHER = "unit"  # exists on the same server, with the same add-ons
MAKE_SESSIONS = """
from odoo.http import root
for name in {names}:
    session = root.session_store.new()
    session.update(db=name, uid=2, login="admin", session_token="none")
    root.session_store.save(session)
    print(session.sid)
"""


@pytest.fixture
def opened(state):
    """Which databases the server has named in its log since the test began."""
    log = state.path("log", "odoo.log")
    before = log.stat().st_size

    def names():
        lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
        # date, time, process, level, database
        return {line.split()[4] for line in lines if " INFO " in line} - {"?"}

    return names


@pytest.fixture(scope="module")
def cookies(state, status, tmp_path_factory):
    """Headers of browsers: one that is at home in the other database, one in the configured."""
    names = (OTHER, status["odoo"]["db"])
    script = tmp_path_factory.mktemp("sessions") / "make.py"
    script.write_text(MAKE_SESSIONS.format(names=names))
    printed = odoo_server.shell(state, script, status["odoo"]["db"]).split()[-2:]
    return {name: {"Cookie": f"session_id={sid}"} for name, sid in zip(names, printed, strict=True)}


def test_database_other_is_there(connect, status):
    cursor = connect("odoo").cursor()
    cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [OTHER])
    assert cursor.fetchone() == (1,) and status["odoo"]["db"] != OTHER


def test_database_that_is_configured_may_be_named(master, status, opened):
    name = status["odoo"]["db"]
    done(master.get("/domains/", headers={"X-Odoo-Database": name}), 200)
    assert eventually("a line in the log", opened) == {name}


@pytest.mark.parametrize("name", [OTHER, "postgres", "nothing", "../e2e"])
@pytest.mark.parametrize("path", ["/domains/", "/health", "", "/nothing"])
def test_database_that_is_named_and_not_configured_is_not_opened(
    master, opened, status, name, path
):
    answer = master.get(path, headers={"X-Odoo-Database": name})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert "no such database" in answer.json()["detail"]
    assert "Traceback" not in answer.text and "psycopg" not in answer.text
    assert opened() <= {status["odoo"]["db"]}


def test_database_in_the_query_is_an_unknown_parameter(master, opened, status):
    answer = master.get("/domains/", params={"db": OTHER})
    assert [fault["field"] for fault in done(answer, 422)["detail"]] == ["db"]
    done(master.get("/health", params={"db": OTHER}), 422)
    assert eventually("a line in the log", opened) == {status["odoo"]["db"]}


@pytest.mark.parametrize("host", [OTHER, f"{OTHER}.example", "evil.example:1", "localhost"])
def test_database_is_not_chosen_by_the_host(master, opened, host, status):
    answer = master.get("/domains/", headers={"Host": host})
    assert "items" in done(answer, 200)
    assert eventually("a line in the log", opened) == {status["odoo"]["db"]}


def test_database_is_not_chosen_by_a_browsers_cookie(master, cookies, opened, status):
    for headers in cookies.values():
        assert "items" in done(master.get("/domains/", headers=headers), 200)
        nobody = master.with_key(None)
        assert set(done(nobody.get("/domains/", headers=headers), 401)) == {"detail"}
    assert eventually("a line in the log", opened) == {status["odoo"]["db"]}


def test_database_by_cookie_and_header_is_refused_before_anything_is_opened(
    master, cookies, opened, status
):
    """Odoo itself refuses two that differ, before it has looked at the path: no JSON, no more."""
    headers = cookies[status["odoo"]["db"]] | {"X-Odoo-Database": OTHER}
    answer = master.get("/domains/", headers=headers)
    assert answer.status_code == 403
    assert "Traceback" not in answer.text and "items" not in answer.text
    headers = cookies[OTHER] | {"X-Odoo-Database": OTHER}
    assert "no such database" in done(master.get("/domains/", headers=headers), 404)["detail"]
    assert opened() <= {status["odoo"]["db"]}
