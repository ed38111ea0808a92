"""A world that was backed up while mail arrived, and restored into an empty one, is the same; and a
backup that is not whole never passes for one."""

import collections
import contextlib
import json
import subprocess
import sys
import threading
import time

import psycopg2
import pytest
from parts import dovecot, odoo_code, odoo_server, system, tls
from parts.mail import Database
from parts.world import World
from support.mail_client import Mail, eventually

SETUP = odoo_code.PROJECT / "setup"
OUTSIDE = "ann@outside.tests.example"
#: Of a mailbox: everything that a mail program or a rule goes by.  ``date.saved`` is looked at by
#: itself.
FIELDS = "mailbox uid guid flags date.received size.physical size.virtual"
STATUS = "guid uidvalidity uidnext messages unseen vsize"
#: What a restore or the world itself changes: table to columns (None: whatever is in it), each with
#: the reason.
MAY_DIFFER = {
    # a restore counts the use anew, and numbers of transactions are the cluster's own
    "emboux_mail.usage": {"written_by"},
    "public.emboux_change": {"written_by"},
    # the world that was backed up runs on: jobs, agents, who is logged in
    "public.ir_cron": {"lastcall", "nextcall", "write_date", "failure_count"},
    "public.ir_cron_progress": None,
    "public.ir_cron_trigger": None,
    "public.emboux_queue_agent": {"seen_at", "reloaded_at", "write_date"},
    "public.emboux_daemon": None,
    "emboux_mail.log_position": {"offset", "read_at"},
    "emboux_mail.log_session": None,
    "public.bus_bus": None,
    "public.bus_presence": None,
    "public.mail_presence": None,
    "public.res_device_log": None,
}
#: A row by itself: it makes who asks for changes be told everything (emboux.change).
NOT_COMPARED = {("public.ir_config_parameter", "emboux_mail_api.cluster")}


class Backups:
    """The two commands, as an operator runs them, for the world of these tests."""

    def __init__(self, state, database):
        self.state, self.database = state, database
        self.folder = state.path("backups")
        self.restored = state.path("restored")
        self.clean()

    def clean(self):
        root("rm", "-rf", "--one-file-system", self.folder, self.restored)

    def start(self, command, *options, env=()):
        argv = ["/usr/bin/env", *env, sys.executable, "-B", str(SETUP / command),
                *map(str, options)]
        return subprocess.Popen(system.as_root(argv), stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, command, *options, **more):
        """(exit code, what it said)"""
        process = self.start(command, *options, **more)
        said, _none = process.communicate(timeout=300)
        return process.returncode, said

    @property
    def options(self):
        return "--state", self.state.root, "--database", self.database

    def backup(self, *options, folder=None):
        return self.run("backup", *self.options, *options, folder or self.folder)

    def as_on_a_host(self, *options):
        """The same by the options of a real host, in a file."""
        file = self.state.path("run", "backup-options")
        file.write_text("\n".join((
            f"--database={self.database}", f"--mail-root={self.state.path('mail', 'vmail')}",
            f"--filestore={odoo_server.filestore(self.state, self.database)}",
            f"--dovecot={self.state.path('dovecot', 'dovecot.conf')}", "--also=/etc/hostname",
        )) + "\n")
        return self.run("backup", f"@{file}", *options, self.folder, env=(
            "PGHOST=127.0.0.1", f"PGPORT={self.state.port('postgres')}", "PGUSER=postgres",
            f"PGPASSWORD={self.state.secret('postgres')}"))

    def whole(self, folder=None):
        """The names of the backups that are whole."""
        found = root("find", folder or self.folder, "-maxdepth", "2", "-name", "manifest.json")
        return sorted(line.split("/")[-2] for line in found.splitlines()
                      if "unfinished" not in line)

    def manifest(self, name):
        return json.loads(root("cat", self.folder / name / "manifest.json"))

    def restore(self, *options, source=None):
        return self.run("restore", "--state", self.restored, "--database", self.database, *options,
                        source or self.folder)


def root(*argv, **options):
    return system.run(system.as_root([str(word) for word in argv]), **options)


class Boxes:
    """Mailboxes of every kind, with mail of every kind."""

    def __init__(self, state, hosting, odoo, mail):
        self.state, self.hosting, self.odoo, self.mail = state, hosting, odoo, mail
        self.domain, self.name = hosting.domain("saved")
        self.numbers = {
            local: hosting.mailbox(self.domain, local, **values)
            for local, values in (
                ("ann", {"vacation_on": True, "vacation_subject": "Away",
                         "vacation_text": "Back."}),
                ("suspended", {}), ("archived", {}), ("full", {"quota_mb": 1}), ("empty", {}))
        }
        self._fill()
        odoo("emboux.alias").create({"domain_id": self.domain, "local_part": "team",
                                     "destinations": f"ann@{self.name}\n{OUTSIDE}"})
        odoo("ir.attachment").create({"name": "notes.txt", "raw": "of the backup's test"})
        odoo("emboux.mailbox").action_suspend([self.numbers["suspended"]])
        odoo("emboux.mailbox").write([self.numbers["archived"]], {"active": False})

    def address(self, local):
        return f"{local}@{self.name}"

    def _fill(self):
        for local in ("ann", "suspended", "archived"):
            self.mail.from_outside(OUTSIDE, self.address(local), f"to {local}")
            self.mail.arrives(self.address(local), self.hosting.PASSWORD, f"to {local}")
        client = self.mail.imap(self.address("ann"), self.hosting.PASSWORD)
        for folder in ("Archive.2026", "B&APw-cher", '"with blank"', "Empty"):
            assert client.create(folder)[0] == "OK"
        client.subscribe("B&APw-cher")
        texts = [b"From: a@b.example\r\nSubject: %d\r\n\r\n%s" % (number, body)
                 for number, body in enumerate((b"", b"\xff\xfe 8 bit \xe4\r\n", b"x" * 300_000,
                                                b"From quoted\r\n.dot\r\n"))]
        date = '"01-Feb-2020 03:04:05 +0100"'
        for folder in ("INBOX", "Archive.2026", "B&APw-cher", '"with blank"'):
            for flags, text in zip(("", "(\\Seen \\Flagged)", "(\\Answered $Label1 own)",
                                    "(\\Deleted \\Draft)"), texts, strict=True):
                assert client.append(folder, flags, date, text)[0] == "OK"
        client.select("INBOX")  # a gap in the numbers, in the middle and at the end
        client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        client.uid("EXPUNGE", "2")
        client.logout()
        client = self.mail.imap(self.address("full"), self.hosting.PASSWORD)
        assert client.append("INBOX", "", None, b"Subject: x\r\n\r\n" + b"y" * 1_040_000)[0] == "OK"
        assert client.append("INBOX", "", None, b"z" * 100_000)[0] == "NO"
        client.logout()
        sieve = ["/usr/bin/doveadm", "-c", self.state.path("dovecot", "dovecot.conf"), "sieve"]
        root(*sieve, "put", "-u", self.address("ann"), "own",
             input='require "fileinto"; if header :contains "subject" "file" '
                   '{ fileinto "Archive"; }')
        root(*sieve, "activate", "-u", self.address("ann"), "own")


def rows(connection):
    """Table to its rows, each a dictionary of texts."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT format('%I.%I', table_schema, table_name), array_agg(column_name::text)
              FROM information_schema.columns c JOIN information_schema.tables t
                   USING (table_schema, table_name)
             WHERE table_type = 'BASE TABLE' AND table_schema IN ('public', 'emboux_mail')
             GROUP BY 1""")
        found = {}
        for table, columns in cursor.fetchall():
            wanted = sorted(set(columns) - (MAY_DIFFER.get(table, set()) or set()))
            cursor.execute("SELECT {} FROM {}".format(  # noqa: UP032
                ", ".join(f'"{column}"::text' for column in wanted), table))
            found[table] = collections.Counter(
                row for row in cursor.fetchall() if not any(
                    (table, value) in NOT_COMPARED for value in row))
        return found


def is_at_rest(connection):
    """Whether the reader of the logs has nothing left to count."""

    def counted():
        with connection.cursor() as cursor:
            cursor.execute("""
                SELECT (SELECT sum(bytes_in + bytes_out) FROM emboux_mail.transfer),
                       (SELECT sum("offset") FROM emboux_mail.log_position)""")
            return cursor.fetchone()

    before = counted()
    time.sleep(3)  # more than one round of it
    return counted() == before


def doveadm(state, home, command, *arguments):
    """What doveadm says of the mailbox in the folder ``home``, as of no user."""
    alone, plain = [], ["-o", "mail_plugins="]
    if dovecot.series(system.run(["/usr/sbin/dovecot", "--version"])) == "2.4":
        alone = ["--no-userdb-lookup"]
        plain = ["-o", "mail_plugins/quota=no", "-o", "mail_plugins/quota_clone=no"]
    return json.loads(system.run(system.as_user(dovecot.OWNER, [
        "/usr/bin/env", "USER=nobody", "/usr/bin/doveadm", "-c",
        str(state.path("dovecot", "dovecot.conf")), *plain, "-o", f"mail_home={home}",
        "-f", "json", *command.split(), *alone, *arguments]), cwd="/") or "[]")


def mail_of(state, folder):
    """(folders, messages, files) of a mailbox on disk, as Dovecot sees it."""
    home = state.path("mail", dovecot.OWNER, folder)
    def ask(*arguments):
        return doveadm(state, home, *arguments)

    def plainly(found):
        for row in found:  # \Recent is of a session
            if "flags" in row:
                row["flags"] = sorted(set(row["flags"].split()) - {"\\Recent"})
        return sorted(found, key=json.dumps)

    hashes = root("find", home, "-type", "f", "(", "-path", "*/cur/*", "-o", "-path", "*/new/*",
                  "-o", "-name", "*.sieve", ")", "-exec", "sha256sum", "{}", "+")
    links = root("find", home, "-maxdepth", "1", "-type", "l", "-printf", "%P %l\n")
    subscribed = ask("mailbox list", "-s")
    return (plainly(ask("mailbox status", STATUS, "*")), plainly(ask("fetch", FIELDS, "ALL")),
            sorted(line.split()[0] for line in hashes.splitlines()), links, subscribed)


@pytest.fixture(scope="module")
def backups(state, status):
    backups = Backups(state, status["postgres"]["db"])
    yield backups
    backups.clean()


@pytest.fixture(scope="module")
def boxes(state, hosting, odoo, mail):
    return Boxes(state, hosting, odoo, mail)


@pytest.fixture(scope="module")
def saved(backups, boxes, mail, connection):
    """Two backups, the first of which was made while mail arrived; what each said."""
    ended, sent = threading.Event(), []

    def deliver():
        while not ended.is_set():
            sent.append(f"meanwhile {len(sent)}")
            mail.from_outside(OUTSIDE, boxes.address("ann"), sent[-1])

    sender = threading.Thread(target=deliver)
    sender.start()
    try:
        first = backups.backup()
    finally:
        ended.set()
        sender.join()
    mail.arrives(boxes.address("ann"), boxes.hosting.PASSWORD, sent[-1])
    with contextlib.closing(connection("odoo")) as opened:
        eventually("all that was logged is counted", lambda: is_at_rest(opened))
    return first, backups.backup(), sent


class Restored:
    """The world that the latest backup was restored into: PostgreSQL and Dovecot run."""

    def __init__(self, backups):
        self._world = World(backups.restored, database=backups.database, echo=False)
        self.state = self._world.state
        assert self._world.lock()
        self._world.start_database()
        tls.prepare(self.state)
        dovecot.prepare(self.state, Database(self.state.port("postgres"), backups.database))
        for service in dovecot.services(self.state):
            self._world.supervisor.start(service)

    def stop(self):
        if self._world:
            self._world.stop()
        self._world = None  # and its lock


@pytest.fixture(scope="module")
def before(saved, connection):
    """The rows of the world that was backed up."""
    with contextlib.closing(connection("odoo")) as opened:
        return rows(opened)


@pytest.fixture(scope="module")
def world(before, backups):
    code, said = backups.restore()
    assert code == 0, said
    restored = Restored(backups)
    yield restored
    restored.stop()


def test_a_backup_while_mail_arrives_and_one_of_what_is_new(saved, backups, boxes):
    (code, said), (again, said_again), sent = saved
    assert (code, again) == (0, 0), said + said_again
    assert len(sent) > 3, "mail arrived meanwhile"
    first, second = backups.whole()
    was, now = backups.manifest(first), backups.manifest(second)
    assert not was["problems"] and not now["problems"]
    [ann] = [m for m in now["mailboxes"] if m["email"] == boxes.address("ann")]
    assert ann["messages"] == 16 + len(sent)
    # all files of messages that were there are the same files
    listed = [root("find", backups.folder / name / "mail", "-type", "f", "(", "-path", "*/cur/*",
                   "-o", "-path", "*/new/*", ")", "-printf", "%i\n").split()
              for name in (first, second)]
    assert set(listed[0]) <= set(listed[1]) or now["mailboxes"] == was["mailboxes"]
    assert len(set(listed[1]) - set(listed[0])) <= len(sent)
    attachments = [root("find", backups.folder / name / "filestore", "-type", "f", "-printf",
                        "%i\n").split() for name in (first, second)]
    assert len(attachments[0]) > 50 and set(attachments[0]) <= set(attachments[1])


def test_each_message_is_there_as_it_was(world, connect, state, boxes):
    restored = world.state
    cursor = connect("odoo").cursor()
    cursor.execute("SELECT email, mail_folder FROM emboux_mailbox")
    compared = 0
    for address, folder in cursor.fetchall():
        if not is_there(state.path("mail", dovecot.OWNER, folder)):
            assert not is_there(restored.path("mail", dovecot.OWNER, folder)), address
            continue
        was, now = (mail_of(where, folder) for where in (state, restored))
        assert now == was, address
        compared += len(was[1])
        if address == boxes.address("ann"):
            assert len(was[0]) >= 6 and len(was[2]) == len(was[1]) + 1 and was[3] and was[4]
    assert compared > 20


def test_each_setting_is_there_as_it_was(world, before, backups):
    restored, was = world.state, before
    with contextlib.closing(psycopg2.connect(
            host="127.0.0.1", port=restored.port("postgres"), dbname=backups.database, user="odoo",
            password=restored.secret("odoo"))) as opened:
        now = rows(opened)
    assert sorted(now) == sorted(was)
    different = {
        table: (list((was[table] - now[table]).elements())[:3],
                list((now[table] - was[table]).elements())[:3])
        for table in was if now[table] != was[table] and MAY_DIFFER.get(table, ()) is not None}
    assert not different, json.dumps(different, indent=1)
    assert sum(map(len, now.values())) > 10_000


def test_people_log_in_at_the_restored_world(world, boxes, mail):
    restored = world.state
    there = Mail({"imaps": {"port": restored.port("imaps")}},
                 str(restored.path("tls", "ca-bundle.pem")))
    assert there.subjects(boxes.address("ann"), boxes.hosting.PASSWORD) == (
        mail.subjects(boxes.address("ann"), boxes.hosting.PASSWORD))
    assert not there.can_login(boxes.address("suspended"), boxes.hosting.PASSWORD)
    client = there.imap(boxes.address("full"), boxes.hosting.PASSWORD)
    assert client.append("INBOX", "", None, b"z" * 100_000)[0] == "NO", "its quota is full here too"
    client.logout()


def test_how_long_mail_is_kept_goes_on(world, state, boxes, connect):
    """By the day on which a backup first had it, not by the day of the restore."""
    restored = world.state
    cursor = connect("odoo").cursor()
    cursor.execute("SELECT mail_folder FROM emboux_mailbox WHERE email = %s",
                   [boxes.address("suspended")])
    [folder] = cursor.fetchone()
    made = root("stat", "-c", "%Y", state.path("backups")).strip()
    assert doveadm(restored, restored.path("mail", dovecot.OWNER, folder),
                   "fetch", "date.saved", "savedbefore", made, "ALL")


# -- what goes wrong ---------------------------------------------------------------------


def is_there(path):
    return not subprocess.run(system.as_root(["test", "-e", str(path)]), check=False).returncode


@pytest.fixture
def copy(backups, saved, state):
    """A copy of the latest backup, to be damaged: its folder."""
    folder = state.path("damaged")
    root("rm", "-rf", folder)
    root("cp", "-al", backups.folder / backups.whole()[-1], folder)
    yield folder
    root("rm", "-rf", folder)


def change_manifest(folder, change):
    path = folder / "manifest.json"
    facts = json.loads(root("cat", path))
    change(facts)
    root("rm", path)
    root("tee", path, input=json.dumps(facts))


def one_file(folder, *tests):
    return root("find", folder, "-type", "f", *tests).splitlines()[0]


def test_a_damaged_file_is_named_and_nothing_restored(copy, backups):
    path = one_file(copy / "mail", "-path", "*/cur/*")
    root("sh", "-c", 'cp "$0" "$0.new" && printf x | dd of="$0.new" conv=notrunc status=none '
                     '&& mv "$0.new" "$0"', path)
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and path.removeprefix(f"{copy}/") in said and "another checksum" in said
    code, said = backups.restore("--replace", source=copy)
    assert code == 2 and "Not restored" in said


def test_missing_files_are_named(copy, backups):
    root("rm", copy / "database.dump", one_file(copy / "filestore"))
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and "database.dump: is missing" in said and said.count("is missing") == 2
    root("rm", copy / "contents.jsonl")
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and "contents.jsonl is missing or damaged" in said


def test_another_format_is_refused(copy, backups):
    change_manifest(copy, lambda facts: facts.update(format=2))
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and "of format 2, this program reads 1" in said
    root("sh", "-c", 'rm "$0"; echo "{" > "$0"', copy / "manifest.json")
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and "manifest.json is damaged" in said
    root("rm", copy / "manifest.json")
    code, said = backups.run("restore", "--check", copy)
    assert code == 2 and "no whole backup" in said


def test_killed_midway_it_is_no_backup_and_goes_on(backups, saved, boxes):
    """And a message that the backup before has lost is copied again."""
    before = backups.whole()
    [ann] = [m for m in backups.manifest(before[-1])["mailboxes"]
             if m["email"] == boxes.address("ann")]
    root("rm", one_file(backups.folder / before[-1] / "mail" / ann["folder"] / "Maildir" / "cur"))
    process = backups.start("backup", *backups.options, backups.folder)
    work = backups.folder / "unfinished"
    while not is_there(work / "mail"):
        assert process.poll() is None
        time.sleep(0.01)
    root("sh", "-c", 'kill -s KILL -- "-$0"', process.pid)
    process.wait()
    assert backups.whole() == before and is_there(work / "database.dump")
    code, said = backups.run("restore", "--check", work)
    assert code == 2 and "was cut off" in said
    code, said = backups.as_on_a_host("--keep", "2")
    assert code == 0, said
    assert len(backups.whole()) == 2 and backups.whole()[0] == before[1], "the oldest is removed"
    assert not is_there(work)
    code, said = backups.run("restore", "--check", backups.folder)
    assert code == 0, said
    assert ann in backups.manifest(backups.whole()[-1])["mailboxes"]
    latest = backups.folder / backups.whole()[-1]
    assert root("tar", "-tf", latest / "files.tar") == "etc/hostname\n"
    code, said = backups.restore("--replace")
    assert code == 2 and "of a real host" in said


@pytest.mark.parametrize("has_room_for", ["half of the database", "all but the mail"])
def test_a_full_disk_makes_no_backup(backups, saved, state, has_room_for):
    latest, small = backups.folder / backups.whole()[-1], state.path("small")
    if has_room_for == "all but the mail":
        kilobytes = int(root("du", "-sk", "--exclude=mail", latest).split()[0]) + 200
    else:
        kilobytes = int(root("du", "-k", latest / "database.dump").split()[0]) // 2
    small.mkdir(exist_ok=True)
    root("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "tmpfs", small)
    try:
        code, said = backups.backup(folder=small)
        assert code == 2 and "No backup was made" in said and "No space left" in said, said
        assert backups.whole(small) == []
    finally:
        root("umount", small)
        small.rmdir()


def test_a_mailbox_that_cannot_be_read_is_named(backups, saved, boxes, state, connect):
    cursor = connect("odoo").cursor()
    homes = {}
    for local in ("ann", "full"):
        cursor.execute("SELECT mail_folder FROM emboux_mailbox WHERE email = %s",
                       [boxes.address(local)])
        homes[local] = state.path("mail", dovecot.OWNER, cursor.fetchone()[0])
    latest = backups.whole()[-1]
    aside = state.path("mail", "aside")
    root("chmod", "0", homes["ann"] / "Maildir")
    root("mv", homes["full"], aside)
    try:
        code, said = backups.backup("--keep", "1")
    finally:
        root("chmod", "700", homes["ann"] / "Maildir")
        root("mv", aside, homes["full"])
    assert code == 1 and f"MISSING: mailbox {boxes.address('ann')}" in said, said
    assert f"MISSING: mailbox {boxes.address('full')}: {homes['full']} is not there, and" in said
    assert latest in backups.whole(), "an older one that is whole is not removed for it"
    facts = backups.manifest(backups.whole()[-1])
    assert len(facts["problems"]) == 2
    assert all(f"its copy of {latest} is kept" in problem for problem in facts["problems"])
    kept, now = (
        {m["email"]: m for m in backups.manifest(name)["mailboxes"]}
        for name in (latest, backups.whole()[-1]))
    assert kept == now
    code, said = backups.run("restore", "--check", backups.folder)
    assert code == 1 and boxes.address("ann") in said


def test_a_restore_over_something_and_one_that_is_killed(world, backups, copy, state, boxes):
    code, said = backups.restore()
    assert code == 2 and "runs: stop it first" in said
    world.stop()
    code, said = backups.restore(source=copy)
    assert code == 2 and "nothing was changed" in said
    for place in (f"the database {backups.database}", "filestore", "mail/vmail"):
        assert place in said.partition("There is something already: ")[2], said
    change_manifest(copy, lambda facts: facts["database"].update(
        postgresql=99, addons=facts["database"]["addons"] | {"emboux_core": "19.0.99.0.0"}))
    code, said = backups.restore("--replace", source=copy)
    assert code == 2 and "PostgreSQL 99, emboux_core 19.0.99.0.0, which is newer" in said

    source = backups.folder / backups.whole()[-1]  # the one with problems
    process = backups.start("restore", "--state", backups.restored, "--database", backups.database,
                            "--replace", source)
    mark = backups.restored / "mail" / dovecot.OWNER / ".being-restored"
    while not is_there(mark):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.5)  # in the database
    root("sh", "-c", 'kill -s KILL -- "-$0"', process.pid)
    process.wait()
    code, said = backups.restore(source=source)
    assert code == 1 and "Restored." in said and not is_there(mark), said
    folder = root("ls", mark.parent).split()[0]
    assert is_there(mark.parent / folder / "Maildir")
