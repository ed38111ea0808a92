"""A private PostgreSQL cluster on loopback, its roles, and its databases."""

import os
import pwd
import subprocess
from pathlib import Path

from . import system
from .render import render
from .supervisor import Service

PACKAGES = ("postgresql",)

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
    "emboux_policy": "LOGIN",  # the outgoing policy: read limits, write what was sent
}


def _bin(program):
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return str(versions[-1] / program)


def _owner():
    """PostgreSQL refuses to run as root; else the cluster is simply yours."""
    return "postgres" if system.is_root() else pwd.getpwuid(os.geteuid()).pw_name


def prepare(state):
    """Make the cluster (not its databases), or leave the one that is there."""
    owner = _owner()
    home, data = state.folder("postgres"), state.path("postgres", "data")
    if system.is_root():
        system.run(["chown", f"{owner}:", home])
    if not state.fact("cluster"):
        system.run(system.as_root(["rm", "-rf", str(data)]))
        password = home / "password"
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
        state.fact("cluster", Path(_bin("postgres")).parents[1].name)
    values = {
        "DATA": data,
        "HBA": home / "pg_hba.conf",
        "PORT": state.port("postgres"),
    }
    for name in ("postgresql.conf", "pg_hba.conf"):
        render(f"postgres/{name}", home / name, values)


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
    return system.run(
        [
            _bin("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-h", "127.0.0.1", "-p", str(state.port("postgres")),
            "-U", "postgres", "-d", database,
        ],
        input=statement,
        env={**os.environ, "PGPASSWORD": state.secret("postgres")},
    ).strip()


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
