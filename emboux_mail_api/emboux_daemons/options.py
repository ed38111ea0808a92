# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The options that all daemons take, and what a command does before its daemon starts.

It reads Odoo's configuration and loads no registry.
"""

import argparse
import ast
import logging
import os
import pwd
import socket
import sys
from pathlib import Path

from odoo.tools import config

from .vitals import PATIENCE, Vitals
from .watch import Watch

#: Where each serves its metrics, unless ``--metrics`` says otherwise.
PORTS = {
    "emboux_policy": 9040, "emboux_inbound": 9041, "emboux_queue": 9042, "emboux_retention": 9043,
    "emboux_transfer": 9044, "emboux_webhooks": 9045,
}  # fmt: skip


def make_parser(command, may_become=False):
    """The parser of a daemon's ``odoo.cli.Command``, whose name is that of the role in PostgreSQL.

    ``may_become``: it is started as root and need not stay it.
    """
    parser = argparse.ArgumentParser(prog=f"odoo {command.name}", description=command.__doc__)
    parser.add_argument("-c", "--config", help="Odoo's configuration file")
    parser.add_argument("-d", "--database", help="default: the configuration's db_name")
    parser.add_argument("--role", default=command.name,
                        help="the role in PostgreSQL, with its password in "
                        f"${_variable(command.name)} or --password-file; without one odoo.conf's "
                        "user is taken")
    parser.add_argument("--password-file", metavar="FILE",
                        help="with the role's password as its one line, readable by root alone")
    parser.add_argument("--db-host", help="default: odoo.conf's db_host")
    parser.add_argument("--db-port", type=int, help="default: odoo.conf's db_port; PostgreSQL "
                        "itself, because PgBouncer's transactions know no LISTEN and no lock")
    parser.add_argument("--metrics", default=f"127.0.0.1:{PORTS[command.name]}", metavar="ADDRESS",
                        help="host:port of /metrics and /health (default %(default)s); none for "
                        "no port")
    parser.add_argument("--name", default=socket.gethostname(),
                        help="of this machine, as Odoo shows it (default %(default)s)")
    if may_become:
        parser.add_argument("--user", help="become this system user before anything is done")
    return parser


def _variable(name):
    return f"{name.upper()}_PASSWORD"


def start(command, parser, arguments):
    """Read the configuration, log to the terminal, become the user; returns psycopg2's keywords.

    Odoo's own role is taken where this one has no password.
    """
    options = ["--no-http"]
    options += ["-c", arguments.config] if arguments.config else []
    options += ["-d", arguments.database] if arguments.database else []
    config.parse_config(options, setup_logging=False)
    databases = config["db_name"]
    if len(databases) != 1:
        parser.error("say which database: -d NAME")
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    found = {
        "host": arguments.db_host or config["db_host"],
        "port": arguments.db_port or config["db_port"],
        "user": config["db_user"],
        "password": config["db_password"],
        "sslmode": config["db_sslmode"],
    }
    secret = os.environ.get(_variable(command.name))
    if arguments.password_file:
        secret = Path(arguments.password_file).read_text().strip()
    if secret:
        found |= {"user": arguments.role, "password": secret}
    if getattr(arguments, "user", None):
        become(parser, arguments.user)
    return {key: value for key, value in found.items() if value} | {"dbname": databases[0]}


def watch(command, arguments, database, patience=PATIENCE):
    """The ``Watch`` over this command's daemon, which is to be started with it."""
    manifest = Path(__file__).resolve().parents[1] / "__manifest__.py"
    version = ast.literal_eval(manifest.read_text())["version"]
    vitals = Vitals(command.name.removeprefix("emboux_"), arguments.name, version, patience)
    return Watch(vitals, database, None if arguments.metrics == "none" else arguments.metrics)


def become(parser, name):
    """Drop root's privileges for good."""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        parser.error(f"there is no system user {name}")
    if os.geteuid() == user.pw_uid:
        return
    try:
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except PermissionError:
        parser.error(f"only root can become {name}")
    os.environ["HOME"] = user.pw_dir
