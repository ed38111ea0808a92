"""Ending sessions by ``doveadm``: whose, and what is said when that does not work."""

import pytest
from emboux_daemons.queue.sessions import Dovecot, SessionError


@pytest.fixture
def doveadm(tmp_path):
    """A ``Dovecot`` whose program answers as told, and what it was called with."""

    def make(body):
        program, log = tmp_path / "doveadm", tmp_path / "log"
        program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n{body}\n')
        program.chmod(0o755)
        return Dovecot("/some/dovecot.conf", str(tmp_path)), log

    return make


def test_who_is_logged_in(doveadm):
    dovecot, log = doveadm(
        "printf 'username\\t#\\nann@a.example\\t1\\nbob@b.example\\t2\\n'")
    assert dovecot.users() == {"ann@a.example", "bob@b.example"}
    assert log.read_text() == "-c /some/dovecot.conf -f tab who\n"
    assert doveadm("")[0].users() == set()


def test_one_after_the_other_is_ended_and_nobody_by_a_wildcard(doveadm, caplog):
    dovecot, log = doveadm("exit 68")  # they have gone by themselves
    dovecot.end({"bob@b.example", "ann@a.example", "*@a.example"})
    assert log.read_text().splitlines() == [
        f"-c /some/dovecot.conf kick {user}" for user in ("ann@a.example", "bob@b.example")]
    assert "'*@a.example'" in caplog.text


@pytest.mark.parametrize(("body", "words"), [
    ("echo Fatal: no anvil >&2; exit 75", "ended with 75: Fatal: no anvil"),
    ("echo a list of something else", "no list of users"),
])
def test_doveadm_failures_are_reported(doveadm, body, words):
    with pytest.raises(SessionError, match=words):
        doveadm(body)[0].users()


def test_without_a_doveadm(tmp_path):
    with pytest.raises(SessionError, match="cannot be run"):
        Dovecot("/some/dovecot.conf", str(tmp_path)).users()
