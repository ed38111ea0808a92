"""The database: one snapshot of it for the dump and for what the files have to agree with."""

import contextlib
import json
import subprocess
import tempfile

from .. import system
from .report import SECONDS

DUMP, ROLES = "database.dump", "roles.sql"
END = "-- end of answer"
# What a database is like that is made for the dump, and what runs on it.
FACTS = """
    SELECT json_build_object(
        'owner', pg_get_userbyid(datdba), 'collate', datcollate, 'ctype', datctype,
        'postgresql', current_setting('server_version_num')::int / 10000,
        'uuid', (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'),
        'odoo', (SELECT latest_version FROM ir_module_module WHERE name = 'base'),
        'addons', (SELECT json_object_agg(name, latest_version) FROM ir_module_module
                    WHERE name LIKE 'emboux\\_%' AND state = 'installed'))
      FROM pg_database WHERE datname = current_database()
"""
FILES = """
    SELECT coalesce(json_agg(DISTINCT store_fname), '[]') FROM ir_attachment
     WHERE store_fname IS NOT NULL
"""
# Suspended and archived ones too.
MAILBOXES = """
    SELECT coalesce(json_agg(json_build_object(
               'email', m.email, 'folder', m.mail_folder, 'counted', coalesce(u.messages, 0))
               ORDER BY m.email), '[]')
      FROM emboux_mailbox m
      JOIN emboux_domain d ON d.id = m.domain_id
      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
      LEFT JOIN emboux_mail.usage u ON u.username = m.email
     WHERE m.mail_folder IS NOT NULL
"""
# Roles belong to the cluster and not to the dump.  With their passwords as PostgreSQL keeps them
# (SCRAM), so that they fit the configuration of Postfix, Dovecot and the daemons.
ROLE_STATEMENTS = """
    SELECT format('SELECT %L WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %L) \\gexec',
               format('CREATE ROLE %I %s %s PASSWORD %L', rolname,
                   CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
                   CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE '' END, rolpassword), rolname)
      FROM pg_authid
     WHERE rolname LIKE 'emboux\\_%'
        OR oid IN (SELECT datdba FROM pg_database WHERE datname = current_database()
                    UNION SELECT refobjid FROM pg_shdepend
                           WHERE refclassid = 'pg_authid'::regclass AND dbid IN
                                 (SELECT oid FROM pg_database WHERE datname = current_database()))
     ORDER BY rolname
"""


class Snapshot:
    """The database as it is at one moment, for as long as the block lasts.

    Odoo removes no attachment from its folder meanwhile: before it does, it locks their table
    against writers, and this is one.  It tries again the next day.
    """

    def __init__(self, place):
        self._place, self._psql = place, None

    def __enter__(self):
        argv, environment = self._place.client("psql")
        self._psql = subprocess.Popen(
            [*argv, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self._place.database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, cwd="/")
        self.name = self._ask("""
            SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0;
            BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '60s';
            LOCK TABLE ir_attachment IN ROW EXCLUSIVE MODE;
            SELECT pg_export_snapshot()""")
        return self

    def __exit__(self, *_):
        self._psql.communicate()

    def _ask(self, statement):
        """The one value that the statements give."""
        lines = []
        try:
            self._psql.stdin.write(f"{statement};\n\\echo {END}\n")
            self._psql.stdin.flush()
            while (line := self._psql.stdout.readline()) != f"{END}\n":
                if not line:
                    raise BrokenPipeError
                lines.append(line)
        except BrokenPipeError:
            said = " ".join(self._psql.stderr.read().split())
            raise system.CommandFailed(
                f"The database {self._place.database} cannot be read: {said}") from None
        return "".join(lines).strip()

    def facts(self):
        return json.loads(self._ask(FACTS))

    def files(self):
        """Names in Odoo's filestore, of all that the database refers to."""
        return json.loads(self._ask(FILES))

    def mailboxes(self):
        """``email``, ``folder`` and how many messages Dovecot has ``counted``, of each mailbox."""
        return json.loads(self._ask(MAILBOXES))

    def roles(self):
        return self._ask(ROLE_STATEMENTS) + "\n"

    def dump(self, path, report):
        with path.open("wb") as target:
            _run(self._place, lambda: report.step(f"  {path.stat().st_size / 1e6:.0f} MB"),
                 "pg_dump", "-Fc", f"--snapshot={self.name}", "-d", self._place.database,
                 stdout=target)


def sql(place, statement, database="postgres"):
    argv, environment = place.client("psql")
    return system.run(
        [*argv, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database],
        input=statement, env=environment, cwd="/").strip()


def state_of(place, mark):
    """``missing``, ``empty``, ``restored`` (by a restore of that mark), else ``used``."""
    found = sql(place, "SELECT coalesce(shobj_description(oid, 'pg_database'), '-')"
                       f" FROM pg_database WHERE datname = {_literal(place.database)}")
    if not found:
        return "missing"
    if sql(place, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
           place.database) == "0":
        return "empty"
    return "restored" if found == mark else "used"


def has_mailbox(place, folder):
    """Whether one with this folder is in the database now."""
    return sql(place, f"SELECT 1 FROM emboux_mailbox WHERE mail_folder = {_literal(folder)}",
               place.database) == "1"


def major_version(place):
    return int(sql(place, "SELECT current_setting('server_version_num')::int / 10000"))


def restore(place, source, facts, mark, report):
    """Make the database anew, with the comment ``mark``, and fill it, wholly or not at all."""
    sql(place, (source / ROLES).read_text())
    name = _quoted(place.database)
    for statement in (
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} OWNER {_quoted(facts['owner'])} TEMPLATE template0"
        f" ENCODING 'UTF8' LC_COLLATE '{facts['collate']}' LC_CTYPE '{facts['ctype']}'",
    ):
        sql(place, statement)
    comment(place, mark)
    size = (source / DUMP).stat().st_size
    with (source / DUMP).open("rb") as dump:
        _run(place, lambda: report.step(f"  {100 * dump.tell() // size} % of the dump are read"),
             "pg_restore", "--exit-on-error", "--single-transaction",
             "-d", place.database, stdin=dump)


def comment(place, text):
    """``None`` removes it."""
    sql(place, f"COMMENT ON DATABASE {_quoted(place.database)} IS "
               + ("NULL" if text is None else _literal(text)))


def settle(place, mailboxes):
    """What follows from the mail that is there now: the use of each mailbox; and that who asks for
    changes by a cursor from before is told everything anew."""
    rows = [[m["email"], m["bytes"], m["messages"]] for m in mailboxes]
    sql(place, f"""
        BEGIN;
        INSERT INTO emboux_mail.usage AS u (username, bytes, messages)
        SELECT r->>0, (r->>1)::bigint, (r->>2)::bigint
          FROM json_array_elements({_literal(json.dumps(rows))}) AS r
            ON CONFLICT (username) DO UPDATE
           SET bytes = excluded.bytes, messages = excluded.messages;
        UPDATE ir_config_parameter SET value = '-' WHERE key = 'emboux_mail_api.cluster';
        COMMIT;
    """, place.database)


def _literal(text):
    """As a constant; psql, by which all is asked, takes no parameters beside the statement."""
    return "'" + text.replace("'", "''") + "'"


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _run(place, tell, program, *arguments, **streams):
    """``tell`` is called now and then while it runs."""
    argv, environment = place.client(program)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*argv, *arguments], env=environment, cwd="/", stderr=errors,
                                   **streams)
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS)
                    break
                tell()
        finally:
            process.kill()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()
    if process.returncode:
        raise system.CommandFailed(f"{program} ended with {process.returncode}: {said}")
