"""What the commands have in common that run on the mail server and talk to Odoo's database.

Plain Python: they load no registry.
"""

import logging
import os
import pwd
import sys
from pathlib import Path

from odoo.tools import config


def add_options(parser, role, password):
    """``role``: the one in PostgreSQL; ``password``: the variable with its password."""
    parser.add_argument("-c", "--config", help="Odoo's configuration file")
    parser.add_argument("-d", "--database", help="default: the configuration's db_name")
    parser.add_argument("--role", default=role,
                        help=f"the role in PostgreSQL, with its password in ${password} or "
                        "--password-file; without one odoo.conf's user is taken")
    parser.add_argument("--password-file", metavar="FILE",
                        help="with the role's password as its one line, readable by root alone")
    parser.add_argument("--db-host", help="default: odoo.conf's db_host")
    parser.add_argument("--db-port", type=int, help="default: odoo.conf's db_port; PostgreSQL "
                        "itself, because PgBouncer's transactions know no LISTEN and no lock")


def add_user(parser):
    """For those that are started as root and need not stay it."""
    parser.add_argument("--user", help="become this system user before anything is done")


def start(parser, arguments, password):
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
    secret = os.environ.get(password)
    if arguments.password_file:
        secret = Path(arguments.password_file).read_text().strip()
    if secret:
        found |= {"user": arguments.role, "password": secret}
    if getattr(arguments, "user", None):
        become(parser, arguments.user)
    return {key: value for key, value in found.items() if value} | {"dbname": databases[0]}


def become(parser, name):
    """Give root's rights up for good."""
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
