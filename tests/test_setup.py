"""The set-up's own promises: ports, leftovers, errors that say how to go on."""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from parts import dovecot, kept_database, odoo_code, odoo_server, postgres, report, system
from parts.render import TEMPLATES, render
from parts.state import State
from parts.supervisor import Service, Supervisor
from parts.task import Task

RUN = str(odoo_code.PROJECT / "setup" / "run")


@pytest.fixture
def place(state):
    """A folder that the system's users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir=state.folder("run"), prefix="t") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run(*arguments):
    return subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True,
                          check=False, timeout=120)


# -- status ------------------------------------------------------------------------------


def test_status_of_what_does_not_run(place):
    for arguments in (["--status"], ["--status", "--json"]):
        done = run("--state", str(place / "none"), *arguments)
        assert done.returncode == 3
        assert done.stdout
    assert json.loads(done.stdout) == {}
    assert run("--state", str(place / "none"), "--stop").returncode == 0


def test_status_names_every_server(status, state):
    assert set(status["odoo"]) == {"url", "db", "login", "password"}
    assert set(status["postgres"]) >= {"host", "port", "db"}
    for name in ("smtp", "submission", "smtps", "imap", "imaps", "dns"):
        assert set(status[name]) == {"host", "port"}
        assert isinstance(status[name]["port"], int)
    assert set(status["sink"]) >= {"host", "port", "maildir"}
    assert status["demo_domain"].count(".") >= 1
    assert report.silent(state) == []
    assert report.as_text(state).count("password") >= 3


# -- ports -------------------------------------------------------------------------------


def test_ports_are_remembered_and_do_not_collide(place):
    first, second = State(place / "a"), State(place / "b")
    names = [f"server{n}" for n in range(15)]
    ports = [first.port(name) for name in names]
    assert len(set(ports)) == len(names)
    assert [State(place / "a").port(name) for name in names] == ports
    assert not set(ports) & {second.port(name) for name in names}


def test_a_port_that_was_taken_meanwhile_is_picked_anew(place):
    state = State(place / "a")
    kept, lost = state.port("kept"), state.port("lost")
    with socket.socket() as other:
        other.bind(("127.0.0.1", lost))
        other.listen()
        assert state.renew_taken_ports() == ["lost"]
    assert state.port("kept") == kept
    assert state.port("lost") not in (kept, lost)


def test_secrets_are_for_their_owner_alone(place):
    state = State(place / "a")
    assert state.secret("x") == State(place / "a").secret("x")
    assert (state.path("state.json").stat().st_mode & 0o077) == 0


def test_a_folder_that_servers_cannot_enter_is_a_link_to_one_that_they_can(place):
    closed = place / "home"
    closed.mkdir(mode=0o700)
    state = State(closed / "state")
    try:
        assert (closed / "state").is_symlink()
        assert str(state.root).startswith("/var/lib/emboux/")
        assert State(closed / "state").root == state.root
    finally:
        system.run(system.as_root(["rm", "-rf", str(state.root)]))


# -- Odoo's code -------------------------------------------------------------------------


def test_another_series_in_debian_says_how_to_go_on():
    with pytest.raises(SystemExit, match="odoo-20.*ODOO_SOURCE"):
        odoo_code._assert_series("odoo-20 - Open Source Apps\n")
    odoo_code._assert_series("odoo-19 - Open Source Apps\nodoo-20 - Open Source Apps\n")


def test_a_source_tree_of_another_series_is_refused(place):
    (place / "odoo").mkdir()
    with pytest.raises(SystemExit, match="no Odoo source tree"):
        odoo_code._checked(place)
    (place / "odoo" / "release.py").write_text("version_info = (18, 0, 0, 'final', 0, '')\n")
    with pytest.raises(SystemExit, match="holds Odoo 18.*ODOO_SOURCE"):
        odoo_code._checked(place)


def test_no_registry_host_is_named():
    files = subprocess.run(["git", "ls-files"], cwd=odoo_code.PROJECT, capture_output=True,
                           text=True, check=True).stdout.split()
    hosts = ["deb." + "debian.org", "py" + "pi.org", "pythonhosted" + ".org", "npm" + "js.org"]
    for name in files:
        if name.endswith((".png", ".pot", ".xz")):
            continue
        text = (odoo_code.PROJECT / name).read_text()
        assert not [host for host in hosts if host in text], name


# -- releases of Debian and of what it brings --------------------------------------------


def test_an_unsupported_system_is_told_the_supported_ones():
    system.release()  # this one is one of them
    debian = 'PRETTY_NAME="Debian GNU/Linux {0}"\nID=debian\nVERSION_ID="{0}"\n'
    assert system.release(debian.format(12)) == "bookworm"
    assert system.release(debian.format(13)) == "trixie"
    for text in (debian.format(11), debian.format(14), "",
                 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian'):
        with pytest.raises(SystemExit, match=r"12 \(bookworm\) and 13 \(trixie\)"):
            system.release(text)


def test_a_dovecot_that_nobody_has_tried_is_refused():
    assert dovecot.series("2.3.19.1 (9b53102964)\n") == "2.3"
    assert dovecot.series("2.4.1-4 (7d8c0e5759)\n") == "2.4"
    for said in ("2.5.0 (abc)\n", "3.0\n", "", "dovecot: not found"):
        with pytest.raises(SystemExit, match=r"2\.3 and 2\.4 \(Debian 12 and 13\)"):
            dovecot.series(said)


def test_each_file_of_dovecot_is_written(place):
    for name, files in dovecot.FILES.items():
        assert {path.name for path in (TEMPLATES / f"dovecot-{name}").iterdir()} == set(files)


def test_a_database_of_a_postgresql_that_is_gone_says_how_to_go_on(place):
    state = State(place / "a")
    state.fact("cluster", "9")
    with pytest.raises(SystemExit, match="of PostgreSQL 9, which is not installed"):
        postgres.prepare(state)


# -- a database that is kept -------------------------------------------------------------


def test_a_database_is_made_once_and_copied(place, state, monkeypatch):
    monkeypatch.setattr(state, "code", place)
    first, second = (kept_database.Kept(state, ["a", "b"], code) for code in ("code-1", "code-2"))
    files, copied = place / "files", place / "copied"
    files.mkdir()
    files.joinpath("attachment").write_text("text")
    for name in ("made", "copy"):
        postgres.drop(state, name)
        postgres.create(state, name)
    postgres.sql(state, """
        CREATE TABLE one(text text);
        INSERT INTO one VALUES ('row');
        ALTER TABLE one OWNER TO odoo;
        GRANT SELECT ON one TO emboux_mail;
    """, "made")
    try:
        with first.being_made():
            first.keep("made", files)
        assert not second.restore("copy", copied)
        assert first.restore("copy", copied)
        assert copied.joinpath("attachment").read_text() == "text"
        assert postgres.sql(state, "SET ROLE emboux_mail; SELECT text FROM one", "copy") == "row"
        assert postgres.sql(state, "SELECT tableowner FROM pg_tables"
                                   " WHERE tablename = 'one'", "copy") == "odoo"
        # what a kill left half-way is nobody's, and of older code nothing is kept
        place.joinpath("made", "a+b", "work").mkdir()
        with second.being_made():
            second.keep("made", place / "no-files")
        assert not first.restore("copy", copied)
        assert {p.name for p in place.joinpath("made", "a+b").iterdir()} == {"lock", "code-2"}
    finally:
        for name in ("made", "copy"):
            postgres.drop(state, name)


def test_installing_the_add_ons_warns_of_nothing(state):
    assert odoo_server.install_warnings(state) == []


def test_of_two_who_make_a_database_the_second_waits(place):
    kept = kept_database.Kept(State(place / "a"), ["a"], "code")

    def make():
        with kept.being_made():
            return "made"

    with kept.being_made():
        second = Task(make)
        second.join(timeout=0.5)
        assert second.is_alive()
    assert second.wait() == "made"


# -- templates and supervisor ------------------------------------------------------------


def test_a_template_word_without_a_value_is_an_error(place):
    assert (TEMPLATES / "postgres" / "postgresql.conf").exists()
    with pytest.raises(KeyError, match="PORT"):
        render("postgres/postgresql.conf", place / "x", {"DATA": "d", "HBA": "h"})


def test_a_server_that_ends_at_once_shows_its_last_words(place):
    supervisor = Supervisor(State(place / "a"), echo=False)
    service = Service("broken", ("sh", "-c", "echo no such disk; exit 7"), ready=lambda: False)
    with pytest.raises(SystemExit, match="exit code 7.*\n.*no such disk"):
        supervisor.start(service)
    supervisor.stop()


def test_what_a_killed_supervisor_left_is_ended(place):
    state = State(place / "a")
    left = Supervisor(state, echo=False)
    left.start(Service("sleeper", ("sleep", "1000"), ready=lambda: True))
    _service, process = left.running["sleeper"]
    reaper = threading.Thread(target=process.wait)
    reaper.start()  # what init does for a process whose parent is gone
    Supervisor(state, echo=False).end_leftovers()
    reaper.join(timeout=5)
    assert process.returncode is not None
