"""``odoo emboux_queue``: the agent by which Postfix' queue obeys Odoo.

    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --dovecot /etc/dovecot/dovecot.conf
    odoo emboux_queue -c odoo.conf -d DB --postfix /etc/postfix --once

It runs on the mail server, as root: ``postsuper`` is root's alone.  Odoo itself is not root, and
reaches the queue by nothing but rows in its database.  Where odoo.conf is looked for, see
``emboux_policy``.  It loads no registry.
"""

import argparse
import importlib
import logging
import os
import socket
import sys
import types
from pathlib import Path

from odoo.cli import Command
from odoo.tools import config

PASSWORD = "EMBOUX_QUEUE_PASSWORD"  # noqa: S105 - the variable's name


class EmbouxQueue(Command):
    """Hold, release and discard mail in Postfix' queue, as Odoo says."""

    name = "emboux_queue"

    def run(self, cmdargs):
        parser = argparse.ArgumentParser(prog="odoo emboux_queue", description=self.__doc__)
        parser.add_argument("-c", "--config", help="Odoo's configuration file")
        parser.add_argument("-d", "--database", help="default: the configuration's db_name")
        parser.add_argument("--postfix", default="/etc/postfix", metavar="DIR",
                            help="Postfix' configuration folder (default %(default)s)")
        parser.add_argument("--dovecot", metavar="FILE",
                            help="Dovecot's configuration, where it runs beside this Postfix: "
                            "sessions of suspended mailboxes are ended")
        parser.add_argument("--name", default=socket.gethostname(),
                            help="of this mail server, one agent each (default %(default)s)")
        parser.add_argument("--once", action="store_true",
                            help="do what is to be done, then end: for cron instead of a service")
        parser.add_argument("--role", default="emboux_queue",
                            help=f"the role in PostgreSQL, with its password in ${PASSWORD} or "
                            "--password-file; without one odoo.conf's user is taken")
        parser.add_argument("--password-file", metavar="FILE",
                            help="with the role's password as its one line, readable by root alone")
        parser.add_argument("--db-host", help="default: odoo.conf's db_host")
        parser.add_argument("--db-port", type=int, help="default: odoo.conf's db_port; PostgreSQL "
                            "itself, because PgBouncer's transactions know no LISTEN")
        arguments = parser.parse_args(cmdargs)
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
        agent, postqueue, sessions, store = _plain("agent", "postqueue", "sessions", "store")
        dovecot = arguments.dovecot and sessions.Dovecot(str(Path(arguments.dovecot).resolve()))
        sys.exit(agent.run(
            agent.Agent(
                postqueue.Postfix(str(Path(arguments.postfix).resolve())),
                store.Store(_database(databases[0], arguments), arguments.name),
                dovecot,
            ),
            once=arguments.once,
        ))


def _database(name, arguments):
    """psycopg2's keywords: odoo.conf's, with the agent's own role where it has a password."""
    found = {
        "host": arguments.db_host or config["db_host"],
        "port": arguments.db_port or config["db_port"],
        "user": config["db_user"],
        "password": config["db_password"],
        "sslmode": config["db_sslmode"],
    }
    password = os.environ.get(PASSWORD)
    if arguments.password_file:
        password = Path(arguments.password_file).read_text().strip()
    if password:
        found |= {"user": arguments.role, "password": password}
    return {key: value for key, value in found.items() if value} | {"dbname": name}


def _plain(*parts):
    """Modules of the package ``queue``: the add-on's own __init__ would import all its models."""
    package = types.ModuleType("emboux_mail_api_plain")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules[package.__name__] = package
    return [importlib.import_module(f"{package.__name__}.queue.{part}") for part in parts]
