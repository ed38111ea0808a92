# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The options that all daemons take, and how a command of Odoo's becomes its daemon.

The command reads Odoo's configuration, loads no registry, and gives way to a Python without Odoo,
which takes a third of the memory (``__main__.py``).
"""

import argparse
import json
import os
import socket
import sys
from pathlib import Path

from odoo.modules import Manifest
from odoo.tools import config

#: Where each serves its metrics, unless ``--metrics`` says otherwise.
PORTS = {
    "emboux_policy": 9040, "emboux_inbound": 9041, "emboux_queue": 9042, "emboux_retention": 9043,
    "emboux_transfer": 9044, "emboux_webhooks": 9045,
}  # fmt: skip
_MAIN = Path(__file__).with_name("__main__.py")
#: What is for all daemons alike; each gets all other options.
_COMMON = ("config", "database", "role", "password_file", "db_host", "db_port", "user", "metrics",
           "name")


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


def start(command, parser, arguments):
    """Become the daemon: the process goes on as ``__main__.py``, under the same number.

    What it is to do is on its standard input, where no other user can read it: the database, with
    the password, the options of its own, and where its packages are.
    """
    given = {
        "daemon": command.name.removeprefix("emboux_"),
        "database": _database(command, parser, arguments),
        "user": getattr(arguments, "user", None),
        "name": arguments.name,
        "metrics": None if arguments.metrics == "none" else arguments.metrics,
        "version": Manifest.for_addon("emboux_mail_api")["version"],
        "options": {name: value for name, value in vars(arguments).items() if name not in _COMMON},
        "path": [*sys.path, Manifest.for_addon("emboux_core").path],
    }
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        json.dump(given, pipe)
    os.dup2(read, 0)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", str(_MAIN), *sys.argv[1:]])


def _database(command, parser, arguments):
    """psycopg2's keywords.  Odoo's own role is taken where this one has no password."""
    options = ["--no-http"]
    options += ["-c", arguments.config] if arguments.config else []
    options += ["-d", arguments.database] if arguments.database else []
    config.parse_config(options, setup_logging=False)
    databases = config["db_name"]
    if len(databases) != 1:
        parser.error("say which database: -d NAME")
    found = {
        "host": arguments.db_host or config["db_host"],
        "port": arguments.db_port or config["db_port"],
        "user": config["db_user"],
        "password": config["db_password"],
        "sslmode": config["db_sslmode"],
    }
    secret = os.environ.pop(_variable(command.name), None)
    if arguments.password_file:
        secret = Path(arguments.password_file).read_text().strip()
    if secret:
        found |= {"user": arguments.role, "password": secret}
    return {key: value for key, value in found.items() if value} | {"dbname": databases[0]}


def _variable(name):
    return f"{name.upper()}_PASSWORD"
