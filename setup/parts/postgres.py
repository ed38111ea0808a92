"""A private PostgreSQL cluster on loopback, its roles, and its databases."""

import os
import pwd
import subprocess
from pathlib import Path

from . import system
from .render import render
from .supervisor import Service

PACKAGES = ("postgresql",)
LIB = Path("/usr/lib/postgresql")  # Debian's, with a folder for each version

# What each program may do is granted by emboux_mail_api/sql/grants.sql, per database.
ROLES = {
    "odoo": "LOGIN CREATEDB",
    "emboux_mail": "LOGIN",  # Postfix and Dovecot: read the published views
    "emboux_usage": "LOGIN",  # Dovecot: write the use of each mailbox
    "emboux_dkim": "LOGIN",  # the signer: read its keys
    "emboux_relay": "LOGIN",  # Postfix: read by which relay mail leaves, with what login
    "emboux_queue": "LOGIN",  # the agent of Postfix' queue: write what is held, charge it
    "emboux_retention": "LOGIN",  # the daily purge: read what is kept how long, write what is done
    "emboux_transfer": "LOGIN",  # the reader of the mail servers' logs: write what was moved
    "emboux_inbound": "LOGIN",  # what hands mail to Odoo: read whose mail that is
    "emboux_webhooks": "LOGIN",  # what sends webhooks: read what is due, write what became of it
    "emboux_policy": "LOGIN",  # the outgoing policy: read limits, write what was sent
}


def _bin(program, version=None):
    """The program of a version (``"15"``), by default of the newest that is installed."""
    version = version or max((p.parents[1].name for p in LIB.glob("*/bin/postgres")), key=int)
    return str(LIB / version / "bin" / program)


def _owner():
    """PostgreSQL refuses to run as root; else the cluster is simply yours."""
    return "postgres" if system.is_root() else pwd.getpwuid(os.geteuid()).pw_name


def prepare(state):
    """Make the cluster (not its databases), or leave the one that is there.

    One of an older PostgreSQL, after an upgrade of Debian, is brought to the version of now.
    """
    owner = _owner()
    home, data = state.folder("postgres"), state.path("postgres", "data")
    if system.is_root():
        system.run(["chown", f"{owner}:", home])
    version = Path(_bin("postgres")).parents[1].name
    if not state.fact("cluster"):
        _make_cluster(state, data)
    elif state.fact("cluster") != version:
        _upgrade(state, data, state.fact("cluster"), version)
    state.fact("cluster", version)
    values = {
        "DATA": data,
        "HBA": home / "pg_hba.conf",
        "PORT": state.port("postgres"),
    }
    for name in ("postgresql.conf", "pg_hba.conf"):
        render(f"postgres/{name}", home / name, values)


def _make_cluster(state, data):
    owner, password = _owner(), state.path("postgres", "password")
    system.run(system.as_root(["rm", "-rf", str(data)]))
    system.run(
        system.as_user(owner, ["sh", "-c", f"umask 077; cat > '{password}'"]),
        input=state.secret("postgres") + "\n",
    )
    system.run(
        system.as_user(owner, [
            _bin("initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
            "--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions",
        ]),
        cwd="/",
    )
    system.run(system.as_root(["rm", "-f", str(password)]))


def _upgrade(state, data, old, new):
    """Copy the cluster into one of the newer version; the old one is kept beside it."""
    if not Path(_bin("postgres", old)).exists():
        raise SystemExit(
            f"The database in {data} is of PostgreSQL {old}, which is not installed; {new} is. "
            f"Install postgresql-{old} (an upgrade of Debian keeps it until you remove it) and "
            f"start again, or begin anew with --reset, which deletes all data."
        )
    print(f"Bringing the database from PostgreSQL {old} to {new} ...", flush=True)
    made, kept = data.with_name(f"data-{new}"), data.with_name(f"data-{old}")

    def as_owner(*argv, **options):
        system.run(system.as_user(_owner(), [str(word) for word in argv]), cwd=data.parent,
                   env={**os.environ, "PGPASSWORD": state.secret("postgres")}, **options)

    # an upgrade that was cut off goes on from what is there
    if not _is_folder(kept):
        _make_cluster(state, made)
        # recovers first what was not stopped in good order
        as_owner(_bin("postgres", old), "--single", "-D", data, "template1", input="")
        as_owner(_bin("pg_upgrade", new), "-U", "postgres", "-d", data, "-D", made,
                 "-b", LIB / old / "bin", "-B", LIB / new / "bin")
        as_owner("mv", data, kept)
    if _is_folder(made):
        as_owner("mv", made, data)
    print(f"  done; the old one is kept in {kept}, delete it once all is well", flush=True)


def _is_folder(path):
    return bool(system.run(system.as_root(["sh", "-c", f"[ -d '{path}' ] && echo yes || true"])))


def services(state):
    config = state.path("postgres", "postgresql.conf")
    return [
        Service(
            "postgres",
            (_bin("postgres"), "-c", f"config_file={config}"),
            ready=lambda: _answers(state),
            user=_owner() if system.is_root() else None,
            cwd="/",
            stop_signal="INT",  # "fast": does not wait for clients to leave
        )
    ]


def _answers(state):
    return not subprocess.run(
        [_bin("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(state.port("postgres"))],
        check=False,
    ).returncode


def sql(state, statement, database="postgres"):
    """Run SQL as the superuser; returns the rows as text, unaligned, without headings."""
    return _client(
        state, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database,
        input=statement,
    ).strip()


def dump(state, database, path):
    """Write all of a database to a file, as ``restore`` reads it."""
    _client(state, "pg_dump", "-Fc", "-Z1", "-f", path, database)


def dump_as_text(state, database):
    """All of a database as SQL, for ``sql`` to read; small where it is packed well."""
    return _client(state, "pg_dump", database)


def restore(state, database, path):
    """Fill an empty database; the roles must be there."""
    _client(state, "pg_restore", "--exit-on-error", "-d", database, path)


def client(state, program):
    """The command line of one of PostgreSQL's own programs as the superuser, and the variables
    of its environment."""
    return (
        [_bin(program), "-h", "127.0.0.1", "-p", str(state.port("postgres")), "-U", "postgres"],
        {"PGPASSWORD": state.secret("postgres")},
    )


def _client(state, program, *arguments, **options):
    """Run one of PostgreSQL's own programs as the superuser; returns its output."""
    argv, variables = client(state, program)
    return system.run([*argv, *arguments], env={**os.environ, **variables}, **options)


def make_roles(state):
    for role, options in ROLES.items():
        known = sql(state, f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'")
        verb = "ALTER" if known else "CREATE"
        sql(state, f"{verb} ROLE {role} WITH {options} PASSWORD '{state.secret(role)}'")


def exists(state, database):
    return sql(state, f"SELECT 1 FROM pg_database WHERE datname = '{database}'") == "1"


def create(state, database, template="template0"):
    # LC_COLLATE C as Odoo itself does: indexes then serve LIKE 'prefix%'
    sql(state, f'CREATE DATABASE "{database}" OWNER odoo TEMPLATE "{template}"'
               + (" ENCODING 'UTF8' LC_COLLATE 'C'" if template == "template0" else ""))


def drop(state, database):
    sql(state, f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
