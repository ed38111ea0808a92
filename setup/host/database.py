"""Odoo's database, seen from the mail host: whether each program gets in, and may do its work."""

import os
import re
import subprocess

from parts import system

from .findings import bad, good, note
from .passwords import ROLES

PACKAGES = ("postgresql-client",)
RIGHTS = "SELECT has_schema_privilege('emboux_mail', 'USAGE')"
SQL = "./setup/server --roles"

#: What psql answers, what that means, and what to do; the first that fits.
FAULTS = (
    (r"f$",
     "PostgreSQL lets {roles} in, but without rights.",
     "In Odoo, press Test on Email Hosting > Configuration > Backends > This Odoo: that grants "
     "them."),
    (r'.*schema "emboux_mail" does not exist',
     "The database {name} has no schema emboux_mail.",
     "Install Email Hosting Platform (emboux_mail_api) in this Odoo, or name its database with "
     "--db-name."),
    (r'.*database ".*" does not exist',
     "There is no database {name} at {where}.",
     "Name Odoo's database with --db-name."),
    (r".*(password authentication failed|no password supplied|role .* does not exist)",
     "PostgreSQL refuses the password of {roles}, or has no such role.",
     f"{SQL} prints the SQL that makes them, for psql on the database's machine: "
     f"{SQL} | runuser -u postgres -- psql"),
    (r".*no pg_hba.conf entry",
     "pg_hba.conf at {where} has no line for {roles} from this machine.",
     "Add this line to it, and reload PostgreSQL: {line}"),
    (r".*server does not support SSL",
     "PostgreSQL at {where} offers no TLS, and it is on another machine.",
     "Set ssl = on in postgresql.conf there, with a certificate for {host}."),
    (r".*(certificate verify failed|does not match host name|root certificate)",
     "The certificate of PostgreSQL at {where} cannot be trusted.",
     "It has to be for {host}, by an authority in the file of --db-ca.  psql says: {said}"),
    (r"",
     "PostgreSQL does not answer at {where}.",
     "See that it runs, that listen_addresses in postgresql.conf has an address that this machine "
     "reaches, and that no firewall is between.  psql says: {said}"),
)


def check(chosen, password):
    """Try each role.

    :param chosen: the ``Settings``.
    :param password: tells the password of a role.
    """
    by_fault = {}
    for role in ROLES:
        answer = _answer(chosen, role, password(role))
        if answer != "t":
            fault = next(n for n, (said, *_rest) in enumerate(FAULTS)
                         if re.match(said, answer, re.DOTALL))
            by_fault.setdefault(fault, []).append((role, answer))
            if "{roles}" not in FAULTS[fault][1]:
                break  # it is so for all of them
    found = [_finding(chosen, FAULTS[fault], failed) for fault, failed in by_fault.items()]
    where = f"{chosen.db_host}:{chosen.db_port}"
    if not found:
        found = [good(f"All {len(ROLES)} roles get into the database {chosen.db_name} at {where}.")]
    if not chosen.is_one_machine:
        found.append(note(f"Connections to {where} are encrypted; its certificate is checked, by "
                          f"the authorities in {chosen.db_ca}."))
    return found


def _finding(chosen, fault, failed):
    _said, sentence, remedy = fault
    roles = [role for role, _answer in failed]
    kind, client = ("host", "127.0.0.1") if chosen.is_one_machine else (
        "hostssl", "ADDRESS-OF-THIS-MACHINE")
    words = {
        "roles": "the roles" if len(roles) == len(ROLES) else ", ".join(roles),
        "name": chosen.db_name,
        "host": chosen.db_host,
        "where": f"{chosen.db_host}:{chosen.db_port}",
        "said": failed[0][1].splitlines()[-1].strip() or "nothing",
        "line": f"{kind} {chosen.db_name} {','.join(ROLES)} {client}/32 scram-sha-256",
    }
    return bad(sentence.format(**words), remedy.format(**words), serious=True)


def _answer(chosen, role, password):
    """``t`` or ``f``, or why not, in psql's words."""
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "PGPASSWORD": password,
        "PGSSLMODE": "disable" if chosen.is_one_machine else "verify-full",
        "PGSSLROOTCERT": chosen.db_ca,
        "PGCONNECT_TIMEOUT": "5",
    }
    done = subprocess.run(
        ["psql", "-X", "-w", "-A", "-t", "-h", chosen.db_host, "-p", str(chosen.db_port),
         "-U", role, "-d", chosen.db_name, "-c", RIGHTS],
        capture_output=True, text=True, check=False, env=environment)
    return done.stdout.strip() or done.stderr.strip() or "psql ended without a word"


def make_roles(chosen, sql):
    """On one machine: as PostgreSQL's own user, whom Debian's lets in by its socket.

    :raises CommandFailed: it does not.
    """
    argv = ["psql", "-X", "-q", "-w", "-p", str(chosen.db_port), "-d", "postgres"]
    system.run(system.as_user("postgres", argv), input=sql, cwd="/")
