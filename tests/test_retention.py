"""Old mail is removed by the real Dovecot, exactly what has expired, whatever ends the purge.

Nobody can wait for mail to grow old, so the purge is told another time (``purge_at.py``).
"""

import json
import os
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
from parts import dovecot, odoo_code, retention, system
from support.mail_client import eventually

DAY = 86_400
#: Folder to how many messages each of the mailboxes has, of each age.
FOLDERS = {"": 250, "Trash": 125, "Trash.Old": 125, "Archive": 125, "Sent": 125, "Own": 500}
BOXES = 4
#: Days by kind, looked at when the older half is 30 days old: of the inbox and of own folders the
#: older half has expired, of the trash all, of what was sent nothing, the archive is for ever.
RULE = {"retention_inbox": 30, "retention_other": 30, "retention_trash": 7, "retention_sent": 60}
KEPT_WHOLE, GONE_WHOLE = {"Archive", "Sent"}, {"Trash", "Trash.Old"}


class Maildirs:
    """The mailboxes of a new domain, on disk."""

    def __init__(self, state, hosting, connect, odoo, count):
        self.state, self.odoo = state, odoo
        self.domain, self.name = hosting.domain("keep")
        self.boxes = [hosting.mailbox(self.domain, f"box{n}") for n in range(count)]
        self.addresses = [f"box{n}@{self.name}" for n in range(count)]
        self.rows = connect("odoo").cursor()
        self.rows.execute("SELECT mail_folder FROM emboux_mailbox WHERE id = ANY(%s) ORDER BY id",
                          [self.boxes])
        self.paths = [state.path("mail", "vmail", folder, "Maildir")
                      for (folder,) in self.rows.fetchall()]
        self.config = str(state.path("dovecot", "dovecot.conf"))

    def doveadm(self, *arguments):
        return system.run(system.as_root(["/usr/bin/doveadm", "-c", self.config, *arguments]))

    def make(self, *folders):
        for address in self.addresses:
            for folder in (*folders, "INBOX"):
                # some are there already
                subprocess.run(system.as_root(
                    ["/usr/bin/doveadm", "-c", self.config, "mailbox", "create", "-u", address,
                     folder]), check=False, capture_output=True)

    def fill(self, counts, tag):
        for path in self.paths:
            system.run(system.as_root([
                self.python, str(odoo_code.PROJECT / "tests" / "support" / "fill_maildir.py"),
                str(path), json.dumps(counts), tag]), cwd="/")

    @property
    def python(self):
        return str(self.state.code / "venv" / "bin" / "python")

    def found(self):
        """{(number of the mailbox, folder, tag, number of the message)}"""
        listed = system.run(system.as_root(
            ["find", *map(str, self.paths), "-type", "f", "-path", "*/cur/*"]))
        result = set()
        for line in listed.splitlines():
            path = Path(line)
            maildir = next(p for p in self.paths if p in path.parents)
            folder = path.parent.parent.relative_to(maildir)
            _seconds, unique, *_ = path.name.split(".")
            number, _p, tag = unique.removeprefix("M").partition("P")
            result.add((self.paths.index(maildir), str(folder).lstrip("."), tag, int(number)))
        return result

    def purge(self, now, dry_run=False):
        """The process of a purge at that time."""
        wish = {
            "database": {"host": "127.0.0.1", "port": self.state.port("postgres"),
                         "dbname": "e2e", "user": "emboux_retention",
                         "password": self.state.secret("emboux_retention")},
            "config": self.config, "domain": self.name, "now": now, "dry_run": dry_run,
            "user": dovecot.OWNER,
        }
        return subprocess.Popen(
            system.as_root([
                "/usr/bin/env",
                f"PYTHONPATH={odoo_code.PROJECT / 'tests'}:{odoo_code.PROJECT / 'emboux_mail_api'}",
                "PYTHONDONTWRITEBYTECODE=1", self.python, "-m", "support.purge_at",
                json.dumps(wish)]),
            stdout=subprocess.PIPE, text=True, cwd="/", start_new_session=True)

    def purged(self, now, **options):
        """(found, removed, problems) of a purge at that time that runs to its end."""
        process = self.purge(now, **options)
        said, _errors = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return tuple(json.loads(said))

    def counted(self):
        """What Odoo shows of the domain: (removed by the last run, removed so far)."""
        self.rows.execute(
            """SELECT coalesce(sum(removed), 0)::int, sum(removed_total)::int
                 FROM emboux_mail.retention WHERE mailbox_id = ANY(%s)""", [self.boxes])
        return self.rows.fetchone()


@pytest.fixture
def maildirs(state, hosting, connect, odoo):
    return lambda count: Maildirs(state, hosting, connect, odoo, count)


@pytest.fixture
def mixed(maildirs, odoo):
    """10,000 messages in two ages, with the time at which the older ones are 30 days old."""
    mail = maildirs(BOXES)
    mail.make(*filter(None, FOLDERS))
    mail.fill(FOLDERS, "old")
    time.sleep(1.5)  # Dovecot knows when mail was saved to the second
    between = int(time.time())
    time.sleep(1.5)
    mail.fill(FOLDERS, "new")
    odoo("emboux.domain").write([mail.domain], RULE)
    return mail, between + 30 * DAY


def survivors(before):
    return {(box, folder, tag, number) for box, folder, tag, number in before
            if folder not in GONE_WHOLE and (folder in KEPT_WHOLE or tag == "new")}


def test_ten_thousand_messages_killed_halfway(mixed, mail, hosting, odoo):
    mailboxes, now = mixed
    before = mailboxes.found()
    assert len(before) == 10_000
    kept = survivors(before)
    assert mailboxes.purged(now, dry_run=True) == (len(before - kept), 0, 0)
    assert mailboxes.found() == before, "a dry run removes nothing"

    process = mailboxes.purge(now)
    # the first mailbox is done, a later one is not
    trash = mailboxes.paths[0] / ".Trash" / "cur"

    def left():
        return int(system.run(system.as_root(
            ["sh", "-c", 'ls "$0" | wc -l', str(trash)])))

    deadline = time.monotonic() + 60
    while left() == 250:
        assert process.poll() is None and time.monotonic() < deadline
    system.run(system.as_root(["sh", "-c", 'kill -s KILL -- "-$0"', str(process.pid)]))
    process.wait()
    halfway = mailboxes.found()
    assert kept < halfway < before, "killed halfway"
    time.sleep(1)

    assert mailboxes.purged(now)[2] == 0
    assert mailboxes.found() == kept
    # what the killed run removed is counted too
    assert mailboxes.counted()[1] == len(before - kept)
    [row] = odoo("emboux.domain").read([mailboxes.domain], ["retention_removed", "retention_note"])
    assert row["retention_removed"] == len(before - kept)
    assert not row["retention_note"]

    # mail programs see the same, and nothing more is removed
    for number, address in enumerate(mailboxes.addresses):
        inbox = mail.subjects(address, hosting.PASSWORD)
        assert sorted(inbox) == sorted(f"new {m}" for b, folder, _tag, m in kept
                                       if (b, folder) == (number, ""))
    assert mailboxes.purged(now) == (0, 0, 0)
    assert mailboxes.found() == kept


def test_a_newer_rule_keeps_what_it_keeps(maildirs, odoo):
    """The rule is changed after the purge has begun, before it comes to the mailbox."""
    mailboxes = maildirs(1)
    mailboxes.make()
    mailboxes.fill({"": 20}, "old")
    now = int(time.time()) + 31 * DAY
    odoo("emboux.domain").write([mailboxes.domain], {"retention_inbox": 30})
    assert mailboxes.purged(now, dry_run=True)[0] == 20
    odoo("emboux.domain").write([mailboxes.domain], {"retention_inbox": 365})
    assert mailboxes.purged(now) == (0, 0, 0)
    assert len(mailboxes.found()) == 20


def test_what_is_suspended_is_frozen(maildirs, odoo):
    mailboxes = maildirs(2)
    mailboxes.make()
    mailboxes.fill({"": 5}, "old")
    now = int(time.time()) + 31 * DAY
    odoo("emboux.domain").write([mailboxes.domain], {"retention_inbox": 30})
    odoo("emboux.mailbox").action_suspend([mailboxes.boxes[0]])
    assert mailboxes.purged(now) == (5, 5, 0)
    assert {box for box, *_ in mailboxes.found()} == {0}
    odoo("emboux.mailbox").action_activate([mailboxes.boxes[0]])
    assert mailboxes.purged(now) == (5, 5, 0)


def test_trash_counts_from_when_it_was_thrown_away(maildirs, hosting, mail, odoo):
    """A message that is moved begins anew in its folder, however long it was in the other."""
    mailboxes = maildirs(1)
    mailboxes.make()
    mailboxes.fill({"": 3}, "old")
    address = mailboxes.addresses[0]
    client = mail.imap(address, hosting.PASSWORD)
    client.select("INBOX")
    client.fetch("1:3", "(UID INTERNALDATE)")
    time.sleep(1.5)
    between = int(time.time())
    time.sleep(1.5)
    answer, text = client.uid("MOVE", "1:2", "Trash")
    assert answer == "OK", text
    client.logout()
    odoo("emboux.domain").write(
        [mailboxes.domain], {"retention_inbox": 30, "retention_trash": 30})
    assert mailboxes.purged(between + 30 * DAY) == (1, 1, 0)
    assert len(mail.subjects(address, hosting.PASSWORD, "Trash")) == 2
    assert mailboxes.purged(between + 31 * DAY) == (2, 2, 0)


def test_the_command(state, status, maildirs, odoo):
    """As an operator would run it, and as the world runs it every hour."""
    mailboxes = maildirs(1)
    mailboxes.make()
    mailboxes.fill({"": 2}, "old")
    odoo("emboux.domain").write([mailboxes.domain], {"retention_inbox": 1})

    def run(*options):
        return system.run(system.as_root(retention.command(
            state, status["postgres"]["db"], "--domain", mailboxes.name, *options)))

    assert "0 messages would be removed from 1 mailboxes" in run("--dry-run")
    assert f"{mailboxes.name}: 0 messages removed from 1 mailboxes" in run()
    assert "no mailbox is due" in run()
    assert "0 messages removed from 1 mailboxes" in run("--all")
    assert len(mailboxes.found()) == 2
    [row] = odoo("emboux.domain").read([mailboxes.domain], ["retention_last_run"])
    assert row["retention_last_run"]
    pids = json.loads(state.path("run", "pids.json").read_text())
    pid = pids["retention"][0]
    owner = eventually("the purge of the world", lambda: os.stat(f"/proc/{pid}").st_uid)
    assert owner != 0, "it has given root's rights up"


def test_its_role_reads_rules_alone(connect):
    cursor = connect("emboux_retention").cursor()
    cursor.execute("SELECT count(*) FROM emboux_mail.retention_rules")
    for statement in ("SELECT * FROM emboux_mailbox", "SELECT * FROM emboux_mail.logins",
                      "DELETE FROM emboux_mail.retention", "SELECT * FROM emboux_mail.sieve",
                      "UPDATE emboux_domain SET retention_inbox = 1"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
